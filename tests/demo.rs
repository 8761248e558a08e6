//! `snaplog demo`, by the binary.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use snaplog::{Graph, Id, IdRef, Log, Selector, Value};

struct Bench {
    dir: tempfile::TempDir,
    tree: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        Self { dir, tree }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, log: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_snaplog"));
        command.arg("-d").arg(self.log(log)).arg("demo").arg(&self.tree).args(words);
        command.env_remove("SNAPLOG_DIR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn demo(&self, log: &str, words: &[&str]) -> Output {
        self.command(log, words).output().unwrap()
    }

    /// The graph at the end, by the label that the demo gives it.
    fn graph(&self, log: &str) -> Graph {
        let reader = Log::open(self.log(log)).unwrap().reader().unwrap();
        let choice = reader.select(&Selector::Label("complete".into()), None).unwrap();
        reader.restore(choice.marker).unwrap()
    }

    /// A tree of so many directories with so many files in each.
    fn fill(&self, directories: u32, files: u32) {
        for dir in 0..directories {
            let path = self.tree.join(format!("{}/{}/{dir}", dir % 3, dir % 7));
            fs::create_dir_all(&path).unwrap();
            for file in 0..files {
                fs::write(path.join(file.to_string()), "x".repeat(file.try_into().unwrap())).unwrap();
            }
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn name(id: IdRef<'_>) -> String {
    match id {
        IdRef::Str(name) => name.to_owned(),
        IdRef::Int(n) => panic!("{n}"),
    }
}

/// The edges, with their kind.
fn edges(graph: &Graph) -> BTreeMap<(String, String), String> {
    let kind = |value| match value {
        Some(Value::Str(kind)) => kind,
        other => panic!("{other:?}"),
    };
    graph.edges().map(|e| ((name(e.src()), name(e.dst())), kind(e.attrs().get("kind")))).collect()
}

fn attr(graph: &mut Graph, id: &str, name: &str) -> Option<Value> {
    graph.node(&Id::from(id)).unwrap_or_else(|| panic!("no node {id:?}")).attrs().get(name)
}

#[test]
fn odd_trees_come_out_as_they_are() {
    let bench = Bench::new();
    let at = |path: &str| bench.tree.join(path);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/first"), "12345").unwrap();
    fs::hard_link(at("a/first"), at("a/b/second")).unwrap();
    fs::hard_link(at("a/first"), at("a/third")).unwrap();
    fs::write(bench.tree.join(OsStr::from_bytes(b"not\xffutf8")), "").unwrap();
    fs::write(at(r"back\slash"), "").unwrap();
    fs::write(at("line\nend \u{1b}[31m"), "").unwrap();
    symlink(".", at("a/loop")).unwrap();
    symlink("..", at("a/up")).unwrap();
    symlink("self", at("self")).unwrap();
    symlink("a/first", at("to-file")).unwrap();
    symlink("to-file", at("to-link")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("/etc", at("out")).unwrap();
    fs::set_permissions(at("a/first"), fs::Permissions::from_mode(0o4640)).unwrap();
    let output = bench.demo("log", &[]);
    assert!(output.status.success(), "{}", stderr(&output));

    let mut graph = bench.graph("log");
    let edges = edges(&graph);
    let root = fs::canonicalize(&bench.tree).unwrap();
    let missing = root.join("nowhere").to_str().unwrap().to_owned();
    for (src, dst, kind) in [
        (".", "a", "contains"),
        ("a", "a/b", "contains"),
        (".", r"not\xffutf8", "contains"),
        (".", r"back\\slash", "contains"),
        (".", "line\nend \u{1b}[31m", "contains"),
        ("a/third", "a/first", "same_file"),
        ("a/b/second", "a/first", "same_file"),
        ("a/loop", "a", "links_to"),
        ("a/up", ".", "links_to"),
        ("self", "self", "links_to"),
        ("to-file", "a/first", "links_to"),
        ("to-link", "to-file", "links_to"),
        ("dangling", &missing, "links_to"),
        ("out", "/etc", "links_to"),
    ] {
        assert_eq!(edges.get(&(src.into(), dst.into())).map(String::as_str), Some(kind), "{src} -> {dst}");
    }
    assert_eq!(graph.counts().nodes, 17 + 1);
    assert_eq!(edges.len(), 15 + 2 + 7);
    for (id, name, value) in [
        ("a/first", "kind", Value::from("file")),
        ("a/first", "size", 5.into()),
        ("a/first", "mode", "4640".into()),
        ("a/first", "nlink", 3.into()),
        ("a/b", "kind", "dir".into()),
        ("to-link", "kind", "symlink".into()),
        ("to-link", "target", "to-file".into()),
        ("/etc", "kind", "outside".into()),
        (&missing, "kind", "missing".into()),
    ] {
        assert_eq!(attr(&mut graph, id, name), Some(value), "{id} {name}");
    }
    assert!(matches!(attr(&mut graph, "a", "mtime"), Some(Value::Str(time)) if time.ends_with('Z')));
    assert_eq!(attr(&mut graph, "a", "nlink"), None);
    // No directory waits any more.
    assert!(graph.items().all(|item| item.key() != "frontier"));
}

#[test]
fn it_shows_markers_verifies_and_restores() {
    let bench = Bench::new();
    bench.fill(60, 10);
    let output = bench.demo("log", &[]);
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("milestone"), "{told}");
    for says in ["verified", "restored the newest milestone", "node_link_graph", "next:", "log-restored.json"]
    {
        assert!(told.contains(says), "{says}: {told}");
    }
    let restored = fs::read(bench.log("log-restored.json")).unwrap();
    let restored: Json = serde_json::from_slice(&restored).unwrap();
    assert!(restored["nodes"].as_array().unwrap().len() >= 500);
    // Once more: there is nothing to do, and nothing is added.
    let before = Log::open(bench.log("log")).unwrap().reader().unwrap().markers().to_vec();
    let output = bench.demo("log", &["--json"]);
    assert!(stderr(&output).contains("is complete"), "{}", stderr(&output));
    let document: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["markers"], document["markers_good"]);
    assert_eq!(Log::open(bench.log("log")).unwrap().reader().unwrap().markers(), before);
}

#[test]
fn a_small_tree_restores_its_newest_marker() {
    let bench = Bench::new();
    bench.fill(2, 2);
    let output = bench.demo("log", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("no milestone yet"), "{}", stderr(&output));
}

#[test]
fn the_log_in_the_tree_is_left_out() {
    let bench = Bench::new();
    bench.fill(2, 2);
    let output = Command::new(env!("CARGO_BIN_EXE_snaplog"))
        .arg("demo")
        .current_dir(&bench.tree)
        .env_remove("SNAPLOG_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(bench.tree.join("snaplog-demo-restored.json").exists());
    let graph = bench.graph("tree/snaplog-demo");
    assert!(graph.nodes().all(|node| !name(node.id()).contains("snaplog")));
}

#[test]
fn another_tree_needs_another_log() {
    let bench = Bench::new();
    bench.fill(1, 1);
    assert!(bench.demo("log", &[]).status.success());
    let output = Command::new(env!("CARGO_BIN_EXE_snaplog"))
        .arg("-d")
        .arg(bench.log("log"))
        .args(["demo", "/proc/self/fdinfo"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the log holds a crawl of"), "{}", stderr(&output));
    assert!(stderr(&output).contains("-d OTHER demo"), "{}", stderr(&output));
    // Nor does it touch what it did not make.
    let kind = snaplog::GraphKind { directed: true, multigraph: false };
    let writer = Log::init(bench.log("mine"), kind).unwrap().writer().unwrap();
    writer.append(&snaplog::Event::node("a")).unwrap();
    writer.close().unwrap();
    assert_eq!(bench.demo("mine", &[]).status.code(), Some(1));
    assert_eq!(bench.demo("tree/0", &[]).status.code(), Some(1));
}

#[test]
fn a_large_directory_is_read_in_parts() {
    let bench = Bench::new();
    for file in 0..6000 {
        fs::write(bench.tree.join(format!("{file:0>200}")), "").unwrap();
    }
    let output = bench.demo("log", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bench.graph("log").counts().nodes, 6001);
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_graph() {
    let bench = Bench::new();
    bench.fill(400, 12);
    symlink("0", bench.tree.join("link")).unwrap();
    fs::hard_link(bench.tree.join("0/0/0/5"), bench.tree.join("2/hard")).unwrap();
    assert!(bench.demo("whole", &[]).status.success());
    let expected = bench.graph("whole");
    let (mut rounds, mut resumed) = (0_u64, 0);
    loop {
        let mut child = bench.command("killed", &[]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + rounds * 31 % 80));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        resumed += u32::from(stderr(&output).contains("resuming"));
        rounds += 1;
        let is_complete = is_complete(&bench.log("killed"));
        if rounds >= 12 || is_complete {
            break;
        }
    }
    let output = bench.demo("killed", &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let graph = bench.graph("killed");
    assert_eq!(graph.counts(), expected.counts());
    assert_eq!(graph.fingerprint(), expected.fingerprint());
    println!("{resumed} of {rounds} rounds resumed");
}

fn is_complete(log: &Path) -> bool {
    let Ok(log) = Log::open(log) else { return false };
    log.reader().unwrap().markers().iter().any(|marker| marker.label.is_some())
}

#[test]
fn an_interrupt_leaves_the_rest_for_later() {
    let bench = Bench::new();
    bench.fill(1000, 5);
    let child = bench.command("log", &[]).spawn().unwrap();
    for _ in 0..500 {
        let begun = Log::open(bench.log("log")).is_ok_and(|log| log.reader().unwrap().last_seq().0 > 10);
        if begun {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    let output = bench.demo("log", &[]);
    assert!(stderr(&output).contains("resuming the crawl"), "{}", stderr(&output));
    assert!(output.status.success());
    assert_eq!(bench.graph("log").nodes().count(), 1 + 3 + 21 + 1000 * 6);
}

#[test]
fn the_document_is_as_docs_json_md_describes_it() {
    let described = include_str!("../docs/json.md").split_once("## `demo`\n").unwrap().1;
    let described = described.split("\n## ").next().unwrap();
    let mut described: Vec<&str> = described
        .lines()
        .filter_map(|row| row.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field)
        .collect();
    described.sort_unstable();
    let bench = Bench::new();
    bench.fill(1, 1);
    let document: Json = serde_json::from_slice(&bench.demo("log", &["--json"]).stdout).unwrap();
    let mut found: Vec<&String> = document.as_object().unwrap().keys().collect();
    found.sort_unstable();
    assert_eq!(found, described);
}
