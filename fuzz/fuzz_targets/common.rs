//! What several targets need.
#![allow(dead_code)]

use snaplog::model::graph::{Changes, Graph};
use snaplog::model::marker::GraphKind;
use snaplog::{Event, Refusal};

pub const KINDS: [GraphKind; 4] = [
    GraphKind { directed: false, multigraph: false },
    GraphKind { directed: false, multigraph: true },
    GraphKind { directed: true, multigraph: false },
    GraphKind { directed: true, multigraph: true },
];

/// A kind of graph that depends on the input alone and costs no byte of it, so that seeds stay plain files.
pub fn kind_of(data: &[u8]) -> GraphKind {
    KINDS[data.len() % 4]
}

/// An envelope with its length and checksum put right, so that a fuzzer gets past them.
pub fn mend_envelope(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let (Ok(length), Some(end)) = (u32::try_from(bytes.len()), bytes.len().checked_sub(4)) else {
        return bytes;
    };
    if end < 64 {
        return bytes;
    }
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Resolves and applies, as the writer does.
pub fn put(graph: &mut Graph, event: &Event) -> Result<(), Refusal> {
    let mut changes = Changes::new();
    graph.resolve(event, &mut changes)?;
    for record in changes.records() {
        graph.apply(&record).expect("what was resolved applies");
    }
    Ok(())
}

/// The running sums are those of what is alive.
pub fn check_sums(graph: &mut Graph) {
    let running = graph.fingerprint();
    graph.track_fingerprint(false);
    assert_eq!(running, graph.fingerprint(), "running and recomputed sums");
    graph.track_fingerprint(true);
}
