//! Damage of every kind to a small log: it is named, or it is where nothing counts. Never another graph.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{DIRECTED, Numbers, environment, exhaustive, init, killed, open, verified};
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::{Level, Report};
use snaplog::{Event, Fingerprint, Log, MarkOptions, MarkerId, Seq};

type Files = BTreeMap<String, Vec<u8>>;

const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 4\n";
const OPEN_SEGMENT: &str = "events-000003";

/// A frame of a file, as it stands there.
#[derive(Debug, Clone, Copy)]
struct Frame {
    from: usize,
    to: usize,
    synced: usize,
    kind: u8,
}

/// A log and all that is true of it.
struct Sample {
    files: Files,
    /// The log as it was after each session before the last.
    earlier: Vec<Files>,
    graphs: BTreeMap<Seq, Fingerprint>,
    markers: BTreeMap<MarkerId, (Seq, Fingerprint)>,
}

impl Sample {
    /// Two closed segments and an open one; the open one ends with frames that nothing claims.
    fn new(salt: &str) -> Self {
        let mut disk = SimStorage::new();
        init(&disk, CONFIG);
        let mut earlier = Vec::new();
        for session in 0..3 {
            let writer = open(&disk).writer().unwrap();
            for n in 0..4 {
                let (a, b) = (format!("{salt}{session}-{n}"), format!("{salt}{session}-{}", n + 1));
                writer.append(&Event::edge(a, b).with("w", n).with("text", "some words")).unwrap();
                writer.commit().unwrap();
            }
            writer.append_all(&[Event::node(format!("{salt}{session}-0")).with("again", true)]).unwrap();
            writer.mark(&MarkOptions::labelled(format!("session {session}"))).unwrap();
            if session < 2 {
                writer.close().unwrap();
            } else {
                writer.pin(MarkerId(1), true).unwrap();
                writer.append(&Event::node("claimed")).unwrap();
                writer.commit().unwrap();
                writer.append(&Event::node("claimed too")).unwrap();
                writer.commit().unwrap();
                writer.set_sync_markers(false).unwrap();
                for n in 0..3 {
                    writer.append(&Event::node(format!("unsure {n}"))).unwrap();
                    writer.mark(&MarkOptions::default()).unwrap();
                }
                disk = killed(&disk, writer);
            }
            earlier.push(disk.dump());
        }
        let files = disk.dump();
        earlier.pop();
        let reader = open(&disk).reader().unwrap();
        let graphs = (0..=reader.last_seq().0)
            .map(|seq| (Seq(seq), reader.restore_seq(Seq(seq)).unwrap().graph.fingerprint()))
            .collect();
        let markers = reader.markers().iter().map(|m| (m.id, (m.seq, m.fingerprint))).collect();
        Self { files, earlier, graphs, markers }
    }

    fn manifest_in_force(&self) -> &str {
        self.files.keys().rfind(|name| name.starts_with("manifest-")).unwrap()
    }

    fn frames(&self, file: &str) -> Vec<Frame> {
        let bytes = &self.files[file];
        let number = |at: usize, len: usize| -> usize {
            bytes[at..at + len].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let mut from = number(12, 4);
        let mut frames = Vec::new();
        while from < bytes.len() {
            let to = from + 64 + number(from + 8, 4);
            frames.push(Frame { from, to, synced: number(from + 48, 8), kind: bytes[from + 4] });
            from = to;
        }
        frames
    }

    /// How much of the file the manifest counts on; all of the open one.
    fn dead_from(&self, file: &str) -> usize {
        // Every closed segment here was closed in good order, so all of it counts.
        self.files[file].len()
    }

    /// Whether damage to these bytes of the file (and, if it was cut, to all after) has to be noticed.
    fn must_be_named(&self, file: &str, from: usize, to: usize) -> bool {
        match file {
            "LOCK" | "snaplog.toml" => false,
            _ if file.starts_with("manifest-") => file == self.manifest_in_force(),
            OPEN_SEGMENT => {
                let frames = self.frames(file);
                let Some(first) = frames.iter().find(|f| from < f.to && f.from < to) else {
                    return from < frames[0].from;
                };
                let whole = |f: &&Frame| f.from >= to || f.from + 64 <= from;
                from < frames[0].from
                    || frames.iter().filter(whole).any(|f| f.from > first.from && f.synced > first.from)
            }
            _ => from < self.dead_from(file),
        }
    }

    /// Puts damaged files on a disk and looks at them in every way. Whether anything was noticed.
    fn look(&self, files: &Files, told: &str) -> (bool, Vec<String>) {
        let disk = SimStorage::new();
        disk.load(files.clone()).unwrap();
        let log = match Log::open_in(Arc::new(disk.clone()), environment()) {
            Ok(log) => log,
            Err(error) => {
                assert!(error.is_damage(), "{told}: {error:?}");
                return (true, vec![error.path().unwrap_or_default().rsplit('/').next().unwrap().to_owned()]);
            }
        };
        let report = match log.config() {
            Ok(_) => verified(&log, Level::Replay),
            Err(_) => return (false, vec![]),
        };
        let quick = verified(&log, Level::Quick);
        assert!(report.sound <= quick.sound, "{told}: quick sees what replay does not: {quick:#?}");
        let sums = verified(&log, Level::Checksums);
        assert_eq!(report.sound, report.faults.is_empty(), "{told}");
        self.check_restores(&log, &report, &sums, told);

        match log.writer() {
            Ok(writer) => {
                assert!(report.sound, "{told}: a writer opens a damaged log: {report:#?}");
                let last = writer.status().unwrap().last_seq;
                let sum = writer.with_graph(|graph| graph.fingerprint()).unwrap();
                assert_eq!(Some(&sum), self.graphs.get(&last), "{told}");
                for marker in writer.markers().unwrap() {
                    // One that the damage has left overdue may be among them.
                    assert_eq!(self.graphs.get(&marker.seq), Some(&marker.fingerprint), "{told}");
                }
            }
            Err(error) => assert!(error.is_damage(), "{told}: {error:?}"),
        }
        let named = report.faults.iter().chain(&sums.faults).map(|f| f.file.clone()).collect();
        (!report.sound || !sums.sound, named)
    }

    fn check_restores(&self, log: &Log, report: &Report, sums: &Report, told: &str) {
        let reader = match log.reader() {
            Ok(reader) => reader,
            Err(error) => {
                assert!(error.is_damage() && !report.sound, "{told}: {error:?}");
                return;
            }
        };
        for marker in reader.markers() {
            let name = marker.id.to_string();
            let Some((seq, fingerprint)) = self.markers.get(&marker.id) else {
                panic!("{told}: a marker out of nowhere: {marker:?}")
            };
            match reader.restore(marker) {
                Ok(graph) => {
                    assert_eq!(marker.seq, *seq, "{told}");
                    assert_eq!(graph.fingerprint(), *fingerprint, "{told}");
                    assert!(!report.lost.contains(&name) || !report.sound, "{told}");
                }
                Err(error) => {
                    assert!(error.is_damage(), "{told}: {error:?}");
                    assert!(
                        !report.good.contains(&name),
                        "{told}: {name} is called good: {report:#?}: {error}"
                    );
                    // Checksums alone cannot know a file that is sound in itself, of a log with this one's id.
                    let sums_tell = error.kind() != "mismatch";
                    assert!(
                        !sums_tell || !sums.good.contains(&name),
                        "{told}: {name} is good? {sums:#?}: {error}"
                    );
                    assert!(report.lost.contains(&name), "{told}: {name} is not called lost: {report:#?}");
                }
            }
        }
        if let Ok(restored) = reader.restore_seq(reader.last_seq()) {
            assert_eq!(Some(&restored.graph.fingerprint()), self.graphs.get(&restored.seq), "{told}");
        }
    }

    /// Replaces one file and checks what comes of it.
    fn try_bytes(&self, file: &str, bytes: Vec<u8>, from: usize, to: usize, told: &str) {
        if bytes == self.files[file] {
            return;
        }
        let mut files = self.files.clone();
        files.insert(file.to_owned(), bytes);
        let (noticed, named) = self.look(&files, told);
        let must = self.must_be_named(file, from, to);
        assert!(noticed || !must, "{told}: nobody noticed");
        // CURRENT and the manifest vouch for each other: either may be named.
        let header = |name: &str| name == "CURRENT" || name.starts_with("manifest-");
        if must && !header(file) {
            assert!(named.iter().any(|name| name == file), "{told}: {named:?} are named");
        }
        assert!(must || !noticed, "{told}: {named:?} are named for what nothing rests on");
    }
}

fn sample() -> Sample {
    let sample = Sample::new("");
    assert_eq!(
        sample.files.keys().filter(|name| name.starts_with("events-")).count(),
        3,
        "{:?}",
        sample.files.keys()
    );
    let (noticed, named) = sample.look(&sample.files, "no damage");
    assert!(!noticed, "{named:?}");
    assert!(sample.markers.len() > 8);
    sample
}

#[test]
fn a_flipped_bit_is_named_or_stands_where_nothing_counts() {
    let sample = sample();
    for (file, bytes) in &sample.files {
        for at in 0..bytes.len() {
            let bits = if exhaustive() { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                sample.try_bytes(file, flipped, at, at + 1, &format!("{file}, byte {at}, bit {bit}"));
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_short_is_named_or_ends_as_after_a_crash() {
    let sample = sample();
    for (file, bytes) in &sample.files {
        for at in 0..bytes.len() {
            let told = format!("{file}, cut at {at}");
            let mut files = sample.files.clone();
            files.insert(file.clone(), bytes[..at].to_vec());
            let (noticed, named) = sample.look(&files, &told);
            let expected = if file == OPEN_SEGMENT {
                // The claims behind the cut are gone with it. What the manifest speaks of must be there: it was
                // written by the pin, when all up to the session's marker was durable.
                let frames = sample.frames(file);
                let batch = frames.iter().filter(|frame| frame.kind == 1).nth(4).unwrap().from;
                let marker = frames.iter().find(|frame| frame.kind == 2 && frame.from > batch).unwrap();
                at < marker.to
            } else {
                sample.must_be_named(file, at, usize::MAX)
            };
            assert_eq!(noticed, expected, "{told}: {named:?}");
            if noticed && file.starts_with("events-") {
                assert!(named.contains(file), "{told}: {named:?}");
            }
        }
    }
}

#[test]
fn a_sector_of_zeros_is_named_or_stands_where_nothing_counts() {
    let sample = sample();
    for (file, bytes) in &sample.files {
        for from in (0..bytes.len()).step_by(if exhaustive() { 64 } else { 512 }) {
            let to = (from + 512).min(bytes.len());
            let mut zeroed = bytes.clone();
            zeroed[from..to].fill(0);
            let told = format!("{file}, zeros from {from}");
            if file == OPEN_SEGMENT {
                let mut files = sample.files.clone();
                files.insert(file.clone(), zeroed);
                let (noticed, named) = sample.look(&files, &told);
                assert!(noticed || !sample.must_be_named(file, from, to), "{told}: {named:?}");
            } else {
                sample.try_bytes(file, zeroed, from, to, &told);
            }
        }
    }
}

#[test]
fn frames_that_are_lost_doubled_or_swapped_are_named() {
    let sample = sample();
    for file in sample.files.keys().filter(|name| name.starts_with("events-")) {
        let (frames, bytes) = (sample.frames(file), &sample.files[file]);
        let cut = |frame: &Frame| bytes[frame.from..frame.to].to_vec();
        for (n, frame) in frames.iter().enumerate() {
            let claimed = frames.iter().skip(n + 1).any(|later| later.synced > frame.from);
            if !claimed && file == OPEN_SEGMENT {
                continue;
            }
            let (before, after) = (bytes[..frame.from].to_vec(), bytes[frame.to..].to_vec());
            let mut variants = vec![
                ("lost", [before.clone(), after.clone()].concat()),
                ("doubled", [before.clone(), cut(frame), cut(frame), after.clone()].concat()),
            ];
            if let Some(next) = frames.get(n + 1) {
                variants
                    .push(("swapped", [before, cut(next), cut(frame), bytes[next.to..].to_vec()].concat()));
            }
            for (what, bytes) in variants {
                let told = format!("{file}, frame {n} {what}");
                let mut files = sample.files.clone();
                files.insert(file.clone(), bytes);
                let (noticed, named) = sample.look(&files, &told);
                let last_closed = n + 1 == frames.len() && file != OPEN_SEGMENT;
                // The last frame of a closed segment once more lies behind what counts; in the open one the second of
                // two stands where no claim reaches, if no later frame claims more than the first.
                let unclaimed = file == OPEN_SEGMENT && !frames.iter().any(|later| later.synced > frame.to);
                let may_pass = what == "doubled" && (last_closed || unclaimed);
                assert!((noticed && named.contains(file)) || may_pass, "{told}: {named:?}");
            }
        }
    }
}

#[test]
fn files_that_are_missing_swapped_foreign_or_older_are_named() {
    let sample = sample();
    let other = Sample::new("other ");
    let is_vital =
        |name: &str| name.starts_with("events-") || name == "CURRENT" || name == sample.manifest_in_force();
    for name in sample.files.keys() {
        let told = format!("{name} deleted");
        let mut files = sample.files.clone();
        files.remove(name);
        let (noticed, named) = sample.look(&files, &told);
        assert_eq!(noticed, is_vital(name), "{told}: {named:?}");
        assert!(!noticed || named.contains(name), "{told}: {named:?}");

        for second in
            sample.files.keys().filter(|second| *second > name && is_vital(name) && is_vital(second))
        {
            let told = format!("{name} and {second} swapped");
            let mut files = sample.files.clone();
            files.insert(name.clone(), sample.files[second].clone());
            files.insert(second.clone(), sample.files[name].clone());
            assert!(sample.look(&files, &told).0, "{told}");
        }
        for (n, earlier) in sample.earlier.iter().enumerate() {
            if let Some(bytes) = earlier.get(name).filter(|bytes| **bytes != sample.files[name]) {
                let told = format!("{name} as it was after session {n}");
                let mut files = sample.files.clone();
                files.insert(name.clone(), bytes.clone());
                assert!(sample.look(&files, &told).0, "{told}");
            }
        }
    }
    // The environment's dice repeat, so give the other log an id of its own: that of a third one.
    let foreign = {
        let disk = SimStorage::new();
        let dice = environment();
        let _ = snaplog::Environment::random(dice.as_ref());
        let log = Log::init_in(Arc::new(disk.clone()), dice, DIRECTED, CONFIG).unwrap();
        for n in 0..3 {
            let writer = log.writer().unwrap();
            writer.append(&Event::node(n)).unwrap();
            writer.close().unwrap();
        }
        disk.dump()
    };
    for (from, foreign) in [("the same id", &other.files), ("another log", &foreign)] {
        for name in sample.files.keys().filter(|name| is_vital(name)) {
            let Some(bytes) = foreign.get(name) else { continue };
            let told = format!("{name} from {from}");
            let mut files = sample.files.clone();
            files.insert(name.clone(), bytes.clone());
            let (noticed, named) = sample.look(&files, &told);
            assert!(noticed, "{told}");
            assert!(!name.starts_with("events-") || named.contains(name), "{told}: {named:?}");
        }
    }
    // A copy under a number that was never given says nothing.
    let mut files = sample.files.clone();
    files.insert("events-000009".into(), sample.files["events-000001"].clone());
    assert!(!sample.look(&files, "a copy").0);
}

#[test]
fn an_older_manifest_with_its_current_is_noticed_by_what_it_does_not_know_of() {
    let sample = sample();
    for (n, earlier) in sample.earlier.iter().enumerate() {
        let mut files = sample.files.clone();
        for (name, bytes) in
            earlier.iter().filter(|(name, _)| *name == "CURRENT" || name.starts_with("manifest-"))
        {
            files.insert(name.clone(), bytes.clone());
        }
        let (noticed, named) = sample.look(&files, &format!("the manifest of session {n}"));
        assert!(noticed, "the manifest of session {n}: {named:?}");
    }

    // The session that the older manifest does not know placed nothing but a marker.
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    writer.close().unwrap();
    let before = disk.dump();
    log.mark(&MarkOptions::labelled("only this")).unwrap();
    for (name, bytes) in
        before.into_iter().filter(|(name, _)| name == "CURRENT" || name.starts_with("manifest-"))
    {
        disk.set_file(&name, bytes).unwrap();
    }
    let report = verified(&open(&disk), Level::Quick);
    assert_eq!(report.faults.first().map(|fault| fault.kind), Some("newer-than-manifest"), "{report:#?}");
    assert!(open(&disk).writer().is_err());
}

#[test]
fn damage_is_never_cut_off_silently_when_a_later_claim_covers_it() {
    let sample = sample();
    let frames = sample.frames(OPEN_SEGMENT);
    let highest = frames.iter().map(|f| f.synced).max().unwrap();
    let mut covered = 0;
    for frame in frames.iter().filter(|f| f.from < highest) {
        covered += 1;
        let mut files = sample.files.clone();
        files.get_mut(OPEN_SEGMENT).unwrap()[frame.from..frame.to].fill(0);
        let disk = SimStorage::new();
        disk.load(files).unwrap();
        let error = open(&disk).writer().unwrap_err();
        assert!(error.is_damage(), "{error:?}");
        assert_eq!(error.offset(), Some(u64::try_from(frame.from).unwrap()));
    }
    assert!(covered > 12);
    // Behind the claim it is a torn tail.
    let mut files = sample.files.clone();
    let last = frames.last().unwrap();
    files.get_mut(OPEN_SEGMENT).unwrap()[last.from..last.to].fill(0);
    let disk = SimStorage::new();
    disk.load(files).unwrap();
    open(&disk).writer().unwrap().close().unwrap();
}

#[test]
fn markers_before_the_damage_restore_by_id_and_the_latest_is_not_guessed() {
    let sample = sample();
    let frames = sample.frames(OPEN_SEGMENT);
    let mut files = sample.files.clone();
    files.get_mut(OPEN_SEGMENT).unwrap()[frames[2].from] ^= 1;
    let disk = SimStorage::new();
    disk.load(files).unwrap();
    let reader = open(&disk).reader().unwrap();
    assert!(reader.damage().is_some());
    assert!(reader.select(&snaplog::Selector::Latest, None).is_err());
    let choice = reader.select(&snaplog::Selector::Label("session 1".into()), None).unwrap();
    assert_eq!(reader.restore(choice.marker).unwrap().fingerprint(), choice.marker.fingerprint);
    let choice = reader.select(&snaplog::Selector::Marker(MarkerId(1)), None).unwrap();
    assert_eq!(reader.restore(choice.marker).unwrap().fingerprint(), choice.marker.fingerprint);
}

#[test]
fn a_marker_restores_though_its_own_frame_is_damaged() {
    // The manifest of the closed log lists it, and all events before it are there.
    let sample = sample();
    for (n, frame) in sample.frames("events-000001").iter().enumerate().filter(|(_, f)| f.kind == 2) {
        let mut files = sample.files.clone();
        files.get_mut("events-000001").unwrap()[frame.from + 70] ^= 1;
        let disk = SimStorage::new();
        disk.load(files).unwrap();
        let log = open(&disk);
        let reader = log.reader().unwrap();
        let report = verified(&log, Level::Replay);
        assert!(!report.sound);
        let at: Vec<_> = reader
            .markers()
            .iter()
            .filter(|marker| reader.restore(marker).is_ok())
            .map(|marker| marker.id.to_string())
            .collect();
        assert_eq!(report.good, at, "frame {n}");
        assert_eq!(report.good.len() + report.lost.len(), reader.markers().len(), "frame {n}");
        assert!(!report.good.is_empty());
    }
}

#[test]
fn random_bytes_in_the_place_of_any_file_are_damage_and_no_more() {
    let sample = sample();
    let mut numbers = Numbers(7);
    for name in sample.files.keys().filter(|name| name.starts_with("events-") || *name == "CURRENT") {
        for round in 0..if exhaustive() { 400 } else { 60 } {
            let mut bytes = sample.files[name].clone();
            let len = u64::try_from(bytes.len()).unwrap();
            // From a random place on, so that headers stay good in some.
            let from = usize::try_from(numbers.below(len)).unwrap();
            let to = (from + usize::try_from(numbers.below(300)).unwrap()).min(bytes.len());
            for byte in &mut bytes[from..to] {
                *byte = u8::try_from(numbers.below(256)).unwrap();
            }
            let told = format!("{name}, round {round}, {from} to {to}");
            let mut files = sample.files.clone();
            files.insert(name.clone(), bytes.clone());
            let (noticed, named) = sample.look(&files, &told);
            let must = bytes != sample.files[name] && sample.must_be_named(name, from, to);
            assert!(noticed || !must, "{told}: {named:?}");
        }
    }
}
