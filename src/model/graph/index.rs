//! Finding entities by what they are called; the writer's side of the graph.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;

use hashbrown::{DefaultHashBuilder, HashMap};

use super::by_hash::ByHash;
use super::table::Table;
use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::model::marker::{Counts, GraphKind};
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::record::Inconsistency;

/// Edges that are looked up together.
const TOGETHER: usize = 16;

/// Nodes, edges and items by what they are called.
#[derive(Debug, Default)]
pub(super) struct Index {
    hasher: DefaultHashBuilder,
    nodes: ByHash<NodeOrd>,
    /// By their pair: in a simple graph the edge, in a multigraph the youngest of the edges between the two.
    pairs: ByHash<EdgeOrd>,
    /// Multigraphs: edges by slot and key.
    keys: ByHash<EdgeOrd>,
    /// Multigraphs: the edges of a slot, where there are several.
    parallel: HashMap<EdgeOrd, BTreeSet<EdgeOrd>>,
    items: ByHash<ItemOrd>,
    /// What each state key is used for.
    state: HashMap<NameOrd, StateUse>,
}

/// The edges of a pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) ord: EdgeOrd,
    /// The youngest edge in it.
    pub(super) newest: EdgeOrd,
    /// How many there are.
    pub(super) len: usize,
}

/// What a state key is used for; a key that nothing is stored under has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateUse {
    Value,
    Map { entries: u64 },
}

impl Index {
    /// Makes room at once for what is known to come, instead of doubling again and again.
    fn reserve(&mut self, counts: Counts, kind: GraphKind) {
        let room = |count: u64| usize::try_from(count).unwrap_or_default();
        self.nodes.reserve(room(counts.nodes));
        self.pairs.reserve(room(counts.edges));
        if kind.multigraph {
            self.keys.reserve(room(counts.edges));
        }
        self.items.reserve(room(counts.items));
    }

    fn hash_id(&self, id: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(id);
        hasher.finish()
    }

    fn hash_pair(&self, (src, dst): (NodeOrd, NodeOrd)) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(u64::from(src.0) << 32 | u64::from(dst.0));
        hasher.finish()
    }

    fn insert_node(&mut self, ord: NodeOrd, rows: &Table<NodeRow>) -> Result<(), Inconsistency> {
        let id = |ord: NodeOrd| rows.get(ord.0).map(NodeRow::id).unwrap_or_default();
        let mine = id(ord);
        let hash = self.hash_id(mine);
        if let Some(other) = self.nodes.find(hash, |other| id(other) == mine) {
            return Err(Inconsistency::Twice { what: "nodes", first: other.0, second: ord.0 });
        }
        self.nodes.insert(hash, ord);
        Ok(())
    }

    /// The edge that stands for a pair.
    fn find_pair(
        &self,
        kind: GraphKind,
        pair: (NodeOrd, NodeOrd),
        hash: u64,
        rows: &Table<EdgeRow>,
    ) -> Option<EdgeOrd> {
        self.pairs.find(hash, |ord| rows.get(ord.0).is_some_and(|row| row.pair(kind) == pair))
    }

    fn insert_edge(
        &mut self,
        kind: GraphKind,
        ord: EdgeOrd,
        rows: &Table<EdgeRow>,
    ) -> Result<(), Inconsistency> {
        let Some(row) = rows.get(ord.0) else { return Ok(()) };
        let twice = |other: EdgeOrd| Inconsistency::Twice { what: "edges", first: other.0, second: ord.0 };
        let pair = row.pair(kind);
        let pair_hash = self.hash_pair(pair);
        let newest = self.find_pair(kind, pair, pair_hash, rows);
        let Some((slot, _)) = row.parts(kind).0 else {
            if let Some(other) = newest {
                return Err(twice(other));
            }
            self.pairs.insert(pair_hash, ord);
            return Ok(());
        };
        let name = |ord: EdgeOrd| rows.get(ord.0).and_then(|row| row.parts(kind).0);
        if let Some((other, _)) = newest.and_then(name)
            && other != slot
        {
            return Err(Inconsistency::Twice { what: "neighbour slots", first: other.0, second: slot.0 });
        }
        let hash = self.hasher.hash_one(name(ord));
        if let Some(other) = self.keys.find(hash, |other| name(other) == name(ord)) {
            return Err(twice(other));
        }
        self.keys.insert(hash, ord);
        match newest {
            None => self.pairs.insert(pair_hash, ord),
            Some(newest) => {
                self.parallel.entry(slot).or_insert_with(|| BTreeSet::from([newest])).insert(ord);
                if ord > newest {
                    self.pairs.replace(pair_hash, newest, ord);
                }
            }
        }
        Ok(())
    }

    fn insert_item(&mut self, ord: ItemOrd, rows: &Table<ItemRow>) -> Result<(), Inconsistency> {
        let Some(row) = rows.get(ord.0) else { return Ok(()) };
        let name = |ord: ItemOrd| rows.get(ord.0).map(|row| (row.key, row.parts().0));
        let hash = self.hasher.hash_one(name(ord));
        if let Some(other) = self.items.find(hash, |other| name(other) == name(ord)) {
            return Err(Inconsistency::Twice { what: "state items", first: other.0, second: ord.0 });
        }
        self.items.insert(hash, ord);
        if row.parts().0.is_none() {
            self.state.insert(row.key, StateUse::Value);
        } else if let StateUse::Map { entries } =
            self.state.entry(row.key).or_insert(StateUse::Map { entries: 0 })
        {
            *entries = entries.saturating_add(1);
        }
        Ok(())
    }

    fn remove_node(&mut self, ord: NodeOrd, row: &NodeRow) {
        self.nodes.remove(self.hash_id(row.id()), ord);
    }

    fn remove_edge(&mut self, kind: GraphKind, ord: EdgeOrd, row: &EdgeRow) {
        let hash = self.hash_pair(row.pair(kind));
        let parallel = row.parts(kind).0;
        let Some((slot, _)) = parallel else {
            self.pairs.remove(hash, ord);
            return;
        };
        self.keys.remove(self.hasher.hash_one(parallel), ord);
        let Some(members) = self.parallel.get_mut(&slot) else {
            self.pairs.remove(hash, ord);
            return;
        };
        members.remove(&ord);
        let (newest, left) = (members.last().copied(), members.len());
        if let Some(newest) = newest {
            self.pairs.replace(hash, ord, newest);
        }
        if left < 2 {
            self.parallel.remove(&slot);
        }
    }

    fn remove_item(&mut self, ord: ItemOrd, row: &ItemRow) {
        self.items.remove(self.hasher.hash_one(Some((row.key, row.parts().0))), ord);
        match self.state.get_mut(&row.key) {
            Some(StateUse::Map { entries }) if *entries > 1 => *entries = entries.saturating_sub(1),
            _ => drop(self.state.remove(&row.key)),
        }
    }
}

/// For each node its edges, both ways; built when a first node dies.
#[derive(Debug, Default)]
pub(super) struct Incident {
    lists: Table<List>,
}

/// Edges of a node. The dead stay until they are in the majority. A rollback leaves more behind: an edge that it
/// brought back stands twice, and one that it took back stands here although its number may be given to an edge of
/// other nodes. So what stands here counts only if it is alive and ends at the node.
#[derive(Debug, Default, Clone)]
struct List {
    edges: Vec<EdgeOrd>,
    live: usize,
}

impl Incident {
    fn add(&mut self, node: NodeOrd, edge: EdgeOrd, rows: &Table<EdgeRow>) {
        if self.lists.get(node.0).is_none() {
            self.lists.insert(node.0, List::default());
        }
        let Some(list) = self.lists.get_mut(node.0) else { return };
        list.live = list.live.saturating_add(1);
        if list.edges.len() > list.live.saturating_mul(2).saturating_add(16) {
            list.edges.sort_unstable();
            list.edges.dedup();
            list.edges.retain(|edge| ends_at(rows, *edge, node));
        }
        list.edges.push(edge);
    }

    fn forget(&mut self, node: NodeOrd) {
        if let Some(list) = self.lists.get_mut(node.0) {
            list.live = list.live.saturating_sub(1);
        }
    }
}

impl Graph {
    /// The index, built in one pass if there is none. What is inconsistent about a replayed graph (two nodes of
    /// one id) is passed over here and reported by [`Graph::check_names`].
    pub(super) fn index_mut(&mut self) -> &mut Index {
        if self.index.is_none() {
            let (index, _) = self.build_index();
            self.index = Some(Box::new(index));
        }
        self.index.get_or_insert_default()
    }

    fn build_index(&self) -> (Index, Option<Inconsistency>) {
        let mut index = Index::default();
        let mut first = None;
        let mut note = |outcome: Result<(), Inconsistency>| {
            if let Err(e) = outcome {
                first.get_or_insert(e);
            }
        };
        index.reserve(self.counts, self.kind);
        for (ord, _) in self.nodes.iter() {
            note(index.insert_node(NodeOrd(ord), &self.nodes));
        }
        let mut edges = self.edges.iter();
        let mut few = [None; TOGETHER];
        loop {
            few.fill_with(|| edges.next());
            // Their places in the table lie anywhere in memory: to touch all of them first lets the processor wait for
            // them at once instead of one after the other.
            for (_, row) in few.iter().flatten() {
                let pair = row.pair(self.kind);
                black_box(index.find_pair(self.kind, pair, index.hash_pair(pair), &self.edges));
            }
            for (ord, _) in few.iter().flatten() {
                note(index.insert_edge(self.kind, EdgeOrd(*ord), &self.edges));
            }
            if few.last().is_none_or(Option::is_none) {
                break;
            }
        }
        for (ord, _) in self.items.iter() {
            note(index.insert_item(ItemOrd(ord), &self.items));
        }
        (index, first)
    }

    /// Builds the index and checks on the way that no two living entities have one name.
    ///
    /// # Errors
    /// The first two that have.
    pub fn check_names(&mut self) -> Result<(), Inconsistency> {
        let (index, fault) = self.build_index();
        self.index = Some(Box::new(index));
        fault.map_or(Ok(()), Err)
    }

    pub(super) fn find_node(&self, id: &[u8]) -> Option<NodeOrd> {
        let index = self.index.as_ref()?;
        index.nodes.find(index.hash_id(id), |ord| self.nodes.get(ord.0).is_some_and(|row| row.id() == id))
    }

    /// The edge of a pair, in a simple graph.
    pub(super) fn find_simple_edge(&self, pair: (NodeOrd, NodeOrd)) -> Option<EdgeOrd> {
        let index = self.index.as_ref()?;
        index.find_pair(self.kind, pair, index.hash_pair(pair), &self.edges)
    }

    /// The parallel edges of a pair, in a multigraph.
    pub(super) fn find_slot(&self, pair: (NodeOrd, NodeOrd)) -> Option<Slot> {
        let index = self.index.as_ref()?;
        let newest = index.find_pair(self.kind, pair, index.hash_pair(pair), &self.edges)?;
        let (ord, _) = self.edges.get(newest.0)?.parts(self.kind).0?;
        Some(Slot { ord, newest, len: index.parallel.get(&ord).map_or(1, BTreeSet::len) })
    }

    /// The edge with a key among parallel ones.
    pub(super) fn find_parallel(&self, slot: EdgeOrd, key: &[u8]) -> Option<EdgeOrd> {
        let index = self.index.as_ref()?;
        let name = Some((slot, key));
        let of = |ord: EdgeOrd| self.edges.get(ord.0).and_then(|row| row.parts(self.kind).0);
        index.keys.find(index.hasher.hash_one(name), |ord| of(ord) == name)
    }

    pub(super) fn find_item(&self, key: NameOrd, entry: Option<&[u8]>) -> Option<ItemOrd> {
        let index = self.index.as_ref()?;
        let name = Some((key, entry));
        let of = |ord: ItemOrd| self.items.get(ord.0).map(|row| (row.key, row.parts().0));
        index.items.find(index.hasher.hash_one(name), |ord| of(ord) == name)
    }

    pub(super) fn state_use(&self, key: NameOrd) -> Option<StateUse> {
        self.index.as_ref()?.state.get(&key).copied()
    }

    /// The living edges of a node. Builds the lists of incident edges if there are none.
    pub(super) fn incident_edges(&mut self, node: NodeOrd) -> Vec<EdgeOrd> {
        let (edges, incident) = (&self.edges, &mut self.incident);
        let incident = incident.get_or_insert_with(|| {
            let mut all = Incident::default();
            for (ord, row) in edges.iter() {
                link(&mut all, EdgeOrd(ord), row, edges);
            }
            all
        });
        let list = incident.lists.get(node.0).map(|list| list.edges.clone()).unwrap_or_default();
        let living: BTreeSet<_> = list.into_iter().filter(|edge| ends_at(edges, *edge, node)).collect();
        living.into_iter().collect()
    }

    // The four below keep tables, index and lists of incident edges in step; counts and sums are the caller's.

    pub(super) fn put_node_row(&mut self, ord: NodeOrd, row: NodeRow) -> Result<(), Inconsistency> {
        self.nodes.insert(ord.0, row);
        match &mut self.index {
            Some(index) => index.insert_node(ord, &self.nodes),
            None => Ok(()),
        }
    }

    pub(super) fn put_edge_row(&mut self, ord: EdgeOrd, row: EdgeRow) -> Result<(), Inconsistency> {
        if let Some(incident) = &mut self.incident {
            link(incident, ord, &row, &self.edges);
        }
        self.edges.insert(ord.0, row);
        match &mut self.index {
            Some(index) => index.insert_edge(self.kind, ord, &self.edges),
            None => Ok(()),
        }
    }

    pub(super) fn put_item_row(&mut self, ord: ItemOrd, row: ItemRow) -> Result<(), Inconsistency> {
        self.items.insert(ord.0, row);
        match &mut self.index {
            Some(index) => index.insert_item(ord, &self.items),
            None => Ok(()),
        }
    }

    pub(super) fn take_node_row(&mut self, ord: NodeOrd) -> Option<NodeRow> {
        if let (Some(index), Some(row)) = (&mut self.index, self.nodes.get(ord.0)) {
            index.remove_node(ord, row);
        }
        if let Some(incident) = &mut self.incident {
            incident.lists.remove(ord.0);
        }
        self.nodes.remove(ord.0)
    }

    pub(super) fn take_edge_row(&mut self, ord: EdgeOrd) -> Option<EdgeRow> {
        let row = self.edges.get(ord.0)?;
        if let Some(index) = &mut self.index {
            index.remove_edge(self.kind, ord, row);
        }
        if let Some(incident) = &mut self.incident {
            incident.forget(row.src);
            if row.src != row.dst {
                incident.forget(row.dst);
            }
        }
        self.edges.remove(ord.0)
    }

    pub(super) fn take_item_row(&mut self, ord: ItemOrd) -> Option<ItemRow> {
        if let (Some(index), Some(row)) = (&mut self.index, self.items.get(ord.0)) {
            index.remove_item(ord, row);
        }
        self.items.remove(ord.0)
    }
}

/// Whether an edge is alive and `node` is one of its ends.
fn ends_at(rows: &Table<EdgeRow>, edge: EdgeOrd, node: NodeOrd) -> bool {
    rows.get(edge.0).is_some_and(|row| row.src == node || row.dst == node)
}

fn link(incident: &mut Incident, ord: EdgeOrd, row: &EdgeRow, rows: &Table<EdgeRow>) {
    incident.add(row.src, ord, rows);
    if row.src != row.dst {
        incident.add(row.dst, ord, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::model::graph::Changes;
    use crate::model::id::Id;

    fn put(graph: &mut Graph, event: &Event) {
        let mut changes = Changes::new();
        graph.resolve(event, &mut changes).unwrap();
        changes.records().for_each(|record| graph.apply(&record).unwrap());
    }

    fn kinds() -> impl Iterator<Item = GraphKind> {
        [(true, true), (true, false), (false, true), (false, false)]
            .into_iter()
            .map(|(directed, multigraph)| GraphKind { directed, multigraph })
    }

    #[test]
    fn the_dead_leave_nothing_behind_in_tables_index_and_lists() {
        for kind in kinds() {
            let mut graph = Graph::new(kind);
            for n in 0..3000 {
                put(&mut graph, &Event::edge(n, n + 1));
                put(&mut graph, &Event::edge(n, "hub"));
                let entry = Event::PutEntry { key: "queue".into(), entry: Id::Int(n), value: n.into() };
                put(&mut graph, &entry);
                if n >= 10 {
                    put(&mut graph, &Event::DeleteNode { id: Id::Int(n - 10) });
                    put(&mut graph, &Event::DeleteEntry { key: "queue".into(), entry: Id::Int(n - 10) });
                }
            }
            // The hub, born first, keeps its chunk.
            assert_eq!((graph.counts.nodes, graph.counts.edges, graph.counts.items), (12, 20, 10));
            assert!(graph.nodes.chunks_in_memory() <= 3);
            assert_eq!(graph.edges.chunks_in_memory(), 1);
            assert_eq!(graph.items.chunks_in_memory(), 1);
            let lists = &graph.incident.as_ref().unwrap().lists;
            assert!(lists.chunks_in_memory() <= 3);
            assert!(lists.iter().map(|(_, list)| list.edges.len()).sum::<usize>() < 200);
            let index = graph.index.as_ref().unwrap();
            assert_eq!((index.nodes.len(), index.items.len()), (12, 10));
            assert_eq!((index.pairs.len(), index.keys.len()), (20, if kind.multigraph { 20 } else { 0 }));
            assert!(index.parallel.is_empty());

            put(&mut graph, &Event::DeleteNode { id: "hub".into() });
            for n in 2990..=3000 {
                put(&mut graph, &Event::DeleteNode { id: Id::Int(n) });
                put_away(&mut graph, n);
            }
            let tables = [
                graph.nodes.chunks_in_memory(),
                graph.edges.chunks_in_memory(),
                graph.items.chunks_in_memory(),
                graph.incident.as_ref().unwrap().lists.chunks_in_memory(),
            ];
            assert_eq!(tables, [0; 4]);
            let index = graph.index.as_ref().unwrap();
            assert_eq!((index.nodes.len(), index.pairs.len(), index.keys.len()), (0, 0, 0));
            assert!(index.parallel.is_empty() && index.items.len() == 0 && index.state.is_empty());
        }
    }

    fn put_away(graph: &mut Graph, n: i64) {
        put(graph, &Event::DeleteEntry { key: "queue".into(), entry: Id::Int(n) });
    }

    #[test]
    fn lists_of_incident_edges_do_not_grow_with_rollbacks() {
        for kind in kinds() {
            let mut graph = Graph::new(kind);
            for n in 0..100 {
                put(&mut graph, &Event::edge("hub", n));
            }
            put(&mut graph, &Event::DeleteNode { id: Id::Int(0) });
            let length = |graph: &Graph| {
                let lists = &graph.incident.as_ref().unwrap().lists;
                lists.iter().map(|(_, list)| list.edges.len()).sum::<usize>()
            };
            let before = graph.savepoint();
            for n in 0..1000 {
                put(
                    &mut graph,
                    &Event::DeleteEdge { src: "hub".into(), dst: Id::Int(1 + n % 99), key: None },
                );
                put(&mut graph, &Event::edge("hub", 1 + n % 99));
                put(&mut graph, &Event::edge(1000 + n, "hub"));
                graph.roll_back(before);
            }
            assert!(length(&graph) < 6000, "{}", length(&graph));
            graph.release();
            put(&mut graph, &Event::DeleteNode { id: "hub".into() });
            assert_eq!((graph.counts.nodes, graph.counts.edges), (99, 0));
        }
    }
}
