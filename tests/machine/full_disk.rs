//! A small file system in memory that is full: an error that says so, nothing acknowledged lost, and a way on.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;
use snaplog::Log;

use super::kill_upkeep::crawl;
use super::mounts::Mounted;
use super::story::{self, Retold, Said};
use super::support::{Shown, assert_sound, copy_tree, debian, final_sum, skipped, snaplog, succeeds};

/// A file system of a size, in a directory of its own.
struct Small {
    dir: tempfile::TempDir,
    mounted: Mounted,
}

impl Small {
    fn new(test: &str, size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        match Mounted::tmpfs(&dir.path().join("small"), size) {
            Ok(mounted) => Some(Self { dir, mounted }),
            Err(reason) => {
                skipped(test, &reason);
                None
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("small/log")
    }

    fn filler(&self) -> PathBuf {
        self.dir.path().join("small/filler")
    }

    /// Leaves not a byte free.
    fn fill(&self) {
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }
}

/// Runs a command that has no room, and gives what it says of that.
#[track_caller]
fn fails_for_want_of_room(command: &mut Command, log: &Path) -> Json {
    let output = command.arg("--json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let error: Json = serde_json::from_str::<Json>(said.lines().last().unwrap()).unwrap()["error"].clone();
    let causes = error["causes"].to_string();
    assert!(causes.contains("No space left on device"), "{said}");
    let names_a_file = |text: &str| text.contains(&format!("{}/", log.display()));
    assert!(names_a_file(&error["message"].to_string()) || names_a_file(&causes), "{said}");
    let hint = error["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("make room"), "what is to be done? {said}");
    error
}

#[test]
fn a_writer_that_fills_the_disk_loses_nothing_and_goes_on_when_there_is_room() {
    let Some(small) = Small::new("a writer on a full disk", "600k") else { return };
    story::init(&small.log());
    let said_in = small.dir.path().join("said");
    let (mut said, mut retold) = (Said::default(), Retold::new());
    for seed in 0..3 {
        let output = story::begin(&small.log(), &said_in, seed).wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("No space left on device"), "{complaint}");
        said.read(&said_in);
        assert!(said.seq > 0);
        said.assert_kept(&small.log(), &mut retold);
    }
    small.mounted.remount("size=64m").unwrap();
    let (full_at, lines) = (said.seq, said.lines);
    let mut child = story::begin(&small.log(), &said_in, 4);
    while said.lines < lines + 20 {
        assert!(child.try_wait().unwrap().is_none(), "it ended where there was room");
        said.read(&said_in);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said.read(&said_in);
    said.assert_kept(&small.log(), &mut retold);
    assert!(said.seq > full_at);
}

#[test]
fn ingest_on_a_full_disk_says_so_and_goes_on_where_it_was() {
    let Some(small) = Small::new("ingest on a full disk", "400k") else { return };
    let (path, input) = (small.log(), small.dir.path().join("events.ndjson"));
    std::fs::write(&input, debian()).unwrap();
    succeeds(snaplog(&path).arg("init"));
    let mut child = snaplog(&path).arg("ingest").arg(&input).spawn().unwrap();
    let mut shown = Shown::default();
    while child.try_wait().unwrap().is_none() {
        shown.look(&path);
    }
    assert!(shown.seq.0 > 0);
    for _ in 0..2 {
        fails_for_want_of_room(snaplog(&path).arg("ingest").arg(&input), &path);
        shown.assert_in(&assert_sound(&Log::open(&path).unwrap()), |_| false);
    }
    small.mounted.remount("size=64m").unwrap();
    succeeds(snaplog(&path).arg("ingest").arg(&input));
    let elsewhere = small.dir.path().join("elsewhere");
    succeeds(snaplog(&elsewhere).arg("init"));
    succeeds(snaplog(&elsewhere).arg("ingest").arg(&input));
    assert_eq!(final_sum(&path), final_sum(&elsewhere));
    shown.assert_in(&assert_sound(&Log::open(&path).unwrap()), |_| false);
}

#[test]
fn the_trash_makes_room_as_soon_as_a_manifest_fits() {
    for args in [&["compact", "--now", "--no-retention"][..], &["prune", "--yes", "--now"][..]] {
        for is_closed in [true, false] {
            let Some(small) = Small::new("the trash on a full disk", "4m") else { return };
            let template = crawl(small.dir.path());
            copy_tree(&template, &small.log());
            // What is replaced stays in the trash for a day.
            succeeds(snaplog(&small.log()).args(["compact", "--no-retention"]));
            let log = Log::open(small.log()).unwrap();
            if !is_closed {
                die_in_a_session(&small.log());
            }
            let (before, sum) = (Shown::of(&log.reader().unwrap()), final_sum(&small.log()));
            let (trash, total) = (log.usage().unwrap().trash, log.usage().unwrap().total);
            assert!(trash > 256 << 10, "{trash}");
            small.fill();
            if args[0] == "prune" {
                // Not a byte is free: what is to be dropped cannot be noted, so nothing is done, and that is said.
                fails_for_want_of_room(snaplog(&small.log()).args(args), &small.log());
                before.assert_in(&assert_sound(&log), |_| false);
                assert!(log.usage().unwrap().trash >= trash);
            }
            // As much as the message asks for.
            let filler = std::fs::OpenOptions::new().write(true).open(small.filler()).unwrap();
            let room = newest_manifest(&small.log()) + (24 << 10);
            filler.set_len(filler.metadata().unwrap().len() - room).unwrap();
            let output = snaplog(&small.log()).args(args).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{args:?}, closed: {is_closed}, {room} bytes free: {said}");
            assert_eq!(log.usage().unwrap().trash, 0);
            assert!(log.usage().unwrap().total < total - (trash - (64 << 10)));
            before.assert_in(&assert_sound(&log), |_| args[0] == "prune");
            assert_eq!(final_sum(&small.log()), sum);
        }
    }
}

#[test]
fn trash_that_no_manifest_needs_makes_room_where_not_a_byte_is_free() {
    for is_closed in [true, false] {
        let Some(small) = Small::new("the trash on a disk without a free byte", "4m") else { return };
        let template = crawl(small.dir.path());
        copy_tree(&template, &small.log());
        succeeds(snaplog(&small.log()).args(["compact", "--no-retention"]));
        // One manifest more: now it is trash by the one before, too, which a power cut can bring back.
        succeeds(snaplog(&small.log()).args(["pin", "m1"]));
        let log = Log::open(small.log()).unwrap();
        if !is_closed {
            die_in_a_session(&small.log());
        }
        let (before, sum) = (Shown::of(&log.reader().unwrap()), final_sum(&small.log()));
        let trash = log.usage().unwrap().trash;
        assert!(trash > 256 << 10, "{trash}");
        small.fill();
        let output = snaplog(&small.log()).args(["compact", "--now", "--no-retention"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "closed: {is_closed}: {said}");
        assert_eq!(log.usage().unwrap().trash, 0);
        before.assert_in(&assert_sound(&log), |_| false);
        assert_eq!(final_sum(&small.log()), sum);
        // And there is room again for more than that.
        succeeds(snaplog(&small.log()).args(["mark", "--label", "after"]));
    }
}

/// The size of the largest manifest.
fn newest_manifest(log: &Path) -> u64 {
    let entries = std::fs::read_dir(log).unwrap().map(Result::unwrap);
    let manifests = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("manifest-"));
    manifests.map(|entry| entry.metadata().unwrap().len()).max().unwrap()
}

/// A session that was killed after it had written something.
pub(crate) fn die_in_a_session(path: &Path) {
    let mut command = snaplog(path);
    let mut child = command.arg("ingest").stdin(Stdio::piped()).spawn().unwrap();
    let before = Log::open(path).unwrap().reader().unwrap().last_seq();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"{\"op\":\"node\",\"id\":\"the last one\"}\n{\"op\":\"mark\",\"label\":\"dies\"}\n")
        .unwrap();
    while Log::open(path).unwrap().reader().unwrap().last_seq() == before {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn with_nothing_to_remove_upkeep_says_that_there_is_no_room_and_changes_nothing() {
    let Some(small) = Small::new("upkeep on a full disk", "4m") else { return };
    let template = crawl(small.dir.path());
    copy_tree(&template, &small.log());
    let log = Log::open(small.log()).unwrap();
    // What the retention of the ingest's own rolls has replaced is not what this is about.
    log.compact(snaplog::CompactOptions { retention: false, now: true, thorough: false, rekey: false })
        .unwrap();
    let (before, sum) = (Shown::of(&log.reader().unwrap()), final_sum(&small.log()));
    small.fill();
    for args in [&["compact", "--now", "--thorough"][..], &["prune", "--yes", "--now"][..], &["mark"][..]] {
        fails_for_want_of_room(snaplog(&small.log()).args(args), &small.log());
        before.assert_in(&assert_sound(&log), |_| false);
        assert_eq!(final_sum(&small.log()), sum);
    }
    std::fs::remove_file(small.filler()).unwrap();
    succeeds(snaplog(&small.log()).args(["prune", "--yes", "--now"]));
    succeeds(snaplog(&small.log()).args(["compact", "--now", "--thorough"]));
    assert_sound(&log);
    assert_eq!(final_sum(&small.log()), sum);
}
