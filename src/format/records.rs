//! The payload of an event frame: the next birth numbers, then records.
//!
//! A record is a tag byte and its fields. The tag's high bit says that the next record belongs to the same event.
//! Nodes, edges and items are named by their distance from the next birth number (1 is the youngest), so that what
//! was born lately takes one byte. Two records are no events and take no seq: the passing of time, and how far a
//! source was read.

use super::Fault;
use crate::codec::{DecodeError, Decoder, Encoder};
use crate::model::id::IdRef;
use crate::model::image::{Image, NameSet};
use crate::model::limits::{MAX_NAME_BYTES, MAX_ORDINAL, MAX_SOURCE_NAME_BYTES};
use crate::model::marker::{GraphKind, Ordinals};
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::model::value::skip_value;

const NAME_BORN: u8 = 1;
const NODE_BORN: u8 = 2;
const NODE_CHANGED: u8 = 3;
const NODE_UNSET: u8 = 4;
const NODE_DIED: u8 = 5;
const EDGE_BORN: u8 = 6;
const EDGE_CHANGED: u8 = 7;
const EDGE_UNSET: u8 = 8;
const EDGE_DIED: u8 = 9;
const GRAPH_CHANGED: u8 = 10;
const GRAPH_UNSET: u8 = 11;
const ITEM_BORN: u8 = 12;
const ENTRY_BORN: u8 = 13;
const ITEM_CHANGED: u8 = 14;
const ITEM_DIED: u8 = 15;
const TIME_PASSED: u8 = 30;
const SOURCE_READ: u8 = 31;
/// The next record belongs to the same event.
const MORE: u8 = 0x80;

/// How far an input was read: what `ingest` remembers, in the same frame as the events that it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceRead<'a> {
    /// What the input is called.
    pub name: &'a str,
    /// Bytes of it that are in the log.
    pub bytes: u64,
    /// Lines of it that are in the log.
    pub lines: u64,
    /// XXH3-128 of those bytes.
    pub digest: [u8; 16],
}

/// One piece of an event frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A change. `ends_event`: it is its event's last.
    Change {
        /// The change.
        record: Record<'a>,
        /// Whether its event ends with it.
        ends_event: bool,
    },
    /// Later events happened so many microseconds later than those before.
    TimePassed(u64),
    /// How far a source was read.
    SourceRead(SourceRead<'a>),
}

/// Builds the payload of an event frame.
#[derive(Debug)]
pub struct PayloadEncoder {
    to: Encoder,
    next: Ordinals,
}

impl PayloadEncoder {
    /// A payload whose first birth is that of `next`.
    pub fn new(next: Ordinals) -> Self {
        let mut payload = Self { to: Encoder::new(), next };
        payload.restart(next);
        payload
    }

    /// Begins another payload in the same room.
    pub fn restart(&mut self, next: Ordinals) {
        self.next = next;
        self.to.clear();
        for ordinal in [next.node.0, next.edge.0, next.name.0, next.item.0] {
            self.to.u64(u64::from(ordinal));
        }
    }

    /// The bytes so far.
    pub fn as_slice(&self) -> &[u8] {
        self.to.as_slice()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.to.len()
    }

    /// Never: the birth numbers are there from the start.
    pub fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// Where the payload stands, to come back to.
    pub fn mark(&self) -> PayloadMark {
        PayloadMark { len: self.to.len(), next: self.next }
    }

    /// Drops what was added since `mark`.
    pub fn roll_back(&mut self, mark: PayloadMark) {
        self.to.truncate(mark.len);
        self.next = mark.next;
    }

    /// Adds the passing of time.
    pub fn time_passed(&mut self, micros: u64) {
        self.to.u8(TIME_PASSED);
        self.to.u64(micros);
    }

    /// Adds how far a source was read.
    pub fn source_read(&mut self, source: SourceRead<'_>) {
        self.to.u8(SOURCE_READ);
        self.to.str(source.name);
        self.to.u64(source.bytes);
        self.to.u64(source.lines);
        self.to.raw(&source.digest);
    }

    /// Adds a change; `more`: the next one belongs to the same event.
    pub fn change(&mut self, record: &Record<'_>, more: bool) {
        let tag = |tag: u8| if more { tag | MORE } else { tag };
        let to = &mut self.to;
        let next = &mut self.next;
        match *record {
            Record::NameBorn { name } => {
                to.u8(tag(NAME_BORN));
                to.str(name);
                next.name = next.name.next();
            }
            Record::NodeBorn { id, attrs } => {
                to.u8(tag(NODE_BORN));
                id.encode(to);
                to.raw(attrs.as_bytes());
                next.node = next.node.next();
            }
            Record::NodeChanged { node, set } => {
                to.u8(tag(NODE_CHANGED));
                distance(next.node.0, node.0, to);
                to.raw(set.as_bytes());
            }
            Record::NodeUnset { node, names } => {
                to.u8(tag(NODE_UNSET));
                distance(next.node.0, node.0, to);
                to.raw(names.as_bytes());
            }
            Record::NodeDied { node } => {
                to.u8(tag(NODE_DIED));
                distance(next.node.0, node.0, to);
            }
            Record::EdgeBorn { src, dst, parallel, attrs } => {
                to.u8(tag(EDGE_BORN));
                distance(next.node.0, src.0, to);
                distance(next.node.0, dst.0, to);
                if let Some((slot, key)) = parallel {
                    distance(next.edge.0, slot.0, to);
                    key.encode(to);
                }
                to.raw(attrs.as_bytes());
                next.edge = next.edge.next();
            }
            Record::EdgeChanged { edge, set } => {
                to.u8(tag(EDGE_CHANGED));
                distance(next.edge.0, edge.0, to);
                to.raw(set.as_bytes());
            }
            Record::EdgeUnset { edge, names } => {
                to.u8(tag(EDGE_UNSET));
                distance(next.edge.0, edge.0, to);
                to.raw(names.as_bytes());
            }
            Record::EdgeDied { edge } => {
                to.u8(tag(EDGE_DIED));
                distance(next.edge.0, edge.0, to);
            }
            Record::GraphChanged { set } => {
                to.u8(tag(GRAPH_CHANGED));
                to.raw(set.as_bytes());
            }
            Record::GraphUnset { names } => {
                to.u8(tag(GRAPH_UNSET));
                to.raw(names.as_bytes());
            }
            Record::ItemBorn { key, entry, value } => {
                to.u8(tag(if entry.is_some() { ENTRY_BORN } else { ITEM_BORN }));
                to.u64(u64::from(key.0));
                if let Some(entry) = entry {
                    entry.encode(to);
                }
                to.raw(value);
                next.item = next.item.next();
            }
            Record::ItemChanged { item, value } => {
                to.u8(tag(ITEM_CHANGED));
                distance(next.item.0, item.0, to);
                to.raw(value);
            }
            Record::ItemDied { item } => {
                to.u8(tag(ITEM_DIED));
                distance(next.item.0, item.0, to);
            }
        }
    }
}

/// A place in a payload that is being built.
#[derive(Debug, Clone, Copy)]
pub struct PayloadMark {
    len: usize,
    next: Ordinals,
}

fn distance(next: u32, ordinal: u32, to: &mut Encoder) {
    to.u64(u64::from(next.saturating_sub(ordinal)));
}

/// Reads the payload of an event frame.
#[derive(Debug, Clone)]
pub struct PayloadDecoder<'a> {
    from: Decoder<'a>,
    kind: GraphKind,
    next: Ordinals,
}

impl<'a> PayloadDecoder<'a> {
    /// Reads the birth numbers that a payload begins with.
    ///
    /// # Errors
    /// If they are not there.
    pub fn new(payload: &'a [u8], kind: GraphKind) -> Result<Self, Fault> {
        let mut from = Decoder::new(payload);
        let mut ordinal = || from.u32("a birth number");
        let next = Ordinals {
            node: NodeOrd(ordinal()?),
            edge: EdgeOrd(ordinal()?),
            name: NameOrd(ordinal()?),
            item: ItemOrd(ordinal()?),
        };
        Ok(Self { from, kind, next })
    }

    /// The next birth numbers at this place.
    pub fn ordinals(&self) -> Ordinals {
        self.next
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.from.position()
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Fault`] if the bytes are no record, or the record names what was not born yet.
    pub fn next_item(&mut self) -> Result<Option<Item<'a>>, Fault> {
        if self.from.is_at_end() {
            return Ok(None);
        }
        let tag = self.from.u8("a record's tag")?;
        let more = tag & MORE != 0;
        let record = match tag & !MORE {
            TIME_PASSED if !more => return Ok(Some(Item::TimePassed(self.from.u64("a span of time")?))),
            SOURCE_READ if !more => return Ok(Some(Item::SourceRead(self.source()?))),
            NAME_BORN => {
                let name = self.from.str(MAX_NAME_BYTES, "a name")?;
                self.next.name = NameOrd(born(self.next.name.0, "names")?);
                Record::NameBorn { name }
            }
            NODE_BORN => {
                let id = IdRef::decode(&mut self.from)?;
                let attrs = self.image()?;
                self.next.node = NodeOrd(born(self.next.node.0, "nodes")?);
                Record::NodeBorn { id, attrs }
            }
            NODE_CHANGED => Record::NodeChanged { node: self.node()?, set: self.image()? },
            NODE_UNSET => Record::NodeUnset { node: self.node()?, names: self.names()? },
            NODE_DIED => Record::NodeDied { node: self.node()? },
            EDGE_BORN => {
                let (src, dst) = (self.node()?, self.node()?);
                let parallel = if self.kind.multigraph {
                    let slot = EdgeOrd(named(&mut self.from, self.next.edge.0, 0, "a slot")?);
                    Some((slot, IdRef::decode(&mut self.from)?))
                } else {
                    None
                };
                let attrs = self.image()?;
                self.next.edge = EdgeOrd(born(self.next.edge.0, "edges")?);
                Record::EdgeBorn { src, dst, parallel, attrs }
            }
            EDGE_CHANGED => Record::EdgeChanged { edge: self.edge()?, set: self.image()? },
            EDGE_UNSET => Record::EdgeUnset { edge: self.edge()?, names: self.names()? },
            EDGE_DIED => Record::EdgeDied { edge: self.edge()? },
            GRAPH_CHANGED => Record::GraphChanged { set: self.image()? },
            GRAPH_UNSET => Record::GraphUnset { names: self.names()? },
            tag @ (ITEM_BORN | ENTRY_BORN) => {
                let key = NameOrd(self.from.u32("a state key")?);
                if key >= self.next.name {
                    return Err(Fault::Meaning { what: "a state key was never born" });
                }
                let entry = if tag == ENTRY_BORN { Some(IdRef::decode(&mut self.from)?) } else { None };
                let value = skip_value(&mut self.from)?;
                self.next.item = ItemOrd(born(self.next.item.0, "state items")?);
                Record::ItemBorn { key, entry, value }
            }
            ITEM_CHANGED => Record::ItemChanged { item: self.item()?, value: skip_value(&mut self.from)? },
            ITEM_DIED => Record::ItemDied { item: self.item()? },
            _ => return Err(Fault::Meaning { what: "a record has a tag that none has" }),
        };
        Ok(Some(Item::Change { record, ends_event: !more }))
    }

    fn source(&mut self) -> Result<SourceRead<'a>, Fault> {
        let name = self.from.str(MAX_SOURCE_NAME_BYTES, "a source's name")?;
        let (bytes, lines) = (self.from.u64("a source's bytes")?, self.from.u64("a source's lines")?);
        let digest = super::field(self.from.raw(16, "a source's digest")?, 0).unwrap_or_default();
        Ok(SourceRead { name, bytes, lines, digest })
    }

    fn node(&mut self) -> Result<NodeOrd, Fault> {
        named(&mut self.from, self.next.node.0, 1, "a node").map(NodeOrd)
    }

    fn edge(&mut self) -> Result<EdgeOrd, Fault> {
        named(&mut self.from, self.next.edge.0, 1, "an edge").map(EdgeOrd)
    }

    fn item(&mut self) -> Result<ItemOrd, Fault> {
        named(&mut self.from, self.next.item.0, 1, "a state item").map(ItemOrd)
    }

    fn image(&mut self) -> Result<Image<'a>, DecodeError> {
        Image::decode(&mut self.from, self.next.name)
    }

    fn names(&mut self) -> Result<NameSet<'a>, DecodeError> {
        NameSet::decode(&mut self.from, self.next.name)
    }
}

/// An ordinal by its distance from `next`, which is at least `least`.
fn named(from: &mut Decoder<'_>, next: u32, least: u32, what: &'static str) -> Result<u32, Fault> {
    let distance = from.u32(what)?;
    match next.checked_sub(distance) {
        Some(ordinal) if distance >= least => Ok(ordinal),
        _ => Err(Fault::Meaning { what: "a record names something that was not born yet" }),
    }
}

fn born(next: u32, what: &'static str) -> Result<u32, DecodeError> {
    if next >= MAX_ORDINAL {
        return Err(DecodeError::TooLarge { what, found: u64::from(next), max: u64::from(MAX_ORDINAL) });
    }
    Ok(next.saturating_add(1))
}

/// Applies the time that has passed to the time of a frame.
pub(crate) fn advance(time: Timestamp, micros: u64) -> Timestamp {
    time.plus_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_with_the_ordinals_that_they_were_given() {
        let start = Ordinals { node: NodeOrd(10), edge: EdgeOrd(300), name: NameOrd(1), item: ItemOrd(2) };
        let attrs = Image::trusted(&[1, 0, 3, 8]);
        let kind = GraphKind { directed: true, multigraph: true };
        let records = [
            Record::NameBorn { name: "x" },
            Record::NodeBorn { id: IdRef::Str("a"), attrs },
            Record::NodeChanged { node: NodeOrd(10), set: Image::trusted(&[1, 1, 0]) },
            Record::NodeUnset { node: NodeOrd(0), names: NameSet::trusted(&[1, 1]) },
            Record::EdgeBorn {
                src: NodeOrd(10),
                dst: NodeOrd(3),
                parallel: Some((EdgeOrd(300), IdRef::Int(0))),
                attrs,
            },
            Record::EdgeBorn {
                src: NodeOrd(10),
                dst: NodeOrd(3),
                parallel: Some((EdgeOrd(300), IdRef::Int(1))),
                attrs,
            },
            Record::EdgeDied { edge: EdgeOrd(0) },
            Record::GraphChanged { set: attrs },
            Record::ItemBorn { key: NameOrd(1), entry: Some(IdRef::Int(-1)), value: &[0] },
            Record::ItemChanged { item: ItemOrd(2), value: &[2] },
            Record::ItemDied { item: ItemOrd(0) },
            Record::NodeDied { node: NodeOrd(10) },
        ];
        let mut payload = PayloadEncoder::new(start);
        payload.time_passed(1_000_000);
        for record in &records {
            payload.change(record, false);
        }
        let mut decoder = PayloadDecoder::new(payload.as_slice(), kind).unwrap();
        assert_eq!(decoder.next_item().unwrap(), Some(Item::TimePassed(1_000_000)));
        for record in records {
            assert_eq!(decoder.next_item().unwrap(), Some(Item::Change { record, ends_event: true }));
        }
        assert_eq!(decoder.next_item().unwrap(), None);
    }

    #[test]
    fn what_was_not_born_cannot_be_named() {
        let mut payload = PayloadEncoder::new(Ordinals::default());
        payload.change(&Record::NodeDied { node: NodeOrd(0) }, false);
        let mut decoder = PayloadDecoder::new(payload.as_slice(), GraphKind::default()).unwrap();
        assert!(matches!(decoder.next_item(), Err(Fault::Meaning { .. })));
    }

    #[test]
    fn a_stored_edge_takes_a_few_bytes() {
        let next = Ordinals { node: NodeOrd(70_000), edge: EdgeOrd(300_000), ..Ordinals::default() };
        let mut payload = PayloadEncoder::new(next);
        let before = payload.len();
        let record = Record::EdgeBorn {
            src: NodeOrd(69_990),
            dst: NodeOrd(60_000),
            parallel: None,
            attrs: Image::trusted(&[0]),
        };
        payload.change(&record, false);
        assert_eq!(payload.len() - before, 6);
    }
}
