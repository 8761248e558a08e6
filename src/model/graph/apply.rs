//! Applying records: the writer's second step and all of a replay.

use super::blob::Blob;
use super::undo::Undo;
use super::{EdgeRow, Graph, ItemRow, NodeRow, encoded};
use crate::codec::Encoder;
use crate::model::image::{Image, merge, without};
use crate::model::limits::MAX_ORDINAL;
use crate::model::position::{EdgeOrd, ItemOrd, NodeOrd};
use crate::model::record::{Inconsistency, Record};

impl Graph {
    /// Applies one record.
    ///
    /// # Errors
    /// If the record speaks of an entity that is not alive, or of names that another entity has. The graph is then
    /// as it was, or, where the record comes from bytes that were damaged in a way that no checksum showed, not to
    /// be used any further.
    pub fn apply(&mut self, record: &Record<'_>) -> Result<(), Inconsistency> {
        match *record {
            Record::NameBorn { name } => {
                let ord = birth("name", self.names.len())?;
                if let Some(first) = self.names.find(name) {
                    return Err(Inconsistency::Twice { what: "names", first: first.0, second: ord });
                }
                self.names.push(name);
                self.sum_in(|g, facts| g.name_sum(ord, facts));
                self.remember(|| Undo::NameBorn);
                Ok(())
            }
            Record::NodeBorn { id, attrs } => {
                let ord = NodeOrd(birth("node", self.nodes.next())?);
                let row = self.with_scratch(|scratch| {
                    id.encode(scratch);
                    NodeRow::new(scratch.as_slice(), attrs)
                });
                self.sum_in(|g, facts| g.node_sum(ord, &row, facts));
                self.counts.nodes = self.counts.nodes.saturating_add(1);
                self.counts.high_water = self.counts.high_water.max(self.counts.nodes);
                self.remember(|| Undo::NodeBorn(ord));
                self.put_node_row(ord, row)
            }
            Record::NodeChanged { node, set } => self.change_node(node, |old, to| merge(old, set, to)),
            Record::NodeUnset { node, names } => self.change_node(node, |old, to| without(old, names, to)),
            Record::NodeDied { node } => self.kill_node(node),
            Record::EdgeBorn { src, dst, parallel, attrs } => {
                let ord = EdgeOrd(birth("edge", self.edges.next())?);
                self.alive(src)?;
                self.alive(dst)?;
                let fits = parallel.is_some() == self.kind.multigraph
                    && parallel.is_none_or(|(slot, _)| slot <= ord);
                if !fits {
                    return Err(Inconsistency::WrongKind);
                }
                let key = parallel.map(|(slot, key)| (slot, encoded(key)));
                let parallel = key.as_ref().map(|(slot, key)| (*slot, key.as_slice()));
                let row = self.with_scratch(|scratch| EdgeRow::new(src, dst, parallel, attrs, scratch));
                self.sum_in(|g, facts| g.edge_sum(ord, &row, facts));
                self.counts.edges = self.counts.edges.saturating_add(1);
                self.remember(|| Undo::EdgeBorn(ord));
                self.put_edge_row(ord, row)
            }
            Record::EdgeChanged { edge, set } => self.change_edge(edge, |old, to| merge(old, set, to)),
            Record::EdgeUnset { edge, names } => self.change_edge(edge, |old, to| without(old, names, to)),
            Record::EdgeDied { edge } => self.kill_edge(edge),
            Record::GraphChanged { set } => {
                self.change_graph(|old, to| merge(old, set, to));
                Ok(())
            }
            Record::GraphUnset { names } => {
                self.change_graph(|old, to| without(old, names, to));
                Ok(())
            }
            Record::ItemBorn { key, entry, value } => {
                let ord = ItemOrd(birth("state item", self.items.next())?);
                if key.0 >= self.names.len() {
                    return Err(Inconsistency::NotAlive { what: "name", ordinal: key.0 });
                }
                let entry = entry.map(encoded);
                let row = self.with_scratch(|scratch| {
                    ItemRow::new(key, entry.as_ref().map(Encoder::as_slice), value, scratch)
                });
                self.sum_in(|g, facts| g.item_sum(ord, &row, facts));
                self.counts.items = self.counts.items.saturating_add(1);
                self.remember(|| Undo::ItemBorn(ord));
                self.put_item_row(ord, row)
            }
            Record::ItemChanged { item, value } => {
                let row = self.items.get(item.0).ok_or(dead("state item", item.0))?;
                let (key, entry) = (row.key, row.parts().0);
                let changed = ItemRow::new(key, entry, value, &mut Encoder::new());
                self.sum_in(|g, facts| g.item_sum(item, &changed, facts));
                let Some(row) = self.items.get_mut(item.0) else { return Ok(()) };
                let old = std::mem::replace(row, changed);
                self.sum_out(|g, facts| g.item_sum(item, &old, facts));
                self.remember(|| Undo::ItemSet(item, old.blob));
                Ok(())
            }
            Record::ItemDied { item } => {
                let row = self.take_item_row(item).ok_or(dead("state item", item.0))?;
                self.sum_out(|g, facts| g.item_sum(item, &row, facts));
                self.counts.items = self.counts.items.saturating_sub(1);
                self.remember(|| Undo::ItemDied(item, row));
                Ok(())
            }
        }
    }

    /// Lends the graph's own room for bytes, emptied.
    pub(super) fn with_scratch<T>(&mut self, work: impl FnOnce(&mut Encoder) -> T) -> T {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let done = work(&mut scratch);
        self.scratch = scratch;
        done
    }

    fn alive(&self, node: NodeOrd) -> Result<(), Inconsistency> {
        if self.nodes.contains(node.0) { Ok(()) } else { Err(dead("node", node.0)) }
    }

    fn change_node(
        &mut self,
        node: NodeOrd,
        change: impl FnOnce(Image<'_>, &mut Encoder),
    ) -> Result<(), Inconsistency> {
        let row = self.nodes.get(node.0).ok_or(dead("node", node.0))?;
        let mut bytes = Encoder::new();
        change(row.image(), &mut bytes);
        self.sum_out(|g, facts| g.node_sum_at(node, facts));
        let Some(row) = self.nodes.get_mut(node.0) else { return Ok(()) };
        let old = std::mem::replace(&mut row.image, Blob::new(bytes.as_slice()));
        self.sum_in(|g, facts| g.node_sum_at(node, facts));
        self.remember(|| Undo::NodeSet(node, old));
        Ok(())
    }

    fn change_edge(
        &mut self,
        edge: EdgeOrd,
        change: impl FnOnce(Image<'_>, &mut Encoder),
    ) -> Result<(), Inconsistency> {
        let row = self.edges.get(edge.0).ok_or(dead("edge", edge.0))?;
        let (parallel, image) = row.parts(self.kind);
        let mut bytes = Encoder::new();
        if let Some((slot, key)) = parallel {
            bytes.u64(u64::from(slot.0));
            bytes.raw(key);
        }
        change(image, &mut bytes);
        let changed = EdgeRow { src: row.src, dst: row.dst, blob: Blob::new(bytes.as_slice()) };
        self.sum_in(|g, facts| g.edge_sum(edge, &changed, facts));
        let Some(row) = self.edges.get_mut(edge.0) else { return Ok(()) };
        let old = std::mem::replace(row, changed);
        self.sum_out(|g, facts| g.edge_sum(edge, &old, facts));
        self.remember(|| Undo::EdgeSet(edge, old.blob));
        Ok(())
    }

    fn change_graph(&mut self, change: impl FnOnce(Image<'_>, &mut Encoder)) {
        let mut bytes = Encoder::new();
        change(Image::trusted(self.attrs.as_slice()), &mut bytes);
        self.sum_out(|g, facts| g.graph_sum(Image::trusted(g.attrs.as_slice()), facts));
        let old = std::mem::replace(&mut self.attrs, Blob::new(bytes.as_slice()));
        self.sum_in(|g, facts| g.graph_sum(Image::trusted(g.attrs.as_slice()), facts));
        self.remember(|| Undo::GraphSet(old));
    }

    fn kill_edge(&mut self, edge: EdgeOrd) -> Result<(), Inconsistency> {
        let row = self.take_edge_row(edge).ok_or(dead("edge", edge.0))?;
        self.sum_out(|g, facts| g.edge_sum(edge, &row, facts));
        self.counts.edges = self.counts.edges.saturating_sub(1);
        self.remember(|| Undo::EdgeDied(edge, row));
        Ok(())
    }

    fn kill_node(&mut self, node: NodeOrd) -> Result<(), Inconsistency> {
        self.alive(node)?;
        for edge in self.incident_edges(node) {
            self.kill_edge(edge)?;
        }
        let row = self.take_node_row(node).ok_or(dead("node", node.0))?;
        self.sum_out(|g, facts| g.node_sum(node, &row, facts));
        self.counts.nodes = self.counts.nodes.saturating_sub(1);
        self.remember(|| Undo::NodeDied(node, row));
        Ok(())
    }
}

fn birth(what: &'static str, next: u32) -> Result<u32, Inconsistency> {
    if next >= MAX_ORDINAL { Err(Inconsistency::UsedUp { what }) } else { Ok(next) }
}

fn dead(what: &'static str, ordinal: u32) -> Inconsistency {
    Inconsistency::NotAlive { what, ordinal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_births_as_the_bound_says() {
        assert_eq!(birth("node", MAX_ORDINAL - 1), Ok(MAX_ORDINAL - 1));
        assert_eq!(birth("node", MAX_ORDINAL), Err(Inconsistency::UsedUp { what: "node" }));
    }
}
