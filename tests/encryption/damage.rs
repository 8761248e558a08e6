//! Damage, and forgery with all checksums made to fit: the right graph, or a refusal; never another graph.
//!
//! `SNAPLOG_EXHAUSTIVE=1` flips every bit; without it one bit of every seventh byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::sync::Arc;

use snaplog::format::current::Current;
use snaplog::format::header::{FileKind, SUFFIX_BYTES, prefix};
use snaplog::format::{frame, names};
use snaplog::storage::Storage;
use snaplog::upkeep::verify::{Level, Options, verify_in};
use snaplog::{Error, Fingerprint, Log, Marker};

use crate::identity::identities;
use crate::world::{Files, environment, loaded, sample};

#[derive(Debug, Default)]
struct Tally {
    named: u64,
    unharmed: u64,
}

/// Whether a log of these files shows nothing but what it showed.
fn check(files: &Files, markers: &[(Marker, Fingerprint)], story: &str, tally: &mut Tally) {
    let disk = loaded(files);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let opened = Log::open_in(Arc::clone(&storage), environment()).and_then(|log| log.unlock(&identities()));
    let log = match opened {
        Ok(log) => log,
        Err(error) => {
            let told = error.is_damage() || matches!(error, Error::Key(_) | Error::NotALog { .. });
            assert!(told || error.kind() == "no-key", "{story}: {error:?}");
            tally.named += 1;
            return;
        }
    };
    let options = Options { level: Level::Replay, max_duration: None };
    let report = snaplog::upkeep::verify::verify(&log, options).unwrap_or_else(|e| panic!("{story}: {e}"));
    // Without the key nothing is called sound that a checksum speaks against, and nothing panics.
    let sums = Options { level: Level::Checksums, max_duration: None };
    let shut = verify_in(&storage, environment().as_ref(), sums).unwrap_or_else(|e| panic!("{story}: {e}"));
    assert!(!report.sound || shut.sound, "{story}: {shut:#?}");
    if report.sound {
        tally.unharmed += 1;
    } else {
        tally.named += 1;
    }
    let Ok(reader) = log.reader() else {
        assert!(!report.sound, "{story}");
        return;
    };
    for marker in reader.markers() {
        let known = markers.iter().find(|(known, _)| known.id == marker.id);
        let (_, graph) = known.unwrap_or_else(|| panic!("{story}: {} was never there", marker.id));
        match reader.restore(marker) {
            Ok(restored) => assert_eq!(restored.fingerprint(), *graph, "{story}: {}", marker.id),
            Err(error) => assert!(!report.sound && error.is_damage(), "{story}: {error:?}"),
        }
    }
    // A last segment that is cut short looks as it did before what is lost was written (FORMAT.md, 12.2).
    let all = reader.markers().len() == markers.len();
    assert!(!report.sound || all || story.starts_with(&open_segment(files)), "{story}: markers are gone");
}

/// Files that the log rests on.
fn counts(name: &str) -> bool {
    name.starts_with("events-")
        || name.starts_with("snapshot-")
        || name.starts_with("manifest-")
        || [names::CURRENT, names::KEYS].contains(&name)
}

#[test]
fn whatever_bit_is_flipped_and_wherever_a_file_is_cut_no_other_graph_comes_out() {
    let (disk, markers) = sample();
    let files = disk.dump();
    let all = std::env::var_os("SNAPLOG_EXHAUSTIVE").is_some();
    let mut tally = Tally::default();
    for (name, bytes) in files.iter().filter(|(name, _)| counts(name)) {
        for at in 0..bytes.len() {
            let bits = if all { 0..8 } else { at % 8..at % 8 + usize::from(at % 7 == 0) };
            for bit in bits {
                let mut bad = files.clone();
                bad.get_mut(name).unwrap()[at] ^= 1 << bit;
                check(&bad, &markers, &format!("{name}, byte {at}, bit {bit}"), &mut tally);
            }
            if all || at % 61 == 0 {
                let mut bad = files.clone();
                bad.get_mut(name).unwrap().truncate(at);
                check(&bad, &markers, &format!("{name}, cut at {at}"), &mut tally);
            }
        }
    }
    println!("bits and cuts: {tally:?}");
    assert!(tally.named > 100, "{tally:?}");
}

/// The offsets of the frames of a segment, and where the last one ends.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut at = prefix(FileKind::Events, bytes, usize::MAX).unwrap().length;
    let mut offsets = vec![at];
    while at < bytes.len() {
        at += usize::try_from(frame::header(&bytes[at..]).unwrap().frame_len()).unwrap();
        offsets.push(at);
    }
    offsets
}

/// Makes every checksum and every link of a segment fit again, as somebody can who has no key.
fn mended(bytes: &[u8], offsets: &[usize]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let sum = |bytes: &[u8]| crc32fast::hash(bytes).to_le_bytes();
    let end = offsets[0] - SUFFIX_BYTES;
    let mut chain = sum(&bytes[..end]);
    bytes[end..offsets[0]].copy_from_slice(&chain);
    for pair in offsets.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        bytes[from + 28..from + 32].copy_from_slice(&chain);
        let payload = sum(&bytes[from + 64..to]);
        bytes[from + 56..from + 60].copy_from_slice(&payload);
        chain = sum(&bytes[from..from + 60]);
        bytes[from + 60..from + 64].copy_from_slice(&chain);
    }
    bytes
}

/// The open segment, whose end no manifest tells.
fn open_segment(files: &Files) -> String {
    files.keys().rfind(|name| name.starts_with("events-")).unwrap().clone()
}

#[test]
fn frames_that_are_changed_moved_swapped_or_made_up_do_not_open_though_all_checksums_fit() {
    let (disk, markers) = sample();
    let files = disk.dump();
    let name = open_segment(&files);
    let bytes = &files[&name];
    let offsets = frames(bytes);
    // What the mending itself would break.
    assert_eq!(&mended(bytes, &offsets), bytes);
    let mut forged: Vec<(String, Vec<u8>)> = Vec::new();
    for pair in offsets.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        // Each field of the header that is not a checksum, and the payload.
        for at in [5, 16, 24, 32, 40, 64, 70, to - from - 1] {
            let mut bad = bytes.clone();
            bad[from + at] ^= 1;
            forged.push((format!("byte {at} of the frame at {from}"), mended(&bad, &offsets)));
        }
        let mut without = bytes[..from].to_vec();
        without.extend_from_slice(&bytes[to..]);
        let offsets: Vec<usize> = offsets
            .iter()
            .filter(|at| **at != from)
            .map(|at| if *at > from { at - (to - from) } else { *at })
            .collect();
        forged.push((format!("without the frame at {from}"), mended(&without, &offsets)));
    }
    let mut header = bytes.clone();
    header[64] ^= 1;
    forged.push(("the time in the header".to_owned(), mended(&header, &offsets)));
    // Nothing claims the last frame: without it, the log is that of a writer that was killed before it.
    let last = offsets[offsets.len() - 2];
    for (story, forged) in forged {
        let mut bad = files.clone();
        let kept = forged.len() == bytes.len();
        bad.insert(name.clone(), forged);
        let disk = loaded(&bad);
        let storage: Arc<dyn Storage> = Arc::new(disk);
        let log = Log::open_in(storage, environment()).and_then(|log| log.unlock(&identities())).unwrap();
        let options = Options { level: Level::Replay, max_duration: None };
        let report = snaplog::upkeep::verify::verify(&log, options).unwrap();
        if !story.ends_with(&format!("frame at {last}")) {
            assert!(!report.sound, "{story}: {report:#?}");
            assert!(log.writer().is_err(), "{story}");
        }
        let mut tally = Tally::default();
        check(&bad, &markers, &story, &mut tally);
        if kept && !report.sound {
            // Who has no key sees nothing of it, which is what the key is for.
            assert!(report.faults.iter().any(|fault| fault.file == name), "{story}: {report:#?}");
        }
    }
}

#[test]
fn manifests_and_current_that_are_changed_do_not_open_though_their_checksums_fit() {
    let (disk, _) = sample();
    let files = disk.dump();
    let (_, current) = Current::decode(&files[names::CURRENT], None).unwrap();
    let manifest = names::manifest(current.generation);
    let fit = |bytes: &mut Vec<u8>| {
        let end = bytes.len() - SUFFIX_BYTES;
        let sum = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&sum);
    };
    for at in 64..files[&manifest].len() - SUFFIX_BYTES {
        let mut bad = files.clone();
        let bytes = bad.get_mut(&manifest).unwrap();
        bytes[at] ^= 1;
        fit(bytes);
        // CURRENT cannot be made to name it without the key.
        let naming = Current::naming(current.generation, &bad[&manifest]);
        let there = bad[names::CURRENT].clone();
        let changed = there.windows(4).position(|window| window == current.crc.to_le_bytes());
        let bytes = bad.get_mut(names::CURRENT).unwrap();
        if let Some(changed) = changed {
            bytes[changed..changed + 4].copy_from_slice(&naming.crc.to_le_bytes());
        }
        fit(bytes);
        let opened =
            Log::open_in(Arc::new(loaded(&bad)), environment()).and_then(|log| log.unlock(&identities()));
        assert!(opened.as_ref().is_err_and(Error::is_damage), "byte {at}: {opened:?}");
    }
    // An older manifest of the log's own, with CURRENT as it is.
    let older = files.keys().find(|name| name.starts_with("manifest-") && **name != manifest).unwrap();
    let mut bad = files.clone();
    bad.insert(manifest, files[older].clone());
    let opened =
        Log::open_in(Arc::new(loaded(&bad)), environment()).and_then(|log| log.unlock(&identities()));
    assert!(opened.is_err());
}

#[test]
fn blocks_and_the_index_of_a_snapshot_do_not_open_where_they_were_not_sealed() {
    let (disk, markers) = sample();
    let files = disk.dump();
    let name = files.keys().find(|name| name.starts_with("snapshot-")).unwrap().clone();
    let bytes = &files[&name];
    let start = prefix(FileKind::Snapshot, bytes, usize::MAX).unwrap().length;
    let trailer = bytes.len() - 32;
    let index =
        usize::try_from(u64::from_le_bytes(bytes[trailer + 8..trailer + 16].try_into().unwrap())).unwrap();
    let mut tally = Tally::default();
    // A block is changed and every checksum over it made to fit is beyond a forger without the sums of the index, which
    // are sealed with it: what is left to him is to move whole blocks, and to change the index.
    for at in (start..index).step_by(3) {
        let mut bad = files.clone();
        bad.get_mut(&name).unwrap()[at] ^= 1;
        check(&bad, &markers, &format!("{name}, byte {at}"), &mut tally);
    }
    for at in index..trailer {
        let mut bad = files.clone();
        let bytes = bad.get_mut(&name).unwrap();
        bytes[at] ^= 1;
        let sum = crc32fast::hash(&bytes[index..trailer]).to_le_bytes();
        bytes[trailer + 20..trailer + 24].copy_from_slice(&sum);
        let sum = crc32fast::hash(&bytes[trailer..trailer + 28]).to_le_bytes();
        bytes[trailer + 28..].copy_from_slice(&sum);
        check(&bad, &markers, &format!("{name}, byte {at} of the index"), &mut tally);
    }
    assert_eq!(tally.unharmed, 0, "{tally:?}");
}
