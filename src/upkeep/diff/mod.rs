//! Diff: what is different between two graphs of one log.

mod report;

pub use report::{Counted, Name, Named, Point, Report, report};

use crate::model::graph::{AttrsView, EdgeView, Graph};
use crate::model::id::{Id, IdRef};

/// What became of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is there, and was not.
    Added,
    /// It was there, and is not.
    Removed,
    /// It is another than it was.
    Changed {
        /// The names of the attributes that were put, were taken away, or have another value. None for an item of state.
        attrs: Vec<String>,
    },
}

/// Something that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A node.
    Node {
        /// Its id.
        id: Id,
        /// What became of it.
        change: Change,
    },
    /// An edge.
    Edge {
        /// Its source, or one end.
        src: Id,
        /// Its target, or the other end.
        dst: Id,
        /// Its key, in a multigraph.
        key: Option<Id>,
        /// What became of it.
        change: Change,
    },
    /// A value of collector state, or an entry of a map of it.
    State {
        /// Its key.
        key: String,
        /// Which entry.
        entry: Option<Id>,
        /// What became of it.
        change: Change,
    },
    /// Attributes of the graph itself.
    Graph {
        /// The names of those that were put, were taken away, or have another value.
        attrs: Vec<String>,
    },
}

/// Tells `each` of everything that is not the same in `old` and `new`: what was removed, in the order of birth in `old`, then
/// what was added or changed, in that of `new`; nodes, then edges, then state.
///
/// Entities are the same if their ids are: a node that was removed and put again is there in both. Builds the index of ids of
/// both graphs if they have none yet.
pub fn diff(old: &mut Graph, new: &mut Graph, each: &mut dyn FnMut(Difference)) {
    let attrs = changed(old.attrs(), new.attrs());
    if !attrs.is_empty() {
        each(Difference::Graph { attrs });
    }
    nodes(old, new, each);
    edges(old, new, each);
    state(old, new, each);
}

fn nodes(old: &mut Graph, new: &mut Graph, each: &mut dyn FnMut(Difference)) {
    for node in old.nodes() {
        let id = node.id().to_id();
        if new.node(&id).is_none() {
            each(Difference::Node { id, change: Change::Removed });
        }
    }
    for node in new.nodes() {
        let id = node.id().to_id();
        let change = match old.node(&id) {
            None => Some(Change::Added),
            Some(before) => other(before.attrs(), node.attrs()),
        };
        if let Some(change) = change {
            each(Difference::Node { id, change });
        }
    }
}

fn edges(old: &mut Graph, new: &mut Graph, each: &mut dyn FnMut(Difference)) {
    let names = |edge: &EdgeView<'_>| (edge.src().to_id(), edge.dst().to_id(), edge.key().map(IdRef::to_id));
    for edge in old.edges() {
        let (src, dst, key) = names(&edge);
        if new.edge(&src, &dst, key.as_ref()).is_none() {
            each(Difference::Edge { src, dst, key, change: Change::Removed });
        }
    }
    for edge in new.edges() {
        let (src, dst, key) = names(&edge);
        let change = match old.edge(&src, &dst, key.as_ref()) {
            None => Some(Change::Added),
            Some(before) => other(before.attrs(), edge.attrs()),
        };
        if let Some(change) = change {
            each(Difference::Edge { src, dst, key, change });
        }
    }
}

fn state(old: &mut Graph, new: &mut Graph, each: &mut dyn FnMut(Difference)) {
    for item in old.items() {
        let (key, entry) = (item.key().to_owned(), item.entry().map(IdRef::to_id));
        if new.state(&key, entry.as_ref()).is_none() {
            each(Difference::State { key, entry, change: Change::Removed });
        }
    }
    for item in new.items() {
        let (key, entry) = (item.key().to_owned(), item.entry().map(IdRef::to_id));
        let change = match old.state(&key, entry.as_ref()) {
            None => Change::Added,
            Some(before) if before.encoded() != item.encoded() => Change::Changed { attrs: Vec::new() },
            Some(_) => continue,
        };
        each(Difference::State { key, entry, change });
    }
}

fn other(old: AttrsView<'_>, new: AttrsView<'_>) -> Option<Change> {
    let attrs = changed(old, new);
    (!attrs.is_empty()).then_some(Change::Changed { attrs })
}

/// The names of attributes that are not the same in both, in the order of names in the log.
fn changed(old: AttrsView<'_>, new: AttrsView<'_>) -> Vec<String> {
    // Equal values have equal encodings, and two graphs of one log list names in the same order.
    if old.iter().eq(new.iter()) {
        return Vec::new();
    }
    let value =
        |of: AttrsView<'_>, name: &str| of.iter().find(|(n, _)| *n == name).map(|(_, value)| value.to_vec());
    let gone = old.iter().filter(|(name, _)| value(new, name).is_none());
    let put = new.iter().filter(|(name, bytes)| value(old, name).as_deref() != Some(*bytes));
    gone.chain(put).map(|(name, _)| name.to_owned()).collect()
}
