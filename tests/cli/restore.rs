//! `restore`.

use std::path::Path;

use serde_json::{Value as Json, json};
use snaplog::exchange::{ndjson, node_link};
use snaplog::{Log, Seq};

use super::support::{Crawl, NODES, command, keys, time};

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The graph after an event, as ndjson.
fn expected(crawl: &Crawl, seq: u64) -> String {
    let restored = crawl.log.reader().unwrap().restore_seq(Seq(seq)).unwrap();
    let mut bytes = Vec::new();
    ndjson::write_graph_to(&restored.graph, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn seq_of(crawl: &Crawl, id: &str) -> u64 {
    let reader = crawl.log.reader().unwrap();
    reader.markers().iter().find(|marker| marker.id.to_string() == id).unwrap().seq.0
}

#[test]
fn without_options_the_latest_marker_goes_to_standard_output() {
    let crawl = Crawl::new();
    let restored = crawl.run(&["restore"]).exits(0);
    assert_eq!(restored.out, expected(&crawl, seq_of(&crawl, "m6")));
    assert!(restored.err.starts_with("restored m6, at event "), "{restored:?}");
    assert_eq!(crawl.run(&["restore", "-o", "-"]).exits(0).out, restored.out);
}

#[test]
fn every_selector_restores_its_marker() {
    let crawl = Crawl::new();
    for (args, id) in [
        (&["--to", "latest"][..], "m6"),
        (&["--to", "latest~2"], "m4"),
        (&["--to", "m1"], "m1"),
        (&["--to", "first"], "m3"),
        (&["--tier", "frequent"], "m5"),
        (&["--to", "latest~1", "--tier", "frequent"], "m4"),
        (&["--to", "2025-03-01T12:00:50Z"], "m4"),
        (&["--to", "2025-03-01"], "m6"),
        (&["--to", "20250301_120029"], "m3"),
        (&["--to", "1 hour ago"], "m6"),
    ] {
        let mut all = vec!["restore", "--json", "-o", "graph.ndjson", "--yes"];
        all.extend(args);
        let document = crawl.run(&all).exits(0).json();
        assert_eq!(document["marker"]["id"], id, "{args:?}");
        assert_eq!(text(&crawl.beside("graph.ndjson")), expected(&crawl, seq_of(&crawl, id)), "{args:?}");
    }
}

#[test]
fn events_between_markers_can_be_restored() {
    let crawl = Crawl::new();
    let document = |args: &[&str]| {
        let mut all = vec!["restore", "--json", "-o", "graph.ndjson", "--yes"];
        all.extend(args);
        crawl.run(&all).exits(0).json()
    };
    let at = document(&["--to", "seq:33"]);
    assert_eq!((&at["marker"], &at["seq"], &at["events_replayed"]), (&Json::Null, &json!(33), &json!(33)));
    assert_eq!(text(&crawl.beside("graph.ndjson")), expected(&crawl, 33));
    let at = document(&["--to", "seq:0"]);
    assert_eq!((&at["nodes"], &at["time"]), (&json!(0), &Json::Null));
    assert_eq!(text(&crawl.beside("graph.ndjson")), "");
    let at = document(&["--to", "2025-03-01T12:00:40Z", "--exact"]);
    assert_eq!((&at["nodes"], &at["time"]), (&json!(41), &json!("2025-03-01T12:00:40Z")));
    // A marker that stands there is named, and was checked.
    assert_eq!(document(&["--to", "2025-03-01T12:00:29Z", "--exact"])["marker"]["id"], "m3");
    let seq = seq_of(&crawl, "m3");
    assert_eq!(document(&["--to", &format!("seq:{seq}")])["marker"]["label"], "first");
}

#[test]
fn selectors_that_mean_nothing_are_2_and_those_that_find_nothing_3() {
    let crawl = Crawl::new();
    for args in [
        &["--to", "latest~x"][..],
        &["--to", "2025-13-01"],
        &["--to", ""],
        &["--exact"],
        &["--to", "m1", "--exact"],
        &["--to", "seq:3", "--tier", "daily"],
        &["--to", "2025-03-01", "--exact", "--tier", "daily"],
    ] {
        let mut all = vec!["restore"];
        all.extend(args);
        assert_eq!(crawl.run(&all).exits(2).out, "", "{args:?}");
    }
    for (args, hint) in [
        (&["--to", "m99"][..], "there are m6"),
        (&["--to", "secnd"], "there are \"first\""),
        (&["--to", "latest~6"], ""),
        (&["--to", "2020-01-01"], ""),
        (&["--to", "seq:9999"], "snaplog list"),
        (&["--tier", "milestone"], "There are markers of"),
        (&["--to", "m1", "--tier", "moderate"], "m1 is of daily"),
    ] {
        let mut all = vec!["restore", "-o", "graph.ndjson"];
        all.extend(args);
        let told = crawl.run(&all).exits(3);
        assert!(told.err.contains(hint), "{told:?}");
    }
    assert_eq!(crawl.names_beside(), ["log"]);
    Crawl::empty().run(&["restore"]).exits(3);
}

#[test]
fn the_document_has_the_documented_fields() {
    let crawl = Crawl::new();
    let document = crawl.run(&["restore", "--json", "-o", "graph.ndjson"]).exits(0).json();
    assert_eq!(
        keys(&document),
        [
            "attrs_left_out",
            "dry_run",
            "edges",
            "events_replayed",
            "fingerprint",
            "format",
            "layout",
            "marker",
            "nodes",
            "output",
            "reason",
            "replaces",
            "seconds",
            "segments",
            "seq",
            "time",
        ]
    );
    let seq = seq_of(&crawl, "m6");
    assert_eq!(document["marker"], crawl.run(&["list", "--json"]).json()["markers"][5]);
    assert_eq!((&document["seq"], &document["events_replayed"]), (&json!(seq), &json!(seq)));
    assert_eq!((&document["nodes"], &document["edges"]), (&json!(100), &document["marker"]["edges"]));
    assert_eq!(document["fingerprint"], document["marker"]["fingerprint"]);
    let segment = &document["segments"][0];
    assert_eq!(keys(segment), ["bytes", "file", "from", "to"]);
    assert_eq!(
        (&segment["file"], &segment["from"], &segment["to"]),
        (&json!("events-000001"), &json!(1), &json!(seq))
    );
    assert_eq!((&document["output"], &document["format"]), (&json!("graph.ndjson"), &json!("ndjson")));
    assert!(document["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_report_gives_way_to_data_on_standard_output() {
    let crawl = Crawl::new();
    let run = crawl.run(&["restore", "--json"]).exits(0);
    assert_eq!(run.out, expected(&crawl, seq_of(&crawl, "m6")));
    let report: Json = serde_json::from_str(&run.err).unwrap();
    assert_eq!(report["output"], "-");
}

#[test]
fn node_link_is_the_graph_and_carries_the_state() {
    let crawl = Crawl::new();
    crawl.run(&["restore", "--to", "first", "--format", "node-link", "-o", "graph.json"]).exits(0);
    let document: Json = serde_json::from_str(&text(&crawl.beside("graph.json"))).unwrap();
    assert_eq!(document["nodes"].as_array().unwrap().len(), 30);
    assert_eq!(document["graph"]["snaplog_state"], json!({"page": 7}));
    let graph = crawl.log.reader().unwrap().restore_seq(Seq(seq_of(&crawl, "m3"))).unwrap().graph;
    let mut plain = Vec::new();
    node_link::write_graph_to(&graph, None, &mut plain).unwrap();
    let plain: Json = serde_json::from_slice(&plain).unwrap();
    assert_eq!((&document["nodes"], &document["edges"]), (&plain["nodes"], &plain["edges"]));
}

#[test]
fn a_new_log_starts_at_the_marker() {
    let crawl = Crawl::new();
    std::fs::create_dir(crawl.beside("empty")).unwrap();
    let config = format!("# mine\n{}", snaplog::Config::template());
    std::fs::write(crawl.path().join("snaplog.toml"), &config).unwrap();
    for name in ["new", "empty"] {
        crawl.run(&["restore", "--to", "first", "--format", "log", "-o", name]).exits(0);
        let log = Log::open(crawl.beside(name)).unwrap();
        assert_ne!(log.id(), crawl.log.id());
        assert_eq!(log.config_text().unwrap().unwrap(), config);
        let (new, old) = (log.reader().unwrap(), crawl.log.reader().unwrap());
        assert_eq!(new.markers().len(), 1);
        let (copied, original) = (&new.markers()[0], &old.markers()[2]);
        assert_eq!(
            (copied.time, &copied.label, &copied.tiers),
            (original.time, &original.label, &original.tiers)
        );
        assert_eq!(copied.fingerprint.content, original.fingerprint.content);
        assert_eq!(new.restore(copied).unwrap().counts().nodes, 30);
        // It is a log to go on with, and the schedule adds nothing by itself.
        let writer = log.writer().unwrap();
        assert_eq!(writer.markers().unwrap().len(), 1);
        writer.close().unwrap();
    }
    assert_eq!(crawl.names_beside(), ["empty", "log", "new"]);
    let told = crawl.run(&["restore", "--format", "log", "-o", "new", "--yes"]).exits(1);
    assert!(told.err.contains("new is not empty"), "{told:?}");
}

#[test]
fn a_new_log_can_start_between_markers_and_before_the_first_event() {
    let crawl = Crawl::new();
    for (to, nodes) in [("seq:33", 17), ("seq:0", 0)] {
        crawl.run(&["restore", "--to", to, "--format", "log", "-o", to]).exits(0);
        let reader = Log::open(crawl.beside(to)).unwrap().reader().unwrap();
        let marker = &reader.markers()[0];
        assert_eq!((marker.counts.nodes, marker.tiers.len(), &marker.label), (nodes, 0, &None));
        assert!(marker.time.to_chrono().is_some(), "{to}");
    }
}

#[test]
fn a_file_with_something_in_it_is_kept_unless_told() {
    let crawl = Crawl::new();
    std::fs::write(crawl.beside("graph.ndjson"), "precious").unwrap();
    let error = crawl.run(&["restore", "-o", "graph.ndjson", "--json"]).exits(1).error();
    assert_eq!((&error["kind"], &error["hint"]), (&json!("not-empty"), &json!("--yes replaces it")));
    assert_eq!(text(&crawl.beside("graph.ndjson")), "precious");
    crawl.run(&["restore", "-o", "graph.ndjson", "--yes"]).exits(0);
    assert_eq!(text(&crawl.beside("graph.ndjson")), expected(&crawl, seq_of(&crawl, "m6")));
    std::fs::write(crawl.beside("empty"), "").unwrap();
    crawl.run(&["restore", "-o", "empty"]).exits(0);
    assert_eq!(crawl.names_beside(), ["empty", "graph.ndjson", "log"]);
}

#[test]
fn a_target_that_cannot_be_written_is_1_and_nothing_is_left() {
    let crawl = Crawl::new();
    std::fs::create_dir(crawl.beside("dir")).unwrap();
    std::fs::write(crawl.beside("file"), "").unwrap();
    for args in [
        &["-o", "dir"][..],
        &["-o", "dir", "--yes"],
        &["-o", "log", "--yes"],
        &["-o", "nowhere/graph.ndjson"],
        &["-o", "file", "--format", "log"],
        &["-o", "/dev/full"],
    ] {
        let mut all = vec!["restore"];
        all.extend(args);
        crawl.run(&all).exits(1);
    }
    assert_eq!(crawl.names_beside(), ["dir", "file", "log"]);
    assert_eq!(std::fs::read_dir(crawl.beside("dir")).unwrap().count(), 0);
}

#[test]
fn links_and_devices_are_written_through() {
    let crawl = Crawl::new();
    std::fs::create_dir(crawl.beside("elsewhere")).unwrap();
    std::fs::write(crawl.beside("elsewhere/real"), "old").unwrap();
    std::os::unix::fs::symlink("elsewhere/real", crawl.beside("link")).unwrap();
    crawl.run(&["restore", "-o", "link", "--yes"]).exits(0);
    assert!(crawl.beside("link").is_symlink());
    assert_eq!(text(&crawl.beside("elsewhere/real")), expected(&crawl, seq_of(&crawl, "m6")));
    crawl.run(&["restore", "-o", "/dev/null"]).exits(0);
    assert!(!Path::new("/dev/null").is_file());
}

#[test]
fn a_dry_run_tells_all_and_writes_nothing() {
    let crawl = Crawl::new();
    let told =
        crawl.run(&["restore", "--to", "2025-03-01T12:00:35Z", "-o", "graph.ndjson", "--dry-run"]).exits(0);
    assert_eq!(told.err, "");
    for part in [
        "would restore m3 (first), at event 60 ",
        "at or before 2025-03-01T12:00:35Z",
        "events-000001, events 1 to 60",
        "graph.ndjson, as ndjson",
    ] {
        assert!(told.out.contains(part), "{part:?} in {told:?}");
    }
    std::fs::write(crawl.beside("full"), "x").unwrap();
    let document = crawl.run(&["restore", "--dry-run", "--json", "-o", "full"]).exits(0).json();
    assert_eq!((&document["dry_run"], &document["replaces"]), (&json!(true), &json!(true)));
    assert_eq!((&document["marker"]["id"], &document["nodes"]), (&json!("m6"), &json!(100)));
    assert_eq!(document["events_replayed"], Json::Null);
    assert!(document["reason"].as_str().unwrap().contains("newest"));
    let document = crawl.run(&["restore", "--dry-run", "--json", "--to", "seq:33"]).exits(0).json();
    assert_eq!((&document["marker"], &document["nodes"]), (&Json::Null, &Json::Null));
    let exact = ["restore", "--dry-run", "--json", "--to", "2025-03-01T12:00:40Z", "--exact"];
    assert_eq!(crawl.run(&exact).exits(0).json()["nodes"], 41);
    crawl.run(&["restore", "--dry-run", "--to", "seq:9999"]).exits(3);
    assert_eq!(crawl.names_beside(), ["full", "log"]);
    assert_eq!(text(&crawl.beside("full")), "x");
}

#[test]
fn damage_is_4_and_nothing_is_left_at_the_target() {
    let crawl = Crawl::new();
    // Behind the header, in the frames of the first markers.
    crawl.damage(0);
    for args in [&["-o", "graph.ndjson"][..], &["-o", "new", "--format", "log"], &[]] {
        let mut all = vec!["restore", "--json"];
        all.extend(args);
        let told = crawl.run(&all).exits(4);
        assert_eq!(told.out, "", "not a byte of a graph that is not proven");
        let error = told.error();
        assert!(error["path"].as_str().unwrap().ends_with("events-000001"), "{error}");
        assert!(
            error["offset"].is_u64() && error["hint"].as_str().unwrap().contains("snaplog verify"),
            "{error}"
        );
    }
    assert_eq!(crawl.names_beside(), ["log"]);
    // What stands before the damage is as good as ever.
    assert_eq!(crawl.run(&["restore", "--to", "m1"]).exits(0).out.lines().count(), 1);
}

#[test]
fn restore_reads_beside_a_live_writer() {
    let crawl = Crawl::new();
    let writer = crawl.log.writer().unwrap();
    writer.append_at(&snaplog::Event::node("new"), time(NODES)).unwrap();
    let restored = crawl.run(&["restore"]).exits(0);
    assert_eq!(restored.out, expected(&crawl, seq_of(&crawl, "m6")));
    writer.close().unwrap();
}

#[test]
fn a_killed_restore_never_leaves_half_a_file_at_the_target() {
    let crawl = Crawl::new();
    let whole = expected(&crawl, seq_of(&crawl, "m6"));
    let path = crawl.path();
    let target = crawl.beside("graph.ndjson");
    for millis in 0..12 {
        let args = ["-d", path.to_str().unwrap(), "restore", "--yes", "-q", "-o", target.to_str().unwrap()];
        let mut child = command(&args).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(millis));
        let _ = child.kill();
        child.wait().unwrap();
        if target.exists() {
            assert_eq!(text(&target), whole);
            std::fs::remove_file(&target).unwrap();
        }
    }
}

#[test]
fn a_restore_into_the_log_itself_is_refused() {
    let crawl = Crawl::new();
    let inside = crawl.path().join("events-000001");
    let before = std::fs::read(&inside).unwrap();
    for target in [inside.clone(), crawl.path().join("CURRENT"), crawl.path().join("new/graph.json")] {
        let run = crawl.run(&["restore", "--yes", "-o", target.to_str().unwrap()]).exits(1);
        assert!(run.err.contains("is in the log that is restored"), "{}", run.err);
    }
    assert_eq!(std::fs::read(&inside).unwrap(), before);
}
