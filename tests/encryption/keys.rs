//! Who can open a log, and that nobody makes one that is not encrypted of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use snaplog::format::names;
use snaplog::format::seal::SealHead;
use snaplog::format::segment::SegmentHead;
use snaplog::format::snapshot::SnapshotHead;
use snaplog::log::{Identities, KeyError, Recipients, new_identity};
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::upkeep::verify::Level;
use snaplog::{CompactOptions, Error, Log};

use crate::identity::{IDENTITY, RECIPIENT, identities, recipients};
use crate::world::{CONFIG, KIND, crawl, environment, init, loaded, open, sample, shut, verified};

fn another() -> (Identities, String) {
    let (text, recipient) = new_identity();
    (Identities::parse(&text, "a test").unwrap(), recipient)
}

fn only(recipient: &str) -> Recipients {
    let mut recipients = Recipients::new();
    recipients.add(recipient).unwrap();
    recipients
}

fn made() -> SimStorage {
    let disk = SimStorage::new();
    crawl(&init(Arc::new(disk.clone()), &environment()), 0);
    disk
}

/// The data keys that the segments on a disk are sealed with.
fn keys_in_use(disk: &SimStorage) -> Vec<u32> {
    let mut keys: Vec<u32> = disk
        .dump()
        .iter()
        .filter_map(|(name, bytes)| {
            let field = if name.starts_with("events-") {
                SegmentHead::decode(bytes).unwrap().1.encryption
            } else if name.starts_with("snapshot-") {
                SnapshotHead::decode(bytes).unwrap().1.encryption
            } else {
                return None;
            };
            Some(SealHead::decode(&field).unwrap().unwrap().key)
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn a_wrong_key_is_told_in_a_plain_sentence() {
    let disk = made();
    let error = shut(&disk).unlock(&another().0).unwrap_err();
    assert!(matches!(error, Error::Key(KeyError::Wrong { .. })), "{error:?}");
    assert!(error.to_string().ends_with("does not open with the identity that was given"), "{error}");
    assert!(!error.is_damage() && error.hint().is_some());
}

#[test]
fn recipients_come_and_go_and_whoever_went_reads_nothing_new() {
    let disk = made();
    let (second, recipient) = another();
    open(&disk).add_recipients(only(&recipient)).unwrap();
    let log = shut(&disk).unlock(&second).unwrap();
    assert!(verified(&log, Level::Replay).sound);
    let holders: Vec<String> = log.holders().unwrap().into_iter().map(|one| one.recipient).collect();
    assert_eq!(holders, [RECIPIENT, &recipient]);
    let twice = log.add_recipients(only(&recipient)).unwrap_err();
    assert!(matches!(twice, Error::Key(KeyError::AlreadyRecipient { .. })));
    let stranger = another().1;
    let refused = log.clone().remove_recipient(&stranger).unwrap_err();
    assert!(matches!(refused, Error::Key(KeyError::NoSuchRecipient { .. })));

    let before = disk.dump();
    let log = log.remove_recipient(&recipient).unwrap();
    crawl(&log, 1);
    assert!(matches!(shut(&disk).unlock(&second), Err(Error::Key(KeyError::Wrong { .. }))));
    assert!(verified(&open(&disk), Level::Replay).sound);
    let last = open(&disk).remove_recipient(RECIPIENT).unwrap_err();
    assert!(matches!(last, Error::Key(KeyError::LastRecipient { .. })));

    // The key file of before, put back: the new key is not in it, so nobody goes on with the old one.
    let mut files = disk.dump();
    files.insert(names::KEYS.to_owned(), before[names::KEYS].clone());
    let rolled = loaded(&files);
    for identities in [identities(), second] {
        let error = shut(&rolled).unlock(&identities).unwrap_err();
        assert_eq!(error.kind(), "no-key", "{error:?}");
    }
}

#[test]
fn a_new_key_seals_what_is_new_at_once_and_the_rest_when_it_is_told_to() {
    let (disk, markers) = sample();
    let log = open(&disk);
    log.writer().unwrap().close().unwrap();
    assert_eq!(keys_in_use(&disk), [1]);
    let log = log.rotate().unwrap();
    crawl(&log, 3);
    assert_eq!(keys_in_use(&disk), [1, 2]);
    let all = CompactOptions { retention: false, now: true, thorough: false, rekey: true };
    log.compact(all).unwrap();
    log.compact(all).unwrap();
    assert_eq!(keys_in_use(&disk), [2]);
    assert!(verified(&log, Level::Replay).sound);
    let reader = open(&disk).reader().unwrap();
    for (marker, graph) in markers {
        // What was dropped is gone for good by now.
        if !reader.markers().iter().any(|listed| listed.id == marker.id) {
            continue;
        }
        assert_eq!(reader.restore(&marker).unwrap().fingerprint(), graph);
    }
}

#[test]
fn a_passphrase_opens_a_log_that_is_made_for_it_and_another_does_not() {
    let disk = SimStorage::new();
    let mut whom = recipients();
    whom.add_passphrase("correct horse".to_owned().into()).unwrap();
    Log::init_encrypted_in(Arc::new(disk.clone()), environment(), KIND, CONFIG, whom).unwrap();
    let with = |text: &str| shut(&disk).unlock(&Identities::passphrase(text.to_owned().into()));
    let log = with("correct horse").unwrap();
    assert!(log.holders().unwrap()[1].passphrase);
    assert!(matches!(with("wrong horse"), Err(Error::Key(KeyError::Wrong { .. }))));
    // A new key is wrapped for it without anybody being asked.
    log.rotate().unwrap();
    crawl(&with("correct horse").unwrap(), 0);
    assert!(!String::from_utf8_lossy(&disk.dump()[names::KEYS]).contains("horse"));
}

#[test]
fn nobody_names_himself_as_a_recipient() {
    let disk = made();
    let mut files = disk.dump();
    let text = String::from_utf8(files[names::KEYS].clone()).unwrap();
    let (_, mine) = another();
    let entry = format!("    {{\n      \"recipient\": \"{mine}\"\n    }},\n    {{");
    let forged = text.replacen("    {", &entry, 1);
    assert_ne!(forged, text);
    files.insert(names::KEYS.to_owned(), forged.into_bytes());
    let error = shut(&loaded(&files)).unlock(&identities()).unwrap_err();
    assert!(matches!(error, Error::Key(KeyError::KeyFile { .. })), "{error:?}");
    assert!(error.is_damage(), "{error}");
}

#[test]
fn a_log_that_was_made_encrypted_is_not_continued_in_the_clear() {
    let disk = made();
    // By whoever puts the files of a log that is not encrypted in the place of the manifests.
    let plain = SimStorage::new();
    crawl(&Log::init_in(Arc::new(plain.clone()), environment(), KIND, CONFIG).unwrap(), 0);
    let mut mixed = disk.dump();
    mixed.retain(|name, _| !name.starts_with("manifest-"));
    mixed.extend(plain.dump().into_iter().filter(|(name, _)| name != names::KEYS));
    let log = Log::open_in(Arc::new(loaded(&mixed)), environment());
    assert!(log.as_ref().is_err_and(Error::is_damage), "{log:?}");
    // Without the key file: an identity is given, and the log is not what it was made to be.
    mixed.remove(names::KEYS);
    let log = Log::open_in(Arc::new(loaded(&mixed)), environment()).unwrap();
    assert!(matches!(log.unlock(&identities()), Err(Error::Key(KeyError::NotEncrypted { .. }))));
    // A segment that is not sealed, in one that is.
    let mut mixed = disk.dump();
    let segment = plain.dump().into_iter().find(|(name, _)| name.starts_with("events-")).unwrap();
    mixed.insert(segment.0, segment.1);
    let mixed = loaded(&mixed);
    assert!(!verified(&open(&mixed), Level::Replay).sound);
    assert!(open(&mixed).writer().is_err());
    // The key file is gone: nobody makes another, and nothing is written.
    let mut files = disk.dump();
    files.remove(names::KEYS);
    let lost = loaded(&files);
    assert!(matches!(shut(&lost).unlock(&identities()), Err(Error::Missing { .. })));
    assert!(shut(&lost).writer().is_err());
    // Nor is one made in the clear where an encrypted one was begun.
    let begun = SimStorage::new();
    begun.load([(names::KEYS.to_owned(), disk.dump()[names::KEYS].clone())].into()).unwrap();
    let refused = Log::init_in(Arc::new(begun.clone()), environment(), KIND, CONFIG);
    assert!(matches!(refused, Err(Error::NotEmpty { .. })), "{refused:?}");
    init(Arc::new(begun), &environment());
}

#[test]
fn the_key_file_of_another_log_is_told_apart() {
    let disk = made();
    let other = SimStorage::new();
    let elsewhere = environment();
    snaplog::Environment::random(elsewhere.as_ref());
    init(Arc::new(other.clone()), &elsewhere);
    let mut files = disk.dump();
    files.insert(names::KEYS.to_owned(), other.dump()[names::KEYS].clone());
    let error = shut(&loaded(&files)).unlock(&identities()).unwrap_err();
    assert!(matches!(error, Error::Key(KeyError::KeyFile { .. })), "{error:?}");
}

#[test]
fn identity_files_are_read_as_age_keygen_writes_them_and_told_where_they_are_wrong() {
    let text = format!("# created: 2026-01-01\n# public key: {RECIPIENT}\n\n{IDENTITY}\n");
    assert!(made_opens(&Identities::parse(&text, "f").unwrap()));
    let bad = Identities::parse("# fine\nAGE-SECRET-KEY-1NO\n", "f").unwrap_err();
    assert_eq!(bad, KeyError::BadIdentity { from: "f".to_owned(), line: 2 });
    assert!(!format!("{bad}").contains("KEY-1NO"), "what was read is not repeated");
    assert!(matches!(Identities::parse("# nothing\n", "f"), Err(KeyError::NoIdentity { .. })));
    let bad = Recipients::new().add("age1nobody").unwrap_err();
    assert!(matches!(bad, KeyError::BadRecipient { .. }));
}

fn made_opens(identities: &Identities) -> bool {
    shut(&made()).unlock(identities).is_ok()
}

#[test]
fn nothing_is_sealed_with_a_key_that_a_power_cut_takes_back() {
    let disk = made();
    let mut seen = 0;
    for n in 1.. {
        let disk = disk.fork();
        let log = open(&disk);
        let before = disk.calls();
        // What is not synced stays visible and never becomes durable: as Linux does when writing back fails.
        disk.fail_call(before + n, Fault::FsyncDrops, FaultSpan::Once);
        let outcome = log.rotate();
        disk.clear_faults();
        if outcome.is_ok() {
            break;
        }
        // The next session finds what is visible, whatever of it is durable.
        crawl(&open(&disk), 1);
        disk.crash_all_lost();
        let report = verified(&open(&disk), Level::Replay);
        assert!(report.sound && report.markers_good >= 2, "a sync that fails at call {n}: {report:#?}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen} failures are no test");
}
