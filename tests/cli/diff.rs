//! `diff`.

use serde_json::{Value as Json, json};
use snaplog::{Event, GraphKind, Id, Log, MarkOptions, Writer};

use super::support::{Run, run};

fn told(dir: &std::path::Path, args: &[&str]) -> Run {
    let mut all = vec!["-d", dir.to_str().unwrap()];
    all.extend(args);
    run(&all)
}

/// A log with the markers `old` and `new`, and what `change` did in between.
fn log(kind: GraphKind, change: impl Fn(&Writer)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), kind).unwrap();
    let writer = log.writer().unwrap();
    writer.append(&Event::node("stays").with("n", 1).with("text", "same")).unwrap();
    writer.append(&Event::node("goes")).unwrap();
    writer.append(&Event::node("comes back").with("n", 1)).unwrap();
    writer.append(&Event::edge("stays", "goes").with("weight", 0.5)).unwrap();
    writer.append(&Event::edge(1, "stays").with("weight", 0.5)).unwrap();
    writer.append(&Event::PutState { key: "page".into(), value: 1.into() }).unwrap();
    let seen = |entry: &str| Event::PutEntry { key: "seen".into(), entry: entry.into(), value: true.into() };
    writer.append(&seen("a")).unwrap();
    writer.append(&seen("b")).unwrap();
    writer.mark(&MarkOptions::labelled("old")).unwrap();
    change(&writer);
    writer.mark(&MarkOptions::labelled("new")).unwrap();
    writer.close().unwrap();
    dir
}

const DIRECTED: GraphKind = GraphKind { directed: true, multigraph: false };

fn changes(writer: &Writer) {
    let events = [
        Event::PutGraph { attrs: vec![("name".into(), "sounds".into())] },
        Event::DeleteNode { id: "goes".into() },
        Event::DeleteNode { id: "comes back".into() },
        Event::node("comes back").with("n", 2),
        Event::node("stays").with("text", "other").with("new", true),
        Event::UnsetNode { id: "stays".into(), names: vec!["n".into()] },
        Event::edge(1, "stays").with("weight", 1.0),
        Event::edge("stays", 2),
        Event::PutState { key: "page".into(), value: 2.into() },
        Event::DeleteEntry { key: "seen".into(), entry: "a".into() },
        Event::PutEntry { key: "seen".into(), entry: Id::Int(7), value: true.into() },
    ];
    for event in &events {
        writer.append(event).unwrap();
    }
}

#[test]
fn each_thing_that_changed_is_counted_and_named() {
    let dir = log(DIRECTED, changes);
    let document =
        told(&dir.path().join("log"), &["diff", "old", "new", "--entities", "--json"]).exits(0).json();
    assert_eq!(document["nodes"], json!({ "added": 1, "removed": 1, "changed": 2 }));
    assert_eq!(document["edges"], json!({ "added": 1, "removed": 1, "changed": 1 }));
    assert_eq!(document["state"], json!({ "added": 1, "removed": 1, "changed": 1 }));
    assert_eq!(document["graph"], json!(["name"]));
    let named = |kind: &str, change: &str, id: Json, attrs: Json| json!({ "kind": kind, "change": change, "id": id, "attrs": attrs });
    assert_eq!(
        document["entities"],
        json!([
            named("node", "removed", json!(["goes"]), json!([])),
            named("node", "changed", json!(["stays"]), json!(["n", "text", "new"])),
            named("node", "changed", json!(["comes back"]), json!(["n"])),
            named("node", "added", json!([2]), json!([])),
            named("edge", "removed", json!(["stays", "goes"]), json!([])),
            named("edge", "changed", json!([1, "stays"]), json!(["weight"])),
            named("edge", "added", json!(["stays", 2]), json!([])),
            named("state", "removed", json!(["seen", "a"]), json!([])),
            named("state", "changed", json!(["page"]), json!([])),
            named("state", "added", json!(["seen", 7]), json!([])),
        ])
    );
    let (from, to) = (&document["from"], &document["to"]);
    assert_eq!((from["nodes"].as_u64(), to["nodes"].as_u64()), (Some(4), Some(4)));
}

#[test]
fn the_way_back_has_added_and_removed_changed_about() {
    let dir = log(DIRECTED, changes);
    let document = told(&dir.path().join("log"), &["diff", "new", "old", "--json"]).exits(0).json();
    assert_eq!(document["edges"], json!({ "added": 1, "removed": 1, "changed": 1 }));
    assert_eq!(document["entities"], Json::Null);
}

#[test]
fn nothing_changed_between_a_marker_and_itself() {
    let dir = log(DIRECTED, changes);
    let told = told(&dir.path().join("log"), &["diff", "new", "--entities"]).exits(0);
    assert!(told.out.contains("nodes  +0 -0 ~0"), "{told:?}");
}

#[test]
fn an_edge_of_an_undirected_graph_is_the_same_from_either_end() {
    let kind = GraphKind { directed: false, multigraph: false };
    let dir = log(kind, |writer| {
        writer.append(&Event::DeleteEdge { src: 1.into(), dst: "stays".into(), key: None }).unwrap();
        writer.append(&Event::edge("stays", 1).with("weight", 0.5)).unwrap();
    });
    let document = told(&dir.path().join("log"), &["diff", "old", "--json"]).exits(0).json();
    assert_eq!(document["edges"], json!({ "added": 0, "removed": 0, "changed": 0 }));
}

#[test]
fn parallel_edges_are_told_apart_by_their_keys() {
    let kind = GraphKind { directed: true, multigraph: true };
    let dir = log(kind, |writer| {
        writer.append(&Event::edge(1, "stays")).unwrap();
    });
    let told = told(&dir.path().join("log"), &["diff", "old", "--entities"]).exits(0);
    assert!(told.out.contains("+ edge 1 \"stays\" 1\n"), "{told:?}");
}

#[test]
fn a_marker_that_is_not_there_is_told() {
    let dir = log(DIRECTED, changes);
    told(&dir.path().join("log"), &["diff", "m99"]).exits(3);
}
