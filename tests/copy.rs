//! Copies of logs: whole logs themselves, whatever goes on beside them.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{CONFIG, DIRECTED, files, init, killed, open, verified};
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::upkeep::copy::{Copied, copy, copy_in};
use snaplog::upkeep::verify::Level;
use snaplog::{CompactOptions, Error, Event, Log, MarkOptions, Marker, Seq, Timestamp};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Copies and looks at the copy: whole, with these markers, open to a writer.
fn copied(log: &Log, markers: &[Marker], last: Seq) -> SimStorage {
    let disk = SimStorage::new();
    let done = copy_in(log, Arc::new(disk.clone())).unwrap();
    assert_eq!(done.last_seq, last);
    check(&disk, log, markers, done);
    disk
}

fn check(disk: &SimStorage, log: &Log, markers: &[Marker], done: Copied) {
    // All of it is durable.
    let disk = {
        let next = disk.fork();
        next.crash_all_lost();
        next.fork()
    };
    let copy = open(&disk);
    assert_eq!(copy.id(), log.id());
    assert_eq!(copy.config_text().unwrap(), log.config_text().unwrap());
    let report = verified(&copy, Level::Replay);
    assert!(report.sound, "{report:#?}");
    let reader = copy.reader().unwrap();
    assert_eq!(reader.markers(), markers);
    assert_eq!(done.markers, u64::try_from(markers.len()).unwrap());
    assert_eq!(reader.last_seq(), done.last_seq);
    let bytes: u64 = reader.segments().iter().map(|segment| segment.bytes).sum();
    assert_eq!((done.files, done.bytes), (u64::try_from(reader.segments().len()).unwrap(), bytes));
    for marker in markers {
        reader.restore(marker).unwrap();
    }
    // It goes on as any log does.
    let writer = copy.writer().unwrap();
    writer.append(&Event::node("one more")).unwrap();
    let marker = writer.mark(&MarkOptions::default()).unwrap();
    assert_eq!(marker.seq, done.last_seq.next());
    writer.close().unwrap();
    let report = verified(&copy, Level::Replay);
    assert!(report.sound, "{report:#?}");
}

fn grow(log: &Log, days: std::ops::Range<i64>) -> snaplog::Writer {
    let writer = log.writer().unwrap();
    for day in days {
        for n in 0..20_i64 {
            let id = day * 20 + n;
            let at = Timestamp::parse_rfc3339(common::NOON).unwrap();
            let at = Timestamp(at.0 + (day - 300) * DAY + n * 1_000_000);
            writer.append_at(&Event::node(id).with("text", "x".repeat(50)), at).unwrap();
            if id > 3 {
                writer.append_at(&Event::edge(id, id / 2), at).unwrap();
            }
            if n % 7 == 3 {
                writer.append_at(&Event::DeleteNode { id: (id - 1).into() }, at).unwrap();
            }
        }
    }
    writer
}

#[test]
fn an_empty_log_and_one_that_was_closed() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    copied(&log, &[], Seq(0));
    grow(&log, 0..3).close().unwrap();
    let reader = log.reader().unwrap();
    copied(&log, reader.markers(), reader.last_seq());
}

#[test]
fn a_log_with_snapshots() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    grow(&log, 0..20).close().unwrap();
    log.compact(CompactOptions { retention: true, now: true, thorough: true, rekey: false }).unwrap();
    let reader = log.reader().unwrap();
    assert!(reader.segments().iter().any(|segment| segment.file.starts_with("snapshot")));
    copied(&log, reader.markers(), reader.last_seq());
}

#[test]
fn beside_a_writer_a_copy_ends_with_what_is_durable() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    let writer = grow(&log, 0..3);
    writer.commit().unwrap();
    let durable = log.reader().unwrap().last_seq();
    // Handed to the system at most, and not known durable.
    writer.append(&Event::node("late")).unwrap();
    let reader = log.reader().unwrap();
    assert_eq!(reader.last_seq(), durable);
    copied(&log, reader.markers(), durable);
    writer.commit().unwrap();
    copied(&log, log.reader().unwrap().markers(), durable.next());
    // What a crash leaves is copied as a recovery would find it.
    let disk = killed(&disk, writer);
    let log = open(&disk);
    let reader = log.reader().unwrap();
    copied(&log, reader.markers(), reader.last_seq());
}

#[test]
fn sources_are_known_to_the_copy() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    let lines = (0..500).fold(String::new(), |lines, n| lines + &format!("{{\"op\":\"node\",\"id\":{n}}}\n"));
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), &lines).unwrap();
    let writer = log.writer().unwrap();
    for n in 0..500_i64 {
        writer.append(&Event::node(n)).unwrap();
    }
    writer.commit().unwrap();
    let first = SimStorage::new();
    copy_in(&log, Arc::new(first.clone())).unwrap();
    // A copy of a copy is the copy, but for its time and what is random.
    let second = SimStorage::new();
    copy_in(&open(&first), Arc::new(second.clone())).unwrap();
    let (first, second) = (files(&first), files(&second));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (name, bytes) in &first {
        assert_eq!(Some(bytes), second.get(name), "{name}");
    }
    writer.close().unwrap();
}

#[test]
fn nothing_is_replaced() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    let other = SimStorage::new();
    init(&other, CONFIG);
    let before = other.dump();
    let outcome = copy_in(&log, Arc::new(other.clone()));
    assert!(matches!(outcome, Err(Error::NotEmpty { .. })), "{outcome:?}");
    assert_eq!(other.dump(), before);

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    assert!(matches!(copy(&log, dir.path()), Err(Error::NotEmpty { .. })));
    let dest = dir.path().join("a/b");
    copy(&log, &dest).unwrap();
    assert_eq!(Log::open(&dest).unwrap().id(), log.id());
}

#[test]
fn beside_a_writer_that_appends_and_compacts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = Log::init(&path, DIRECTED).unwrap();
    std::fs::write(path.join("snaplog.toml"), CONFIG).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..8 {
                grow(&log, round * 6..round * 6 + 6).close().unwrap();
                log.compact(CompactOptions {
                    retention: true,
                    now: true,
                    thorough: round % 2 == 1,
                    rekey: false,
                })
                .unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut copies = 0;
        while !done.load(Ordering::SeqCst) || copies == 0 {
            let dest = dir.path().join(format!("copy-{copies}"));
            let outcome = copy(&log, &dest).unwrap();
            let copy = Log::open(&dest).unwrap();
            let report = verified(&copy, Level::Replay);
            assert!(report.sound, "{report:#?}");
            let reader = copy.reader().unwrap();
            assert_eq!(reader.last_seq(), outcome.last_seq);
            assert_eq!(u64::try_from(reader.markers().len()).unwrap(), outcome.markers);
            copy.writer().unwrap().close().unwrap();
            copies += 1;
        }
        eprintln!("{copies} copies");
    });
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    grow(&log, 0..6).close().unwrap();
    log.compact(CompactOptions { retention: true, now: true, thorough: false, rekey: false }).unwrap();
    for at in 0..200 {
        let dest = SimStorage::new();
        dest.fail_call(at, Fault::Eio, FaultSpan::Once);
        let outcome = copy_in(&log, Arc::new(dest.clone()));
        if outcome.is_ok() {
            assert!(at > 10);
            return;
        }
        let left = files(&dest);
        assert!(!left.contains_key("CURRENT"), "{at}: {:?}", left.keys());
    }
}
