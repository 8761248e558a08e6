//! Pushes, clones and pulls that die: at every request, before it took effect and after, and with the disk of a clone or a
//! pull at every call, whatever of it survives. A repeat finishes the work.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use snaplog::remote::{MemoryBucket, RequestFault, clone, pull, push};
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::Level;
use snaplog::{Error as LogError, Log};

use crate::common::{environment, files, open, verified};
use crate::fates::Visits;
use crate::world::{cloned, compact, grow, holds, log, markers};

const FAULTS: [RequestFault; 3] =
    [RequestFault::GoneBefore, RequestFault::GoneAfter, RequestFault::AnswerLost];

/// A store and a log that has gone on since it was pushed: by events, and by a compaction.
fn half_pushed() -> (SimStorage, MemoryBucket) {
    let (disk, log) = log();
    let bucket = MemoryBucket::new();
    grow(&log, 0..8);
    push(&log, &bucket).unwrap();
    compact(&log);
    grow(&log, 8..12);
    (disk, bucket)
}

#[test]
fn a_push_that_dies_leaves_what_was_there_and_a_repeat_finishes_it() {
    let (disk, bucket) = half_pushed();
    let (_, before) = cloned(&bucket);
    let before = markers(&before);
    let (mut requests, mut deaths) = (0, 0);
    for fault in FAULTS {
        for n in 0.. {
            let (disk, bucket) = (disk.fork(), bucket.fork());
            let log = open(&disk);
            let after = markers(&log);
            bucket.fail_request(n, fault);
            let story = format!("{fault:?} at request {n}");
            let outcome = push(&log, &bucket);
            bucket.clear_faults();
            if bucket.requests() <= n {
                outcome.unwrap();
                requests = n;
                break;
            }
            assert!(outcome.is_err(), "{story}");
            deaths += 1;
            let (_, there) = cloned(&bucket);
            let there = markers(&there);
            assert!(there == before || there == after, "{story}");
            holds(&bucket, &there, &story);
            // The directory may have died with the push, and what it wrote of the push with it.
            for survives in [true, false] {
                let (disk, bucket) = (disk.fork(), bucket.fork());
                if survives {
                    disk.crash_all_survive();
                } else {
                    disk.crash_all_lost();
                }
                let log = open(&disk);
                push(&log, &bucket).unwrap_or_else(|e| panic!("{story}: {e}"));
                holds(&bucket, &after, &story);
                assert!(push(&log, &bucket).unwrap().up_to_date, "{story}");
            }
        }
    }
    println!("a push of {requests} requests, {deaths} deaths");
    assert!(requests >= 6, "{requests} requests are no push worth the test");
}

/// What a disk holds after a clone or a pull ended somewhere: no log, or one that is whole and is one of these.
fn look(disk: &SimStorage, may_be: &[&Log], story: &str) {
    let log = match Log::open_in(std::sync::Arc::new(disk.clone()), environment()) {
        Ok(log) => log,
        Err(LogError::NotALog { .. }) if may_be.len() == 1 => return,
        Err(error) => panic!("{story}: {error}"),
    };
    let found = markers(&log);
    assert!(may_be.iter().any(|log| markers(log) == found), "{story}");
    let report = verified(&log, Level::Replay);
    assert!(report.sound, "{story}: {report:#?}");
}

#[test]
fn a_clone_that_dies_at_a_request_is_no_log_and_a_repeat_finishes_it() {
    let (disk, bucket) = half_pushed();
    let log = open(&disk);
    push(&log, &bucket).unwrap();
    for fault in FAULTS {
        for n in 0.. {
            let (bucket, dest) = (bucket.fork(), SimStorage::new());
            bucket.fail_request(n, fault);
            let outcome = clone(&bucket, &dest, environment().as_ref());
            bucket.clear_faults();
            if bucket.requests() <= n {
                outcome.unwrap();
                assert!(n >= 5, "{n} requests are no clone worth the test");
                break;
            }
            let story = format!("{fault:?} at request {n}");
            assert!(outcome.is_err(), "{story}");
            look(&dest, &[&log], &story);
            clone(&bucket, &dest, environment().as_ref()).unwrap_or_else(|e| panic!("{story}: {e}"));
            assert_eq!(markers(&open(&dest)), markers(&log), "{story}");
        }
    }
}

#[test]
fn a_power_cut_at_every_call_of_a_clone() {
    let (disk, bucket) = half_pushed();
    let log = open(&disk);
    push(&log, &bucket).unwrap();
    let mut visits = Visits::default();
    for n in 1.. {
        let dest = SimStorage::new();
        dest.crash_at_call(n);
        let outcome = clone(&bucket, &dest, environment().as_ref());
        if dest.calls() < n {
            outcome.unwrap();
            break;
        }
        visits.cut(&dest, &(), |disk, fate| {
            let story = format!("call {n}, {fate}");
            look(disk, &[&log], &story);
            if Log::open_in(std::sync::Arc::new(disk.clone()), environment()).is_err() {
                clone(&bucket, disk, environment().as_ref()).unwrap_or_else(|e| panic!("{story}: {e}"));
            }
            look(disk, &[&log, &log], &story);
            push(&open(disk), &bucket.fork()).unwrap_or_else(|e| panic!("{story}: {e}"));
        });
    }
    visits.say("clone");
}

#[test]
fn a_pull_that_dies_leaves_one_of_the_two_and_a_repeat_finishes_it() {
    let (disk, bucket) = half_pushed();
    let (mirror, old) = cloned(&bucket);
    let new = open(&disk);
    push(&new, &bucket).unwrap();
    for fault in FAULTS {
        for n in 0.. {
            let (bucket, mirror) = (bucket.fork(), mirror.fork());
            bucket.fail_request(n, fault);
            let outcome = pull(&open(&mirror), &bucket);
            bucket.clear_faults();
            if bucket.requests() <= n {
                outcome.unwrap();
                break;
            }
            let story = format!("{fault:?} at request {n}");
            look(&mirror, &[&old, &new], &story);
            pull(&open(&mirror), &bucket).unwrap_or_else(|e| panic!("{story}: {e}"));
            assert_eq!(markers(&open(&mirror)), markers(&new), "{story}");
        }
    }
    let mut visits = Visits::default();
    let before = mirror.calls();
    for n in 1.. {
        let (bucket, mirror) = (bucket.fork(), mirror.fork());
        let before = if mirror.calls() == 0 { 0 } else { before };
        mirror.crash_at_call(before + n);
        let outcome = pull(&open(&mirror), &bucket);
        if mirror.calls() < before + n {
            outcome.unwrap();
            break;
        }
        visits.cut(&mirror, &(), |disk, fate| {
            let story = format!("call {n}, {fate}");
            look(disk, &[&old, &new], &story);
            let log = open(disk);
            pull(&log, &bucket).unwrap_or_else(|e| panic!("{story}: {e}"));
            assert_eq!(markers(&log), markers(&new), "{story}");
            // It is the mirror's to go on with.
            grow(&log, 20..21);
            push(&log, &bucket.fork()).unwrap_or_else(|e| panic!("{story}: {e}"));
            assert!(!files(disk).keys().any(|name| name.contains(".tmp")), "{story}");
        });
    }
    visits.say("pull");
}
