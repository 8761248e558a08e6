//! SQLite through rusqlite: a table, with a write-ahead log that is synced at every commit.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use workload::{Load, Outcome, Peer, Sync, timed, versioned};

struct Sqlite;

fn open(dir: &Path) -> Outcome<Connection> {
    let db = Connection::open(dir.join("log.sqlite"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?; // NORMAL does not sync the log at a commit
    Ok(db)
}

impl Peer for Sqlite {
    fn subject(&self) -> String {
        versioned("rusqlite")
    }

    fn note(&self) -> &'static str {
        "SQLite, WAL, synchronous=FULL: a table with SQL; transactions; everything is written twice, to the log and \
         at a checkpoint to the table; a sync is a transaction"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let mut db = open(dir)?;
        db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT", [])?;
        let (time, ()) = timed(|| {
            for group in sync.groups(&load.payloads) {
                let txn = db.transaction()?;
                let mut insert = txn.prepare_cached("INSERT INTO log (payload) VALUES (?1)")?;
                for payload in group {
                    insert.execute([payload])?;
                }
                drop(insert);
                txn.commit()?;
            }
            Ok(())
        })?;
        db.close().map_err(|(_, error)| error)?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let db = open(dir)?;
        let mut select = db.prepare("SELECT payload FROM log ORDER BY seq")?;
        let (mut rows, mut check) = (select.query([])?, load.check());
        while let Some(row) = rows.next()? {
            check.next(row.get_ref(0)?.as_blob()?)?;
        }
        check.done()
    }
}

fn main() -> ExitCode {
    workload::main(&[&Sqlite])
}
