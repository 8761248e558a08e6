//! Pushes, clones and pulls that nothing disturbs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use snaplog::remote::{Error, MemoryBucket, RemoteLog, clone, pull, push};
use snaplog::storage::SimStorage;
use snaplog::{Error as LogError, Event, MarkOptions, Seq};

use crate::common::{environment, files, killed, open, verified};
use crate::world::{cloned, compact, grow, holds, log, markers, remote, write};

#[test]
fn a_store_holds_what_was_pushed_and_a_push_sends_what_is_new() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let first = push(&log, &bucket).unwrap();
    assert_eq!((first.number, first.last_seq, first.up_to_date), (1, 0, false));
    holds(&bucket, &[], "an empty log");
    let mut sent = 0;
    for day in 0..12_i64 {
        grow(&log, day..day + 1);
        let report = push(&log, &bucket).unwrap();
        assert!(report.bytes_sent < report.bytes || day == 0, "{report:?}");
        sent += report.bytes_sent;
        holds(&bucket, &markers(&log), "pushed day by day");
        let requests = bucket.requests();
        let again = push(&log, &bucket).unwrap();
        assert!(again.up_to_date && again.number == report.number, "{again:?}");
        assert_eq!(bucket.requests() - requests, 2, "a look at what is there");
    }
    let whole = push(&log, &bucket).unwrap().bytes;
    assert!(sent < 4 * whole, "{sent} bytes were sent for {whole}");
}

#[test]
fn what_compaction_changed_is_pushed_and_pulled() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..5);
    push(&log, &bucket).unwrap();
    let (_, mirror) = cloned(&bucket);
    let at_first = markers(&log);
    for day in 5..20_i64 {
        grow(&log, day..day + 1);
        compact(&log);
        push(&log, &bucket).unwrap();
        holds(&bucket, &markers(&log), "compacted");
        let report = pull(&mirror, &bucket).unwrap();
        assert!(!report.up_to_date);
        assert_eq!(markers(&mirror), markers(&log));
        let report = verified(&mirror, snaplog::upkeep::verify::Level::Replay);
        assert!(report.sound, "{report:#?}");
        assert!(pull(&mirror, &bucket).unwrap().up_to_date);
    }
    assert!(markers(&log).iter().any(|marker| at_first.contains(marker)));
    let names: Vec<String> = log.reader().unwrap().segments().into_iter().map(|one| one.file).collect();
    assert!(names.iter().any(|name| name.starts_with("snapshot")), "{names:?}");
}

#[test]
fn a_pull_leaves_no_file_that_the_log_does_not_name() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..5);
    push(&log, &bucket).unwrap();
    let (disk, mirror) = cloned(&bucket);
    grow(&log, 5..20);
    compact(&log);
    push(&log, &bucket).unwrap();
    pull(&mirror, &bucket).unwrap();
    let named: Vec<String> = mirror.reader().unwrap().segments().into_iter().map(|one| one.file).collect();
    let there = files(&disk);
    let segments = there.keys().filter(|name| name.starts_with("events") || name.starts_with("snapshot"));
    for name in segments {
        assert!(named.contains(name), "{name} is left over; named: {named:?}");
    }
}

#[test]
fn beside_a_writer_a_push_ends_with_what_is_durable() {
    let (disk, log) = log();
    let bucket = MemoryBucket::new();
    let writer = write(&log, 0..3);
    writer.commit().unwrap();
    let durable = log.reader().unwrap().last_seq();
    writer.append(&Event::node("late")).unwrap();
    assert_eq!(push(&log, &bucket).unwrap().last_seq, durable.0);
    holds(&bucket, &markers(&log), "beside a writer");
    writer.commit().unwrap();
    assert_eq!(push(&log, &bucket).unwrap().last_seq, durable.next().0);
    // What a crash leaves is pushed as a recovery would find it, and the recovered log goes on being pushed.
    let disk = killed(&disk, writer);
    let log = open(&disk);
    push(&log, &bucket).unwrap();
    grow(&log, 3..5);
    push(&log, &bucket).unwrap();
    holds(&bucket, &markers(&log), "after a crash");
}

#[test]
fn a_clone_goes_on_and_pushes_back() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..6);
    push(&log, &bucket).unwrap();
    let (disk, copy) = cloned(&bucket);
    assert_eq!(copy.id(), log.id());
    assert_eq!(copy.config_text().unwrap(), log.config_text().unwrap());
    let durable = SimStorage::new();
    disk.crash_all_lost();
    durable.load(disk.dump()).unwrap();
    let copy = open(&durable);
    grow(&copy, 6..8);
    assert_eq!(push(&copy, &bucket).unwrap().number, 2);
    holds(&bucket, &markers(&copy), "from the clone");
    // The directory that it was cloned from has not gone on, and takes it.
    pull(&log, &bucket).unwrap();
    assert_eq!(markers(&log), markers(&copy));
    grow(&log, 8..9);
    push(&log, &bucket).unwrap();
    holds(&bucket, &markers(&log), "back again");
}

#[test]
fn two_that_go_on_from_one_store_cannot_overwrite_each_other() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..6);
    push(&log, &bucket).unwrap();
    let (_, copy) = cloned(&bucket);
    grow(&copy, 6..8);
    grow(&log, 6..7);
    push(&copy, &bucket).unwrap();
    let pushed = markers(&copy);
    let refused = push(&log, &bucket).unwrap_err();
    assert!(matches!(refused, Error::Diverged { number: 2, .. }), "{refused}");
    assert!(refused.hint().unwrap().contains("snaplog clone"));
    let refused = pull(&log, &bucket).unwrap_err();
    assert!(matches!(refused, Error::Ahead { .. }), "{refused}");
    holds(&bucket, &pushed, "the first one's");
    // The way out: a prefix of its own.
    let other = MemoryBucket::new();
    push(&log, &other).unwrap();
    holds(&other, &markers(&log), "elsewhere");
}

#[test]
fn a_directory_that_was_put_back_does_not_push_over_what_it_forgot() {
    let (disk, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..4);
    push(&log, &bucket).unwrap();
    let old = files(&disk);
    grow(&log, 4..6);
    push(&log, &bucket).unwrap();
    let expected = markers(&log);
    let back = SimStorage::new();
    back.load(old).unwrap();
    let log = open(&back);
    grow(&log, 4..5);
    let refused = push(&log, &bucket).unwrap_err();
    assert!(matches!(refused, Error::Diverged { .. }), "{refused}");
    holds(&bucket, &expected, "what was pushed");
    // Another log is no log to push there, and a directory that knows nothing of the store is none to pull into.
    let (_, stranger) = {
        let disk = SimStorage::new();
        let environment = environment();
        environment.advance_micros(1);
        let _ = snaplog::Environment::random(environment.as_ref());
        let log = snaplog::Log::init_in(
            Arc::new(disk.clone()),
            environment,
            crate::common::DIRECTED,
            crate::common::CONFIG,
        );
        (disk, log.unwrap())
    };
    assert!(matches!(push(&stranger, &bucket), Err(Error::OtherLog { .. })));
    assert!(matches!(pull(&stranger, &bucket), Err(Error::Unrelated { .. })));
}

#[test]
fn what_is_read_in_place_is_not_written_to_and_fetches_what_it_needs() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let writer = log.writer().unwrap();
    let mut first = None;
    for n in 0..3_000_i64 {
        let noise: String = (0..1_000_i64)
            .map(|at| char::from(b'a' + u8::try_from((n * 31 + at * at * n) % 26).unwrap()))
            .collect();
        writer.append(&Event::node(n).with("text", noise)).unwrap();
        if n == 20 {
            first = Some(writer.mark(&MarkOptions::labelled("early")).unwrap());
        }
    }
    writer.close().unwrap();
    let whole = push(&log, &bucket).unwrap().bytes;
    let there = RemoteLog::open(Arc::new(bucket.clone())).unwrap();
    let opened = there.log(environment()).unwrap();
    let reader = opened.reader().unwrap();
    assert_eq!(reader.restore(&first.unwrap()).unwrap().counts().nodes, 21);
    assert!(there.fetched() * 5 < whole, "{} of {whole} bytes", there.fetched());
    assert!(matches!(opened.writer(), Err(LogError::Io { .. })));
    assert!(matches!(opened.mark(&MarkOptions::default()), Err(LogError::Io { .. })));
    let before = bucket.dump();
    assert_eq!(remote(&bucket).reader().unwrap().last_seq(), Seq(3_000));
    assert_eq!(bucket.dump(), before);
}

#[test]
fn a_clone_goes_nowhere_where_something_is() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let nothing = clone(&bucket, &SimStorage::new(), environment().as_ref()).unwrap_err();
    assert!(matches!(nothing, Error::NoLog { .. }), "{nothing}");
    grow(&log, 0..2);
    push(&log, &bucket).unwrap();
    for name in ["notes.txt", "CURRENT", "events-000001"] {
        let disk = SimStorage::new();
        disk.set_file(name, "mine").unwrap();
        let refused = clone(&bucket, &disk, environment().as_ref()).unwrap_err();
        assert!(matches!(refused, Error::Log(LogError::NotEmpty { .. })), "{refused}");
        assert_eq!(files(&disk).get(name).unwrap(), b"mine");
    }
}

#[test]
fn damage_does_not_spread() {
    let (disk, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..4);
    push(&log, &bucket).unwrap();
    let before = bucket.dump();
    grow(&log, 4..6);
    let name = log.reader().unwrap().segments().last().unwrap().file.clone();
    let mut bytes = disk.dump().remove(&name).unwrap();
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).unwrap() ^= 1;
    disk.set_file(&name, bytes).unwrap();
    let refused = push(&open(&disk), &bucket).unwrap_err();
    assert!(refused.is_damage(), "{refused}");
    assert_eq!(bucket.dump(), before);
}
