//! `prune`, `undelete` and `compact`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};
use snaplog::{Event, Timestamp};

use super::support::{Crawl, NODES, command, time};

/// Of the markers of [`Crawl::new`] it drops m2 and m4: m1 and m6 are of tiers that it does not have.
const ONE: &str = "[tiers.frequent]\nevery_nodes = 25\nkeep = 1\n[retention]\nkeep_newest = 1\n";

fn pruned_by(config: &str) -> Crawl {
    let crawl = Crawl::new();
    std::fs::write(crawl.path().join("snaplog.toml"), config).unwrap();
    crawl
}

/// All files of the log.
fn files(crawl: &Crawl) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(crawl.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    files
}

fn kept(document: &Json) -> Vec<&str> {
    let markers = document["markers"].as_array().unwrap().iter();
    markers.filter(|marker| marker["keep"] == true).map(|marker| marker["id"].as_str().unwrap()).collect()
}

fn reasons<'a>(document: &'a Json, id: &str) -> &'a Json {
    let markers = document["markers"].as_array().unwrap();
    &markers.iter().find(|marker| marker["id"] == id).unwrap()["reasons"]
}

fn ids(crawl: &Crawl) -> Vec<String> {
    crawl.log.reader().unwrap().markers().iter().map(|marker| marker.id.to_string()).collect()
}

#[test]
fn a_dry_run_shows_each_marker_with_its_reasons_and_changes_no_byte() {
    let crawl = pruned_by(ONE);
    let before = files(&crawl);
    let document = crawl.run(&["prune", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(kept(&document), ["m1", "m3", "m5", "m6"]);
    assert_eq!(reasons(&document, "m1"), &json!(["tier daily is not configured"]));
    assert_eq!(reasons(&document, "m2"), &json!(["frequent keeps 1, this is number 3"]));
    assert_eq!(reasons(&document, "m3"), &json!(["placed by hand"]));
    assert_eq!(reasons(&document, "m5"), &json!(["frequent 1 of 1"]));
    assert_eq!(reasons(&document, "m6"), &json!(["newest 1 of 1", "tier moderate is not configured"]));
    assert_eq!((&document["done"], &document["dropped"]), (&json!(false), &json!([])));
    assert_eq!(document["bytes_freed"], 0, "events are kept for a day whatever is dropped");
    assert_eq!(document["thinning"].as_array().unwrap().len(), 1);
    Timestamp::parse_rfc3339(document["undelete_until"].as_str().unwrap()).unwrap();
    let shown = crawl.run(&["prune", "--dry-run", "--now"]).exits(0);
    for words in [
        "drop     frequent keeps 1, this is number 2",
        "keep     tier daily is not configured",
        "4 markers kept, 2 dropped: m2, m4",
        "restore points",
        "frees about 0 B at most",
        "cannot be had back",
    ] {
        assert!(shown.out.contains(words), "{words:?} in {shown:?}");
    }
    assert_eq!(files(&crawl), before);
}

#[test]
fn without_a_terminal_it_takes_yes_and_nothing_is_done() {
    let crawl = pruned_by(ONE);
    let before = files(&crawl);
    let told = crawl.run(&["prune"]).exits(2);
    assert!(told.out.contains("2 dropped") && told.err.contains("--yes"), "{told:?}");
    let told = crawl.run(&["prune", "--json"]).exits(2);
    assert_eq!((told.error()["kind"].as_str(), told.out.as_str()), (Some("usage"), ""));
    assert_eq!(files(&crawl), before);
}

#[test]
fn what_is_dropped_is_hidden_and_can_be_had_back() {
    let crawl = pruned_by(ONE);
    let told = crawl.run(&["prune", "--yes"]).exits(0);
    assert!(told.err.contains("dropped m2, m4") && told.err.contains("`snaplog undelete m2 m4`"), "{told:?}");
    let shown = crawl.run(&["list"]).exits(0);
    assert_eq!(shown.out.lines().count(), 5, "{shown:?}");
    assert!(shown.err.contains("2 dropped markers are not shown"), "{shown:?}");
    let shown = crawl.run(&["list", "--deleted"]).exits(0);
    let line = shown.out.lines().find(|line| line.starts_with("m4 ")).unwrap();
    assert!(line.contains("dropped (gone on 20"), "{line}");
    let listed = crawl.run(&["list", "--json"]).json();
    assert_eq!(listed["markers"].as_array().unwrap().len(), 6);
    assert!(listed["markers"][1]["expired"].is_string() && listed["markers"][1]["restorable"] == true);
    let stats = crawl.run(&["stats", "--json"]).json();
    assert_eq!((&stats["markers"]["total"], &stats["markers"]["expired"]), (&json!(4), &json!(2)));
    assert_eq!(stats["markers"]["by_tier"]["frequent"], 1);
    assert!(stats["last_prune"].is_string());
    let metrics = crawl.run(&["stats", "--prometheus"]).exits(0).out;
    assert!(metrics.contains("snaplog_markers_dropped") && metrics.contains("snaplog_last_prune_timestamp"));
    // Again: nothing is left to drop.
    let told = crawl.run(&["prune"]).exits(0);
    assert!(told.out.contains("nothing to drop") && told.out.contains("dropped before: m2, m4"), "{told:?}");

    assert_eq!(crawl.run(&["undelete", "m4", "--json"]).exits(0).json(), json!({"undeleted": ["m4"]}));
    let told = crawl.run(&["undelete", "m4", "first"]).exits(0);
    assert!(told.err.contains("m4 is not dropped") && told.err.contains("m3 is not dropped"), "{told:?}");
    let told = crawl.run(&["undelete", "m2", "m99"]).exits(3);
    assert!(told.err.contains("there is no marker m99") && told.err.contains("had back: m2"), "{told:?}");
    assert_eq!(crawl.run(&["undelete", "--all", "--json"]).exits(0).json(), json!({"undeleted": ["m2"]}));
    assert!(crawl.run(&["undelete", "--all"]).exits(0).err.contains("no marker is dropped"));
    assert_eq!(crawl.run(&["list"]).exits(0).out.lines().count(), 7);
    crawl.run(&["undelete", "latest"]).exits(2);
    crawl.run(&["verify"]).exits(0);
}

#[test]
fn with_now_what_is_dropped_is_gone_and_the_rest_restores() {
    let crawl = pruned_by(&format!("{ONE}keep_events = \"none\"\n"));
    crawl.run(&["prune", "--yes"]).exits(0);
    crawl.run(&["pin", "m1"]).exits(0);
    let document = crawl.run(&["prune", "--yes", "--now", "--json"]).exits(0).json();
    assert_eq!((&document["done"], &document["dropped"]), (&json!(true), &json!([])));
    assert_eq!(document["reclaimed"], json!(["m2", "m4"]));
    assert_eq!(document["undelete_until"], Json::Null);
    assert!(document["bytes_freed"].as_u64().unwrap() > 0, "{document}");
    assert_eq!(ids(&crawl), ["m1", "m3", "m5", "m6"]);
    let error = crawl.run(&["undelete", "m2", "--json"]).exits(3).error();
    assert_eq!(error["kind"], "no-such-marker");
    let verified = crawl.run(&["verify"]).exits(0);
    assert_eq!(verified.err, "", "every file is named by the manifest");

    // Events are folded: a marker restores, an event between two does not.
    let plan = crawl.run(&["restore", "--to", "m3", "--dry-run", "--json"]).exits(0).json();
    assert!(plan["segments"][0]["file"].as_str().unwrap().starts_with("snapshot-"), "{plan}");
    let shown = crawl.run(&["restore", "--to", "m3", "--dry-run"]).exits(0).out;
    assert!(shown.contains("net changes of events 1 to "), "{shown}");
    assert_eq!(crawl.run(&["restore", "--to", "seq:5", "--json"]).exits(3).error()["kind"], "folded");
    let listed = crawl.run(&["list", "--json"]).json();
    for marker in listed["markers"].as_array().unwrap() {
        assert_eq!((&marker["compressed"], &marker["restorable"]), (&json!(true), &json!(true)), "{marker}");
        assert!(marker["bytes"].as_u64().unwrap() > 0);
    }
    assert!(crawl.run(&["stats"]).exits(0).out.contains("before compression, ratio "));
}

#[test]
fn a_second_prune_now_says_that_there_is_nothing() {
    let crawl = pruned_by(ONE);
    let told = crawl.run(&["prune", "--yes", "--now"]).exits(0);
    assert!(told.err.contains("gone for good: m2, m4") && told.err.contains("freed "), "{told:?}");
    let told = crawl.run(&["prune", "--now"]).exits(0);
    assert!(told.out.contains("nothing to drop") && told.err.is_empty(), "{told:?}");
}

#[test]
fn pinned_markers_are_kept_and_flat_counts_all() {
    let crawl = pruned_by("[retention]\ntiered = false\nkeep = 2\nkeep_newest = 1\n");
    crawl.run(&["pin", "m2"]).exits(0);
    let document = crawl.run(&["prune", "--yes", "--json"]).exits(0).json();
    assert_eq!(document["dropped"], json!(["m1", "m4"]));
    assert_eq!(reasons(&document, "m2"), &json!(["pinned"]));
    assert_eq!(reasons(&document, "m4"), &json!(["flat keeps 2, this is number 3"]));
}

#[test]
fn a_configuration_that_cannot_be_used_drops_nothing() {
    let crawl = pruned_by("[retention]\nkeep_newst = 1\n");
    let before = files(&crawl);
    for args in [&["prune", "--yes", "--json"], &["prune", "--dry-run", "--json"]] {
        assert_eq!(crawl.run(args).exits(1).error()["kind"], "config");
    }
    assert_eq!(files(&crawl), before);
}

#[test]
fn a_log_that_is_damaged_is_not_pruned() {
    let crawl = pruned_by(ONE);
    std::fs::remove_file(crawl.path().join("events-000001")).unwrap();
    let before = files(&crawl);
    crawl.run(&["prune", "--yes"]).exits(4);
    assert_eq!(files(&crawl), before);
}

#[test]
fn a_live_writer_prunes_undeletes_and_compacts_for_others() {
    let crawl = pruned_by(ONE);
    let writer = crawl.log.writer().unwrap();
    writer.append_at(&Event::node("while the crawler runs"), time(NODES)).unwrap();
    let document = crawl.run(&["prune", "--yes", "--json"]).exits(0).json();
    assert_eq!(document["dropped"], json!(["m2", "m4"]));
    assert_eq!(crawl.run(&["undelete", "m4", "--json"]).exits(0).json(), json!({"undeleted": ["m4"]}));
    let document = crawl.run(&["compact", "--no-retention", "--now", "--json"]).exits(0).json();
    assert_eq!(document["reclaimed"], json!(["m2"]));
    writer.append(&Event::node("it goes on")).unwrap();
    writer.close().unwrap();
    crawl.run(&["verify"]).exits(0);
}

#[test]
fn a_crawler_in_another_process_prunes_for_others() {
    let crawl = pruned_by(ONE);
    let path = crawl.path();
    let mut child = command(&["-d", path.to_str().unwrap(), "ingest", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"op\":\"node\",\"id\":\"live\"}\n{\"op\":\"mark\",\"label\":\"live\"}\n").unwrap();
    input.flush().unwrap();
    while !ids(&crawl).contains(&"m7".to_owned()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let document = crawl.run(&["prune", "--yes", "--json"]).exits(0).json();
    assert_eq!(document["dropped"], json!(["m2", "m4"]));
    crawl.run(&["undelete", "--all"]).exits(0);
    crawl.run(&["compact"]).exits(0);
    input.write_all(b"{\"op\":\"node\",\"id\":\"later\"}\n").unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    crawl.run(&["verify"]).exits(0);
}

#[test]
fn compact_applies_retention_and_gives_what_it_drops_its_grace() {
    let crawl = pruned_by(&format!("{ONE}keep_events = \"none\"\n"));
    let plain = crawl.run(&["compact", "--no-retention", "--json"]).exits(0).json();
    assert_eq!((&plain["dropped"], &plain["undelete_until"]), (&json!([]), &Json::Null));
    assert!(plain["steps"].as_u64().unwrap() > 0 && plain["bytes_written"].as_u64().unwrap() > 0, "{plain}");
    let now = crawl.run(&["compact", "--now", "--json"]).exits(0).json();
    assert_eq!((&now["dropped"], &now["reclaimed"]), (&json!(["m2", "m4"]), &json!([])));
    assert!(now["bytes_removed"].as_u64().unwrap() > 0 && now["undelete_until"].is_string(), "{now}");
    assert!(now["bytes_after"].as_u64() < now["bytes_before"].as_u64(), "{now}");
    assert_eq!(crawl.run(&["undelete", "m4", "--json"]).exits(0).json(), json!({"undeleted": ["m4"]}));
    let told = crawl.run(&["compact", "--no-retention", "--now", "--thorough"]).exits(0);
    assert!(told.err.contains("gone for good: m2") && told.err.contains("the log takes "), "{told:?}");
    let told = crawl.run(&["compact", "--no-retention"]).exits(0);
    assert!(told.err.contains("nothing to do"), "{told:?}");
    crawl.run(&["verify"]).exits(0);
}

/// Runs `prune` on a terminal, as far as `script` is there to make one: what it shows, if it asks and `answer` is given
/// after `meanwhile`.
fn on_a_terminal(crawl: &Crawl, answer: &str, meanwhile: impl FnOnce()) -> Option<(bool, String)> {
    let line = format!("'{}' -d '{}' prune", env!("CARGO_BIN_EXE_snaplog"), crawl.path().display());
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().ok()?;
    let mut shown = Vec::new();
    let mut from = child.stdout.take().unwrap();
    let mut byte = [0];
    while !shown.ends_with(b"[y/N]") && from.read(&mut byte).unwrap() > 0 {
        shown.push(byte[0]);
    }
    meanwhile();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    from.read_to_end(&mut shown).unwrap();
    Some((child.wait().unwrap().success(), String::from_utf8(shown).unwrap()))
}

#[test]
fn on_a_terminal_it_asks_and_a_pin_that_comes_meanwhile_wins() {
    let crawl = pruned_by(ONE);
    let Some((done, shown)) = on_a_terminal(&crawl, "n\n", || {}) else { return };
    assert!(!done && shown.contains("Drop 2 markers?") && shown.contains("nothing was done"), "{shown}");
    assert!(crawl.log.reader().unwrap().markers().iter().all(|marker| marker.expired.is_none()));
    let pin = || drop(crawl.run(&["pin", "m4"]).exits(0));
    let (done, shown) = on_a_terminal(&crawl, "y\n", pin).unwrap();
    assert!(done && shown.contains("dropped m2\r\n") && shown.contains("not dropped: m4"), "{shown}");
}
