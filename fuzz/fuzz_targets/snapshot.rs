//! Snapshot segments: a file as it comes and with its checksums put right, and the columns of a single chunk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snaplog::format::seal::Lock;
use snaplog::format::snapshot::{
    Block, Chunk, Codec, Column, DecodedChunk, Footer, Increment, LayoutCheck, SnapshotEncoder, SnapshotHead,
    Stand, TRAILER_BYTES, Trailer,
};
use snaplog::model::marker::{GraphKind, Ordinals};
use snaplog::model::position::{EdgeOrd, ItemOrd, LogId, NameOrd, NodeOrd, SegmentId, Seq};
use snaplog::model::row::RowKind;
use snaplog::model::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    file(data);
    let mut mended = data.to_vec();
    mend_header(&mut mended);
    mend_end(&mut mended);
    file(&mended);
    chunk(data);
});

/// Puts the checksum of the header right.
fn mend_header(bytes: &mut [u8]) {
    let Some(length) = bytes.get(12..16).map(|length| u32::from_le_bytes(length.try_into().unwrap())) else {
        return;
    };
    let Some(end) = (length as usize).checked_sub(4).filter(|end| *end + 4 <= bytes.len()) else { return };
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Puts the checksums of the index and of the last bytes right.
fn mend_end(bytes: &mut [u8]) {
    let Some(at) = bytes.len().checked_sub(TRAILER_BYTES) else { return };
    let word =
        |bytes: &[u8], from: usize| u32::from_le_bytes(bytes[from..from + 4].try_into().unwrap()) as usize;
    let stored = word(bytes, at + 4).min(at);
    let crc = crc32fast::hash(&bytes[at - stored..at]);
    bytes[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[at..at + 28]);
    bytes[at + 28..].copy_from_slice(&crc.to_le_bytes());
}

fn file(data: &[u8]) {
    let Ok((prefix, head)) = SnapshotHead::decode(data) else { return };
    let Some(at) = data.len().checked_sub(TRAILER_BYTES) else { return };
    let Ok(trailer) = Trailer::decode(&data[at..], data.len() as u64) else { return };
    let index = &data[trailer.footer_offset as usize..at];
    let Ok(footer) = Footer::decode(&trailer, index, prefix.length as u64, &Lock::None) else { return };
    for increment in &footer.increments {
        let mut check = LayoutCheck::new(increment);
        for chunk in &increment.chunks {
            let mut at = chunk.offset as usize;
            let blocks: Vec<&[u8]> = chunk
                .columns
                .iter()
                .map(|block| {
                    let from = at;
                    at += block.stored as usize;
                    &data[from..at]
                })
                .collect();
            match DecodedChunk::decode(chunk, &blocks, &Lock::None, head.kind, increment) {
                Ok(decoded) => check.add(&decoded),
                Err(_) => return,
            }
        }
        let _ = check.finish();
    }
}

/// A chunk made of the bytes: two that say what it is, then for each column a length and as many bytes.
fn chunk(data: &[u8]) {
    let [what, entries, rest @ ..] = data else { return };
    let kind = RowKind::ALL[usize::from(what & 7) % RowKind::ALL.len()];
    let graph = GraphKind { directed: what & 8 != 0, multigraph: what & 16 != 0 };
    let ordinals =
        |n: u32| Ordinals { node: NodeOrd(n), edge: EdgeOrd(n), name: NameOrd(n), item: ItemOrd(n) };
    let mut to = Stand { seq: Seq(1000), time: Timestamp(1000), ordinals: ordinals(200), ..Stand::empty() };
    let from = Stand { seq: Seq(100), time: Timestamp(100), ordinals: ordinals(100), ..Stand::empty() };
    to.counts.high_water = 200;
    let columns = [
        Column::Ordinals,
        Column::Fates,
        Column::Replaced,
        Column::Stamps,
        Column::Ids,
        Column::Sources,
        Column::Targets,
        Column::Slots,
        Column::Shapes,
        Column::Values,
    ];
    let (mut blocks, mut stored, mut left) = (Vec::new(), Vec::new(), rest);
    for column in columns {
        let Some((len, more)) = left.split_first() else { break };
        let (bytes, more) = more.split_at(usize::from(*len).min(more.len()));
        left = more;
        if !bytes.is_empty() {
            let len = bytes.len() as u32;
            blocks.push(Block {
                column,
                codec: Codec::Raw,
                stored: len,
                raw: len,
                crc: crc32fast::hash(bytes),
            });
            stored.push(bytes);
        }
    }
    let first = if what & 32 != 0 { 0 } else { 100 };
    for last in [first + u32::from(*entries), 199] {
        let chunk = Chunk {
            kind,
            entries: u32::from(*entries),
            tombstones: u32::from(what >> 6),
            first,
            last,
            offset: 0,
            columns: blocks.clone(),
        };
        let increment = Increment { from: from.clone(), to: to.clone(), level: 1, chunks: Vec::new() };
        if let Ok(decoded) = DecodedChunk::decode(&chunk, &stored, &Lock::None, graph, &increment) {
            again(&decoded, graph, &increment);
        }
    }
}

/// What decodes is written and read again as it is.
fn again(decoded: &DecodedChunk, graph: GraphKind, increment: &Increment) {
    let head =
        SnapshotHead { created: Timestamp(0), kind: graph, encryption: Vec::new(), extensions: Vec::new() };
    let mut encoder =
        SnapshotEncoder::new(&head, LogId([1; 16]), SegmentId(1), None).expect("a header encodes");
    encoder.begin(increment.from.clone(), 1).expect("zstd has a level 1");
    for entry in (0..decoded.len()).filter_map(|at| decoded.entry(at)) {
        encoder.push(decoded.kind(), &entry).expect("an entry encodes");
    }
    let to = &increment.to;
    encoder.end(to.seq, to.time, to.ordinals, to.counts).expect("an increment ends");
    let (bytes, footer, _) = encoder.finish().expect("a file ends");
    let mut at = 0;
    for chunk in &footer.increments[0].chunks {
        let mut from = chunk.offset as usize;
        let blocks: Vec<&[u8]> = chunk
            .columns
            .iter()
            .map(|block| {
                from += block.stored as usize;
                &bytes[from - block.stored as usize..from]
            })
            .collect();
        let same = DecodedChunk::decode(chunk, &blocks, &Lock::None, graph, increment)
            .expect("what we encode decodes");
        for entry in (0..same.len()).map(|at| same.entry(at)) {
            assert_eq!(entry, decoded.entry(at));
            at += 1;
        }
    }
    assert_eq!(at, decoded.len());
}
