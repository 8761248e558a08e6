//! The records of one event, before they are applied and stored: what resolving an event makes.

use hashbrown::HashTable;

use crate::codec::{Decoder, Encoder, len_u64};
use crate::model::event::Refusal;
use crate::model::id::IdRef;
use crate::model::image::{Image, NameSet};
use crate::model::limits::{MAX_DEPTH, MAX_EVENT_BYTES, MAX_ID_BYTES, MAX_NAME_BYTES, MAX_VALUE_BYTES};
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::record::Record;
use crate::model::value::Value;

/// The records of one event. Reused from event to event, so that its room is too: an event that is like those before it
/// allocates nothing.
#[derive(Debug, Default)]
pub struct Changes {
    pub(super) list: Vec<Change>,
    /// Ids, images, values, names, one behind the other.
    pub(super) bytes: Encoder,
    /// The names that the event gives birth to, by their hash.
    pub(super) names: HashTable<(u64, Span, NameOrd)>,
    /// The names of the attributes of earlier events, in their order, by how many there are: the next event is likely to
    /// have those of the last one with as many.
    expected: [Vec<NameOrd>; 8],
    /// Attributes on their way into an image.
    pub(super) attrs: Vec<(NameOrd, Span)>,
}

/// A range of [`Changes::bytes`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// A record whose bytes are elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Name(Span),
    NodeBorn { id: Span, attrs: Span },
    NodeChanged { node: NodeOrd, set: Span },
    NodeUnset { node: NodeOrd, names: Span },
    NodeDied { node: NodeOrd },
    EdgeBorn { src: NodeOrd, dst: NodeOrd, parallel: Option<(EdgeOrd, Span)>, attrs: Span },
    EdgeChanged { edge: EdgeOrd, set: Span },
    EdgeUnset { edge: EdgeOrd, names: Span },
    EdgeDied { edge: EdgeOrd },
    GraphChanged { set: Span },
    GraphUnset { names: Span },
    ItemBorn { key: NameOrd, entry: Option<Span>, value: Span },
    ItemChanged { item: ItemOrd, value: Span },
    ItemDied { item: ItemOrd },
}

impl Change {
    /// What it takes in a payload, at most.
    fn size(&self) -> usize {
        // A tag and three ordinals.
        const FIXED: usize = 16;
        let (ids, bytes) = match *self {
            Self::NodeBorn { id, attrs } => (id.len(), attrs.len()),
            Self::EdgeBorn { parallel, attrs, .. } => (parallel.map_or(0, |(_, key)| key.len()), attrs.len()),
            Self::ItemBorn { entry, value, .. } => (entry.map_or(0, Span::len), value.len()),
            Self::Name(bytes)
            | Self::NodeChanged { set: bytes, .. }
            | Self::EdgeChanged { set: bytes, .. }
            | Self::GraphChanged { set: bytes }
            | Self::NodeUnset { names: bytes, .. }
            | Self::EdgeUnset { names: bytes, .. }
            | Self::GraphUnset { names: bytes }
            | Self::ItemChanged { value: bytes, .. } => (0, bytes.len()),
            Self::NodeDied { .. } | Self::EdgeDied { .. } | Self::ItemDied { .. } => (0, 0),
        };
        FIXED.saturating_add(ids).saturating_add(bytes)
    }
}

impl Changes {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the event changes nothing.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The records, in the order in which they are to be applied and stored.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        let image = |span| Image::trusted(self.get(span));
        let set = |span| NameSet::trusted(self.get(span));
        self.list.iter().map(move |change| match *change {
            Change::Name(name) => Record::NameBorn { name: self.text(name) },
            Change::NodeBorn { id, attrs } => Record::NodeBorn { id: self.id(id), attrs: image(attrs) },
            Change::NodeChanged { node, set } => Record::NodeChanged { node, set: image(set) },
            Change::NodeUnset { node, names } => Record::NodeUnset { node, names: set(names) },
            Change::NodeDied { node } => Record::NodeDied { node },
            Change::EdgeBorn { src, dst, parallel, attrs } => Record::EdgeBorn {
                src,
                dst,
                parallel: parallel.map(|(slot, key)| (slot, self.id(key))),
                attrs: image(attrs),
            },
            Change::EdgeChanged { edge, set } => Record::EdgeChanged { edge, set: image(set) },
            Change::EdgeUnset { edge, names } => Record::EdgeUnset { edge, names: set(names) },
            Change::EdgeDied { edge } => Record::EdgeDied { edge },
            Change::GraphChanged { set } => Record::GraphChanged { set: image(set) },
            Change::GraphUnset { names } => Record::GraphUnset { names: set(names) },
            Change::ItemBorn { key, entry, value } => {
                Record::ItemBorn { key, entry: entry.map(|entry| self.id(entry)), value: self.get(value) }
            }
            Change::ItemChanged { item, value } => Record::ItemChanged { item, value: self.get(value) },
            Change::ItemDied { item } => Record::ItemDied { item },
        })
    }

    /// Without records if what they would say was refused or is too large.
    pub(super) fn finish(&mut self, outcome: Result<(), Refusal>) -> Result<(), Refusal> {
        let outcome = outcome.and_then(|()| {
            let size = self.list.iter().map(Change::size).fold(0, usize::saturating_add);
            bound("the size of an event", size, MAX_EVENT_BYTES)
        });
        if outcome.is_err() {
            self.list.clear();
        }
        outcome
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
        self.names.clear();
    }

    pub(super) fn get(&self, span: Span) -> &[u8] {
        self.bytes.as_slice().get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.get(span)).unwrap_or_default()
    }

    fn id(&self, span: Span) -> IdRef<'_> {
        IdRef::decode(&mut Decoder::new(self.get(span))).unwrap_or(IdRef::Str(""))
    }

    /// What the attribute at `at` of `count` was called in an earlier event.
    pub(super) fn expected(&self, count: usize, at: usize) -> Option<NameOrd> {
        self.expected.get(count)?.get(at).copied()
    }

    /// Remembers the names of the attributes that are on their way.
    pub(super) fn expect_again(&mut self) {
        if let Some(expected) = self.expected.get_mut(self.attrs.len())
            && !expected.iter().eq(self.attrs.iter().map(|(name, _)| name))
        {
            expected.clear();
            expected.extend(self.attrs.iter().map(|(name, _)| *name));
        }
    }

    /// Appends what `write` writes.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut Encoder)) -> Span {
        let start = self.bytes.len();
        write(&mut self.bytes);
        Span { start, end: self.bytes.len() }
    }

    /// Appends an id, encoded.
    pub(super) fn put_id(&mut self, id: IdRef<'_>) -> Result<Span, Refusal> {
        if let IdRef::Str(text) = id {
            bound("an id's length", text.len(), MAX_ID_BYTES)?;
        }
        Ok(self.put(|to| id.encode(to)))
    }

    /// Appends a value, encoded.
    pub(super) fn put_value(&mut self, value: &Value) -> Result<Span, Refusal> {
        if matches!(value, Value::List(_) | Value::Map(_)) {
            bound("the nesting of a value", value.depth(), MAX_DEPTH)?;
            check_keys(value)?;
        }
        let span = self.put(|to| value.encode(to));
        bound("the size of a value", span.len(), MAX_VALUE_BYTES)?;
        Ok(span)
    }

    /// Appends the image of the attributes that are on their way.
    pub(super) fn put_image(&mut self) -> Span {
        let start = self.bytes.len();
        self.bytes.u64(len_u64(self.attrs.len()));
        for (name, value) in &self.attrs {
            self.bytes.u64(u64::from(name.0));
            self.bytes.repeat(value.start, value.end);
        }
        Span { start, end: self.bytes.len() }
    }
}

/// Holds `found` to a bound.
pub(super) fn bound(what: &'static str, found: usize, max: usize) -> Result<(), Refusal> {
    if found <= max {
        Ok(())
    } else {
        Err(Refusal::TooLarge { what, found: len_u64(found), max: len_u64(max) })
    }
}

fn check_keys(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::List(list) => list.iter().try_for_each(check_keys),
        Value::Map(map) => map.iter().try_for_each(|(key, value)| {
            bound("the length of a map's key", key.len(), MAX_NAME_BYTES)?;
            check_keys(value)
        }),
        _ => Ok(()),
    }
}
