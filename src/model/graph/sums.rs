//! What entities add to the fingerprint.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::model::facts::Facts;
use crate::model::fingerprint::{Fingerprint, Sum};
use crate::model::image::Image;
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::row::Row;

/// A thread is not worth its start for fewer pieces of the tables than these.
const PIECES_WORTH_A_THREAD: usize = 16;

/// Edges whose ends are looked up together.
const TOGETHER: usize = 16;

fn spare_processors() -> usize {
    std::thread::available_parallelism().map_or(0, |all| all.get().saturating_sub(1).min(7))
}

impl Graph {
    /// The fingerprint, from nothing but what is alive. A large graph's by as many threads as there are processors:
    /// sums do not mind the order.
    pub(super) fn compute_fingerprint(&self) -> Fingerprint {
        let (mut total, mut facts) = (self.entities_sum(), Facts::new());
        for name in 0..self.names.len() {
            add(&mut total, self.name_sum(name, &mut facts));
        }
        for (ord, row) in self.items.iter() {
            add(&mut total, self.item_sum(ItemOrd(ord), row, &mut facts));
        }
        add(&mut total, self.graph_sum(Image::trusted(self.attrs.as_slice()), &mut facts));
        total
    }

    /// What nodes and edges add.
    fn entities_sum(&self) -> Fingerprint {
        let (nodes, edges) = (self.nodes.pieces(), self.edges.pieces());
        let piece = |at: usize, facts: &mut Facts| {
            let mut sum = Fingerprint::default();
            for (ord, row) in self.nodes.piece(at) {
                add(&mut sum, self.node_sum(NodeOrd(ord), row, facts));
            }
            let mut edges = self.edges.piece(at);
            let mut few = [None; TOGETHER];
            loop {
                few.fill_with(|| edges.next());
                // The ids of their ends lie anywhere in memory: to touch all of them first lets the processor wait for
                // them at once instead of one after the other, which took two thirds of the time.
                let ends = few.iter().flatten().flat_map(|(_, row)| [row.src, row.dst]);
                black_box(
                    ends.map(|end| self.nodes.get(end.0).map_or(0, |row| row.id().len())).sum::<usize>(),
                );
                for (ord, row) in few.iter().flatten() {
                    add(&mut sum, self.edge_sum(EdgeOrd(*ord), row, facts));
                }
                if few.last().is_none_or(Option::is_none) {
                    return sum;
                }
            }
        };
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut sum, mut facts) = (Fingerprint::default(), Facts::new());
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= nodes.max(edges) {
                    return sum;
                }
                add(&mut sum, piece(at, &mut facts));
            }
        };
        let helpers = if nodes.max(edges) < PIECES_WORTH_A_THREAD { 0 } else { spare_processors() };
        std::thread::scope(|scope| {
            // A thread that cannot be had leaves its part to the others.
            let spawn = |_| Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (0..helpers).filter_map(spawn).collect();
            let mut total = work();
            for other in others {
                match other.join() {
                    Ok(sum) => add(&mut total, sum),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            total
        })
    }

    pub(super) fn name_sum(&self, name: u32, facts: &mut Facts) -> Fingerprint {
        let row = Row::Name { text: self.names.text(NameOrd(name)) };
        Fingerprint { content: Sum::default(), layout: row.layout(name, facts.scratch()) }
    }

    pub(super) fn node_sum(&self, ord: NodeOrd, row: &NodeRow, facts: &mut Facts) -> Fingerprint {
        let (id, image) = (row.id(), row.image());
        let content = facts.node(id, image, |name| self.names.text(name));
        let row = Row::Node { id, attrs: image };
        Fingerprint { content, layout: row.layout(ord.0, facts.scratch()) }
    }

    /// What a living node adds.
    pub(super) fn node_sum_at(&self, ord: NodeOrd, facts: &mut Facts) -> Fingerprint {
        self.nodes.get(ord.0).map(|row| self.node_sum(ord, row, facts)).unwrap_or_default()
    }

    pub(super) fn edge_sum(&self, ord: EdgeOrd, row: &EdgeRow, facts: &mut Facts) -> Fingerprint {
        let id = |end: NodeOrd| self.nodes.get(end.0).map(NodeRow::id).unwrap_or_default();
        let (parallel, image) = row.parts(self.kind);
        let (ends, key) = ((id(row.src), id(row.dst)), parallel.map(|(_, key)| key));
        let content = facts.edge(self.kind.directed, ends, key, image, |name| self.names.text(name));
        let row = Row::Edge { src: row.src, dst: row.dst, parallel, attrs: image };
        Fingerprint { content, layout: row.layout(ord.0, facts.scratch()) }
    }

    pub(super) fn item_sum(&self, ord: ItemOrd, row: &ItemRow, facts: &mut Facts) -> Fingerprint {
        let (entry, value) = row.parts();
        let content = facts.item(self.names.text(row.key), entry, value);
        let row = Row::Item { key: row.key, entry, value };
        Fingerprint { content, layout: row.layout(ord.0, facts.scratch()) }
    }

    pub(super) fn graph_sum(&self, image: Image<'_>, facts: &mut Facts) -> Fingerprint {
        if image.is_empty() {
            return Fingerprint::default();
        }
        let content = facts.graph(image, |name| self.names.text(name));
        Fingerprint { content, layout: Row::Graph { attrs: image }.layout(0, facts.scratch()) }
    }

    /// Takes `part` into the running sums, if they are kept.
    pub(super) fn sum_in(&mut self, part: impl FnOnce(&Self, &mut Facts) -> Fingerprint) {
        if let Some(part) = self.part(part)
            && let Some(sums) = &mut self.sums
        {
            add(sums, part);
        }
    }

    /// Takes `part` out of the running sums, if they are kept.
    pub(super) fn sum_out(&mut self, part: impl FnOnce(&Self, &mut Facts) -> Fingerprint) {
        if let Some(part) = self.part(part)
            && let Some(sums) = &mut self.sums
        {
            sums.content.sub(part.content);
            sums.layout.sub(part.layout);
        }
    }

    fn part(&mut self, part: impl FnOnce(&Self, &mut Facts) -> Fingerprint) -> Option<Fingerprint> {
        self.sums?;
        let mut facts = std::mem::take(&mut self.facts);
        let part = part(self, &mut facts);
        self.facts = facts;
        Some(part)
    }
}

fn add(total: &mut Fingerprint, part: Fingerprint) {
    total.content.add(part.content);
    total.layout.add(part.layout);
}
