//! Every system call of a command failed by the kernel, or its process killed in it, one run each: the command says so and
//! names the file, nothing that was there is lost, and the same command without the fault then does what it should.
//!
//! A run in CI takes a part of the calls, another one each time; `SNAPLOG_EXHAUSTIVE=1` takes all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use snaplog::{Fingerprint, Log};

use super::kill_upkeep::crawl_of;
use super::strace::{Fate, Fault, Faulted, Strace};
use super::support::{
    Dice, Shown, assert_sound, copy_tree, count, debian, exhaustive, skipped, snaplog, succeeds,
};

/// Faults of a call that changes something: once, for good, and no way back.
const FATES: [Fate; 5] = [
    Fate::Fails("ENOSPC"),
    Fate::Fails("EIO"),
    Fate::FailsFromThenOn("ENOSPC"),
    Fate::FailsFromThenOn("EIO"),
    Fate::Killed,
];
/// Calls after a failure of which nothing may be called done.
const MUST_NOT_FAIL: [&str; 8] =
    ["write", "writev", "pwrite64", "fdatasync", "fsync", "rename", "renameat", "renameat2"];

/// A command and the log that it is tried on.
struct Trial {
    dir: tempfile::TempDir,
    /// The log as it is before.
    template: PathBuf,
    /// The copy that each run works on: always the same path, so that strace knows the names of the files.
    log: PathBuf,
    args: Vec<String>,
    /// The file of the log that the faults are to hit; all of them if there is none.
    only: Option<&'static str>,
    before: Shown,
    /// As a run without a fault leaves it.
    after: Shown,
    /// The graph at each event, as a log that nothing happened to has it.
    sums: BTreeMap<u64, Fingerprint>,
}

impl Trial {
    fn new(make: impl FnOnce(&Path) -> PathBuf, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let template = make(dir.path());
        let log = dir.path().join("tried");
        let before = Shown::of(&Log::open(&template).unwrap().reader().unwrap());
        let args = args.iter().map(|arg| arg.replace("DIR", dir.path().to_str().unwrap())).collect();
        Self { dir, template, log, args, only: None, before, after: Shown::default(), sums: BTreeMap::new() }
    }

    fn command(&self) -> Command {
        let mut command = snaplog(&self.log);
        command.arg("--json").args(&self.args);
        command
    }

    fn start_anew(&self) {
        let _ = std::fs::remove_dir_all(&self.log);
        copy_tree(&self.template, &self.log);
    }

    /// Tries the command with faults.
    fn run(mut self) {
        self.start_anew();
        let trace = self.dir.path().join("trace");
        let strace = match Strace::look(&self.log, self.only, &trace, &self.command()) {
            Ok(strace) => strace,
            Err(reason) => return skipped(&format!("faults of system calls in {:?}", self.args[0]), &reason),
        };
        let whole = Log::open(&self.log).unwrap();
        let reader = assert_sound(&whole);
        self.after = Shown::of(&reader);
        for seq in self.before.seq.0..=self.after.seq.0 {
            let restored = reader.restore_seq(snaplog::Seq(seq)).unwrap();
            self.sums.insert(seq, restored.graph.fingerprint());
        }
        let all: usize = strace.calls.iter().map(|(call, count)| faults(call, *count).len()).sum();
        let (mut tried, mut hit, mut failed) = (0, 0, 0);
        for fault in chosen(&strace.calls, exhaustive() || self.only.is_some()) {
            self.start_anew();
            let faulted = strace.inject(&fault, &self.command());
            tried += 1;
            hit += usize::from(!faulted.hit.is_empty());
            failed += usize::from(!faulted.output.status.success());
            self.check(&strace, &fault, &faulted);
        }
        println!(
            "{:?}: {tried} of {all} faults tried, {hit} came to pass, {failed} runs failed; calls: {:?}",
            self.args, strace.calls
        );
        assert!(hit * 10 > tried * 9, "most faults missed: {hit} of {tried}");
    }

    fn check(&self, strace: &Strace, fault: &Fault, Faulted { output, hit }: &Faulted) {
        let said = String::from_utf8_lossy(&output.stderr);
        let story = format!("{:?} with {fault:?}, which hit {hit:#?}: {said}", self.args);
        let done = output.status.success();
        if !done && fault.fate != Fate::Killed {
            self.assert_told(&said, output.status.code(), &story);
        }
        assert!(!hit.is_empty() || done, "it failed by itself: {story}");
        // That the lock's file says who holds it is for people. A manifest for which there was no room is tried again
        // when the spare one has made some.
        let is_repaired = |line: &String| {
            let no_room = line.contains("ENOSPC") && strace.is_about(line, "manifest-");
            strace.is_about(line, "LOCK") || no_room
        };
        if MUST_NOT_FAIL.contains(&fault.call.as_str()) && hit.iter().any(|line| !is_repaired(line)) {
            assert!(!done, "called done: {story}");
        }
        self.assert_kept(done, &story);
        // Whatever it was: it is over now.
        let output = self.command().output().unwrap();
        let again = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "run again, it fails: {again}; before: {story}");
        self.assert_kept(true, &story);
    }

    /// That an error names a file of the log and what the system said of it.
    fn assert_told(&self, said: &str, status: Option<i32>, story: &str) {
        let document = said.lines().last().and_then(|line| serde_json::from_str::<Json>(line).ok());
        let error = document.unwrap_or_else(|| panic!("no error is told: {story}"))["error"].clone();
        // Damage that was only met because a file could not be read would be called damage for ever.
        assert!(matches!(status, Some(1 | 3)), "{story}");
        let text = format!("{}{}{}", error["message"], error["path"], error["causes"]);
        assert!(text.contains(self.log.to_str().unwrap()), "it names no file: {story}");
        assert!(
            text.contains("os error") || text.contains("not a snaplog log"),
            "it gives no reason: {story}"
        );
    }

    /// That the log has what it had, and if the command is done also what it did.
    fn assert_kept(&self, done: bool, story: &str) {
        let log = Log::open(&self.log).unwrap_or_else(|error| panic!("{error}: {story}"));
        let reader = assert_sound(&log);
        let last = reader.last_seq();
        assert!(last >= self.before.seq && last <= self.after.seq, "{last}: {story}");
        let restored = reader.restore_seq(last).unwrap();
        assert_eq!(restored.graph.fingerprint(), self.sums[&last.0], "{story}");
        self.before.assert_in(&reader, |id| !self.after.markers.contains_key(&id));
        if done {
            assert_eq!(last, self.after.seq, "{story}");
            self.after.assert_in(&reader, |_| false);
            assert_eq!(reader.markers().len(), self.after.markers.len(), "{story}");
        }
    }
}

/// A call with each fate. To read is not to change: that fails in one way only.
fn faults(call: &str, count: usize) -> Vec<Fault> {
    let reads = ["read", "pread64", "lseek", "getdents64", "statx", "fstat", "newfstatat", "flock"];
    let fates = if reads.contains(&call) { &FATES[1..2] } else { &FATES[..] };
    let fault = |number, fate: &Fate| Fault { call: call.to_owned(), number, fate: *fate };
    (1..=count).flat_map(|number| fates.iter().map(move |fate| fault(number, fate))).collect()
}

/// The faults to try: all of them, or some of each call, most of those that write, others each time.
fn chosen(calls: &BTreeMap<String, usize>, all_of_them: bool) -> Vec<Fault> {
    let mut dice = Dice::new();
    let wanted = usize::try_from(count("SNAPLOG_FAULTS", 3)).unwrap();
    let mut chosen = Vec::new();
    for (call, count) in calls {
        let all = faults(call, *count);
        let each = if MUST_NOT_FAIL.contains(&call.as_str()) { 3 * wanted } else { wanted };
        let stride = if all_of_them { 1 } else { all.len().div_ceil(each) };
        let first = usize::try_from(dice.below(stride.try_into().unwrap())).unwrap();
        chosen.extend(all.into_iter().skip(first).step_by(stride));
    }
    chosen
}

/// A small log with a clean end, and more events to come.
fn begun(dir: &Path) -> PathBuf {
    let (path, text) = (dir.join("begun"), debian());
    let some =
        |from: usize, count: usize| -> String { text.split_inclusive('\n').skip(from).take(count).collect() };
    std::fs::write(dir.join("first.ndjson"), some(0, 300)).unwrap();
    std::fs::write(dir.join("more.ndjson"), some(300, 500)).unwrap();
    succeeds(snaplog(&path).arg("init"));
    succeeds(snaplog(&path).args(["ingest", "--no-compact"]).arg(dir.join("first.ndjson")));
    path
}

/// A small log whose writer was killed, so that there is something to recover.
fn killed(dir: &Path) -> PathBuf {
    let path = begun(dir);
    let before = Log::open(&path).unwrap().reader().unwrap().last_seq();
    super::full_disk::die_in_a_session(&path);
    assert!(Log::open(&path).unwrap().reader().unwrap().last_seq() > before);
    path
}

/// Three segments.
fn small_crawl(dir: &Path) -> PathBuf {
    crawl_of(dir, 3500)
}

#[test]
fn faults_in_ingest() {
    Trial::new(begun, &["ingest", "--no-compact", "DIR/more.ndjson"]).run();
}

#[test]
fn faults_in_ingest_after_a_crash() {
    Trial::new(killed, &["ingest", "--no-compact", "DIR/more.ndjson"]).run();
}

#[test]
fn faults_in_compact() {
    Trial::new(small_crawl, &["compact", "--no-retention", "--thorough", "--now"]).run();
}

#[test]
fn faults_in_prune() {
    Trial::new(small_crawl, &["prune", "--yes", "--now"]).run();
}

/// What is not kept by settings that could not be read must not be dropped by the defaults.
#[test]
fn faults_at_the_settings_in_prune() {
    let mut trial = Trial::new(small_crawl, &["prune", "--yes", "--now"]);
    trial.only = Some("snaplog.toml");
    trial.run();
}
