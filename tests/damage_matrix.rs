//! Damage of every kind to every file of a log that has all kinds of them: it is named, or it is where nothing counts.
//! Never another graph, never a write by who only looks, never a panic.
//!
//! Where something counts is worked out from the sound log alone, not from what verify says.
//! `SNAPLOG_EXHAUSTIVE=1` flips every bit; without it one bit of every byte.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "how many cases ended how, and which one failed"
)]

mod common;
#[path = "common/damage_sample.rs"]
mod damage_sample;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, LazyLock};

use common::{Numbers, environment, exhaustive, init, open, verified};
use damage_sample::{CONFIG, Case, Must, REQUEST, Sample};
use snaplog::format::names;
use snaplog::storage::sim::ReadFault;
use snaplog::storage::{SimStorage, Storage};
use snaplog::upkeep::verify::{Level, Options, Report, verify_in};
use snaplog::{Event, Log, MarkOptions, Selector};

/// How many cases ended how.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    /// The fault was named.
    named: u64,
    /// Damage to what is no part of the log: lock, settings, requests, trash, manifests that are not in force.
    outside: u64,
    /// Damage to bytes of a segment that do not count: dead ones, and a tail that nothing claims.
    dead: u64,
    /// Markers that were restored, each to what it was.
    restored: u64,
    /// Markers that were refused.
    refused: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.named += other.named;
        self.outside += other.outside;
        self.dead += other.dead;
        self.restored += other.restored;
        self.refused += other.refused;
    }
}

impl Sample {
    fn check(&self, case: &Case) -> Tally {
        let mut files = self.files.clone();
        for (file, bytes) in &case.changed {
            match bytes {
                Some(bytes) => drop(files.insert(file.clone(), bytes.clone())),
                None => drop(files.remove(file)),
            }
        }
        if files == self.files {
            return Tally::default();
        }
        let must = self.must(case, &files);
        let disk = SimStorage::new();
        disk.load(files.clone()).unwrap();
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let look = |level| {
            let options = Options { level, max_duration: None };
            verify_in(&storage, environment().as_ref(), options).unwrap()
        };
        let [quick, sums, report] = [Level::Quick, Level::Checksums, Level::Replay].map(look);
        assert_eq!(disk.dump(), files, "verify wrote");
        assert_eq!(report.sound, report.faults.is_empty());
        assert!(!report.sound || (sums.sound && quick.sound), "replay sees less: {quick:#?} {sums:#?}");
        assert_eq!(report.sound, must != Must::Name, "{must:?}: {report:#?}");
        for fault in &report.faults {
            assert!(!fault.message.is_empty() && !fault.file.is_empty(), "{fault:?}");
        }
        if must == Must::Name && !case.changed.iter().any(|(file, _)| Self::is_header(file)) {
            // CURRENT and the manifest vouch for each other, and for all else.
            let named = |file: &String| report.faults.iter().any(|fault| fault.file == *file);
            assert!(case.changed.iter().any(|(file, _)| named(file)), "{report:#?}");
        }
        if let [(file, Some(new))] = case.changed.as_slice()
            && must == Must::Name
            && self.frames.contains_key(file)
            && new.len() == self.files[file].len()
        {
            let broken = self.broken_at(file, new).unwrap();
            let there = |offset: u64| offset == u64::try_from(broken).unwrap();
            assert!(
                report.faults.iter().any(|fault| fault.offset.is_some_and(there)),
                "{broken}: {report:#?}"
            );
        }
        for id in self.untouched(case) {
            assert!(
                report.good.contains(&id.to_string()),
                "{id} rests on nothing that is damaged: {report:#?}"
            );
        }
        let mut tally = self.check_restores(&disk, &report, &sums);
        assert_eq!(disk.dump(), files, "a reader wrote");
        self.check_writer(&disk, &report, self.is_in_stamps(case));
        match must {
            Must::Name => tally.named += 1,
            Must::PassOutside => tally.outside += 1,
            Must::PassDead => tally.dead += 1,
        }
        tally
    }

    fn check_restores(&self, disk: &SimStorage, report: &Report, sums: &Report) -> Tally {
        let mut tally = Tally::default();
        let opened = Log::open_in(Arc::new(disk.clone()), environment()).and_then(|log| log.reader());
        let reader = match opened {
            Ok(reader) => reader,
            Err(error) => {
                assert!(
                    error.is_damage() && !report.sound && report.good.is_empty(),
                    "{error:?} {report:#?}"
                );
                return tally;
            }
        };
        for marker in reader.markers() {
            let name = marker.id.to_string();
            let seq = self.markers.get(&marker.id).unwrap();
            let chosen = reader.select(&Selector::Marker(marker.id), None).unwrap();
            assert_eq!(chosen.marker, marker);
            match reader.restore(marker) {
                Ok(graph) => {
                    assert_eq!((marker.seq, graph.fingerprint()), (*seq, self.graphs[seq]), "{name}");
                    tally.restored += 1;
                }
                Err(error) => {
                    assert!(error.is_damage() && !report.sound, "{name}: {error:?}");
                    assert!(!report.good.contains(&name), "{name} is called good: {report:#?}: {error}");
                    assert!(report.lost.contains(&name), "{name} is not called lost: {report:#?}");
                    // Checksums alone cannot know a file that is sound in itself, of a log with this one's id.
                    assert!(error.kind() == "mismatch" || !sums.good.contains(&name), "{name}: {sums:#?}");
                    tally.refused += 1;
                }
            }
        }
        assert_eq!(usize::try_from(tally.restored + tally.refused).unwrap(), reader.markers().len());
        assert!(!report.sound || report.good.len() == reader.markers().len(), "{report:#?}");
        if reader.damage().is_some() {
            assert!(reader.select(&Selector::Latest, None).is_err(), "which is the latest is not known");
        }
        if let Ok(restored) = reader.restore_seq(reader.last_seq()) {
            assert_eq!(Some(&restored.graph.fingerprint()), self.graphs.get(&restored.seq));
        }
        tally
    }

    /// A writer goes on with the right graph, or not at all.
    fn check_writer(&self, disk: &SimStorage, report: &Report, unread: bool) {
        match Log::open_in(Arc::new(disk.clone()), environment()).and_then(|log| log.writer()) {
            Ok(writer) => {
                assert!(report.sound || unread, "a writer opens a damaged log: {report:#?}");
                let last = writer.status().unwrap().last_seq;
                let graph = writer.with_graph(|graph| graph.fingerprint()).unwrap();
                assert_eq!(Some(&graph), self.graphs.get(&last));
                for marker in writer.markers().unwrap() {
                    // One that the damage has left overdue may be among them.
                    assert_eq!(self.graphs.get(&marker.seq), Some(&marker.fingerprint));
                }
            }
            Err(error) => assert!(error.is_damage() || error.kind() == "config", "{error:?}"),
        }
    }

    /// Checks all cases, on all processors, and prints how they ended.
    fn run(&self, what: &str, cases: &[Case]) -> Tally {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let check = |case: &Case| {
            catch_unwind(AssertUnwindSafe(|| self.check(case))).unwrap_or_else(|panic| {
                eprintln!("the case: {}", case.told);
                resume_unwind(panic)
            })
        };
        let part = |nth: usize| {
            let mut sum = Tally::default();
            cases.iter().skip(nth).step_by(threads).for_each(|case| sum += check(case));
            sum
        };
        let mut tally = Tally::default();
        std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads).map(|nth| scope.spawn(move || part(nth))).collect();
            for one in parts {
                tally += one.join().unwrap();
            }
        });
        println!("{what}: {} cases, {tally:?}", cases.len());
        tally
    }
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| Sample::new(0, ""));

/// Every kind of file is there, each with what makes it hard.
#[test]
fn the_undamaged_log_has_every_kind_of_file_and_is_sound() {
    let sample = &*SAMPLE;
    let disk = SimStorage::new();
    disk.load(sample.files.clone()).unwrap();
    let report = verified(&open(&disk), Level::Replay);
    assert!(
        report.sound && report.good.len() == sample.markers.len() && report.history_folded > 0,
        "{report:#?}"
    );
    let manifest = &sample.manifest;
    assert!(
        manifest.snapshots.len() > 1 && manifest.snapshots.iter().any(|entry| entry.increments.len() > 1)
    );
    assert!(manifest.segments.iter().any(|entry| entry.compression > 0 && entry.original.is_some()));
    assert!(
        sample
            .frames
            .keys()
            .any(|file| *file != sample.open && sample.counted(file) < sample.files[file].len())
    );
    let has = |start: &str| sample.files.keys().filter(|file| file.starts_with(start)).count();
    assert!(has("manifest-") == 2 && has("trash/events-") > 0 && has("trash/snapshot-") > 0);
    for file in [names::CURRENT, names::LOCK, names::CONFIG, REQUEST] {
        assert_eq!(has(file), 1, "{file}");
    }
    // Of the open segment, what nothing claims is whole frames with markers.
    let tail = sample.frames[&sample.open].iter().find(|frame| {
        let new = &sample.files[&sample.open][..frame.from];
        sample.must_of_open(new) == Must::PassDead
    });
    assert!(sample.files[&sample.open].len() - tail.unwrap().from > 300);
}

#[test]
fn a_flipped_bit_is_named_or_stands_where_nothing_counts() {
    let mut cases = Vec::new();
    for (file, bytes) in &SAMPLE.files {
        for at in 0..bytes.len() {
            for bit in if exhaustive() { 0..8 } else { at % 8..at % 8 + 1 } {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                cases.push(Case::one(format!("{file}, byte {at}, bit {bit}"), file, flipped));
            }
        }
    }
    let tally = SAMPLE.run("flipped bits", &cases);
    assert!(tally.named > 5000 && tally.outside > 3000 && tally.dead > 700, "{tally:?}");
    assert!(tally.restored > 50_000 && tally.refused > 10_000, "{tally:?}");
}

#[test]
fn a_file_that_is_cut_short_is_named_or_ends_as_after_a_crash() {
    let mut cases = Vec::new();
    for (file, bytes) in &SAMPLE.files {
        let cut = |at| Case::one(format!("{file}, cut at {at}"), file, bytes[..at].to_vec());
        cases.extend((0..bytes.len()).map(cut));
    }
    let tally = SAMPLE.run("cuts", &cases);
    assert!(tally.named > 4500 && tally.outside > 3000 && tally.dead > 900, "{tally:?}");
    assert!(tally.restored > 50_000 && tally.refused > 10_000, "{tally:?}");
}

#[test]
fn zeros_and_noise_are_named_or_stand_where_nothing_counts() {
    let (mut zeros, mut noisy) = (Vec::new(), Vec::new());
    let mut numbers = Numbers(7);
    for (file, bytes) in &SAMPLE.files {
        for length in [64, 512] {
            for from in (0..bytes.len()).step_by(length) {
                let mut zeroed = bytes.clone();
                zeroed[from..(from + length).min(bytes.len())].fill(0);
                zeros.push(Case::one(format!("{file}, {length} zeros from {from}"), file, zeroed));
            }
        }
        for round in 0..if exhaustive() { 400 } else { 40 } {
            // From a place on, so that headers stay good in some.
            let mut place = |to: usize| usize::try_from(numbers.below(to.try_into().unwrap())).unwrap();
            let (from, length) = (place(bytes.len()), place(300));
            let mut garbled = bytes.clone();
            for byte in &mut garbled[from..(from + length).min(bytes.len())] {
                *byte = u8::try_from(numbers.below(256)).unwrap();
            }
            noisy.push(Case::one(format!("{file}, noise {round} from {from}"), file, garbled));
        }
    }
    let tally = SAMPLE.run("zeros", &zeros);
    assert!(tally.named > 80 && tally.outside > 60 && tally.dead > 10, "{tally:?}");
    let tally = SAMPLE.run("noise", &noisy);
    assert!(tally.named > 200 && tally.outside > 200 && tally.dead > 5, "{tally:?}");
}

#[test]
fn frames_that_are_lost_doubled_or_swapped_are_named() {
    let mut cases = Vec::new();
    for (file, frames) in &SAMPLE.frames {
        let bytes = &SAMPLE.files[file];
        for (n, one) in frames.iter().enumerate() {
            let mut case = |what: &str, parts: &[&[u8]]| {
                cases.push(Case::one(format!("{file}, frame {n} {what}"), file, parts.concat()));
            };
            let (before, after) = (&bytes[..one.from], &bytes[one.to..]);
            let this = &bytes[one.from..one.to];
            case("lost", &[before, after]);
            case("doubled", &[before, this, this, after]);
            if let Some(next) = frames.get(n + 1) {
                case("swapped with the next", &[before, &bytes[one.to..next.to], this, &bytes[next.to..]]);
            }
        }
    }
    let tally = SAMPLE.run("frames", &cases);
    assert!(tally.named > 70 && tally.dead > 10 && tally.outside == 0, "{tally:?}");
}

fn kind_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap().split('-').next().unwrap()
}

#[test]
fn files_that_are_missing_empty_doubled_or_swapped_are_named() {
    let files = &SAMPLE.files;
    let mut cases = Vec::new();
    for (file, bytes) in files {
        cases.push(Case { told: format!("{file} is missing"), changed: vec![(file.clone(), None)] });
        cases.push(Case::one(format!("{file} is empty"), file, Vec::new()));
        cases.push(Case::one(format!("{file} has one byte more"), file, [bytes, [0].as_slice()].concat()));
        for (other, others) in files.iter().filter(|(other, _)| *other != file) {
            if kind_of(other) == kind_of(file) {
                cases.push(Case::one(format!("{file} over {other}"), other, bytes.clone()));
            }
            if other > file {
                let changed =
                    vec![(file.clone(), Some(others.clone())), (other.clone(), Some(bytes.clone()))];
                cases.push(Case { told: format!("{file} and {other} swapped"), changed });
            }
        }
        if file.contains('-') {
            // Under a number that was never given it says nothing.
            let free = format!("{}-000099", kind_of(file));
            cases.push(Case::one(format!("{file} as {free}"), &free, bytes.clone()));
        }
    }
    let tally = SAMPLE.run("missing, empty, longer, doubled, swapped", &cases);
    assert!(tally.named > 100 && tally.outside > 60, "{tally:?}");
}

#[test]
fn files_that_are_older_or_of_another_log_are_named() {
    let mut older = Vec::new();
    for (n, earlier) in SAMPLE.earlier.iter().enumerate() {
        for (file, bytes) in earlier {
            older.push(Case::one(format!("{file} as in state {n}"), file, bytes.clone()));
        }
        let headers = earlier.iter().filter(|(file, _)| Sample::is_header(file));
        let changed = headers.map(|(file, bytes)| (file.clone(), Some(bytes.clone()))).collect();
        older.push(Case { told: format!("CURRENT and manifests of state {n}"), changed });
    }
    let tally = SAMPLE.run("older", &older);
    assert!(tally.named >= 10 && tally.outside >= 15, "{tally:?}");

    let mut foreign = Vec::new();
    for (whose, log) in [("of the same id", Sample::new(0, "other ")), ("of another id", Sample::new(1, ""))]
    {
        for (file, bytes) in &log.files {
            foreign.push(Case::one(format!("{file} of a log {whose}"), file, bytes.clone()));
        }
    }
    let tally = SAMPLE.run("of other logs", &foreign);
    assert!(tally.named > 12 && tally.outside > 6, "{tally:?}");
}

/// The session that the older manifest does not know placed nothing but a marker.
#[test]
fn an_older_manifest_is_noticed_by_a_marker_that_it_does_not_know_of() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    writer.close().unwrap();
    let before = disk.dump();
    log.mark(&MarkOptions::labelled("only this")).unwrap();
    for (name, bytes) in before.into_iter().filter(|(name, _)| Sample::is_header(name)) {
        disk.set_file(&name, bytes).unwrap();
    }
    let report = verified(&open(&disk), Level::Quick);
    assert_eq!(report.faults.first().map(|fault| fault.kind), Some("newer-than-manifest"), "{report:#?}");
    assert!(open(&disk).writer().is_err());
}

/// A sector that cannot be read: it is named, whichever it is, and what is good in spite of it is told.
#[test]
fn a_read_that_fails_is_named_and_hides_no_other_file() {
    let disk = SimStorage::new();
    disk.load(SAMPLE.files.clone()).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    for level in [Level::Quick, Level::Checksums, Level::Replay] {
        let options = Options { level, max_duration: None };
        let look = || verify_in(&storage, environment().as_ref(), options);
        let before = disk.reads();
        assert!(look().unwrap().sound);
        let reads = disk.reads() - before;
        let (mut told, mut spared) = (0, 0);
        for nth in 0..reads {
            disk.fail_read(disk.reads() + nth, ReadFault::Eio);
            match look() {
                Ok(report) => {
                    assert!(!report.sound && report.faults[0].kind == "io", "read {nth}: {report:#?}");
                    assert!(!report.faults[0].file.is_empty(), "read {nth}: {report:#?}");
                    told += 1;
                    spared += usize::from(!report.good.is_empty());
                }
                // Without CURRENT and the manifest in force there is nothing to report on.
                Err(error) => assert!(
                    error.path().is_some_and(|path| Sample::is_header(path.rsplit('/').next().unwrap())),
                    "read {nth}: {error}"
                ),
            }
            disk.clear_faults();
        }
        assert!(
            told * 10 > reads * 8 && spared * 2 > reads.try_into().unwrap(),
            "{level:?}: {told} {spared} of {reads}"
        );
    }
}

/// Stamps say when entities were born and changed: no graph is made of them.
#[test]
fn damage_to_stamps_is_named_and_costs_no_marker() {
    let mut blocks = 0;
    for (file, stamps) in &SAMPLE.stamps {
        for block in stamps {
            let mut bytes = SAMPLE.files[file].clone();
            bytes[block.start] ^= 1;
            let disk = SimStorage::new();
            disk.load(SAMPLE.files.clone()).unwrap();
            disk.set_file(file, bytes).unwrap();
            for level in [Level::Checksums, Level::Replay] {
                let report = verified(&open(&disk), level);
                assert!(!report.sound && report.lost.is_empty(), "{report:#?}");
                assert_eq!(report.good.len(), SAMPLE.markers.len(), "{report:#?}");
                let [fault] = report.faults.as_slice() else { panic!("{report:#?}") };
                assert!(fault.file == *file && fault.markers.is_empty(), "{fault:?}");
            }
            blocks += 1;
        }
    }
    assert!(blocks > 4, "{blocks}");
}

#[test]
fn a_segment_that_is_cut_short_keeps_the_markers_before_the_cut() {
    let mut kept = 0;
    for (file, frames) in SAMPLE.frames.iter().filter(|(file, _)| **file != SAMPLE.open) {
        let first = frames[0].first_seq;
        for frame in frames.iter().filter(|frame| frame.to <= SAMPLE.counted(file)) {
            let disk = SimStorage::new();
            disk.load(SAMPLE.files.clone()).unwrap();
            // Between two frames, and in the middle of one.
            for cut in [frame.from, frame.from + 7] {
                disk.set_file(file, &SAMPLE.files[file][..cut]).unwrap();
                let log = open(&disk);
                assert!(!log.reader().unwrap().restorable().is_whole(), "{file} cut at {cut}");
                let before = SAMPLE.markers.iter().filter(|(_, seq)| seq.next() <= frame.first_seq);
                for (id, seq) in before {
                    for level in [Level::Quick, Level::Checksums, Level::Replay] {
                        let report = verified(&log, level);
                        assert!(!report.sound, "{report:#?}");
                        assert!(report.good.contains(&id.to_string()), "{file} cut at {cut}: {id}");
                    }
                    assert!(log.reader().unwrap().restorable().contains(*seq), "{file} cut at {cut}: {id}");
                    kept += usize::from(*seq >= first);
                }
            }
        }
    }
    assert!(kept > 4, "{kept}");
}
