//! Damage to every file of a small log: it is named, or provably no part of the log; no restore gives another graph.
//!
//! `SNAPLOG_EXHAUSTIVE=1` flips every bit; without it one bit of every byte.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::{Level, Options, Report, verify_in};
use snaplog::{
    Event, Fingerprint, FixedEnvironment, GraphKind, Log, MarkOptions, MarkerId, Selector, Timestamp,
};

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
const CONFIG: &str =
    "durability = \"marker\"\n[tiers.often]\nevery_nodes = 6\n[segment]\nsize = \"64 KiB\"\n";

type Files = BTreeMap<String, Vec<u8>>;

/// A log with two closed segments, of which the first has dead bytes behind what counts, and an open one that ends in
/// frames that nobody claims.
struct Sample {
    files: Files,
    /// What the markers are.
    markers: BTreeMap<MarkerId, Fingerprint>,
    /// File and offset from which bytes do not count, or are an unclaimed tail.
    free: BTreeMap<String, usize>,
    /// The files after the first session: a state to roll back to.
    earlier: Files,
}

fn environment() -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(Timestamp(5_000_000)))
}

fn sample(seed: i64) -> Sample {
    let storage = SimStorage::new();
    let environment = environment();
    for _ in 0..seed {
        snaplog::Environment::random(environment.as_ref());
    }
    let log = Log::init_in(Arc::new(storage.clone()), environment.clone(), KIND, CONFIG).unwrap();
    let mut earlier = Files::new();
    for part in 0..3 {
        let writer = log.writer().unwrap();
        for n in 0..8 {
            let id = format!("{seed}-{part}-{n}");
            writer.append(&Event::edge(id.as_str(), "hub").with("n", n)).unwrap();
        }
        writer.mark(&MarkOptions::labelled(format!("part {part}"))).unwrap();
        if part == 1 {
            writer.close().unwrap();
        } else {
            // Killed with a few frames that were written and not synced.
            writer.set_sync_markers(false).unwrap();
            writer.append(&Event::node(i64::from(part))).unwrap();
            writer.mark(&MarkOptions::default()).unwrap();
            let after = storage.fork();
            drop(writer);
            storage.load(after.dump()).unwrap();
        }
        if part == 0 {
            earlier = storage.dump();
        }
    }
    let reader = log.reader().unwrap();
    let markers = reader.markers().iter().map(|marker| (marker.id, marker.fingerprint)).collect();
    let files = storage.dump();
    let mut free = BTreeMap::new();
    let segments = reader.segments();
    for segment in &segments {
        free.insert(segment.file.clone(), usize::try_from(segment.bytes).unwrap());
    }
    // In the open segment: what stands after the highest claim.
    let open = segments.last().unwrap().file.clone();
    free.insert(open.clone(), highest_claim(&files[&open]));
    Sample { files, markers, free, earlier }
}

fn highest_claim(bytes: &[u8]) -> usize {
    use snaplog::format::frame;
    let starts = (0..bytes.len()).filter_map(|at| frame::header(&bytes[at..]).ok());
    usize::try_from(starts.map(|header| header.synced).max().unwrap()).unwrap()
}

fn verdict(storage: &SimStorage) -> Report {
    let shared: Arc<dyn snaplog::storage::Storage> = Arc::new(storage.clone());
    verify_in(&shared, environment().as_ref(), Options { level: Level::Replay, max_duration: None }).unwrap()
}

/// Loads damaged files, and holds verify and restore to what they promise; true if verify found the log sound.
fn check(sample: &Sample, files: &Files, what: &str) -> bool {
    let storage = SimStorage::new();
    storage.load(files.clone()).unwrap();
    let report = verdict(&storage);
    assert_eq!(storage.dump(), *files, "{what}: verify wrote");
    assert_eq!(report.sound, report.faults.is_empty());
    for fault in &report.faults {
        assert!(
            !fault.message.is_empty() && (!fault.file.is_empty() || fault.kind == "inconsistent"),
            "{what}: {fault:?}"
        );
    }
    let opened = Log::open_in(Arc::new(storage.clone()), environment()).and_then(|log| log.reader());
    let Ok(reader) = opened else {
        assert!(!report.sound, "{what}: cannot be opened and is called sound");
        return false;
    };
    let mut good = 0;
    for marker in reader.markers() {
        let restored = reader.restore(marker);
        let called_good = report.good.contains(&marker.id.to_string());
        if let Ok(graph) = restored {
            // Never another graph.
            assert_eq!(sample.markers.get(&marker.id), Some(&graph.fingerprint()), "{what}: {}", marker.id);
            good += 1;
        } else {
            assert!(!called_good, "{what}: {} is called good and does not restore", marker.id);
        }
    }
    if report.sound {
        assert_eq!(good, reader.markers().len(), "{what}");
    } else if reader.damage().is_some() {
        assert!(
            reader.select(&Selector::Latest, None).is_err(),
            "{what}: which marker is the latest is not known"
        );
    }
    report.sound
}

#[test]
fn the_undamaged_log_is_sound() {
    let sample = sample(0);
    assert!(check(&sample, &sample.files, "as it is"));
    assert!(sample.files.keys().filter(|name| name.starts_with("events-")).count() >= 3);
}

#[test]
fn a_flipped_bit_is_named_or_no_part_of_the_log() {
    let sample = sample(0);
    let exhaustive = std::env::var_os("SNAPLOG_EXHAUSTIVE").is_some();
    let (mut named, mut free, mut tail) = (0, 0, 0);
    for (name, bytes) in &sample.files {
        for at in 0..bytes.len() {
            let bits: Vec<u8> =
                if exhaustive { (0..8).collect() } else { vec![u8::try_from(at % 8).unwrap()] };
            for bit in bits {
                let mut files = sample.files.clone();
                files.get_mut(name).unwrap()[at] ^= 1 << bit;
                let sound = check(&sample, &files, &format!("{name}, byte {at}, bit {bit}"));
                let counts = match name.as_str() {
                    "LOCK" | "snaplog.toml" => false,
                    // The manifest before the one in force is kept and not read.
                    _ if name.starts_with("manifest-") => *name == current_manifest(&sample.files),
                    _ => sample.free.get(name).is_none_or(|from| at < *from),
                };
                assert_eq!(sound, !counts, "{name}, byte {at}, bit {bit}");
                match (counts, name.starts_with("events-")) {
                    (true, _) => named += 1,
                    (false, true) => tail += 1,
                    (false, false) => free += 1,
                }
            }
        }
    }
    println!(
        "named: {named}; dead or unclaimed bytes of segments: {tail}; lock, settings, old manifests: {free}"
    );
    assert!(named > 1000 && tail > 100);
}

fn current_manifest(files: &Files) -> String {
    // The newest: nothing in the sample left one that was not put in force.
    files.keys().filter(|name| name.starts_with("manifest-")).max().unwrap().clone()
}

#[test]
fn a_file_cut_short_is_named_or_ends_in_the_unclaimed_tail() {
    let sample = sample(0);
    for (name, bytes) in &sample.files {
        if matches!(name.as_str(), "LOCK" | "snaplog.toml") {
            continue;
        }
        for len in 0..bytes.len() {
            let mut files = sample.files.clone();
            files.insert(name.clone(), bytes[..len].to_vec());
            let sound = check(&sample, &files, &format!("{name} cut to {len}"));

            // A cut at the end of a claimed frame cannot be told from a write that never was, if no frame behind it
            // says otherwise: that is what the manifest's end is for, and the open segment has none.
            let counts = if name.starts_with("manifest-") {
                *name == current_manifest(&sample.files)
            } else {
                sample.free.get(name).is_none_or(|from| len < *from)
            };
            let open = sample.free.keys().last() == Some(name);
            assert!(!sound || !counts || open, "{name} cut to {len}");
            assert!(sound || counts, "{name} cut to {len}");
        }
    }
}

#[test]
fn zeroed_sectors_missing_doubled_swapped_and_foreign_files_are_named() {
    let sample = sample(0);
    let other = self::sample(7);
    let segments: Vec<_> = sample.files.keys().filter(|name| name.starts_with("events-")).cloned().collect();
    let mut wrong: Vec<(String, Files)> = Vec::new();
    let mut case = |what: String, change: &dyn Fn(&mut Files)| {
        let mut files = sample.files.clone();
        change(&mut files);
        wrong.push((what, files));
    };
    for name in segments.iter().cloned().chain([current_manifest(&sample.files), "CURRENT".to_owned()]) {
        case(format!("{name} is missing"), &|files| drop(files.remove(&name)));
        case(format!("{name} is empty"), &|files| drop(files.insert(name.clone(), Vec::new())));
        case(format!("{name} is another log's"), &|files| {
            files.insert(name.clone(), other.files[&name].clone());
        });
        case(format!("{name} begins with a sector of zeros"), &|files| {
            files.get_mut(&name).unwrap().iter_mut().take(512).for_each(|byte| *byte = 0);
        });
    }
    for pair in segments.windows(2) {
        case(format!("{} doubled as {}", pair[0], pair[1]), &|files| {
            files.insert(pair[1].clone(), files[&pair[0]].clone());
        });
        case(format!("{} and {} swapped", pair[0], pair[1]), &|files| {
            let (a, b) = (files[&pair[0]].clone(), files[&pair[1]].clone());
            files.insert(pair[0].clone(), b);
            files.insert(pair[1].clone(), a);
        });
    }
    case("CURRENT and manifests rolled back".to_owned(), &|files| {
        for (name, bytes) in &sample.earlier {
            if name == "CURRENT" || name.starts_with("manifest-") {
                files.insert(name.clone(), bytes.clone());
            }
        }
    });
    for (what, files) in wrong {
        assert!(!check(&sample, &files, &what), "{what}: not noticed");
    }
}

#[test]
fn markers_before_the_damage_still_restore() {
    let sample = sample(0);
    let open = sample.free.keys().last().unwrap().clone();
    let mut files = sample.files.clone();
    let middle = sample.free[&open] / 2;
    files.get_mut(&open).unwrap()[middle] ^= 1;
    let storage = SimStorage::new();
    storage.load(files).unwrap();
    let report = verdict(&storage);
    assert!(!report.good.is_empty() && !report.lost.is_empty(), "{report:#?}");
    let log = Log::open_in(Arc::new(storage), environment()).unwrap();
    let reader = log.reader().unwrap();
    for marker in reader.markers().iter().filter(|marker| report.good.contains(&marker.id.to_string())) {
        assert_eq!(reader.restore(marker).unwrap().fingerprint(), sample.markers[&marker.id]);
    }
    match log.writer() {
        Err(error) => assert!(error.is_damage(), "{error}"),
        Ok(_) => panic!("a writer went on over damage"),
    }
}
