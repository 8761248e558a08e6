//! The engine through its public API.
#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{DIRECTED, Oracle, environment, files, killed, open, verified};
use snaplog::storage::{DirEntry, LocalStorage, LockAttempt, ReadFile, SimStorage, Storage, WriteFile};
use snaplog::upkeep::verify::Level;
use snaplog::{
    Appended, Error, Event, FixedEnvironment, Log, MarkOptions, MarkerId, Refusal, Selector, Seq,
    SystemEnvironment, Timestamp,
};

#[test]
fn what_is_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    for session in 0..3 {
        let writer = log.writer().unwrap();
        for n in 0..600 {
            let event = Event::edge(format!("{session}-{n}"), format!("{session}-{}", n + 1)).with("w", n);
            assert!(matches!(writer.append(&event).unwrap(), Appended::Written(_)));
            assert_eq!(writer.append(&event).unwrap(), Appended::Unchanged);
        }
        assert_eq!(writer.commit().unwrap(), Seq(600 * (session + 1)));
        if session == 1 {
            writer.mark(&MarkOptions::labelled("x")).unwrap();
        }
        if session == 2 {
            writer.close().unwrap();
        } else {
            std::mem::forget(writer);
            break_lock(&dir);
        }
    }
    let reader = log.reader().unwrap();
    assert_eq!(reader.last_seq(), Seq(1800));
    for marker in reader.markers() {
        assert_eq!(reader.restore(marker).unwrap().counts(), marker.counts);
    }
    let choice = reader.select(&Selector::Latest, Some("milestone")).unwrap();
    assert_eq!(choice.marker.counts.nodes, 1500);
    println!("{:#?}", reader.markers().len());
}

fn break_lock(dir: &tempfile::TempDir) {
    std::fs::remove_file(dir.path().join("l/LOCK")).unwrap();
}

#[test]
fn verify_says_that_a_good_log_is_good() {
    use snaplog::upkeep::verify::{Level, Options, verify};
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    let writer = log.writer().unwrap();
    for n in 0..100 {
        writer.append(&Event::node(n)).unwrap();
    }
    writer.close().unwrap();
    for level in [Level::Quick, Level::Checksums, Level::Replay] {
        let report = verify(&log, Options { level, max_duration: None }).unwrap();
        assert!(report.sound && report.complete, "{report:#?}");
        assert_eq!(report.markers_good, 5, "{report:#?}");
    }
}

#[test]
fn a_marker_placed_by_hand_makes_no_tier_of_time_due() {
    use snaplog::storage::SimStorage;
    use snaplog::{Config, FixedEnvironment, Timestamp};
    use std::sync::Arc;
    let clock = Arc::new(FixedEnvironment::new(Timestamp(0)));
    let storage = Arc::new(SimStorage::new());
    let log = Log::init_in(storage, clock.clone(), DIRECTED, Config::template()).unwrap();
    let writer = log.writer().unwrap();
    writer.append(&Event::node("a")).unwrap();
    writer.close().unwrap();
    for day in 1..4 {
        clock.set(Timestamp(day * 86_400_000_000));
        log.mark(&MarkOptions::labelled(format!("day {day}"))).unwrap();
    }
    let reader = log.reader().unwrap();
    let daily = reader.markers().iter().filter(|marker| marker.tiers == ["daily"]).count();
    assert_eq!((reader.markers().len(), daily), (4, 1));
}

#[test]
fn a_configuration_that_cannot_be_used_stops_writers_and_no_readers() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    std::fs::write(dir.path().join("l/snaplog.toml"), "durabillity = 1").unwrap();
    assert!(matches!(log.writer(), Err(snaplog::Error::Config { .. })));
    assert!(log.reader().unwrap().config_fault().is_some());
}

fn small(config: &str) -> (SimStorage, Arc<FixedEnvironment>, Log) {
    let (disk, clock) = (SimStorage::new(), environment());
    let log = Log::init_in(Arc::new(disk.clone()), Arc::<FixedEnvironment>::clone(&clock), DIRECTED, config)
        .unwrap();
    (disk, clock, log)
}

const NO_TIERS: &str = "durability = \"marker\"\n[tiers]\n";

fn claims_of(disk: &SimStorage) -> Seq {
    let cut = disk.fork();
    cut.crash_all_lost();
    open(&cut).reader().unwrap().last_seq()
}

#[test]
fn time_never_runs_backwards_and_what_is_held_is_counted() {
    let (disk, clock, log) = small(NO_TIERS);
    let noon = Timestamp::parse_rfc3339(common::NOON).unwrap();
    let hour = 3_600_000_000;
    let writer = log.writer().unwrap();
    writer.append_at(&Event::node(1), noon).unwrap();
    writer.append_at(&Event::node(2), noon.plus_micros(-hour)).unwrap();
    assert_eq!(writer.status().unwrap().times_held, 1);
    writer.append_at(&Event::node(3), noon.plus_micros(23 * hour)).unwrap();
    for ahead in [25 * hour, i64::MAX] {
        let error = writer.append_at(&Event::node("no"), noon.plus_micros(ahead)).unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::TimeAhead { .. })), "{error:?}");
    }
    assert_eq!(writer.status().unwrap().last_seq, Seq(3), "a refused event leaves nothing");
    // The clock goes back, within a session and between two.
    clock.set(noon.plus_micros(-5 * hour));
    writer.commit().unwrap();
    writer.append(&Event::node(4)).unwrap();
    let marker = writer.mark(&MarkOptions::default()).unwrap();
    assert_eq!(marker.time, noon.plus_micros(23 * hour));
    assert!(writer.status().unwrap().times_held >= 2);
    writer.close().unwrap();
    let writer = log.writer().unwrap();
    writer.append(&Event::node(5)).unwrap();
    assert!(writer.mark(&MarkOptions::default()).unwrap().time >= marker.time);
    writer.close().unwrap();
    assert!(verified(&open(&disk), Level::Replay).sound);
    let reader = log.reader().unwrap();
    assert_eq!(
        reader.restore_time(noon).unwrap().seq,
        Seq(2),
        "the held event has the time that it is held at"
    );
    assert_eq!(reader.restore_time(noon.plus_micros(-1)).unwrap().seq, Seq(0));
}

#[test]
fn events_are_synced_together_as_the_durability_says() {
    for (durability, each) in [("{ events = 5, interval = \"1h\" }", 5), ("\"each\"", 1)] {
        let (disk, _, log) = small(&format!("durability = {durability}\n[tiers]\n"));
        let writer = log.writer().unwrap();
        for n in 1..=20 {
            let before = disk.calls();
            writer.append(&Event::node(n)).unwrap();
            let durable = u64::try_from(n / each * each).unwrap();
            assert_eq!(writer.status().unwrap().durable, Seq(durable), "{durability}");
            assert_eq!(claims_of(&disk), Seq(durable), "{durability}: what is called durable is");
            if n % each != 0 {
                assert_eq!(disk.calls(), before, "{durability}: nothing is written for event {n} alone");
            } else if n > each {
                assert_eq!(disk.calls() - before, 3, "{durability}: one write, one sync, one note");
            }
        }
        // A batch counts as its events.
        writer.append_all(&(100..105).map(Event::node).collect::<Vec<_>>()).unwrap();
        assert_eq!(claims_of(&disk), Seq(25));
    }
    let (disk, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    for n in 0..3000 {
        writer.append(&Event::node(n)).unwrap();
    }
    assert_eq!(claims_of(&disk), Seq(0), "nothing was promised");
    let marker = writer.mark(&MarkOptions::default()).unwrap();
    assert_eq!(claims_of(&disk), Seq(3000));
    assert_eq!(marker.seq, Seq(3000));
}

#[test]
fn what_waits_is_synced_on_time_by_the_thread_or_by_tick() {
    let dir = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(LocalStorage::new(dir.path().join("l")));
    let config = "durability = { events = 100000, interval = \"20 ms\" }\n[tiers]\n";
    let log = Log::init_in(storage, Arc::new(SystemEnvironment), DIRECTED, config).unwrap();
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    eventually(|| writer.status().unwrap().durable == Seq(1));
    // Beside the live writer a reader sees it: it is claimed.
    eventually(|| log.reader().unwrap().last_seq() == Seq(1));
    writer.close().unwrap();

    let (disk, _, log) = small(config);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    assert_eq!(claims_of(&disk), Seq(0));
    writer.tick().unwrap();
    assert_eq!(claims_of(&disk), Seq(1));
    let before = disk.calls();
    writer.tick().unwrap();
    assert_eq!(disk.calls(), before, "nothing waits");
}

fn eventually(met: impl Fn() -> bool) {
    for _ in 0..6000 {
        if met() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came");
}

#[test]
fn a_second_writer_is_told_who_has_the_lock() {
    let (_, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    let Err(Error::Locked { owner, .. }) = log.writer() else { panic!("two writers") };
    assert!(owner.contains("a test"), "{owner}");
    writer.close().unwrap();
    log.writer().unwrap().close().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    let writer = log.writer().unwrap();
    let other = Log::open(dir.path().join("l")).unwrap();
    let Err(Error::Locked { owner, .. }) = other.writer() else { panic!("two writers") };
    assert!(owner.contains(&format!("pid {}", std::process::id())), "{owner}");
    drop(writer);
    other.writer().unwrap().close().unwrap();
}

#[test]
fn marks_and_pins_reach_a_live_writer_and_are_durable_when_they_are_answered() {
    let (disk, clock, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let marker = std::thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let other = Log::open_in(Arc::new(disk.clone()), Arc::<FixedEnvironment>::clone(&clock)).unwrap();
            let marker = other.mark(&MarkOptions::labelled("from outside")).unwrap();
            other.pin(marker.id, true).unwrap();
            let unknown = other.pin(MarkerId(77), true);
            assert!(matches!(unknown, Err(Error::Declined { .. })), "{unknown:?}");
            let bad = other.mark(&MarkOptions::labelled("latest"));
            assert!(matches!(bad, Err(Error::Declined { .. })), "{bad:?}");
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            marker
        });
        while !done.load(std::sync::atomic::Ordering::SeqCst) && !asker.is_finished() {
            writer.tick().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        asker.join().unwrap()
    });
    assert_eq!(marker.seq, Seq(1));
    let left: Vec<_> = disk.dump().into_keys().filter(|name| name.starts_with("requests/")).collect();
    assert!(left.is_empty(), "{left:?}");
    let cut = killed(&disk, writer);
    cut.crash_all_lost();
    let reader = open(&cut).reader().unwrap();
    let there = reader.markers().iter().find(|there| there.id == marker.id).unwrap();
    assert!(there.pinned);
}

#[test]
fn a_request_whose_writer_dies_is_carried_out_by_the_one_that_asked() {
    let (_, clock, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| log.mark(&MarkOptions::labelled("wanted")).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(150));
        // Ends without ever having looked at requests.
        writer.close().unwrap();
        assert_eq!(asker.join().unwrap().label.as_deref(), Some("wanted"));
    });
    assert_eq!(log.reader().unwrap().markers().len(), 1);
    drop(clock);
}

#[test]
fn a_reader_beside_a_live_writer_sees_what_stays() {
    let (disk, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    for n in 0..5 {
        writer.append(&Event::node(n)).unwrap();
    }
    writer.commit().unwrap();
    writer.append(&Event::node("large").with("text", "x".repeat(300_000))).unwrap();
    let reader = log.reader().unwrap();
    assert_eq!(reader.last_seq(), Seq(5), "what is written and not synced may still be lost");
    assert!(verified(&log, Level::Replay).sound);
    let seen = reader.restore_seq(Seq(5)).unwrap().graph.fingerprint();
    let cut = killed(&disk, writer);
    cut.crash_all_lost();
    let after = open(&cut).reader().unwrap();
    assert_eq!(after.restore_seq(Seq(5)).unwrap().graph.fingerprint(), seen);
}

/// Ends the readers, even where the writer fails.
struct Stop<'a>(&'a std::sync::atomic::AtomicBool);
impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn readers_see_a_prefix_while_a_writer_rolls_segments() {
    let dir = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(LocalStorage::new(dir.path().join("l")));
    let log = Log::init_in(storage, environment(), DIRECTED, common::CONFIG).unwrap();
    let writer = log.writer().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let ends = Stop(&stop);
        let readers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let (mut last, mut looks) = (Seq(0), 0);
                    while !stop.load(std::sync::atomic::Ordering::SeqCst) || looks == 0 {
                        let reader = log.reader().unwrap();
                        assert!(reader.damage().is_none(), "{:?}", reader.damage());
                        assert!(reader.last_seq() >= last, "what was seen went away");
                        last = reader.last_seq();
                        let graph = reader.restore_seq(last).unwrap().graph;
                        assert_eq!(graph.counts().nodes, last.0);
                        if let Some(marker) = reader.markers().last() {
                            reader.restore(marker).unwrap();
                        }
                        looks += 1;
                    }
                    looks
                })
            })
            .collect();
        for n in 0..40 {
            writer.append(&Event::node(n).with("text", "x".repeat(20_000))).unwrap();
            if n % 3 == 0 {
                writer.commit().unwrap();
            }
        }
        drop(ends);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    writer.close().unwrap();
    assert!(verified(&log, Level::Replay).sound);
    assert!(log.reader().unwrap().plan(Seq(40)).len() > 5, "segments were rolled");
}

#[test]
fn a_session_that_writes_nothing_changes_no_file() {
    let (disk, _, log) = small(common::CONFIG);
    let sent: Vec<_> = (0..10).map(Event::node).collect();
    let writer = log.writer().unwrap();
    writer.append_all(&sent).unwrap();
    writer.close().unwrap();
    let before = files(&disk);
    log.writer().unwrap().close().unwrap();
    let writer = log.writer().unwrap();
    assert!(writer.append_all(&sent).unwrap().iter().all(|appended| *appended == Appended::Unchanged));
    writer.commit().unwrap();
    writer.tick().unwrap();
    assert!(writer.append(&Event::DeleteNode { id: "unknown".into() }).is_err());
    writer.close().unwrap();
    assert_eq!(files(&disk), before);
}

#[test]
fn a_batch_with_a_refused_event_leaves_no_trace() {
    let (disk, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    writer.append(&Event::edge("a", "b").with("w", 1)).unwrap();
    let look = || writer.with_graph(|graph| (graph.fingerprint(), graph.counts(), graph.ordinals())).unwrap();
    let before = look();
    let refused = Event::DeleteNode { id: "unknown".into() };
    let batch = [
        Event::node("c").with("new name", 1),
        Event::edge("c", "d"),
        Event::DeleteNode { id: "a".into() },
        Event::PutEntry { key: "frontier".into(), entry: 1.into(), value: 2.into() },
        refused,
        Event::node("e"),
    ];
    let error = writer.append_all(&batch).unwrap_err();
    assert!(matches!(error, Error::BatchRefused { at: 4, .. }), "{error:?}");
    assert_eq!(look(), before);
    assert_eq!(writer.status().unwrap().last_seq, Seq(1));
    // And on, with the numbers that the batch would have taken.
    writer.append(&Event::node("e")).unwrap();
    writer.mark(&MarkOptions::default()).unwrap();
    assert_eq!(look().1.nodes, 3);
    let cut = killed(&disk, writer);
    cut.crash_all_lost();
    assert!(verified(&open(&cut), Level::Replay).sound);
    let restored = open(&cut).reader().unwrap().restore_seq(Seq(2)).unwrap();
    Oracle::of(&[Event::edge("a", "b").with("w", 1), Event::node("e")])
        .assert_equals(&restored.graph, "after");
}

#[test]
fn what_is_too_large_is_refused_with_the_bound_and_leaves_no_trace() {
    let (_, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    writer.append(&Event::node("kept")).unwrap();
    let before = writer.with_graph(|graph| (graph.fingerprint(), graph.ordinals())).unwrap();
    let wide = |from: usize, count: usize| {
        (from..from + count)
            .fold(Event::node("wide"), |event, n| event.with(format!("a{n}"), "x".repeat(3 << 20)))
    };
    for event in [
        Event::node("x".repeat((16 << 10) + 1)),
        Event::edge("kept", "y".repeat((16 << 10) + 1)),
        Event::node("kept").with("n".repeat((4 << 10) + 1), 1),
        Event::node("kept").with("a", "x".repeat((4 << 20) + 1)),
        wide(0, 3),
    ] {
        let error = writer.append(&event).unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        assert!(error.to_string().chars().any(|c| c.is_ascii_digit()), "the bound is named: {error}");
        assert!(error.to_string().len() < 1000, "the message is no dump of the event");
    }
    let large = |n: usize| Event::node(format!("n{n}")).with("text", "x".repeat(3 << 20));
    let error = writer.append_all(&(0..6).map(large).collect::<Vec<_>>()).unwrap_err();
    assert!(matches!(error, Error::BatchRefused { at: 5, .. }), "{error:?}");
    assert_eq!(writer.with_graph(|graph| (graph.fingerprint(), graph.ordinals())).unwrap(), before);
    assert_eq!(writer.append(&Event::node("on")).unwrap(), Appended::Written(Seq(2)));
    // All attributes of one node together, however many events they come in.
    for from in [0, 2] {
        writer.append(&wide(from, 2)).unwrap();
    }
    let error = writer.append(&wide(4, 2)).unwrap_err();
    assert!(error.to_string().contains("16777216") || error.to_string().contains("16,777,216"), "{error}");
    writer.close().unwrap();
    assert!(verified(&log, Level::Replay).sound);
}

#[test]
fn a_label_that_reads_as_something_else_is_refused() {
    let (disk, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    for label in ["latest", "latest~2", "m7", "seq:3", "2026-01-01", "2 hours ago", "", " x", "a\nb"] {
        let error = writer.mark(&MarkOptions::labelled(label)).unwrap_err();
        assert!(matches!(error, Error::BadMarker { .. }), "{label:?}: {error:?}");
    }
    assert!(writer.markers().unwrap().is_empty());
    writer.mark(&MarkOptions::labelled("before the cleanup")).unwrap();
    drop(writer);
    assert_eq!(open(&disk).reader().unwrap().markers().len(), 1);
}

#[test]
fn unfinished_files_are_removed_and_unknown_ones_left_alone_and_told_of() {
    let (disk, _, log) = small(NO_TIERS);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    writer.close().unwrap();
    let strays = ["notes.txt", "events-1", "manifest-999999", "snapshot-000007", "events-000008"];
    for name in strays {
        disk.set_file(name, b"not yours".to_vec()).unwrap();
    }
    disk.set_file("events-000009.tmp", b"half".to_vec()).unwrap();
    disk.set_file("CURRENT.tmp", b"half".to_vec()).unwrap();
    let report = verified(&log, Level::Replay);
    assert!(report.sound, "{report:#?}");
    for name in strays {
        assert!(report.notes.iter().any(|note| note.file == name), "{name}: {:#?}", report.notes);
    }
    let writer = log.writer().unwrap();
    writer.append(&Event::node(2)).unwrap();
    writer.close().unwrap();
    let after = disk.dump();
    for name in strays {
        // A manifest is ours by name, and older than those that came after it.
        if name.starts_with("manifest-") {
            continue;
        }
        assert_eq!(after.get(name).map(Vec::as_slice), Some(b"not yours".as_slice()), "{name}");
    }
    assert!(
        !after.contains_key("CURRENT.tmp") && !after.contains_key("events-000009.tmp"),
        "{:?}",
        after.keys()
    );
    // No number is given that a file has already.
    assert!(after.contains_key("events-000009"), "{:?}", after.keys());
    assert!(after.contains_key("manifest-1000000"), "{:?}", after.keys());
}

/// A disk on which nothing can be changed.
#[derive(Debug)]
struct ReadOnly(SimStorage);

fn denied<T>() -> std::io::Result<T> {
    Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Storage for ReadOnly {
    fn open(&self, name: &str) -> std::io::Result<Box<dyn ReadFile>> {
        self.0.open(name)
    }
    fn create(&self, _: &str) -> std::io::Result<Box<dyn WriteFile>> {
        denied()
    }
    fn rename(&self, _: &str, _: &str) -> std::io::Result<()> {
        denied()
    }
    fn remove(&self, _: &str) -> std::io::Result<()> {
        denied()
    }
    fn list(&self, dir: &str) -> std::io::Result<Vec<DirEntry>> {
        self.0.list(dir)
    }
    fn create_dir(&self, _: &str) -> std::io::Result<()> {
        denied()
    }
    fn sync_dir(&self, _: &str) -> std::io::Result<()> {
        denied()
    }
    fn lock(&self, _: &str) -> std::io::Result<LockAttempt> {
        denied()
    }
    fn lock_owner(&self) -> std::io::Result<Option<String>> {
        self.0.lock_owner()
    }
    fn location(&self, name: &str) -> String {
        self.0.location(name)
    }
}

#[test]
fn a_log_that_cannot_be_written_to_can_be_listed_restored_and_verified() {
    for torn in [false, true] {
        let (disk, _, log) = small(NO_TIERS);
        let writer = log.writer().unwrap();
        writer.append(&Event::node(1)).unwrap();
        writer.mark(&MarkOptions::labelled("here")).unwrap();
        let disk = if torn {
            writer.append(&Event::node(2).with("text", "x".repeat(300_000))).unwrap();
            let disk = killed(&disk, writer);
            disk.crash_seeded(1);
            disk
        } else {
            writer.close().unwrap();
            disk
        };
        let log = Log::open_in(Arc::new(ReadOnly(disk)), environment()).unwrap();
        let reader = log.reader().unwrap();
        let choice = reader.select(&Selector::Label("here".into()), None).unwrap();
        assert_eq!(reader.restore(choice.marker).unwrap().counts().nodes, 1);
        assert!(verified(&log, Level::Replay).sound);
        assert!(matches!(log.writer(), Err(Error::Io { .. })));
    }
}
