//! `list` and `stats`.

use serde_json::{Value as Json, json};

use super::support::{Crawl, NODES, keys, time};

const MARKER_KEYS: [&str; 14] = [
    "bytes",
    "compressed",
    "edges",
    "expired",
    "fingerprint",
    "id",
    "label",
    "layout",
    "nodes",
    "pinned",
    "restorable",
    "seq",
    "tiers",
    "time",
];

#[test]
fn list_shows_the_newest_first_and_how_to_restore() {
    let crawl = Crawl::new();
    let shown = crawl.run(&["list"]).exits(0);
    let lines: Vec<&str> = shown.out.lines().collect();
    let head: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(head, ["ID", "TIME", "(UTC)", "TIERS", "NODES", "EDGES", "SIZE", "FLAGS", "LABEL"]);
    let ids: Vec<&str> = lines[1..].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(ids, ["m6", "m5", "m4", "m3", "m2", "m1"]);
    assert!(lines[1].contains("moderate") && lines[1].contains("100"), "{lines:?}");
    assert!(lines[4].ends_with("first"), "{lines:?}");
    let path = crawl.path();
    let how = format!("snaplog -d {} restore --to m6 -o graph.ndjson", path.display());
    assert!(shown.err.contains(&how), "{shown:?}");
}

#[test]
fn list_as_json_has_the_documented_fields_oldest_first() {
    let crawl = Crawl::new();
    let document = crawl.run(&["list", "--json"]).exits(0).json();
    assert_eq!(keys(&document), ["log_id", "markers"]);
    assert_eq!(document["log_id"], crawl.log.id().to_string());
    let markers = document["markers"].as_array().unwrap();
    assert_eq!(markers.len(), 6);
    let known = crawl.log.reader().unwrap();
    let mut position = 0;
    for (shown, marker) in markers.iter().zip(known.markers()) {
        assert_eq!(keys(shown), MARKER_KEYS);
        assert_eq!(shown["id"], marker.id.to_string());
        assert_eq!(shown["time"], marker.time.to_string());
        assert_eq!(shown["nodes"], marker.counts.nodes);
        assert_eq!(shown["bytes"], marker.position - position);
        assert_eq!(shown["fingerprint"], marker.fingerprint.content.to_string());
        assert_eq!(shown["layout"], marker.fingerprint.layout.to_string());
        assert_eq!((&shown["compressed"], &shown["restorable"]), (&json!(false), &json!(true)));
        position = marker.position;
    }
    assert_eq!(markers[0]["tiers"], json!(["daily"]));
    assert_eq!(markers[2]["label"], "first");
    assert_eq!(markers[5]["label"], Json::Null);
}

#[test]
fn list_can_be_cut_to_a_tier_and_to_the_newest() {
    let crawl = Crawl::new();
    let ids = |tier: &str| {
        let document = crawl.run(&["list", "--json", "--tier", tier]).exits(0).json();
        let markers = document["markers"].as_array().unwrap().clone();
        markers.iter().map(|marker| marker["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("frequent"), ["m2", "m4", "m5"]);
    assert!(ids("milestone").is_empty(), "the tier is there, and no marker of it");
    let two = crawl.run(&["list", "-n", "2", "--json", "--tier", "frequent"]).exits(0).json();
    assert_eq!((&two["markers"][0]["id"], &two["markers"][1]["id"]), (&json!("m4"), &json!("m5")));
    let told = crawl.run(&["list", "--tier", "frequnt"]).exits(3);
    assert!(told.err.contains("did you mean frequent?"), "{told:?}");
}

#[test]
fn list_of_an_empty_log_says_what_places_markers() {
    let crawl = Crawl::empty();
    let shown = crawl.run(&["list"]).exits(0);
    assert_eq!(shown.out, "");
    assert!(shown.err.contains("no markers yet"), "{shown:?}");
    assert_eq!(crawl.run(&["list", "--json"]).exits(0).json()["markers"], json!([]));
}

#[test]
fn list_flags_pinned_markers() {
    let crawl = Crawl::new();
    crawl.run(&["pin", "m2"]).exits(0);
    let shown = crawl.run(&["list"]).exits(0);
    let line = shown.out.lines().find(|line| line.starts_with("m2 ")).unwrap();
    assert!(line.contains("pinned"), "{line}");
}

#[test]
fn a_missing_segment_is_4_and_what_is_known_is_listed() {
    let crawl = Crawl::new();
    std::fs::remove_file(crawl.path().join("events-000001")).unwrap();
    let shown = crawl.run(&["list", "--json"]).exits(4);
    assert!(shown.json()["markers"].is_array());
    assert_eq!(shown.error()["kind"], "missing");
    crawl.run(&["stats"]).exits(4);
    crawl.run(&["restore"]).exits(4);
    crawl.run(&["mark"]).exits(4);
}

#[test]
fn markers_of_a_lost_segment_are_not_restorable() {
    let crawl = Crawl::new();
    let writer = crawl.log.writer().unwrap();
    for n in 0..30 {
        writer.append_at(&snaplog::Event::node(n + NODES), time(n + NODES)).unwrap();
    }
    writer.close().unwrap();
    std::fs::remove_file(crawl.path().join("events-000001")).unwrap();
    let shown = crawl.run(&["list"]).exits(4);
    assert!(shown.out.lines().skip(1).all(|line| line.contains("not restorable")), "{shown:?}");
    assert!(shown.err.contains("snaplog verify"), "{shown:?}");
    let document = crawl.run(&["stats", "--json"]).exits(4).json();
    assert_eq!(document["nodes"], Json::Null);
    assert_eq!(document["markers"]["restorable"], 0);
}

/// A file that is there and cannot be opened costs what rests on it, and is told like any other damage.
#[test]
fn a_file_that_cannot_be_opened_is_damage_and_hides_nothing() {
    let crawl = Crawl::new();
    let writer = crawl.log.writer().unwrap();
    for n in 0..30 {
        writer.append_at(&snaplog::Event::node(n + NODES), time(n + NODES)).unwrap();
    }
    writer.close().unwrap();
    let last = crawl.path().join("events-000002");
    std::fs::remove_file(&last).unwrap();
    std::fs::create_dir(&last).unwrap();
    for level in ["quick", "checksums", "replay"] {
        let report = crawl.run(&["verify", "--json", "--level", level]).exits(4).json();
        let fault = &report["faults"][0];
        assert_eq!((&fault["file"], &fault["kind"]), (&json!("events-000002"), &json!("io")), "{report}");
        assert_eq!((&report["markers_good"], &report["complete"]), (&json!(6), &json!(true)), "{report}");
    }
}

#[test]
fn stats_as_json_has_the_documented_fields() {
    let crawl = Crawl::new();
    let document = crawl.run(&["stats", "--json"]).exits(0).json();
    assert_eq!(
        keys(&document),
        [
            "bytes",
            "compressed_segments",
            "created",
            "directed",
            "edges",
            "last_drill",
            "last_drill_good",
            "last_good_drill",
            "last_marker",
            "last_prune",
            "last_seq",
            "last_verify",
            "last_verify_sound",
            "log_id",
            "markers",
            "multigraph",
            "nodes",
            "remotes",
            "segments",
        ]
    );
    // Ten nodes and edges stand after the last marker.
    assert_eq!((&document["nodes"], &document["edges"]), (&json!(NODES), &json!(NODES - 1)));
    assert_eq!(document["last_seq"], 2 * NODES);
    assert_eq!(
        document["markers"],
        json!({
            "total": 6, "pinned": 0, "expired": 0, "restorable": 6,
            "by_tier": {"frequent": 3, "moderate": 1, "milestone": 0, "daily": 1},
        })
    );
    let bytes = &document["bytes"];
    assert_eq!(keys(bytes), ["events", "raw", "snapshots", "total", "trash"]);
    let segment = std::fs::metadata(crawl.path().join("events-000001")).unwrap().len();
    assert_eq!(bytes["events"], segment);
    assert!(bytes["total"].as_u64().unwrap() > segment);
    assert_eq!((&bytes["snapshots"], &bytes["trash"]), (&json!(0), &json!(0)));
    for never in ["last_prune", "last_verify", "last_drill"] {
        assert_eq!(document[never], Json::Null);
    }
}

#[test]
fn stats_are_shown_to_people() {
    let shown = Crawl::new().run(&["stats"]).exits(0).out;
    for line in [
        "nodes        110",
        "edges        109",
        "markers      6",
        "  by tier    daily 1, frequent 3, milestone 0, moderate 1",
        "last verify  never",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} in {shown}");
    }
    let shown = Crawl::empty().run(&["stats"]).exits(0).out;
    assert!(shown.contains("last marker  never"), "{shown}");
}

#[test]
fn stats_for_prometheus_are_samples_with_help_and_type() {
    let crawl = Crawl::new();
    let shown = crawl.run(&["stats", "--prometheus"]).exits(0).out;
    let id = crawl.log.id();
    for sample in [
        format!("snaplog_nodes{{log=\"{id}\"}} 110"),
        format!("snaplog_tier_markers{{log=\"{id}\",tier=\"frequent\"}} 3"),
        format!("snaplog_last_marker_timestamp_seconds{{log=\"{id}\"}} 1740830499.000000"),
        format!("snaplog_sound{{log=\"{id}\"}} 1"),
    ] {
        assert!(shown.lines().any(|line| line == sample), "{sample} in {shown}");
    }
    let mut announced = "";
    for line in shown.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(metric) => announced = metric.strip_suffix(" gauge").unwrap(),
            None if line.starts_with("# HELP ") => {}
            None => assert_eq!(line.split('{').next().unwrap(), announced),
        }
    }
}

#[test]
fn a_digest_that_was_kept_tells_whether_it_is_the_same_history() {
    let crawl = Crawl::new();
    let plain = crawl.run(&["list", "--json"]).exits(0).json();
    assert!(plain["markers"][0].get("digest").is_none());
    let document = crawl.run(&["list", "--digest", "--json"]).exits(0).json();
    let digests: Vec<&str> = document["markers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|marker| marker["digest"].as_str().unwrap())
        .collect();
    let known = crawl.log.reader().unwrap().digests().unwrap();
    assert_eq!(digests, known.iter().map(|(_, digest)| digest.to_string()).collect::<Vec<_>>());
    let table = crawl.run(&["list", "--digest", "-n", "1"]).exits(0).out;
    assert!(table.lines().next().unwrap().ends_with("DIGEST") && table.contains(digests[5]), "{table}");

    let verified = crawl.run(&["verify", "--expect", digests[2], "--expect", digests[5]]).exits(0);
    assert!(verified.out.contains(&format!("{}: the digest of m3", digests[2])), "{verified:?}");
    let wrong = digests[5].replace(|c: char| c.is_ascii_digit(), "0");
    let verified = crawl.run(&["verify", "--json", "--expect", &wrong]).exits(4).json();
    assert_eq!(verified["faults"][0]["kind"], "unexpected-history");
    assert_eq!(verified["expected"], json!([{"digest": wrong, "marker": null}]));
    assert_eq!((&verified["history_proven"], &verified["history_folded"]), (&json!(6), &json!(0)));
    assert_eq!(verified["digest"], digests[5]);
    crawl.run(&["verify", "--expect", "12"]).exits(2);
    crawl.run(&["verify", "--level", "checksums", "--expect", digests[5]]).exits(2);
}
