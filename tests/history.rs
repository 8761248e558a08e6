//! Digests of markers: what shows that history was changed by somebody who made all checksums and sums fit again.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{environment, init, killed, open};
use snaplog::codec;
use snaplog::format::current::Current;
use snaplog::format::manifest::Manifest;
use snaplog::format::segment::{SegmentHead, header_crc};
use snaplog::format::{frame, names};
use snaplog::storage::{SimStorage, Storage};
use snaplog::upkeep::verify::{Level, Options, Report, verify_expecting};
use snaplog::{CompactOptions, Digest, Event, Log, MarkOptions, Marker, MarkerId, Timestamp, Value};

const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 4\nkeep = 2\n\
    [retention]\nkeep_events = \"none\"\nkeep_newest = 1\n[segment]\nsize = \"64 KiB\"\n";

fn verified(disk: &SimStorage, expected: &[Digest]) -> Report {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = Options { level: Level::Replay, max_duration: None };
    verify_expecting(&storage, environment().as_ref(), options, expected).unwrap()
}

fn digests(log: &Log) -> BTreeMap<MarkerId, Digest> {
    log.reader().unwrap().digests().unwrap().into_iter().collect()
}

fn newest(log: &Log) -> Digest {
    *digests(log).last_key_value().unwrap().1
}

/// Once to drop markers, once to let them go.
fn compact(log: &Log) {
    for _ in 0..2 {
        log.compact(CompactOptions { retention: true, now: true, thorough: true, rekey: false }).unwrap();
    }
}

/// A crawl of two sessions; the fifth event says `word`.
fn crawl(disk: &SimStorage, word: &str) -> Log {
    let log = init(disk, CONFIG);
    for session in 0..2 {
        let writer = log.writer().unwrap();
        for n in 0..10 {
            let text = if (session, n) == (0, 5) { word } else { "as it was" };
            writer.append(&Event::edge(format!("{session}-{n}"), "hub").with("text", text)).unwrap();
        }
        writer.mark(&MarkOptions::labelled(format!("session {session}"))).unwrap();
        writer.close().unwrap();
    }
    log
}

#[test]
fn a_log_that_was_written_anew_with_one_value_changed_shows() {
    let (disk, forged) = (SimStorage::new(), SimStorage::new());
    let good = newest(&crawl(&disk, "true"));
    // The same id, numbers and times, all checksums and fingerprints right: nothing in the files tells.
    let other = crawl(&forged, "fals");
    assert_eq!(other.id(), open(&disk).id());
    assert!(verified(&forged, &[]).sound);
    let report = verified(&forged, &[good]);
    assert!(!report.sound);
    assert_eq!(report.faults[0].kind, "unexpected-history", "{report:#?}");
    assert_eq!(report.expected[0].marker, None);

    let report = verified(&disk, &[good]);
    assert!(report.sound, "{report:#?}");
    assert_eq!(report.digest.as_deref(), Some(good.to_string().as_str()));
    assert_eq!((report.history_proven, report.history_folded), (report.markers_good, 0));
}

#[test]
fn a_directory_that_was_put_back_to_an_earlier_state_shows() {
    let disk = SimStorage::new();
    let log = crawl(&disk, "true");
    let (earlier, before) = (disk.dump(), newest(&log));
    let writer = log.writer().unwrap();
    writer.append(&Event::node("later")).unwrap();
    writer.mark(&MarkOptions::default()).unwrap();
    writer.close().unwrap();
    let after = newest(&log);
    assert!(verified(&disk, &[before, after]).sound);
    disk.load(earlier).unwrap();
    assert!(verified(&disk, &[before]).sound);
    let report = verified(&disk, &[before, after]);
    assert_eq!(report.expected.iter().filter(|one| one.marker.is_none()).count(), 1);
    assert!(!report.sound);
}

/// Writes the open segment of a log anew with one frame changed, and every checksum and chain value with it.
fn forge(disk: &SimStorage, file: &str, change: impl Fn(&mut frame::FrameHeader, &mut Vec<u8>)) {
    let mut files = disk.dump();
    let bytes = files[file].clone();
    let (prefix, head) = SegmentHead::decode(&bytes).unwrap();
    let mut at = prefix.length;
    let mut out = bytes[..at].to_vec();
    let mut chain = header_crc(&bytes[..at]);
    while at < bytes.len() {
        let mut header = frame::header(&bytes[at..]).unwrap();
        let end = at + usize::try_from(header.frame_len()).unwrap();
        let mut payload = bytes[at + frame::HEADER_BYTES..end].to_vec();
        change(&mut header, &mut payload);
        let link =
            frame::Link { tag: head.tag, previous: chain, synced: header.synced, offset: 0, seal: None };
        let frame::FrameHeader { frame_type, first_seq, events, time, .. } = header;
        chain = frame::encode(frame_type, first_seq, events, time, link, &payload, &mut out).unwrap();
        at = end;
    }
    files.insert(file.to_owned(), out);
    disk.load(files).unwrap();
}

#[test]
fn what_no_fingerprint_covers_is_covered_by_the_hash_of_the_events() {
    let mut disk = SimStorage::new();
    let log = init(&disk, "durability = \"marker\"\n");
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    for n in 0..5 {
        writer.append_at(&Event::node(n), Timestamp(1_000_000 * (n + 1))).unwrap();
        writer.commit().unwrap();
    }
    writer.mark_at(&MarkOptions::default(), Timestamp(9_000_000)).unwrap();
    writer.append_at(&Event::node("behind"), Timestamp(9_500_000)).unwrap();
    writer.mark_at(&MarkOptions::default(), Timestamp(9_600_000)).unwrap();
    disk = killed(&disk, writer);
    assert!(verified(&disk, &[]).sound);
    // The graph at each marker is what it was: only the time of one event is another.
    forge(&disk, "events-000001", |header, _| {
        // The event, and the sync note behind it.
        if header.time == Timestamp(3_000_000) {
            header.time = Timestamp(3_500_000);
        }
    });
    let reader = open(&disk).reader().unwrap();
    assert_eq!(reader.restore(&reader.markers()[0]).unwrap().counts().nodes, 5);
    let report = verified(&disk, &[]);
    assert_eq!(report.faults.len(), 1, "{report:#?}");
    assert_eq!(report.faults[0].file, "events-000001");
    assert_eq!(report.faults[0].markers, ["m1", "m2"]);
    assert_eq!(report.history_proven, 1, "m2's own events are as they were");
}

/// The next session would take the marker's time for the log's, and write frames that run backwards.
#[test]
fn a_marker_that_says_another_time_than_its_frame_is_damage() {
    let mut disk = SimStorage::new();
    let log = init(&disk, "durability = \"marker\"\n");
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    writer.append_at(&Event::node(1), Timestamp(1_000_000)).unwrap();
    writer.mark_at(&MarkOptions::default(), Timestamp(9_000_000)).unwrap();
    disk = killed(&disk, writer);
    assert!(verified(&disk, &[]).sound);
    forge(&disk, "events-000001", |header, payload| {
        if header.frame_type == frame::FrameType::Marker {
            let mut marker: Marker = codec::from_bytes(payload).unwrap();
            marker.time = Timestamp(2_000_000);
            *payload = codec::to_bytes(&marker).unwrap();
        }
    });
    let report = verified(&disk, &[]);
    assert_eq!(report.faults.len(), 1, "{report:#?}");
    assert_eq!((report.faults[0].file.as_str(), report.faults[0].kind), ("events-000001", "meaning"));
    assert!(open(&disk).writer().is_err(), "a session that would go on from the wrong time");
}

/// How events are put into frames, sessions and segments, and how those are written anew, does not show in a digest.
#[test]
fn digests_outlive_sessions_crashes_compaction_and_the_markers_themselves() {
    let mut disk = SimStorage::new();
    let log = crawl(&disk, "true");
    let writer = log.writer().unwrap();
    writer.append_all(&[Event::node("a"), Event::node("b").with("n", 1)]).unwrap();
    writer.append(&Event::node("c")).unwrap();
    // Synced as frames and claimed by nobody: the next session appends them again.
    writer.set_sync_markers(false).unwrap();
    writer.mark(&MarkOptions::default()).unwrap();
    let mut known = digests(&log);
    disk = killed(&disk, writer);
    let log = open(&disk);
    known.append(&mut digests(&log));
    let writer = log.writer().unwrap();
    let noise = (0..120_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    writer.append(&Event::node("large").with("noise", Value::Bytes(noise))).unwrap();
    for n in 0..30 {
        writer.append(&Event::node(n).with("n", n)).unwrap();
    }
    writer.close().unwrap();
    for (id, digest) in digests(&log) {
        assert_eq!(*known.entry(id).or_insert(digest), digest, "{id}");
    }
    let uncompacted = verified(&disk, &known.values().copied().collect::<Vec<_>>());
    assert!(uncompacted.sound && uncompacted.history_folded == 0, "{uncompacted:#?}");

    let listed = log.reader().unwrap().markers().len();
    compact(&log);
    let reader = log.reader().unwrap();
    assert!(reader.markers().len() < listed, "nothing was dropped");
    assert_eq!(digests(&log), known, "markers that are gone have their digests still");
    let report = verified(&disk, &known.values().copied().collect::<Vec<_>>());
    assert!(report.sound, "{report:#?}");
    assert!(report.history_folded > 0);
    let all = u64::try_from(known.len()).unwrap();
    assert_eq!(report.history_proven + report.history_folded, all);

    // And the chain goes on.
    let writer = log.writer().unwrap();
    writer.append(&Event::node("after")).unwrap();
    writer.mark(&MarkOptions::default()).unwrap();
    writer.close().unwrap();
    let later = digests(&log);
    assert!(known.iter().all(|(id, digest)| later[id] == *digest));
    assert!(later.len() > known.len() && verified(&disk, &[newest(&log)]).sound);
}

/// Puts another manifest in the place of the one in force, with checksums that fit.
fn forge_manifest(disk: &SimStorage, change: impl Fn(&mut Manifest)) {
    let mut files = disk.dump();
    let name = files.keys().rfind(|name| name.starts_with("manifest-")).unwrap().clone();
    let (prefix, mut manifest) = Manifest::decode(&files[&name], None).unwrap();
    change(&mut manifest);
    let bytes = manifest.encode(prefix.log_id, None).unwrap();
    let current = Current::naming(manifest.generation, &bytes).encode(prefix.log_id, None).unwrap();
    files.insert(name, bytes);
    files.insert(names::CURRENT.to_owned(), current);
    disk.load(files).unwrap();
}

#[test]
fn whoever_edits_the_manifest_changes_every_digest_behind() {
    let disk = SimStorage::new();
    let log = crawl(&disk, "true");
    compact(&log);
    let (files, good) = (disk.dump(), newest(&log));
    let edits: [&dyn Fn(&mut Manifest); 4] = [
        &|manifest| manifest.gone[0].time.0 += 1,
        &|manifest| manifest.gone[0].fingerprint.content.0 ^= 1,
        &|manifest| manifest.gone[0].particulars.0[0] ^= 1,
        &|manifest| manifest.markers[0].label = Some("session 7".to_owned()),
    ];
    for (at, edit) in edits.into_iter().enumerate() {
        disk.load(files.clone()).unwrap();
        forge_manifest(&disk, edit);
        assert!(!verified(&disk, &[good]).sound, "edit {at}");
    }
    // A pin is no history.
    disk.load(files).unwrap();
    log.writer().unwrap().pin(MarkerId(newest_id(&log)), true).unwrap();
    assert!(verified(&disk, &[good]).sound);
}

fn newest_id(log: &Log) -> u64 {
    digests(log).last_key_value().unwrap().0.0
}

#[test]
fn a_stub_that_is_missing_or_doubled_is_damage() {
    let disk = SimStorage::new();
    let log = crawl(&disk, "true");
    compact(&log);
    let files = disk.dump();
    let edits: [&dyn Fn(&mut Manifest); 3] = [
        &|manifest| manifest.gone.truncate(manifest.gone.len() - 1),
        &|manifest| manifest.gone.insert(0, manifest.gone[0]),
        &|manifest| manifest.markers.truncate(manifest.markers.len() - 1),
    ];
    for (at, edit) in edits.into_iter().enumerate() {
        disk.load(files.clone()).unwrap();
        forge_manifest(&disk, edit);
        let report = verified(&disk, &[]);
        assert!(!report.sound && report.faults[0].file.starts_with("manifest-"), "edit {at}: {report:#?}");
    }
}

#[test]
fn a_log_of_the_other_kinds_has_digests_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let kind = snaplog::GraphKind { directed: false, multigraph: true };
    let log = Log::init(dir.path().join("log"), kind).unwrap();
    assert_eq!(log.reader().unwrap().digests().unwrap(), []);
    let writer = log.writer().unwrap();
    writer.append(&Event::edge("a", "b")).unwrap();
    writer.append(&Event::edge("a", "b")).unwrap();
    let marker = writer.mark(&MarkOptions::default()).unwrap();
    writer.close().unwrap();
    assert!(digests(&log).contains_key(&marker.id));
}

/// What a marker hashes may come from several sessions, one of them killed, and never from a batch that was refused.
#[test]
fn a_marker_covers_the_events_of_all_sessions_since_the_marker_before_it() {
    let (mut disk, in_one_go) = (SimStorage::new(), SimStorage::new());
    let config = "durability = \"marker\"\n[tiers.rare]\nevery_nodes = 1000\n";
    let log = init(&disk, config);
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    writer.append(&Event::node(1)).unwrap();
    writer.append(&Event::node(2)).unwrap();
    writer.close().unwrap();
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    writer.append(&Event::node(4)).unwrap();
    writer.commit().unwrap();
    disk = killed(&disk, writer);
    let writer = open(&disk).writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    let refused = [Event::node(3), Event::DeleteNode { id: "nobody".into() }];
    assert!(writer.append_all(&refused).is_err());
    writer.append(&Event::node(5)).unwrap();
    let pieced = writer.mark(&MarkOptions::default()).unwrap();
    writer.close().unwrap();

    let writer = init(&in_one_go, config).writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    writer.append_all(&[1, 2, 4, 5].map(Event::node)).unwrap();
    assert_eq!(writer.mark(&MarkOptions::default()).unwrap().events, pieced.events);
    let report = verified(&disk, &[]);
    assert!(report.sound && report.history_proven == report.markers_good, "{report:#?}");
}

/// Damage is reported once, where it is: the history behind it is compared from the next marker on.
#[test]
fn a_damaged_frame_does_not_make_the_history_behind_it_another() {
    let disk = SimStorage::new();
    let log = init(&disk, "durability = \"each\"\n[tiers.rare]\nevery_nodes = 1000\n");
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    for marker in 0..3 {
        for n in 0..3 {
            writer.append(&Event::node(10 * marker + n)).unwrap();
        }
        writer.mark(&MarkOptions::default()).unwrap();
    }
    writer.close().unwrap();
    let mut files = disk.dump();
    let bytes = files.get_mut("events-000001").unwrap();
    // The frame of the fifth event: the second before m2.
    let mut starts = (0..bytes.len()).filter(|at| {
        frame::header(&bytes[*at..]).is_ok_and(|header| header.events == 1 && header.first_seq.0 == 5)
    });
    let at = starts.next_back().unwrap();
    bytes[at + frame::HEADER_BYTES] ^= 1;
    disk.load(files).unwrap();
    let report = verified(&disk, &[]);
    assert_eq!(report.faults.len(), 1, "{report:#?}");
    assert_eq!(report.faults[0].offset, Some(u64::try_from(at).unwrap()));
    assert_eq!((report.history_proven, report.history_folded), (2, 1), "m1 and m3 have their events");
}
