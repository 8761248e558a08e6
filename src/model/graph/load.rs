//! Putting rows into a graph by ordinal: restoring from snapshot segments, which needs no records and no hashing.

use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::model::image::Image;
use crate::model::marker::Ordinals;
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::record::Inconsistency;
use crate::model::row::{Row, RowKind};

impl Graph {
    /// Puts a row in, in place of the one with its ordinal if there is one. While the sums are tracked, the ends of an
    /// edge must be there.
    ///
    /// # Errors
    /// A name out of turn or there already, an edge of another kind of graph.
    pub(crate) fn load(&mut self, ordinal: u32, row: &Row<'_>) -> Result<(), Inconsistency> {
        // Both are built anew from the rows when somebody needs them.
        (self.index, self.incident) = (None, None);
        match *row {
            Row::Name { text } => {
                if ordinal != self.names.len() {
                    return Err(Inconsistency::NotAlive { what: "name", ordinal });
                }
                if let Some(first) = self.names.find(text) {
                    return Err(Inconsistency::Twice { what: "names", first: first.0, second: ordinal });
                }
                self.names.push(text);
                self.sum_in(|g, facts| g.name_sum(ordinal, facts));
            }
            Row::Node { id, attrs } => {
                let (ord, row) = (NodeOrd(ordinal), NodeRow::new(id, attrs));
                self.unload_node(ord);
                self.sum_in(|g, facts| g.node_sum(ord, &row, facts));
                self.nodes.insert(ordinal, row);
                self.counts.nodes = self.counts.nodes.saturating_add(1);
            }
            Row::Edge { src, dst, parallel, attrs } => {
                if parallel.is_some() != self.kind.multigraph {
                    return Err(Inconsistency::WrongKind);
                }
                let (ord, row) = (
                    EdgeOrd(ordinal),
                    self.with_scratch(|scratch| EdgeRow::new(src, dst, parallel, attrs, scratch)),
                );
                self.unload_edge(ord);
                self.sum_in(|g, facts| g.edge_sum(ord, &row, facts));
                self.edges.insert(ordinal, row);
                self.counts.edges = self.counts.edges.saturating_add(1);
            }
            Row::Item { key, entry, value } => {
                let (ord, row) =
                    (ItemOrd(ordinal), self.with_scratch(|scratch| ItemRow::new(key, entry, value, scratch)));
                self.unload_item(ord);
                self.sum_in(|g, facts| g.item_sum(ord, &row, facts));
                self.items.insert(ordinal, row);
                self.counts.items = self.counts.items.saturating_add(1);
            }
            Row::Graph { attrs } => {
                self.sum_out(|g, facts| g.graph_sum(Image::trusted(g.attrs.as_slice()), facts));
                self.attrs = super::Blob::new(attrs.as_bytes());
                self.sum_in(|g, facts| g.graph_sum(Image::trusted(g.attrs.as_slice()), facts));
            }
        }
        Ok(())
    }

    /// Takes a row out; false if none is there. While the sums are tracked, the ends of an edge must still be there.
    pub(crate) fn unload(&mut self, kind: RowKind, ordinal: u32) -> bool {
        (self.index, self.incident) = (None, None);
        match kind {
            RowKind::Node => self.unload_node(NodeOrd(ordinal)),
            RowKind::Edge => self.unload_edge(EdgeOrd(ordinal)),
            RowKind::Item => self.unload_item(ItemOrd(ordinal)),
            RowKind::Name | RowKind::Graph => false,
        }
    }

    /// Sets the next birth numbers, and the most nodes that were ever alive: what is dead and gone has no rows, and its
    /// numbers are not given again.
    ///
    /// # Errors
    /// If a row has a number that would be given again, or names are missing.
    pub(crate) fn finish_load(&mut self, next: Ordinals, high_water: u64) -> Result<(), Inconsistency> {
        let has = self.ordinals();
        let fits = has.node <= next.node && has.edge <= next.edge && has.item <= next.item;
        if !fits || NameOrd(self.names.len()) != next.name {
            return Err(Inconsistency::NotAlive { what: "name", ordinal: self.names.len() });
        }
        self.nodes.set_next(next.node.0);
        self.edges.set_next(next.edge.0);
        self.items.set_next(next.item.0);
        self.counts.high_water = high_water.max(self.counts.nodes);
        Ok(())
    }

    fn unload_node(&mut self, ord: NodeOrd) -> bool {
        let Some(row) = self.nodes.remove(ord.0) else { return false };
        self.sum_out(|g, facts| g.node_sum(ord, &row, facts));
        self.counts.nodes = self.counts.nodes.saturating_sub(1);
        true
    }

    fn unload_edge(&mut self, ord: EdgeOrd) -> bool {
        let Some(row) = self.edges.remove(ord.0) else { return false };
        self.sum_out(|g, facts| g.edge_sum(ord, &row, facts));
        self.counts.edges = self.counts.edges.saturating_sub(1);
        true
    }

    fn unload_item(&mut self, ord: ItemOrd) -> bool {
        let Some(row) = self.items.remove(ord.0) else { return false };
        self.sum_out(|g, facts| g.item_sum(ord, &row, facts));
        self.counts.items = self.counts.items.saturating_sub(1);
        true
    }
}
