//! What these tests share: an encrypted log, and what is done with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use snaplog::storage::{SimStorage, Storage};
use snaplog::upkeep::verify::{Level, Options, Report, verify};
use snaplog::{
    CompactOptions, Event, Fingerprint, FixedEnvironment, GraphKind, Log, MarkOptions, Marker, Timestamp,
};

use crate::identity::{identities, recipients, unlocked};

pub(crate) const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1_000_000;
pub(crate) const NOON: Timestamp = Timestamp(1_772_452_800_000_000);
/// Day 0 of the crawls.
const BEGIN: i64 = NOON.0 - 8 * DAY;
/// What must be nowhere to be seen. Long and odd enough to be there by no accident, short enough to stay whole.
pub(crate) const CANARY: &str = "canary";
pub(crate) const CONFIG: &str = "durability = { events = 7, interval = \"1s\" }\n\
    [tiers.few]\nevery_nodes = 5\nkeep = 3\n[segment]\nsize = \"64 KiB\"\n\
    [retention]\nkeep_events = \"5d\"\ngrace = \"90d\"\n[compression]\nage = \"1d\"\n";

/// Dice that never repeat, however often a log is opened.
pub(crate) fn environment() -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(NOON))
}

pub(crate) fn init(storage: Arc<dyn Storage>, environment: &Arc<FixedEnvironment>) -> Log {
    Log::init_encrypted_in(storage, environment.clone(), KIND, CONFIG, recipients()).unwrap()
}

pub(crate) fn shut(disk: &SimStorage) -> Log {
    Log::open_in(Arc::new(disk.clone()), environment()).unwrap()
}

pub(crate) fn open(disk: &SimStorage) -> Log {
    shut(disk).unlock(&identities()).unwrap()
}

pub(crate) fn reopened(storage: Arc<dyn Storage>, environment: &Arc<FixedEnvironment>) -> Log {
    unlocked(Log::open_in(storage, environment.clone()).unwrap()).unwrap()
}

/// A day of a crawl; every id, attribute, value, key, label and source has the canary in it.
pub(crate) fn crawl(log: &Log, day: i64) {
    let writer = log.writer().unwrap();
    for n in 0..8_i64 {
        let at = Timestamp(BEGIN + day * DAY + n * 1_000_000);
        let id = |n: i64| format!("{CANARY}-node-{n}");
        let event = Event::node(id(day * 8 + n)).with(format!("{CANARY}-attr"), format!("{CANARY}-value"));
        writer.append_at(&event, at).unwrap();
        let event = Event::edge(id(day * 8 + n), id(n)).with(format!("{CANARY}-weight"), n);
        writer.append_at(&event, at).unwrap();
    }
    let key = format!("{CANARY}-frontier");
    let entry = format!("{CANARY}-entry-{day}");
    let event = Event::PutEntry { key, entry: entry.as_str().into(), value: CANARY.into() };
    writer.append_at(&event, Timestamp(BEGIN + day * DAY + 9_000_000)).unwrap();
    writer.mark(&MarkOptions::labelled(format!("{CANARY} label {day}"))).unwrap();
    writer.close().unwrap();
}

pub(crate) fn compact(log: &Log) {
    log.compact(CompactOptions { retention: true, now: false, thorough: true, rekey: false }).unwrap();
}

/// A log with all kinds of files: some days, folded and compressed, and an open segment that a kill has left.
pub(crate) fn sample() -> (SimStorage, Vec<(Marker, Fingerprint)>) {
    let disk = SimStorage::new();
    let environment = environment();
    let log = init(Arc::new(disk.clone()), &environment);
    for day in -12..-8 {
        crawl(&log, day);
    }
    compact(&log);
    for day in -2..0 {
        crawl(&log, day);
    }
    environment.advance_micros(DAY);
    compact(&log);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(format!("{CANARY}-last"))).unwrap();
    writer.mark(&MarkOptions::labelled("before the kill")).unwrap();
    writer.append(&Event::node(format!("{CANARY}-after"))).unwrap();
    writer.commit().unwrap();
    let next = disk.fork();
    disk.crash_all_lost();
    drop(writer);
    let reader = open(&next).reader().unwrap();
    let markers =
        reader.markers().iter().map(|m| (m.clone(), reader.restore(m).unwrap().fingerprint())).collect();
    (next, markers)
}

pub(crate) fn verified(log: &Log, level: Level) -> Report {
    verify(log, Options { level, max_duration: None }).unwrap()
}

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn loaded(files: &Files) -> SimStorage {
    let disk = SimStorage::new();
    disk.load(files.clone()).unwrap();
    disk
}
