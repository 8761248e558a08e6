//! Whole graphs, out and in again.

use std::io;

use proptest::prelude::*;

use super::json_write::tests::any_value;
use super::{WriteError, ndjson, node_link};
use crate::model::event::Event;
use crate::model::graph::{Changes, Graph};
use crate::model::id::Id;
use crate::model::marker::GraphKind;
use crate::model::value::Value;

fn play_on(graph: &mut Graph, event: &Event) -> bool {
    let mut changes = Changes::new();
    if graph.resolve(event, &mut changes).is_err() {
        return false;
    }
    for record in changes.records() {
        graph.apply(&record).unwrap();
    }
    true
}

fn from_ndjson(kind: GraphKind, text: &[u8]) -> Graph {
    let mut graph = Graph::new(kind);
    for line in text.split(|b| *b == b'\n') {
        match ndjson::parse_line(line).unwrap() {
            Some(ndjson::Line { item: ndjson::Item::Event(event), .. }) => {
                assert!(play_on(&mut graph, &event), "{event:?}");
            }
            Some(mark) => panic!("{mark:?}"),
            None => {}
        }
    }
    graph
}

fn from_node_link(kind: GraphKind, text: &[u8]) -> (Graph, node_link::Summary) {
    let mut graph = Graph::new(kind);
    let summary = node_link::read(text, GraphKind::default(), &mut |item| {
        match item {
            node_link::NodeLinkItem::Header(found) => assert_eq!(found, kind),
            node_link::NodeLinkItem::Event(event) => assert!(play_on(&mut graph, &event), "{event:?}"),
        }
        Ok::<(), io::Error>(())
    });
    (graph, summary.unwrap())
}

fn to_ndjson(graph: &Graph) -> String {
    let mut out = Vec::new();
    ndjson::write_graph_to(graph, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn to_node_link(graph: &Graph) -> String {
    let mut out = Vec::new();
    node_link::write_graph_to(graph, None, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const EVENTS: &str = r#"{"op":"node","id":"b","attrs":{"x":1}}
{"op":"edge","src":"c","dst":"b","key":"k","attrs":{"w":1.0}}
{"op":"edge","src":"a","dst":"a","key":0}
{"op":"edge","src":"b","dst":"a","key":5}
{"op":"edge","src":"c","dst":"a"}
{"op":"edge","src":"c","dst":"b","attrs":{"é":[null,true]}}
{"op":"edge","src":1,"dst":"1","key":"z"}
{"op":"edge","src":"b","dst":"c"}
{"op":"del_edge","src":"c","dst":"b","key":"k"}
{"op":"graph","attrs":{"name":"g"}}"#;

/// What `nx-oracle` of NetworkX 3.6 makes of [`EVENTS`].
#[test]
fn node_link_is_what_networkx_writes() {
    let without_keys: String = EVENTS
        .replace(r#","key":"k""#, "")
        .replace(r#","key":0"#, "")
        .replace(r#","key":5"#, "")
        .replace(r#","key":"z""#, "");
    for (directed, multigraph, events, expected) in [
        (true, false, without_keys.as_str(), include_str!("fixtures/directed.json")),
        (false, false, &without_keys, include_str!("fixtures/undirected.json")),
        (true, true, EVENTS, include_str!("fixtures/multi-directed.json")),
        (false, true, EVENTS, include_str!("fixtures/multi-undirected.json")),
    ] {
        let kind = GraphKind { directed, multigraph };
        let graph = from_ndjson(kind, events.as_bytes());
        let text = to_node_link(&graph);
        assert_eq!(text, expected.trim_end(), "{kind:?}");
        let (again, summary) = from_node_link(kind, text.as_bytes());
        assert_eq!(again.fingerprint().content, graph.fingerprint().content, "{kind:?}");
        assert_eq!(summary.nodes, graph.counts().nodes);
        assert_eq!(summary.edges, graph.counts().edges);
        assert_eq!(summary.ignored, Vec::<String>::new());
    }
}

#[test]
fn state_travels_in_the_graphs_attributes() {
    let events = r#"{"op":"graph","attrs":{"a":1}}
{"op":"state","key":"m","entry":"x","value":1}
{"op":"state","key":"v","value":null,"put":true}
{"op":"state","key":"n","entry":1,"value":[]}
{"op":"state","key":"m","entry":"y","value":null,"put":true}
{"op":"state","key":"n","entry":"1","value":2}
{"op":"state","key":"d","value":{"$bytes":1.5,"a":{"$$bytes":1}}}"#;
    let kind = GraphKind { directed: true, multigraph: false };
    let graph = from_ndjson(kind, events.as_bytes());
    let text = to_node_link(&graph);
    let expected = concat!(
        r#"{"directed": true, "multigraph": false, "graph": {"a": 1, "snaplog_state": {"m": {"x": 1, "y": null}, "#,
        r#""v": null, "n": [[1, []], ["1", 2]], "d": {"$bytes": 1.5, "a": {"$$bytes": 1}}}, "#,
        r#""snaplog_state_maps": ["m", "n"]}, "nodes": [], "edges": []}"#
    );
    assert_eq!(text, expected);
    let (again, _) = from_node_link(kind, text.as_bytes());
    assert_eq!(again.fingerprint().content, graph.fingerprint().content);
    let from_lines = from_ndjson(kind, to_ndjson(&graph).as_bytes());
    assert_eq!(from_lines.fingerprint(), graph.fingerprint());
}

#[test]
fn attributes_whose_names_are_taken_are_left_out_and_counted() {
    let events = r#"{"op":"graph","attrs":{"snaplog_state":1,"snaplog":2}}
{"op":"node","id":1,"attrs":{"id":2,"source":3}}
{"op":"edge","src":1,"dst":1,"attrs":{"target":5,"key":6}}"#;
    let graph = from_ndjson(GraphKind { directed: true, multigraph: false }, events.as_bytes());
    let mut out = Vec::new();
    let about = Value::from("m1");
    let written = node_link::write_graph_to(&graph, Some(&about), &mut out).unwrap();
    assert_eq!(written.attrs_left_out, 4);
    let expected = r#"{"directed": true, "multigraph": false, "graph": {"snaplog": "m1"}, "nodes": [{"source": 3, "id": 1}], "edges": [{"key": 6, "source": 1, "target": 1}]}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_output_that_refuses_is_an_error() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let graph = from_ndjson(GraphKind::default(), br#"{"op":"node","id":1}"#);
    assert!(matches!(ndjson::write_graph_to(&graph, &mut Full), Err(WriteError::Io(_))));
    assert!(matches!(node_link::write_graph_to(&graph, None, &mut Full), Err(WriteError::Io(_))));
}

/// Nodes, edges and state in the order in which node-link lists them; attributes by name, as their order is not
/// restored.
fn listed(graph: &Graph) -> Vec<Event> {
    let mut events = Vec::new();
    let text = to_node_link(graph);
    let summary = node_link::read(text.as_bytes(), graph.kind(), &mut |item| {
        if let node_link::NodeLinkItem::Event(mut event) = item {
            if let Event::PutNode { attrs, .. } | Event::PutEdge { attrs, .. } | Event::PutGraph { attrs } =
                &mut event
            {
                attrs.sort_by(|a, b| a.0.cmp(&b.0));
            }
            events.push(event);
        }
        Ok::<(), io::Error>(())
    });
    summary.unwrap();
    events
}

fn any_event() -> impl Strategy<Value = Event> {
    let id = || prop_oneof![(0_i64..6).prop_map(Id::Int), (0_i64..6).prop_map(|n| Id::from(n.to_string()))];
    let attrs = || proptest::collection::vec(("[ab\\$]", any_value()), 0..3);
    let key = || proptest::option::weighted(0.6, id());
    prop_oneof![
        2 => (id(), attrs()).prop_map(|(id, attrs)| Event::PutNode { id, attrs }),
        6 => (id(), id(), key(), attrs())
            .prop_map(|(src, dst, key, attrs)| Event::PutEdge { src, dst, key, attrs }),
        1 => id().prop_map(|id| Event::DeleteNode { id }),
        3 => (id(), id(), key()).prop_map(|(src, dst, key)| Event::DeleteEdge { src, dst, key }),
        1 => attrs().prop_map(|attrs| Event::PutGraph { attrs }),
        1 => ("[ab]", any_value()).prop_map(|(key, value)| Event::PutState { key, value }),
        2 => ("[cd]", id(), any_value()).prop_map(|(key, entry, value)| Event::PutEntry { key, entry, value }),
    ]
}

proptest! {
    #[test]
    fn every_graph_comes_back_from_both_formats(
        directed: bool, multigraph: bool, events in proptest::collection::vec(any_event(), 0..60),
    ) {
        let kind = GraphKind { directed, multigraph };
        let mut graph = Graph::new(kind);
        for event in &events {
            play_on(&mut graph, event);
        }
        let lines = to_ndjson(&graph);
        let from_lines = from_ndjson(kind, lines.as_bytes());
        prop_assert_eq!(from_lines.fingerprint().content, graph.fingerprint().content);
        prop_assert_eq!(listed(&from_lines), listed(&graph));
        let (from_document, _) = from_node_link(kind, to_node_link(&graph).as_bytes());
        prop_assert_eq!(from_document.fingerprint().content, graph.fingerprint().content);
    }
}
