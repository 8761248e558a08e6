//! Salvage: whatever is damaged, all that lies outside of the damage is in the new log, and the old one is not touched.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use snaplog::format::frame::{self, FrameType};
use snaplog::format::names::{self, FileName};
use snaplog::storage::{DirEntry, LockAttempt, ReadFile, SimStorage, Storage, WriteFile};
use snaplog::upkeep::salvage::{LABEL, Report, salvage};
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{
    CompactOptions, Environment, Event, FixedEnvironment, Graph, GraphKind, Log, MarkOptions, Seq, Timestamp,
    Value,
};

type Files = BTreeMap<String, Vec<u8>>;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 5\nkeep = \"all\"\n\
    [retention]\nkeep_events = \"1 day\"\n[segment]\nsize = \"64 KiB\"\n";
const START: Timestamp = Timestamp(1_767_225_600_000_000);

fn environment() -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(Timestamp(START.0 + 30 * DAY)))
}

/// A fortnight of births, changes, deaths and state, in three sessions; all but the last day is folded, what lies between is
/// compressed, and the last segment is open.
struct Sample {
    files: Files,
    /// Every event that changed something; the one with seq n at n - 1.
    events: Vec<(Event, Timestamp)>,
    kind: GraphKind,
    markers: usize,
}

impl Sample {
    fn new(kind: GraphKind) -> Self {
        Self::made_in(kind, environment())
    }

    fn made_in(kind: GraphKind, environment: Arc<FixedEnvironment>) -> Self {
        let disk = SimStorage::new();
        let log = Log::init_in(Arc::new(disk.clone()), environment.clone(), kind, CONFIG).unwrap();
        let mut events = Vec::new();
        for days in [0..6_i64, 6..13, 13..15] {
            let writer = log.writer().unwrap();
            for day in days.clone() {
                for n in 0..9_i64 {
                    let at = Timestamp(START.0 + day * DAY + n * 1_000_000);
                    let id = day * 9 + n;
                    let put = |event: Event| {
                        let before = writer.status().unwrap().last_seq;
                        writer.append_at(&event, at).unwrap();
                        (writer.status().unwrap().last_seq > before).then_some((event, at))
                    };
                    events.extend(put(Event::node(id).with("name", format!("node {id}")).with("n", n)));
                    events.extend(put(Event::edge(id, id / 3).with("w", n)));
                    if n == 4 {
                        events.extend(put(Event::node(id / 2).with("seen", day).with("f", 0.5)));
                        events.extend(put(Event::edge(id / 2, id / 6).with("again", true)));
                    }
                    if n == 6 && day > 1 {
                        events.extend(put(Event::DeleteNode { id: (id - 12).into() }));
                        let names = vec!["name".to_owned()];
                        events.extend(put(Event::UnsetNode { id: (id - 2).into(), names }));
                    }
                    if n == 7 {
                        let value = Value::from(day);
                        events.extend(put(Event::PutEntry { key: "queue".into(), entry: id.into(), value }));
                        events.extend(put(Event::PutState { key: "page".into(), value: day.into() }));
                        events.extend(put(Event::PutGraph { attrs: vec![("day".to_owned(), day.into())] }));
                    }
                    // Frames of a few events.
                    if n % 4 == 3 {
                        writer.commit().unwrap();
                    }
                }
                let at = Timestamp(START.0 + day * DAY + 20_000_000);
                writer.mark_at(&MarkOptions::labelled(format!("day {day}")), at).unwrap();
            }
            if days.end == 15 {
                writer.commit().unwrap();
                let after = disk.fork();
                drop(writer);
                disk.load(after.dump()).unwrap();
            } else {
                writer.close().unwrap();
                if days.end == 13 {
                    log.compact(CompactOptions {
                        retention: true,
                        now: false,
                        thorough: false,
                        rekey: false,
                    })
                    .unwrap();
                }
            }
        }
        let markers = log.reader().unwrap().markers().len();
        let last = log.reader().unwrap().last_seq();
        assert_eq!(usize::try_from(last.0).unwrap(), events.len());
        Self { files: disk.dump(), events, kind, markers }
    }

    /// The graph after events, all but those in `without`.
    fn graph(&self, without: &BTreeSet<u64>) -> Graph {
        let mut graph = Graph::new(self.kind);
        let mut changes = snaplog::model::graph::Changes::new();
        for (at, (event, _)) in self.events.iter().enumerate() {
            if without.contains(&(u64::try_from(at).unwrap() + 1)) {
                continue;
            }
            if graph.resolve(event, &mut changes).is_ok() {
                for record in changes.records() {
                    graph.apply(&record).unwrap();
                }
            }
        }
        graph
    }
}

/// Nodes, edges and items, each with all that is to be known of it, as text.
fn facts(graph: &Graph) -> BTreeSet<String> {
    let attrs = |attrs: Vec<(String, Value)>| {
        let attrs: BTreeMap<_, _> =
            attrs.into_iter().map(|(name, value)| (name, format!("{value:?}"))).collect();
        format!("{attrs:?}")
    };
    let nodes = graph.nodes().map(|node| format!("{:?} {}", node.id(), attrs(node.attrs().to_vec())));
    let edges = graph.edges().map(|edge| {
        let mut ends = [format!("{:?}", edge.src()), format!("{:?}", edge.dst())];
        if !graph.kind().directed {
            ends.sort();
        }
        format!("{ends:?} {:?} {}", edge.key(), attrs(edge.attrs().to_vec()))
    });
    let items = graph.items().map(|item| format!("{} {:?} {:?}", item.key(), item.entry(), item.value()));
    nodes.chain(edges).chain(items).chain([attrs(graph.attrs().to_vec())]).collect()
}

/// Nodes and edges, without attributes.
fn ids(graph: &Graph) -> BTreeSet<String> {
    let nodes = graph.nodes().map(|node| format!("{:?}", node.id()));
    nodes.chain(graph.edges().map(|edge| format!("{:?} {:?}", edge.src(), edge.dst()))).collect()
}

/// Salvages, and holds it to what it promises whatever was damaged.
fn salvaged(files: &Files, what: &str) -> (Report, Log, Graph) {
    let (from, to) = (SimStorage::new(), SimStorage::new());
    from.load(files.clone()).unwrap();
    let report =
        salvage(&from, Arc::new(to.clone()), environment()).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(from.dump(), *files, "{what}: the damaged log was written to");
    let log = Log::open_in(Arc::new(to), environment()).unwrap();
    let verified = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(verified.sound, "{what}: {verified:#?}");
    let reader = log.reader().unwrap();
    let graph = reader.restore(reader.markers().last().unwrap()).unwrap();
    let kept = reader.markers().iter().filter(|marker| marker.label.as_deref() != Some(LABEL)).count();
    assert_eq!(kept, report.markers_kept.len(), "{what}");
    (report, log, graph)
}

const KINDS: [GraphKind; 4] = [
    GraphKind { directed: true, multigraph: false },
    GraphKind { directed: false, multigraph: false },
    GraphKind { directed: true, multigraph: true },
    GraphKind { directed: false, multigraph: true },
];

#[test]
fn a_sound_log_comes_over_whole() {
    for kind in KINDS {
        let sample = Sample::new(kind);
        assert!(sample.files.keys().any(|name| name.starts_with("snapshot-")), "{:?}", sample.files.keys());
        let (report, log, graph) = salvaged(&sample.files, "sound");
        assert!(report.complete && report.faults.is_empty(), "{kind:?}: {report:#?}");
        assert_eq!(report.markers_kept.len(), sample.markers);
        assert_eq!(facts(&graph), facts(&sample.graph(&BTreeSet::new())));
        let from = SimStorage::new();
        from.load(sample.files.clone()).unwrap();
        let (old, new) = (Log::open_in(Arc::new(from), environment()).unwrap(), log);
        let (old, new) = (old.reader().unwrap(), new.reader().unwrap());
        for (before, after) in old.markers().iter().zip(new.markers()) {
            assert_eq!((before.time, &before.label, &before.tiers), (after.time, &after.label, &after.tiers));
            let (before, after) = (old.restore(before).unwrap(), new.restore(after).unwrap());
            assert_eq!(before.fingerprint().content, after.fingerprint().content);
            let order = |graph: &Graph| graph.nodes().map(|node| node.id().to_id()).collect::<Vec<_>>();
            assert_eq!(order(&before), order(&after), "the order of nodes");
        }
    }
}

type Which<'a> = &'a dyn Fn(&String) -> bool;

#[test]
fn a_directory_without_current_or_any_manifest_gives_all_the_same() {
    let sample = Sample::new(KINDS[0]);
    let whole = facts(&sample.graph(&BTreeSet::new()));
    let manifest = |name: &String| matches!(names::parse(name), Some(FileName::Manifest(_)));
    let newest = sample.files.keys().filter(|name| manifest(name)).max().unwrap().clone();
    let cases: [(&str, Which<'_>); 3] = [
        ("no CURRENT", &|name| name == "CURRENT"),
        ("no newest manifest", &|name| *name == newest),
        ("no manifest and no CURRENT", &|name| name == "CURRENT" || manifest(name)),
    ];
    for (what, gone) in cases {
        let mut files = sample.files.clone();
        files.retain(|name, _| !gone(name));
        let (report, _, graph) = salvaged(&files, what);
        assert_eq!(facts(&graph), whole, "{what}: {report:#?}");
        // Without any manifest nobody knows the markers whose frames were folded.
        let all = report.markers_kept.len() >= sample.markers;
        assert_eq!(report.complete, !what.starts_with("no manifest"), "{what}: {report:#?}");
        assert!(all || !report.complete, "{what}: {report:#?}");
    }
}

/// Each frame of events, one after the other: what its events did is lost, and nothing else.
#[test]
fn a_damaged_frame_costs_its_own_events() {
    let sample = Sample::new(KINDS[0]);
    let mut frames = 0;
    for (name, bytes) in sample.files.iter().filter(|(name, _)| name.starts_with("events-")) {
        for at in 0..bytes.len() {
            let Ok(header) = frame::header(&bytes[at..]) else { continue };
            if header.events == 0 {
                continue;
            }
            for target in [at + 20, at + frame::HEADER_BYTES] {
                let mut files = sample.files.clone();
                files.get_mut(name).unwrap()[target] ^= 0x10;
                let what = format!("{name}, frame at {at}, byte {target}");
                let (report, _, graph) = salvaged(&files, &what);
                let lost: BTreeSet<u64> =
                    (header.first_seq.0..header.first_seq.0 + u64::from(header.events)).collect();
                let said: BTreeSet<u64> = report.lost.iter().flat_map(|gap| gap.from..=gap.to).collect();
                assert!(said.is_subset(&lost), "{what}: {:?}, not {lost:?}", report.lost);
                assert!(!report.faults.is_empty(), "{what}");
                frames += 1;
                let (all, found) = (facts(&sample.graph(&BTreeSet::new())), facts(&graph));
                if said.is_empty() {
                    assert_eq!(found, all, "{what}: nothing is said to be lost");
                    continue;
                }
                assert_eq!(said, lost, "{what}");
                assert!(!report.complete);
                // What the events of the frame touched may be missing or as it was before; all else is there.
                let touched = facts(&sample.graph(&lost));
                for fact in all.intersection(&touched) {
                    let by_a_lost_node = report.changes_lost > 0;
                    assert!(found.contains(fact) || by_a_lost_node, "{what}: {fact} is missing: {report:#?}");
                }
                if report.changes_lost == 0 {
                    let extra: Vec<_> = found.difference(&touched).collect();
                    assert!(extra.is_empty() || found.is_subset(&touched), "{what}: {extra:?}");
                }
            }
        }
    }
    assert!(frames > 20, "{frames}");
}

/// Any byte of a snapshot segment: the rows of one chunk at most are lost, and come back where another increment has them.
#[test]
fn a_damaged_block_costs_its_own_chunk() {
    let sample = Sample::new(KINDS[0]);
    let all = facts(&sample.graph(&BTreeSet::new()));
    let (mut lossy, mut whole) = (0, 0);
    // The events that were folded lie in the trash still, and would heal everything.
    let mut without_trash = sample.files.clone();
    without_trash.retain(|name, _| !name.starts_with("trash/"));
    let folded = |name: &str| name.starts_with("snapshot-");
    for (name, bytes) in sample.files.iter().filter(|(name, _)| folded(name)) {
        for (at, trash) in (0..bytes.len()).step_by(7).flat_map(|at| [(at, true), (at, false)]) {
            let mut files = if trash { sample.files.clone() } else { without_trash.clone() };
            files.get_mut(name).unwrap()[at] ^= 0x10;
            let what = format!("{name}, byte {at}, trash {trash}");
            let (report, _, graph) = salvaged(&files, &what);
            assert!(!trash || facts(&graph) == all, "{what}: {report:#?}");
            assert!(!report.faults.is_empty() || report.complete, "{what}");
            let found = facts(&graph);
            if report.rows_lost == 0 && report.lost.is_empty() {
                assert_eq!(found, all, "{what}: {report:#?}");
                whole += 1;
            } else {
                // Without its index nothing can be read of it; else no more is missing than rows were lost, and what names them.
                let (found, shape) = (ids(&graph), ids(&sample.graph(&BTreeSet::new())));
                let missing = u64::try_from(shape.difference(&found).count()).unwrap();
                let limit = report.rows_lost + report.changes_lost;
                assert!(missing <= limit || report.rows_lost == 0, "{what}: {missing} missing: {report:#?}");
                lossy += 1;
            }
        }
    }
    assert!(lossy > 5 && whole > 5, "{lossy} {whole}");
}

#[test]
fn a_missing_file_costs_what_it_alone_held() {
    let sample = Sample::new(KINDS[0]);
    for gone in sample.files.keys().filter(|name| names::parse(name).is_some()) {
        let mut files = sample.files.clone();
        files.remove(gone);
        let (report, _, graph) = salvaged(&files, gone);
        if gone.starts_with("events-") {
            assert!(report.faults.iter().any(|fault| fault.file == *gone), "{gone}: {report:#?}");
        }
        if !gone.starts_with("events-") && !gone.starts_with("snapshot-") {
            assert_eq!(facts(&graph), facts(&sample.graph(&BTreeSet::new())), "{gone}");
        }
    }
}

/// An older session's unclaimed frames must not come in place of what a later one wrote under the same seqs.
#[test]
fn dead_bytes_stay_dead() {
    let disk = SimStorage::new();
    let log =
        Log::init_in(Arc::new(disk.clone()), environment(), KINDS[0], "durability = \"marker\"\n").unwrap();
    let writer = log.writer().unwrap();
    writer.append_at(&Event::node("first"), START).unwrap();
    writer.commit().unwrap();
    writer.append_at(&Event::node("never acknowledged"), START).unwrap();
    writer.append_at(&Event::node("nor this"), START).unwrap();
    writer.set_sync_markers(false).unwrap();
    writer.mark_at(&MarkOptions::labelled("x"), START).unwrap();
    let dead = disk.dump();
    // Power is cut; somebody goes on; and then the dead tail is there, as on a disk that wrote it late.
    disk.crash_all_lost();
    drop(writer);
    let writer = log.writer().unwrap();
    assert_eq!(writer.status().unwrap().last_seq, Seq(1));
    writer.append_at(&Event::node("second"), START).unwrap();
    writer.close().unwrap();
    let mut files = disk.dump();
    files.insert("events-000001".to_owned(), dead["events-000001"].clone());
    for current in [true, false] {
        if !current {
            files.retain(|name, _| name != "CURRENT" && !name.starts_with("manifest-"));
        }
        let (report, _, graph) = salvaged(&files, "a dead tail");
        let ids: Vec<String> = graph.nodes().map(|node| format!("{}", node.id())).collect();
        assert_eq!(ids, ["\"first\"", "\"second\""], "{report:#?}");
    }
}

#[test]
fn cut_files_and_zeroed_sectors_never_stop_it() {
    let sample = Sample::new(KINDS[2]);
    for (name, bytes) in &sample.files {
        for len in (0..bytes.len()).step_by(97) {
            let mut files = sample.files.clone();
            files.insert(name.clone(), bytes[..len].to_vec());
            salvaged(&files, &format!("{name} cut to {len}"));
        }
        for sector in 0..bytes.len().div_ceil(512) {
            let mut files = sample.files.clone();
            for byte in files.get_mut(name).unwrap().iter_mut().skip(sector * 512).take(512) {
                *byte = 0;
            }
            salvaged(&files, &format!("{name}, sector {sector}"));
        }
    }
}

#[test]
fn what_is_lost_at_the_end_or_with_a_marker_alone_is_told() {
    let disk = SimStorage::new();
    let log = Log::init_in(Arc::new(disk.clone()), environment(), KINDS[0], CONFIG).unwrap();
    let writer = log.writer().unwrap();
    for n in 0..33_i64 {
        writer.append_at(&Event::node(n), Timestamp(START.0 + n)).unwrap();
        if n % 4 == 3 {
            writer.mark_at(&MarkOptions::labelled(format!("after {n}")), Timestamp(START.0 + n)).unwrap();
        }
    }
    // A note that all before it is durable comes last.
    writer.commit().unwrap();
    writer.commit().unwrap();
    let after = disk.fork();
    let markers = log.reader().unwrap().markers().len();
    drop(writer);
    let files = after.dump();
    let name = "events-000001";
    let bytes = &files[name];
    let is_frame =
        |at: &usize| frame::header(bytes.get(*at..*at + frame::HEADER_BYTES).unwrap_or_default()).is_ok();
    let mut seen = BTreeSet::new();
    for at in (0..bytes.len()).filter(is_frame) {
        let header = frame::header(&bytes[at..at + frame::HEADER_BYTES]).unwrap();
        let is_last = at + usize::try_from(header.frame_len()).unwrap() == bytes.len();
        // Its payload, or its header, so that nothing tells what it was.
        for within in [frame::HEADER_BYTES, 40] {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at + within] ^= 1;
            let what = format!("{:?} at {at}, {within}", header.frame_type);
            let (report, log, graph) = salvaged(&damaged, &what);
            let kept =
                log.reader().unwrap().markers().iter().filter(|m| m.label.as_deref() != Some(LABEL)).count();
            let whole = kept == markers && ids(&graph).len() == 33;
            assert!(whole || !report.complete, "{what}: {report:#?}");
            // A note that is damaged costs nothing, if it can be told from a marker.
            let note = matches!(header.frame_type, FrameType::SyncNote | FrameType::Seal);
            assert_eq!(
                report.complete,
                note && (is_last || within == frame::HEADER_BYTES),
                "{what}: {report:#?}"
            );
            if header.events > 0 {
                let (from, to) = (header.first_seq.0, header.end_seq().0 - 1);
                assert_eq!(
                    report.lost.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>(),
                    [(from, to)],
                    "{what}"
                );
            }
            seen.insert(format!("{:?} {is_last}", header.frame_type));
        }
    }
    assert!(seen.len() > 2, "{seen:?}");
}

#[test]
fn bytes_added_to_a_snapshot_cost_no_more_than_what_lies_behind_them() {
    let sample = Sample::new(KINDS[0]);
    let whole = facts(&sample.graph(&BTreeSet::new()));
    // What stands in the trash would heal it.
    let mut all = sample.files.clone();
    all.retain(|name, _| !name.starts_with(names::TRASH));
    let snapshot = |name: &&String| matches!(names::parse(name), Some(FileName::Snapshot(_)));
    for name in all.keys().filter(snapshot) {
        for added in [1, 40, 5000] {
            let mut files = all.clone();
            files.get_mut(name).unwrap().extend(vec![0; added]);
            let (report, _, graph) = salvaged(&files, name);
            assert_eq!((facts(&graph), report.rows_lost), (whole.clone(), 0), "{name}, {added} behind");
            assert!(report.complete && report.faults.len() == 1, "{name}: {report:#?}");
        }
        // In the middle of the last block: all others stand where the index says.
        let bytes = &all[name];
        let trailer = snaplog::format::snapshot::TRAILER_BYTES;
        let index = u64::from_le_bytes(bytes[bytes.len() - trailer + 8..][..8].try_into().unwrap());
        let index = usize::try_from(index).unwrap();
        for (to, from) in [(index, index - 3), (index - 3, index)] {
            let mut files = all.clone();
            // Three bytes twice, or not at all.
            let changed = [&bytes[..to], &bytes[from..]].concat();
            *files.get_mut(name).unwrap() = changed;
            let (report, _, graph) = salvaged(&files, name);
            assert!(report.rows_lost < 40, "{name}: {report:#?}");
            assert!(facts(&graph).len() + 40 > whole.len(), "{name}: {report:#?}");
        }
    }
}

#[test]
fn a_manifest_of_another_log_hides_nothing() {
    let sample = Sample::new(KINDS[0]);
    let elsewhere = environment();
    elsewhere.random();
    let other = Sample::made_in(KINDS[3], elsewhere);
    let whole = facts(&sample.graph(&BTreeSet::new()));
    let is_lead =
        |name: &str| name == names::CURRENT || matches!(names::parse(name), Some(FileName::Manifest(_)));
    let mut files = sample.files.clone();
    files.retain(|name, _| !is_lead(name));
    files.extend(
        other
            .files
            .iter()
            .filter(|(name, _)| is_lead(name))
            .map(|(name, bytes)| (name.clone(), bytes.clone())),
    );
    let (report, _, graph) = salvaged(&files, "a manifest of another log");
    assert_eq!(facts(&graph), whole);
    assert!(report.faults.iter().any(|fault| fault.file == names::CURRENT), "{report:#?}");
    // But the other way round a few files of another log do not take it over.
    let mut files = sample.files.clone();
    let stranger = other.files.iter().find(|(name, _)| name.starts_with("events-")).unwrap().1;
    files.insert("events-000900".to_owned(), stranger.clone());
    let (_, _, graph) = salvaged(&files, "a file of another log");
    assert_eq!(facts(&graph), whole);
}

#[test]
fn a_clock_that_is_behind_the_log_is_no_reason_to_save_nothing() {
    let sample = Sample::new(KINDS[0]);
    let (from, to) = (SimStorage::new(), Arc::new(SimStorage::new()));
    from.load(sample.files.clone()).unwrap();
    let years_ago = Arc::new(FixedEnvironment::new(Timestamp(START.0 - 3000 * DAY)));
    let report = salvage(&from, to.clone(), years_ago).unwrap();
    assert!(report.complete && report.markers_kept.len() == sample.markers, "{report:#?}");
    let kept: Vec<_> = Log::open_in(to, environment()).unwrap().reader().unwrap().markers().to_vec();
    let was: Vec<_> = {
        let log = Log::open_in(Arc::new(from), environment()).unwrap();
        log.reader().unwrap().markers().to_vec()
    };
    let times = |markers: &[snaplog::Marker]| markers.iter().map(|marker| marker.time).collect::<Vec<_>>();
    assert_eq!(times(&kept), times(&was));
}

/// A disk that cannot give some bytes of one file, or that does not let it be opened.
#[derive(Debug)]
struct BadDisk {
    disk: SimStorage,
    name: String,
    /// None: the whole file.
    bad: Option<std::ops::Range<u64>>,
}

#[derive(Debug)]
struct BadFile {
    file: Box<dyn ReadFile>,
    bad: std::ops::Range<u64>,
}

fn bad_sector() -> io::Error {
    io::Error::other("a bad sector")
}

impl Storage for BadDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        let file = self.disk.open(name)?;
        match &self.bad {
            _ if name != self.name => Ok(file),
            Some(bad) => Ok(Box::new(BadFile { file, bad: bad.clone() })),
            None => Err(bad_sector()),
        }
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        self.disk.lock_owner()
    }

    fn location(&self, name: &str) -> String {
        self.disk.location(name)
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn WriteFile>> {
        panic!("written to")
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        panic!("written to")
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        panic!("written to")
    }

    fn create_dir(&self, _: &str) -> io::Result<()> {
        panic!("written to")
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        panic!("written to")
    }

    fn lock(&self, _: &str) -> io::Result<LockAttempt> {
        panic!("locked")
    }
}

impl ReadFile for BadFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = offset + u64::try_from(buf.len()).unwrap();
        if offset < self.bad.end && self.bad.start < end {
            return Err(bad_sector());
        }
        self.file.read_at(offset, buf)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

#[test]
fn what_the_disk_refuses_to_give_costs_no_more_than_zeros_in_its_place() {
    let sample = Sample::new(GraphKind { directed: true, multigraph: false });
    let salvaged_from = |name: &str, bad: Option<std::ops::Range<u64>>| {
        let disk = SimStorage::new();
        disk.load(sample.files.clone()).unwrap();
        let from = BadDisk { disk, name: name.to_owned(), bad };
        let to = Arc::new(SimStorage::new());
        let report = salvage(&from, to.clone(), environment()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let reader = Log::open_in(to, environment()).unwrap().reader().unwrap();
        let graph = reader.restore(reader.markers().last().unwrap()).unwrap();
        (report, facts(&graph))
    };
    for (name, bytes) in &sample.files {
        let len = u64::try_from(bytes.len()).unwrap();
        for page in 0..len.div_ceil(4096) {
            let bad = page * 4096..len.min((page + 1) * 4096);
            let mut zeroed = sample.files.clone();
            let range = usize::try_from(bad.start).unwrap()..usize::try_from(bad.end).unwrap();
            zeroed.get_mut(name).unwrap()[range].fill(0);
            let (expected, _, graph) = salvaged(&zeroed, name);
            let (report, found) = salvaged_from(name, Some(bad.clone()));
            assert_eq!(found, facts(&graph), "{name}, page {page}");
            assert_eq!(report.lost, expected.lost, "{name}, page {page}");
            assert_eq!(report.markers_lost, expected.markers_lost, "{name}, page {page}");
            let told =
                report.faults.iter().any(|fault| fault.kind == "io" && fault.offset == Some(bad.start));
            assert!(told || expected.faults.is_empty(), "{name}, page {page}: {:?}", report.faults);
        }
        let mut without = sample.files.clone();
        without.remove(name);
        let (expected, _, graph) = salvaged(&without, name);
        let (report, found) = salvaged_from(name, None);
        assert_eq!((found, report.lost), (facts(&graph), expected.lost), "{name} cannot be opened");
    }
}

#[test]
fn what_is_no_log_is_refused() {
    let (from, to) = (SimStorage::new(), SimStorage::new());
    let refused = salvage(&from, Arc::new(to.clone()), environment()).unwrap_err();
    assert!(matches!(refused, snaplog::Error::NotALog { .. }), "{refused}");
    assert!(to.dump().is_empty());
    let sample = Sample::new(KINDS[0]);
    from.load(sample.files.clone()).unwrap();
    to.load(sample.files).unwrap();
    assert!(salvage(&from, Arc::new(to), environment()).is_err(), "into a log");
}

/// Where a full snapshot covers what an older increment held, its rows come in place of those that are lost; and what had
/// died meanwhile goes.
#[test]
fn another_increment_heals_what_one_has_lost() {
    let disk = SimStorage::new();
    let config = CONFIG.replace("keep_events = \"1 day\"", "keep_events = \"none\"");
    let log = Log::init_in(Arc::new(disk.clone()), environment(), KINDS[0], &config).unwrap();
    let writer = log.writer().unwrap();
    writer.set_automatic_markers(false).unwrap();
    for round in 0..80_i64 {
        let at = Timestamp(START.0 + round * DAY / 4);
        // Some change each time; some are as they were in the first increment; some of those die, one at a time.
        for n in 0..if round == 0 { 60 } else { 30_i64 } {
            writer.append_at(&Event::edge(n, (n * 7 + 1) % 30).with("round", round), at).unwrap();
            writer.append_at(&Event::node(n).with("text", format!("{round} {n} {}", n * n)), at).unwrap();
        }
        if (1..10).contains(&round) {
            writer.append_at(&Event::DeleteNode { id: (29 + round).into() }, at).unwrap();
        }
        writer.mark_at(&MarkOptions::default(), at).unwrap();
    }
    writer.close().unwrap();
    for _ in 0..2 {
        log.compact(CompactOptions { retention: false, now: true, thorough: false, rekey: false }).unwrap();
    }
    let increments = log.reader().unwrap().increments();
    let fulls = increments.iter().filter(|one| one.from == Seq(0)).count();
    assert!(fulls > 1, "no full snapshot but the first: {increments:?}");
    let files = disk.dump();
    assert!(!files.keys().any(|name| name.starts_with("trash/")));
    let (_, _, whole) = salvaged(&files, "sound");
    // The first increment has what never changed again: wherever it is damaged, the full snapshot has that, too.
    let first = increments.iter().filter(|one| one.from == Seq(0)).min_by_key(|one| one.to).unwrap();
    let (name, blocks) = (names::snapshot(first.file), usize::try_from(first.bytes).unwrap());
    let mut healed = 0;
    for at in (0..blocks).step_by(5) {
        let mut files = files.clone();
        files.get_mut(&name).unwrap()[at] ^= 0x10;
        let (report, _, graph) = salvaged(&files, &format!("{name}, byte {at}"));
        assert_eq!(facts(&graph), facts(&whole), "{name}, byte {at}");
        healed += u64::from(report.rows_lost > 0);
    }
    assert!(healed > 20, "{healed}");
}
