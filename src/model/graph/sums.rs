//! What entities add to the fingerprint.

use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::codec::Encoder;
use crate::model::facts::Facts;
use crate::model::fingerprint::{Fingerprint, Sum};
use crate::model::image::Image;
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::row::Row;

impl Graph {
    /// The fingerprint, from nothing but what is alive.
    pub(super) fn compute_fingerprint(&self) -> Fingerprint {
        let mut total = Fingerprint::default();
        let mut add = |part: Fingerprint| {
            total.content.add(part.content);
            total.layout.add(part.layout);
        };
        for name in 0..self.names.len() {
            add(self.name_sum(name));
        }
        for (ord, row) in self.nodes.iter() {
            add(self.node_sum(NodeOrd(ord), row));
        }
        for (ord, row) in self.edges.iter() {
            add(self.edge_sum(EdgeOrd(ord), row));
        }
        for (ord, row) in self.items.iter() {
            add(self.item_sum(ItemOrd(ord), row));
        }
        add(self.graph_sum(Image::trusted(self.attrs.as_slice())));
        total
    }

    pub(super) fn name_sum(&self, name: u32) -> Fingerprint {
        let row = Row::Name { text: self.names.text(NameOrd(name)) };
        Fingerprint { content: Sum::default(), layout: row.layout(name, &mut Encoder::new()) }
    }

    pub(super) fn node_sum(&self, ord: NodeOrd, row: &NodeRow) -> Fingerprint {
        let (id, image) = row.parts();
        let mut facts = Facts::new();
        let content = facts.node(id, image, |name| self.names.text(name));
        let row = Row::Node { id, attrs: image };
        Fingerprint { content, layout: row.layout(ord.0, facts.scratch()) }
    }

    pub(super) fn edge_sum(&self, ord: EdgeOrd, row: &EdgeRow) -> Fingerprint {
        let id = |end: NodeOrd| self.nodes.get(end.0).map(|row| row.parts().0).unwrap_or_default();
        let (parallel, image) = row.parts(self.kind);
        let (ends, key) = ((id(row.src), id(row.dst)), parallel.map(|(_, key)| key));
        let mut facts = Facts::new();
        let content = facts.edge(self.kind.directed, ends, key, image, |name| self.names.text(name));
        let row = Row::Edge { src: row.src, dst: row.dst, parallel, attrs: image };
        Fingerprint { content, layout: row.layout(ord.0, facts.scratch()) }
    }

    pub(super) fn item_sum(&self, ord: ItemOrd, row: &ItemRow) -> Fingerprint {
        let mut facts = Facts::new();
        let (entry, value) = row.parts();
        let content = facts.item(self.names.text(row.key), entry, value);
        let row = Row::Item { key: row.key, entry, value };
        Fingerprint { content, layout: row.layout(ord.0, facts.scratch()) }
    }

    pub(super) fn graph_sum(&self, image: Image<'_>) -> Fingerprint {
        if image.is_empty() {
            return Fingerprint::default();
        }
        let mut facts = Facts::new();
        let content = facts.graph(image, |name| self.names.text(name));
        Fingerprint { content, layout: Row::Graph { attrs: image }.layout(0, facts.scratch()) }
    }

    /// Takes `part` into the running sums, if they are kept.
    pub(super) fn sum_in(&mut self, part: impl FnOnce(&Self) -> Fingerprint) {
        if self.sums.is_some() {
            let part = part(self);
            if let Some(sums) = &mut self.sums {
                sums.content.add(part.content);
                sums.layout.add(part.layout);
            }
        }
    }

    /// Takes `part` out of the running sums, if they are kept.
    pub(super) fn sum_out(&mut self, part: impl FnOnce(&Self) -> Fingerprint) {
        if self.sums.is_some() {
            let part = part(self);
            if let Some(sums) = &mut self.sums {
                sums.content.sub(part.content);
                sums.layout.sub(part.layout);
            }
        }
    }
}
