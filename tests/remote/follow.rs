//! Following a log while it is written: what was durable is in the store, whatever became of the writer's machine.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use snaplog::remote::{Error, Follower, MemoryBucket, RequestFault, clone, pull, push};
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::Level;
use snaplog::{Event, Log, MarkOptions, Seq, Writer};

use crate::common::{environment, open, verified};
use crate::world::{cloned, compact, grow, holds, log, markers, remote, write};

fn follower(log: &Log, bucket: &MemoryBucket) -> Follower {
    Follower::new(log.clone(), Arc::new(bucket.clone()))
}

fn append(writer: &Writer, ids: std::ops::Range<i64>) {
    for id in ids {
        writer.append(&Event::node(id).with("text", "y".repeat(40))).unwrap();
        writer.append(&Event::edge(id, id / 3)).unwrap();
    }
    writer.commit().unwrap();
}

/// That the store holds all of the log that is durable: read in place, and cloned.
#[track_caller]
fn has_all(bucket: &MemoryBucket, log: &Log, story: &str) {
    let (here, there) = (log.reader().unwrap(), remote(bucket));
    let reader = there.reader().unwrap();
    assert_eq!(reader.last_seq(), here.last_seq(), "{story}");
    holds(bucket, here.markers(), story);
    let (_, copy) = cloned(bucket);
    let (copy, last) = (copy.reader().unwrap(), here.last_seq());
    assert_eq!(copy.last_seq(), last, "{story}");
    if last > Seq(0) {
        let restored = |reader: &snaplog::Reader| reader.restore_seq(last).unwrap().graph.fingerprint();
        assert_eq!(restored(&copy), restored(&here), "{story}");
    }
}

#[test]
fn what_is_durable_is_there_after_each_step() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..3);
    let mut follower = follower(&log, &bucket);
    assert!(follower.step().unwrap().whole);
    let writer = log.writer().unwrap();
    let (mut tails, mut wholes) = (0, 0);
    for round in 0..120_i64 {
        append(&writer, 1000 + round * 9..1009 + round * 9);
        if round % 20 == 7 {
            writer.mark(&MarkOptions::labelled(format!("by hand {round}"))).unwrap();
        }
        // On its way, and not known durable.
        writer.append(&Event::node(-round)).unwrap();
        let step = follower.step().unwrap();
        assert!(step.sent, "round {round}: {step:?}");
        assert_eq!(step.last_seq, log.reader().unwrap().last_seq().0, "round {round}");
        if step.whole {
            wholes += 1;
        } else {
            tails += 1;
        }
        if round % 10 == 3 || step.whole {
            has_all(&bucket, &log, &format!("round {round}"));
        }
        let again = follower.step().unwrap();
        assert!(!again.sent && again.number == step.number, "{again:?}");
    }
    assert!(tails > 80 && wholes >= 2, "{tails} tails, {wholes} whole pushes");
    writer.close().unwrap();
    assert!(follower.step().unwrap().whole);
    has_all(&bucket, &log, "closed");
    assert!(push(&log, &bucket).unwrap().up_to_date);
}

#[test]
fn a_clone_of_a_tail_goes_on_and_the_first_machine_is_refused() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let mut follower = follower(&log, &bucket);
    let writer = log.writer().unwrap();
    for round in 0..4_i64 {
        append(&writer, round * 20..round * 20 + 20);
        follower.step().unwrap();
    }
    let (disk, _) = cloned(&bucket);
    let before = markers(&open(&disk));
    assert_eq!(before, markers(&log));
    // The machine is taken for dead, and is not.
    let copy = open(&disk);
    let going_on = copy.writer().unwrap();
    append(&going_on, 500..530);
    push(&copy, &bucket).unwrap();
    append(&writer, 80..100);
    let refused = follower.step().unwrap_err();
    assert!(matches!(refused, Error::Diverged { .. }), "{refused}");
    let refused = follower.step().unwrap_err();
    assert!(matches!(refused, Error::Diverged { .. }), "{refused}");
    has_all(&bucket, &copy, "the clone's");
    going_on.close().unwrap();
    push(&copy, &bucket).unwrap();
    holds(&bucket, &markers(&copy), "the clone's, closed");
    // Had the first machine been faster, the clone would have been refused.
    let report = verified(&copy, Level::Replay);
    assert!(report.sound, "{report:#?}");
}

#[test]
fn two_pushes_of_one_directory_are_no_divergence() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let mut follower = follower(&log, &bucket);
    let writer = log.writer().unwrap();
    append(&writer, 0..10);
    follower.step().unwrap();
    for round in 1..5_i64 {
        append(&writer, round * 10..round * 10 + 10);
        push(&log, &bucket).unwrap();
        append(&writer, 1000 + round * 10..1010 + round * 10);
        let step = follower.step().unwrap();
        assert!(step.whole && step.sent, "{step:?}");
        has_all(&bucket, &log, "both");
        append(&writer, 2000 + round * 10..2010 + round * 10);
        assert!(!follower.step().unwrap().whole);
    }
}

#[test]
fn a_compaction_and_a_new_session_make_a_whole_push() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let mut follower = follower(&log, &bucket);
    for day in 0..12_i64 {
        let writer = write(&log, day * 2..day * 2 + 1);
        writer.commit().unwrap();
        assert!(follower.step().unwrap().whole);
        append(&writer, 10_000 + day * 10..10_010 + day * 10);
        follower.step().unwrap();
        has_all(&bucket, &log, "open");
        writer.close().unwrap();
        compact(&log);
        assert!(follower.step().unwrap().whole);
        has_all(&bucket, &log, "compacted");
    }
}

#[test]
fn a_step_that_fails_at_a_request_is_made_up_for_by_the_next() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let mut follower = follower(&log, &bucket);
    let writer = log.writer().unwrap();
    append(&writer, 0..10);
    follower.step().unwrap();
    let (mut id, mut failed) = (10, 0);
    for fault in [RequestFault::GoneBefore, RequestFault::GoneAfter, RequestFault::AnswerLost] {
        for nth in 0..8 {
            append(&writer, id..id + 10);
            id += 10;
            bucket.fail_request(bucket.requests() + nth, fault);
            failed += i32::from(follower.step().is_err());
            let held = remote(&{
                bucket.clear_faults();
                bucket.clone()
            });
            let (there, here) = (held.reader().unwrap(), log.reader().unwrap());
            assert!(there.last_seq() <= here.last_seq());
            assert!(verified(&held, Level::Replay).sound);
            follower.step().unwrap();
            has_all(&bucket, &log, &format!("{fault:?} at request {nth}"));
        }
    }
    assert!(failed >= 3, "{failed}");
}

#[test]
fn a_mirror_is_pulled_from_tail_to_tail() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let mut follower = follower(&log, &bucket);
    let writer = log.writer().unwrap();
    append(&writer, 0..10);
    follower.step().unwrap();
    let (_, mirror) = cloned(&bucket);
    for round in 1..70_i64 {
        append(&writer, round * 10..round * 10 + 10);
        follower.step().unwrap();
        if round % 3 == 0 {
            assert!(!pull(&mirror, &bucket).unwrap().up_to_date);
            assert_eq!(markers(&mirror), markers(&log));
            assert_eq!(mirror.reader().unwrap().last_seq(), log.reader().unwrap().last_seq());
        }
    }
    let report = verified(&mirror, Level::Replay);
    assert!(report.sound, "{report:#?}");
}

#[test]
fn damage_to_a_tail_is_found_before_anything_is_read() {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    let mut follower = follower(&log, &bucket);
    let writer = log.writer().unwrap();
    for round in 0..4_i64 {
        append(&writer, round * 5..round * 5 + 5);
        follower.step().unwrap();
    }
    let objects = bucket.dump();
    let tails: Vec<&String> =
        objects.iter().filter(|(_, bytes)| bytes.get(3) == Some(&b'T')).map(|(name, _)| name).collect();
    assert_eq!(tails.len(), 3);
    let refused = |objects: std::collections::BTreeMap<String, Vec<u8>>, story: &str| {
        let damaged = bucket.fork();
        damaged.load(objects);
        let error = clone(&damaged, &SimStorage::new(), environment().as_ref()).unwrap_err();
        let is_gone = matches!(error, Error::Store { .. });
        assert!(error.is_damage() || is_gone, "{story}: {error}");
    };
    for (place, tail) in tails.iter().enumerate() {
        for at in 0..objects[*tail].len() {
            let mut damaged = objects.clone();
            damaged.get_mut(*tail).unwrap()[at] ^= 0x10;
            refused(damaged, &format!("{tail}, byte {at}"));
        }
        let mut without = objects.clone();
        without.remove(*tail);
        // The last one is not missed: the copy is as it was before it.
        if place < 2 {
            refused(without, &format!("without {tail}"));
        }
        let mut swapped = objects.clone();
        swapped.insert((*tail).clone(), objects[tails[(place + 1) % 3]].clone());
        refused(swapped, &format!("{tail} replaced"));
    }
}
