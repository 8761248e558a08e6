//! Looks at a log as a user can, and what each look must not do.

use std::collections::BTreeMap;

use snaplog::Error;
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::{Level, Options, verify};

use crate::ledger::Facts;
use crate::play::open;

/// All files but the lock, whose text nothing rests on.
pub(crate) fn files(disk: &SimStorage) -> BTreeMap<String, Vec<u8>> {
    let mut files = disk.dump();
    files.remove("LOCK");
    files
}

/// What the log shows: every marker restored, `verify` of the same opinion, nothing written. `None`: there is no log yet, or
/// the copy of one that was cut short.
pub(crate) fn look(disk: &SimStorage, story: &str) -> Option<Facts> {
    let before = (disk.calls(), disk.dump());
    let log = match open(disk) {
        Ok(log) => log,
        Err(Error::NotALog { .. } | Error::Missing { named_by: "a directory with segments", .. }) => {
            return None;
        }
        Err(error) => panic!("{story}: {error:?}"),
    };
    let reader = log.reader().unwrap_or_else(|error| panic!("{story}: {error:?}"));
    assert!(reader.damage().is_none(), "{story}: {:?}", reader.damage());
    let last = reader.last_seq();
    let restored = reader.restore_seq(last).unwrap_or_else(|error| panic!("{story}: {error:?}"));
    for marker in reader.markers() {
        let graph =
            reader.restore(marker).unwrap_or_else(|error| panic!("{story}: {}: {error:?}", marker.id));
        assert_eq!(graph.fingerprint(), marker.fingerprint, "{story}: {}", marker.id);
    }
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound && report.complete, "{story}: {report:#?}");
    assert_eq!(report.good.len(), reader.markers().len(), "{story}: {report:#?}");
    let facts =
        Facts { last: last.0, print: restored.graph.fingerprint(), markers: reader.markers().to_vec() };
    assert!((disk.calls(), disk.dump()) == before, "{story}: a look has changed something");
    Some(facts)
}

/// Recovery is idempotent: one that dies right after it leaves the next one nothing to do, and a session in which nothing
/// is handed in changes no file of a log that was closed.
pub(crate) fn recover_twice(disk: &SimStorage, story: &str) {
    let mut disk = disk.fork();
    for kill in [true, false] {
        let mut before = None;
        for time in 0..2 {
            let writer = open(&disk).and_then(|log| log.writer());
            let writer = writer.unwrap_or_else(|error| panic!("{story}: {error:?}"));
            if kill {
                // The dropped writer finds a dead disk; what was visible goes on as it was.
                let next = disk.fork();
                disk.crash_all_lost();
                drop(writer);
                disk = next;
            } else {
                writer.close().unwrap_or_else(|error| panic!("{story}: {error:?}"));
            }
            let after = files(&disk);
            assert!(
                before.is_none_or(|before| before == after),
                "{story}: recovery {time} changed something"
            );
            before = Some(after);
        }
    }
}
