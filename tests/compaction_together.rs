//! A writer that rolls, maintenance, pins, undeletes and readers at the same moment: none undoes another.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use snaplog::storage::{DirEntry, LocalStorage, LockAttempt, ReadFile, Storage, WriteFile};
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{
    CompactOptions, Config, Event, GraphKind, Log, MarkOptions, MarkerId, SystemEnvironment, Timestamp,
    Writer,
};

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 5\nkeep = 3\n[tiers.some]\nevery_nodes = 40\n\
                      [segment]\nsize = \"64 KiB\"\n[retention]\nkeep_events = \"2h\"\n";
const EVENTS: i64 = 3000;
const HOUR: i64 = 60 * 60 * 1_000_000;

fn init(dir: &Path) -> Log {
    let storage = Arc::new(LocalStorage::new(dir));
    Log::init_in(storage, Arc::new(SystemEnvironment), KIND, CONFIG).unwrap()
}

/// Event `n`, an hour after the one before it: a segment rolls every day, and its maintenance begins by itself.
fn append(writer: &Writer, n: i64) {
    let at = Timestamp(1_600_000_000_000_000 + n * HOUR);
    writer.append_at(&Event::node(n).with("n", n).with("text", format!("node {n}")), at).unwrap();
    if n > 3 {
        writer.append_at(&Event::edge(n, n / 2).with("w", n), at).unwrap();
        writer.append_at(&Event::node(n / 3).with("seen", n), at).unwrap();
    }
}

fn is_sound(log: &Log) {
    let report = verify(log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound && report.lost.is_empty(), "{report:#?}");
}

#[test]
fn pins_and_undeletes_survive_maintenance_and_rolls() {
    let dir = tempfile::tempdir().unwrap();
    let log = init(&dir.path().join("log"));
    let writer = log.writer().unwrap();
    let stop = AtomicBool::new(false);
    let (kept, by_hand): (BTreeSet<MarkerId>, Vec<MarkerId>) = std::thread::scope(|scope| {
        let (writer, log, stop) = (&writer, &log, &stop);
        scope.spawn(move || {
            for n in 0..EVENTS {
                append(writer, n);
            }
            stop.store(true, Ordering::Release);
        });
        // Maintenance beside that of the writer's own thread, with and without grace.
        scope.spawn(move || {
            while !stop.load(Ordering::Acquire) {
                writer.maintain().unwrap();
                log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() })
                    .unwrap();
            }
        });
        // Readers restore what was listed when they looked, whatever is taken away under them.
        scope.spawn(move || {
            while !stop.load(Ordering::Acquire) {
                let reader = log.reader().unwrap();
                for marker in reader.markers().iter().rev().take(12) {
                    if let Err(error) = reader.restore(marker) {
                        let gone = !log.reader().unwrap().markers().iter().any(|m| m.id == marker.id);
                        assert!(gone, "{}: {error}", marker.id);
                    }
                }
            }
        });
        // Pins, and what was dropped had back and pinned, through the requests of another process.
        let pins = scope.spawn(move || {
            let (mut kept, mut by_hand) = (BTreeSet::new(), Vec::new());
            while !stop.load(Ordering::Acquire) {
                let markers = writer.markers().unwrap();
                if let Some(marker) = markers.iter().rfind(|marker| marker.expired.is_some())
                    && log.undelete(&[marker.id]).unwrap() == [marker.id]
                    && log.pin(marker.id, true).is_ok()
                {
                    kept.insert(marker.id);
                }
                if let Some(marker) = markers.iter().rev().find(|marker| marker.expired.is_none()) {
                    if writer.pin(marker.id, true).is_ok() {
                        kept.insert(marker.id);
                    }
                    // One that is placed by hand is never dropped.
                    let label = format!("by hand {}", by_hand.len());
                    by_hand.push(writer.mark(&MarkOptions::labelled(label)).unwrap().id);
                }
            }
            (kept, by_hand)
        });
        pins.join().unwrap()
    });
    assert!(!kept.is_empty());
    let status = writer.status().unwrap();
    assert_eq!(status.maintenance_failure, None);
    assert_eq!(status.counts.nodes, u64::try_from(EVENTS).unwrap());
    writer.close().unwrap();
    let reader = log.reader().unwrap();
    for id in &kept {
        let found = reader.markers().iter().find(|m| m.id == *id);
        // One that a maintenance had dropped again before the pin came is gone only if the pin was refused.
        assert!(found.is_some_and(|m| m.pinned && m.expired.is_none()), "{id} was pinned: {found:?}");
    }
    for id in &by_hand {
        let found = reader.markers().iter().find(|m| m.id == *id);
        assert!(found.is_some_and(|m| m.expired.is_none()), "{id} was placed by hand: {found:?}");
    }
    is_sound(&log);
    log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() }).unwrap();
    is_sound(&log);
}

#[test]
fn a_reader_restores_what_it_saw_though_all_files_were_replaced_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let log = init(&dir.path().join("log"));
    let writer = log.writer_with(Config::parse(CONFIG).unwrap()).unwrap();
    for n in 0..200 {
        append(&writer, n);
    }
    writer.close().unwrap();
    let reader = log.reader().unwrap();
    let before: BTreeSet<_> = reader.segments().into_iter().map(|segment| segment.file).collect();
    log.compact(CompactOptions { retention: true, ..CompactOptions::default() }).unwrap();
    log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() }).unwrap();
    let now: BTreeSet<_> = log.reader().unwrap().segments().into_iter().map(|segment| segment.file).collect();
    assert!(before.is_disjoint(&now), "{before:?} {now:?}");
    for marker in log.reader().unwrap().markers() {
        assert_eq!(reader.restore(marker).unwrap().fingerprint(), marker.fingerprint, "{}", marker.id);
    }
}

/// A storage that stops in the middle of writing a snapshot segment until it is told to go on.
#[derive(Debug, Clone)]
struct Slow {
    inner: LocalStorage,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Notes that a write has begun, and waits until the gate is open.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        while !state.1 {
            state = self.changed.wait(state).unwrap();
        }
    }

    fn wait_until_reached(&self) {
        let mut state = self.state.lock().unwrap();
        while !state.0 {
            state = self.changed.wait(state).unwrap();
        }
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

#[derive(Debug)]
struct SlowFile {
    inner: Box<dyn WriteFile>,
    gate: Arc<Gate>,
}

impl WriteFile for SlowFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gate.pass();
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

impl Storage for Slow {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        self.inner.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let inner = self.inner.create(name)?;
        if name.starts_with("snapshot-") {
            return Ok(Box::new(SlowFile { inner, gate: Arc::clone(&self.gate) }));
        }
        Ok(inner)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.inner.create_dir(name)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, owner: &str) -> io::Result<LockAttempt> {
        self.inner.lock(owner)
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        self.inner.lock_owner()
    }

    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }
}

#[test]
fn appends_commits_and_marks_go_on_while_a_snapshot_is_being_written() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let storage =
        Arc::new(Slow { inner: LocalStorage::new(dir.path().join("log")), gate: Arc::clone(&gate) });
    let log = Log::init_in(storage, Arc::new(SystemEnvironment), KIND, CONFIG).unwrap();
    let writer = log.writer().unwrap();
    for n in 0..40 {
        append(&writer, n);
    }
    std::thread::scope(|scope| {
        let maintenance = scope.spawn(|| writer.maintain().unwrap());
        gate.wait_until_reached();
        // The snapshot is not written before the gate opens: all this happens in the middle of it.
        let before = writer.status().unwrap().last_seq;
        for n in 40..60 {
            append(&writer, n);
        }
        assert!(writer.commit().unwrap() > before);
        let marker = writer.mark(&MarkOptions::labelled("meanwhile")).unwrap();
        writer.pin(marker.id, true).unwrap();
        gate.open();
        maintenance.join().unwrap();
    });
    // Whoever wrote it: the session maintains itself whenever a segment is full, and may have been first.
    let segments = log.reader().unwrap().segments();
    assert!(segments.iter().any(|segment| segment.file.starts_with("snapshot-")), "{segments:?}");
    let markers = writer.markers().unwrap();
    let marker = markers.iter().find(|marker| marker.label.as_deref() == Some("meanwhile"));
    assert!(marker.is_some_and(|marker| marker.pinned));
    writer.close().unwrap();
    is_sound(&log);
}
