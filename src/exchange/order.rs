//! The orders in which whole graphs are written.

use std::io;

use crate::codec::len_u64;
use crate::model::graph::Graph;
use crate::model::position::{EdgeOrd, NodeOrd};

/// The edges by neighbour slot, and in a slot by birth: added anew in this order, they give every node its
/// neighbours, and every pair its keys, in the order that they have now. Without parallel edges it is the order of
/// birth.
pub fn edges_by_slot(graph: &Graph) -> Vec<EdgeOrd> {
    if !graph.kind().multigraph {
        return graph.edges().map(|edge| edge.ord()).collect();
    }
    let mut slots: Vec<(EdgeOrd, EdgeOrd)> = graph.edges().map(|edge| (edge.slot(), edge.ord())).collect();
    // Most slots hold one edge, so this is almost sorted, which the sort makes use of.
    slots.sort();
    slots.into_iter().map(|(_, ord)| ord).collect()
}

/// The edges as NetworkX's `G.edges` lists them: under their source, in an undirected graph under the end that
/// comes first among the nodes; there by slot and birth. A counting sort by birth number of that end.
pub(super) fn edges_by_source(graph: &Graph) -> Vec<EdgeOrd> {
    let ords = edges_by_slot(graph);
    let place = |ord: &EdgeOrd| {
        let edge = graph.edge_at(*ord)?;
        let directed = graph.kind().directed;
        let NodeOrd(end) = if directed { edge.src_ord() } else { edge.src_ord().min(edge.dst_ord()) };
        usize::try_from(end).ok()
    };
    let nodes = usize::try_from(graph.ordinals().node.0).unwrap_or(usize::MAX);
    let mut starts = vec![0_usize; nodes.saturating_add(1)];
    for end in ords.iter().filter_map(place) {
        if let Some(count) = starts.get_mut(end.saturating_add(1)) {
            *count = count.saturating_add(1);
        }
    }
    let mut sum = 0_usize;
    for start in &mut starts {
        sum = sum.saturating_add(*start);
        *start = sum;
    }
    let mut sorted = vec![EdgeOrd::default(); ords.len()];
    for ord in &ords {
        if let Some(start) = place(ord).and_then(|end| starts.get_mut(end))
            && let Some(to) = sorted.get_mut(*start)
        {
            *to = *ord;
            *start = start.saturating_add(1);
        }
    }
    sorted
}

/// Most bytes that the writers hold back.
const BUFFER_BYTES: u64 = 64 << 10;

/// Hands on what is in the buffer, once it is worth a write.
pub(super) fn flush_if_full(buffer: &mut Vec<u8>, out: &mut dyn io::Write) -> io::Result<()> {
    if len_u64(buffer.len()) >= BUFFER_BYTES {
        out.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}
