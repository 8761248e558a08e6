//! Power cuts at every storage call, failing calls at every storage call, and what is left after each.
//!
//! `SNAPLOG_EXHAUSTIVE=1` tries every call with every subset of what was not synced; without it every call with a few.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "common/fates.rs"]
mod fates;

use std::collections::BTreeMap;
use std::sync::Arc;

use fates::{Visits, exhaustive};

use snaplog::model::graph::Changes;
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{
    Error, Event, Fingerprint, FixedEnvironment, Graph, GraphKind, Log, MarkOptions, MarkerId, Seq,
    Timestamp, Writer,
};

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
/// Markers every 10 nodes; only explicit commits sync.
const CONFIG: &str =
    "durability = \"marker\"\n[tiers.often]\nevery_nodes = 10\n[segment]\nsize = \"64 KiB\"\n";
const SESSIONS: usize = 3;
/// Events of a session: singles, then a batch.
const SINGLES: usize = 22;
const BATCH: usize = 5;

/// The events, in order; each of them changes something. Some are large, so that segments roll.
fn event(n: usize) -> Event {
    let text = "x".repeat(if n % 7 == 3 { 24_000 } else { 10 });
    match n % 9 {
        5 => Event::DeleteNode { id: format!("n{}", n - 3).as_str().into() },
        8 => Event::PutEntry {
            key: "frontier".into(),
            entry: i64::try_from(n).unwrap().into(),
            value: 1.into(),
        },
        _ => Event::edge(format!("n{n}"), format!("n{}", n + 1)).with("text", text),
    }
}

/// What the log must be at each seq: content and layout, from a replay of its own.
struct Expected {
    at: Vec<Fingerprint>,
}

impl Expected {
    fn new(count: usize) -> Self {
        let mut graph = Graph::new(KIND);
        graph.track_fingerprint(true);
        let mut at = vec![graph.fingerprint()];
        let mut changes = Changes::new();
        for n in 0..count {
            graph.resolve(&event(n), &mut changes).unwrap();
            assert!(!changes.is_empty(), "event {n} changes nothing");
            for record in changes.records() {
                graph.apply(&record).unwrap();
            }
            at.push(graph.fingerprint());
        }
        Self { at }
    }
}

/// What the caller was told.
#[derive(Default, Clone)]
struct Told {
    durable: usize,
    markers: BTreeMap<MarkerId, (Seq, Fingerprint)>,
    /// Ranges of events that were handed in as one batch.
    batches: Vec<(usize, usize)>,
}

struct World {
    storage: SimStorage,
    environment: Arc<FixedEnvironment>,
}

impl World {
    fn new() -> Self {
        let environment = Arc::new(FixedEnvironment::new(Timestamp(1_000_000)));
        Self { storage: SimStorage::new(), environment }
    }

    fn init(&self) -> Result<Log, Error> {
        Log::init_in(Arc::new(self.storage.clone()), self.environment.clone(), KIND, CONFIG)
    }

    fn open(&self) -> Result<Log, Error> {
        Log::open_in(Arc::new(self.storage.clone()), self.environment.clone())
    }

    /// Opens the log, or makes it if a crash came before there was one.
    fn open_or_init(&self, told: &Told) -> Log {
        match self.open() {
            Ok(log) => log,
            Err(Error::NotALog { .. }) if told.durable == 0 && told.markers.is_empty() => {
                self.init().unwrap()
            }
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }
}

/// Hands in events from `from` on: singles with commits and a marker, then a batch. Stops at the first error.
fn session(writer: &Writer, from: usize, told: &mut Told) -> Result<usize, Error> {
    let mut next = from;
    for single in 0..SINGLES {
        writer.append(&event(next))?;
        next += 1;
        // A marker that the schedule has placed is durable when the event returns.
        if let Some(marker) =
            writer.status()?.last_marker.filter(|marker| marker.seq.0 == u64::try_from(next).unwrap())
        {
            told.markers.insert(marker.id, (marker.seq, marker.fingerprint));
            told.durable = next;
        }
        if single % 6 == 5 {
            told.durable = told.durable.max(usize::try_from(writer.commit()?.0).unwrap());
        }
        if single == 13 {
            let marker = writer.mark(&MarkOptions::labelled(format!("at {next}")))?;
            told.markers.insert(marker.id, (marker.seq, marker.fingerprint));
            told.durable = next;
        }
    }
    told.batches.push((next, next + BATCH));
    let batch: Vec<_> = (next..next + BATCH).map(event).collect();
    writer.append_all(&batch)?;
    next += BATCH;
    told.durable = told.durable.max(usize::try_from(writer.commit()?.0).unwrap());
    Ok(next)
}

/// Sessions one after the other, until something fails.
fn workload(world: &World, told: &mut Told) -> Result<(), Error> {
    let log = world.init()?;
    let mut next = 0;
    for number in 0..SESSIONS {
        let writer = log.writer()?;
        next = session(&writer, next, told)?;
        for marker in writer.markers()? {
            // The schedule's markers were synced when they were placed.
            told.markers.insert(marker.id, (marker.seq, marker.fingerprint));
        }
        if number == 1 {
            let first = *told.markers.keys().next().unwrap();
            writer.pin(first, true)?;
        }
        writer.close()?;
        world.environment.advance_micros(1_000_000);
    }
    Ok(())
}

/// All files but the lock, whose text names each session anew.
fn without_lock(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut files = world.storage.dump();
    files.remove("LOCK");
    files
}

/// All that must hold of a log after whatever happened; returns how many events are in it.
fn check(world: &World, told: &Told, expected: &Expected, what: &str) -> usize {
    let log = world.open_or_init(told);
    let before = world.storage.dump();
    let reader = log.reader().unwrap_or_else(|e| panic!("{what}: {e}"));
    let shown = usize::try_from(reader.last_seq().0).unwrap();
    assert_eq!(before, world.storage.dump(), "{what}: a reader wrote");
    assert!(shown >= told.durable, "{what}: {} were acknowledged, {shown} are there", told.durable);

    let writer = log.writer().unwrap_or_else(|e| panic!("{what}: {e}: {:?}", std::error::Error::source(&e)));
    let there = usize::try_from(writer.status().unwrap().last_seq.0).unwrap();
    assert_eq!(there, shown, "{what}: reader and recovery differ");
    assert_eq!(writer.with_graph(|graph| graph.fingerprint()).unwrap(), expected.at[there], "{what}");
    for (from, to) in &told.batches {
        assert!(there <= *from || there >= *to, "{what}: half a batch: {there} is between {from} and {to}");
    }
    let markers = writer.markers().unwrap();
    for (id, (seq, fingerprint)) in &told.markers {
        let marker = markers.iter().find(|marker| marker.id == *id);
        let marker = marker.unwrap_or_else(|| panic!("{what}: {id} was acknowledged and is gone"));
        assert_eq!((marker.seq, marker.fingerprint), (*seq, *fingerprint), "{what}: {id}");
    }
    for marker in &markers {
        let seq = usize::try_from(marker.seq.0).unwrap();
        assert_eq!(marker.fingerprint, expected.at[seq], "{what}: {}", marker.id);
    }
    writer.close().unwrap();
    // What a recovery has left, another one that is handed nothing leaves as it is.
    let recovered = without_lock(world);
    log.writer().unwrap().close().unwrap();
    assert_eq!(recovered, without_lock(world), "{what}: a second recovery changed something");
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound, "{what}: {report:#?}");
    there
}

/// Goes on writing, and finds everything again.
fn go_on(world: &World, told: &Told, expected: &Expected, what: &str) {
    let there = check(world, told, expected, what);
    let mut later = told.clone();
    later.batches.clear();
    let log = world.open().unwrap();
    let writer = log.writer().unwrap();
    let next = session(&writer, there, &mut later).unwrap();
    // A power cut with nothing but what was synced left.
    drop(writer);
    world.storage.crash_all_lost();
    assert_eq!(
        check(world, &later, expected, what),
        next,
        "{what}: the suffix that was lost came back, or more was"
    );
}

fn all_events() -> Expected {
    Expected::new((SESSIONS + 3) * (SINGLES + BATCH))
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_acknowledged() {
    let expected = all_events();
    let world = World::new();
    workload(&world, &mut Told::default()).unwrap();
    let calls = world.storage.calls();
    assert!(world.storage.list_names().iter().filter(|name| name.starts_with("events-")).count() > SESSIONS);
    let mut visits = Visits::default();
    for call in 1..=calls {
        let world = World::new();
        let mut told = Told::default();
        world.storage.crash_at_call(call);
        // The last call removes an old manifest, which nothing waits for.
        assert!(workload(&world, &mut told).is_err() || call == calls);
        visits.cut(&world.storage, &(told.durable, told.markers.len()), |disk, fates| {
            let left = World { storage: disk.clone(), environment: world.environment.clone() };
            go_on(&left, &told, &expected, &format!("call {call} of {calls}, {fates}"));
        });
    }
    visits.say("append, commit, mark, roll, pin, close, reopen");
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_either() {
    let expected = all_events();
    let world = World::new();
    workload(&world, &mut Told::default()).unwrap();
    let calls = world.storage.calls();
    let step = if exhaustive() { 1 } else { 9 };
    for call in (1..=calls).step_by(step) {
        for inner in 1.. {
            let world = World::new();
            let mut told = Told::default();
            world.storage.crash_at_call(call);
            assert!(workload(&world, &mut told).is_err() || call == calls);
            world.storage.crash_seeded(call);
            // A recovery that goes on to make sure of what it found.
            world.storage.crash_at_call(world.storage.calls() + inner);
            let recovered = (|| {
                let log = match world.open() {
                    Err(Error::NotALog { .. }) => world.init()?,
                    other => other?,
                };
                let writer = log.writer()?;
                let durable = usize::try_from(writer.commit()?.0).unwrap();
                told.durable = told.durable.max(durable);
                told.batches.clear();
                writer.append(&event(durable))?;
                writer.close()
            })();
            let done = recovered.is_ok();
            world.storage.crash_seeded(call * 31 + inner);
            go_on(
                &world,
                &told,
                &expected,
                &format!("call {call} of {calls}, then call {inner} of recovery"),
            );
            if done {
                break;
            }
        }
    }
}

#[test]
fn after_a_failed_call_nothing_is_acknowledged_and_nothing_acknowledged_is_lost() {
    let expected = all_events();
    let world = World::new();
    workload(&world, &mut Told::default()).unwrap();
    let calls = world.storage.calls();
    let faults = [Fault::Eio, Fault::Enospc, Fault::ShortWrite, Fault::FsyncDrops, Fault::FsyncKeeps];
    for call in 1..=calls {
        for fault in faults {
            for span in [FaultSpan::Once, FaultSpan::FromThenOn] {
                let world = World::new();
                let mut told = Told::default();
                world.storage.fail_call(call, fault, span);
                let what = format!("{fault:?} {span:?} at call {call} of {calls}");
                // A file that cannot be removed any more is no failure of the writer's.
                let _ = workload(&world, &mut told);
                world.storage.clear_faults();
                world.storage.crash_seeded(call);
                go_on(&world, &told, &expected, &what);
            }
        }
    }
}

#[test]
fn a_writer_that_failed_once_refuses_everything_until_it_is_reopened() {
    let world = World::new();
    let log = world.init().unwrap();
    let writer = log.writer().unwrap();
    writer.append(&event(0)).unwrap();
    writer.commit().unwrap();
    writer.append(&event(1)).unwrap();
    world.storage.fail_call(world.storage.calls() + 1, Fault::FsyncKeeps, FaultSpan::Once);
    assert!(matches!(writer.commit(), Err(Error::Poisoned { .. })));
    assert!(matches!(writer.append(&event(2)), Err(Error::Poisoned { .. })));
    assert!(matches!(writer.commit(), Err(Error::Poisoned { .. })));
    assert!(matches!(writer.mark(&MarkOptions::default()), Err(Error::Poisoned { .. })));
    assert!(matches!(writer.with_graph(|_| ()), Err(Error::Poisoned { .. })));
    drop(writer);
    assert!(log.writer().unwrap().status().unwrap().last_seq >= Seq(1));
}

#[test]
fn what_an_event_that_changed_nothing_rests_on_is_durable_when_it_is_acknowledged() {
    let world = World::new();
    let log = world.init().unwrap();
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    for n in 0..5 {
        writer.append(&event(n)).unwrap();
    }
    writer.commit().unwrap();
    for n in 5..9 {
        writer.append(&event(n)).unwrap();
    }
    // Written out, not synced: the process is killed, and the page cache keeps what it has.
    writer.set_sync_markers(false).unwrap();
    writer.mark(&MarkOptions::default()).unwrap();
    let page_cache = World { storage: world.storage.fork(), environment: world.environment.clone() };
    let log = page_cache.open().unwrap();
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    assert_eq!(writer.append(&event(7)).unwrap(), snaplog::Appended::Unchanged);
    assert_eq!(writer.commit().unwrap(), Seq(9));
    page_cache.storage.crash_all_lost();
    assert_eq!(page_cache.open().unwrap().reader().unwrap().last_seq(), Seq(9));
}

#[test]
fn the_marker_that_a_crash_separates_from_its_crossing_is_placed_by_the_next_open() {
    let world = World::new();
    let log = world.init().unwrap();
    let writer = log.writer().unwrap();
    // The crossing itself, without its marker.
    writer.set_automatic_markers(false).unwrap();
    for n in 0..12 {
        writer.append(&Event::node(n)).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    world.storage.crash_all_lost();
    let writer = log.writer().unwrap();
    let marker = writer.status().unwrap().last_marker.expect("the overdue marker");
    assert_eq!((marker.tiers.as_slice(), marker.counts.nodes), (&["often".to_owned()][..], 12));
    // Deletes and re-puts around the multiple fire nothing twice.
    for n in 5..12 {
        writer.append(&Event::DeleteNode { id: i64::from(n).into() }).unwrap();
    }
    for n in 5..12 {
        writer.append(&Event::node(i64::from(n))).unwrap();
    }
    assert_eq!(writer.markers().unwrap().len(), 1);
    writer.close().unwrap();
    assert_eq!(log.writer().unwrap().markers().unwrap().len(), 1);
}

#[test]
fn a_session_that_hands_in_nothing_changes_no_file() {
    let world = World::new();
    workload(&world, &mut Told::default()).unwrap();
    let files = |world: &World| {
        let mut files = world.storage.dump();
        files.remove("LOCK");
        files
    };
    let before = files(&world);
    world.open().unwrap().writer().unwrap().close().unwrap();
    assert_eq!(before, files(&world));
}

trait Names {
    fn list_names(&self) -> Vec<String>;
}

impl Names for SimStorage {
    fn list_names(&self) -> Vec<String> {
        self.dump().into_keys().collect()
    }
}
