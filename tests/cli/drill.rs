//! `drill`, and what `stats` says of checks.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value as Json, json};
use snaplog::format::current::Current;
use snaplog::format::manifest::Manifest;
use snaplog::format::names;
use snaplog::{CompactOptions, MarkOptions, MarkerId};

use super::support::Crawl;

/// Each metric of a text in Prometheus' format, with what stands behind its labels; every line is looked at.
fn metrics(text: &str, log: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(help) = lines.next() {
        let name = help.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap().0;
        assert_eq!(lines.next().unwrap(), format!("# TYPE {name} gauge"));
        let value = lines.next().unwrap().strip_prefix(&format!("{name}{{log=\"{log}\"}} ")).unwrap();
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
    }
    found
}

/// Puts another manifest in the place of the one in force, with checksums that fit.
fn forge(crawl: &Crawl, change: impl Fn(&mut Manifest)) {
    let path = crawl.path();
    let name = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = name.filter(|name| name.starts_with("manifest-")).max().unwrap();
    let (prefix, mut manifest) = Manifest::decode(&fs::read(path.join(&name)).unwrap(), None).unwrap();
    change(&mut manifest);
    let bytes = manifest.encode(prefix.log_id, None).unwrap();
    let current = Current::naming(manifest.generation, &bytes).encode(prefix.log_id, None).unwrap();
    fs::write(path.join(name), bytes).unwrap();
    fs::write(path.join(names::CURRENT), current).unwrap();
}

fn markers(report: &Json) -> Vec<&str> {
    report["restores"].as_array().unwrap().iter().map(|one| one["marker"].as_str().unwrap()).collect()
}

#[test]
fn a_good_log_passes_and_the_outcome_is_on_record() {
    let crawl = Crawl::new();
    let stats = crawl.run(&["stats", "--json"]).exits(0).json();
    assert_eq!((&stats["last_drill"], &stats["last_drill_good"]), (&Json::Null, &Json::Null));
    let report = crawl.run(&["drill", "--json", "--markers", "all"]).exits(0).json();
    assert_eq!(markers(&report), ["m6", "m5", "m4", "m3", "m2", "m1"]);
    assert_eq!((&report["good"], &report["complete"]), (&json!(true), &json!(true)));
    assert!(report["peak_memory"].as_u64().unwrap() > 1 << 20);
    let m6 = &crawl.run(&["list", "--json"]).exits(0).json()["markers"][5];
    let entities = m6["nodes"].as_u64().unwrap() + m6["edges"].as_u64().unwrap() + 1;
    assert_eq!(report["restores"][0]["entities"], entities, "nodes, edges and one item of state");
    let stats = crawl.run(&["stats", "--json"]).exits(0).json();
    assert_eq!((&stats["last_drill"], &stats["last_good_drill"]), (&report["time"], &report["time"]));
    assert_eq!(stats["last_drill_good"], true);
    assert!(crawl.run(&["stats"]).exits(0).out.contains(", good, just now"));
    // What is on record is no part of the log.
    let verified = crawl.run(&["verify", "--json"]).exits(0).json();
    assert_eq!(verified["notes"], json!([]));
    let stats = crawl.run(&["stats", "--json"]).exits(0).json();
    assert_eq!((&stats["last_verify_sound"], &stats["last_drill_good"]), (&json!(true), &json!(true)));
}

#[test]
fn markers_are_chosen_as_asked() {
    let crawl = Crawl::new();
    let drill = |which: &str| crawl.run(&["drill", "--json", "--markers", which]).exits(0).json();
    assert_eq!(markers(&drill("tier:frequent")), ["m5", "m4", "m2"]);
    assert_eq!(markers(&drill("tier:milestone")), [""; 0], "a tier without a marker yet");
    assert_eq!(markers(&drill("random:1")), ["m6"]);
    assert_eq!(markers(&drill("random:100")).len(), 6);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let report = drill("random:3");
        let drawn = markers(&report);
        assert_eq!((drawn.len(), drawn[0]), (3, "m6"));
        seen.extend(drawn.into_iter().map(str::to_owned));
    }
    assert!(seen.len() > 3, "the same ones each time: {seen:?}");
    crawl.run(&["drill", "--markers", "tier:none"]).exits(3);
    for bad in ["", "m3", "random:0", "random"] {
        crawl.run(&["drill", "--markers", bad]).exits(2);
    }
    let report = crawl.run(&["drill", "--json", "--max-duration", "0s"]).exits(0).json();
    assert_eq!((&report["complete"], &report["markers_checked"]), (&json!(false), &json!(0)));
    let empty = Crawl::empty();
    assert!(empty.run(&["drill"]).exits(0).err.contains("no marker"));
}

#[test]
fn damage_fails_the_markers_that_it_touches_and_no_others() {
    let crawl = Crawl::new();
    let path = crawl.path().join("events-000001");
    let prometheus = crawl.beside("drill.prom");
    let args = ["drill", "--json", "--markers", "all", "--prometheus", prometheus.to_str().unwrap()];
    let first = crawl.run(&args).exits(0).json();
    let id = crawl.log.id().to_string();
    let good = metrics(&fs::read_to_string(&prometheus).unwrap(), &id);
    assert_eq!((&*good["snaplog_drill_success"], &*good["snaplog_drill_markers_checked"]), ("1", "6"));
    for (name, value) in &good {
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{name}: {value}");
    }

    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = crawl.run(&args).exits(4).json();
    let failed: Vec<&Json> =
        report["restores"].as_array().unwrap().iter().filter(|one| !one["fault"].is_null()).collect();
    assert!(!failed.is_empty() && failed.len() < 6, "{report}");
    for one in failed {
        assert_eq!(one["fault"]["file"], "events-000001");
        assert!(one["fault"]["offset"].as_u64().is_some(), "{one}");
    }
    let bad = metrics(&fs::read_to_string(&prometheus).unwrap(), &id);
    assert_eq!(bad["snaplog_drill_success"], "0");
    assert_eq!(bad["snaplog_drill_markers_failed"], report["markers_failed"].to_string());
    let last = "snaplog_drill_last_success_timestamp_seconds";
    assert_eq!(bad[last], good[last], "the last good one stays");
    let stats = crawl.run(&["stats", "--json"]).json();
    assert_eq!((&stats["last_drill_good"], &stats["last_good_drill"]), (&json!(false), &first["time"]));
    assert!(crawl.run(&["stats"]).out.contains("FAILED"));
}

#[test]
fn a_marker_that_lies_about_its_graph_is_found_out() {
    type Lie = fn(&mut Manifest);
    let lies: [(&str, Lie); 3] = [
        ("sums", |manifest| manifest.markers[1].fingerprint.content.0 ^= 1),
        ("counts", |manifest| manifest.markers[1].counts.edges += 1),
        ("ordinals", |manifest| manifest.markers[1].ordinals.node.0 += 1),
    ];
    for (what, lie) in lies {
        let crawl = Crawl::new();
        forge(&crawl, lie);
        let report = crawl.run(&["drill", "--json", "--markers", "all"]).exits(4).json();
        let faults: Vec<&str> = report["restores"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| !one["fault"].is_null())
            .map(|one| one["marker"].as_str().unwrap())
            .collect();
        assert_eq!(faults, ["m2"], "{what}: {report}");
    }
}

#[test]
fn dropped_markers_are_left_out_and_compacted_ones_restored() {
    let crawl = Crawl::new();
    crawl.log.expire(&[MarkerId(2)]).unwrap();
    let config = format!("{}\n", include_str!("../../src/policy/snaplog.toml"))
        .replace("keep_events = \"1 day\"", "keep_events = \"none\"");
    fs::write(crawl.path().join("snaplog.toml"), config).unwrap();
    crawl.log.compact(CompactOptions { retention: false, now: true, thorough: true, rekey: false }).unwrap();
    let report = crawl.run(&["drill", "--json", "--markers", "all"]).exits(0).json();
    assert_eq!(markers(&report), ["m6", "m5", "m4", "m3", "m1"]);
}

#[test]
fn a_log_that_cannot_be_written_is_drilled_all_the_same() {
    let crawl = Crawl::new();
    // A directory has the name: the record cannot be put there, whoever runs the test.
    fs::create_dir(crawl.path().join("checks.json")).unwrap();
    crawl.run(&["drill"]).exits(0);
    crawl.run(&["verify"]).exits(0);
    assert_eq!(crawl.run(&["stats", "--json"]).exits(0).json()["last_drill"], Json::Null);
}

#[test]
fn a_collector_drills_by_itself_when_it_is_time() {
    let crawl = Crawl::new();
    let path = crawl.path().join("snaplog.toml");
    fs::write(&path, "[drill]\nevery = \"1 hour\"\nmarkers = \"all\"\n").unwrap();
    let record = crawl.path().join("checks.json");
    let writer = crawl.log.writer().unwrap();
    writer.mark(&MarkOptions::labelled("now")).unwrap();
    // It may have come to it by itself already; after it none is due for an hour.
    let _ = writer.drill_if_due().unwrap();
    let first = fs::read_to_string(&record).unwrap();
    assert!(!writer.drill_if_due().unwrap());
    assert_eq!(fs::read_to_string(&record).unwrap(), first);
    assert_eq!(writer.status().unwrap().maintenance_failure, None);
    writer.close().unwrap();
    assert_eq!(crawl.run(&["stats", "--json"]).exits(0).json()["last_drill_good"], true);

    // Damage behind what the session reads, with the record gone: the next one finds it.
    fs::remove_file(&record).unwrap();
    let writer = crawl.log.writer().unwrap();
    forge(&crawl, |manifest| manifest.markers[1].fingerprint.content.0 ^= 1);
    let _ = writer.drill_if_due().unwrap();
    let failure = writer.status().unwrap().maintenance_failure.unwrap();
    assert!(failure.contains("could not restore m2"), "{failure}");
}

#[test]
fn metrics_replace_neither_the_log_nor_a_device() {
    let crawl = Crawl::new();
    let log = crawl.path();
    let listed = || {
        let files = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let before: BTreeMap<_, _> = listed();
    for name in ["CURRENT", "events-000001", "new.prom"] {
        let path = log.join(name);
        let error = crawl.run(&["--json", "drill", "--prometheus", path.to_str().unwrap()]).exits(1).error();
        assert_eq!(error["kind"], "inside-log", "{name}");
    }
    assert_eq!(before, listed());
    let dir = crawl.beside("collector");
    fs::create_dir(&dir).unwrap();
    let error = crawl.run(&["--json", "drill", "--prometheus", dir.to_str().unwrap()]).exits(1).error();
    assert_eq!(error["kind"], "wrong-kind");
    assert_eq!(before, listed(), "it was looked at before the drill began");

    let pipe = crawl.beside("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        crawl.run(&["drill", "--prometheus", pipe.to_str().unwrap()]).exits(0);
        // Had it been replaced, nobody would ever write to the one that is read.
        assert!(!fs::metadata(&pipe).unwrap().is_file(), "the pipe was replaced");
        let id = crawl.log.id().to_string();
        assert_eq!(metrics(&reader.join().unwrap(), &id)["snaplog_drill_success"], "1");
    }
}

#[test]
fn what_a_drill_found_is_told_though_its_metrics_cannot_be_written() {
    let crawl = Crawl::new();
    let bad = crawl.beside("no-such-directory").join("drill.prom");
    let args = ["drill", "--json", "--markers", "all", "--prometheus", bad.to_str().unwrap()];
    let told = crawl.run(&args).exits(1);
    assert_eq!(told.error()["kind"], "io");
    assert_eq!(told.json()["good"], true);
    crawl.damage(0);
    let told = crawl.run(&args).exits(4);
    assert_eq!((&told.json()["good"], &told.error()["kind"]), (&json!(false), &json!("io")));
}
