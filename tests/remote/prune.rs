//! Removing what nobody needs any more: never what a push within the grace period names, wherever it dies, whoever pushes
//! meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use snaplog::format::remote::{Part, RemoteManifest, RemoteTail, push_number};
use snaplog::remote::{Bucket, Error, Follower, MemoryBucket, RequestFault, prune, push};
use snaplog::storage::SimStorage;
use snaplog::{Event, Log};

use crate::common::open;
use crate::race::Meddling;
use crate::world::{cloned, compact, grow, holds, log, markers};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
const WEEK: Duration = Duration::from_hours(7 * 24);

/// A log that was pushed again and again, a few days apart, and compacted in between: each push leaves parts behind that the
/// next one does not name.
fn pushed() -> (SimStorage, Log, MemoryBucket) {
    let (disk, log) = log();
    let bucket = MemoryBucket::new();
    for week in 0..4 {
        grow(&log, week * 4..week * 4 + 4);
        push(&log, &bucket).unwrap();
        bucket.advance_micros(3 * DAY);
        compact(&log);
        push(&log, &bucket).unwrap();
        bucket.advance_micros(3 * DAY);
    }
    push_once_more(&log, &bucket);
    (disk, log, bucket)
}

fn push_once_more(log: &Log, bucket: &MemoryBucket) {
    let writer = log.writer().unwrap();
    writer.append(&Event::node("the last")).unwrap();
    writer.close().unwrap();
    push(log, bucket).unwrap();
}

fn pushes(bucket: &MemoryBucket) -> Vec<u64> {
    bucket.dump().keys().filter_map(|name| push_number(name)).collect()
}

fn parts(bucket: &MemoryBucket) -> BTreeSet<String> {
    bucket.dump().into_keys().filter(|name| name.starts_with("parts/")).collect()
}

/// The parts that the manifests in a store name.
fn named(bucket: &MemoryBucket) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (name, bytes) in bucket.dump() {
        let Some(number) = push_number(&name).filter(|_| !RemoteTail::is_meant(&bytes)) else { continue };
        let (_, remote) = RemoteManifest::decode(&bytes, number).unwrap();
        named.extend(remote.files.iter().flat_map(|file| &file.parts).map(Part::object));
    }
    named
}

#[test]
fn what_no_push_within_the_grace_period_names_is_removed_and_nothing_else() {
    let (_, log, bucket) = pushed();
    let before = (pushes(&bucket), parts(&bucket));
    let report = prune(&log, &bucket, WEEK).unwrap();
    let (pushes, parts) = (pushes(&bucket), parts(&bucket));
    assert!(report.pushes_removed > 3 && report.parts_removed > 3 && report.bytes_removed > 0, "{report:?}");
    assert_eq!(u64::try_from(before.0.len() - pushes.len()).unwrap(), report.pushes_removed);
    assert_eq!(u64::try_from(before.1.len() - parts.len()).unwrap(), report.parts_removed);
    // In force within the week: the newest, that of three days ago, that of six, and the one that this took the place of
    // when the week had begun.
    assert_eq!(pushes, before.0[before.0.len() - 4..]);
    assert_eq!(parts, named(&bucket));
    holds(&bucket, &markers(&log), "pruned");
    let again = prune(&log, &bucket, WEEK).unwrap();
    assert_eq!((again.pushes_removed, again.parts_removed), (0, 0));
    assert_eq!(again.pushes_kept, 4);
    // And with no grace at all the newest push is whole.
    prune(&log, &bucket, Duration::ZERO).unwrap();
    holds(&bucket, &markers(&log), "pruned to the newest");
    push_once_more(&log, &bucket);
    holds(&bucket, &markers(&log), "pushed again");
}

#[test]
fn within_the_grace_period_nothing_goes() {
    let (_, log, bucket) = pushed();
    let before = bucket.dump();
    let report = prune(&log, &bucket, 5 * WEEK).unwrap();
    assert_eq!((report.pushes_removed, report.parts_removed), (0, 0), "{report:?}");
    assert_eq!(bucket.dump(), before);
}

#[test]
fn tails_keep_what_they_go_on_from() {
    let (_, log, bucket) = pushed();
    let mut follower = Follower::new(log.clone(), Arc::new(bucket.clone()));
    let writer = log.writer().unwrap();
    for n in 0..5 {
        writer.append(&Event::node(format!("followed {n}"))).unwrap();
        writer.commit().unwrap();
        follower.step().unwrap();
        bucket.advance_micros(9 * DAY);
    }
    writer.append(&Event::node("the end")).unwrap();
    writer.commit().unwrap();
    follower.step().unwrap();
    prune(&log, &bucket, WEEK).unwrap();
    assert_eq!(parts(&bucket), named(&bucket));
    let (_, there) = cloned(&bucket);
    assert_eq!(there.reader().unwrap().last_seq(), writer.status().unwrap().last_seq);
    writer.close().unwrap();
}

#[test]
fn a_prune_that_dies_leaves_a_copy_that_is_whole_and_a_repeat_finishes_it() {
    let (disk, log, bucket) = pushed();
    let expected = markers(&log);
    let whole = bucket.fork();
    prune(&log, &whole, WEEK).unwrap();
    for fault in [RequestFault::GoneBefore, RequestFault::GoneAfter, RequestFault::AnswerLost] {
        let first = bucket.fork().requests();
        for n in first.. {
            let (log, bucket) = (open(&disk.fork()), bucket.fork());
            bucket.fail_request(n, fault);
            let outcome = prune(&log, &bucket, WEEK);
            bucket.clear_faults();
            if bucket.requests() <= n {
                outcome.unwrap();
                assert!(n - first > 10, "{n} requests are no prune worth the test");
                break;
            }
            let story = format!("{fault:?} at request {n}");
            assert!(outcome.is_err(), "{story}");
            // Each push that is still there has all that it names.
            assert!(named(&bucket).is_subset(&parts(&bucket)), "{story}");
            holds(&bucket, &expected, &story);
            prune(&log, &bucket, WEEK).unwrap_or_else(|e| panic!("{story}: {e}"));
            assert_eq!(bucket.dump(), whole.dump(), "{story}");
        }
    }
}

#[test]
fn a_push_beside_a_prune_has_all_its_parts_in_the_end() {
    let (disk, log, bucket) = pushed();
    // Parts that nothing names, and that the next push will need: one that died left them long ago.
    grow(&log, 16..24);
    let died = bucket.fork();
    let before = died.requests();
    push(&open(&disk.fork()), &died).unwrap();
    let requests = died.requests() - before;
    let left: Vec<_> = died.dump().into_iter().filter(|(name, _)| name.starts_with("parts/")).collect();
    let mut seen = 0;
    for at in 0..requests + 4 {
        let (disk, bucket) = (disk.fork(), bucket.fork());
        let mut objects = bucket.dump();
        objects.extend(left.clone());
        bucket.load(objects);
        let other = open(&disk);
        let log = open(&disk);
        let meddling = Meddling::new(&bucket, at, move |bucket| {
            prune(&other, bucket, Duration::ZERO).map(drop).or_else(|error| match error {
                // Somebody was faster.
                Error::Diverged { .. } | Error::Store { .. } => Ok(()),
                error => Err(error),
            })
        });
        push(&log, &meddling).unwrap_or_else(|e| panic!("before request {at}: {e}"));
        seen += u64::from(meddling.is_done());
        assert!(named_by_newest(&bucket).is_subset(&parts(&bucket)), "before request {at}");
        holds(&bucket, &markers(&log), &format!("before request {at}"));
    }
    assert!(seen >= 4, "{seen} prunes are no test");
}

fn named_by_newest(bucket: &MemoryBucket) -> BTreeSet<String> {
    let newest = MemoryBucket::new();
    let last = *pushes(bucket).last().unwrap();
    newest.load(bucket.dump().into_iter().filter(|(name, _)| push_number(name) == Some(last)).collect());
    named(&newest)
}

#[test]
fn a_copy_that_somebody_else_has_pushed_to_is_not_pruned() {
    let (_, log, bucket) = pushed();
    let (_, other) = cloned(&bucket);
    grow(&other, 30..31);
    push(&other, &bucket).unwrap();
    let before = bucket.dump();
    assert!(matches!(prune(&log, &bucket, Duration::ZERO), Err(Error::Diverged { .. })));
    assert_eq!(bucket.dump(), before);
    assert!(matches!(prune(&log, &MemoryBucket::new(), WEEK), Err(Error::NoLog { .. })));
}

#[test]
fn a_prune_beside_a_push_leaves_it_all_its_parts() {
    let (disk, log, bucket) = pushed();
    grow(&log, 16..24);
    let died = bucket.fork();
    push(&open(&disk.fork()), &died).unwrap();
    let left: Vec<_> = died.dump().into_iter().filter(|(name, _)| name.starts_with("parts/")).collect();
    let mut seen = 0;
    for at in 0.. {
        let (disk, bucket) = (disk.fork(), bucket.fork());
        let mut objects = bucket.dump();
        objects.extend(left.clone());
        bucket.load(objects);
        let (log, other) = (open(&disk), open(&disk));
        let meddling = Meddling::new(&bucket, at, move |bucket| push(&other, bucket).map(drop));
        prune(&log, &meddling, Duration::ZERO).unwrap_or_else(|e| panic!("before request {at}: {e}"));
        if !meddling.is_done() {
            break;
        }
        seen += 1;
        assert!(named_by_newest(&bucket).is_subset(&parts(&bucket)), "before request {at}");
    }
    assert!(seen > 6, "{seen} pushes are no test");
}

#[test]
fn a_part_that_a_push_on_its_way_may_have_found_stays_for_two_days() {
    let (_, log, bucket) = pushed();
    let part = format!("parts/{}", "a".repeat(64));
    bucket.create(&part, b"a part of a push that has not ended".to_vec()).unwrap();
    for (hours, stays) in [(1, true), (40, true), (20, false)] {
        bucket.advance_micros(hours * 60 * 60 * 1_000_000);
        let writer = log.writer().unwrap();
        writer.append(&Event::node(format!("after {hours}"))).unwrap();
        writer.close().unwrap();
        push(&log, &bucket).unwrap();
        prune(&log, &bucket, Duration::ZERO).unwrap();
        assert_eq!(parts(&bucket).contains(&part), stays, "{hours}");
    }
    assert_eq!(parts(&bucket), named(&bucket));
}
