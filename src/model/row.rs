//! Rows: entities as snapshot segments hold them, whole and by ordinal.
//!
//! Where a [record](super::record::Record) says what changes, a row says what is: the whole attribute image, both ends
//! of an edge. A snapshot segment is a list of [entries](Entry), ascending by ordinal: a row that is new or takes the
//! place of another, or a tombstone.

use serde::{Deserialize, Serialize};

use super::fingerprint::{Sum, tag};
use super::image::Image;
use super::position::{EdgeOrd, NameOrd, NodeOrd, Seq};
use super::time::Timestamp;
use crate::codec::Encoder;

/// What a row is of. The order is that in which snapshot segments list them, and in which they can be put into an empty
/// graph: a row needs only rows of kinds before its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RowKind {
    /// The text of an attribute name or state key.
    Name,
    /// A node.
    Node,
    /// An edge.
    Edge,
    /// A value of collector state or an entry of one of its maps.
    Item,
    /// The attributes of the graph itself: one row, ordinal 0.
    Graph,
}

impl RowKind {
    /// All kinds, in order.
    pub const ALL: [Self; 5] = [Self::Name, Self::Node, Self::Edge, Self::Item, Self::Graph];
}

/// An entity, whole. Ids, keys and values are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// A name.
    Name {
        /// Its text.
        text: &'a str,
    },
    /// A node.
    Node {
        /// Its id.
        id: &'a [u8],
        /// Its attributes.
        attrs: Image<'a>,
    },
    /// An edge.
    Edge {
        /// Source.
        src: NodeOrd,
        /// Target.
        dst: NodeOrd,
        /// In a multigraph its neighbour slot and its key.
        parallel: Option<(EdgeOrd, &'a [u8])>,
        /// Its attributes.
        attrs: Image<'a>,
    },
    /// An item of collector state.
    Item {
        /// The state's key.
        key: NameOrd,
        /// Which entry of the map; `None` for a plain value.
        entry: Option<&'a [u8]>,
        /// Its value.
        value: &'a [u8],
    },
    /// The attributes of the graph itself.
    Graph {
        /// They.
        attrs: Image<'a>,
    },
}

impl Row<'_> {
    /// What it is of.
    pub fn kind(&self) -> RowKind {
        match self {
            Self::Name { .. } => RowKind::Name,
            Self::Node { .. } => RowKind::Node,
            Self::Edge { .. } => RowKind::Edge,
            Self::Item { .. } => RowKind::Item,
            Self::Graph { .. } => RowKind::Graph,
        }
    }

    /// What it adds to the layout sum; `scratch` is overwritten. FORMAT.md, section 10, has the bytes.
    pub fn layout(&self, ordinal: u32, scratch: &mut Encoder) -> Sum {
        let to = scratch;
        to.clear();
        match *self {
            Self::Name { text } => {
                to.u8(tag::NAME_ROW);
                to.u64(u64::from(ordinal));
                to.str(text);
            }
            Self::Node { id, attrs } => {
                to.u8(tag::NODE_ROW);
                to.u64(u64::from(ordinal));
                to.raw(id);
                to.raw(attrs.as_bytes());
            }
            Self::Edge { src, dst, parallel, attrs } => {
                to.u8(tag::EDGE_ROW);
                to.u64(u64::from(ordinal));
                to.u64(u64::from(src.0));
                to.u64(u64::from(dst.0));
                if let Some((slot, key)) = parallel {
                    to.u64(u64::from(slot.0));
                    to.raw(key);
                }
                to.raw(attrs.as_bytes());
            }
            Self::Item { key, entry, value } => {
                to.u8(tag::ITEM_ROW);
                to.u64(u64::from(ordinal));
                to.u64(u64::from(key.0));
                to.u8(u8::from(entry.is_some()));
                to.raw(entry.unwrap_or_default());
                to.raw(value);
            }
            Self::Graph { attrs } if attrs.is_empty() => return Sum::default(),
            Self::Graph { attrs } => {
                to.u8(tag::GRAPH_ROW);
                to.raw(attrs.as_bytes());
            }
        }
        Sum::of(to.as_slice())
    }
}

/// When an entity was born and when it last changed: the event and its time. History survives compaction by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The event that gave birth to it.
    pub born: Seq,
    /// The time of that event.
    pub born_at: Timestamp,
    /// The last event that changed it: that of its birth if none did, that of its death in a tombstone.
    pub changed: Seq,
    /// The time of that event.
    pub changed_at: Timestamp,
}

/// What happened to one entity between two positions, net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its birth number.
    pub ordinal: u32,
    /// What the row that it takes the place of added to the layout sum; `None` if it was born after the first position.
    pub replaces: Option<Sum>,
    /// What it is at the second position; `None` for a tombstone.
    pub row: Option<Row<'a>>,
    /// When it was born and last changed. Names have none: all zero.
    pub stamps: Stamps,
}
