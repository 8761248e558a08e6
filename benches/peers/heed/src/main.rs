//! LMDB through heed: a B+ tree in a mapped file, keys appended in order.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use heed::{Database, Env, EnvOpenOptions, PutFlags};
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

type Log = Database<U64<BigEndian>, Bytes>;

struct Heed;

/// Room for all, as LMDB wants it; syncs and writes as it does by itself.
#[allow(unsafe_code)]
fn open(dir: &Path) -> Outcome<Env> {
    // SAFETY: the directory is this program's alone, so nobody else changes the mapped file.
    Ok(unsafe { EnvOpenOptions::new().map_size(4 << 30).open(dir)? })
}

impl Peer for Heed {
    fn subject(&self) -> String {
        versioned("heed")
    }

    fn note(&self) -> &'static str {
        "LMDB: each event can be found by its number at once; transactions; no checksums; a sync is a transaction, \
         which rewrites the pages from leaf to root"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let env = open(dir)?;
        let mut txn = env.write_txn()?;
        let log: Log = env.create_database(&mut txn, None)?;
        txn.commit()?;
        let mut keys = 0..;
        let (time, ()) = timed(|| {
            for group in sync.groups(&load.payloads) {
                let mut txn = env.write_txn()?;
                for (payload, key) in group.iter().zip(keys.by_ref()) {
                    log.put_with_flags(&mut txn, PutFlags::APPEND, &key, payload)?;
                }
                txn.commit()?;
            }
            Ok(())
        })?;
        env.prepare_for_closing().wait();
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let env = open(dir)?;
        let txn = env.read_txn()?;
        let log: Log = env.open_database(&txn, None)?.ok_or("no database")?;
        let mut check = load.check();
        for pair in log.iter(&txn)? {
            check.next(pair?.1)?;
        }
        check.done()
    }
}

fn main() -> ExitCode {
    workload::main(&[&Heed])
}
