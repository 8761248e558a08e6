//! Grace: what was dropped can be had back until its time is over, and what is pinned is never dropped.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use snaplog::storage::SimStorage;
use snaplog::{CompactOptions, Event, FixedEnvironment, GraphKind, Log, MarkerId, Timestamp};

const HOUR: i64 = 60 * 60 * 1_000_000;
const CONFIG: &str =
    "[tiers.few]\nevery_nodes = 10\nkeep = 2\n[retention]\nkeep_newest = 1\ngrace = \"10h\"\n";
const RETENTION: CompactOptions =
    CompactOptions { retention: true, now: false, thorough: false, rekey: false };

struct World {
    storage: SimStorage,
    environment: Arc<FixedEnvironment>,
    log: Log,
}

impl World {
    fn new() -> Self {
        let environment = Arc::new(FixedEnvironment::new(Timestamp(1_767_225_600_000_000)));
        let storage = SimStorage::new();
        let kind = GraphKind { directed: true, multigraph: false };
        let log = Log::init_in(Arc::new(storage.clone()), environment.clone(), kind, CONFIG).unwrap();
        let writer = log.writer().unwrap();
        for n in 0..100 {
            writer.append(&Event::node(n)).unwrap();
            environment.advance_micros(HOUR / 10);
        }
        writer.close().unwrap();
        Self { storage, environment, log }
    }

    fn listed(&self) -> BTreeSet<MarkerId> {
        self.log.reader().unwrap().markers().iter().map(|marker| marker.id).collect()
    }

    fn dropped(&self) -> BTreeSet<MarkerId> {
        let reader = self.log.reader().unwrap();
        reader.markers().iter().filter(|marker| marker.expired.is_some()).map(|marker| marker.id).collect()
    }

    fn trash(&self) -> usize {
        self.storage.dump().keys().filter(|name| name.starts_with("trash/")).count()
    }
}

#[test]
fn what_was_dropped_can_be_had_back_until_grace_is_over_and_not_after() {
    let world = World::new();
    let all = world.listed();
    let done = world.log.compact(RETENTION).unwrap();
    assert_eq!((done.dropped.len(), done.reclaimed.len()), (8, 0));
    world.environment.advance_micros(9 * HOUR);
    let done = world.log.compact(RETENTION).unwrap();
    assert_eq!((done.dropped.len(), done.reclaimed.len()), (0, 0));
    assert_eq!(world.listed(), all);
    let dropped = world.dropped();
    let back = *dropped.first().unwrap();
    assert_eq!(world.log.undelete(&[back]).unwrap(), [back]);
    let reader = world.log.reader().unwrap();
    for marker in reader.markers() {
        assert_eq!(reader.restore(marker).unwrap().fingerprint(), marker.fingerprint);
    }
    world.environment.advance_micros(HOUR + 1);
    let done = world.log.compact(CompactOptions::default()).unwrap();
    assert_eq!(done.reclaimed.len(), 7);
    assert_eq!(world.listed().len(), 3);
    assert!(world.listed().contains(&back));
    assert!(world.log.undelete(&dropped.iter().copied().collect::<Vec<_>>()).unwrap().is_empty());
}

#[test]
fn files_that_were_replaced_stay_in_the_trash_until_grace_is_over() {
    let world = World::new();
    world.environment.advance_micros(48 * HOUR);
    let writer = world.log.writer().unwrap();
    writer.append(&Event::node(1000)).unwrap();
    writer.close().unwrap();
    let done = world.log.compact(RETENTION).unwrap();
    assert!(done.steps > 0 && done.bytes_removed == 0, "{done:?}");
    let trash = world.trash();
    assert!(trash > 0);
    world.environment.advance_micros(9 * HOUR);
    world.log.compact(RETENTION).unwrap();
    assert!(world.trash() >= trash);
    world.environment.advance_micros(2 * HOUR);
    assert!(world.log.compact(RETENTION).unwrap().bytes_removed > 0);
    world.environment.advance_micros(11 * HOUR);
    world.log.compact(RETENTION).unwrap();
    assert_eq!(world.trash(), 0);
}

#[test]
fn a_pinned_marker_is_not_dropped_whoever_asks() {
    let world = World::new();
    let all: Vec<_> = world.listed().into_iter().collect();
    let pinned = *all.first().unwrap();
    world.log.pin(pinned, true).unwrap();
    assert!(!world.log.expire(&all).unwrap().contains(&pinned));
    world.log.compact(CompactOptions { retention: true, now: true, thorough: true, rekey: false }).unwrap();
    world.log.compact(CompactOptions { now: true, ..CompactOptions::default() }).unwrap();
    let reader = world.log.reader().unwrap();
    let marker = reader.markers().iter().find(|marker| marker.id == pinned).unwrap();
    assert!(marker.expired.is_none());
    assert_eq!(reader.restore(marker).unwrap().fingerprint(), marker.fingerprint);
}
