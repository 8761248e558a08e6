//! `init`, `mark`, `pin` and `unpin`.

use serde_json::json;
use snaplog::storage::{LocalStorage, LockAttempt, Storage};
use snaplog::{Config, Event, Log};

use super::support::{Crawl, NODES, keys, run_in, time};

#[test]
fn init_makes_a_log_and_says_what_comes_next() {
    let dir = tempfile::tempdir().unwrap();
    let told = run_in(dir.path(), &["init", "crawl"], &[]).exits(0);
    assert_eq!(told.out, "");
    assert!(told.err.contains("made a log of a directed graph in crawl"), "{told:?}");
    assert!(told.err.contains("next: snaplog -d crawl ingest"), "{told:?}");
    let config = std::fs::read_to_string(dir.path().join("crawl/snaplog.toml")).unwrap();
    assert_eq!(config, Config::template());
    run_in(dir.path(), &["-d", "crawl", "list"], &[]).exits(0);
}

#[test]
fn init_fixes_the_kind_of_graph() {
    let dir = tempfile::tempdir().unwrap();
    for (args, directed, multigraph) in [
        (&[][..], true, false),
        (&["--directed"], true, false),
        (&["--undirected"], false, false),
        (&["--multigraph"], true, true),
        (&["--undirected", "--multigraph"], false, true),
    ] {
        let name = format!("{directed}{multigraph}{}", args.len());
        let mut all = vec!["--json", "-d", &name, "init"];
        all.extend(args);
        let document = run_in(dir.path(), &all, &[]).exits(0).json();
        assert_eq!(keys(&document), ["config", "directed", "encrypted", "log_id", "multigraph", "path"]);
        let log = Log::open(dir.path().join(&name)).unwrap();
        assert_eq!((log.kind().directed, log.kind().multigraph), (directed, multigraph));
        assert_eq!(document["log_id"], log.id().to_string());
        assert_eq!((&document["directed"], &document["multigraph"]), (&json!(directed), &json!(multigraph)));
    }
}

#[test]
fn init_touches_neither_a_log_nor_what_is_not_empty() {
    let crawl = Crawl::new();
    assert_eq!(crawl.run(&["init", "--json"]).exits(1).error()["kind"], "already-a-log");
    assert_eq!(crawl.log.reader().unwrap().markers().len(), 6);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "x").unwrap();
    let told = run_in(dir.path(), &["init", "--json"], &[]).exits(1).error();
    assert_eq!(told["kind"], "not-empty");
    assert!(told["hint"].is_string());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn mark_places_a_marker_after_the_last_event() {
    let crawl = Crawl::new();
    let args = ["mark", "--json", "--label", "before cleanup", "--tier", "milestone", "--pin"];
    let document = crawl.run(&args).exits(0).json();
    assert_eq!(keys(&document), ["marker"]);
    let marker = &document["marker"];
    assert_eq!(marker["id"], "m7");
    assert_eq!((&marker["seq"], &marker["nodes"]), (&json!(220), &json!(110)));
    assert_eq!(marker["tiers"], json!(["milestone"]));
    assert_eq!((&marker["label"], &marker["pinned"]), (&json!("before cleanup"), &json!(true)));
    let listed = crawl.run(&["list", "--json"]).json();
    assert_eq!(&listed["markers"][6], marker);
    let told = crawl.run(&["mark", "--label", "again"]).exits(0);
    assert!(
        told.out.is_empty() && told.err.contains(" (again) at event 220: 110 nodes, 109 edges"),
        "{told:?}"
    );
}

#[test]
fn a_label_or_tier_that_cannot_be_used_is_2() {
    let crawl = Crawl::new();
    for label in ["", "latest", "m12", "2026-01-31", "a\nb", " x"] {
        let told = crawl.run(&["mark", "--label", label, "--json"]).exits(2);
        assert_eq!(told.error()["kind"], "bad-marker", "{label:?}");
    }
    let told = crawl.run(&["mark", "--tier", "weekly"]).exits(2);
    assert!(told.err.contains("frequent, moderate, milestone, daily"), "{told:?}");
    assert_eq!(crawl.log.reader().unwrap().markers().len(), 6);
}

#[test]
fn a_live_writer_places_and_pins_for_others() {
    let crawl = Crawl::new();
    let writer = crawl.log.writer().unwrap();
    writer.append_at(&Event::node("while the crawler runs"), time(NODES)).unwrap();
    let marker = crawl.run(&["mark", "--label", "live", "--json"]).exits(0).json()["marker"].clone();
    assert_eq!((&marker["id"], &marker["nodes"]), (&json!("m7"), &json!(111)));
    let pinned = crawl.run(&["pin", "live", "--json"]).exits(0).json();
    assert_eq!(pinned["marker"]["pinned"], true);
    let markers = writer.markers().unwrap();
    assert!(markers.last().unwrap().pinned);
    writer.append(&Event::node("it goes on")).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_process_that_holds_the_log_and_does_not_answer_is_5() {
    let crawl = Crawl::new();
    let storage = LocalStorage::new(crawl.path());
    let LockAttempt::Held(_lock) = storage.lock("pid 1 on a stopped machine").unwrap() else { panic!() };
    let error = crawl.run(&["mark", "--json"]).exits(5).error();
    assert_eq!(error["kind"], "no-answer");
    assert!(error["message"].as_str().unwrap().contains("pid 1 on a stopped machine"));
}

#[test]
fn pin_and_unpin_take_ids_and_labels() {
    let crawl = Crawl::new();
    let pinned = |name: &str| {
        let document = crawl.run(&["list", "--json"]).json();
        let markers = document["markers"].as_array().unwrap().clone();
        markers.iter().find(|marker| marker["id"] == name).unwrap()["pinned"].as_bool().unwrap()
    };
    assert!(crawl.run(&["pin", "m2"]).exits(0).err.starts_with("pinned m2"));
    assert!(crawl.run(&["pin", "m2"]).exits(0).err.contains("pinned already"));
    let document = crawl.run(&["pin", "first", "--json"]).exits(0).json();
    assert_eq!((&document["marker"]["id"], &document["marker"]["pinned"]), (&json!("m3"), &json!(true)));
    assert!(pinned("m2") && pinned("m3"));
    assert!(crawl.run(&["unpin", "first"]).exits(0).err.starts_with("unpinned m3 (first)"));
    assert!(crawl.run(&["unpin", "first"]).exits(0).err.contains("is not pinned"));
    assert!(pinned("m2") && !pinned("m3"));
}

#[test]
fn pin_of_what_is_not_there_is_3_and_of_what_means_nothing_2() {
    let crawl = Crawl::new();
    let told = crawl.run(&["pin", "frist"]).exits(3);
    assert!(told.err.contains("hint: there are \"first\""), "{told:?}");
    assert_eq!(crawl.run(&["unpin", "m99", "--json"]).exits(3).error()["kind"], "no-such-marker");
    crawl.run(&["pin", "latest~x"]).exits(2);
}

#[test]
fn a_configuration_that_cannot_be_used_is_1_and_told_with_its_line() {
    let crawl = Crawl::new();
    std::fs::write(crawl.path().join("snaplog.toml"), "# tiers\n[retention]\nkeep_newst = 3\n").unwrap();
    let error = crawl.run(&["mark", "--json"]).exits(1).error();
    assert_eq!((&error["kind"], &error["line"]), (&json!("config"), &json!(3)));
    assert!(error["path"].as_str().unwrap().ends_with("snaplog.toml"));
    assert!(error["causes"][0].as_str().unwrap().contains("keep_newst"));
}
