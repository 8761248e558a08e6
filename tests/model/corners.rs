//! The corner cases, each by name.

use std::collections::BTreeMap;

use snaplog::codec::{DecodeError, Encoder};
use snaplog::format::Fault;
use snaplog::format::records::{PayloadDecoder, PayloadEncoder};
use snaplog::model::event::{Event, Refusal};
use snaplog::model::graph::{Changes, Graph};
use snaplog::model::id::{Id, IdRef};
use snaplog::model::image::EMPTY_IMAGE;
use snaplog::model::limits::{
    MAX_DEPTH, MAX_EVENT_BYTES, MAX_ID_BYTES, MAX_NAME_BYTES, MAX_ORDINAL, MAX_VALUE_BYTES,
};
use snaplog::model::marker::{GraphKind, Ordinals};
use snaplog::model::position::{EdgeOrd, ItemOrd, NameOrd, NodeOrd};
use snaplog::model::record::{Inconsistency, Record};
use snaplog::model::value::Value;

use crate::picture;
use crate::rig::{Rig, put, recomputed, replay, variant};

const DIGRAPH: GraphKind = GraphKind { directed: true, multigraph: false };
const GRAPH: GraphKind = GraphKind { directed: false, multigraph: false };
const MULTIDIGRAPH: GraphKind = GraphKind { directed: true, multigraph: true };
const MULTIGRAPH: GraphKind = GraphKind { directed: false, multigraph: true };
const KINDS: [GraphKind; 4] = [DIGRAPH, GRAPH, MULTIDIGRAPH, MULTIGRAPH];

fn built(kind: GraphKind, events: &[Event]) -> Graph {
    let mut rig = Rig::new(kind);
    for event in events {
        rig.step(event);
    }
    rig.check_end();
    rig.graph
}

fn refused(graph: &mut Graph, event: &Event) -> Refusal {
    let before = (picture::of(graph), recomputed(graph), graph.ordinals());
    let mut changes = Changes::new();
    let refusal = graph.resolve(event, &mut changes).expect_err("an event that is to be refused");
    assert!(changes.is_empty());
    assert_eq!((picture::of(graph), recomputed(graph), graph.ordinals()), before);
    refusal
}

fn keyed(src: &str, dst: &str, key: impl Into<Id>) -> Event {
    Event::PutEdge { src: src.into(), dst: dst.into(), key: Some(key.into()), attrs: vec![] }
}

fn del_node(id: impl Into<Id>) -> Event {
    Event::DeleteNode { id: id.into() }
}

fn del_edge(src: &str, dst: &str, key: Option<Id>) -> Event {
    Event::DeleteEdge { src: src.into(), dst: dst.into(), key }
}

fn unset_edge(src: &str, dst: &str, key: Option<Id>) -> Event {
    Event::UnsetEdge { src: src.into(), dst: dst.into(), key, names: vec!["a".to_owned()] }
}

fn neighbours(graph: &Graph, of: &str) -> Vec<Id> {
    let all = picture::of(graph).adjacency;
    let (_, list) = all.into_iter().find(|(id, _)| *id == Id::from(of)).expect("the node");
    list.into_iter().map(|(id, _)| id).collect()
}

fn keys(graph: &Graph) -> Vec<Id> {
    graph.edges().filter_map(|edge| edge.key()).map(Id::from).collect()
}

fn ids(texts: &[&str]) -> Vec<Id> {
    texts.iter().map(|text| Id::from(*text)).collect()
}

// Nodes and edges

#[test]
fn deleting_a_hub_takes_its_edges_and_their_sums_in_one_record() {
    for kind in KINDS {
        let rest = [Event::node("x").with("a", 1), Event::edge("x", "y").with("w", 0.5)];
        let mut graph = built(kind, &rest);
        let before = graph.fingerprint();
        put(&mut graph, &Event::node("hub").with("name", "hub")).unwrap();
        put(&mut graph, &Event::edge("hub", "hub").with("loop", true)).unwrap();
        for n in 0..500 {
            put(&mut graph, &Event::edge("hub", n % 250).with("n", n)).unwrap();
            put(&mut graph, &Event::edge(n % 250, "hub")).unwrap();
        }
        put(&mut graph, &Event::edge("hub", "x")).unwrap();
        assert_eq!(put(&mut graph, &del_node("hub")), Ok(1));
        assert_eq!(graph.counts().edges, 1);
        for n in 0..250 {
            put(&mut graph, &del_node(n)).unwrap();
        }
        assert_eq!(recomputed(&mut graph).content, before.content);
        assert_eq!((graph.counts().nodes, graph.counts().high_water), (2, 253));
    }
}

#[test]
fn missing_ends_are_born_source_first_and_known_ones_keep_what_they_have() {
    for kind in KINDS {
        let graph =
            built(kind, &[Event::node("b").with("a", 1), Event::edge("c", "b"), Event::edge("e", "d")]);
        let order: Vec<Id> = graph.nodes().map(|node| node.id().to_id()).collect();
        assert_eq!(order, ids(&["b", "c", "e", "d"]));
        assert_eq!(graph.node_at(NodeOrd(0)).unwrap().attrs().get("a"), Some(Value::Int(1)));
    }
}

#[test]
fn a_node_put_again_after_its_death_is_born_anew_at_the_end() {
    for kind in KINDS {
        let mut events = vec![Event::node("a").with("old", 1), Event::edge("a", "b"), Event::node("c")];
        events.extend([del_node("a"), Event::node("a")]);
        let graph = built(kind, &events);
        let last = graph.nodes().last().unwrap();
        assert_eq!((last.id(), last.ord(), last.attrs().is_empty()), (IdRef::Str("a"), NodeOrd(3), true));
        assert_eq!((graph.counts().edges, graph.counts().high_water), (0, 3));
    }
}

#[test]
fn one_and_the_text_one_are_two_nodes() {
    for kind in KINDS {
        let mut graph = built(kind, &[Event::node(1), Event::node("1").with("a", 1), Event::edge(1, "1")]);
        assert_eq!(graph.counts().nodes, 2);
        assert!(graph.node(&Id::Int(1)).unwrap().attrs().is_empty());
        assert!(!graph.node(&Id::from("1")).unwrap().attrs().is_empty());
        assert_eq!(refused(&mut graph, &del_node(2)).to_string(), "node 2 is not in the graph");
        assert_eq!(refused(&mut graph, &del_node("2")).to_string(), "node \"2\" is not in the graph");
    }
}

#[test]
fn a_loop_is_one_edge_of_one_neighbour() {
    for kind in KINDS {
        let mut graph = built(kind, &[Event::edge("a", "a"), Event::edge("a", "b"), Event::edge("b", "b")]);
        assert_eq!(neighbours(&graph, "a"), ids(&["a", "b"]));
        put(&mut graph, &del_edge("b", "b", None)).unwrap();
        put(&mut graph, &del_node("a")).unwrap();
        assert_eq!((graph.counts().nodes, graph.counts().edges), (1, 0));
        recomputed(&mut graph);
    }
}

#[test]
fn the_two_ways_round_are_one_edge_if_there_is_no_direction_and_two_if_there_is() {
    let there_and_back = [Event::edge("a", "b").with("w", 1), Event::edge("b", "a").with("w", 2)];
    for (kind, edges) in [(GRAPH, 1), (DIGRAPH, 2), (MULTIGRAPH, 2), (MULTIDIGRAPH, 2)] {
        assert_eq!(built(kind, &there_and_back).counts().edges, edges);
    }
    let mut graph = built(GRAPH, &there_and_back);
    let other = built(GRAPH, &[Event::node("a"), Event::edge("b", "a").with("w", 2)]);
    assert_eq!(graph.fingerprint().content, other.fingerprint().content);
    assert_ne!(graph.fingerprint().layout, other.fingerprint().layout);
    assert_eq!(put(&mut graph, &del_edge("b", "a", None)), Ok(1));

    // In a multigraph without direction both ways share the keys.
    assert_eq!(keys(&built(MULTIGRAPH, &there_and_back)), [Id::Int(0), Id::Int(1)]);
    assert_eq!(keys(&built(MULTIDIGRAPH, &there_and_back)), [Id::Int(0), Id::Int(0)]);
}

#[test]
fn an_edge_put_again_goes_to_the_end_and_one_put_over_stays() {
    for kind in KINDS {
        let mut events =
            vec![Event::edge("a", "b"), Event::edge("a", "c"), Event::edge("a", "b").with("w", 1)];
        assert_eq!(neighbours(&built(kind, &events), "a"), ids(&["b", "c"]));
        events.truncate(2);
        events.extend([del_edge("a", "b", None), Event::edge("a", "b")]);
        assert_eq!(neighbours(&built(kind, &events), "a"), ids(&["c", "b"]));
    }
}

// Parallel edges

#[test]
fn the_next_key_is_the_number_of_parallel_edges_or_the_first_free_integer_after_it() {
    let next = None;
    let int = |n| Some(Id::Int(n));
    let text = |s: &str| Some(Id::from(s));
    for (puts, expected) in [
        (vec![next.clone()], 0),
        (vec![next.clone(), next.clone()], 1),
        (vec![text("a"), next.clone()], 1),
        (vec![text("0"), next.clone()], 1),
        (vec![text("1"), next.clone()], 1),
        (vec![int(1), next.clone()], 2),
        (vec![int(2), int(3), next.clone()], 4),
        (vec![int(1), int(2), int(3), next.clone()], 4),
        (vec![int(2), next.clone(), next.clone()], 3),
        (vec![int(-1), next.clone()], 1),
        (vec![int(0), int(1), int(2), int(3), int(4), next.clone()], 5),
    ] {
        for kind in [MULTIGRAPH, MULTIDIGRAPH] {
            let put = |key: &Option<Id>| Event::PutEdge {
                src: "a".into(),
                dst: "b".into(),
                key: key.clone(),
                attrs: vec![],
            };
            let events: Vec<_> = puts.iter().map(put).collect();
            assert_eq!(keys(&built(kind, &events)).last(), Some(&Id::Int(expected)), "{puts:?}");
        }
    }
}

#[test]
fn the_next_key_counts_the_living_and_steps_over_those_taken() {
    for kind in [MULTIGRAPH, MULTIDIGRAPH] {
        let mut events = vec![Event::edge("a", "b"); 3];
        events.extend([del_edge("a", "b", Some(Id::Int(0))), Event::edge("a", "b")]);
        assert_eq!(keys(&built(kind, &events)), [Id::Int(1), Id::Int(2), Id::Int(3)]);
        events.extend([del_node("a"), Event::edge("a", "b")]);
        assert_eq!(keys(&built(kind, &events)), [Id::Int(0)]);
    }
}

#[test]
fn a_delete_without_a_key_removes_the_newest_whatever_its_key() {
    for kind in [MULTIGRAPH, MULTIDIGRAPH] {
        let mut events = vec![keyed("a", "b", 9), keyed("a", "b", "z"), keyed("a", "b", 1)];
        // Put over, not put again: it is no newer for that.
        events.extend([keyed("a", "b", 9), del_edge("a", "b", None)]);
        assert_eq!(keys(&built(kind, &events)), [Id::Int(9), Id::from("z")]);
        events.extend([del_edge("a", "b", None), del_edge("a", "b", None)]);
        let mut graph = built(kind, &events);
        assert_eq!(graph.counts().edges, 0);
        assert_eq!(variant(&refused(&mut graph, &del_edge("a", "b", None))), "NoSuchEdge");
    }
}

#[test]
fn a_neighbour_keeps_its_place_until_the_last_edge_of_the_pair_dies() {
    for kind in [MULTIGRAPH, MULTIDIGRAPH] {
        let mut events = vec![Event::edge("a", "b"), Event::edge("a", "c"), Event::edge("a", "b")];
        events.push(del_edge("a", "b", Some(Id::Int(0))));
        let graph = built(kind, &events);
        assert_eq!(neighbours(&graph, "a"), ids(&["b", "c"]));
        assert_eq!(graph.edges().map(|edge| edge.slot().0).collect::<Vec<_>>(), [1, 0]);
        events.extend([del_edge("a", "b", None), Event::edge("a", "b")]);
        assert_eq!(neighbours(&built(kind, &events), "a"), ids(&["c", "b"]));
    }
}

#[test]
fn a_put_without_a_key_always_adds_and_one_with_a_key_merges() {
    for kind in [MULTIGRAPH, MULTIDIGRAPH] {
        let mut graph = built(kind, &[Event::edge("a", "b")]);
        assert_eq!(put(&mut graph, &Event::edge("a", "b")), Ok(1));
        assert_eq!(put(&mut graph, &keyed("a", "b", 1)), Ok(0));
        assert_eq!(put(&mut graph, &keyed("a", "b", "1")), Ok(1));
        assert_eq!(graph.counts().edges, 3);
    }
}

// Refusals

#[test]
fn a_key_in_a_simple_graph_is_refused_whether_or_not_the_edge_is_there() {
    for kind in [GRAPH, DIGRAPH] {
        let mut graph = built(kind, &[Event::edge("a", "b").with("a", 1)]);
        for (src, dst) in [("a", "b"), ("a", "z")] {
            let key = Some(Id::Int(0));
            for event in [keyed(src, dst, 0), del_edge(src, dst, key.clone()), unset_edge(src, dst, key)] {
                assert_eq!(variant(&refused(&mut graph, &event)), "KeyInSimpleGraph");
            }
        }
    }
}

#[test]
fn attributes_of_an_edge_among_parallel_ones_need_its_key() {
    for kind in [MULTIGRAPH, MULTIDIGRAPH] {
        let mut graph = built(kind, &[Event::edge("a", "b").with("a", 1)]);
        for dst in ["b", "z"] {
            assert_eq!(variant(&refused(&mut graph, &unset_edge("a", dst, None))), "KeyNeeded");
        }
        assert_eq!(put(&mut graph, &unset_edge("a", "b", Some(Id::Int(0)))), Ok(1));
    }
}

#[test]
fn what_is_not_there_cannot_be_deleted_or_unset() {
    for kind in KINDS {
        let mut graph =
            built(kind, &[Event::edge("a", "b"), Event::node("c"), Event::node("dead"), del_node("dead")]);
        let unset = Event::UnsetNode { id: "dead".into(), names: vec![] };
        for event in [del_node("z"), del_node("dead"), unset] {
            assert_eq!(variant(&refused(&mut graph, &event)), "NoSuchNode");
        }
        let key = kind.multigraph.then_some(Id::Int(0));
        for (src, dst) in [("a", "c"), ("a", "z"), ("z", "z"), ("a", "dead"), ("a", "a")] {
            for event in
                [del_edge(src, dst, key.clone()), del_edge(src, dst, None), unset_edge(src, dst, key.clone())]
            {
                assert_eq!(variant(&refused(&mut graph, &event)), "NoSuchEdge", "{event:?}");
            }
        }
        if kind.multigraph {
            let event = del_edge("a", "b", Some(Id::from("0")));
            let text = "edge \"a\" -> \"b\" (key \"0\") is not in the graph";
            assert_eq!(refused(&mut graph, &event).to_string(), text);
        }
        if kind.directed {
            let text = "edge \"b\" -> \"a\" is not in the graph";
            assert_eq!(refused(&mut graph, &del_edge("b", "a", None)).to_string(), text);
        }
    }
}

// Attributes

#[test]
fn of_two_attributes_with_one_name_the_later_wins() {
    for kind in KINDS {
        let twice = |event: Event| event.with("a", 1).with("b", 0).with("a", 2).with("a", 3);
        let mut graph = built(kind, &[twice(Event::node("x")), twice(Event::edge("x", "y"))]);
        assert_eq!(put(&mut graph, &twice(Event::PutGraph { attrs: vec![] })), Ok(1));
        let expected = vec![("a".to_owned(), Value::Int(3)), ("b".to_owned(), Value::Int(0))];
        assert_eq!(graph.nodes().next().unwrap().attrs().to_vec(), expected);
        assert_eq!(graph.edges().next().unwrap().attrs().to_vec(), expected);
        assert_eq!(graph.attrs().to_vec(), expected);
        // What it says in the end is there already.
        assert_eq!(put(&mut graph, &Event::node("x").with("a", 7).with("a", 3)), Ok(0));
    }
}

#[test]
fn only_what_differs_is_stored() {
    let mut graph = built(DIGRAPH, &[Event::node("x").with("a", 1).with("b", 2)]);
    let mut changes = Changes::new();
    graph.resolve(&Event::node("x").with("a", 1).with("b", 3).with("c", 4), &mut changes).unwrap();
    let records: Vec<_> = changes.records().collect();
    let [Record::NameBorn { name: "c" }, Record::NodeChanged { node: NodeOrd(0), set }] = records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(set.iter().map(|(name, _)| name.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn values_that_look_alike_are_changes_and_a_nan_put_again_is_none() {
    let alike = [
        Value::Int(1),
        Value::Float(1.0),
        Value::Bool(true),
        Value::Str("1".to_owned()),
        Value::Float(0.0),
        Value::Float(-0.0),
        Value::Float(f64::NAN),
        Value::Null,
    ];
    for kind in KINDS {
        let mut graph = built(kind, &[Event::edge("x", "y")]);
        for value in &alike {
            let key = kind.multigraph.then_some(Id::Int(0));
            let attrs = vec![("a".to_owned(), value.clone())];
            let events = [
                Event::PutNode { id: "x".into(), attrs: attrs.clone() },
                Event::PutEdge { src: "x".into(), dst: "y".into(), key, attrs: attrs.clone() },
                Event::PutGraph { attrs },
                Event::PutState { key: "s".to_owned(), value: value.clone() },
                Event::PutEntry { key: "m".to_owned(), entry: 1.into(), value: value.clone() },
            ];
            for event in events {
                let before = recomputed(&mut graph);
                assert!(put(&mut graph, &event).unwrap() > 0, "{event:?}");
                assert_ne!(recomputed(&mut graph).content, before.content);
                assert_eq!(put(&mut graph, &event), Ok(0), "{event:?} again");
            }
        }
    }
}

#[test]
fn unsetting_what_is_not_set_changes_nothing() {
    for kind in KINDS {
        let mut graph = built(kind, &[Event::node("x").with("a", 1), Event::node("y").with("b", 1)]);
        let unset = |names: &[&str]| Event::UnsetNode {
            id: "x".into(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(put(&mut graph, &unset(&[])), Ok(0));
        assert_eq!(put(&mut graph, &unset(&["b", "never", &"x".repeat(MAX_NAME_BYTES + 1)])), Ok(0));
        assert_eq!(put(&mut graph, &unset(&["b", "a", "a"])), Ok(1));
        assert_eq!(put(&mut graph, &unset(&["a"])), Ok(0));
        assert_eq!(put(&mut graph, &Event::UnsetGraph { names: vec!["a".to_owned()] }), Ok(0));
        recomputed(&mut graph);
    }
}

// Collector state

#[test]
fn a_state_key_is_a_value_or_a_map_until_nothing_is_left_of_it() {
    let value = |key: &str| Event::PutState { key: key.to_owned(), value: Value::Null };
    let entry = |key: &str, entry: i64| Event::PutEntry {
        key: key.to_owned(),
        entry: entry.into(),
        value: Value::Null,
    };
    let del = |key: &str| Event::DeleteState { key: key.to_owned() };
    let del_entry = |key: &str, entry: i64| Event::DeleteEntry { key: key.to_owned(), entry: entry.into() };
    let mut graph = built(DIGRAPH, &[value("v"), entry("m", 1), entry("m", 2)]);
    for event in [entry("v", 1), del_entry("v", 1), value("m"), del("m")] {
        assert_eq!(variant(&refused(&mut graph, &event)), "StateKind");
    }
    let text =
        "state \"m\" is a map, not a value: delete its entries, one by one, first, or take another key";
    assert_eq!(refused(&mut graph, &value("m")).to_string(), text);
    assert_eq!(put(&mut graph, &del_entry("m", 1)), Ok(1));
    assert_eq!(variant(&refused(&mut graph, &value("m"))), "StateKind");
    assert_eq!(put(&mut graph, &del_entry("m", 2)), Ok(1));
    assert_eq!(put(&mut graph, &value("m")), Ok(1));
    assert_eq!(put(&mut graph, &del("v")), Ok(1));
    assert_eq!(put(&mut graph, &del("v")), Ok(0));
    assert_eq!(put(&mut graph, &entry("v", 1)), Ok(1));
    for nothing in [del("never"), del_entry("never", 1), del_entry("v", 2)] {
        assert_eq!(put(&mut graph, &nothing), Ok(0));
    }
    recomputed(&mut graph);
}

#[test]
fn state_is_found_by_key_and_entry() {
    let mut graph = built(
        GRAPH,
        &[
            Event::PutState { key: "v".to_owned(), value: 1.into() },
            Event::PutEntry { key: "m".to_owned(), entry: 1.into(), value: 2.into() },
            Event::PutEntry { key: "m".to_owned(), entry: "1".into(), value: 3.into() },
        ],
    );
    for (key, entry, expected) in [
        ("v", None, Some(1)),
        ("m", Some(Id::Int(1)), Some(2)),
        ("m", Some(Id::from("1")), Some(3)),
        ("m", None, None),
        ("v", Some(Id::Int(1)), None),
        ("never", None, None),
    ] {
        let found = graph.state(key, entry.as_ref()).map(|item| item.value());
        assert_eq!(found, expected.map(Value::Int), "{key} {entry:?}");
    }
}

// Bounds

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |value, n| {
        if n % 2 == 0 {
            Value::List(vec![value])
        } else {
            Value::Map(BTreeMap::from([(String::new(), value)]))
        }
    })
}

/// A value whose encoding takes so many bytes.
fn sized(bytes: usize) -> Value {
    let empty = Value::Bytes(vec![0; 0x1_0000]).to_bytes().len() - 0x1_0000;
    let value = Value::Bytes(vec![7; bytes - empty]);
    assert_eq!(value.to_bytes().len(), bytes);
    value
}

#[test]
fn what_is_at_its_bound_is_taken_and_comes_back_and_what_is_past_it_is_refused() {
    let id = |len: usize| Id::from("i".repeat(len));
    let name = |len: usize| "n".repeat(len);
    let map = |len: usize| Value::Map(BTreeMap::from([("k".repeat(len), Value::Null)]));
    let node = |value: Value| Event::node("x").with("a", value);
    let state = |value: Value| Event::PutState { key: "s".to_owned(), value };
    let key = |key: Id| Event::PutEdge { src: 1.into(), dst: 2.into(), key: Some(key), attrs: vec![] };
    let entry = |entry: Id| Event::PutEntry { key: "m".to_owned(), entry, value: Value::Null };
    for (what, at, past) in [
        ("node", Event::node(id(MAX_ID_BYTES)), Event::node(id(MAX_ID_BYTES + 1))),
        ("source", Event::edge(id(MAX_ID_BYTES), 1), Event::edge(id(MAX_ID_BYTES + 1), 1)),
        ("target", Event::edge(1, id(MAX_ID_BYTES)), Event::edge(1, id(MAX_ID_BYTES + 1))),
        ("key", key(id(MAX_ID_BYTES)), key(id(MAX_ID_BYTES + 1))),
        ("entry", entry(id(MAX_ID_BYTES)), entry(id(MAX_ID_BYTES + 1))),
        (
            "name",
            Event::node("x").with(name(MAX_NAME_BYTES), 1),
            Event::node("x").with(name(MAX_NAME_BYTES + 1), 1),
        ),
        (
            "state key",
            Event::PutState { key: name(MAX_NAME_BYTES), value: Value::Null },
            Event::PutState { key: name(MAX_NAME_BYTES + 1), value: Value::Null },
        ),
        ("depth", node(nested(MAX_DEPTH)), node(nested(MAX_DEPTH + 1))),
        ("depth of state", state(nested(MAX_DEPTH)), state(nested(MAX_DEPTH + 1))),
        ("size", node(sized(MAX_VALUE_BYTES)), node(sized(MAX_VALUE_BYTES + 1))),
        ("size of state", state(sized(MAX_VALUE_BYTES)), state(sized(MAX_VALUE_BYTES + 1))),
        ("map key", node(map(MAX_NAME_BYTES)), node(map(MAX_NAME_BYTES + 1))),
    ] {
        let mut rig = Rig::new(MULTIDIGRAPH);
        rig.step(&at);
        rig.check_end();
        let refusal = refused(&mut Graph::new(MULTIDIGRAPH), &past);
        let Refusal::TooLarge { found, max, .. } = refusal else { panic!("{what}: {refusal:?}") };
        assert_eq!(found, max + 1, "{what}");
        assert_eq!(refused(&mut rig.graph, &past), refusal, "{what}");
    }
}

#[test]
fn an_event_past_its_bound_is_refused_whatever_makes_it_large() {
    let names = MAX_EVENT_BYTES / MAX_NAME_BYTES;
    let long_names = (0..names).map(|n| (format!("{n:0MAX_NAME_BYTES$}"), Value::Null)).collect();
    let many_values =
        (0..MAX_EVENT_BYTES / 1024).map(|n| (n.to_string(), Value::Bytes(vec![7; 1024]))).collect();
    for attrs in [long_names, many_values] {
        let attrs: Vec<(String, Value)> = attrs;
        for kind in KINDS {
            let mut graph = Graph::new(kind);
            let event = Event::PutNode { id: "x".into(), attrs: attrs.clone() };
            let refusal = refused(&mut graph, &event);
            assert!(matches!(refusal, Refusal::TooLarge { what: "the size of an event", .. }), "{refusal}");
            let event = Event::PutNode { id: "x".into(), attrs: attrs[..names / 2].to_vec() };
            assert!(put(&mut graph, &event).is_ok());
        }
    }
}

#[test]
fn an_event_with_very_many_names_takes_no_square_of_their_number() {
    // Were it the square, this test alone would take a minute.
    let attrs = (0..200_000).map(|n| (n.to_string(), Value::Null)).collect::<Vec<_>>();
    let names: Vec<_> = attrs.iter().rev().map(|(name, _)| name.clone()).collect();
    let mut graph = Graph::new(GRAPH);
    assert_eq!(put(&mut graph, &Event::PutNode { id: 1.into(), attrs: attrs.clone() }), Ok(200_001));
    assert_eq!(put(&mut graph, &Event::PutNode { id: 1.into(), attrs }), Ok(0));
    assert_eq!(put(&mut graph, &Event::UnsetNode { id: 1.into(), names }), Ok(1));
    assert!(graph.nodes().all(|node| node.attrs().is_empty()));
}

#[test]
fn the_last_birth_number_is_given_once() {
    let at = |n: u32| Ordinals { node: NodeOrd(n), edge: EdgeOrd(n), name: NameOrd(n), item: ItemOrd(n) };
    let records = [
        Record::NameBorn { name: "x" },
        Record::NodeBorn { id: IdRef::Int(1), attrs: EMPTY_IMAGE },
        Record::EdgeBorn { src: NodeOrd(0), dst: NodeOrd(0), parallel: None, attrs: EMPTY_IMAGE },
        Record::ItemBorn { key: NameOrd(0), entry: None, value: &[0] },
    ];
    for record in records {
        for (next, possible) in [(MAX_ORDINAL - 1, true), (MAX_ORDINAL, false), (u32::MAX, false)] {
            let mut payload = PayloadEncoder::new(at(next));
            payload.change(&record, false);
            let found = PayloadDecoder::new(payload.as_slice(), DIGRAPH).unwrap().next_item();
            let used_up = matches!(found, Err(Fault::Decode(DecodeError::TooLarge { .. })));
            assert_eq!((found.is_ok(), used_up), (possible, !possible), "{record:?} at {next}");
        }
    }
}

// Records

#[test]
fn records_that_speak_of_the_dead_change_nothing() {
    for kind in KINDS {
        let parallel = kind.multigraph.then_some((EdgeOrd(2), IdRef::Int(0)));
        let mut graph = built(
            kind,
            &[
                Event::edge("a", "b").with("w", 1),
                Event::node("dead"),
                Event::edge("dead", "b"),
                Event::PutState { key: "s".to_owned(), value: 1.into() },
                Event::DeleteState { key: "s".to_owned() },
                del_node("dead"),
            ],
        );
        let set = EMPTY_IMAGE;
        let before = (picture::of(&graph), recomputed(&mut graph));
        for record in [
            Record::NodeChanged { node: NodeOrd(2), set },
            Record::NodeDied { node: NodeOrd(2) },
            Record::NodeDied { node: NodeOrd(u32::MAX) },
            Record::EdgeChanged { edge: EdgeOrd(1), set },
            Record::EdgeDied { edge: EdgeOrd(1) },
            Record::EdgeBorn { src: NodeOrd(0), dst: NodeOrd(2), parallel, attrs: set },
            Record::EdgeBorn { src: NodeOrd(3), dst: NodeOrd(0), parallel, attrs: set },
            Record::ItemChanged { item: ItemOrd(0), value: &[0] },
            Record::ItemDied { item: ItemOrd(0) },
            Record::ItemBorn { key: NameOrd(2), entry: None, value: &[0] },
        ] {
            let found = graph.apply(&record);
            assert!(matches!(found, Err(Inconsistency::NotAlive { .. })), "{record:?}: {found:?}");
            assert_eq!((picture::of(&graph), recomputed(&mut graph)), before);
        }
    }
}

#[test]
fn an_edge_record_of_another_kind_of_graph_is_refused() {
    for kind in KINDS {
        let mut graph = built(kind, &[Event::node("a")]);
        let edge =
            |parallel| Record::EdgeBorn { src: NodeOrd(0), dst: NodeOrd(0), parallel, attrs: EMPTY_IMAGE };
        let wrong = (!kind.multigraph).then_some((EdgeOrd(0), IdRef::Int(0)));
        assert_eq!(graph.apply(&edge(wrong)), Err(Inconsistency::WrongKind));
        // A slot that no edge was born for yet.
        assert_eq!(graph.apply(&edge(Some((EdgeOrd(1), IdRef::Int(0))))), Err(Inconsistency::WrongKind));
        assert_eq!(graph.counts().edges, 0);
    }
}

#[test]
fn two_of_one_name_are_found() {
    let twice = |kind: GraphKind, records: &[Record<'_>]| {
        // By a graph with an index at once, by one without when it is asked.
        let mut indexed = Graph::new(kind);
        indexed.check_names().unwrap();
        let at_once = records.iter().find_map(|record| indexed.apply(record).err());
        let mut plain = Graph::new(kind);
        let late = records.iter().find_map(|record| plain.apply(record).err());
        (at_once, late.or_else(|| plain.check_names().err()))
    };
    let node = Record::NodeBorn { id: IdRef::Int(1), attrs: EMPTY_IMAGE };
    let name = Record::NameBorn { name: "x" };
    let edge = |parallel| Record::EdgeBorn { src: NodeOrd(0), dst: NodeOrd(0), parallel, attrs: EMPTY_IMAGE };
    let slot = |slot| edge(Some((EdgeOrd(slot), IdRef::Int(0))));
    let item = Record::ItemBorn { key: NameOrd(0), entry: None, value: &[0] };
    let entry = Record::ItemBorn { key: NameOrd(0), entry: Some(IdRef::Int(1)), value: &[0] };
    for (what, kind, records) in [
        ("nodes", DIGRAPH, vec![node, node]),
        ("names", DIGRAPH, vec![name, name]),
        ("edges", DIGRAPH, vec![node, edge(None), edge(None)]),
        ("edges", MULTIGRAPH, vec![node, slot(0), slot(0)]),
        ("neighbour slots", MULTIGRAPH, vec![node, slot(0), slot(1)]),
        ("state items", DIGRAPH, vec![name, item, item]),
        ("state items", DIGRAPH, vec![name, entry, entry]),
    ] {
        let expected = Some(Inconsistency::Twice { what, first: 0, second: 1 });
        assert_eq!(twice(kind, &records), (expected, expected), "{what}");
    }
}

// Batches

#[test]
fn an_edge_number_given_again_after_a_rollback_belongs_to_its_new_ends() {
    for kind in KINDS {
        let mut rig = Rig::new(kind);
        for event in [Event::node("a"), Event::node("b"), Event::node("c"), Event::node("d"), del_node("d")] {
            rig.step(&event);
        }
        let (before, payload, naive) = (rig.graph.savepoint(), rig.payload.mark(), rig.naive.clone());
        rig.step(&Event::edge("a", "b"));
        rig.graph.roll_back(before);
        rig.payload.roll_back(payload);
        rig.naive = naive;
        rig.step(&Event::edge("b", "c"));
        // This took the edge from b to c along, which had the number of the edge that never was.
        rig.step(&del_node("a"));
        assert_eq!(rig.graph.counts().edges, 1);
        rig.check_end();
    }
}

#[test]
fn a_hub_that_was_brought_back_dies_again_with_all_its_edges() {
    for kind in KINDS {
        let mut rig = Rig::new(kind);
        for n in 0..50 {
            rig.step(&Event::edge("hub", n).with("n", n));
            rig.step(&Event::edge(n, n + 1));
        }
        let (before, sums, seen) = (rig.graph.savepoint(), rig.graph.fingerprint(), picture::of(&rig.graph));
        for _ in 0..5 {
            put(&mut rig.graph, &del_node("hub")).unwrap();
            put(&mut rig.graph, &Event::edge("hub", 1)).unwrap();
            put(&mut rig.graph, &del_node(7)).unwrap();
            rig.graph.roll_back(before);
            assert_eq!((recomputed(&mut rig.graph), picture::of(&rig.graph)), (sums, seen.clone()));
        }
        rig.graph.release();
        rig.step(&del_node("hub"));
        assert_eq!(rig.graph.counts().edges, 50);
        rig.check_end();
    }
}

#[test]
fn high_water_is_the_most_that_ever_lived_at_once() {
    let mut graph =
        built(GRAPH, &[Event::edge(1, 2), Event::node(3), del_node(1), del_node(2), Event::node(4)]);
    assert_eq!((graph.counts().nodes, graph.counts().high_water), (2, 3));
    let before = graph.savepoint();
    put(&mut graph, &Event::edge(5, 6)).unwrap();
    assert_eq!(graph.counts().high_water, 4);
    graph.roll_back(before);
    assert_eq!(graph.counts().high_water, 3);
}

#[test]
fn a_payload_can_begin_anywhere() {
    let mut whole = Rig::new(MULTIGRAPH);
    let mut payloads = vec![];
    for batch in 0..5 {
        whole.payload.restart(whole.graph.ordinals());
        for n in 0..10 {
            whole.step(&Event::edge(n, n * batch % 7).with(format!("a{}", batch * n), n));
        }
        whole.payload.time_passed(1);
        payloads.push(whole.payload.as_slice().to_vec());
    }
    let mut again = replay(MULTIGRAPH, &payloads[0], true);
    for payload in &payloads[1..] {
        let mut decoder = PayloadDecoder::new(payload, MULTIGRAPH).unwrap();
        assert_eq!(decoder.ordinals(), again.ordinals());
        while let Some(item) = decoder.next_item().unwrap() {
            if let snaplog::format::records::Item::Change { record, .. } = item {
                again.apply(&record).unwrap();
            }
        }
    }
    assert_eq!(picture::of(&again), picture::of(&whole.graph));
    assert_eq!(recomputed(&mut again), recomputed(&mut whole.graph));
}

#[test]
fn a_container_of_plain_values_is_bounded_by_its_bytes() {
    // Small pieces, large together: refused in the event, and where it is read.
    let mut many = Encoder::new();
    many.u8(7);
    many.u64(u64::try_from(MAX_VALUE_BYTES).unwrap());
    many.raw(&vec![0; MAX_VALUE_BYTES]);
    let mut decoder = snaplog::codec::Decoder::new(many.as_slice());
    assert!(matches!(Value::decode(&mut decoder.clone()), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(snaplog::model::value::skip_value(&mut decoder), Err(DecodeError::TooLarge { .. })));
    let event = Event::node("x").with("a", Value::List(vec![Value::Null; MAX_VALUE_BYTES]));
    assert_eq!(variant(&refused(&mut Graph::new(GRAPH), &event)), "TooLarge");
}
