//! fjall: a log-structured merge tree with a journal.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

/// How many go in at once: a batch is held in memory whole.
const BATCH: usize = 1_000;

struct Fjall;

fn open(dir: &Path) -> Outcome<(Database, Keyspace)> {
    let db = Database::builder(dir.join("db")).open()?;
    let log = db.keyspace("log", KeyspaceCreateOptions::default)?;
    Ok((db, log))
}

impl Peer for Fjall {
    fn subject(&self) -> String {
        versioned("fjall")
    }

    fn note(&self) -> &'static str {
        "each event can be found by its number at once; everything is written twice, to the journal and by other \
         threads to tables, compressed with LZ4; goes in by atomic batches of at most 1,000"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let (db, log) = open(dir)?;
        let mut keys = (0_u64..).map(u64::to_be_bytes);
        let (time, ()) = timed(|| {
            for group in sync.groups(&load.payloads) {
                for some in group.chunks(BATCH) {
                    let mut batch = db.batch();
                    for (payload, key) in some.iter().zip(keys.by_ref()) {
                        batch.insert(&log, key, payload.as_slice());
                    }
                    batch.commit()?;
                }
                db.persist(PersistMode::SyncData)?;
            }
            Ok(())
        })?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let (_db, log) = open(dir)?;
        let mut check = load.check();
        for pair in log.iter() {
            check.next(&pair.value()?)?;
        }
        check.done()
    }
}

fn main() -> ExitCode {
    workload::main(&[&Fjall])
}
