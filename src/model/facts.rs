//! Facts: what entities add to the content sum, by id, wherever their rows are held.

use super::fingerprint::{Sum, tag};
use super::image::Image;
use super::position::NameOrd;
use crate::codec::Encoder;

/// Hashes of one fact after another, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    buffer: Encoder,
}

impl Facts {
    pub(crate) fn new() -> Self {
        Self { buffer: Encoder::new() }
    }

    /// The buffer, to be overwritten.
    pub(crate) fn scratch(&mut self) -> &mut Encoder {
        &mut self.buffer
    }

    /// A node with an encoded id. `names`: the texts of attribute names; so for the others here.
    pub(crate) fn node<'n>(
        &mut self,
        id: &[u8],
        attrs: Image<'_>,
        names: impl Fn(NameOrd) -> &'n str,
    ) -> Sum {
        let mut sum = self.one(tag::NODE, |to| to.raw(id));
        sum.add(self.attrs_of(tag::NODE_ATTR, attrs, names));
        sum
    }

    /// An edge between encoded ids, with its encoded key if it has one.
    pub(crate) fn edge<'n>(
        &mut self,
        directed: bool,
        (src, dst): (&[u8], &[u8]),
        key: Option<&[u8]>,
        attrs: Image<'_>,
        names: impl Fn(NameOrd) -> &'n str,
    ) -> Sum {
        let (first, second) = if !directed && src > dst { (dst, src) } else { (src, dst) };
        let mut sum = self.one(tag::EDGE, |to| {
            to.raw(first);
            to.raw(second);
            if let Some(key) = key {
                to.raw(key);
            }
        });
        sum.add(self.attrs_of(tag::EDGE_ATTR, attrs, names));
        sum
    }

    /// An item of state: the text of its key, its encoded entry if it is one of a map, and its encoded value.
    pub(crate) fn item(&mut self, key: &str, entry: Option<&[u8]>, value: &[u8]) -> Sum {
        self.one(tag::ITEM, |to| {
            to.str(key);
            to.u8(u8::from(entry.is_some()));
            to.raw(entry.unwrap_or_default());
            to.raw(value);
        })
    }

    /// The attributes of the graph itself.
    pub(crate) fn graph<'n>(&mut self, attrs: Image<'_>, names: impl Fn(NameOrd) -> &'n str) -> Sum {
        self.buffer.clear();
        self.buffer.u8(tag::GRAPH_ATTR);
        self.attrs_of(tag::GRAPH_ATTR, attrs, names)
    }

    /// The hash of the fact that `write` writes behind `tag`.
    fn one(&mut self, tag: u8, write: impl FnOnce(&mut Encoder)) -> Sum {
        self.buffer.clear();
        self.buffer.u8(tag);
        write(&mut self.buffer);
        Sum::of(self.buffer.as_slice())
    }

    /// The attributes of what stands in the buffer behind a tag.
    fn attrs_of<'n>(&mut self, tag: u8, attrs: Image<'_>, names: impl Fn(NameOrd) -> &'n str) -> Sum {
        let mut sum = Sum::default();
        if attrs.is_empty() {
            return sum;
        }
        self.buffer.set_first(tag);
        let behind_owner = self.buffer.len();
        for (name, value) in attrs.iter() {
            self.buffer.truncate(behind_owner);
            self.buffer.str(names(name));
            self.buffer.raw(value);
            sum.add(Sum::of(self.buffer.as_slice()));
        }
        sum
    }
}
