//! Events as net changes: what a fold puts into increments.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::codec::Encoder;
use crate::format::snapshot::Stand;
use crate::log::error::Result;
use crate::log::replay::Target;
use crate::model::fingerprint::Sum;
use crate::model::image::{EMPTY_IMAGE, Image, merge, without};
use crate::model::limits::MAX_ORDINAL;
use crate::model::marker::{Counts, GraphKind, Ordinals};
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd, Seq};
use crate::model::record::{Inconsistency, Record};
use crate::model::row::{Entry, Row, RowKind, Stamps};
use crate::model::time::Timestamp;

use super::owned::OwnedRow;

/// Which rows of the state beneath a run of events needs: those that it changes or removes, and for each node that dies
/// its edges. The first of two passes over the events.
#[derive(Debug)]
pub(super) struct Needs {
    kind: GraphKind,
    next: Ordinals,
    /// What is born in the run has these numbers or higher ones.
    from: Ordinals,
    /// By kind, the ordinals that are changed or removed.
    rows: BTreeMap<RowKind, BTreeSet<u32>>,
    /// Nodes that die: old and new ones.
    pub(super) dying: HashSet<u32>,
    /// Whether any old node dies: then every old edge has to be looked at.
    kills_old: bool,
}

impl Needs {
    pub(super) fn new(kind: GraphKind, from: Ordinals) -> Self {
        Self { kind, next: from, from, rows: BTreeMap::new(), dying: HashSet::new(), kills_old: false }
    }

    /// Whether any row is needed whose ordinal is from `first` to `last`.
    pub(super) fn wants_some(&self, kind: RowKind, first: u32, last: u32) -> bool {
        let named = self.rows.get(&kind).and_then(|rows| rows.range(first..=last).next());
        named.is_some() || (kind == RowKind::Edge && self.kills_old)
    }

    /// Whether a row is needed. An edge is, too, if one of its ends dies.
    pub(super) fn wants(&self, entry: &Entry<'_>, kind: RowKind) -> bool {
        let named = self.rows.get(&kind).is_some_and(|rows| rows.contains(&entry.ordinal));
        let ends = |node: NodeOrd| self.dying.contains(&node.0);
        named || matches!(entry.row, Some(Row::Edge { src, dst, .. }) if ends(src) || ends(dst))
    }

    fn need(&mut self, kind: RowKind, ordinal: u32, first_new: u32) {
        if ordinal < first_new {
            self.rows.entry(kind).or_default().insert(ordinal);
        }
    }
}

impl Target for Needs {
    fn kind(&self) -> GraphKind {
        self.kind
    }

    fn ordinals(&self) -> Ordinals {
        self.next
    }

    fn take(&mut self, record: &Record<'_>, _: Seq, _: Timestamp) -> std::result::Result<(), Inconsistency> {
        count_birth(&mut self.next, record)?;
        let from = self.from;
        match *record {
            Record::NodeChanged { node, .. } | Record::NodeUnset { node, .. } => {
                self.need(RowKind::Node, node.0, from.node.0);
            }
            Record::NodeDied { node } => {
                self.dying.insert(node.0);
                self.kills_old |= node < from.node;
                self.need(RowKind::Node, node.0, from.node.0);
            }
            Record::EdgeChanged { edge, .. } | Record::EdgeUnset { edge, .. } | Record::EdgeDied { edge } => {
                self.need(RowKind::Edge, edge.0, from.edge.0);
            }
            Record::ItemChanged { item, .. } | Record::ItemDied { item } => {
                self.need(RowKind::Item, item.0, from.item.0);
            }
            Record::GraphChanged { .. } | Record::GraphUnset { .. } => self.need(RowKind::Graph, 0, 1),
            Record::NameBorn { .. }
            | Record::NodeBorn { .. }
            | Record::EdgeBorn { .. }
            | Record::ItemBorn { .. } => {}
        }
        Ok(())
    }
}

/// Moves the next birth numbers on.
pub(crate) fn count_birth(
    next: &mut Ordinals,
    record: &Record<'_>,
) -> std::result::Result<(), Inconsistency> {
    let (what, number) = match record {
        Record::NameBorn { .. } => ("name", &mut next.name.0),
        Record::NodeBorn { .. } => ("node", &mut next.node.0),
        Record::EdgeBorn { .. } => ("edge", &mut next.edge.0),
        Record::ItemBorn { .. } => ("state item", &mut next.item.0),
        _ => return Ok(()),
    };
    if *number >= MAX_ORDINAL {
        return Err(Inconsistency::UsedUp { what });
    }
    *number = number.saturating_add(1);
    Ok(())
}

/// The rows that a run of events touches, as they are at the place that the run has come to.
#[derive(Debug)]
pub(super) struct Delta {
    kind: GraphKind,
    next: Ordinals,
    counts: Counts,
    /// Rows of the state beneath that the run needs, and rows that it gave birth to.
    cells: BTreeMap<(RowKind, u32), Cell>,
    /// Names born since the last [`emit`](Self::emit), and the number of the first of them.
    names: Vec<String>,
    first_name: u32,
    /// Rows touched since the last `emit`, with what they added to the layout sum before.
    touched: BTreeMap<(RowKind, u32), Option<Sum>>,
    dying: HashSet<u32>,
    /// Edges at nodes that die.
    edges_at: HashMap<u32, Vec<u32>>,
    scratch: Encoder,
}

#[derive(Debug)]
struct Cell {
    row: OwnedRow,
    stamps: Stamps,
}

impl Delta {
    /// Before the first event of a run that begins at `from`.
    pub(super) fn new(kind: GraphKind, from: &Stand, needs: Needs) -> Self {
        Self {
            kind,
            next: from.ordinals,
            counts: from.counts,
            cells: BTreeMap::new(),
            names: Vec::new(),
            first_name: from.ordinals.name.0,
            touched: BTreeMap::new(),
            dying: needs.dying,
            edges_at: HashMap::new(),
            scratch: Encoder::new(),
        }
    }

    /// Takes in a row of the state beneath.
    pub(super) fn put_beneath(&mut self, entry: &Entry<'_>) {
        if let Some(row) = &entry.row {
            self.put(entry.ordinal, OwnedRow::from(row), entry.stamps);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Hands out what changed since the last call, in the order of snapshot segments, and begins anew.
    pub(super) fn emit(&mut self, mut to: impl FnMut(RowKind, &Entry<'_>) -> Result<()>) -> Result<()> {
        let mut ordinal = self.first_name;
        for text in self.names.drain(..) {
            let row = Some(Row::Name { text: &text });
            to(RowKind::Name, &Entry { ordinal, replaces: None, row, stamps: Stamps::default() })?;
            ordinal = ordinal.saturating_add(1);
        }
        self.first_name = ordinal;
        for ((kind, ordinal), replaces) in std::mem::take(&mut self.touched) {
            let cell = self.cells.get(&(kind, ordinal));
            let row = cell.and_then(|cell| cell.row.as_row());
            if row.is_some() || replaces.is_some() {
                let stamps = cell.map(|cell| cell.stamps).unwrap_or_default();
                to(kind, &Entry { ordinal, replaces, row, stamps })?;
            }
            if row.is_none() {
                self.cells.remove(&(kind, ordinal));
            }
        }
        Ok(())
    }

    fn put(&mut self, ordinal: u32, row: OwnedRow, stamps: Stamps) {
        if let OwnedRow::Edge { src, dst, .. } = &row {
            for node in [src.0, dst.0] {
                if self.dying.contains(&node) {
                    self.edges_at.entry(node).or_default().push(ordinal);
                }
            }
        }
        if let Some(kind) = row.kind() {
            self.cells.insert((kind, ordinal), Cell { row, stamps });
        }
    }

    fn born(&mut self, ordinal: u32, row: OwnedRow, seq: Seq, time: Timestamp) {
        if let Some(kind) = row.kind() {
            self.touched.insert((kind, ordinal), None);
        }
        self.put(ordinal, row, Stamps { born: seq, born_at: time, changed: seq, changed_at: time });
    }

    /// The row, to be changed by the event: what it was before is noted.
    fn touch(
        &mut self,
        kind: RowKind,
        ordinal: u32,
        seq: Seq,
        time: Timestamp,
    ) -> std::result::Result<&mut OwnedRow, Inconsistency> {
        let what = match kind {
            RowKind::Name => "name",
            RowKind::Node => "node",
            RowKind::Edge => "edge",
            RowKind::Item => "state item",
            RowKind::Graph => "graph",
        };
        let dead = Inconsistency::NotAlive { what, ordinal };
        let cell = self.cells.get_mut(&(kind, ordinal)).ok_or(dead)?;
        let row = cell.row.as_row().ok_or(dead)?;
        let scratch = &mut self.scratch;
        self.touched.entry((kind, ordinal)).or_insert_with(|| Some(row.layout(ordinal, scratch)));
        cell.stamps.changed = seq;
        cell.stamps.changed_at = time;
        Ok(&mut cell.row)
    }

    fn change_image(
        &mut self,
        (kind, ordinal): (RowKind, u32),
        (seq, time): (Seq, Timestamp),
        change: impl FnOnce(Image<'_>, &mut Encoder),
    ) -> std::result::Result<(), Inconsistency> {
        let row = self.touch(kind, ordinal, seq, time)?;
        if let Some(image) = row.image_mut() {
            let mut changed = Encoder::new();
            change(Image::trusted(image), &mut changed);
            *image = changed.as_slice().into();
        }
        Ok(())
    }

    fn change_graph(
        &mut self,
        (seq, time): (Seq, Timestamp),
        change: impl FnOnce(Image<'_>, &mut Encoder),
    ) -> std::result::Result<(), Inconsistency> {
        if !self.cells.contains_key(&(RowKind::Graph, 0)) {
            // A graph that never had attributes has no row; its first takes the place of none.
            self.born(0, OwnedRow::Graph { image: EMPTY_IMAGE.as_bytes().into() }, seq, time);
        }
        self.change_image((RowKind::Graph, 0), (seq, time), change)
    }

    fn kill(
        &mut self,
        kind: RowKind,
        ordinal: u32,
        seq: Seq,
        time: Timestamp,
    ) -> std::result::Result<(), Inconsistency> {
        *self.touch(kind, ordinal, seq, time)? = OwnedRow::Dead;
        let count = match kind {
            RowKind::Node => &mut self.counts.nodes,
            RowKind::Edge => &mut self.counts.edges,
            _ => &mut self.counts.items,
        };
        *count = count.saturating_sub(1);
        Ok(())
    }

    fn kill_node(
        &mut self,
        node: NodeOrd,
        seq: Seq,
        time: Timestamp,
    ) -> std::result::Result<(), Inconsistency> {
        for edge in self.edges_at.remove(&node.0).unwrap_or_default() {
            let alive =
                self.cells.get(&(RowKind::Edge, edge)).is_some_and(|cell| cell.row.as_row().is_some());
            if alive {
                self.kill(RowKind::Edge, edge, seq, time)?;
            }
        }
        self.kill(RowKind::Node, node.0, seq, time)
    }
}

impl Target for Delta {
    fn kind(&self) -> GraphKind {
        self.kind
    }

    fn ordinals(&self) -> Ordinals {
        self.next
    }

    fn take(
        &mut self,
        record: &Record<'_>,
        seq: Seq,
        time: Timestamp,
    ) -> std::result::Result<(), Inconsistency> {
        let next = self.next;
        count_birth(&mut self.next, record)?;
        let at = (seq, time);
        match *record {
            Record::NameBorn { name } => self.names.push(name.to_owned()),
            Record::NodeBorn { id, attrs } => {
                self.born(next.node.0, OwnedRow::node(id, attrs), seq, time);
                self.counts.nodes = self.counts.nodes.saturating_add(1);
                self.counts.high_water = self.counts.high_water.max(self.counts.nodes);
            }
            Record::NodeChanged { node: NodeOrd(node), set } => {
                self.change_image((RowKind::Node, node), at, |old, to| merge(old, set, to))?;
            }
            Record::NodeUnset { node: NodeOrd(node), names } => {
                self.change_image((RowKind::Node, node), at, |old, to| without(old, names, to))?;
            }
            Record::NodeDied { node } => self.kill_node(node, seq, time)?,
            Record::EdgeBorn { src, dst, parallel, attrs } => {
                if parallel.is_some() != self.kind.multigraph {
                    return Err(Inconsistency::WrongKind);
                }
                self.born(next.edge.0, OwnedRow::edge(src, dst, parallel, attrs), seq, time);
                self.counts.edges = self.counts.edges.saturating_add(1);
            }
            Record::EdgeChanged { edge: EdgeOrd(edge), set } => {
                self.change_image((RowKind::Edge, edge), at, |old, to| merge(old, set, to))?;
            }
            Record::EdgeUnset { edge: EdgeOrd(edge), names } => {
                self.change_image((RowKind::Edge, edge), at, |old, to| without(old, names, to))?;
            }
            Record::EdgeDied { edge: EdgeOrd(edge) } => self.kill(RowKind::Edge, edge, seq, time)?,
            Record::GraphChanged { set } => self.change_graph(at, |old, to| merge(old, set, to))?,
            Record::GraphUnset { names } => self.change_graph(at, |old, to| without(old, names, to))?,
            Record::ItemBorn { key, entry, value } => {
                if key >= NameOrd(next.name.0) {
                    return Err(Inconsistency::NotAlive { what: "name", ordinal: key.0 });
                }
                self.born(next.item.0, OwnedRow::item(key, entry, value), seq, time);
                self.counts.items = self.counts.items.saturating_add(1);
            }
            Record::ItemChanged { item: ItemOrd(item), value } => {
                if let OwnedRow::Item { value: old, .. } = self.touch(RowKind::Item, item, seq, time)? {
                    *old = value.into();
                }
            }
            Record::ItemDied { item: ItemOrd(item) } => self.kill(RowKind::Item, item, seq, time)?,
        }
        Ok(())
    }
}
