//! The payload of an event frame, for each kind of graph: what decodes encodes to the same bytes; what applies keeps
//! the sums right, can be rolled back, and can be written as text.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use snaplog::exchange::ndjson;
use snaplog::format::records::{Item, PayloadDecoder, PayloadEncoder};
use snaplog::model::graph::Graph;
use snaplog::model::marker::GraphKind;

fuzz_target!(|data: &[u8]| {
    for kind in common::KINDS {
        round_trip(data, kind);
        apply(data, kind);
    }
});

fn round_trip(data: &[u8], kind: GraphKind) {
    let Ok(mut decoder) = PayloadDecoder::new(data, kind) else { return };
    let mut again = PayloadEncoder::new(decoder.ordinals());
    while let Ok(Some(item)) = decoder.next_item() {
        match item {
            Item::Change { record, ends_event } => again.change(&record, !ends_event),
            Item::TimePassed(micros) => again.time_passed(micros),
            Item::SourceRead(source) => again.source_read(source),
        }
        assert_eq!(again.as_slice(), &data[..decoder.position()]);
    }
}

fn apply(data: &[u8], kind: GraphKind) {
    let mut graph = Graph::new(kind);
    let Ok(mut decoder) = PayloadDecoder::new(data, kind) else { return };
    if decoder.ordinals() != graph.ordinals() {
        return;
    }
    graph.track_fingerprint(true);
    let empty = graph.fingerprint();
    let start = graph.savepoint();
    loop {
        match decoder.next_item() {
            Ok(Some(Item::Change { record, .. })) => {
                if graph.apply(&record).is_err() {
                    return;
                }
                assert_eq!(graph.ordinals(), decoder.ordinals());
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(_) => return,
        }
    }
    if graph.check_names().is_err() {
        return;
    }
    common::check_sums(&mut graph);
    ndjson::write_graph_to(&graph, &mut std::io::sink()).expect("a graph can be written");
    graph.roll_back(start);
    assert_eq!(graph.fingerprint(), empty);
    common::check_sums(&mut graph);
}
