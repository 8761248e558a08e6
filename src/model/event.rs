//! Events: one change each, as a collector says it, by id.

use super::id::Id;
use super::position::NodeOrd;
use super::value::Value;

/// Attributes to put: names and values. A name that stands twice takes the later value.
pub type Attrs = Vec<(String, Value)>;

/// One change to a graph or to the collector's state, with NetworkX's semantics.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Adds a node, or merges attributes into it (`add_node`).
    PutNode {
        /// The node.
        id: Id,
        /// Attributes to merge.
        attrs: Attrs,
    },
    /// Adds an edge and its missing ends, or merges attributes into it (`add_edge`).
    PutEdge {
        /// Source, or either end if the graph is undirected.
        src: Id,
        /// Target.
        dst: Id,
        /// Which of the parallel edges; multigraphs only. Without it a multigraph adds an edge with NetworkX's
        /// next key.
        key: Option<Id>,
        /// Attributes to merge.
        attrs: Attrs,
    },
    /// Removes a node and its edges (`remove_node`).
    DeleteNode {
        /// The node.
        id: Id,
    },
    /// Removes an edge (`remove_edge`).
    DeleteEdge {
        /// Source.
        src: Id,
        /// Target.
        dst: Id,
        /// Which of the parallel edges; without it the newest.
        key: Option<Id>,
    },
    /// Removes attributes of a node; a name that it does not have is passed over.
    UnsetNode {
        /// The node.
        id: Id,
        /// The attributes' names.
        names: Vec<String>,
    },
    /// Removes attributes of an edge; a name that it does not have is passed over.
    UnsetEdge {
        /// Source.
        src: Id,
        /// Target.
        dst: Id,
        /// Which of the parallel edges; needed in a multigraph.
        key: Option<Id>,
        /// The attributes' names.
        names: Vec<String>,
    },
    /// Merges attributes of the graph itself.
    PutGraph {
        /// Attributes to merge.
        attrs: Attrs,
    },
    /// Removes attributes of the graph itself; a name that it does not have is passed over.
    UnsetGraph {
        /// The attributes' names.
        names: Vec<String>,
    },
    /// Sets a value of collector state.
    PutState {
        /// Its key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Removes a value of collector state; one that is not there is passed over.
    DeleteState {
        /// Its key.
        key: String,
    },
    /// Sets an entry of a map of collector state.
    PutEntry {
        /// The map's key.
        key: String,
        /// The entry.
        entry: Id,
        /// Its value.
        value: Value,
    },
    /// Removes an entry of a map of collector state; one that is not there is passed over.
    DeleteEntry {
        /// The map's key.
        key: String,
        /// The entry.
        entry: Id,
    },
}

impl Event {
    /// Adds a node without attributes.
    pub fn node(id: impl Into<Id>) -> Self {
        Self::PutNode { id: id.into(), attrs: Attrs::new() }
    }

    /// Adds an edge without attributes.
    pub fn edge(src: impl Into<Id>, dst: impl Into<Id>) -> Self {
        Self::PutEdge { src: src.into(), dst: dst.into(), key: None, attrs: Attrs::new() }
    }

    /// The same event with one more attribute, if it is one that carries attributes.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        if let Self::PutNode { attrs, .. } | Self::PutEdge { attrs, .. } | Self::PutGraph { attrs } =
            &mut self
        {
            attrs.push((name.into(), value.into()));
        }
        self
    }
}

/// A put of an edge between nodes whose birth numbers are known, as [`Writer::node`](crate::Writer::node) tells them: the
/// ids need not be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEdge {
    /// Source, or either end if the graph is undirected.
    pub src: NodeOrd,
    /// Target.
    pub dst: NodeOrd,
    /// Which of the parallel edges; multigraphs only.
    pub key: Option<Id>,
    /// Attributes to merge.
    pub attrs: Attrs,
}

/// Why the graph refuses an event. The graph is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The event speaks of a node that is not there.
    #[error("node {id} is not in the graph")]
    NoSuchNode {
        /// The node.
        id: Id,
    },
    /// The event speaks of an edge that is not there.
    #[error("edge {src} -> {dst}{} is not in the graph", key_suffix(.key.as_ref()))]
    NoSuchEdge {
        /// Source.
        src: Id,
        /// Target.
        dst: Id,
        /// Which of the parallel edges.
        key: Option<Id>,
    },
    /// A node with this birth number is not alive.
    #[error("no node of the graph has the birth number {}", node.0)]
    NoSuchBirth {
        /// The number.
        node: NodeOrd,
    },
    /// An edge key in a graph that has no parallel edges.
    #[error("edge {src} -> {dst} has a key, but the graph is not a multigraph")]
    KeyInSimpleGraph {
        /// Source.
        src: Id,
        /// Target.
        dst: Id,
    },
    /// Attributes of "an edge" in a multigraph, which has several.
    #[error("edge {src} -> {dst} needs a key: the graph is a multigraph")]
    KeyNeeded {
        /// Source.
        src: Id,
        /// Target.
        dst: Id,
    },
    /// A key of collector state is used as a value and as a map.
    #[error("state {key:?} is a {is}, not a {used_as}: delete {} first, or take another key", what_is_there(.is))]
    StateKind {
        /// The key.
        key: String,
        /// What it is.
        is: &'static str,
        /// What the event takes it for.
        used_as: &'static str,
    },
    /// Something is larger than its bound.
    #[error("{what} is {found}, at most {max} is allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// The graph has seen as many births of a kind as numbers last for.
    #[error("the log has seen {max} births of {what}, no more are possible: restore it into a new log")]
    OrdinalsUsedUp {
        /// Nodes, edges, …
        what: &'static str,
        /// The bound.
        max: u32,
    },
    /// The event's time lies too far ahead of the clock.
    #[error("time {time} is more than a day ahead of the clock ({now})")]
    TimeAhead {
        /// The event's time.
        time: super::time::Timestamp,
        /// The clock's.
        now: super::time::Timestamp,
    },
}

fn what_is_there(is: &str) -> &'static str {
    if is == "map" { "its entries, one by one," } else { "it" }
}

fn key_suffix(key: Option<&Id>) -> String {
    key.map(|key| format!(" (key {key})")).unwrap_or_default()
}
