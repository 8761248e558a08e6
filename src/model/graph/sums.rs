//! What entities add to the fingerprint.

use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::codec::Encoder;
use crate::model::fingerprint::{Fingerprint, Sum, tag};
use crate::model::image::Image;
use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use crate::model::row::Row;

/// Hashes of one fact after another, in one buffer.
struct Facts {
    buffer: Encoder,
    sum: Sum,
}

impl Facts {
    fn new() -> Self {
        Self { buffer: Encoder::new(), sum: Sum::default() }
    }

    /// Adds the hash of the fact that `write` writes behind `tag`.
    fn add(&mut self, tag: u8, write: impl FnOnce(&mut Encoder)) {
        self.buffer.clear();
        self.buffer.u8(tag);
        write(&mut self.buffer);
        self.sum.add(Sum::of(self.buffer.as_slice()));
    }

    /// These facts as the content, and the row as the layout.
    fn with_layout(mut self, ordinal: u32, row: &Row<'_>) -> Fingerprint {
        Fingerprint { content: self.sum, layout: row.layout(ordinal, &mut self.buffer) }
    }
}

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
        let mut content = Facts::new();
        content.add(tag::NODE, |to| to.raw(id));
        self.attr_facts(&mut content, tag::NODE_ATTR, image, |to| to.raw(id));
        content.with_layout(ord.0, &Row::Node { id, attrs: image })
    }

    pub(super) fn edge_sum(&self, ord: EdgeOrd, row: &EdgeRow) -> Fingerprint {
        let id = |end: NodeOrd| self.nodes.get(end.0).map(|row| row.parts().0).unwrap_or_default();
        let (parallel, image) = row.parts(self.kind);
        let (mut first, mut second) = (id(row.src), id(row.dst));
        if !self.kind.directed && first > second {
            std::mem::swap(&mut first, &mut second);
        }
        let name = |to: &mut Encoder| {
            to.raw(first);
            to.raw(second);
            to.raw(parallel.map(|(_, key)| key).unwrap_or_default());
        };
        let mut content = Facts::new();
        content.add(tag::EDGE, name);
        self.attr_facts(&mut content, tag::EDGE_ATTR, image, name);
        content.with_layout(ord.0, &Row::Edge { src: row.src, dst: row.dst, parallel, attrs: image })
    }

    pub(super) fn item_sum(&self, ord: ItemOrd, row: &ItemRow) -> Fingerprint {
        let mut content = Facts::new();
        content.add(tag::ITEM, |to| {
            to.str(self.names.text(row.key));
            to.raw(row.blob.as_slice());
        });
        let (entry, value) = row.parts();
        content.with_layout(ord.0, &Row::Item { key: row.key, entry, value })
    }

    pub(super) fn graph_sum(&self, image: Image<'_>) -> Fingerprint {
        if image.is_empty() {
            return Fingerprint::default();
        }
        let mut content = Facts::new();
        self.attr_facts(&mut content, tag::GRAPH_ATTR, image, |_| {});
        content.with_layout(0, &Row::Graph { attrs: image })
    }

    fn attr_facts(&self, facts: &mut Facts, tag: u8, image: Image<'_>, owner: impl Fn(&mut Encoder)) {
        for (name, value) in image.iter() {
            facts.add(tag, |to| {
                owner(to);
                to.str(self.names.text(name));
                to.raw(value);
            });
        }
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
