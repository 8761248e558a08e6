//! A whole log directory: files of small sound logs, changed in any way, as they are then or with all checksums made to fit.
//!
//! Whatever stands there: no panic; what verify calls good restores, and gives what its marker says; looking changes no file;
//! a writer that goes on leaves a log that is sound if it was; salvage makes a sound log.
//!
//! The input: a byte that chooses the log, one whose bits say which checksums are mended, then mutations of six bytes.
#![no_main]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use snaplog::format::current::Current;
use snaplog::format::manifest::Manifest;
use snaplog::format::seal::Lock;
use snaplog::format::segment::{SegmentHead, header_crc};
use snaplog::format::snapshot::{Footer, SnapshotHead, TRAILER_BYTES, Trailer};
use snaplog::format::{frame, names};
use snaplog::storage::{SimStorage, Storage};
use snaplog::upkeep::salvage::salvage;
use snaplog::upkeep::verify::{Level, Options, verify_in};
use snaplog::{CompactOptions, Event, FixedEnvironment, GraphKind, Log, MarkOptions, Timestamp};

type Files = BTreeMap<String, Vec<u8>>;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
const START: i64 = 1_767_225_600_000_000;
const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 4\nkeep = 3\n\
    [retention]\nkeep_events = \"1 day\"\n[segment]\nsize = \"64 KiB\"\n";

fn environment() -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(Timestamp(START + 30 * DAY)))
}

/// A log of each kind of graph: open at its end as a kill leaves it, closed, or compacted.
fn sample(kind: GraphKind, state: usize) -> Files {
    let disk = SimStorage::new();
    let log = Log::init_in(Arc::new(disk.clone()), environment(), kind, CONFIG).expect("a new log");
    for session in 0..3_i64 {
        let writer = log.writer().expect("a session");
        for n in 0..7_i64 {
            let at = Timestamp(START + (session * 7 + n) * DAY / 3);
            let id = session * 7 + n;
            let events = [
                Event::node(id).with("name", format!("node {id}")),
                Event::edge(id, id / 2).with("w", n),
                Event::PutEntry { key: "queue".into(), entry: id.into(), value: n.into() },
                Event::DeleteNode { id: (id - 5).into() },
            ];
            for event in &events {
                let _ = writer.append_at(event, at);
            }
            writer.commit().expect("a commit");
        }
        let at = Timestamp(START + (session * 7 + 7) * DAY / 3);
        writer.mark_at(&MarkOptions::labelled(format!("session {session}")), at).expect("a marker");
        if state == 0 && session == 2 {
            let left = disk.dump();
            drop(writer);
            disk.load(left).expect("the files of a killed session");
        } else {
            writer.close().expect("a close");
        }
    }
    if state == 2 {
        for _ in 0..2 {
            log.compact(CompactOptions { retention: true, now: true, thorough: true, rekey: false })
                .expect("a compaction");
        }
    }
    disk.dump()
}

fn samples() -> &'static [Files] {
    static SAMPLES: OnceLock<Vec<Files>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        common::KINDS.into_iter().flat_map(|kind| (0..3).map(move |state| sample(kind, state))).collect()
    })
}

/// Six bytes: what, which file, where (twice), with what (twice).
fn mutate(files: &mut Files, mutation: &[u8]) {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = |n: u8| names[usize::from(n) % names.len()].clone();
    let (first, second) = (name(mutation[1]), name(mutation[4]));
    let Some(bytes) = files.get_mut(&first) else { return };
    let at = usize::from(u16::from_le_bytes([mutation[2], mutation[3]])) % bytes.len().max(1);
    match mutation[0] % 8 {
        0 | 1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mutation[4].max(1)),
        2 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = mutation[4]),
        3 => bytes.truncate(at),
        4 => bytes.extend(std::iter::repeat_n(mutation[4], usize::from(mutation[5]))),
        5 => drop(files.remove(&first)),
        6 => {
            let copy = bytes.clone();
            files.insert(second, copy);
        }
        _ => {
            let (a, b) = (files.remove(&first), files.remove(&second));
            if let Some(a) = a {
                files.insert(second, a);
            }
            if let Some(b) = b {
                files.insert(first, b);
            }
        }
    }
}

/// Frames with their checksums and chain values made to fit what they hold.
fn mend_events(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = mend_head(bytes)?;
    let (prefix, _) = SegmentHead::decode(&bytes).ok()?;
    let mut out = bytes[..prefix.length].to_vec();
    let (mut chain, mut at) = (header_crc(&out), prefix.length);
    while at + frame::HEADER_BYTES <= bytes.len() {
        let mut head = bytes[at..at + frame::HEADER_BYTES].to_vec();
        let stored = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        let end = at + frame::HEADER_BYTES + usize::try_from(stored).ok()?;
        let payload = bytes.get(at + frame::HEADER_BYTES..end)?;
        head[28..32].copy_from_slice(&chain.to_le_bytes());
        head[56..60].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        chain = crc32fast::hash(&head[..60]);
        head[60..].copy_from_slice(&chain.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        at = end;
    }
    out.extend_from_slice(&bytes[at..]);
    Some(out)
}

/// The envelope that a segment begins with, with its checksum made to fit; its length is believed.
fn mend_head(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let length = usize::try_from(u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?)).ok()?;
    let end = length.checked_sub(4).filter(|_| (68..=bytes.len()).contains(&length))?;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..length].copy_from_slice(&crc.to_le_bytes());
    Some(bytes)
}

/// Blocks whose checksums in the index fit what they hold.
fn mend_snapshot(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = mend_head(bytes)?;
    let (prefix, _) = SnapshotHead::decode(&bytes).ok()?;
    let length = u64::try_from(bytes.len()).ok()?;
    let trailer = Trailer::decode(bytes.get(bytes.len().checked_sub(TRAILER_BYTES)?..)?, length).ok()?;
    let from = usize::try_from(trailer.footer_offset).ok()?;
    let to = from + usize::try_from(trailer.footer_stored).ok()?;
    let blocks_from = u64::try_from(prefix.length).ok()?;
    let mut footer = Footer::decode(&trailer, bytes.get(from..to)?, blocks_from, &Lock::None).ok()?;
    for chunk in footer.increments.iter_mut().flat_map(|increment| &mut increment.chunks) {
        let mut at = usize::try_from(chunk.offset).ok()?;
        for block in &mut chunk.columns {
            let end = at + usize::try_from(block.stored).ok()?;
            block.crc = crc32fast::hash(bytes.get(at..end)?);
            at = end;
        }
    }
    let (index, trailer) = footer.encode(trailer.footer_offset, None).ok()?;
    let mut out = bytes[..from].to_vec();
    out.extend_from_slice(&index);
    out.extend_from_slice(&trailer.encode());
    Some(out)
}

/// The manifest in force says of segments what they are now, and CURRENT names it.
fn mend_manifest(files: &mut Files) -> Option<()> {
    let name = files.keys().rfind(|name| name.starts_with("manifest-"))?.clone();
    let (prefix, mut manifest) = Manifest::decode(&common::mend_envelope(&files[&name]), None).ok()?;
    for entry in &mut manifest.snapshots {
        let Some(bytes) = files.get(&names::snapshot(entry.id)) else { continue };
        entry.length = u64::try_from(bytes.len()).ok()?;
        let Some(end) = bytes.len().checked_sub(TRAILER_BYTES) else { continue };
        if let Ok(trailer) = Trailer::decode(&bytes[end..], entry.length) {
            entry.footer_crc = trailer.footer_crc;
        }
    }
    for entry in &mut manifest.segments {
        // The chain value at the end: the last frame's.
        let (Some(bytes), Some(end)) = (files.get(&names::events(entry.id)), &mut entry.end) else {
            continue;
        };
        let Some(counts) = usize::try_from(end.length).ok().and_then(|length| bytes.get(..length)) else {
            continue;
        };
        let last = (0..counts.len()).rev().find_map(|at| frame::header(&counts[at..]).ok());
        end.chain = last.map_or(end.chain, |header| header.crc);
    }
    let bytes = manifest.encode(prefix.log_id, None).ok()?;
    let current = Current::naming(manifest.generation, &bytes).encode(prefix.log_id, None).ok()?;
    files.insert(name, bytes);
    files.insert(names::CURRENT.to_owned(), current);
    Some(())
}

fuzz_target!(|data: &[u8]| {
    let [which, mend, mutations @ ..] = data else { return };
    let mut files = samples()[usize::from(*which) % samples().len()].clone();
    for mutation in mutations.chunks_exact(6).take(8) {
        if files.is_empty() {
            return;
        }
        mutate(&mut files, mutation);
    }
    for (name, bytes) in &mut files {
        let mended = match name {
            name if name.starts_with("events-") && mend & 1 != 0 => mend_events(bytes),
            name if name.starts_with("snapshot-") && mend & 2 != 0 => mend_snapshot(bytes),
            _ => None,
        };
        if let Some(mended) = mended {
            *bytes = mended;
        }
    }
    if mend & 4 != 0 {
        let _ = mend_manifest(&mut files);
    }
    look(&files);
});

fn look(files: &Files) {
    let disk = SimStorage::new();
    disk.load(files.clone()).expect("files in a directory");
    let shared: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = Options { level: Level::Replay, max_duration: None };
    let verified = verify_in(&shared, environment().as_ref(), options);
    let opened = Log::open_in(Arc::clone(&shared), environment());
    if let (Ok(report), Ok(reader)) =
        (&verified, opened.as_ref().map_err(drop).and_then(|log| log.reader().map_err(drop)))
    {
        for marker in reader.markers() {
            let restored = reader.restore(marker);
            if let Ok(graph) = &restored {
                assert_eq!(graph.fingerprint(), marker.fingerprint, "{}", marker.id);
                assert_eq!(graph.counts(), marker.counts);
            }
            let good = report.good.contains(&marker.id.to_string());
            assert!(!good || restored.is_ok(), "{} is called good: {restored:?}", marker.id);
            assert!(!report.sound || restored.is_ok(), "a sound log: {restored:?}");
        }
        let _ = reader.restore_seq(reader.last_seq());
        let _ = reader.digests();
        let _ = reader.restorable();
    }
    assert_eq!(disk.dump(), *files, "looking has changed something");

    let to = SimStorage::new();
    if salvage(&disk, Arc::new(to.clone()), environment()).is_ok() {
        let to: Arc<dyn Storage> = Arc::new(to);
        let made = verify_in(&to, environment().as_ref(), options).expect("a salvaged log");
        assert!(made.sound, "{made:#?}");
    }
    assert_eq!(disk.dump(), *files, "salvage has written to the damaged log");

    let sound = verified.is_ok_and(|report| report.sound);
    let Ok(log) = opened else { return };
    let outcome = log.writer().and_then(|writer| {
        writer.append(&Event::node("one more"))?;
        writer.close()
    });
    // A snaplog.toml that cannot be used keeps a writer out, and nobody else.
    if matches!(outcome, Err(snaplog::Error::Config { .. })) {
        return;
    }
    assert!(!sound || outcome.is_ok(), "a sound log cannot be written: {outcome:?}");
    if sound {
        let report = verify_in(&shared, environment().as_ref(), options).expect("a log");
        assert!(report.sound, "after a session: {report:#?}");
    }
}
