//! Many events in one call, and edges between nodes whose birth numbers are known: the same log as one call for each.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;
use snaplog::policy::config::Durability;
use snaplog::storage::SimStorage;
use snaplog::{
    Config, Error, Event, FixedEnvironment, GraphKind, Id, KnownEdge, Log, MarkOptions, Marker, NodeOrd,
    Refusal, Seq, Timestamp, Writer,
};

const DIRECTED: GraphKind = GraphKind { directed: true, multigraph: false };

fn log(kind: GraphKind) -> Log {
    let clock = Arc::new(FixedEnvironment::new(Timestamp(1_767_225_600_000_000)));
    Log::init_in(Arc::new(SimStorage::new()), clock, kind, "").unwrap()
}

fn writer(kind: GraphKind) -> Writer {
    log(kind).writer().unwrap()
}

fn end(writer: &Writer) -> Marker {
    writer.mark(&MarkOptions::default()).unwrap()
}

/// Few ids, so that what one event put another deletes and a third puts again, all in one call.
fn any_event() -> impl Strategy<Value = Event> {
    let id = || (0..6_i64).prop_map(Id::Int);
    let value = 0..3_i64;
    prop_oneof![
        4 => (id(), value.clone()).prop_map(|(id, n)| Event::node(id).with("n", n)),
        8 => (id(), id(), value).prop_map(|(src, dst, n)| Event::edge(src, dst).with("w", n)),
        2 => id().prop_map(|id| Event::DeleteNode { id }),
        2 => (id(), id()).prop_map(|(src, dst)| Event::DeleteEdge { src, dst, key: None }),
        1 => id().prop_map(|id| Event::UnsetNode { id, names: vec!["n".to_owned()] }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn many_at_once_are_as_one_after_the_other(
        events in proptest::collection::vec(any_event(), 0..120), directed: bool, multigraph: bool,
    ) {
        let kind = GraphKind { directed, multigraph };
        let (one, many) = (writer(kind), writer(kind));
        let mut written = 0;
        for event in &events {
            written += usize::from(one.append(event).is_ok_and(|done| done != snaplog::Appended::Unchanged));
        }
        let (mut left, mut taken) = (events.as_slice(), 0);
        loop {
            let before = many.status().unwrap().last_seq.0;
            match many.append_each(left) {
                Ok(count) => {
                    taken += count;
                    break;
                }
                Err(Error::BatchRefused { at, .. }) => {
                    // Those before it are in the log: the call says which it was, the seq how many there were.
                    taken += usize::try_from(many.status().unwrap().last_seq.0 - before).unwrap();
                    left = left.get(at + 1..).unwrap();
                }
                Err(other) => panic!("{other}"),
            }
        }
        prop_assert_eq!(taken, written);
        let (one, many) = (end(&one), end(&many));
        prop_assert_eq!(one.seq, many.seq);
        prop_assert_eq!(one.ordinals, many.ordinals);
        prop_assert_eq!(one.fingerprint, many.fingerprint);
    }
}

#[test]
fn a_refused_event_stops_those_behind_it_and_keeps_those_before_it() {
    let writer = writer(DIRECTED);
    let events = [
        Event::node("a"),
        Event::node("a"),
        Event::node("b"),
        Event::DeleteNode { id: "x".into() },
        Event::node("c"),
    ];
    match writer.append_each(&events) {
        Err(Error::BatchRefused { at: 3, refusal: Refusal::NoSuchNode { .. } }) => {}
        other => panic!("{other:?}"),
    }
    let status = writer.status().unwrap();
    assert_eq!((status.counts.nodes, status.last_seq), (2, Seq(2)));
    assert_eq!(writer.append_each(&events[4..]).unwrap(), 1);
}

#[test]
fn where_each_event_is_to_be_durable_all_of_a_call_are_when_it_returns() {
    let log = log(DIRECTED);
    let config = Config { durability: Durability::Each, ..Config::default() };
    let writer = log.writer_with(config).unwrap();
    let events: Vec<_> = (0..40_i64).map(|n| Event::edge(n, n + 1)).collect();
    writer.append_each(&events).unwrap();
    assert_eq!(writer.status().unwrap().durable, Seq(40));
    // Also those before a refused one.
    let refused = [Event::node("new"), Event::DeleteNode { id: "x".into() }];
    assert!(writer.append_each(&refused).is_err());
    assert_eq!(writer.status().unwrap().durable, Seq(41));
    let known = KnownEdge { src: NodeOrd(0), dst: NodeOrd(5), key: None, attrs: Vec::new() };
    writer.append_edges(&[known]).unwrap();
    assert_eq!(writer.status().unwrap().durable, Seq(42));
}

#[test]
fn tiers_fire_at_the_same_events_however_they_are_handed_in() {
    let (one, many) = (writer(DIRECTED), writer(DIRECTED));
    let events: Vec<_> = (0..600_i64).map(|n| Event::edge(n, n + 1)).collect();
    for event in &events {
        one.append(event).unwrap();
    }
    many.append_each(&events).unwrap();
    let places = |writer: &Writer| -> Vec<_> {
        writer.markers().unwrap().into_iter().map(|m| (m.seq, m.tiers, m.fingerprint)).collect()
    };
    assert_eq!(places(&one), places(&many));
    assert!(places(&many).len() >= 24);
}

#[test]
fn edges_between_known_nodes_are_edges() {
    for multigraph in [false, true] {
        let kind = GraphKind { directed: true, multigraph };
        let (by_id, known) = (writer(kind), writer(kind));
        let names = ["a", "b", "c"];
        let nodes = names.map(|name| {
            by_id.append(&Event::node(name)).unwrap();
            known.node(name).unwrap()
        });
        assert_eq!(known.node("b").unwrap(), nodes[1]);
        for (src, dst, w) in [(0, 1, 1_i64), (1, 2, 2), (0, 1, 3), (2, 2, 4), (0, 1, 3)] {
            by_id.append(&Event::edge(names[src], names[dst]).with("w", w)).unwrap();
            let attrs = vec![("w".to_owned(), w.into())];
            known.append_edges(&[KnownEdge { src: nodes[src], dst: nodes[dst], key: None, attrs }]).unwrap();
        }
        assert_eq!(end(&by_id).fingerprint, end(&known).fingerprint);
        assert_eq!(known.status().unwrap().counts.edges, if multigraph { 5 } else { 3 });
    }
}

#[test]
fn a_birth_number_that_no_living_node_has_is_refused() {
    let writer = writer(DIRECTED);
    let (a, b) = (writer.node("a").unwrap(), writer.node("b").unwrap());
    writer.append(&Event::DeleteNode { id: "b".into() }).unwrap();
    let edge = |src, dst, key| KnownEdge { src, dst, key, attrs: Vec::new() };
    for (wrong, node) in [
        (edge(a, b, None), b),
        (edge(NodeOrd(2), a, None), NodeOrd(2)),
        (edge(a, NodeOrd(u32::MAX), None), NodeOrd(u32::MAX)),
    ] {
        match writer.append_edges(&[edge(a, a, None), wrong]) {
            Err(Error::BatchRefused { at: 1, refusal: Refusal::NoSuchBirth { node: refused } }) => {
                assert_eq!(refused, node);
            }
            other => panic!("{other:?}"),
        }
    }
    let keyed = writer.append_edges(&[edge(a, a, Some(0.into()))]);
    assert!(matches!(keyed, Err(Error::BatchRefused { at: 0, refusal: Refusal::KeyInSimpleGraph { .. } })));
    assert_eq!(writer.status().unwrap().counts.edges, 1);
    // The node that is put again has another number.
    assert_eq!(writer.node("b").unwrap(), NodeOrd(2));
    writer.append_edges(&[edge(a, NodeOrd(2), None)]).unwrap();
    assert_eq!(writer.status().unwrap().counts.edges, 2);
}
