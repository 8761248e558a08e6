//! What these tests share: a log that grows, and a look at what a store holds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use snaplog::remote::{MemoryBucket, RemoteLog, clone};
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::Level;
use snaplog::{CompactOptions, Event, Log, Marker, Timestamp, Writer};

use crate::common::{self, environment, init, open, verified};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A log in which a few events make a segment.
pub(crate) fn log() -> (SimStorage, Log) {
    let disk = SimStorage::new();
    let log = init(&disk, common::CONFIG);
    (disk, log)
}

/// Some days of a crawl, twenty nodes each; the tiers of the configuration mark it.
pub(crate) fn grow(log: &Log, days: std::ops::Range<i64>) {
    write(log, days).close().unwrap();
}

/// As [`grow`], with the session still open.
pub(crate) fn write(log: &Log, days: std::ops::Range<i64>) -> Writer {
    let writer = log.writer().unwrap();
    let noon = Timestamp::parse_rfc3339(common::NOON).unwrap();
    for day in days {
        for n in 0..20_i64 {
            let id = day * 20 + n;
            let at = Timestamp(noon.0 + (day - 300) * DAY + n * 1_000_000);
            writer.append_at(&Event::node(id).with("text", "x".repeat(50)), at).unwrap();
            if id > 3 {
                writer.append_at(&Event::edge(id, id / 2), at).unwrap();
            }
        }
    }
    writer
}

pub(crate) fn compact(log: &Log) {
    log.compact(CompactOptions { retention: true, now: true, thorough: true, rekey: false }).unwrap();
}

/// The markers of a log.
pub(crate) fn markers(log: &Log) -> Vec<Marker> {
    log.reader().unwrap().markers().to_vec()
}

/// Clones what a store holds onto a new disk.
pub(crate) fn cloned(bucket: &MemoryBucket) -> (SimStorage, Log) {
    let disk = SimStorage::new();
    clone(bucket, &disk, environment().as_ref()).unwrap();
    let log = open(&disk);
    (disk, log)
}

/// The log that a store holds, read from there.
pub(crate) fn remote(bucket: &MemoryBucket) -> Log {
    RemoteLog::open(Arc::new(bucket.clone())).unwrap().log(environment()).unwrap()
}

/// That a store holds these markers, and nothing damaged: read in place, and cloned.
#[track_caller]
pub(crate) fn holds(bucket: &MemoryBucket, expected: &[Marker], story: &str) {
    let there = remote(bucket);
    let reader = there.reader().unwrap();
    assert_eq!(reader.markers(), expected, "{story}");
    for marker in expected.iter().filter(|marker| marker.expired.is_none()) {
        reader.restore(marker).unwrap_or_else(|e| panic!("{story}: {}: {e}", marker.id));
    }
    let report = verified(&there, Level::Replay);
    assert!(report.sound, "{story}: {report:#?}");
    let (_, here) = cloned(bucket);
    let report = verified(&here, Level::Replay);
    assert!(report.sound, "{story}: {report:#?}");
    assert_eq!(markers(&here), expected, "{story}");
}
