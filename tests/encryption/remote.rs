//! Remote copies of encrypted logs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use snaplog::log::{Identities, KeyError, new_identity};
use snaplog::remote::{
    self, Follower, MemoryBucket, RemoteLog, clone, clone_with, pull, pull_with, push, verify_listing,
};
use snaplog::storage::{Keys, SimStorage};
use snaplog::upkeep::verify::Level;
use snaplog::{Environment, Error, Event, Log, LogId};

use crate::identity::identities;
use crate::world::{CANARY, crawl, environment, init, open, sample, shut, verified};

fn unlock(with: Identities) -> impl Fn(LogId, Option<&[u8]>) -> remote::Result<Option<Keys>> {
    move |id, file| {
        let environment: Arc<dyn Environment> = environment();
        Ok(Some(with.keys(id, file.unwrap(), "the bucket", &environment).map_err(Error::Key)?))
    }
}

fn read(bucket: &MemoryBucket) -> Log {
    let there = RemoteLog::open_with(Arc::new(bucket.clone()), &unlock(identities())).unwrap();
    there.log(environment()).unwrap()
}

fn nothing_is_seen(bucket: &MemoryBucket) {
    for (name, bytes) in bucket.dump() {
        let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!seen, "{name} tells what is in the log");
    }
}

#[test]
fn a_copy_is_sealed_as_the_log_is_and_opens_for_whoever_opens_that() {
    let (disk, markers) = sample();
    let (log, bucket) = (open(&disk), MemoryBucket::default());
    push(&log, &bucket).unwrap();
    nothing_is_seen(&bucket);
    let there = read(&bucket);
    let reader = there.reader().unwrap();
    assert_eq!(reader.markers().len(), markers.len());
    for (marker, graph) in &markers {
        assert_eq!(reader.restore(marker).unwrap().fingerprint(), *graph);
    }
    assert!(verified(&there, Level::Replay).sound);

    let mirror = SimStorage::new();
    clone_with(&bucket, &mirror, environment().as_ref(), &unlock(identities())).unwrap();
    assert!(verified(&open(&mirror), Level::Replay).sound);
    crawl(&log, 5);
    push(&log, &bucket).unwrap();
    let report = pull(&open(&mirror), &bucket).unwrap();
    assert!(!report.up_to_date);
    assert_eq!(open(&mirror).reader().unwrap().markers(), log.reader().unwrap().markers());
    assert!(push(&log, &bucket).unwrap().up_to_date);
}

#[test]
fn without_the_key_a_copy_is_compared_with_its_checksums_and_not_read() {
    let (disk, _) = sample();
    let (log, bucket) = (open(&disk), MemoryBucket::default());
    push(&log, &bucket).unwrap();
    let mut follower = Follower::new(log.clone(), Arc::new(bucket.clone()));
    let writer = log.writer().unwrap();
    writer.append(&Event::node(format!("{CANARY} in a tail"))).unwrap();
    writer.commit().unwrap();
    follower.step().unwrap();
    writer.append(&Event::node(format!("{CANARY} in another"))).unwrap();
    writer.commit().unwrap();
    follower.step().unwrap();
    nothing_is_seen(&bucket);
    assert_eq!(read(&bucket).reader().unwrap().last_seq(), writer.status().unwrap().last_seq);

    let there = RemoteLog::open(Arc::new(bucket.clone())).unwrap();
    assert!(verify_listing(&there, environment().as_ref()).unwrap().sound);
    let shut = there.log(environment()).unwrap();
    assert!(verified(&shut, Level::Checksums).sound);
    assert!(matches!(shut.reader(), Err(Error::Key(KeyError::Shut { .. }))));
    let refused = clone(&bucket, &SimStorage::new(), environment().as_ref()).unwrap_err();
    assert!(matches!(refused, remote::Error::Log(Error::Key(KeyError::Shut { .. }))), "{refused:?}");
    let (stranger, _) = new_identity();
    let stranger = Identities::parse(&stranger, "a test").unwrap();
    let refused = RemoteLog::open_with(Arc::new(bucket.clone()), &unlock(stranger)).unwrap_err();
    assert!(matches!(refused, remote::Error::Log(Error::Key(KeyError::Wrong { .. }))), "{refused:?}");

    // A clone of what followed has all of it.
    let mirror = SimStorage::new();
    clone_with(&bucket, &mirror, environment().as_ref(), &unlock(identities())).unwrap();
    assert_eq!(open(&mirror).reader().unwrap().last_seq(), writer.status().unwrap().last_seq);
}

#[test]
fn a_key_that_was_changed_elsewhere_comes_with_the_next_pull() {
    let disk = SimStorage::new();
    let log = init(Arc::new(disk.clone()), &environment());
    crawl(&log, 0);
    let (bucket, mirror) = (MemoryBucket::default(), SimStorage::new());
    push(&log, &bucket).unwrap();
    clone_with(&bucket, &mirror, environment().as_ref(), &unlock(identities())).unwrap();
    let log = log.rotate().unwrap();
    crawl(&log, 1);
    push(&log, &bucket).unwrap();
    let refused = pull(&open(&mirror), &bucket).unwrap_err();
    assert_eq!(refused.kind(), "no-key", "{refused:?}");
    pull_with(&open(&mirror), &bucket, &unlock(identities())).unwrap();
    assert!(verified(&open(&mirror), Level::Replay).sound);
    assert_eq!(open(&mirror).reader().unwrap().markers(), log.reader().unwrap().markers());
    assert!(shut(&mirror).is_shut());
}
