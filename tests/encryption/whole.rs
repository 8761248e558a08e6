//! What an encrypted log does as any other does, and what of it nobody sees.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashSet;
use std::sync::Arc;

use snaplog::format::header::{FileKind, prefix};
use snaplog::format::seal::SealHead;
use snaplog::format::segment::SegmentHead;
use snaplog::format::snapshot::SnapshotHead;
use snaplog::format::{frame, names};
use snaplog::log::KeyError;
use snaplog::policy::drill::Choice;
use snaplog::storage::{SimStorage, Storage};
use snaplog::upkeep::verify::Level;
use snaplog::{CompactOptions, Error, Event, Log, MarkOptions, Marker};

use crate::identity::recipients;
use crate::spy::Spy;
use crate::world::{
    CANARY, CONFIG, KIND, compact, crawl, environment, init, open, reopened, sample, shut, verified,
};

/// All that a log goes through, on a storage that keeps every byte that was written.
fn busy() -> Spy {
    let (spy, environment) = (Spy::new(), environment());
    let log = init(Arc::new(spy.clone()), &environment);
    for day in -12..-8 {
        crawl(&log, day);
    }
    compact(&log);
    // A request to a live writer, with a label in it; and what it answers.
    let writer = log.writer().unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| log.mark(&MarkOptions::labelled(format!("{CANARY} asked for"))));
        while !asked.is_finished() {
            writer.tick().unwrap();
            std::thread::yield_now();
        }
        asked.join().unwrap().unwrap();
    });
    writer.append(&Event::node(format!("{CANARY} refused")).with("x", 1)).unwrap();
    writer.close().unwrap();
    let log = reopened(Arc::new(spy.clone()), &environment).rotate().unwrap();
    crawl(&log, -2);
    snaplog::upkeep::drill::drill(&log, &Choice::All, None).unwrap();
    let thorough = CompactOptions { retention: true, now: true, thorough: true, rekey: true };
    log.compact(thorough).unwrap();
    snaplog::upkeep::copy::copy_in(&log, Arc::new(spy.beside())).unwrap();
    assert!(verified(&log, Level::Replay).sound);
    spy
}

#[test]
fn no_id_attribute_value_key_or_label_is_ever_written_in_the_clear() {
    let written = busy().written();
    for kind in ["events-", "snapshot-", "manifest-", "CURRENT", "keys.json", "requests/", "checks.json"] {
        assert!(written.iter().any(|(name, _)| name.starts_with(kind)), "no {kind} was written");
    }
    for (name, bytes) in &written {
        let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!seen, "{name} tells what is in the log");
    }
    // That the test would see it.
    let plain = Spy::new();
    let log = Log::init_in(Arc::new(plain.clone()), environment(), KIND, CONFIG).unwrap();
    crawl(&log, 0);
    assert!(plain.written().iter().any(|(_, bytes)| bytes.windows(6).any(|w| w == CANARY.as_bytes())));
}

#[test]
fn no_key_meets_a_nonce_twice() {
    // A file's key comes from its salt; within a file a nonce is a position, and positions ascend.
    let mut salts = HashSet::new();
    let mut sealed_files = 0;
    for (name, bytes) in busy().written() {
        let name = name.strip_suffix(".tmp").unwrap_or(&name).to_owned();
        let field = if name.starts_with("events-") {
            SegmentHead::decode(&bytes).unwrap().1.encryption
        } else if name.starts_with("snapshot-") {
            SnapshotHead::decode(&bytes).unwrap().1.encryption
        } else {
            if name.starts_with("manifest-") || name == names::CURRENT {
                let kind = if name == names::CURRENT { FileKind::Current } else { FileKind::Manifest };
                assert!(prefix(kind, &bytes, usize::MAX).unwrap().is_encrypted(), "{name}");
            }
            continue;
        };
        let head = SealHead::decode(&field).unwrap().unwrap();
        sealed_files += 1;
        // A copy is the same file once more, byte for byte.
        let fresh = salts.insert((head.key, head.salt, bytes.clone()));
        let same_salt = salts.iter().filter(|(_, salt, _)| *salt == head.salt).count();
        assert!(!fresh || same_salt == 1, "{name}: a salt is used twice");
        if name.starts_with("events-") {
            let mut at = prefix(FileKind::Events, &bytes, usize::MAX).unwrap().length;
            while at < bytes.len() {
                let header = frame::header(&bytes[at..]).unwrap();
                assert!(header.sealed, "{name}: a frame is not sealed");
                at += usize::try_from(header.frame_len()).unwrap();
            }
        }
    }
    assert!(sealed_files > 10, "{sealed_files}");
}

#[test]
fn it_restores_what_a_log_that_is_not_encrypted_restores() {
    let plain = SimStorage::new();
    let log = Log::init_in(Arc::new(plain.clone()), environment(), KIND, CONFIG).unwrap();
    let (sealed, environment) = (SimStorage::new(), environment());
    let other = init(Arc::new(sealed.clone()), &environment);
    for day in -12..-6 {
        crawl(&log, day);
        crawl(&other, day);
    }
    compact(&log);
    compact(&other);
    let (log, other) = (log.reader().unwrap(), other.reader().unwrap());
    assert_eq!(log.markers().len(), other.markers().len());
    for (one, two) in log.markers().iter().zip(other.markers()) {
        assert_eq!((one.fingerprint, &one.label), (two.fingerprint, &two.label));
        assert_eq!(other.restore(two).unwrap().fingerprint(), one.fingerprint);
    }
}

#[test]
fn an_encrypted_log_of_one_that_is_not_has_its_markers_its_history_and_its_digests() {
    let plain = SimStorage::new();
    let log = Log::init_in(Arc::new(plain.clone()), environment(), KIND, CONFIG).unwrap();
    for day in -12..-8 {
        crawl(&log, day);
    }
    compact(&log);
    let writer = log.writer().unwrap();
    writer.append(&Event::node("beside a live writer")).unwrap();
    writer.commit().unwrap();
    let dest = Spy::new();
    snaplog::upkeep::copy::encrypt_in(&log, Arc::new(dest.clone()), &recipients()).unwrap();
    writer.close().unwrap();
    for (name, bytes) in dest.written() {
        let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!seen, "{name} tells what is in the log");
    }
    let sealed = open(&dest.disk);
    assert_eq!(sealed.id(), log.id());
    let report = verified(&sealed, Level::Replay);
    assert!(report.sound, "{report:#?}");
    assert_eq!(report.digest, verified(&log, Level::Replay).digest);
    let (old, new) = (log.reader().unwrap(), sealed.reader().unwrap());
    assert_eq!(old.markers(), new.markers());
    assert_eq!(old.last_seq(), new.last_seq());
    // And it can be written to.
    crawl(&sealed, -1);
    assert!(verified(&sealed, Level::Replay).sound);
    // What is encrypted is not encrypted once more.
    let again = snaplog::upkeep::copy::encrypt_in(&log, Arc::new(dest), &recipients());
    assert!(matches!(again, Err(Error::NotEmpty { .. })), "{again:?}");
}

#[test]
fn without_the_key_checksums_can_be_compared_and_nothing_else_done() {
    let (disk, _) = sample();
    let before = disk.dump();
    let log = shut(&disk);
    assert!(log.is_shut());
    for level in [Level::Quick, Level::Checksums] {
        let report = verified(&log, level);
        assert!(report.sound && report.bytes > 0 && report.notes.len() == 1, "{report:#?}");
    }
    let is_shut = |error: Error| matches!(error, Error::Key(KeyError::Shut { .. }));
    assert!(is_shut(log.reader().unwrap_err()));
    assert!(is_shut(log.writer().unwrap_err()));
    assert!(is_shut(log.mark(&MarkOptions::default()).unwrap_err()));
    assert!(is_shut(log.compact(CompactOptions::default()).unwrap_err()));
    let options = snaplog::upkeep::verify::Options { level: Level::Replay, max_duration: None };
    assert!(is_shut(snaplog::upkeep::verify::verify(&log, options).unwrap_err()));
    let copied = snaplog::upkeep::copy::copy_in(&log, Arc::new(SimStorage::new()));
    assert!(is_shut(copied.unwrap_err()));
    let mut files = disk.dump();
    files.remove("LOCK");
    let mut before = before;
    before.remove("LOCK");
    assert_eq!(files, before, "something was written");
}

#[test]
fn nothing_is_asked_of_a_live_writer_in_the_clear() {
    let (spy, environment) = (Spy::new(), environment());
    let log = init(Arc::new(spy.clone()), &environment);
    let writer = log.writer().unwrap();
    let shut = Log::open_in(Arc::new(spy.clone()), environment).unwrap();
    let asked = shut.mark(&MarkOptions::labelled(format!("{CANARY} asked for")));
    assert!(matches!(asked, Err(Error::Key(KeyError::Shut { .. }))), "{asked:?}");
    let asked = shut.compact(CompactOptions::default());
    assert!(matches!(asked, Err(Error::Key(KeyError::Shut { .. }))), "{asked:?}");
    writer.close().unwrap();
    for (name, bytes) in spy.written() {
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{name}");
    }
}

#[test]
fn a_segment_is_dumped_as_far_as_it_can_be_seen() {
    let (disk, _) = sample();
    let name = disk.dump().into_keys().find(|name| name.starts_with("events-")).unwrap();
    let told = |storage: &dyn Storage| {
        let mut lines = Vec::new();
        snaplog::exchange::dump::dump(storage, &name, &mut |line| {
            lines.push(format!("{} {}", line.kind, line.fields));
            true
        })
        .unwrap();
        lines.join("\n")
    };
    let shut = told(&disk);
    assert!(
        shut.contains("\"sealed\":true") && !shut.contains(CANARY) && !shut.contains("damaged"),
        "{shut}"
    );
    let dice: Arc<dyn snaplog::Environment> = environment();
    let identities = crate::identity::identities();
    let opened = snaplog::log::unlock_storage(Arc::new(disk), &dice, &identities).unwrap();
    assert!(told(opened.as_ref()).contains(CANARY));
}

#[test]
fn what_is_salvaged_from_an_encrypted_log_is_encrypted() {
    let (disk, markers) = sample();
    let mut files = disk.dump();
    files.remove(names::CURRENT);
    let damaged = crate::world::loaded(&files);
    let dice: Arc<dyn snaplog::Environment> = environment();
    let opened =
        snaplog::log::unlock_storage(Arc::new(damaged.clone()), &dice, &crate::identity::identities())
            .unwrap();
    let saved = Spy::new();
    let report =
        snaplog::upkeep::salvage::salvage(opened.as_ref(), Arc::new(saved.clone()), environment()).unwrap();
    assert!(!report.markers_kept.is_empty(), "{report:#?}");
    for (name, bytes) in saved.written() {
        let seen = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!seen, "{name} tells what is in the log");
    }
    let log = open(&saved.disk);
    let reader = log.reader().unwrap();
    let is_it = |marker: &Marker| marker.label.as_deref() == Some("before the kill");
    let saved = reader.markers().iter().find(|marker| is_it(marker)).unwrap();
    let (_, graph) = markers.iter().find(|(marker, _)| is_it(marker)).unwrap();
    assert_eq!(reader.restore(saved).unwrap().fingerprint().content, graph.content);
    // Without the key nothing is made, above all nothing in the clear.
    let nothing = SimStorage::new();
    let refused = snaplog::upkeep::salvage::salvage(&damaged, Arc::new(nothing.clone()), environment());
    assert!(refused.is_err(), "{refused:?}");
    assert!(!nothing.dump().contains_key(names::CURRENT));
}
