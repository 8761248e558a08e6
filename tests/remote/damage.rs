//! Damage to what a store holds: it is found, and no other graph comes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use snaplog::remote::{MemoryBucket, RemoteLog, clone, push, verify_listing};
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::Level;
use snaplog::{Fingerprint, MarkerId};

use crate::common::{Numbers, environment, verified};
use crate::world::{compact, grow, log, markers, remote};

fn sample() -> (MemoryBucket, BTreeMap<MarkerId, Fingerprint>) {
    let (_, log) = log();
    let bucket = MemoryBucket::new();
    for days in [0..6_i64, 6..12, 12..15] {
        grow(&log, days);
        push(&log, &bucket).unwrap();
        compact(&log);
    }
    grow(&log, 15..17);
    push(&log, &bucket).unwrap();
    (bucket, markers(&log).into_iter().map(|marker| (marker.id, marker.fingerprint)).collect())
}

/// Restores every marker of a damaged store: each is what it was, or is refused.
fn never_another(bucket: &MemoryBucket, truth: &BTreeMap<MarkerId, Fingerprint>, story: &str) -> bool {
    let Ok(there) = RemoteLog::open(Arc::new(bucket.clone())) else { return false };
    let Ok(log) = there.log(environment()) else { return false };
    let Ok(reader) = log.reader() else { return false };
    let mut whole = reader.markers().len() == truth.len();
    for marker in reader.markers() {
        match reader.restore(marker) {
            Ok(restored) => {
                assert_eq!(restored.fingerprint(), truth[&marker.id], "{story}: {}", marker.id);
            }
            Err(_) => whole = false,
        }
    }
    whole
}

#[test]
fn what_is_missing_or_cut_short_shows_by_listing_alone() {
    let (bucket, truth) = sample();
    let needed: Vec<String> = {
        let there = RemoteLog::open(Arc::new(bucket.clone())).unwrap();
        let report = verify_listing(&there, environment().as_ref()).unwrap();
        assert!(report.sound && report.markers_good == u64::try_from(truth.len()).unwrap(), "{report:#?}");
        assert_eq!(there.fetched(), 0);
        bucket.dump().into_keys().filter(|name| name.starts_with("parts/")).collect()
    };
    let mut found = 0;
    for name in &needed {
        for cut in [None, Some(0), Some(1)] {
            let damaged = bucket.fork();
            let mut objects = damaged.dump();
            match cut {
                None => drop(objects.remove(name)),
                Some(0) => drop(objects.insert(name.clone(), Vec::new())),
                Some(_) => drop(objects.get_mut(name).unwrap().pop()),
            }
            damaged.load(objects);
            let story = format!("{name} cut to {cut:?}");
            let there = RemoteLog::open(Arc::new(damaged.clone())).unwrap();
            let report = verify_listing(&there, environment().as_ref()).unwrap();
            let whole = never_another(&damaged, &truth, &story);
            let replayed = verified(&remote(&damaged), Level::Replay);
            assert!(whole || !report.sound, "{story}: {report:#?}");
            assert!(report.sound || !replayed.sound, "{story}: {replayed:#?}");
            if !report.sound {
                found += 1;
                let fault = report.faults.first().unwrap();
                assert!(fault.message.contains("part"), "{fault:?}");
                let refused = clone(&damaged, &SimStorage::new(), environment().as_ref()).unwrap_err();
                assert!(refused.is_damage(), "{story}: {refused}");
            }
        }
    }
    assert!(found >= 6, "{found}");
}

#[test]
fn flipped_bits_are_found_by_replay_and_never_cloned() {
    let (bucket, truth) = sample();
    let mut numbers = Numbers(11);
    let (mut named, mut unneeded) = (0, 0);
    for (name, bytes) in bucket.dump() {
        for _ in 0..24 {
            let damaged = bucket.fork();
            let mut objects = damaged.dump();
            let at = usize::try_from(numbers.below(u64::try_from(bytes.len()).unwrap())).unwrap();
            objects.get_mut(&name).unwrap()[at] ^= 1 << numbers.below(8);
            damaged.load(objects);
            let story = format!("a bit at {at} of {name}");
            let whole = never_another(&damaged, &truth, &story);
            let cloned = clone(&damaged, &SimStorage::new(), environment().as_ref());
            match RemoteLog::open(Arc::new(damaged.clone())) {
                Err(error) => assert!(error.is_damage() && cloned.is_err(), "{story}: {error}"),
                Ok(there) => {
                    let report = verified(&there.log(environment()).unwrap(), Level::Replay);
                    assert!(whole || !report.sound, "{story}: {report:#?}");
                    if report.sound {
                        // An object of an earlier push.
                        cloned.unwrap();
                        unneeded += 1;
                        continue;
                    }
                    assert!(cloned.unwrap_err().is_damage(), "{story}");
                }
            }
            named += 1;
        }
    }
    println!("{named} flips found, {unneeded} in what nothing needs any more");
    assert!(named > 100, "{named}");
}

#[test]
fn objects_that_change_places_are_found() {
    let (bucket, truth) = sample();
    let objects = bucket.dump();
    let names: Vec<&String> = objects.keys().collect();
    for one in &names {
        for two in &names {
            let mut swapped = objects.clone();
            swapped.insert((*one).clone(), objects[*two].clone());
            swapped.insert((*two).clone(), objects[*one].clone());
            if swapped == objects {
                continue;
            }
            let damaged = bucket.fork();
            damaged.load(swapped);
            let story = format!("{one} and {two} swapped");
            let whole = never_another(&damaged, &truth, &story);
            let cloned = clone(&damaged, &SimStorage::new(), environment().as_ref());
            assert!(whole || cloned.is_err(), "{story}");
        }
    }
}
