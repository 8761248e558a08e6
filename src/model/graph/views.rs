//! Borrowed views of a graph's entities.

use super::{EdgeRow, Graph, ItemRow, NodeRow};
use crate::codec::Decoder;
use crate::model::id::IdRef;
use crate::model::image::Image;
use crate::model::position::{EdgeOrd, NodeOrd};
use crate::model::value::Value;

/// The empty string, where bytes that were checked on their way in could not be read.
const LOST: IdRef<'static> = IdRef::Str("");

fn id(bytes: &[u8]) -> IdRef<'_> {
    IdRef::decode(&mut Decoder::new(bytes)).unwrap_or(LOST)
}

/// A node.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    graph: &'a Graph,
    ord: NodeOrd,
    row: &'a NodeRow,
}

impl<'a> NodeView<'a> {
    pub(super) fn new(graph: &'a Graph, ord: NodeOrd, row: &'a NodeRow) -> Self {
        Self { graph, ord, row }
    }

    /// Its birth number.
    pub fn ord(&self) -> NodeOrd {
        self.ord
    }

    /// Its id.
    pub fn id(&self) -> IdRef<'a> {
        id(self.row.id())
    }

    /// Its attributes.
    pub fn attrs(&self) -> AttrsView<'a> {
        AttrsView::new(self.graph, self.row.image())
    }
}

/// An edge.
#[derive(Debug, Clone, Copy)]
pub struct EdgeView<'a> {
    graph: &'a Graph,
    ord: EdgeOrd,
    row: &'a EdgeRow,
}

impl<'a> EdgeView<'a> {
    pub(super) fn new(graph: &'a Graph, ord: EdgeOrd, row: &'a EdgeRow) -> Self {
        Self { graph, ord, row }
    }

    /// Its birth number.
    pub fn ord(&self) -> EdgeOrd {
        self.ord
    }

    /// The source's birth number.
    pub fn src_ord(&self) -> NodeOrd {
        self.row.src
    }

    /// The target's birth number.
    pub fn dst_ord(&self) -> NodeOrd {
        self.row.dst
    }

    /// The source's id.
    pub fn src(&self) -> IdRef<'a> {
        self.graph.nodes.get(self.row.src.0).map_or(LOST, |row| id(row.id()))
    }

    /// The target's id.
    pub fn dst(&self) -> IdRef<'a> {
        self.graph.nodes.get(self.row.dst.0).map_or(LOST, |row| id(row.id()))
    }

    /// The neighbour slot that it is in: neighbours are listed by it. In a simple graph its own birth number.
    pub fn slot(&self) -> EdgeOrd {
        self.row.parts(self.graph.kind).0.map_or(self.ord, |(slot, _)| slot)
    }

    /// Its key, in a multigraph.
    pub fn key(&self) -> Option<IdRef<'a>> {
        self.row.parts(self.graph.kind).0.map(|(_, key)| id(key))
    }

    /// Its attributes.
    pub fn attrs(&self) -> AttrsView<'a> {
        AttrsView::new(self.graph, self.row.parts(self.graph.kind).1)
    }
}

/// A value of collector state, or an entry of one of its maps.
#[derive(Debug, Clone, Copy)]
pub struct ItemView<'a> {
    graph: &'a Graph,
    row: &'a ItemRow,
}

impl<'a> ItemView<'a> {
    pub(super) fn new(graph: &'a Graph, row: &'a ItemRow) -> Self {
        Self { graph, row }
    }

    /// The state's key.
    pub fn key(&self) -> &'a str {
        self.graph.names.text(self.row.key)
    }

    /// Which entry of the map, if it is one.
    pub fn entry(&self) -> Option<IdRef<'a>> {
        self.row.parts().0.map(id)
    }

    /// The encoded value.
    pub fn encoded(&self) -> &'a [u8] {
        self.row.parts().1
    }

    /// The value.
    pub fn value(&self) -> Value {
        decode(self.encoded())
    }
}

fn decode(bytes: &[u8]) -> Value {
    Value::decode(&mut Decoder::new(bytes)).unwrap_or(Value::Null)
}

/// The attributes of an entity, in the order in which their names first came up in the log.
#[derive(Debug, Clone, Copy)]
pub struct AttrsView<'a> {
    graph: &'a Graph,
    image: Image<'a>,
}

impl<'a> AttrsView<'a> {
    pub(super) fn new(graph: &'a Graph, image: Image<'a>) -> Self {
        Self { graph, image }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.image.is_empty()
    }

    /// Names and encoded values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let graph = self.graph;
        self.image.iter().map(move |(name, value)| (graph.names.text(name), value))
    }

    /// The value of one attribute.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| decode(value))
    }

    /// All names and values.
    pub fn to_vec(&self) -> Vec<(String, Value)> {
        self.iter().map(|(name, value)| (name.to_owned(), decode(value))).collect()
    }
}
