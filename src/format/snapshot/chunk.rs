//! Building a chunk: entries into columns.

use super::values::ValuesEncoder;
use super::{Block, Chunk, Codec, Column, MAX_BLOCK_BYTES, MAX_CHUNK_ENTRIES, cannot_compress};
use crate::codec::{DecodeError, Encoder, len_u64};
use crate::format::Fault;
use crate::format::seal::{FileSeal, TAG_BYTES};
use crate::model::row::{Entry, Row, RowKind, Stamps};

/// A chunk is closed when its columns have about so many bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// Compression that saves less than this is not worth its while.
const LEAST_SAVED: usize = 8;

/// Fates of entries.
pub(super) const BORN: u8 = 0;
pub(super) const CHANGED: u8 = 1;
pub(super) const REMOVED: u8 = 2;

/// The columns of a chunk that is being built.
#[derive(Debug)]
pub(super) struct ChunkBuilder {
    pub(super) kind: RowKind,
    entries: u32,
    tombstones: u32,
    first: u32,
    last: u32,
    /// About how many bytes there are.
    bytes: usize,
    gaps: bool,
    ordinals: Encoder,
    fates: Encoder,
    all_born: bool,
    replaced: Encoder,
    stamps: [Encoder; 4],
    before: Stamps,
    ids: Encoder,
    sources: Encoder,
    source: u32,
    targets: Encoder,
    /// The largest node ordinal so far.
    newest_node: i64,
    slots: Encoder,
    attrs: ValuesEncoder,
    has_attrs: bool,
    values: Encoder,
}

impl ChunkBuilder {
    pub(super) fn new(kind: RowKind) -> Self {
        Self {
            kind,
            entries: 0,
            tombstones: 0,
            first: 0,
            last: 0,
            bytes: 0,
            gaps: false,
            ordinals: Encoder::new(),
            fates: Encoder::new(),
            all_born: true,
            replaced: Encoder::new(),
            stamps: Default::default(),
            before: Stamps::default(),
            ids: Encoder::new(),
            sources: Encoder::new(),
            source: 0,
            targets: Encoder::new(),
            newest_node: -1,
            slots: Encoder::new(),
            attrs: ValuesEncoder::default(),
            has_attrs: false,
            values: Encoder::new(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries >= MAX_CHUNK_ENTRIES || self.bytes >= CHUNK_BYTES
    }

    /// Whether it holds an entry that takes the place of another.
    pub(super) fn has_old(&self) -> bool {
        !self.replaced.is_empty()
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        let gap = if self.entries == 0 {
            self.first = entry.ordinal;
            0
        } else {
            entry.ordinal.saturating_sub(self.last).saturating_sub(1)
        };
        self.gaps |= gap > 0;
        self.ordinals.u64(u64::from(gap));
        self.last = entry.ordinal;
        self.entries = self.entries.saturating_add(1);
        let fate = match (&entry.row, entry.replaces) {
            (None, _) => REMOVED,
            (Some(_), Some(_)) => CHANGED,
            (Some(_), None) => BORN,
        };
        self.all_born &= fate == BORN;
        self.fates.u8(fate);
        if fate != BORN {
            self.replaced.raw(&entry.replaces.unwrap_or_default().0.to_le_bytes());
            self.bytes = self.bytes.saturating_add(16);
        }
        if self.kind != RowKind::Name {
            self.push_stamps(entry.stamps);
        }
        self.bytes = self.bytes.saturating_add(8);
        match entry.row {
            Some(row) => self.push_row(entry.ordinal, &row),
            None => self.tombstones = self.tombstones.saturating_add(1),
        }
    }

    fn push_stamps(&mut self, stamps: Stamps) {
        let before = std::mem::replace(&mut self.before, stamps);
        let [born, born_at, changed, changed_at] = &mut self.stamps;
        born.i64(difference(stamps.born.0, before.born.0));
        born_at.i64(stamps.born_at.0.wrapping_sub(before.born_at.0));
        changed.i64(difference(stamps.changed.0, stamps.born.0));
        changed_at.i64(stamps.changed_at.0.wrapping_sub(stamps.born_at.0));
    }

    fn push_row(&mut self, ordinal: u32, row: &Row<'_>) {
        let mut added = 0;
        match *row {
            Row::Name { text } => {
                self.ids.str(text);
                added = text.len();
            }
            Row::Node { id, attrs } => {
                self.ids.raw(id);
                self.has_attrs = true;
                added = self.attrs.push(attrs).saturating_add(id.len());
            }
            Row::Edge { src, dst, parallel, attrs } => {
                self.sources.i64(i64::from(src.0).saturating_sub(i64::from(self.source)));
                self.source = src.0;
                self.newest_node = self.newest_node.max(i64::from(src.0));
                // The target of an edge is often a node that was born with it: then this is 0.
                self.targets.i64(self.newest_node.saturating_add(1).saturating_sub(i64::from(dst.0)));
                self.newest_node = self.newest_node.max(i64::from(dst.0));
                if let Some((slot, key)) = parallel {
                    self.slots.u64(u64::from(ordinal.saturating_sub(slot.0)));
                    self.ids.raw(key);
                    added = key.len();
                }
                self.has_attrs = true;
                added = self.attrs.push(attrs).saturating_add(added);
            }
            Row::Item { key, entry, value } => {
                self.sources.u64(u64::from(key.0));
                self.ids.u8(u8::from(entry.is_some()));
                self.ids.raw(entry.unwrap_or_default());
                self.values.raw(value);
                added = entry.map_or(0, <[u8]>::len).saturating_add(value.len());
            }
            Row::Graph { attrs } => {
                self.has_attrs = true;
                added = self.attrs.push(attrs);
            }
        }
        self.bytes = self.bytes.saturating_add(added);
    }

    /// Compresses the columns; the blocks are appended to `to`, which stands at `offset` in the file.
    pub(super) fn finish(
        self,
        offset: u64,
        compressor: &mut zstd::bulk::Compressor<'_>,
        seal: Option<&FileSeal>,
        to: &mut Vec<u8>,
    ) -> Result<Chunk, Fault> {
        let (shapes, values) =
            if self.has_attrs { self.attrs.finish() } else { (Encoder::new(), self.values) };
        let mut stamps = Encoder::new();
        self.stamps.iter().for_each(|stream| stamps.raw(stream.as_slice()));
        let columns = [
            (Column::Ordinals, self.gaps.then_some(self.ordinals)),
            (Column::Fates, (!self.all_born).then_some(self.fates)),
            (Column::Replaced, Some(self.replaced)),
            (Column::Stamps, Some(stamps)),
            (Column::Ids, Some(self.ids)),
            (Column::Sources, Some(self.sources)),
            (Column::Targets, Some(self.targets)),
            (Column::Slots, Some(self.slots)),
            (Column::Shapes, Some(shapes)),
            (Column::Values, Some(values)),
        ];
        let (mut blocks, mut at) = (Vec::new(), offset);
        for (column, raw) in columns {
            let Some(raw) = raw.filter(|raw| !raw.is_empty()) else { continue };
            let block = block(column, raw.as_slice(), compressor, at, seal, to)?;
            at = at.saturating_add(u64::from(block.stored));
            blocks.push(block);
        }
        Ok(Chunk {
            kind: self.kind,
            entries: self.entries,
            tombstones: self.tombstones,
            first: self.first,
            last: self.last,
            offset,
            columns: blocks,
        })
    }
}

fn block(
    column: Column,
    raw: &[u8],
    compressor: &mut zstd::bulk::Compressor<'_>,
    at: u64,
    seal: Option<&FileSeal>,
    to: &mut Vec<u8>,
) -> Result<Block, Fault> {
    // Hashes do not compress.
    let compressed = match column {
        Column::Replaced => None,
        _ => Some(compressor.compress(raw).map_err(cannot_compress)?),
    };
    let pays = |bytes: &Vec<u8>| bytes.len().saturating_add(LEAST_SAVED) <= raw.len();
    let (codec, stored) = match &compressed {
        Some(bytes) if pays(bytes) => (Codec::Zstd, bytes.as_slice()),
        _ => (Codec::Raw, raw),
    };
    store(column, codec, stored, size(raw, u64::from(MAX_BLOCK_BYTES))?, at, seal, to)
}

/// Appends a block that is compressed already, at `at` in its file; sealed, in an encrypted log.
pub(super) fn store(
    column: Column,
    codec: Codec,
    bytes: &[u8],
    raw: u32,
    at: u64,
    seal: Option<&FileSeal>,
    to: &mut Vec<u8>,
) -> Result<Block, Fault> {
    let start = to.len();
    match seal {
        Some(seal) => seal.seal(at, &[], bytes, to)?,
        None => to.extend_from_slice(bytes),
    }
    let stored = to.get(start..).unwrap_or_default();
    let max = u64::from(MAX_BLOCK_BYTES).saturating_add(len_u64(TAG_BYTES));
    Ok(Block { column, codec, stored: size(stored, max)?, raw, crc: crc32fast::hash(stored) })
}

fn size(bytes: &[u8], max: u64) -> Result<u32, DecodeError> {
    let found = len_u64(bytes.len());
    let too_large = DecodeError::TooLarge { what: "a column of a chunk", found, max };
    u32::try_from(bytes.len()).ok().filter(|_| found <= max).ok_or(too_large)
}

/// `one - other`, of numbers that are at most half the range apart.
fn difference(one: u64, other: u64) -> i64 {
    one.wrapping_sub(other).cast_signed()
}
