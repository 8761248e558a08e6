//! walrus: topics of entries in preallocated files.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus, disable_fd_backend};
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

const TOPIC: &str = "log";

struct Walruses;

/// In mapped files: the other backend syncs each event of a batch by itself. The reader's place in the topic is written
/// down now and then only: no other reader is to go on there.
fn open(schedule: FsyncSchedule) -> Outcome<Walrus> {
    disable_fd_backend();
    let consistency = ReadConsistency::AtLeastOnce { persist_every: 1_000_000 };
    Ok(Walrus::with_consistency_and_schedule(consistency, schedule)?)
}

impl Peer for Walruses {
    fn subject(&self) -> String {
        versioned("walrus-rust")
    }

    fn note(&self) -> &'static str {
        "in mapped files of 1 GB; FNV-1a of each event; 64 bytes before each; there is no call to sync, so for \"sync \
         at the end\" the bench syncs its files"
    }

    fn environment(&self, dir: &Path) -> Vec<(&'static str, String)> {
        vec![("WALRUS_DATA_DIR", dir.display().to_string()), ("WALRUS_QUIET", "1".to_owned())]
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let at_end = sync == Sync::AtEnd;
        let log = open(if at_end { FsyncSchedule::NoFsync } else { FsyncSchedule::SyncEach })?;
        let payloads: Vec<&[u8]> = load.payloads.iter().map(Vec::as_slice).collect();
        let (time, ()) = timed(|| {
            for group in sync.groups(&payloads) {
                match sync {
                    Sync::Every(_) => log.batch_append_for_topic(TOPIC, group)?,
                    Sync::AtEnd | Sync::Each => {
                        for payload in group {
                            log.append_for_topic(TOPIC, payload)?;
                        }
                    }
                }
            }
            if at_end {
                for entry in fs::read_dir(dir)? {
                    File::open(entry?.path())?.sync_data()?;
                }
            }
            Ok(())
        })?;
        Ok(time)
    }

    fn read(&self, _dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let log = open(FsyncSchedule::NoFsync)?;
        let mut check = load.check();
        loop {
            let entries = log.batch_read_for_topic(TOPIC, 1 << 20, true)?;
            if entries.is_empty() {
                return check.done();
            }
            for entry in entries {
                check.next(&entry.data)?;
            }
        }
    }
}

fn main() -> ExitCode {
    workload::main(&[&Walruses])
}
