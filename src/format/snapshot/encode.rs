//! Writing a snapshot segment: entries in, bytes out, a chunk at a time.

use super::chunk::ChunkBuilder;
use super::{Block, Chunk, Footer, Increment, SnapshotHead, Stand, Trailer, cannot_compress};
use crate::codec::{Encoder, len_u64};
use crate::format::Fault;
use crate::format::seal::{FileSeal, Sealing};
use crate::model::fingerprint::Sum;
use crate::model::marker::{Counts, Ordinals};
use crate::model::position::{LogId, SegmentId, Seq};
use crate::model::row::{Entry, RowKind};
use crate::model::time::Timestamp;

/// Makes the bytes of a snapshot segment. It holds no more than one chunk, the index, and what was not
/// [taken](Self::take) yet.
///
/// Increments come one after the other: [`begin`](Self::begin), entries of kinds in order and ordinals ascending,
/// [`end`](Self::end); or [`copy`](Self::copy), for one of another file.
pub struct SnapshotEncoder {
    out: Vec<u8>,
    /// Where `out` ends in the file.
    offset: u64,
    seal: Option<FileSeal>,
    increments: Vec<Increment>,
    open: Option<Open>,
    scratch: Encoder,
}

/// The increment that is being written.
struct Open {
    from: Stand,
    level: u8,
    layout: Sum,
    chunks: Vec<Chunk>,
    chunk: Option<ChunkBuilder>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl std::fmt::Debug for SnapshotEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotEncoder").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl SnapshotEncoder {
    /// Begins a file.
    ///
    /// # Errors
    /// If the header does not encode.
    pub fn new(
        head: &SnapshotHead,
        log_id: LogId,
        id: SegmentId,
        sealing: Option<Sealing<'_>>,
    ) -> Result<Self, Fault> {
        let encryption = sealing.as_ref().map_or_else(|| Ok(Vec::new()), |sealing| sealing.head.encode())?;
        let out = SnapshotHead { encryption, ..head.clone() }.encode(log_id, id)?;
        let seal = sealing.map(|Sealing { keys, head }| keys.seal(&head, &out)).transpose()?;
        let offset = len_u64(out.len());
        Ok(Self { out, offset, seal, increments: Vec::new(), open: None, scratch: Encoder::new() })
    }

    /// Begins an increment at `from`.
    ///
    /// # Errors
    /// If zstd refuses the level.
    pub fn begin(&mut self, from: Stand, level: u8) -> Result<(), Fault> {
        let compressor = zstd::bulk::Compressor::new(i32::from(level)).map_err(cannot_compress)?;
        let layout = from.layout;
        self.open = Some(Open { from, level, layout, chunks: Vec::new(), chunk: None, compressor });
        Ok(())
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// If a column outgrows what a block may have.
    pub fn push(&mut self, kind: RowKind, entry: &Entry<'_>) -> Result<(), Fault> {
        let Some(open) = &mut self.open else { return Err(none_open()) };
        // What changed stands apart from what was born: a merge comes to the one early and to the other late, and holds
        // the chunk as long as it is on its way through it.
        let begins_births = |chunk: &ChunkBuilder| chunk.has_old() && entry.replaces.is_none();
        if open.chunk.as_ref().is_some_and(|c| c.kind != kind || c.is_full() || begins_births(c)) {
            open.close_chunk(&mut self.offset, self.seal.as_ref(), &mut self.out)?;
        }
        if let Some(row) = &entry.row {
            open.layout.add(row.layout(entry.ordinal, &mut self.scratch));
        }
        open.layout.sub(entry.replaces.unwrap_or_default());
        open.chunk.get_or_insert_with(|| ChunkBuilder::new(kind)).push(entry);
        Ok(())
    }

    /// Ends the increment after the event `seq`; returns where it has come to.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn end(
        &mut self,
        seq: Seq,
        time: Timestamp,
        ordinals: Ordinals,
        counts: Counts,
    ) -> Result<Stand, Fault> {
        let Some(mut open) = self.open.take() else { return Err(none_open()) };
        open.close_chunk(&mut self.offset, self.seal.as_ref(), &mut self.out)?;
        let to = Stand { seq, time, ordinals, counts, layout: open.layout };
        let Open { from, level, chunks, .. } = open;
        self.increments.push(Increment { from, to: to.clone(), level, chunks });
        Ok(to)
    }

    /// Takes an increment of another file over, its blocks as they are. `read` gives the stored bytes of a block, which
    /// begins at an offset of that file.
    ///
    /// # Errors
    /// What `read` says; a block that does not match its checksum.
    pub fn copy<E: From<Fault>>(
        &mut self,
        increment: &Increment,
        mut read: impl FnMut(u64, &Block) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let mut copied = Increment { chunks: Vec::new(), ..increment.clone() };
        for chunk in &increment.chunks {
            let mut from = chunk.offset;
            let offset = self.offset;
            let mut columns = Vec::with_capacity(chunk.columns.len());
            for block in &chunk.columns {
                let bytes = read(from, block)?;
                from = from.saturating_add(u64::from(block.stored));
                let Block { column, codec, raw, .. } = *block;
                let copied = super::chunk::store(
                    column,
                    codec,
                    &bytes,
                    raw,
                    self.offset,
                    self.seal.as_ref(),
                    &mut self.out,
                )?;
                self.offset = self.offset.saturating_add(u64::from(copied.stored));
                columns.push(copied);
            }
            copied.chunks.push(Chunk { offset, columns, ..chunk.clone() });
        }
        self.increments.push(copied);
        Ok(())
    }

    /// The bytes that are done, to be appended to the file.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Ends the file: the bytes that are left, and what they say.
    ///
    /// # Errors
    /// If the index does not encode, or an increment was not ended.
    pub fn finish(mut self) -> Result<(Vec<u8>, Footer, Trailer), Fault> {
        if self.open.is_some() {
            return Err(Fault::Meaning { what: "an increment was begun and not ended" });
        }
        let footer = Footer { increments: self.increments, extensions: Vec::new() };
        let (bytes, trailer) = footer.encode(self.offset, self.seal.as_ref())?;
        self.out.extend_from_slice(&bytes);
        self.out.extend_from_slice(&trailer.encode());
        Ok((self.out, footer, trailer))
    }
}

impl Open {
    fn close_chunk(
        &mut self,
        offset: &mut u64,
        seal: Option<&FileSeal>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if let Some(chunk) = self.chunk.take() {
            let done = chunk.finish(*offset, &mut self.compressor, seal, out)?;
            *offset = offset.saturating_add(done.stored());
            self.chunks.push(done);
        }
        Ok(())
    }
}

fn none_open() -> Fault {
    Fault::Meaning { what: "no increment was begun" }
}
