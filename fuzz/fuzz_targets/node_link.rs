//! Node-link JSON: documents are read, applied and written; what was written gives the same graph.
#![no_main]

mod common;

use std::convert::Infallible;

use libfuzzer_sys::fuzz_target;
use snaplog::exchange::node_link::{self, NodeLinkItem};
use snaplog::model::graph::Graph;

fuzz_target!(|data: &[u8]| {
    let Some(first) = read(data) else { return };
    let mut text = Vec::new();
    node_link::write_graph_to(&first, None, &mut text).expect("a graph can be written");
    let second = read(&text).expect("what we write can be read");
    assert_eq!(first.kind(), second.kind());
    assert_eq!(first.counts().nodes, second.counts().nodes);
    assert_eq!(first.counts().edges, second.counts().edges);
    assert_eq!(first.fingerprint().content, second.fingerprint().content);
});

fn read(document: &[u8]) -> Option<Graph> {
    let unstated = common::kind_of(document);
    let mut graph = Graph::new(unstated);
    let mut refused = false;
    let outcome = node_link::read::<Infallible>(document, unstated, &mut |item| {
        match item {
            NodeLinkItem::Header(kind) => graph = Graph::new(kind),
            NodeLinkItem::Event(event) => refused |= common::put(&mut graph, &event).is_err(),
        }
        Ok(())
    });
    (outcome.is_ok() && !refused).then_some(graph)
}
