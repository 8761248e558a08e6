//! Power cuts at every storage call of an import: the same command, given again, goes on where the log says, and no line
//! counts twice or is left out.
//!
//! `SNAPLOG_EXHAUSTIVE=1` tries every subset of what was not synced; without it a few.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/fates.rs"]
mod fates;

use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;

use fates::Visits;
use snaplog::exchange::ingest::{Options, Seekable, ndjson};
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::upkeep::verify::{Level, Options as Look, verify};
use snaplog::{Environment, Error, Fingerprint, FixedEnvironment, GraphKind, Log, Timestamp};

/// Without a key each edge is a new one: a line that is read twice shows.
const KIND: GraphKind = GraphKind { directed: true, multigraph: true };
const CONFIG: &str = "durability = { events = 7, interval = \"1s\" }\n[tiers.few]\nevery_nodes = 8\n\
    [segment]\nsize = \"64 KiB\"\n";
const LINES: usize = 40;

fn environment() -> Arc<dyn Environment> {
    Arc::new(FixedEnvironment::new(Timestamp(1_767_225_600_000_000)))
}

fn text() -> String {
    let mut text = String::new();
    for n in 0..LINES {
        let long = "x".repeat(if n % 13 == 5 { 30_000 } else { 3 });
        let _ = match n % 6 {
            4 => writeln!(text, "{{\"op\":\"edge\",\"src\":0,\"dst\":1}}"),
            5 => writeln!(text, "{{\"op\":\"del_node\",\"id\":{}}}", n - 2),
            _ => writeln!(text, "{{\"op\":\"edge\",\"src\":{n},\"dst\":0,\"attrs\":{{\"t\":\"{long}\"}}}}"),
        };
    }
    text
}

fn open(disk: &SimStorage) -> Result<Log, Error> {
    match Log::open_in(Arc::new(disk.clone()), environment()) {
        Err(Error::NotALog { .. }) => Log::init_in(Arc::new(disk.clone()), environment(), KIND, CONFIG),
        other => other,
    }
}

/// Imports the text, from where the log has it on; what the graph is then.
fn import(disk: &SimStorage, text: &str) -> Result<(Fingerprint, u64), String> {
    let told = |error: Error| error.to_string();
    let log = open(disk).map_err(told)?;
    let writer = log.writer().map_err(told)?;
    let options = Options { source: Some("crawl"), ..Options::default() };
    let report =
        ndjson(&writer, Seekable(Cursor::new(text)), &options, &mut ()).map_err(|e| e.to_string())?;
    let found = writer.with_graph(|graph| graph.fingerprint()).map_err(told)?;
    writer.close().map_err(told)?;
    Ok((found, report.last_seq.0))
}

/// The import is finished, and the log is what one reading without a crash gives.
fn finished(disk: &SimStorage, text: &str, whole: (Fingerprint, u64), what: &str) {
    let done = import(disk, text).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(done, whole, "{what}: a line counts twice, or not at all");
    let log = open(disk).unwrap();
    let report = verify(&log, Look { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound && report.history_folded == 0, "{what}: {report:#?}");
    assert_eq!(import(disk, text).unwrap(), whole, "{what}: all of it was read already");
}

#[test]
fn an_import_that_was_cut_off_goes_on_and_reads_each_line_once() {
    let text = text();
    let disk = SimStorage::new();
    let whole = import(&disk, &text).unwrap();
    let calls = disk.calls();
    assert!(calls > 60, "{calls}");
    let mut visits = Visits::default();
    for call in 1..=calls {
        let disk = SimStorage::new();
        disk.crash_at_call(call);
        let _ = import(&disk, &text);
        visits.cut(&disk, &(), |disk, fates| {
            finished(disk, &text, whole, &format!("call {call} of {calls}, {fates}"));
        });
    }
    visits.say("import, cut off and gone on with");
}

#[test]
fn an_import_that_failed_goes_on_and_reads_each_line_once() {
    let text = text();
    let disk = SimStorage::new();
    let whole = import(&disk, &text).unwrap();
    for call in 1..=disk.calls() {
        for fault in [Fault::Eio, Fault::Enospc, Fault::ShortWrite, Fault::FsyncDrops, Fault::FsyncKeeps] {
            let disk = SimStorage::new();
            disk.fail_call(call, fault, FaultSpan::Once);
            let _ = import(&disk, &text);
            disk.clear_faults();
            disk.crash_all_lost();
            finished(&disk, &text, whole, &format!("{fault:?} at call {call}"));
        }
    }
}
