//! Whether a graph is one: looked at from outside, entity by entity, without its sums and indexes.

use std::collections::HashSet;

use super::Graph;
use crate::model::id::IdRef;

/// What is wrong with a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// There are not as many as the graph says.
    #[error("there are {found} {what}, and the graph says {said}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many it says.
        said: u64,
    },
    /// An edge without an end.
    #[error("edge {edge} has an end, node {node}, that is not there")]
    NoEnd {
        /// Birth number of the edge.
        edge: u32,
        /// Birth number of the end.
        node: u32,
    },
    /// The same thing twice.
    #[error("{what} is there twice")]
    Twice {
        /// What.
        what: String,
    },
}

impl Graph {
    /// That every edge has both ends, that no id, edge or item is there twice, and that there are as many of each as
    /// [`counts`](Self::counts) says. Takes time and memory in proportion to the graph.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_sound(&self) -> Result<(), Unsound> {
        let mut ids = HashSet::new();
        for node in self.nodes() {
            if !ids.insert(node.id()) {
                return Err(Unsound::Twice { what: format!("node {:?}", node.id()) });
            }
        }
        let nodes = ids.len();
        drop(ids);
        let mut pairs: HashSet<(u32, u32, Option<IdRef<'_>>)> = HashSet::new();
        for edge in self.edges() {
            let (src, dst) = (edge.src_ord(), edge.dst_ord());
            for end in [src, dst] {
                if self.node_at(end).is_none() {
                    return Err(Unsound::NoEnd { edge: edge.ord().0, node: end.0 });
                }
            }
            let turned = !self.kind().directed && dst < src;
            let (a, b) = if turned { (dst, src) } else { (src, dst) };
            if !pairs.insert((a.0, b.0, edge.key())) {
                let what = format!("an edge from {:?} to {:?}", edge.src(), edge.dst());
                return Err(Unsound::Twice { what });
            }
        }
        let edges = pairs.len();
        drop(pairs);
        let mut keys = HashSet::new();
        for item in self.items() {
            if !keys.insert((item.key(), item.entry())) {
                return Err(Unsound::Twice { what: format!("state {:?}", item.key()) });
            }
        }
        let counts = self.counts();
        for (what, found, said) in [
            ("nodes", nodes, counts.nodes),
            ("edges", edges, counts.edges),
            ("items of state", keys.len(), counts.items),
        ] {
            let found = u64::try_from(found).unwrap_or(u64::MAX);
            if found != said {
                return Err(Unsound::Count { what, found, said });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Image;
    use crate::model::marker::{GraphKind, Ordinals};
    use crate::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
    use crate::model::row::Row;

    const NO_ATTRS: [u8; 1] = [0];

    /// A graph out of rows, as a snapshot segment may hold them.
    fn graph(directed: bool, rows: &[(u32, Row<'_>)]) -> Graph {
        let mut graph = Graph::new(GraphKind { directed, multigraph: false });
        for (ordinal, row) in rows {
            graph.load(*ordinal, row).unwrap();
        }
        let next = Ordinals { node: NodeOrd(9), edge: EdgeOrd(9), name: NameOrd(0), item: ItemOrd(0) };
        let _ = graph.finish_load(next, 9);
        graph
    }

    /// Encoded integers.
    const A: &[u8] = &[0, 10];
    const B: &[u8] = &[0, 12];

    fn node(id: &'static [u8]) -> Row<'static> {
        Row::Node { id, attrs: Image::trusted(&NO_ATTRS) }
    }

    fn edge(src: u32, dst: u32) -> Row<'static> {
        Row::Edge { src: NodeOrd(src), dst: NodeOrd(dst), parallel: None, attrs: Image::trusted(&NO_ATTRS) }
    }

    #[test]
    fn a_graph_that_is_one_passes() {
        for directed in [true, false] {
            let rows = [(0, node(A)), (3, node(B)), (0, edge(0, 3)), (1, edge(3, 3))];
            graph(directed, &rows).check_sound().unwrap();
        }
        graph(true, &[(0, node(A)), (3, node(B)), (0, edge(0, 3)), (1, edge(3, 0))]).check_sound().unwrap();
    }

    #[test]
    fn what_is_there_twice_or_lacks_an_end_does_not() {
        let no_end = graph(true, &[(0, node(A)), (0, edge(0, 3))]);
        assert_eq!(no_end.check_sound(), Err(Unsound::NoEnd { edge: 0, node: 3 }));
        let twice = graph(true, &[(0, node(A)), (1, node(A))]);
        assert!(matches!(twice.check_sound(), Err(Unsound::Twice { .. })));
        let turned = graph(false, &[(0, node(A)), (1, node(B)), (0, edge(0, 1)), (1, edge(1, 0))]);
        assert!(matches!(turned.check_sound(), Err(Unsound::Twice { .. })));
    }

    #[test]
    fn a_wrong_count_is_told() {
        let mut wrong = graph(true, &[(0, node(A)), (1, node(B)), (0, edge(0, 1))]);
        wrong.counts.edges = 7;
        assert_eq!(wrong.check_sound(), Err(Unsound::Count { what: "edges", found: 1, said: 7 }));
    }
}
