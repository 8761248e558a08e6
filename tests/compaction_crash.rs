//! Power cuts and failing calls at every storage call of retention and compaction, and what is left after each.
//!
//! `SNAPLOG_EXHAUSTIVE=1` tries every call with every subset of what was not synced; without it every call with a few.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "common/fates.rs"]
mod fates;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fates::{Visits, exhaustive};
use snaplog::model::graph::Changes;
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{
    CompactOptions, Error, Event, Fingerprint, FixedEnvironment, Graph, GraphKind, Log, MarkerId, Seq,
    Timestamp,
};

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 8\nkeep = 2\n[tiers.all]\nevery_nodes = 24\n\
                      [segment]\nsize = \"64 KiB\"\n[retention]\nkeep_newest = 2\nkeep_events = \"12h\"\n";
const HOUR: i64 = 60 * 60 * 1_000_000;
/// Events of the log that is compacted, and those that a session adds in between.
const BEFORE: usize = 150;
const LATER: usize = 25;

const RETENTION: CompactOptions =
    CompactOptions { retention: true, now: false, thorough: false, rekey: false };
const NOW: CompactOptions = CompactOptions { retention: false, now: true, thorough: true, rekey: false };

/// The events, in order; each of them changes something. One an hour.
fn event(n: usize) -> Event {
    let old = |back: usize| i64::try_from(n - n % 7 - back).unwrap();
    match n % 10 {
        4 if n > 20 => Event::node(old(3)).with("seen", i64::try_from(n).unwrap()),
        6 if n > 20 => Event::DeleteNode { id: i64::try_from(n - 2).unwrap().into() },
        8 => Event::PutEntry {
            key: "frontier".into(),
            entry: i64::try_from(n % 3).unwrap().into(),
            value: i64::try_from(n).unwrap().into(),
        },
        _ => Event::edge(i64::try_from(n).unwrap(), i64::try_from(n + 1).unwrap())
            .with("text", format!("edge {n}")),
    }
}

fn time(n: usize) -> Timestamp {
    Timestamp(1_767_225_600_000_000 + i64::try_from(n).unwrap() * HOUR)
}

/// Content and layout at each seq, from a replay of its own.
fn expected() -> Vec<Fingerprint> {
    let mut graph = Graph::new(KIND);
    graph.track_fingerprint(true);
    let mut at = vec![graph.fingerprint()];
    let mut changes = Changes::new();
    for n in 0..BEFORE + LATER {
        graph.resolve(&event(n), &mut changes).unwrap();
        assert!(!changes.is_empty(), "event {n} changes nothing");
        changes.records().for_each(|record| graph.apply(&record).unwrap());
        at.push(graph.fingerprint());
    }
    at
}

struct World {
    storage: SimStorage,
    environment: Arc<FixedEnvironment>,
}

impl World {
    /// A log with three sessions, closed in good order.
    fn new() -> Self {
        let environment = Arc::new(FixedEnvironment::new(time(BEFORE + LATER)));
        let world = Self { storage: SimStorage::new(), environment };
        let log =
            Log::init_in(Arc::new(world.storage.clone()), world.environment.clone(), KIND, CONFIG).unwrap();
        for session in 0..3 {
            let writer = log.writer().unwrap();
            for n in session * BEFORE / 3..(session + 1) * BEFORE / 3 {
                writer.append_at(&event(n), time(n)).unwrap();
            }
            writer.close().unwrap();
        }
        world
    }

    fn fork(&self) -> Self {
        Self {
            storage: self.storage.fork(),
            environment: Arc::new(FixedEnvironment::new(time(BEFORE + LATER))),
        }
    }

    fn log(&self) -> Result<Log, Error> {
        Log::open_in(Arc::new(self.storage.clone()), self.environment.clone())
    }
}

/// What the caller was told.
#[derive(Default, Clone)]
struct Told {
    durable: usize,
    /// Markers that have to be there, and not dropped.
    kept: BTreeSet<MarkerId>,
}

/// Retention, an undelete, a pin, a session that writes and maintains, and the end of grace.
fn work(world: &World, told: &mut Told) -> Result<(), Error> {
    let log = world.log()?;
    let done = log.compact(RETENTION)?;
    let dropped = *done.dropped.first().unwrap();
    assert_eq!(log.undelete(&[dropped])?, [dropped]);
    told.kept.insert(dropped);
    log.pin(dropped, true)?;
    let writer = log.writer()?;
    for n in BEFORE..BEFORE + LATER {
        writer.append_at(&event(n), time(n))?;
    }
    told.durable = usize::try_from(writer.commit()?.0).unwrap();
    writer.maintain()?;
    writer.close()?;
    log.compact(NOW)?;
    Ok(())
}

/// What is known of the log before anything was done.
struct Before {
    fingerprints: Vec<Fingerprint>,
    markers: BTreeMap<MarkerId, (Seq, Fingerprint)>,
    /// What retention keeps.
    kept: BTreeSet<MarkerId>,
}

impl Before {
    fn new(world: &World) -> Self {
        let reader = world.log().unwrap().reader().unwrap();
        let markers = reader.markers().iter().map(|m| (m.id, (m.seq, m.fingerprint))).collect();
        // The rules that hold whatever comes later: a tier of which all are kept.
        let all = |m: &&snaplog::Marker| m.tiers.iter().any(|tier| tier == "all");
        let kept = reader.markers().iter().filter(all).map(|marker| marker.id).collect();
        Self { fingerprints: expected(), markers, kept }
    }
}

/// All that must hold after whatever happened.
fn check(world: &World, told: &Told, before: &Before, what: &str) {
    let log = world.log().unwrap_or_else(|e| panic!("{what}: {e}: {:?}", std::error::Error::source(&e)));
    let reader = log.reader().unwrap_or_else(|e| panic!("{what}: {e}"));
    let last = usize::try_from(reader.last_seq().0).unwrap();
    assert!(last >= told.durable.max(BEFORE), "{what}: acknowledged events are gone: {last}");
    for id in before.kept.iter().chain(&told.kept) {
        let there = reader.markers().iter().find(|marker| marker.id == *id);
        assert!(
            there.is_some_and(|marker| marker.expired.is_none()),
            "{what}: {id} was to be kept: {there:?}"
        );
    }
    for marker in reader.markers() {
        let seq = usize::try_from(marker.seq.0).unwrap();
        assert_eq!(marker.fingerprint, before.fingerprints[seq], "{what}: {}", marker.id);
        if let Some(was) = before.markers.get(&marker.id) {
            assert_eq!((marker.seq, marker.fingerprint), *was, "{what}: {}", marker.id);
        }
    }
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound, "{what}: {report:#?}");
    assert_eq!(report.good.len(), reader.markers().len(), "{what}: {report:#?}");
    let writer = log.writer().unwrap_or_else(|e| panic!("{what}: {e}: {:?}", std::error::Error::source(&e)));
    assert_eq!(writer.with_graph(|graph| graph.fingerprint()).unwrap(), before.fingerprints[last], "{what}");
    writer.close().unwrap();
}

/// The next compaction finishes, and leaves nothing behind that does not belong there.
fn go_on(world: &World, told: &Told, before: &Before, what: &str) {
    check(world, told, before, what);
    let log = world.log().unwrap();
    let done = log.compact(NOW);
    assert!(done.is_ok(), "{what}: {done:?}");
    let reader = log.reader().unwrap();
    let mut named: BTreeSet<String> = reader.segments().into_iter().map(|segment| segment.file).collect();
    named.extend(["CURRENT", "LOCK", "snaplog.toml"].map(str::to_owned));
    for name in world.storage.dump().into_keys() {
        let belongs = named.remove(&name) || name.starts_with("manifest-") || name.starts_with("requests/");
        assert!(belongs, "{what}: {name} is left over");
    }
    assert!(named.is_empty(), "{what}: {named:?} are missing");
    check(world, told, before, &format!("{what}, then compacted"));
}

/// How many storage calls the whole work takes.
fn calls(base: &World) -> u64 {
    let world = base.fork();
    let start = world.storage.calls();
    work(&world, &mut Told::default()).unwrap();
    world.storage.calls() - start
}

#[test]
fn the_work_is_done_when_nothing_goes_wrong() {
    let base = World::new();
    let before = Before::new(&base);
    let world = base.fork();
    let mut told = Told::default();
    work(&world, &mut told).unwrap();
    let files = world.storage.dump();
    assert!(files.keys().any(|name| name.starts_with("snapshot-")), "{:?}", files.keys());
    let markers = world.log().unwrap().reader().unwrap().markers().len();
    assert!(markers < before.markers.len(), "nothing was dropped");
    go_on(&world, &told, &before, "nothing went wrong");
}

#[test]
fn a_power_cut_at_any_call_costs_no_marker_that_is_kept() {
    let base = World::new();
    let before = Before::new(&base);
    let calls = calls(&base);
    assert!(calls > 100, "{calls}");
    let mut visits = Visits::default();
    for call in 1..=calls {
        let world = base.fork();
        let mut told = Told::default();
        world.storage.crash_at_call(world.storage.calls() + call);
        let _ = work(&world, &mut told);
        visits.cut(&world.storage, &(told.durable, told.kept.len()), |disk, fates| {
            let left = World { storage: disk.clone(), environment: world.environment.clone() };
            go_on(&left, &told, &before, &format!("call {call} of {calls}, {fates}"));
        });
    }
    visits.say("retention, undelete, pin, append, fold, merge, rewrite, compress, drop");
}

#[test]
fn a_second_power_cut_while_the_first_is_mended_costs_nothing_either() {
    let base = World::new();
    let before = Before::new(&base);
    let calls = calls(&base);
    for call in (1..=calls).step_by(if exhaustive() { 1 } else { 11 }) {
        for inner in (1..).step_by(if exhaustive() { 1 } else { 5 }) {
            let world = base.fork();
            let mut told = Told::default();
            world.storage.crash_at_call(world.storage.calls() + call);
            let _ = work(&world, &mut told);
            world.storage.crash_seeded(call);
            world.storage.crash_at_call(world.storage.calls() + inner);
            let done = world.log().and_then(|log| log.compact(CompactOptions::default())).is_ok();
            world.storage.crash_seeded(call * 31 + inner);
            go_on(&world, &told, &before, &format!("call {call} of {calls}, then call {inner}"));
            if done {
                break;
            }
        }
    }
}

#[test]
fn a_call_that_fails_leaves_the_log_as_it_was() {
    let base = World::new();
    let before = Before::new(&base);
    let calls = calls(&base);
    let faults = [Fault::Eio, Fault::Enospc, Fault::ShortWrite, Fault::FsyncDrops, Fault::FsyncKeeps];
    for call in (1..=calls).step_by(if exhaustive() { 1 } else { 2 }) {
        for fault in faults {
            for span in [FaultSpan::Once, FaultSpan::FromThenOn] {
                let world = base.fork();
                let mut told = Told::default();
                world.storage.fail_call(world.storage.calls() + call, fault, span);
                let _ = work(&world, &mut told);
                world.storage.clear_faults();
                let what = format!("{fault:?} {span:?} at call {call} of {calls}");
                // First as the next command finds it, then as a power cut leaves it.
                let after = World { storage: world.storage.fork(), environment: world.environment.clone() };
                check(&after, &told, &before, &what);
                world.storage.crash_seeded(call);
                go_on(&world, &told, &before, &what);
            }
        }
    }
}

#[test]
fn a_full_disk_is_told_with_the_room_that_it_takes_and_costs_nothing() {
    let base = World::new();
    let before = Before::new(&base);
    let world = base.fork();
    let log = world.log().unwrap();
    let mut told_room = false;
    for call in 1..120 {
        let forked = world.fork();
        let log = forked.log().unwrap();
        forked.storage.fail_call(forked.storage.calls() + call, Fault::Enospc, FaultSpan::Once);
        let files = forked.storage.dump();
        if let Err(Error::NoRoom { needed, .. }) = log.compact(RETENTION) {
            assert!(needed > 0);
            told_room = true;
            forked.storage.clear_faults();
            for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("events-")) {
                assert_eq!(forked.storage.dump().get(name), Some(bytes), "call {call}: {name}");
            }
            // What was begun is not left where there is no room.
            let left = forked.storage.dump().into_keys().find(|name| {
                (name.starts_with("snapshot-") || name.starts_with("events-")) && name.contains(".tmp")
            });
            assert_eq!(left, None, "call {call}");
        }
        forked.storage.clear_faults();
        go_on(&forked, &Told::default(), &before, &format!("full at call {call}"));
    }
    assert!(told_room);
    drop(log);
}

/// A disk without a free byte, after a session whose last word may be lost: room is made of nothing that the manifest
/// before needs.
#[test]
fn room_is_not_made_of_what_a_power_cut_can_ask_for_again() {
    let base = World::new();
    let before = Before::new(&base);
    let calls = calls(&base);
    let mut made = 0;
    for call in 1..=calls {
        let world = base.fork();
        let mut told = Told::default();
        world.storage.fail_call(world.storage.calls() + call, Fault::FsyncDrops, FaultSpan::Once);
        if work(&world, &mut told).is_ok() {
            continue;
        }
        world.storage.clear_faults();
        let in_trash = |world: &World| {
            world.storage.dump().into_keys().filter(|name| name.starts_with("trash/")).count()
        };
        for nth in 1..=6 {
            let full = world.fork();
            full.storage.fail_call(full.storage.calls() + nth, Fault::Enospc, FaultSpan::FromThenOn);
            let all = in_trash(&full);
            if full.log().and_then(|log| log.compact(NOW)).is_ok() {
                break;
            }
            if in_trash(&full) == all {
                continue;
            }
            made += 1;
            // What was written since survives, what the failed sync has dropped does not.
            full.storage.crash_all_survive();
            let what = format!("a sync dropped at call {call} of {calls}, full from call {nth} on");
            go_on(&full, &told, &before, &what);
        }
    }
    assert!(made > 20, "{made}");
}
