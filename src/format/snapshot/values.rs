//! Attributes in columns: which names a row has, and the values, name by name.
//!
//! *Shapes*: the number of distinct sets of names; each set as a count and that many ordinals, ascending; then for each
//! row with attributes the number of its set. *Values*: for each name that occurs, ascending, the values of the rows that
//! have it, in the order of the rows.

use std::collections::{BTreeMap, HashMap};

use crate::codec::{Decoder, Encoder, len_u64};
use crate::format::Fault;
use crate::model::image::Image;
use crate::model::position::NameOrd;
use crate::model::value::skip_value;

/// Collects the attributes of rows.
#[derive(Debug, Default)]
pub(super) struct ValuesEncoder {
    shapes: Vec<Vec<NameOrd>>,
    by_names: HashMap<Vec<NameOrd>, usize>,
    rows: Encoder,
    values: BTreeMap<NameOrd, Encoder>,
}

impl ValuesEncoder {
    /// Adds a row; returns about how many bytes it takes.
    pub(super) fn push(&mut self, image: Image<'_>) -> usize {
        let mut names = Vec::new();
        for (name, value) in image.iter() {
            names.push(name);
            self.values.entry(name).or_default().raw(value);
        }
        let shape = self.by_names.get(&names).copied().unwrap_or_else(|| {
            let shape = self.shapes.len();
            self.shapes.push(names.clone());
            self.by_names.insert(names, shape);
            shape
        });
        self.rows.u64(len_u64(shape));
        image.as_bytes().len()
    }

    /// The two columns.
    pub(super) fn finish(self) -> (Encoder, Encoder) {
        let (mut shapes, mut values) = (Encoder::new(), Encoder::new());
        shapes.u64(len_u64(self.shapes.len()));
        for names in &self.shapes {
            shapes.u64(len_u64(names.len()));
            for name in names {
                shapes.u64(u64::from(name.0));
            }
        }
        shapes.raw(self.rows.as_slice());
        for column in self.values.values() {
            values.raw(column.as_slice());
        }
        (shapes, values)
    }
}

/// Puts images together again.
#[derive(Debug)]
pub(super) struct ValuesDecoder<'a> {
    shapes: Vec<Vec<NameOrd>>,
    rows: std::vec::IntoIter<usize>,
    /// For each name the values that are still to come.
    values: BTreeMap<NameOrd, Decoder<'a>>,
}

impl<'a> ValuesDecoder<'a> {
    /// Reads the two columns of `rows` rows. No name is `names` or more.
    pub(super) fn new(
        shapes: &'a [u8],
        values: &'a [u8],
        rows: usize,
        names: NameOrd,
    ) -> Result<Self, Fault> {
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        let mut from = Decoder::new(shapes);
        let count = from.u64("the number of shapes")?;
        if count > len_u64(rows) {
            return wrong("a chunk has more shapes than rows");
        }
        let mut read = Vec::new();
        for _ in 0..count {
            let mut set = Vec::new();
            for _ in 0..from.u64("the number of names of a shape")? {
                let name = NameOrd(from.u32("a name of a shape")?);
                if name >= names || set.last().is_some_and(|last| *last >= name) {
                    return wrong("the names of a shape do not ascend, or were never born");
                }
                set.push(name);
            }
            read.push(set);
        }
        let mut of_rows = Vec::with_capacity(rows);
        let mut uses: BTreeMap<NameOrd, u64> = BTreeMap::new();
        for _ in 0..rows {
            let shape = usize::try_from(from.u64("the shape of a row")?).unwrap_or(usize::MAX);
            let Some(set) = read.get(shape) else { return wrong("a row has a shape that the chunk lacks") };
            for name in set {
                let uses = uses.entry(*name).or_default();
                *uses = uses.saturating_add(1);
            }
            of_rows.push(shape);
        }
        from.finish()?;
        let mut from = Decoder::new(values);
        let mut columns = BTreeMap::new();
        for (name, uses) in uses {
            let start = from.rest();
            for _ in 0..uses {
                skip_value(&mut from)?;
            }
            let taken = start.len().saturating_sub(from.rest().len());
            columns.insert(name, Decoder::new(start.get(..taken).unwrap_or_default()));
        }
        from.finish()?;
        Ok(Self { shapes: read, rows: of_rows.into_iter(), values: columns })
    }

    /// Appends the next row's image.
    pub(super) fn next(&mut self, to: &mut Encoder) -> Result<(), Fault> {
        let shape = self.rows.next().and_then(|shape| self.shapes.get(shape));
        let Some(names) = shape else {
            return Err(Fault::Meaning { what: "a chunk has fewer shapes than rows" });
        };
        to.u64(len_u64(names.len()));
        for name in names {
            let Some(values) = self.values.get_mut(name) else { continue };
            to.u64(u64::from(name.0));
            to.raw(skip_value(values)?);
        }
        Ok(())
    }
}
