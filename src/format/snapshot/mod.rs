//! Snapshot segments: net changes between positions, in columns.
//!
//! ```text
//! envelope 'S' | blocks … | index, compressed | trailer of 32 bytes
//! ```
//!
//! A file holds one or more *increments*, each the net change between two positions. An increment lists, for each kind of
//! row, what was born, changed and removed, ascending by ordinal, in *chunks*; a chunk has a *block* for each column, with
//! a checksum of its own. The index at the end says where everything is. FORMAT.md has every byte.

mod check;
mod chunk;
mod decode;
mod encode;
mod sums;
mod values;

use serde::{Deserialize, Serialize};

pub use check::LayoutCheck;
pub use decode::DecodedChunk;
pub use encode::SnapshotEncoder;

use super::header::{self, FileKind, MAX_SEGMENT_HEADER_BYTES, Prefix};
use super::seal::{FileSeal, Lock};
use super::segment::Extension;
use super::unzip::unzip;
use super::{Fault, u32_at, u64_at};
use crate::codec::{self, DecodeError, MAX_DOCUMENT_BYTES, len_u64};
use crate::model::fingerprint::Sum;
use crate::model::marker::{Counts, GraphKind, Ordinals};
use crate::model::position::{LogId, SegmentId, Seq};
use crate::model::row::RowKind;
use crate::model::time::Timestamp;

/// Bytes at the end of the file.
pub const TRAILER_BYTES: usize = 32;
/// What the trailer begins with.
pub const TRAILER_MAGIC: [u8; 4] = [0x9e, b'S', b'I', 0x1a];
/// Most entries of a chunk.
pub const MAX_CHUNK_ENTRIES: u32 = 8192;
/// Largest block before compression.
pub const MAX_BLOCK_BYTES: u32 = 64 << 20;

/// The body of a snapshot segment's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// When it was made.
    pub created: Timestamp,
    /// What kind of graph the log holds.
    pub kind: GraphKind,
    /// How the blocks are sealed; empty: not at all.
    pub encryption: Vec<u8>,
    /// Room for what later minor versions add.
    pub extensions: Vec<Extension>,
}

impl SnapshotHead {
    /// The header's bytes.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId, id: SegmentId) -> Result<Vec<u8>, DecodeError> {
        header::encode(FileKind::Snapshot, log_id, id.0, self)
    }

    /// Reads a header that `bytes` begins with.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound.
    pub fn decode(bytes: &[u8]) -> Result<(Prefix, Self), Fault> {
        header::decode(FileKind::Snapshot, bytes, MAX_SEGMENT_HEADER_BYTES)
    }
}

/// A position, and what must hold there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// The event after which it is.
    pub seq: Seq,
    /// The time of that event.
    pub time: Timestamp,
    /// The next birth numbers.
    pub ordinals: Ordinals,
    /// What is alive.
    pub counts: Counts,
    /// What the rows sum to.
    pub layout: Sum,
}

impl Stand {
    /// Before the first event.
    pub fn empty() -> Self {
        Self {
            seq: Seq(0),
            time: Timestamp::MIN,
            ordinals: Ordinals::default(),
            counts: Counts::default(),
            layout: Sum::default(),
        }
    }
}

/// Which column of a chunk a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Column {
    /// How far each ordinal is from the one before it; left out if they follow each other.
    Ordinals,
    /// Born, changed or removed; left out if all were born.
    Fates,
    /// For each entry that takes the place of a row, what that added to the layout sum.
    Replaced,
    /// When each was born and last changed.
    Stamps,
    /// Ids of nodes, keys of edges, entries of items, texts of names.
    Ids,
    /// Sources of edges; state keys of items.
    Sources,
    /// Targets of edges.
    Targets,
    /// Neighbour slots of edges.
    Slots,
    /// Which attributes each row has.
    Shapes,
    /// Values of attributes, by name; values of items.
    Values,
}

/// How a block is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec {
    /// As it is.
    Raw,
    /// As one zstd frame.
    Zstd,
}

/// A column of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Which one.
    pub column: Column,
    /// How it is stored.
    pub codec: Codec,
    /// Bytes in the file.
    pub stored: u32,
    /// Bytes before compression.
    pub raw: u32,
    /// CRC-32 of the stored bytes.
    pub crc: u32,
}

/// Entries of one kind that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Of which kind.
    pub kind: RowKind,
    /// How many.
    pub entries: u32,
    /// How many of them are tombstones.
    pub tombstones: u32,
    /// The ordinal of the first.
    pub first: u32,
    /// The ordinal of the last.
    pub last: u32,
    /// Where its first block begins in the file; the others follow without gaps.
    pub offset: u64,
    /// Its columns, in order.
    pub columns: Vec<Block>,
}

impl Chunk {
    /// Bytes that it takes in the file.
    pub fn stored(&self) -> u64 {
        self.columns.iter().map(|block| u64::from(block.stored)).sum()
    }
}

/// The net change between two positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Increment {
    /// Where it begins; [`Stand::empty`] for a full snapshot.
    pub from: Stand,
    /// Where it ends.
    pub to: Stand,
    /// zstd level that it was compressed with.
    pub level: u8,
    /// Its entries: kinds in order, ordinals ascending.
    pub chunks: Vec<Chunk>,
}

/// The index at the end of a snapshot segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// The increments, each beginning where the one before it ends.
    pub increments: Vec<Increment>,
    /// Room for what later minor versions add.
    pub extensions: Vec<Extension>,
}

/// The last bytes of a snapshot segment: where its index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Where the index begins.
    pub footer_offset: u64,
    /// Bytes of the index in the file.
    pub footer_stored: u32,
    /// Bytes of the index before compression.
    pub footer_raw: u32,
    /// CRC-32 of its stored bytes.
    pub footer_crc: u32,
}

impl Trailer {
    /// Its bytes.
    pub fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = Vec::with_capacity(TRAILER_BYTES);
        bytes.extend_from_slice(&TRAILER_MAGIC);
        bytes.extend_from_slice(&self.footer_stored.to_le_bytes());
        bytes.extend_from_slice(&self.footer_offset.to_le_bytes());
        bytes.extend_from_slice(&self.footer_raw.to_le_bytes());
        bytes.extend_from_slice(&self.footer_crc.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.first_chunk().copied().unwrap_or_default()
    }

    /// Reads the trailer of a file that is `file_len` bytes long.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound, or the file is not as long as it says.
    pub fn decode(bytes: &[u8], file_len: u64) -> Result<Self, Fault> {
        let trailer = Self::decode_anywhere(bytes)?;
        let end = trailer.footer_offset.checked_add(u64::from(trailer.footer_stored));
        if end.and_then(|end| end.checked_add(len_u64(TRAILER_BYTES))) != Some(file_len) {
            return Err(Fault::Meaning { what: "a snapshot segment has another length than its end says" });
        }
        Ok(trailer)
    }

    /// Reads a trailer that need not stand where it says, as in a file to which bytes were added.
    pub(crate) fn decode_anywhere(bytes: &[u8]) -> Result<Self, Fault> {
        let what = "the end of a snapshot segment";
        if bytes.len() < TRAILER_BYTES {
            let (needed, have) = (len_u64(TRAILER_BYTES), len_u64(bytes.len()));
            return Err(Fault::Truncated { what, needed, have });
        }
        if !bytes.starts_with(&TRAILER_MAGIC) {
            return Err(Fault::Magic { what });
        }
        let covered = bytes.get(..TRAILER_BYTES.saturating_sub(4)).unwrap_or_default();
        let (stored, computed) = (u32_at(bytes, TRAILER_BYTES.saturating_sub(4)), crc32fast::hash(covered));
        if stored != computed {
            return Err(Fault::Checksum { what, stored, computed });
        }
        if u32_at(bytes, 24) != 0 {
            return Err(Fault::Meaning {
                what: "the end of a snapshot segment says what this version does not know",
            });
        }
        Ok(Self {
            footer_stored: u32_at(bytes, 4),
            footer_offset: u64_at(bytes, 8),
            footer_raw: u32_at(bytes, 16),
            footer_crc: u32_at(bytes, 20),
        })
    }
}

impl Footer {
    /// Its stored bytes, and the trailer for an index that begins at `offset` in a file that is sealed with `seal`.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, offset: u64, seal: Option<&FileSeal>) -> Result<(Vec<u8>, Trailer), Fault> {
        let raw = match seal {
            Some(seal) => codec::to_bytes(&self.hide_sums(seal, offset)?)?,
            None => codec::to_bytes(self)?,
        };
        let stored = zstd::bulk::compress(&raw, INDEX_LEVEL).map_err(cannot_compress)?;
        let too_large = |found: usize| DecodeError::TooLarge {
            what: "the index of a snapshot segment",
            found: len_u64(found),
            max: len_u64(MAX_DOCUMENT_BYTES),
        };
        let size = |len: usize| {
            u32::try_from(len).ok().filter(|_| len <= MAX_DOCUMENT_BYTES).ok_or_else(|| too_large(len))
        };
        let trailer = Trailer {
            footer_offset: offset,
            footer_stored: size(stored.len())?,
            footer_raw: size(raw.len())?,
            footer_crc: crc32fast::hash(&stored),
        };
        Ok((stored, trailer))
    }

    /// Reads the index that `trailer` speaks of. `blocks_from`: where the blocks begin in the file. One whose lock is shut
    /// has no sums.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound or contradicts itself.
    pub fn decode(trailer: &Trailer, stored: &[u8], blocks_from: u64, lock: &Lock) -> Result<Self, Fault> {
        let mut footer = Self::parse(trailer, stored)?;
        match lock {
            Lock::None => {}
            Lock::Open(seal) => footer.show_sums(Some(seal), trailer.footer_offset)?,
            Lock::Shut { .. } => footer.show_sums(None, trailer.footer_offset)?,
        }
        check::index(&footer, blocks_from, trailer.footer_offset)?;
        Ok(footer)
    }

    /// As [`decode`](Self::decode), of a file of which it is not known where its blocks begin: they end with the index.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub(crate) fn decode_headless(trailer: &Trailer, stored: &[u8]) -> Result<Self, Fault> {
        let footer = Self::parse(trailer, stored)?;
        let chunks = footer.increments.iter().flat_map(|increment| &increment.chunks);
        let blocks = chunks.fold(0_u64, |sum, chunk| sum.saturating_add(chunk.stored()));
        check::index(&footer, trailer.footer_offset.saturating_sub(blocks), trailer.footer_offset)?;
        Ok(footer)
    }

    fn parse(trailer: &Trailer, stored: &[u8]) -> Result<Self, Fault> {
        let what = "the index of a snapshot segment";
        let computed = crc32fast::hash(stored);
        if computed != trailer.footer_crc {
            return Err(Fault::Checksum { what, stored: trailer.footer_crc, computed });
        }
        let raw_len = usize::try_from(trailer.footer_raw).unwrap_or(usize::MAX);
        if raw_len > MAX_DOCUMENT_BYTES {
            let max = len_u64(MAX_DOCUMENT_BYTES);
            return Err(Fault::Length { what, found: u64::from(trailer.footer_raw), min: 1, max });
        }
        let raw = decompress(stored, raw_len, what)?;
        Ok(codec::from_bytes(&raw)?)
    }
}

/// zstd level of the index.
const INDEX_LEVEL: i32 = 9;

/// Exactly `raw` bytes.
fn decompress(stored: &[u8], raw: usize, what: &'static str) -> Result<Vec<u8>, Fault> {
    let wrong = |_| Fault::Meaning { what: "a compressed block cannot be decompressed" };
    let bytes = unzip(stored, raw).map_err(wrong)?;
    if bytes.len() == raw {
        return Ok(bytes);
    }
    let (found, raw) = (len_u64(bytes.len()), len_u64(raw));
    Err(Fault::Length { what, found, min: raw, max: raw })
}

/// zstd says no more than that it cannot.
fn cannot_compress(_: std::io::Error) -> Fault {
    Fault::Meaning { what: "a block cannot be compressed" }
}
