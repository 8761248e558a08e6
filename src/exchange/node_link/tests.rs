//! Documents, sound and not.

use proptest::prelude::*;

use super::*;
use crate::model::event::{Event, Refusal};
use crate::model::id::Id;
use crate::model::marker::GraphKind;
use crate::model::value::Value;

const SIMPLE: GraphKind = GraphKind { directed: true, multigraph: false };

fn all(text: &str) -> (Vec<NodeLinkItem>, Summary) {
    let mut items = Vec::new();
    let summary = read(text.as_bytes(), SIMPLE, &mut |item| {
        items.push(item);
        Ok::<(), Refusal>(())
    });
    (items, summary.unwrap())
}

fn events(text: &str) -> Vec<Event> {
    let events = all(text).0.into_iter().filter_map(|item| match item {
        NodeLinkItem::Event(event) => Some(event),
        NodeLinkItem::Header(_) => None,
    });
    events.collect()
}

fn refused(text: &str) -> String {
    read(text.as_bytes(), SIMPLE, &mut |_| Ok::<(), Refusal>(())).unwrap_err().to_string()
}

#[test]
fn parts_come_in_their_order_wherever_they_stand() {
    let text = r#"{"links": [{"target": 2, "w": 1, "source": "a"}], "nodes": [{"x": {}, "id": "a"}, {"id": 2}],
        "extra": [1, {"nodes": 1}], "graph": {"snaplog_state": {"k": 5}, "name": "g", "snaplog": {}},
        "multigraph": false, "directed": false}"#;
    let (items, summary) = all(text);
    let put = |event| NodeLinkItem::Event(event);
    assert_eq!(
        items,
        [
            NodeLinkItem::Header(GraphKind { directed: false, multigraph: false }),
            put(Event::PutGraph { attrs: vec![("name".into(), "g".into())] }),
            put(Event::node("a").with("x", Value::Map(std::collections::BTreeMap::new()))),
            put(Event::node(2)),
            put(Event::edge("a", 2).with("w", 1)),
            put(Event::PutState { key: "k".into(), value: 5.into() }),
        ]
    );
    assert_eq!(summary, Summary { nodes: 2, edges: 1, ignored: vec!["extra".into()] });
}

#[test]
fn what_a_document_does_not_say_is_as_networkx_or_the_caller_has_it() {
    let text = r#"{"nodes": [{}, {"a": 1}], "edges": [{"source": 0, "target": 1, "key": 7}], "links": 0}"#;
    let (items, summary) = all(text);
    assert_eq!(items.first(), Some(&NodeLinkItem::Header(SIMPLE)));
    assert_eq!(events(text), [Event::node(0), Event::node(1).with("a", 1), Event::edge(0, 1).with("key", 7)]);
    assert_eq!(summary.ignored, ["links"]);
}

#[test]
fn edges_without_a_key_are_numbered_as_networkx_would() {
    let keys = |directed: bool, edges: &str| {
        let text =
            format!(r#"{{"directed": {directed}, "multigraph": true, "nodes": [], "edges": [{edges}]}}"#);
        let keys = events(&text).into_iter().map(|event| match event {
            Event::PutEdge { key: Some(key), .. } => key.to_string(),
            other => panic!("{other:?}"),
        });
        keys.collect::<Vec<_>>().join(" ")
    };
    let ab = |key: &str| format!(r#"{{"source": "a", "target": "b"{key}}}"#);
    let ba = r#"{"source": "b", "target": "a"}"#;
    let edges = |list: &[&str]| list.join(", ");
    let (plain, null) = (ab(""), ab(r#", "key": null"#));
    let (one, text, two) = (ab(r#", "key": 1"#), ab(r#", "key": "0""#), ab(r#", "key": 2"#));
    assert_eq!(keys(true, &edges(&[&plain, &null, &plain])), "0 1 2");
    assert_eq!(keys(true, &edges(&[&plain, ba, &plain, ba])), "0 0 1 1");
    assert_eq!(keys(false, &edges(&[&plain, ba, &plain, ba])), "0 1 2 3");
    assert_eq!(keys(true, &edges(&[&one, &plain, &plain])), "1 2 3");
    assert_eq!(keys(true, &edges(&[&text, &plain, &two, &two, &plain])), "\"0\" 1 2 2 3");
}

#[test]
fn state_maps_are_objects_or_pairs() {
    let text = r#"{"graph": {"snaplog_state_maps": ["m", "n", "gone"], "snaplog_state":
        {"m": {"$bytes": 1}, "n": [[1, null], ["1", {"$bytes": "AA=="}]], "v": {"a": null}}}, "nodes": [], "edges": []}"#;
    let entry = |key: &str, entry: Id, value| Event::PutEntry { key: key.into(), entry, value };
    let map = Value::Map([("a".to_owned(), Value::Null)].into());
    assert_eq!(
        events(text),
        [
            entry("m", "$bytes".into(), 1.into()),
            entry("n", 1.into(), Value::Null),
            entry("n", "1".into(), Value::Bytes(vec![0])),
            Event::PutState { key: "v".into(), value: map },
        ]
    );
}

#[test]
fn faults_have_a_place_and_a_path() {
    let with = |nodes: &str, edges: &str| format!("{{\"nodes\": [{nodes}],\n\"edges\": [{edges}]}}");
    let graph = |graph: &str| format!("{{\"graph\": {graph}, \"nodes\": [], \"edges\": []}}");
    for (text, says) in [
        (
            with("{\"id\": 1}, {\"id\": 1.5}", ""),
            "line 1, column 30 (nodes[1].id): expected a string or a 64-bit integer for \"id\", found 1.5",
        ),
        (
            with("{\"id\": [1, 2]}", ""),
            "line 1, column 19 (nodes[0].id): expected a string or a 64-bit integer for \"id\", found a list",
        ),
        (with("1", ""), "line 1, column 12 (nodes[0]): expected an object for a node, found 1"),
        (with("", "{\"source\": 1}"), "line 2, column 11 (edges[0]): an edge needs \"target\""),
        (
            with("", "{\"source\": 1, \"target\": 2, \"é\": {\"a\": [1, 2, 99999999999999999999]}}"),
            "line 2, column 56 (edges[0].é.a[2]): integer 99999999999999999999 does not fit in 64 bits",
        ),
        (
            with("{\"a\": 1, \"a\": 2}", ""),
            "line 1, column 21 (nodes[0].a): key \"a\" stands twice in the same object",
        ),
        (
            with("{\"id\": 1, \"id\": 1}", ""),
            "line 1, column 22 (nodes[0].id): key \"id\" stands twice in the same object",
        ),
        (graph("[]"), "line 1, column 11 (graph): expected an object for \"graph\", found a list"),
        (
            graph("{\"snaplog_state\": 1}"),
            "line 1, column 29 (graph.snaplog_state): expected an object of collector state, found 1",
        ),
        (
            graph("{\"snaplog_state\": {\"m\": 1}, \"snaplog_state_maps\": [\"m\"]}"),
            "line 1, column 35 (graph.snaplog_state.m): expected an object or a list of [entry, value] pairs, found 1",
        ),
        (
            graph("{\"snaplog_state\": {\"m\": [[1]]}, \"snaplog_state_maps\": [\"m\"]}"),
            "line 1, column 36 (graph.snaplog_state.m[0]): expected an entry and a value, found a list",
        ),
        (
            graph("{\"snaplog_state\": {\"m\": [[1, 1], [1, 2]]}, \"snaplog_state_maps\": [\"m\"]}"),
            "line 1, column 45 (graph.snaplog_state.m[1][0]): key \"1\" stands twice in the same object",
        ),
        (
            graph("{}, \"graph\": {}"),
            "line 1, column 15 (graph): key \"graph\" stands twice in the same object",
        ),
        ("{\"edges\": []}".into(), "line 1, column 1: a node-link document needs \"nodes\""),
        ("{\"nodes\": []}".into(), "line 1, column 1: a node-link document needs \"edges\" (or \"links\")"),
        (
            "{\"nodes\": [],\n\"directed\": 1}".into(),
            "line 2, column 13 (directed): expected true or false for \"directed\", found 1",
        ),
        ("[]".into(), "line 1, column 1: expected an object with \"nodes\" and \"edges\", found a list"),
        (
            "{\"nodes\": [{\"id\": }]}".into(),
            "line 1, column 19 (nodes[0].id): expected a JSON value, found '}'",
        ),
        (String::new(), "line 1, column 1: expected a JSON value, found the end of the text"),
    ] {
        assert_eq!(refused(&text), says, "{text}");
    }
    let deep = graph(&format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000)));
    assert!(refused(&deep).contains("nested deeper than 64"));
}

#[test]
fn a_refusal_keeps_its_place() {
    let text = b"{\"nodes\": [{\"id\": 1},\n {\"id\": 2}], \"edges\": []}";
    let refusal = || Refusal::NoSuchNode { id: Id::Int(2) };
    let error = read(text, SIMPLE, &mut |item| match item {
        NodeLinkItem::Event(event) if event == Event::node(2) => Err(refusal()),
        _ => Ok(()),
    });
    match error.unwrap_err() {
        ReadError::Refused { place, path, source } => {
            assert_eq!((place.to_string().as_str(), path.as_str()), ("line 2, column 2", "nodes[1]"));
            assert_eq!(source, refusal());
        }
        ReadError::Document(error) => panic!("{error}"),
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        drop(read(&bytes, SIMPLE, &mut |_| Ok::<(), Refusal>(())));
    }

    #[test]
    fn no_damage_makes_the_reader_panic(at in 0..400_usize, byte: u8, cut in 0..400_usize, multigraph: bool) {
        let text = format!(
            "{{\"multigraph\": {multigraph}, \"graph\": {{\"a\": 1, \"snaplog_state\": {{\"m\": {{\"x\": 1}}, \"n\": [[1, 2]]}}, \
             \"snaplog_state_maps\": [\"m\", \"n\"]}}, \"nodes\": [{{\"id\": 1, \"b\": {{\"$bytes\": \"AA==\"}}}}, {{\"id\": \"é\"}}], \
             \"links\": [{{\"source\": 1, \"target\": 1, \"key\": 0}}, {{\"source\": 1, \"target\": \"\\u00e9\"}}]}}"
        );
        let mut bytes = text.into_bytes();
        if let Some(target) = bytes.get_mut(at) {
            *target = byte;
        }
        drop(read(&bytes, SIMPLE, &mut |_| Ok::<(), Refusal>(())));
        bytes.truncate(cut);
        drop(read(&bytes, SIMPLE, &mut |_| Ok::<(), Refusal>(())));
    }
}
