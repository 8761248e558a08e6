//! Bytes that no writer wrote: decoding and applying them may fail and never panics.

use proptest::collection::vec;
use proptest::prelude::*;
use snaplog::codec::Decoder;
use snaplog::format::records::{Item, PayloadDecoder, PayloadEncoder};
use snaplog::model::event::Event;
use snaplog::model::graph::{Changes, Graph};
use snaplog::model::id::Id;
use snaplog::model::marker::GraphKind;
use snaplog::model::value::{Value, skip_value};

use crate::events::{cases, events, kind, value};
use crate::picture;
use crate::rig::put;

/// Decodes and applies all that can be, past inconsistencies too, then uses what came of it in every way.
fn survive(mut graph: Graph, payload: &[u8], after: &[Event]) {
    let Ok(mut decoder) = PayloadDecoder::new(payload, graph.kind()) else { return };
    let savepoint = graph.savepoint();
    while let Ok(Some(item)) = decoder.next_item() {
        if let Item::Change { record, .. } = item {
            let _ = graph.apply(&record);
        }
    }
    let _ = graph.fingerprint();
    for node in graph.nodes() {
        drop((node.id().to_id(), node.attrs().to_vec()));
    }
    for edge in graph.edges() {
        drop((edge.src().to_id(), edge.dst().to_id(), edge.key(), edge.slot(), edge.attrs().to_vec()));
    }
    for item in graph.items() {
        drop((item.key().to_owned(), item.entry(), item.value()));
    }
    let mut changes = Changes::new();
    for event in after {
        if graph.resolve(event, &mut changes).is_ok() {
            for record in changes.records() {
                let _ = graph.apply(&record);
            }
        }
    }
    let _ = graph.check_names();
    graph.roll_back(savepoint);
    let _ = graph.fingerprint();
}

/// A graph with something in it, with and without index and sums.
fn graph_of(kind: GraphKind, before: &[Event], sums: bool) -> Graph {
    let mut graph = Graph::new(kind);
    graph.track_fingerprint(sums);
    for event in before {
        let _ = put(&mut graph, event);
    }
    graph
}

/// The payload of `events` as a writer whose graph is `graph_of(kind, before, …)` would build it.
fn payload_of(kind: GraphKind, before: &[Event], events: &[Event]) -> Vec<u8> {
    let mut graph = graph_of(kind, before, false);
    let mut payload = PayloadEncoder::new(graph.ordinals());
    let mut changes = Changes::new();
    for event in events {
        if graph.resolve(event, &mut changes).is_ok() {
            let mut left = changes.records().len();
            for record in changes.records() {
                left -= 1;
                graph.apply(&record).unwrap();
                payload.change(&record, left > 0);
            }
        }
    }
    payload.as_slice().to_vec()
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    /// The piece from one place, again at another.
    Copy(usize, usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || 0_usize..4096;
    prop_oneof![
        (at(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Cut),
        (at(), 0_usize..24, at()).prop_map(|(from, len, to)| Mutation::Copy(from, len, to)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    match *mutation {
        Mutation::Set(at, byte) => bytes[at % len] = byte,
        Mutation::Flip(at, bit) => bytes[at % len] ^= 1 << bit,
        Mutation::Insert(at, byte) => bytes.insert(at % len, byte),
        Mutation::Remove(at) => drop(bytes.remove(at % len)),
        Mutation::Cut(at) => bytes.truncate(at % len),
        Mutation::Copy(from, count, to) => {
            let (from, to) = (from % len, to % len);
            let piece = bytes[from..(from + count).min(len)].to_vec();
            bytes.splice(to..to, piece);
        }
    }
}

/// A byte, small ones, tags and the first bytes of wide integers being frequent.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0_u8..4, 4 => 0_u8..16, 3 => 0x81_u8..0x90, 1 => 248_u8..=255, 1 => any::<u8>()]
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn arbitrary_bytes_never_panic(
        kind in kind(),
        before in events(0..12),
        payload in prop_oneof![vec(byte(), 0..120), vec(any::<u8>(), 0..120)],
        after in events(0..8),
        sums in any::<bool>(),
    ) {
        survive(Graph::new(kind), &payload, &after);
        let graph = graph_of(kind, &before, sums);
        // Births from where the graph stands, so that the rest can mean something.
        let mut fitting = PayloadEncoder::new(graph.ordinals()).as_slice().to_vec();
        fitting.extend_from_slice(&payload);
        survive(graph, &fitting, &after);
    }

    #[test]
    fn mutated_payloads_never_panic(
        kind in kind(),
        other in kind(),
        before in events(0..12),
        during in events(1..24),
        mutations in vec(mutation(), 1..4),
        after in events(0..8),
        sums in any::<bool>(),
    ) {
        let mut payload = payload_of(kind, &before, &during);
        for mutation in &mutations {
            mutate(&mut payload, mutation);
        }
        survive(graph_of(kind, &before, sums), &payload, &after);
        survive(graph_of(other, &before, sums), &payload, &after);
        survive(Graph::new(kind), &payload, &after);
    }

    #[test]
    fn sound_payloads_in_the_wrong_graph_never_panic(
        kind in kind(),
        other in kind(),
        before in events(0..12),
        during in events(1..24),
        after in events(0..8),
    ) {
        let payload = payload_of(kind, &before, &during);
        survive(Graph::new(other), &payload, &after);
        survive(graph_of(other, &during, true), &payload, &after);
        survive(graph_of(kind, &during, false), &payload, &after);
    }

    #[test]
    fn decoding_and_skipping_a_value_agree(bytes in vec(byte(), 0..40)) {
        let (mut decode, mut skip) = (Decoder::new(&bytes), Decoder::new(&bytes));
        let (decoded, skipped) = (Value::decode(&mut decode), skip_value(&mut skip));
        prop_assert_eq!(decoded.is_ok(), skipped.is_ok());
        if let (Ok(value), Ok(encoded)) = (decoded, skipped) {
            prop_assert_eq!(value.to_bytes(), encoded);
            prop_assert_eq!(decode.position(), skip.position());
        }
    }

    #[test]
    fn values_equal_by_bytes_are_those_equal_by_meaning(a in value(), b in value()) {
        prop_assert_eq!(a == b, picture::show(&a) == picture::show(&b));
        prop_assert_eq!(a == b, a.to_bytes() == b.to_bytes());
        prop_assert_eq!(Value::decode(&mut Decoder::new(&a.to_bytes())).unwrap(), a);
    }

    #[test]
    fn an_id_has_one_encoding(bytes in vec(byte(), 0..24)) {
        let mut from = Decoder::new(&bytes);
        if let Ok(id) = snaplog::model::id::IdRef::decode(&mut from) {
            let mut to = snaplog::codec::Encoder::new();
            Id::from(id).as_ref().encode(&mut to);
            prop_assert_eq!(to.as_slice(), &bytes[..from.position()]);
        }
    }
}
