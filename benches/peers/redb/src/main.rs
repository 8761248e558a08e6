//! redb: a copy-on-write B tree in one file.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");

struct Redb;

impl Peer for Redb {
    fn subject(&self) -> String {
        versioned("redb")
    }

    fn note(&self) -> &'static str {
        "each event can be found by its number at once; transactions; checksums of pages; a sync is a transaction, \
         which rewrites the pages from leaf to root"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let db = Database::create(dir.join("log.redb"))?;
        let mut keys = 0..;
        let (time, ()) = timed(|| {
            for group in sync.groups(&load.payloads) {
                let txn = db.begin_write()?; // Durability::Immediate unless told otherwise
                let mut log = txn.open_table(LOG)?;
                for (payload, key) in group.iter().zip(keys.by_ref()) {
                    log.insert(key, payload.as_slice())?;
                }
                drop(log);
                txn.commit()?;
            }
            Ok(())
        })?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let db = Database::open(dir.join("log.redb"))?;
        let log = db.begin_read()?.open_table(LOG)?;
        let mut check = load.check();
        for pair in log.iter()? {
            check.next(pair?.1.value())?;
        }
        check.done()
    }
}

fn main() -> ExitCode {
    workload::main(&[&Redb])
}
