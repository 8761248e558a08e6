//! Twenty readers beside a writer that writes, prunes and compacts: none ever fails, none sees time go back, and every
//! graph is the one that its marker says, and the one that the story gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{CompactOptions, Error, Log, MarkOptions, MarkerId, Reader, Seq};

use super::story::{self, Retold};
use super::support::{Dice, assert_sound, count, exhaustive, snaplog};

const READERS: u64 = 20;

/// What all readers together were shown.
#[derive(Default)]
struct Seen {
    seq: Seq,
    /// Each marker ever seen, and the event that it stands at.
    markers: BTreeMap<MarkerId, Seq>,
    /// Those that were seen to be dropped, and may be gone for good.
    dropped: BTreeSet<MarkerId>,
    /// Those that somebody found to be gone: they do not come back.
    gone: BTreeSet<MarkerId>,
}

struct World<'a> {
    path: &'a Path,
    seen: Mutex<Seen>,
    retold: Mutex<Retold>,
    /// Markers that are about to be dropped: what a reader need not find any more.
    dropping: Mutex<BTreeSet<MarkerId>>,
    over: AtomicBool,
    looks: AtomicU64,
    restores: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // One thread's failed assertion is enough of a story.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World<'_> {
    /// Opens the log, and compares what is there with all that anybody was shown before.
    fn look(&self) -> Reader {
        let (before, markers, gone) = {
            let seen = locked(&self.seen);
            (seen.seq, seen.markers.clone(), seen.gone.clone())
        };
        let reader = Log::open(self.path).unwrap().reader().unwrap();
        assert!(reader.damage().is_none(), "{:?}", reader.damage());
        let last = reader.last_seq();
        assert!(last >= before, "{before} was shown, and then the log ended with {last}");
        let now: BTreeMap<MarkerId, Seq> =
            reader.markers().iter().map(|marker| (marker.id, marker.seq)).collect();
        // Taken after the reader was made: what it misses was about to be dropped by then.
        let dropping = locked(&self.dropping).clone();
        let mut seen = locked(&self.seen);
        for (id, seq) in &markers {
            if let Some(found) = now.get(id) {
                assert_eq!(found, seq, "{id}");
            } else {
                assert!(dropping.contains(id), "{id} was shown, and is gone without being dropped");
                seen.gone.insert(*id);
            }
        }
        for id in &gone {
            assert!(!now.contains_key(id), "{id} was gone, and is back");
        }
        seen.seq = seen.seq.max(last);
        seen.markers.extend(now);
        seen.markers.retain(|id, _| !gone.contains(id));
        seen.dropped.extend(reader.markers().iter().filter(|one| one.expired.is_some()).map(|one| one.id));
        self.looks.fetch_add(1, Ordering::Relaxed);
        reader
    }

    fn read(&self, dice: &mut Dice) {
        let reader = self.look();
        let markers = reader.markers();
        match dice.below(8) {
            0..5 if !markers.is_empty() => {
                let at = usize::try_from(dice.below(markers.len().try_into().unwrap())).unwrap();
                let marker = &markers[at];
                match reader.restore_marker(marker) {
                    Ok(restored) => {
                        let expected = locked(&self.retold).at(marker.seq.0);
                        assert_eq!(restored.graph.fingerprint(), expected, "{}", marker.id);
                        self.restores.fetch_add(1, Ordering::Relaxed);
                    }
                    // Its grace was ended meanwhile: it is not to be had any more.
                    Err(Error::Folded { .. } | Error::Missing { .. })
                        if locked(&self.dropping).contains(&marker.id) =>
                    {
                        let now = self.look();
                        let is_there = now.markers().iter().any(|one| one.id == marker.id);
                        assert!(!is_there, "{} is listed, and does not restore", marker.id);
                    }
                    Err(error) => panic!("{}: {error}: {:?}", marker.id, std::error::Error::source(&error)),
                }
            }
            5 => {
                let level = Level::Checksums;
                let log = Log::open(self.path).unwrap();
                let report = verify(&log, Options { level, max_duration: None }).unwrap();
                assert!(report.sound, "{report:#?}");
            }
            6 => {
                let log = Log::open(self.path).unwrap();
                let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
                assert!(report.sound, "{report:#?}");
            }
            _ => self.command(dice),
        }
    }

    /// A reader that is a process of its own.
    fn command(&self, dice: &mut Dice) {
        let args: &[&str] = match dice.below(3) {
            0 => &["list", "--json"],
            1 => &["verify"],
            _ => &["restore", "--to", "latest"],
        };
        // Before the first marker there is no latest one.
        let none_yet = locked(&self.seen).markers.is_empty();
        let output = snaplog(self.path).args(args).stdout(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let none_yet = none_yet && output.status.code() == Some(3);
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() || none_yet, "{args:?}: {said}{found}");
    }

    /// Writes, marks, drops and compacts, in sessions that are closed in good order and now and then not.
    fn write(&self, dice: &mut Dice, time: Duration) {
        let began = Instant::now();
        let log = Log::open(self.path).unwrap();
        while began.elapsed() < time {
            let writer = log.writer().unwrap();
            for _ in 0..dice.below(60) {
                let last = writer.status().unwrap().last_seq.0;
                let batch: Vec<_> = (last + 1..=last + 1 + dice.below(80)).map(story::event).collect();
                assert_eq!(writer.append_each(&batch).unwrap(), batch.len());
                match dice.below(8) {
                    0 => drop(writer.commit().unwrap()),
                    1 => drop(writer.mark(&MarkOptions::default()).unwrap()),
                    2 => {
                        let markers = writer.markers().unwrap();
                        // The newest stay, so that there is always something to restore.
                        let old = markers.len().saturating_sub(5);
                        let some = markers.iter().take(old).filter(|_| dice.below(4) == 0).map(|one| one.id);
                        let some: Vec<MarkerId> = some.collect();
                        locked(&self.dropping).extend(&some);
                        drop(writer.expire(&some).unwrap());
                    }
                    3 => drop(writer.maintain().unwrap()),
                    _ => {}
                }
            }
            writer.close().unwrap();
            // Beside no writer: what was dropped goes for good, and the files with it.
            let thorough = dice.below(3) == 0;
            log.compact(CompactOptions { retention: false, now: true, thorough, rekey: false }).unwrap();
        }
    }
}

#[test]
fn twenty_readers_beside_a_writer_never_fail_and_never_see_time_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    story::init(&path);
    let seconds = count("SNAPLOG_SECONDS", if exhaustive() { 60 } else { 10 });
    let world = World {
        path: &path,
        seen: Mutex::default(),
        retold: Mutex::new(Retold::new()),
        dropping: Mutex::default(),
        over: AtomicBool::new(false),
        looks: AtomicU64::new(0),
        restores: AtomicU64::new(0),
    };
    let mut dice = Dice::new();
    thread::scope(|scope| {
        let world = &world;
        for _ in 0..READERS {
            let mut dice = Dice::of(dice.below(u64::MAX));
            scope.spawn(move || {
                while !world.over.load(Ordering::Relaxed) {
                    world.read(&mut dice);
                }
            });
        }
        let mut dice = Dice::of(dice.below(u64::MAX));
        let writing = scope.spawn(move || world.write(&mut dice, Duration::from_secs(seconds)));
        let outcome = writing.join();
        world.over.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    let reader = assert_sound(&Log::open(&path).unwrap());
    let seen = locked(&world.seen);
    println!(
        "{} events, {} markers of which {} are gone; {} looks, {} restores",
        reader.last_seq(),
        seen.markers.len() + seen.gone.len(),
        seen.gone.len(),
        world.looks.load(Ordering::Relaxed),
        world.restores.load(Ordering::Relaxed)
    );
    assert!(!seen.gone.is_empty() && !seen.dropped.is_empty(), "nothing was dropped");
    assert!(world.restores.load(Ordering::Relaxed) > READERS);
}
