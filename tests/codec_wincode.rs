//! A second opinion on the bytes: wincode, configured like bincode's standard, reads what `codec` writes and writes the
//! same. bincode is unmaintained; this is the way out of it, kept open.
#![expect(clippy::indexing_slicing, reason = "tests")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use snaplog::codec::{self, Decoder, Encoder};
use snaplog::format::current::Current;
use snaplog::format::header::{PREFIX_BYTES, SUFFIX_BYTES};
use snaplog::format::manifest::{
    self, IncrementEntry, Manifest, SegmentEntry, SnapshotEntry, Source, Trashed,
};
use snaplog::format::segment::{Adopted, Extension, SegmentHead};
use snaplog::model::fingerprint::{Fingerprint, Sum};
use snaplog::model::history::{Digest, Stub};
use snaplog::model::marker::{Counts, GraphKind, Marker, Ordinals, Served};
use snaplog::model::position::{
    EdgeOrd, Generation, ItemOrd, LogId, MarkerId, NameOrd, NodeOrd, SegmentId, Seq,
};
use snaplog::model::time::Timestamp;
use wincode::config::Configuration;
use wincode::len::UseIntLen;
use wincode::{SchemaRead, SchemaWrite};

/// A value as wincode encodes it: variable-length integers, lengths too, enum tags as 32-bit integers.
macro_rules! config {
    () => {
        Configuration::default().with_varint_encoding().with_length_encoding::<UseIntLen<u64>>()
    };
}

macro_rules! encoded {
    ($value:expr) => {
        wincode::config::serialize($value, config!()).unwrap()
    };
}

macro_rules! decoded {
    ($type:ty, $bytes:expr) => {
        wincode::config::deserialize_exact::<$type, _>($bytes, config!())
    };
}

/// The documents of a log, as FORMAT.md has them and independent of the library's types.
mod mirror {
    use super::{SchemaRead, SchemaWrite};

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    pub(crate) struct Head {
        pub(crate) created: i64,
        pub(crate) tag: u64,
        pub(crate) kind: (bool, bool),
        pub(crate) first_seq: u64,
        pub(crate) time: i64,
        pub(crate) adopts: Option<(u64, u64, u32)>,
        pub(crate) rewrites: Option<(u64, u64, u32)>,
        pub(crate) writer: String,
        pub(crate) encryption: Vec<u8>,
        pub(crate) extensions: Vec<(u32, Vec<u8>)>,
    }

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    pub(crate) struct Entry {
        pub(crate) id: u64,
        pub(crate) first_seq: u64,
        pub(crate) begins: i64,
        pub(crate) adopts: Option<(u64, u64, u32)>,
        pub(crate) end: Option<(u64, u32, u64, i64)>,
        pub(crate) original: Option<(u64, u64, u32)>,
        pub(crate) compression: u8,
        pub(crate) raw_bytes: u64,
    }

    pub(crate) type Increment = (u64, u64, i64, u64, u64, u64, u64, u8);

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    pub(crate) struct Snapshot {
        pub(crate) id: u64,
        pub(crate) length: u64,
        pub(crate) footer_crc: u32,
        pub(crate) increments: Vec<Increment>,
    }

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    pub(crate) struct Marker {
        pub(crate) id: u64,
        pub(crate) seq: u64,
        pub(crate) time: i64,
        pub(crate) tiers: Vec<String>,
        pub(crate) label: Option<String>,
        pub(crate) pinned: bool,
        pub(crate) expired: Option<i64>,
        pub(crate) counts: (u64, u64, u64, u64),
        pub(crate) ordinals: (u32, u32, u32, u32),
        pub(crate) fingerprint: ([u8; 16], [u8; 16]),
        pub(crate) served: (u64, Option<i64>),
        pub(crate) position: u64,
        pub(crate) events: [u8; 32],
    }

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    pub(crate) struct Stub {
        pub(crate) id: u64,
        pub(crate) seq: u64,
        pub(crate) time: i64,
        pub(crate) fingerprint: ([u8; 16], [u8; 16]),
        pub(crate) events: [u8; 32],
        pub(crate) particulars: [u8; 32],
    }

    #[derive(Debug, PartialEq, SchemaRead, SchemaWrite)]
    pub(crate) struct Manifest {
        pub(crate) generation: u64,
        pub(crate) written: i64,
        pub(crate) created: i64,
        pub(crate) kind: (bool, bool),
        pub(crate) next_file: u64,
        pub(crate) segments: Vec<Entry>,
        pub(crate) snapshots: Vec<Snapshot>,
        pub(crate) markers: Vec<Marker>,
        pub(crate) gone: Vec<Stub>,
        pub(crate) next_marker: u64,
        pub(crate) next_seq: u64,
        pub(crate) ordinals: (u32, u32, u32, u32),
        pub(crate) high_water: u64,
        pub(crate) sources: Vec<(String, u64, u64, [u8; 16])>,
        pub(crate) trash: Vec<(String, i64, u64)>,
        pub(crate) pruned: Option<i64>,
        pub(crate) extensions: Vec<(u32, Vec<u8>)>,
    }
}

fn integer() -> impl Strategy<Value = u64> {
    // As many of each length as of each other.
    (any::<u64>(), 0_u32..64).prop_map(|(n, shift)| n >> shift)
}

fn short() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0_u32..32).prop_map(|(n, shift)| n >> shift)
}

fn time() -> impl Strategy<Value = Timestamp> {
    (integer(), any::<bool>()).prop_map(|(n, minus)| {
        let n = n.cast_signed();
        Timestamp(if minus { !n } else { n })
    })
}

fn kind() -> impl Strategy<Value = GraphKind> {
    any::<(bool, bool)>().prop_map(|(directed, multigraph)| GraphKind { directed, multigraph })
}

fn ordinals() -> impl Strategy<Value = Ordinals> {
    (short(), short(), short(), short()).prop_map(|(node, edge, name, item)| Ordinals {
        node: NodeOrd(node),
        edge: EdgeOrd(edge),
        name: NameOrd(name),
        item: ItemOrd(item),
    })
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    vec((short(), vec(any::<u8>(), 0..300)).prop_map(|(tag, data)| Extension { tag, data }), 0..3)
}

fn adopted() -> impl Strategy<Value = Adopted> {
    (integer(), integer(), short()).prop_map(|(id, length, chain)| Adopted {
        id: SegmentId(id),
        length,
        chain,
    })
}

fn head() -> impl Strategy<Value = SegmentHead> {
    (
        (time(), integer(), kind(), integer(), time()),
        (option::of(adopted()), option::of(adopted())),
        ".{0,40}",
        vec(any::<u8>(), 0..300),
        extensions(),
    )
        .prop_map(|((created, tag, kind, first_seq, time), before, writer, encryption, extensions)| {
            let (first_seq, (adopts, rewrites)) = (Seq(first_seq), before);
            SegmentHead {
                created,
                tag,
                kind,
                first_seq,
                time,
                adopts,
                rewrites,
                writer,
                encryption,
                extensions,
            }
        })
}

fn marker() -> impl Strategy<Value = Marker> {
    let counts = (integer(), integer(), integer(), integer())
        .prop_map(|(nodes, edges, items, high_water)| Counts { nodes, edges, items, high_water });
    let sums = any::<(u128, u128)>()
        .prop_map(|(content, layout)| Fingerprint { content: Sum(content), layout: Sum(layout) });
    let served = (integer(), option::of(time())).prop_map(|(high_water, time)| Served { high_water, time });
    (
        (integer(), integer(), time(), vec("[a-z]{0,9}", 0..3), option::of(".{0,9}"), any::<bool>()),
        option::of(time()),
        (counts, ordinals(), sums, served, integer(), any::<[u8; 32]>()),
    )
        .prop_map(
            |(
                (id, seq, time, tiers, label, pinned),
                expired,
                (counts, ordinals, fingerprint, served, position, events),
            )| {
                let (id, seq) = (MarkerId(id), Seq(seq));
                Marker {
                    id,
                    seq,
                    time,
                    tiers,
                    label,
                    pinned,
                    expired,
                    counts,
                    ordinals,
                    fingerprint,
                    served,
                    position,
                    events: Digest(events),
                }
            },
        )
}

fn entry() -> impl Strategy<Value = SegmentEntry> {
    let end = (integer(), short(), integer(), time()).prop_map(|(length, chain, next_seq, time)| {
        manifest::SegmentEnd { length, chain, next_seq: Seq(next_seq), time }
    });
    let before = (option::of(adopted()), option::of(adopted()));
    (integer(), integer(), time(), before, option::of(end), any::<u8>(), integer()).prop_map(
        |(id, first_seq, begins, (adopts, original), end, compression, raw_bytes)| SegmentEntry {
            id: SegmentId(id),
            first_seq: Seq(first_seq),
            begins,
            adopts,
            end,
            original,
            compression,
            raw_bytes,
        },
    )
}

fn snapshot() -> impl Strategy<Value = SnapshotEntry> {
    let increment = (integer(), integer(), time(), integer(), integer(), integer(), integer(), any::<u8>())
        .prop_map(|(from, to, time, rows, alive, bytes, raw_bytes, level)| IncrementEntry {
            from: Seq(from),
            to: Seq(to),
            time,
            rows,
            alive,
            bytes,
            raw_bytes,
            level,
        });
    (integer(), integer(), short(), vec(increment, 0..4)).prop_map(|(id, length, footer_crc, increments)| {
        SnapshotEntry { id: SegmentId(id), length, footer_crc, increments }
    })
}

fn trashed() -> impl Strategy<Value = Trashed> {
    (".{0,20}", time(), integer()).prop_map(|(name, since, bytes)| Trashed { name, since, bytes })
}

fn source() -> impl Strategy<Value = Source> {
    (".{0,20}", integer(), integer(), any::<[u8; 16]>()).prop_map(|(name, bytes, lines, digest)| Source {
        name,
        bytes,
        lines,
        digest,
    })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    (
        (integer(), time(), time(), kind(), integer()),
        (vec(entry(), 0..4), vec(snapshot(), 0..3)),
        (vec(marker(), 0..4), vec(marker(), 0..3)),
        (integer(), integer(), ordinals(), integer()),
        (vec(source(), 0..3), vec(trashed(), 0..3), option::of(time())),
        extensions(),
    )
        .prop_map(
            |(first, (segments, snapshots), (markers, gone), then, (sources, trash, pruned), extensions)| {
                let (generation, written, created, kind, next_file) = first;
                let (next_marker, next_seq, ordinals, high_water) = then;
                Manifest {
                    generation: Generation(generation),
                    written,
                    created,
                    kind,
                    next_file: SegmentId(next_file),
                    segments,
                    snapshots,
                    markers,
                    gone: gone.iter().flat_map(Stub::of).collect(),
                    next_marker: MarkerId(next_marker),
                    next_seq: Seq(next_seq),
                    ordinals,
                    high_water,
                    sources,
                    trash,
                    pruned,
                    extensions,
                }
            },
        )
}

fn adopted_in_mirror(adopted: Adopted) -> (u64, u64, u32) {
    (adopted.id.0, adopted.length, adopted.chain)
}

fn head_in_mirror(head: &SegmentHead) -> mirror::Head {
    mirror::Head {
        created: head.created.0,
        tag: head.tag,
        kind: (head.kind.directed, head.kind.multigraph),
        first_seq: head.first_seq.0,
        time: head.time.0,
        adopts: head.adopts.map(adopted_in_mirror),
        rewrites: head.rewrites.map(adopted_in_mirror),
        writer: head.writer.clone(),
        encryption: head.encryption.clone(),
        extensions: head.extensions.iter().map(|e| (e.tag, e.data.clone())).collect(),
    }
}

fn ordinals_in_mirror(of: &Ordinals) -> (u32, u32, u32, u32) {
    (of.node.0, of.edge.0, of.name.0, of.item.0)
}

fn marker_in_mirror(marker: &Marker) -> mirror::Marker {
    let counts = marker.counts;
    mirror::Marker {
        id: marker.id.0,
        seq: marker.seq.0,
        time: marker.time.0,
        tiers: marker.tiers.clone(),
        label: marker.label.clone(),
        pinned: marker.pinned,
        expired: marker.expired.map(|time| time.0),
        counts: (counts.nodes, counts.edges, counts.items, counts.high_water),
        ordinals: ordinals_in_mirror(&marker.ordinals),
        fingerprint: (marker.fingerprint.content.into(), marker.fingerprint.layout.into()),
        served: (marker.served.high_water, marker.served.time.map(|time| time.0)),
        position: marker.position,
        events: marker.events.0,
    }
}

fn stub_in_mirror(stub: &Stub) -> mirror::Stub {
    mirror::Stub {
        id: stub.id.0,
        seq: stub.seq.0,
        time: stub.time.0,
        fingerprint: (stub.fingerprint.content.into(), stub.fingerprint.layout.into()),
        events: stub.events.0,
        particulars: stub.particulars.0,
    }
}

fn entry_in_mirror(entry: &SegmentEntry) -> mirror::Entry {
    mirror::Entry {
        id: entry.id.0,
        first_seq: entry.first_seq.0,
        begins: entry.begins.0,
        adopts: entry.adopts.map(adopted_in_mirror),
        original: entry.original.map(adopted_in_mirror),
        end: entry.end.map(|end| (end.length, end.chain, end.next_seq.0, end.time.0)),
        compression: entry.compression,
        raw_bytes: entry.raw_bytes,
    }
}

fn snapshot_in_mirror(entry: &SnapshotEntry) -> mirror::Snapshot {
    let increments = entry.increments.iter();
    let increment =
        |i: &IncrementEntry| (i.from.0, i.to.0, i.time.0, i.rows, i.alive, i.bytes, i.raw_bytes, i.level);
    mirror::Snapshot {
        id: entry.id.0,
        length: entry.length,
        footer_crc: entry.footer_crc,
        increments: increments.map(increment).collect(),
    }
}

fn manifest_in_mirror(manifest: &Manifest) -> mirror::Manifest {
    let sources = manifest.sources.iter();
    mirror::Manifest {
        generation: manifest.generation.0,
        written: manifest.written.0,
        created: manifest.created.0,
        kind: (manifest.kind.directed, manifest.kind.multigraph),
        next_file: manifest.next_file.0,
        segments: manifest.segments.iter().map(entry_in_mirror).collect(),
        snapshots: manifest.snapshots.iter().map(snapshot_in_mirror).collect(),
        markers: manifest.markers.iter().map(marker_in_mirror).collect(),
        gone: manifest.gone.iter().map(stub_in_mirror).collect(),
        next_marker: manifest.next_marker.0,
        next_seq: manifest.next_seq.0,
        ordinals: ordinals_in_mirror(&manifest.ordinals),
        high_water: manifest.high_water,
        sources: sources.map(|s| (s.name.clone(), s.bytes, s.lines, s.digest)).collect(),
        trash: manifest.trash.iter().map(|t| (t.name.clone(), t.since.0, t.bytes)).collect(),
        pruned: manifest.pruned.map(|time| time.0),
        extensions: manifest.extensions.iter().map(|e| (e.tag, e.data.clone())).collect(),
    }
}

/// The body of an envelope.
fn body(envelope: Vec<u8>) -> Vec<u8> {
    envelope[PREFIX_BYTES..envelope.len() - SUFFIX_BYTES].to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pieces_are_the_same(n in integer(), i in any::<i64>(), f in any::<f64>(), b in vec(any::<u8>(), 0..600), s in ".{0,80}") {
        let mut to = Encoder::new();
        to.u64(n);
        to.i64(i);
        to.f64(f);
        to.bytes(&b);
        to.str(&s);
        let pieces = (n, i, f, b, s);
        prop_assert_eq!(&encoded!(&pieces), to.as_slice());

        let (n, i, f, b, s) = decoded!((u64, i64, f64, Vec<u8>, String), to.as_slice()).unwrap();
        let mut from = Decoder::new(to.as_slice());
        prop_assert_eq!(from.u64("n"), Ok(n));
        prop_assert_eq!(from.i64("i"), Ok(i));
        prop_assert_eq!(from.f64("f").map(f64::to_bits), Ok(f.to_bits()));
        prop_assert_eq!(from.bytes(1 << 20, "b"), Ok(b.as_slice()));
        prop_assert_eq!(from.str(1 << 20, "s"), Ok(s.as_str()));
        prop_assert!(from.is_at_end());
    }

    #[test]
    fn integers_from_random_bytes_are_the_same(bytes in vec(prop_oneof![any::<u8>(), 248..=255_u8], 0..12)) {
        // Our decoder is the stricter one: what it takes, wincode reads alike.
        let mut from = Decoder::new(&bytes);
        if let Ok(n) = from.u64("n") {
            prop_assert_eq!(decoded!(u64, &bytes[..from.position()]).unwrap(), n);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn segment_heads_are_the_same(head in head()) {
        let bytes = codec::to_bytes(&head).unwrap();
        let mirrored = head_in_mirror(&head);
        prop_assert_eq!(&encoded!(&mirrored), &bytes);
        prop_assert_eq!(decoded!(mirror::Head, &bytes).unwrap(), mirrored);
        prop_assert_eq!(codec::from_bytes::<SegmentHead>(&bytes).unwrap(), head.clone());
        prop_assert_eq!(body(head.encode(LogId([1; 16]), SegmentId(1)).unwrap()), bytes);
    }

    #[test]
    fn manifests_are_the_same(manifest in manifest()) {
        let bytes = codec::to_bytes(&manifest).unwrap();
        let mirrored = manifest_in_mirror(&manifest);
        prop_assert_eq!(&encoded!(&mirrored), &bytes);
        prop_assert_eq!(decoded!(mirror::Manifest, &bytes).unwrap(), mirrored);
        prop_assert_eq!(codec::from_bytes::<Manifest>(&bytes).unwrap(), manifest.clone());
        prop_assert_eq!(body(manifest.encode(LogId([1; 16]), None).unwrap()), bytes);
    }

    #[test]
    fn currents_are_the_same(generation in integer(), length in integer(), crc in short()) {
        let current = Current { generation: Generation(generation), length, crc };
        let bytes = codec::to_bytes(&current).unwrap();
        prop_assert_eq!(&encoded!(&(generation, length, crc)), &bytes);
        prop_assert_eq!(decoded!((u64, u64, u32), &bytes).unwrap(), (generation, length, crc));
        prop_assert_eq!(codec::from_bytes::<Current>(&bytes).unwrap(), current);
    }
}
