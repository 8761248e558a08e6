//! What can be seen of a graph, in NetworkX's order: the form in which graph and naive model are compared.

use std::fmt::Write;

use snaplog::model::graph::{AttrsView, EdgeView, Graph};
use snaplog::model::id::Id;
use snaplog::model::position::NodeOrd;
use snaplog::model::value::Value;

/// Names and shown values.
pub(crate) type Attrs = Vec<(String, String)>;
/// The edges between two nodes: key (multigraphs) and attributes, in the order of insertion.
pub(crate) type Parallel = Vec<(Option<Id>, Attrs)>;
/// For each node its neighbours.
pub(crate) type Adjacency = Vec<(Id, Vec<(Id, Parallel)>)>;

/// All that can be seen. Attributes stand in the order in which their names first came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) nodes: Vec<(Id, Attrs)>,
    pub(crate) adjacency: Adjacency,
    /// The other way; directed graphs only.
    pub(crate) predecessors: Adjacency,
    pub(crate) graph: Attrs,
    pub(crate) state: Vec<(String, Option<Id>, String)>,
    /// Nodes, edges, items, high water.
    pub(crate) counts: [u64; 4],
    /// Births of nodes, edges, names, items.
    pub(crate) births: [usize; 4],
}

/// A value as text that tells apart what must be told apart.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => format!("bool {b}"),
        Value::Int(n) => format!("int {n}"),
        // There is one NaN.
        Value::Float(x) if x.is_nan() => "float nan".to_owned(),
        Value::Float(x) => format!("float {:016x}", x.to_bits()),
        Value::Str(s) => format!("str {s:?}"),
        Value::Bytes(b) => format!("bytes {b:?}"),
        Value::List(list) => list.iter().fold("[".to_owned(), |text, value| text + &show(value) + ", ") + "]",
        Value::Map(map) => {
            let mut text = "{".to_owned();
            for (key, value) in map {
                write!(text, "{key:?}: {}, ", show(value)).unwrap();
            }
            text + "}"
        }
    }
}

fn attrs(view: AttrsView<'_>) -> Attrs {
    view.to_vec().into_iter().map(|(name, value)| (name, show(&value))).collect()
}

/// Edges as neighbours: those of `edges` that `other` finds the far end of, in the order of (slot, ordinal).
fn neighbours<'g>(
    edges: &[EdgeView<'g>],
    other: impl Fn(&EdgeView<'g>) -> Option<Id>,
) -> Vec<(Id, Parallel)> {
    let mut mine: Vec<_> = edges.iter().filter_map(|edge| Some((edge, other(edge)?))).collect();
    mine.sort_by_key(|(edge, _)| (edge.slot(), edge.ord()));
    let mut list: Vec<(Id, Parallel)> = Vec::new();
    let mut slot = None;
    for (edge, id) in mine {
        let entry = (edge.key().map(Id::from), attrs(edge.attrs()));
        match list.last_mut() {
            Some((neighbour, parallel)) if slot == Some(edge.slot()) => {
                assert_eq!(*neighbour, id, "the edges of a slot have one pair of ends");
                parallel.push(entry);
            }
            _ => list.push((id, vec![entry])),
        }
        slot = Some(edge.slot());
    }
    list
}

/// Looks at a graph.
pub(crate) fn of(graph: &Graph) -> Picture {
    let edges: Vec<_> = graph.edges().collect();
    let directed = graph.kind().directed;
    let adjacency = |far: &dyn Fn(NodeOrd, &EdgeView<'_>) -> Option<Id>| {
        let of = |ord: NodeOrd| neighbours(&edges, |edge| far(ord, edge));
        graph.nodes().map(|node| (node.id().to_id(), of(node.ord()))).collect()
    };
    let forward = adjacency(&|me, edge| {
        if edge.src_ord() == me {
            Some(edge.dst().to_id())
        } else if !directed && edge.dst_ord() == me {
            Some(edge.src().to_id())
        } else {
            None
        }
    });
    let backward = adjacency(&|me, edge| (edge.dst_ord() == me).then(|| edge.src().to_id()));
    let (counts, next) = (graph.counts(), graph.ordinals());
    Picture {
        nodes: graph.nodes().map(|node| (node.id().to_id(), attrs(node.attrs()))).collect(),
        adjacency: forward,
        predecessors: if directed { backward } else { Vec::new() },
        graph: attrs(graph.attrs()),
        state: graph
            .items()
            .map(|item| (item.key().to_owned(), item.entry().map(Id::from), show(&item.value())))
            .collect(),
        counts: [counts.nodes, counts.edges, counts.items, counts.high_water],
        births: [next.node.0, next.edge.0, next.name.0, next.item.0].map(|n| usize::try_from(n).unwrap()),
    }
}
