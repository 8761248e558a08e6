//! raft-engine: the log of many raft groups; here of one, with raft's own entries.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use raft_engine::{Config, Engine, LogBatch, MessageExt};
use raft_proto::eraftpb::Entry;
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

/// How many go in at once, and come out.
const BATCH: usize = 1_000;
const GROUP: u64 = 1;

struct RaftEngine;

#[derive(Clone)]
struct Indexed;

impl MessageExt for Indexed {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

fn open(dir: &Path) -> Outcome<Engine> {
    let dir = dir.to_str().ok_or("the directory's name is not UTF-8")?.to_owned();
    Ok(Engine::open(Config { dir, ..Config::default() })?)
}

fn entries(load: &Load) -> Vec<Entry> {
    let entry = |(index, payload): (u64, &Vec<u8>)| {
        let mut entry = Entry { index, ..Entry::default() };
        entry.data = payload.clone().into();
        entry
    };
    (1..).zip(&load.payloads).map(entry).collect()
}

impl Peer for RaftEngine {
    fn subject(&self) -> String {
        versioned("raft-engine")
    }

    fn note(&self) -> &'static str {
        "an index of all events in memory; protobuf around each; batches over 8 KiB are compressed with LZ4; goes in \
         by batches of at most 1,000, the last of which is written with sync = true, as sync() alone does nothing"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let engine = open(dir)?;
        let entries = entries(load);
        let (time, ()) = timed(|| {
            for group in sync.groups(&entries) {
                let mut left = group.len();
                for some in group.chunks(BATCH) {
                    left -= some.len();
                    let mut batch = LogBatch::with_capacity(1);
                    batch.add_entries::<Indexed>(GROUP, some)?;
                    engine.write(&mut batch, left == 0)?;
                }
            }
            Ok(())
        })?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let engine = open(dir)?;
        let (mut check, mut entries) = (load.check(), Vec::new());
        let end = engine.last_index(GROUP).ok_or("no entries")? + 1;
        for first in (1..end).step_by(BATCH) {
            let last = end.min(first + BATCH as u64);
            engine.fetch_entries_to::<Indexed>(GROUP, first, last, None, &mut entries)?;
            for entry in entries.drain(..) {
                check.next(&entry.data)?;
            }
        }
        check.done()
    }
}

fn main() -> ExitCode {
    workload::main(&[&RaftEngine])
}
