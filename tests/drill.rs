//! A drill looks at the graph itself: sums that agree do not make one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use common::{DIRECTED, NOON, init};
use snaplog::format::current::Current;
use snaplog::format::manifest::{IncrementEntry, Manifest, SnapshotEntry};
use snaplog::format::names;
use snaplog::format::snapshot::{SnapshotEncoder, SnapshotHead, Stand};
use snaplog::model::history::Digest;
use snaplog::model::image::EMPTY_IMAGE;
use snaplog::model::marker::{Ordinals, Served};
use snaplog::model::position::{EdgeOrd, NodeOrd, SegmentId};
use snaplog::model::row::{Entry, Row, RowKind, Stamps};
use snaplog::storage::SimStorage;
use snaplog::upkeep::drill::{Choice, drill};
use snaplog::{Counts, Error, Fingerprint, Log, Marker, MarkerId, Seq, Timestamp};

/// Puts another manifest in the place of the one in force, with checksums that fit.
fn forge(disk: &SimStorage, change: impl Fn(&mut Manifest)) {
    let files = disk.dump();
    let name = files.keys().rfind(|name| name.starts_with("manifest-")).unwrap().clone();
    let (prefix, mut manifest) = Manifest::decode(&files[&name], None).unwrap();
    change(&mut manifest);
    let bytes = manifest.encode(prefix.log_id, None).unwrap();
    let current = Current::naming(manifest.generation, &bytes).encode(prefix.log_id, None).unwrap();
    disk.set_file(&name, bytes).unwrap();
    disk.set_file(names::CURRENT, current).unwrap();
}

/// One marker over a snapshot in which the second node is dead and its edge is not. All sums are what they should be.
fn with_a_loose_end(disk: &SimStorage) -> Log {
    let log = init(disk, "");
    let time = Timestamp::parse_rfc3339(NOON).unwrap();
    let ordinals = Ordinals { node: NodeOrd(2), edge: EdgeOrd(1), ..Ordinals::default() };
    let counts = Counts { nodes: 1, edges: 1, items: 0, high_water: 2 };
    let head = SnapshotHead { created: time, kind: DIRECTED, encryption: Vec::new(), extensions: Vec::new() };
    let mut encoder = SnapshotEncoder::new(&head, log.id(), SegmentId(1), None).unwrap();
    encoder.begin(Stand::empty(), 1).unwrap();
    let stamps = Stamps { born: Seq(1), born_at: time, changed: Seq(1), changed_at: time };
    let mut push = |kind, row| {
        encoder.push(kind, &Entry { ordinal: 0, replaces: None, row: Some(row), stamps }).unwrap();
    };
    push(RowKind::Node, Row::Node { id: &[1, 1, b'a'], attrs: EMPTY_IMAGE });
    let (src, dst) = (NodeOrd(0), NodeOrd(1));
    push(RowKind::Edge, Row::Edge { src, dst, parallel: None, attrs: EMPTY_IMAGE });
    let stand = encoder.end(Seq(2), time, ordinals, counts).unwrap();
    let (bytes, footer, trailer) = encoder.finish().unwrap();
    let blocks = || footer.increments[0].chunks.iter().flat_map(|chunk| &chunk.columns);
    let entry = SnapshotEntry {
        id: SegmentId(1),
        length: u64::try_from(bytes.len()).unwrap(),
        footer_crc: trailer.footer_crc,
        increments: vec![IncrementEntry {
            from: Seq(0),
            to: Seq(2),
            time,
            rows: 2,
            alive: 2,
            bytes: blocks().map(|block| u64::from(block.stored)).sum(),
            raw_bytes: blocks().map(|block| u64::from(block.raw)).sum(),
            level: 1,
        }],
    };
    let mut marker = Marker {
        id: MarkerId(1),
        seq: Seq(2),
        time,
        tiers: Vec::new(),
        label: None,
        pinned: false,
        expired: None,
        counts,
        ordinals,
        fingerprint: Fingerprint { layout: stand.layout, ..Fingerprint::default() },
        served: Served::default(),
        position: 0,
        events: Digest::default(),
    };
    disk.set_file(&names::snapshot(SegmentId(1)), bytes).unwrap();
    let put = |marker: &Marker| {
        forge(disk, |manifest| {
            manifest.snapshots = vec![entry.clone()];
            manifest.markers = vec![marker.clone()];
            (manifest.next_marker, manifest.next_file, manifest.next_seq) =
                (MarkerId(2), SegmentId(2), Seq(3));
            (manifest.ordinals, manifest.high_water) = (ordinals, 2);
        });
    };
    put(&marker);
    // The sum by content is what a restore says that it finds.
    match log.reader().unwrap().restore(&marker) {
        Err(Error::Mismatch { found, .. }) => marker.fingerprint = *found,
        other => panic!("{other:?}"),
    }
    put(&marker);
    log
}

#[test]
fn an_edge_without_an_end_is_caught_where_every_sum_agrees() {
    let disk = SimStorage::new();
    let log = with_a_loose_end(&disk);
    let reader = log.reader().unwrap();
    // A restore goes by sums and counts alone.
    let graph = reader.restore(&reader.markers()[0]).unwrap();
    assert_eq!((graph.counts().nodes, graph.counts().edges), (1, 1));
    let report = drill(&log, &Choice::All, None).unwrap();
    let fault = report.restores[0].fault.as_ref().unwrap();
    assert_eq!((report.good, report.markers_failed, fault.kind), (false, 1, "unsound-graph"));
    assert!(fault.message.contains("edge 0 has an end, node 1, that is not there"), "{fault:?}");
}
