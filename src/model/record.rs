//! Records: changes as the log stores them, by ordinal.

use super::id::IdRef;
use super::image::{Image, NameSet};
use super::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};

/// One change by ordinal. An event is one or more of these, whole in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// An attribute name or state key gets the next name ordinal.
    NameBorn {
        /// Its text.
        name: &'a str,
    },
    /// A node gets the next node ordinal.
    NodeBorn {
        /// Its id.
        id: IdRef<'a>,
        /// Its attributes.
        attrs: Image<'a>,
    },
    /// Attributes of a node are set.
    NodeChanged {
        /// The node.
        node: NodeOrd,
        /// What is set.
        set: Image<'a>,
    },
    /// Attributes of a node are removed.
    NodeUnset {
        /// The node.
        node: NodeOrd,
        /// Their names.
        names: NameSet<'a>,
    },
    /// A node is removed, and its edges with it.
    NodeDied {
        /// The node.
        node: NodeOrd,
    },
    /// An edge gets the next edge ordinal.
    EdgeBorn {
        /// Source.
        src: NodeOrd,
        /// Target.
        dst: NodeOrd,
        /// In a multigraph its neighbour slot (its own ordinal if it is the pair's first) and key.
        parallel: Option<(EdgeOrd, IdRef<'a>)>,
        /// Its attributes.
        attrs: Image<'a>,
    },
    /// Attributes of an edge are set.
    EdgeChanged {
        /// The edge.
        edge: EdgeOrd,
        /// What is set.
        set: Image<'a>,
    },
    /// Attributes of an edge are removed.
    EdgeUnset {
        /// The edge.
        edge: EdgeOrd,
        /// Their names.
        names: NameSet<'a>,
    },
    /// An edge is removed.
    EdgeDied {
        /// The edge.
        edge: EdgeOrd,
    },
    /// Attributes of the graph are set.
    GraphChanged {
        /// What is set.
        set: Image<'a>,
    },
    /// Attributes of the graph are removed.
    GraphUnset {
        /// Their names.
        names: NameSet<'a>,
    },
    /// A value of collector state, or an entry of one of its maps, gets the next item ordinal.
    ItemBorn {
        /// The state's key.
        key: NameOrd,
        /// Which entry of the map; `None` for a plain value.
        entry: Option<IdRef<'a>>,
        /// Its value, encoded.
        value: &'a [u8],
    },
    /// An item gets another value.
    ItemChanged {
        /// The item.
        item: ItemOrd,
        /// Its value, encoded.
        value: &'a [u8],
    },
    /// An item is removed.
    ItemDied {
        /// The item.
        item: ItemOrd,
    },
}

/// Why a record cannot be applied: the bytes are sound, but they speak of what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Inconsistency {
    /// A record names an entity that is not alive.
    #[error("a record speaks of {what} {ordinal}, which is not alive")]
    NotAlive {
        /// Node, edge, …
        what: &'static str,
        /// Its birth number.
        ordinal: u32,
    },
    /// A birth past the last ordinal.
    #[error("no ordinal is left for another {what}")]
    UsedUp {
        /// Node, edge, …
        what: &'static str,
    },
    /// An edge of a multigraph without slot and key, or one of a simple graph with them.
    #[error("an edge record does not fit the kind of graph")]
    WrongKind,
    /// Two living entities with one name.
    #[error("{what} {first} and {second} are the same by id")]
    Twice {
        /// Node, edge, …
        what: &'static str,
        /// The first.
        first: u32,
        /// The second.
        second: u32,
    },
}
