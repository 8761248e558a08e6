//! `snaplog ingest`, by the binary.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{GraphKind, Log, Marker, Seq};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/debian-2000.ndjson.zst");
const KIND: GraphKind = GraphKind { directed: true, multigraph: false };

struct Bench {
    dir: tempfile::TempDir,
    log: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        Log::init(&log, KIND).unwrap();
        Self { dir, log }
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snaplog"));
        command.arg("-d").arg(&self.log).arg("ingest").args(words).env_remove("SNAPLOG_DIR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn ingest(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The document of an ingest that must succeed.
    fn report(&self, words: &[&str]) -> Json {
        let output = self.ingest(&[&["--json"], words].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn piped(&self, words: &[&str], text: impl AsRef<[u8]>) -> Output {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_ref()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn end(&self) -> End {
        end(&self.log)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a log comes to: fingerprint and counts at its end, and where its markers stand.
type End = (Seq, String, Vec<(Seq, Vec<String>, u64)>);

fn end(log: &Path) -> End {
    let log = Log::open(log).unwrap();
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound, "{report:#?}");
    let reader = log.reader().unwrap();
    let restored = reader.restore_seq(reader.last_seq()).unwrap();
    let place = |marker: &Marker| (marker.seq, marker.tiers.clone(), marker.counts.nodes);
    let markers = reader.markers().iter().map(place).collect();
    (reader.last_seq(), format!("{:?}", restored.graph.fingerprint()), markers)
}

fn nodes(ids: std::ops::Range<u32>) -> String {
    ids.fold(String::new(), |text, id| text + &format!("{{\"op\":\"node\",\"id\":\"n{id}\"}}\n"))
}

#[test]
fn sending_a_file_again_adds_nothing_deletes_included() {
    let bench = Bench::new();
    let lines = nodes(0..40) + "{\"op\":\"del_node\",\"id\":\"n3\"}\n" + &nodes(3..4);
    let file = bench.file("a.ndjson", lines);
    let first = bench.report(&[text(&file)]);
    assert_eq!((&first["events_read"], &first["events_written"]), (&42.into(), &42.into()));
    assert_eq!((&first["nodes"], &first["durable_seq"]), (&40.into(), &42.into()));
    let before = bench.end();
    let again = bench.report(&[text(&file)]);
    assert_eq!((&again["events_read"], &again["lines_already_read"]), (&0.into(), &42.into()));
    assert_eq!(again["last_seq"], 42);
    assert_eq!(bench.end(), before);
    // By another name of the same file, too.
    let link = bench.dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(bench.report(&[text(&link)])["events_read"], 0);
    assert_eq!(bench.report(&["--again", text(&link)])["events_read"], 42);
}

#[test]
fn a_file_that_grew_goes_on_and_one_that_changed_starts_again() {
    let bench = Bench::new();
    let file = bench.file("a.ndjson", nodes(0..5));
    bench.report(&[text(&file)]);
    bench.file("a.ndjson", nodes(0..8));
    let output = bench.ingest(&[text(&file)]);
    assert!(stderr(&output).contains("already read 5 lines: going on at line 6"), "{}", stderr(&output));
    assert_eq!(bench.end().0, Seq(8));
    bench.file("a.ndjson", nodes(4..10));
    let output = bench.ingest(&[text(&file)]);
    assert!(stderr(&output).contains("not what was read under that name before"), "{}", stderr(&output));
    assert!(stderr(&output).contains("read 6 events"), "{}", stderr(&output));
    assert_eq!(bench.end().0, Seq(10));
}

#[test]
fn a_bad_line_is_named_and_everything_before_it_is_durable() {
    let bench = Bench::new();
    let file = bench.file("a.ndjson", nodes(0..7) + "{\"op\":\"node\",\"id\":1.5}\n" + &nodes(8..9));
    let output = bench.ingest(&[text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("a.ndjson: line 8, column 19: expected"), "{told}");
    assert!(told.contains("--skip-bad"), "{told}");
    assert_eq!(bench.end().0, Seq(7));
    let output = bench.ingest(&["--json", text(&file)]);
    let error: Json = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
    assert_eq!((&error["error"]["line"], &error["exit"]), (&8.into(), &1.into()));
    assert_eq!(error["error"]["kind"], "bad-line");
    assert_eq!(error["error"]["path"], text(&file));
    let output = bench.ingest(&["--skip-bad", "--json", text(&file)]);
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["events_skipped"], &report["events_written"]), (&1.into(), &1.into()));
    assert!(stderr(&output).contains("skipped line 8, column 19"), "{}", stderr(&output));
}

#[test]
fn many_bad_lines_are_told_ten_times() {
    let bench = Bench::new();
    let output = bench.piped(&["--skip-bad"], "?\n".repeat(50) + &nodes(0..1));
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("skipped line").count(), 10, "{told}");
    assert!(told.contains("50 skipped"), "{told}");
}

#[test]
fn standard_input_is_remembered_by_its_name() {
    let bench = Bench::new();
    let wide = "x".repeat(2 << 20);
    // More than is kept in memory.
    let long = format!("{}{{\"op\":\"node\",\"id\":\"w\",\"attrs\":{{\"x\":\"{wide}\"}}}}\n", nodes(0..3));
    for (words, lines, says) in [
        (&[][..], nodes(0..3), "read 3 events"),
        (&["-"], long.clone(), "already read 3 lines: going on at line 4"),
        (&["-"], long.clone(), "read 0 events"),
        (&["-"], long.replace("n2", "n9"), "read 4 events"),
        (&["--source", "s"], nodes(0..5), "read 5 events"),
        (&["--source", "s"], nodes(0..6), "going on at line 6"),
    ] {
        let output = bench.piped(words, lines);
        assert!(output.status.success() && stderr(&output).contains(says), "{says}: {}", stderr(&output));
    }
}

#[test]
fn a_command_line_that_means_nothing_is_refused() {
    let bench = Bench::new();
    let file = bench.file("a.ndjson", nodes(0..1));
    let file = text(&file);
    for (words, code) in [
        (&["--source", "s", file, file][..], 2),
        (&["--format", "node-link", "--skip-bad", file], 2),
        (&["--format", "pickle", file], 2),
        (&[file, "no such file"], 1),
        (&["/"], 1),
    ] {
        assert_eq!(bench.ingest(words).status.code(), Some(code), "{words:?}");
    }
    // Nothing was read of what came before.
    assert_eq!(bench.end().0, Seq(0));
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_snaplog"))
        .args(["-d", "/no/such/log", "ingest", file])
        .output()
        .unwrap();
    assert_eq!(elsewhere.status.code(), Some(3));
    assert!(stderr(&elsewhere).contains("snaplog init"), "{}", stderr(&elsewhere));
    let _held = Log::open(&bench.log).unwrap().writer().unwrap();
    assert_eq!(bench.ingest(&[file]).status.code(), Some(5));
}

#[test]
fn node_link_documents_merge_and_fit_their_log() {
    let bench = Bench::new();
    let document = r#"{"directed": true, "multigraph": false, "graph": {},
        "nodes": [{"id": "a", "x": [1, null]}, {"id": 2}], "links": [{"source": "a", "target": 2}]}"#;
    let file = bench.file("g.json", document);
    let report = bench.report(&["--format", "node-link", text(&file)]);
    assert_eq!(
        (&report["events_written"], &report["nodes"], &report["edges"]),
        (&3.into(), &2.into(), &1.into())
    );
    let report = bench.report(&["--format", "node-link", text(&file)]);
    assert_eq!((&report["events_read"], &report["lines_already_read"]), (&0.into(), &1.into()));
    let output = bench.ingest(&["--format", "node-link", text(&file)]);
    assert!(stderr(&output).contains("already read: nothing to do"), "{}", stderr(&output));
    let output = bench.ingest(&["--again", text(&file)]);
    assert!(stderr(&output).contains("--format node-link"), "{}", stderr(&output));
    let file = bench.file("u.json", document.replace("true", "false"));
    let output = bench.ingest(&["--format", "node-link", text(&file)]);
    let told = stderr(&output);
    assert!(told.contains("an undirected graph, the log a directed graph"), "{told}");
    assert!(told.contains("init DIR --undirected"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn earlier_times_are_told_once() {
    let bench = Bench::new();
    let line =
        |id: u32, day: u32| format!("{{\"op\":\"node\",\"id\":{id},\"ts\":\"2026-01-0{day}T00:00:00Z\"}}\n");
    let output = bench.piped(&[], line(1, 3) + &line(2, 1) + &line(3, 2));
    assert_eq!(stderr(&output).matches("warning: 2 events were earlier").count(), 1, "{}", stderr(&output));
}

#[test]
fn an_interrupt_ends_it_in_good_order() {
    let bench = Bench::new();
    let mut child = bench.command(&[]).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // The last line is only half there.
    pipe.write_all((nodes(0..100) + "{\"op\":").as_bytes()).unwrap();
    wait_until(|| Log::open(&bench.log).unwrap().reader().unwrap().last_seq() == Seq(100));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    drop(pipe);
    assert_eq!(bench.end().0, Seq(100));
    let output = bench.piped(&[], nodes(0..120));
    assert!(stderr(&output).contains("going on at line 101"), "{}", stderr(&output));
}

#[expect(clippy::panic, reason = "a test that waits in vain has failed")]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not come to that");
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_end() {
    let whole = Bench::new();
    assert_eq!(whole.report(&[DATA])["events_written"], 13_817);
    let expected = whole.end();
    assert!(expected.2.len() > 100);
    let mut unfinished = 0;
    for log in 0..3_u64 {
        let bench = Bench::new();
        for round in 0..4_u64 {
            let mut child: Child = bench.command(&[DATA]).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(5 + (log * 4 + round) * 37 % 60));
            child.kill().unwrap();
            child.wait().unwrap();
            // What is there is good, and a prefix of the whole.
            let (seq, _, markers) = bench.end();
            assert!(seq <= expected.0 && expected.2.starts_with(&markers), "{markers:?}");
            unfinished += u32::from(seq < expected.0);
        }
        let report = bench.report(&[DATA]);
        assert_eq!((&report["last_seq"], &report["nodes"]), (&13_817.into(), &3058.into()));
        assert_eq!(bench.end(), expected);
    }
    println!("{unfinished} of 12 kills came before the end");
}

#[test]
fn the_document_is_as_docs_json_md_describes_it() {
    let described = include_str!("../docs/json.md").split_once("## `ingest`\n").unwrap().1;
    let described = described.split("\n## ").next().unwrap();
    let mut described: Vec<&str> = described
        .lines()
        .filter_map(|row| row.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field)
        .collect();
    described.sort_unstable();
    let bench = Bench::new();
    let document = bench.report(&[DATA]);
    let mut found: Vec<&String> = document.as_object().unwrap().keys().collect();
    found.sort_unstable();
    assert_eq!(found, described);
}
