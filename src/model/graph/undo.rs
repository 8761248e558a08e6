//! Taking back what a batch did: a failed batch leaves graph, ordinals and sums as they were.

use super::blob::Blob;
use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::model::fingerprint::Fingerprint;
use crate::model::marker::{Counts, Ordinals};
use crate::model::position::{EdgeOrd, ItemOrd, NodeOrd};

/// How to take one change back.
#[derive(Debug)]
pub(super) enum Undo {
    NameBorn,
    NodeBorn(NodeOrd),
    NodeSet(NodeOrd, Blob),
    NodeDied(NodeOrd, NodeRow),
    EdgeBorn(EdgeOrd),
    EdgeSet(EdgeOrd, Blob),
    EdgeDied(EdgeOrd, EdgeRow),
    GraphSet(Blob),
    ItemBorn(ItemOrd),
    ItemSet(ItemOrd, Blob),
    ItemDied(ItemOrd, ItemRow),
}

/// A state of the graph that it can be taken back to.
#[derive(Debug, Clone, Copy)]
pub struct Savepoint {
    journal: usize,
    counts: Counts,
    sums: Option<Fingerprint>,
    ordinals: Ordinals,
}

impl Graph {
    /// From now on remembers how to take changes back, and returns the present state. Costs memory for each change
    /// until [`Graph::release`].
    pub fn savepoint(&mut self) -> Savepoint {
        Savepoint {
            journal: self.journal.get_or_insert_default().len(),
            counts: self.counts,
            sums: self.sums,
            ordinals: self.ordinals(),
        }
    }

    /// Forgets how to take back what was done so far, and remembers no more until the next savepoint. Older
    /// savepoints are void.
    pub fn release(&mut self) {
        self.journal = None;
    }

    /// Takes back everything since `to`: entities, ordinals, counts, sums.
    pub fn roll_back(&mut self, to: Savepoint) {
        let mut journal = self.journal.take().unwrap_or_default();
        for undo in journal.drain(to.journal.min(journal.len())..).rev() {
            self.undo(undo);
        }
        self.journal = Some(journal);
        self.counts = to.counts;
        self.sums = to.sums;
        self.nodes.set_next(to.ordinals.node.0);
        self.edges.set_next(to.ordinals.edge.0);
        self.items.set_next(to.ordinals.item.0);
    }

    fn undo(&mut self, undo: Undo) {
        // Putting back what was there can't collide with what is there: the outcome of the index is moot.
        match undo {
            Undo::NameBorn => self.names.pop(),
            Undo::NodeBorn(ord) => drop(self.take_node_row(ord)),
            Undo::EdgeBorn(ord) => drop(self.take_edge_row(ord)),
            Undo::ItemBorn(ord) => drop(self.take_item_row(ord)),
            Undo::NodeSet(ord, image) => {
                if let Some(row) = self.nodes.get_mut(ord.0) {
                    row.image = image;
                }
            }
            Undo::EdgeSet(ord, blob) => {
                if let Some(row) = self.edges.get_mut(ord.0) {
                    row.blob = blob;
                }
            }
            Undo::ItemSet(ord, blob) => {
                if let Some(row) = self.items.get_mut(ord.0) {
                    row.blob = blob;
                }
            }
            Undo::GraphSet(blob) => self.attrs = blob,
            Undo::NodeDied(ord, row) => drop(self.put_node_row(ord, row)),
            Undo::EdgeDied(ord, row) => drop(self.put_edge_row(ord, row)),
            Undo::ItemDied(ord, row) => drop(self.put_item_row(ord, row)),
        }
    }

    pub(super) fn remember(&mut self, undo: impl FnOnce() -> Undo) {
        if let Some(journal) = &mut self.journal {
            journal.push(undo());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::model::graph::Changes;
    use crate::model::marker::GraphKind;

    #[test]
    fn nothing_is_remembered_without_a_savepoint() {
        let mut graph = Graph::new(GraphKind::default());
        let put = |graph: &mut Graph, id: i64| {
            let mut changes = Changes::new();
            graph.resolve(&Event::node(id), &mut changes).unwrap();
            changes.records().for_each(|record| graph.apply(&record).unwrap());
            graph.journal.as_ref().map(Vec::len)
        };
        assert_eq!(put(&mut graph, 0), None);
        let _ = graph.savepoint();
        assert_eq!(put(&mut graph, 1), Some(1));
        graph.release();
        assert_eq!(put(&mut graph, 2), None);
    }
}
