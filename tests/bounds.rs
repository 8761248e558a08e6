//! No hostile length and no deep nesting makes a decoder allocate more than a few MiB, or a small multiple of the bytes
//! that are really there; what is kept of sources is bounded too.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "support/counting.rs"]
mod counting;

use std::sync::Arc;

use snaplog::codec::{self, Decoder, Encoder, MAX_DOCUMENT_BYTES};
use snaplog::exchange::{json_read, ndjson, node_link};
use snaplog::format::Fault;
use snaplog::format::current::{Current, MAX_CURRENT_BYTES};
use snaplog::format::frame::{self, FrameType, HEADER_BYTES, Link};
use snaplog::format::header::{PREFIX_BYTES, SUFFIX_BYTES};
use snaplog::format::manifest::{Manifest, SegmentEnd, SegmentEntry, Source};
use snaplog::format::records::{Item, PayloadDecoder, PayloadEncoder};
use snaplog::format::seal::Lock;
use snaplog::format::segment::{Adopted, Extension, SegmentHead};
use snaplog::format::snapshot::{Footer, Trailer};
use snaplog::model::event::Event;
use snaplog::model::fingerprint::Fingerprint;
use snaplog::model::graph::{Changes, Graph};
use snaplog::model::history::Digest;
use snaplog::model::limits::MAX_DEPTH;
use snaplog::model::marker::{Counts, GraphKind, Marker, Ordinals, Served};
use snaplog::model::position::{Generation, LogId, MarkerId, SegmentId, Seq};
use snaplog::model::time::Timestamp;
use snaplog::model::value::{Value, skip_value};
use snaplog::storage::{SimStorage, Storage};
use snaplog::{Error, FixedEnvironment, Log, Refusal};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const MIB: i64 = 1 << 20;
const ID: LogId = LogId([7; 16]);
const KINDS: [GraphKind; 4] = [
    GraphKind { directed: false, multigraph: false },
    GraphKind { directed: false, multigraph: true },
    GraphKind { directed: true, multigraph: false },
    GraphKind { directed: true, multigraph: true },
];

/// Integers that ask for much: just past the small ones, what a `usize` still takes, and all bits.
fn bombs() -> Vec<Vec<u8>> {
    let lengths = [1 << 16, 1 << 20, 1 << 24, 1 << 30, 1 << 40, u64::MAX >> 1, u64::MAX];
    lengths
        .into_iter()
        .map(|length| {
            let mut to = Encoder::new();
            to.u64(length);
            to.into_vec()
        })
        .collect()
}

/// `bytes` with each of the bombs put in place of each byte of `range`, one at a time.
fn bombed(bytes: &[u8], range: std::ops::Range<usize>) -> impl Iterator<Item = Vec<u8>> {
    let bombs = bombs();
    range.flat_map(move |at| {
        let one = |bomb: &Vec<u8>| [&bytes[..at], bomb, &bytes[at + 1..]].concat();
        bombs.iter().map(one).collect::<Vec<_>>()
    })
}

/// An envelope with its length and checksum put right.
fn mended(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    let end = bytes.len() - SUFFIX_BYTES;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The most that `work` holds at once stays within `most`.
fn holds_at_most<T>(most: i64, what: &str, work: impl FnOnce() -> T) -> T {
    let (outcome, peak) = counting::peak(work);
    assert!(peak <= most, "{what}: {peak} bytes, at most {most} were expected");
    outcome
}

fn head() -> SegmentHead {
    SegmentHead {
        created: Timestamp(1),
        tag: 2,
        kind: KINDS[2],
        first_seq: Seq(1),
        time: Timestamp(1),
        adopts: Some(Adopted { id: SegmentId(1), length: 2, chain: 3 }),
        rewrites: None,
        writer: "pid 1 on host".to_owned(),
        encryption: vec![1, 2],
        extensions: vec![Extension { tag: 1, data: vec![1, 2, 3] }],
    }
}

fn marker(n: u64) -> Marker {
    Marker {
        id: MarkerId(n),
        seq: Seq(n),
        time: Timestamp(1),
        tiers: vec!["frequent".to_owned(), "daily".to_owned()],
        label: Some("a label".to_owned()),
        pinned: false,
        expired: None,
        counts: Counts::default(),
        ordinals: Ordinals::default(),
        fingerprint: Fingerprint::default(),
        served: Served::default(),
        position: 5,
        events: Digest([7; 32]),
    }
}

fn manifest(markers: u64) -> Manifest {
    let end = SegmentEnd { length: 1, chain: 2, next_seq: Seq(9), time: Timestamp(1) };
    Manifest {
        generation: Generation(1),
        written: Timestamp(1),
        created: Timestamp(1),
        kind: KINDS[2],
        next_file: SegmentId(9),
        segments: vec![SegmentEntry {
            id: SegmentId(1),
            first_seq: Seq(1),
            begins: Timestamp(1),
            adopts: None,
            end: Some(end),
            original: None,
            compression: 0,
            raw_bytes: 0,
        }],
        snapshots: Vec::new(),
        markers: (1..=markers).map(marker).collect(),
        gone: Vec::new(),
        next_marker: MarkerId(markers + 1),
        next_seq: Seq(markers.max(8) + 1),
        ordinals: Ordinals::default(),
        high_water: 3,
        sources: vec![Source { name: "a.ndjson".to_owned(), bytes: 1, lines: 1, digest: [0; 16] }],
        trash: Vec::new(),
        pruned: None,
        extensions: vec![Extension { tag: 1, data: vec![1, 2, 3] }],
    }
}

/// A payload with a record of each kind that the library writes.
fn payload(kind: GraphKind) -> Vec<u8> {
    let mut graph = Graph::new(kind);
    let mut payload = PayloadEncoder::new(graph.ordinals());
    let mut changes = Changes::new();
    let nested: Value = vec![Value::Map([("k".to_owned(), vec![1.into(), 0.5.into()].into())].into())].into();
    let attrs = vec![("list".to_owned(), nested), ("text".to_owned(), "words".into())];
    let names = vec!["text".to_owned()];
    let key = kind.multigraph.then(|| 0.into());
    let events = [
        Event::PutNode { id: "a".into(), attrs: attrs.clone() },
        Event::PutEdge { src: "a".into(), dst: 7.into(), key: None, attrs: attrs.clone() },
        Event::PutNode { id: "a".into(), attrs: vec![("text".to_owned(), "other".into())] },
        Event::PutGraph { attrs },
        Event::UnsetGraph { names: names.clone() },
        Event::UnsetEdge { src: "a".into(), dst: 7.into(), key, names: names.clone() },
        Event::UnsetNode { id: "a".into(), names },
        Event::PutState { key: "page".into(), value: vec![1.into()].into() },
        Event::PutEntry { key: "seen".into(), entry: "a".into(), value: true.into() },
        Event::PutState { key: "page".into(), value: 8.into() },
        Event::DeleteState { key: "page".into() },
        Event::DeleteNode { id: "a".into() },
    ];
    for event in &events {
        graph.resolve(event, &mut changes).unwrap();
        let mut left = changes.records().len();
        for record in changes.records() {
            left -= 1;
            graph.apply(&record).unwrap();
            payload.change(&record, left > 0);
        }
    }
    payload.as_slice().to_vec()
}

/// Decodes and applies as far as it goes.
fn read_payload(payload: &[u8], kind: GraphKind) {
    let Ok(mut decoder) = PayloadDecoder::new(payload, kind) else { return };
    let mut graph = Graph::new(kind);
    while let Ok(Some(item)) = decoder.next_item() {
        if let Item::Change { record, .. } = item
            && graph.apply(&record).is_err()
        {
            return;
        }
    }
}

#[test]
fn headers_of_frames_allocate_nothing() {
    let link = Link { tag: 1, previous: 2, synced: 0, offset: 0, seal: None };
    let mut bytes = Vec::new();
    frame::encode(FrameType::Events, Seq(1), 1, Timestamp(1), link, b"payload", &mut bytes).unwrap();
    for length in [0, 1, 1 << 24, (16 << 20) + 64, (16 << 20) + 65, 1 << 31, u32::MAX] {
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        let header = holds_at_most(0, "a frame's header", || frame::header(&bytes));
        assert_eq!(header.is_ok(), (1..=(16 << 20) + 64).contains(&length), "{length}");
    }
}

#[test]
fn lengths_in_segment_headers_are_not_believed() {
    let good = head().encode(ID, SegmentId(1)).unwrap();
    SegmentHead::decode(&good).unwrap();
    for bad in bombed(&good, PREFIX_BYTES..good.len() - SUFFIX_BYTES) {
        let bad = mended(bad);
        drop(holds_at_most(2 * MIB, "a segment's header", || SegmentHead::decode(&bad)));
    }
}

#[test]
fn lengths_in_manifests_are_not_believed() {
    let good = manifest(3).encode(ID, None).unwrap();
    Manifest::decode(&good, None).unwrap();
    for bad in bombed(&good, PREFIX_BYTES..good.len() - SUFFIX_BYTES) {
        let bad = mended(bad);
        drop(holds_at_most(2 * MIB, "a manifest", || Manifest::decode(&bad, None)));
    }
    let good = Current::naming(Generation(1), &good).encode(ID, None).unwrap();
    for bad in bombed(&good, PREFIX_BYTES..good.len() - SUFFIX_BYTES) {
        let bad = mended(bad);
        drop(holds_at_most(MIB, "CURRENT", || Current::decode(&bad, None)));
    }
}

#[test]
fn lengths_in_large_manifests_are_not_believed_either() {
    for markers in [1_000, 15_000] {
        let good = manifest(markers).encode(ID, None).unwrap();
        let length = i64::try_from(good.len()).unwrap();
        // What the manifest itself takes is part of it.
        let most = 16 * length + 2 * MIB;
        holds_at_most(most, "a sound manifest", || Manifest::decode(&good, None)).unwrap();
        let end = good.len() - SUFFIX_BYTES;
        let ranges = [PREFIX_BYTES..PREFIX_BYTES + 40, good.len() / 2..good.len() / 2 + 120, end - 30..end];
        // Few lengths are enough: copies of megabytes are slow.
        for bad in ranges.into_iter().flat_map(|range| bombed(&good, range).step_by(3)) {
            let bad = mended(bad);
            drop(holds_at_most(most, "a large manifest", || Manifest::decode(&bad, None)));
        }
    }
}

/// An index of `raw` zeros, with a trailer that says `claimed`.
fn decode_index(raw: usize, claimed: usize) -> Result<Footer, Fault> {
    let stored = zstd::bulk::compress(&vec![0; raw], 1).unwrap();
    let trailer = Trailer {
        footer_offset: 100,
        footer_stored: u32::try_from(stored.len()).unwrap(),
        footer_raw: u32::try_from(claimed).unwrap(),
        footer_crc: crc32fast::hash(&stored),
    };
    holds_at_most(8 * MIB, "the index of a snapshot segment", || {
        Footer::decode(&trailer, &stored, 100, &Lock::None)
    })
}

#[test]
fn an_index_past_its_bound_is_refused_before_room_is_made() {
    let bound = u64::try_from(MAX_DOCUMENT_BYTES).unwrap();
    assert_eq!(bound, 256 << 20);
    let refused = decode_index(100, MAX_DOCUMENT_BYTES + 1).unwrap_err();
    assert!(matches!(refused, Fault::Length { found, max, .. } if found == bound + 1 && max == bound));
    // At the bound it is looked at, and has as many bytes as it has.
    let short = decode_index(100, MAX_DOCUMENT_BYTES).unwrap_err();
    assert!(matches!(short, Fault::Length { found: 100, min, .. } if min == bound), "{short:?}");
    // More than it says is not unpacked.
    drop(decode_index(32 << 20, 1 << 20).unwrap_err());
}

#[test]
fn a_current_past_its_bound_is_refused() {
    let good = Current::naming(Generation(1), b"a manifest").encode(ID, None).unwrap();
    let padded = |length: usize| {
        let mut bytes = good.clone();
        bytes.resize(length, 0);
        mended(bytes)
    };
    let refused = Current::decode(&padded(MAX_CURRENT_BYTES + 1), None).unwrap_err();
    assert!(matches!(refused, Fault::Length { found: 4097, max: 4096, .. }), "{refused:?}");
    // At the bound its length is no fault; that it says nothing with it is one.
    let trailing = Current::decode(&padded(MAX_CURRENT_BYTES), None).unwrap_err();
    assert!(!matches!(trailing, Fault::Length { .. }), "{trailing:?}");
    // No more than that is read of a file of whatever length.
    let disk = SimStorage::new();
    Log::init_in(Arc::new(disk.clone()), Arc::new(FixedEnvironment::new(Timestamp(1))), KINDS[0], "")
        .unwrap();
    disk.set_file("CURRENT", vec![0; 64 << 20]).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(disk);
    let opened = holds_at_most(MIB, "a large CURRENT", || {
        Log::open_in(storage, Arc::new(FixedEnvironment::new(Timestamp(1)))).map(drop)
    });
    let error = opened.unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("CURRENT"), "{error:?}");
}

#[test]
fn documents_of_nothing_but_lengths_hold_little() {
    for length in [1 << 10, 64 << 10, (64 << 10) + 1, 1 << 20, (1 << 20) + 1, 5 << 20] {
        for bomb in bombs() {
            let bytes: Vec<u8> = bomb.iter().copied().cycle().take(length).collect();
            let most = 20 * i64::try_from(length).unwrap() + 2 * MIB;
            holds_at_most(most, "strings", || codec::from_bytes::<Vec<String>>(&bytes).is_err());
            holds_at_most(most, "bytes", || codec::from_bytes::<Vec<Vec<u8>>>(&bytes).is_err());
            holds_at_most(most, "numbers", || codec::from_bytes::<Vec<Vec<u64>>>(&bytes).is_err());
        }
    }
}

#[test]
fn lengths_in_events_are_not_believed() {
    for kind in KINDS {
        let good = payload(kind);
        let mut decoder = PayloadDecoder::new(&good, kind).unwrap();
        while decoder.next_item().unwrap().is_some() {}
        for bad in bombed(&good, 0..good.len()) {
            holds_at_most(MIB, "a payload", || read_payload(&bad, kind));
        }
    }
}

#[test]
fn lengths_in_values_are_not_believed() {
    let map = [("a".to_owned(), vec![1.into(), "text".into()].into()), ("b".to_owned(), 0.5.into())];
    let value = Value::List(vec![Value::Map(map.into()), Value::Bytes(vec![1, 2, 3]), Value::Null]);
    let good = value.to_bytes();
    for bad in bombed(&good, 0..good.len()) {
        drop(holds_at_most(MIB, "a value", || Value::decode(&mut Decoder::new(&bad))));
        drop(holds_at_most(0, "a skipped value", || skip_value(&mut Decoder::new(&bad))));
    }
}

#[test]
fn deep_nesting_is_refused_at_the_bound() {
    // A list's tag, and its one element: over and over.
    let list = Value::List(vec![Value::Null]).to_bytes();
    let deep = |depth: usize| [list[..2].repeat(depth), list[2..].to_vec()].concat();
    let decode = |bytes: &[u8]| Value::decode(&mut Decoder::new(bytes)).is_ok();
    assert!(decode(&deep(MAX_DEPTH)) && !decode(&deep(MAX_DEPTH + 1)));
    for depth in [MAX_DEPTH + 1, 1 << 20, 15 << 20] {
        let bytes = deep(depth);
        assert!(!holds_at_most(MIB, "a deep value", || decode(&bytes)));
        assert!(holds_at_most(0, "a deep value", || skip_value(&mut Decoder::new(&bytes))).is_err());
    }
}

#[test]
fn deep_json_is_refused_at_the_bound() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let deep = open.repeat(1 << 18);
        let line = format!("{{\"op\":\"node\",\"id\":1,\"attrs\":{{\"x\":{deep}");
        let document = format!("{{\"nodes\":[{{\"id\":1,\"x\":{deep}");
        let more = i64::try_from(deep.len()).unwrap();
        drop(holds_at_most(MIB + more, "JSON", || json_read::value(deep.as_bytes())).unwrap_err());
        drop(holds_at_most(MIB + more, "NDJSON", || ndjson::parse_line(line.as_bytes())).unwrap_err());
        let mut sink = |_| Ok::<(), std::convert::Infallible>(());
        let outcome = holds_at_most(2 * MIB + 4 * more, "node-link", || {
            node_link::read(document.as_bytes(), KINDS[2], &mut sink)
        });
        drop(outcome.unwrap_err());
    }
}

#[test]
fn sources_are_bounded_in_number_and_name() {
    let disk = SimStorage::new();
    let environment = Arc::new(FixedEnvironment::new(Timestamp(1)));
    let log = Log::init_in(Arc::new(disk), environment, KINDS[0], "").unwrap();
    let names = |log: &Log| -> Vec<String> {
        let writer = log.writer().unwrap();
        let names = writer.sources().unwrap().into_iter().map(|source| source.name).collect();
        writer.close().unwrap();
        names
    };
    let writer = log.writer().unwrap();
    let read = |name: &str| {
        writer.begin_source(name, None).unwrap();
        writer.skip_line(b"a line\n").unwrap();
        writer.end_source().unwrap();
    };
    (0..1000).for_each(|n| read(&format!("source {n}")));
    assert_eq!(writer.sources().unwrap().len(), 1000);
    // Read again: it is not the one read longest ago any more.
    read("source 0");
    let longest = "n".repeat(4096);
    read(&longest);
    let refused = writer.begin_source(&format!("{longest}n"), None).unwrap_err();
    assert!(
        matches!(refused, Error::Refused(Refusal::TooLarge { found: 4097, max: 4096, .. })),
        "{refused:?}"
    );
    writer.close().unwrap();
    let left = names(&log);
    assert_eq!(left.len(), 1000);
    assert!(!left.iter().any(|name| name == "source 1"), "it was read longest ago");
    assert_eq!(
        (left[0].as_str(), left[998].as_str(), left[999].as_str()),
        ("source 2", "source 0", &*longest)
    );
}
