//! What is known of the old log's entities, by their old birth numbers, and the new log that it goes to.

use std::collections::{HashMap, HashSet};

use crate::codec::Decoder;
use crate::log::{Appended, Error, Result, Writer};
use crate::model::event::{Attrs, Event};
use crate::model::id::{Id, IdRef};
use crate::model::image::{Image, NameSet};
use crate::model::marker::{GraphKind, Ordinals};
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::record::Record;
use crate::model::row::{Row, RowKind};
use crate::model::time::Timestamp;
use crate::model::value::Value;

/// An edge by the old numbers of its ends, and its key in a multigraph. In an undirected graph the lesser end is first.
type Pair = (NodeOrd, NodeOrd, Option<Id>);

/// The old log's entities as far as they are known, and the writer of the new one.
pub(super) struct State<'w> {
    writer: &'w Writer,
    kind: GraphKind,
    /// No event of the new log is later.
    limit: Timestamp,
    names: HashMap<NameOrd, String>,
    nodes: HashMap<NodeOrd, Id>,
    node_of: HashMap<Id, NodeOrd>,
    edges: HashMap<EdgeOrd, Pair>,
    edge_of: HashMap<Pair, EdgeOrd>,
    items: HashMap<ItemOrd, (NameOrd, Option<Id>)>,
    /// Names that nodes, edges and the graph ever had: what a row that does not have them takes away.
    used: [HashSet<NameOrd>; 3],
    /// Changes that name what is not known, and attributes whose name is not.
    pub(super) unplaced: u64,
}

const OF_NODES: usize = 0;
const OF_EDGES: usize = 1;
const OF_GRAPH: usize = 2;

impl<'w> State<'w> {
    pub(super) fn new(writer: &'w Writer, kind: GraphKind, limit: Timestamp) -> Self {
        Self {
            writer,
            limit,
            kind,
            names: HashMap::new(),
            nodes: HashMap::new(),
            node_of: HashMap::new(),
            edges: HashMap::new(),
            edge_of: HashMap::new(),
            items: HashMap::new(),
            used: [HashSet::new(), HashSet::new(), HashSet::new()],
            unplaced: 0,
        }
    }

    /// Appends to the new log. What it refuses is no part of any graph that the old one had.
    fn append(&mut self, event: Event, time: Timestamp) -> Result<()> {
        match self.writer.append_at(&event, time.min(self.limit)) {
            Ok(Appended::Written(_) | Appended::Unchanged) => Ok(()),
            Err(Error::Refused(_)) => {
                self.unplaced = self.unplaced.saturating_add(1);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends what could not be placed")]
    fn lose(&mut self) -> Result<()> {
        self.unplaced = self.unplaced.saturating_add(1);
        Ok(())
    }

    fn attrs(&mut self, image: Image<'_>, of: usize) -> Attrs {
        let mut attrs = Attrs::new();
        for (name, value) in image.iter() {
            let value = Value::decode(&mut Decoder::new(value));
            match (self.names.get(&name), value) {
                (Some(text), Ok(value)) => {
                    attrs.push((text.clone(), value));
                    if let Some(used) = self.used.get_mut(of) {
                        used.insert(name);
                    }
                }
                _ => self.unplaced = self.unplaced.saturating_add(1),
            }
        }
        attrs
    }

    fn name_texts(&self, names: NameSet<'_>) -> Vec<String> {
        names.iter().filter_map(|name| self.names.get(&name).cloned()).collect()
    }

    /// The names that a row takes away: all that its kind ever had but those that it has.
    fn others(&self, image: Image<'_>, of: usize) -> Vec<String> {
        let used = self.used.get(of).into_iter().flatten();
        let others = used.filter(|name| image.get(**name).is_none());
        others.filter_map(|name| self.names.get(name).cloned()).collect()
    }

    fn pair(&self, src: NodeOrd, dst: NodeOrd, key: Option<Id>) -> Pair {
        if self.kind.directed || src <= dst { (src, dst, key) } else { (dst, src, key) }
    }

    /// Ends and key of an edge, by id.
    fn ends(&self, (src, dst, key): &Pair) -> Option<(Id, Id, Option<Id>)> {
        Some((self.nodes.get(src)?.clone(), self.nodes.get(dst)?.clone(), key.clone()))
    }

    /// Carries out one record of an event; `next`: the birth numbers before it.
    pub(super) fn record(&mut self, record: &Record<'_>, next: Ordinals, time: Timestamp) -> Result<()> {
        match *record {
            Record::NameBorn { name } => {
                self.names.insert(next.name, name.to_owned());
                Ok(())
            }
            Record::NodeBorn { id, attrs } => self.node_born(next.node, id.to_id(), attrs, time),
            Record::NodeChanged { node, set } => {
                let Some(id) = self.nodes.get(&node).cloned() else { return self.lose() };
                let attrs = self.attrs(set, OF_NODES);
                self.append(Event::PutNode { id, attrs }, time)
            }
            Record::NodeUnset { node, names } => {
                let Some(id) = self.nodes.get(&node).cloned() else { return self.lose() };
                let names = self.name_texts(names);
                self.append(Event::UnsetNode { id, names }, time)
            }
            Record::NodeDied { node } => {
                if self.node_gone(node, time)? {
                    Ok(())
                } else {
                    self.lose()
                }
            }
            Record::EdgeBorn { src, dst, parallel, attrs } => {
                let key = parallel.map(|(_, key)| key.to_id());
                self.edge_born(next.edge, src, dst, key, attrs, time)
            }
            Record::EdgeChanged { edge, set } => {
                let ends = self.edges.get(&edge).and_then(|pair| self.ends(pair));
                let Some((src, dst, key)) = ends else { return self.lose() };
                let attrs = self.attrs(set, OF_EDGES);
                self.append(Event::PutEdge { src, dst, key, attrs }, time)
            }
            Record::EdgeUnset { edge, names } => {
                let ends = self.edges.get(&edge).and_then(|pair| self.ends(pair));
                let Some((src, dst, key)) = ends else { return self.lose() };
                let names = self.name_texts(names);
                self.append(Event::UnsetEdge { src, dst, key, names }, time)
            }
            Record::EdgeDied { edge } => {
                if self.edge_gone(edge, time)? {
                    Ok(())
                } else {
                    self.lose()
                }
            }
            Record::GraphChanged { set } => {
                let attrs = self.attrs(set, OF_GRAPH);
                self.append(Event::PutGraph { attrs }, time)
            }
            Record::GraphUnset { names } => {
                let names = self.name_texts(names);
                self.append(Event::UnsetGraph { names }, time)
            }
            Record::ItemBorn { key, entry, value } => {
                self.item_put(next.item, key, entry.map(IdRef::to_id), value, time)
            }
            Record::ItemChanged { item, value } => {
                let Some((key, entry)) = self.items.get(&item).cloned() else { return self.lose() };
                self.item_put(item, key, entry, value, time)
            }
            Record::ItemDied { item } => {
                if self.item_gone(item, time)? {
                    Ok(())
                } else {
                    self.lose()
                }
            }
        }
    }

    /// Makes an entity what a row says; `None`: it is no more.
    pub(super) fn row(
        &mut self,
        kind: RowKind,
        ordinal: u32,
        row: Option<Row<'_>>,
        time: Timestamp,
    ) -> Result<()> {
        let Some(row) = row else { return self.gone(kind, ordinal, time) };
        match row {
            Row::Name { text } => {
                self.names.insert(NameOrd(ordinal), text.to_owned());
                Ok(())
            }
            Row::Node { id, attrs } => {
                let Some(id) = decoded(id) else { return self.lose() };
                if self.nodes.get(&NodeOrd(ordinal)) == Some(&id) {
                    let names = self.others(attrs, OF_NODES);
                    self.append(Event::UnsetNode { id: id.clone(), names }, time)?;
                    let attrs = self.attrs(attrs, OF_NODES);
                    return self.append(Event::PutNode { id, attrs }, time);
                }
                self.node_born(NodeOrd(ordinal), id, attrs, time)
            }
            Row::Edge { src, dst, parallel, attrs } => {
                let key = match parallel {
                    None => None,
                    Some((_, key)) => match decoded(key) {
                        Some(key) => Some(key),
                        None => return self.lose(),
                    },
                };
                if self.edges.contains_key(&EdgeOrd(ordinal)) {
                    let pair = self.pair(src, dst, key);
                    let Some((src, dst, key)) = self.ends(&pair) else { return self.lose() };
                    let names = self.others(attrs, OF_EDGES);
                    let unset =
                        Event::UnsetEdge { src: src.clone(), dst: dst.clone(), key: key.clone(), names };
                    self.append(unset, time)?;
                    let attrs = self.attrs(attrs, OF_EDGES);
                    return self.append(Event::PutEdge { src, dst, key, attrs }, time);
                }
                self.edge_born(EdgeOrd(ordinal), src, dst, key, attrs, time)
            }
            Row::Item { key, entry, value } => {
                let entry = match entry.map(decoded) {
                    Some(None) => return self.lose(),
                    Some(id) => id,
                    None => None,
                };
                self.item_put(ItemOrd(ordinal), key, entry, value, time)
            }
            Row::Graph { attrs } => {
                let names = self.others(attrs, OF_GRAPH);
                self.append(Event::UnsetGraph { names }, time)?;
                let attrs = self.attrs(attrs, OF_GRAPH);
                self.append(Event::PutGraph { attrs }, time)
            }
        }
    }

    /// Takes an entity away, if it is known.
    fn gone(&mut self, kind: RowKind, ordinal: u32, time: Timestamp) -> Result<()> {
        match kind {
            RowKind::Node => self.node_gone(NodeOrd(ordinal), time).map(drop),
            RowKind::Edge => self.edge_gone(EdgeOrd(ordinal), time).map(drop),
            RowKind::Item => self.item_gone(ItemOrd(ordinal), time).map(drop),
            RowKind::Name | RowKind::Graph => Ok(()),
        }
    }

    /// Takes away what was born from `from` on and is not among `alive`: its death was lost.
    pub(super) fn keep_only(
        &mut self,
        from: Ordinals,
        alive: &HashSet<(RowKind, u32)>,
        time: Timestamp,
    ) -> Result<()> {
        let dead = |kind, ordinal: u32| !alive.contains(&(kind, ordinal));
        let mut edges: Vec<u32> = self.edges.keys().filter(|e| **e >= from.edge).map(|e| e.0).collect();
        edges.retain(|e| dead(RowKind::Edge, *e));
        let mut nodes: Vec<u32> = self.nodes.keys().filter(|n| **n >= from.node).map(|n| n.0).collect();
        nodes.retain(|n| dead(RowKind::Node, *n));
        let mut items: Vec<u32> = self.items.keys().filter(|i| **i >= from.item).map(|i| i.0).collect();
        items.retain(|i| dead(RowKind::Item, *i));
        for (kind, mut ordinals) in [(RowKind::Edge, edges), (RowKind::Node, nodes), (RowKind::Item, items)] {
            ordinals.sort_unstable();
            for ordinal in ordinals {
                self.gone(kind, ordinal, time)?;
            }
        }
        Ok(())
    }

    fn node_born(&mut self, ord: NodeOrd, id: Id, attrs: Image<'_>, time: Timestamp) -> Result<()> {
        if let Some(former) = self.node_of.get(&id).copied().filter(|former| *former != ord) {
            // Its death was lost.
            self.node_gone(former, time)?;
        }
        self.nodes.insert(ord, id.clone());
        self.node_of.insert(id.clone(), ord);
        let attrs = self.attrs(attrs, OF_NODES);
        self.append(Event::PutNode { id, attrs }, time)
    }

    fn node_gone(&mut self, ord: NodeOrd, time: Timestamp) -> Result<bool> {
        let Some(id) = self.nodes.remove(&ord) else { return Ok(false) };
        if self.node_of.get(&id) == Some(&ord) {
            self.node_of.remove(&id);
        }
        self.append(Event::DeleteNode { id }, time)?;
        Ok(true)
    }

    fn edge_born(
        &mut self,
        ord: EdgeOrd,
        src: NodeOrd,
        dst: NodeOrd,
        key: Option<Id>,
        attrs: Image<'_>,
        time: Timestamp,
    ) -> Result<()> {
        let pair = self.pair(src, dst, key);
        // As it was put: in an undirected graph the order of its ends is part of it, too.
        let ends = (self.nodes.get(&src).cloned(), self.nodes.get(&dst).cloned());
        let (Some(src), Some(dst)) = ends else { return self.lose() };
        if let Some(former) = self.edge_of.get(&pair).copied().filter(|former| *former != ord) {
            self.edge_gone(former, time)?;
        }
        let key = pair.2.clone();
        self.edges.insert(ord, pair.clone());
        self.edge_of.insert(pair, ord);
        let attrs = self.attrs(attrs, OF_EDGES);
        self.append(Event::PutEdge { src, dst, key, attrs }, time)
    }

    fn edge_gone(&mut self, ord: EdgeOrd, time: Timestamp) -> Result<bool> {
        let Some(pair) = self.edges.remove(&ord) else { return Ok(false) };
        if self.edge_of.get(&pair) == Some(&ord) {
            self.edge_of.remove(&pair);
        }
        // With an end it is gone already.
        if let Some((src, dst, key)) = self.ends(&pair) {
            self.append(Event::DeleteEdge { src, dst, key }, time)?;
        }
        Ok(true)
    }

    fn item_put(
        &mut self,
        ord: ItemOrd,
        key: NameOrd,
        entry: Option<Id>,
        value: &[u8],
        time: Timestamp,
    ) -> Result<()> {
        let Some(text) = self.names.get(&key).cloned() else { return self.lose() };
        let Ok(value) = Value::decode(&mut Decoder::new(value)) else { return self.lose() };
        self.items.insert(ord, (key, entry.clone()));
        self.append(
            match entry {
                None => Event::PutState { key: text, value },
                Some(entry) => Event::PutEntry { key: text, entry, value },
            },
            time,
        )
    }

    fn item_gone(&mut self, ord: ItemOrd, time: Timestamp) -> Result<bool> {
        let Some((key, entry)) = self.items.remove(&ord) else { return Ok(false) };
        let Some(key) = self.names.get(&key).cloned() else { return Ok(false) };
        self.append(
            match entry {
                None => Event::DeleteState { key },
                Some(entry) => Event::DeleteEntry { key, entry },
            },
            time,
        )?;
        Ok(true)
    }
}

fn decoded(id: &[u8]) -> Option<Id> {
    IdRef::decode(&mut Decoder::new(id)).ok().map(IdRef::to_id)
}
