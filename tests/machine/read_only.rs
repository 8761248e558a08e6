//! A log that can only be read: everything that reads works, and writes nothing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use snaplog::Log;

use super::kill_upkeep::crawl;
use super::mounts::Mounted;
use super::story::{self, Said};
use super::support::{files, final_sum, skipped, snaplog, succeeds};

/// A log that was compacted and has snapshots, trash and events; and one whose writer was killed.
fn logs(dir: &Path) -> [PathBuf; 2] {
    let closed = crawl(dir);
    succeeds(snaplog(&closed).arg("compact"));
    let (killed, said_in) = (dir.join("killed"), dir.join("said"));
    story::init(&killed);
    let mut child = story::begin(&killed, &said_in, 1);
    let mut said = Said::default();
    while said.lines < 50 {
        said.read(&said_in);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    [closed, killed]
}

/// Runs all that reads.
fn read_everything(log: &Path, beside: &Path) {
    let output = beside.join("restored");
    let restore = ["restore", "--to"];
    for args in [
        &["list", "--json"][..],
        &["stats", "--json"],
        &["verify", "--level", "replay"],
        &["prune", "--dry-run"],
    ] {
        succeeds(snaplog(log).args(args));
    }
    let markers = Log::open(log).unwrap().reader().unwrap().markers().to_vec();
    let (first, middle) = (&markers[0], &markers[markers.len() / 2]);
    for marker in [first.id.to_string(), middle.id.to_string(), "latest".to_owned()] {
        for format in ["ndjson", "node-link"] {
            let _ = std::fs::remove_file(&output);
            succeeds(snaplog(log).args(restore).args([&marker, "--format", format, "-o"]).arg(&output));
            assert!(std::fs::metadata(&output).unwrap().len() > 0);
        }
    }
    let copy = beside.join("copy");
    let _ = std::fs::remove_dir_all(&copy);
    succeeds(snaplog(log).arg("copy").arg(&copy));
    assert_eq!(final_sum(&copy), final_sum(log));
    std::fs::remove_dir_all(&copy).unwrap();
}

/// That what writes is refused, and says on which file.
fn write_nothing(log: &Path) {
    for args in [&["mark"][..], &["compact", "--now"], &["ingest"]] {
        let output = snaplog(log).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(log.to_str().unwrap()), "{args:?}: {said}");
        assert!(said.contains("Read-only file system"), "{args:?}: {said}");
    }
}

#[test]
fn a_log_on_a_read_only_file_system_is_read_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    for log in logs(dir.path()) {
        let before = files(&log);
        let path = dir.path().join("read-only");
        let mounted = match Mounted::read_only(&log, &path) {
            Ok(mounted) => mounted,
            Err(reason) => return skipped("a read-only file system", &reason),
        };
        assert!(std::fs::write(path.join("x"), "").is_err(), "it can be written");
        read_everything(&path, dir.path());
        write_nothing(&path);
        drop(mounted);
        assert_eq!(files(&log), before);
    }
}

#[test]
fn a_log_without_permission_to_write_is_read_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for log in logs(dir.path()) {
        let before = files(&log);
        let permit = |modes: (u32, u32)| {
            for path in before.keys() {
                std::fs::set_permissions(path, Permissions::from_mode(modes.0)).unwrap();
            }
            for entry in std::fs::read_dir(&log).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    std::fs::set_permissions(entry.path(), Permissions::from_mode(modes.1)).unwrap();
                }
            }
            std::fs::set_permissions(&log, Permissions::from_mode(modes.1)).unwrap();
        };
        permit((0o444, 0o555));
        let changed = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
        let times: Vec<_> = before.keys().map(changed).collect();
        read_everything(&log, dir.path());
        // Root may write all the same: that nothing was written is looked at, not trusted. What `verify` notes of its
        // outcome is no part of the log.
        let _ = std::fs::remove_file(log.join("checks.json"));
        assert_eq!(files(&log), before);
        assert_eq!(before.keys().map(changed).collect::<Vec<_>>(), times);
        permit((0o644, 0o755));
    }
}
