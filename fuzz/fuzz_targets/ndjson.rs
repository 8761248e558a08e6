//! NDJSON: lines are read, applied and written; what was written gives the same graph.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use snaplog::exchange::ndjson::{self, Item};
use snaplog::model::graph::Graph;

fuzz_target!(|data: &[u8]| {
    let mut graph = Graph::new(common::kind_of(data));
    graph.track_fingerprint(true);
    for line in data.split_inclusive(|&byte| byte == b'\n') {
        if let Ok(Some(line)) = ndjson::parse_line(line)
            && let Item::Event(event) = line.item
        {
            // A refusal leaves the graph as it was.
            let before = graph.fingerprint();
            if common::put(&mut graph, &event).is_err() {
                assert_eq!(graph.fingerprint(), before);
            }
        }
    }
    common::check_sums(&mut graph);
    let mut text = Vec::new();
    ndjson::write_graph_to(&graph, &mut text).expect("a graph can be written");

    let mut again = Graph::new(graph.kind());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let line = ndjson::parse_line(line).expect("what we write can be read").expect("no line is empty");
        let Item::Event(event) = line.item else { panic!("a graph has no marks") };
        common::put(&mut again, &event).expect("what we write is not refused");
    }
    assert_eq!(again.fingerprint().content, graph.fingerprint().content);
    assert_eq!(
        again.nodes().map(|node| node.id()).collect::<Vec<_>>(),
        graph.nodes().map(|node| node.id()).collect::<Vec<_>>(),
    );
});
