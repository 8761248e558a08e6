//! A log to try commands on, and a way to run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;
use snaplog::{Event, GraphKind, Log, MarkOptions, Timestamp};
use tempfile::TempDir;

/// Nodes in the log of [`Crawl::new`].
pub(crate) const NODES: i64 = 110;

/// A log in a directory of its own.
pub(crate) struct Crawl {
    dir: TempDir,
    pub(crate) log: Log,
}

/// The time of the n-th node of a crawl.
pub(crate) fn time(n: i64) -> Timestamp {
    Timestamp::parse_rfc3339("2025-03-01T12:00:00Z").unwrap().plus_micros(n * 1_000_000)
}

impl Crawl {
    /// A chain of 110 nodes, one a second. Markers: m1 daily (1 node), m2 frequent (25), m3 labelled `first` (30), m4
    /// and m5 frequent (50, 75), m6 moderate (100).
    pub(crate) fn new() -> Self {
        let crawl = Self::empty();
        let writer = crawl.log.writer().unwrap();
        for n in 0..NODES {
            let name = format!("sound {n}");
            writer.append_at(&Event::node(n).with("name", name.as_str()), time(n)).unwrap();
            if n > 0 {
                writer.append_at(&Event::edge(n - 1, n).with("weight", 0.5), time(n)).unwrap();
            }
            if n == 29 {
                let page = Event::PutState { key: "page".into(), value: 7.into() };
                writer.append_at(&page, time(n)).unwrap();
                writer.mark_at(&MarkOptions::labelled("first"), time(n)).unwrap();
            }
        }
        writer.close().unwrap();
        crawl
    }

    /// A log without an event.
    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().unwrap();
        let log = Log::init(dir.path().join("log"), GraphKind { directed: true, multigraph: false }).unwrap();
        Self { dir, log }
    }

    /// The log's directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// A path beside the log.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The names beside the log, sorted.
    pub(crate) fn names_beside(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs a command on the log.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let path = self.path();
        let mut all = vec!["-d", path.to_str().unwrap()];
        all.extend(args);
        run_in(self.dir.path(), &all, &[])
    }

    /// Turns a byte of the first segment around.
    pub(crate) fn damage(&self, offset_from_middle: usize) {
        let path = self.path().join("events-000001");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() / 2 + offset_from_middle;
        bytes[at] ^= 0xff;
        std::fs::write(path, bytes).unwrap();
    }
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// That it ended with this exit status.
    #[track_caller]
    pub(crate) fn exits(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        self
    }

    /// Standard output as one document.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The error document on standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Json {
        let document: Json = serde_json::from_str(&self.err).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        assert_eq!(document["exit"], self.exit, "{self:?}");
        document["error"].clone()
    }
}

/// Runs a command where no log is.
pub(crate) fn run(args: &[&str]) -> Run {
    run_in(Path::new("/"), args, &[])
}

/// Runs a command in a directory with environment variables.
pub(crate) fn run_in(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Run {
    let output =
        command(args).current_dir(dir).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap();
    Run {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The binary, with nothing of this process' environment that it looks at.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snaplog"));
    command.args(args);
    for variable in ["SNAPLOG_DIR", "SNAPLOG_IDENTITY", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

/// The keys of an object, sorted.
#[track_caller]
pub(crate) fn keys(object: &Json) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
