//! fjall: a log-structured merge tree with a journal.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

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
         threads to tables, compressed with LZ4; events of one sync are one atomic batch, but for \"sync at the end\", \
         where each goes in by itself"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let (db, log) = open(dir)?;
        let mut keys = (0_u64..).map(u64::to_be_bytes);
        let (time, ()) = timed(|| {
            if sync == Sync::AtEnd {
                for (payload, key) in load.payloads.iter().zip(keys) {
                    log.insert(key, payload.as_slice())?;
                }
                return Ok(db.persist(PersistMode::SyncData)?);
            }
            for group in sync.groups(&load.payloads) {
                let mut batch = db.batch().durability(Some(PersistMode::SyncData));
                for (payload, key) in group.iter().zip(keys.by_ref()) {
                    batch.insert(&log, key, payload.as_slice());
                }
                batch.commit()?;
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
