//! Reading snapshot segments.

use memchr::memmem;

use super::error::{Error, Result};
use crate::codec::len_u64;
use crate::format::header::{FileKind, MAX_SEGMENT_HEADER_BYTES, PREFIX_BYTES, Prefix};
use crate::format::manifest::{IncrementEntry, SnapshotEntry};
use crate::format::seal::Lock;
use crate::format::snapshot::{
    Block, Chunk, Column, DecodedChunk, Footer, Increment, SnapshotHead, TRAILER_BYTES, TRAILER_MAGIC,
    Trailer,
};
use crate::format::{Fault, header, names};
use crate::model::marker::GraphKind;
use crate::model::position::LogId;
use crate::model::row::RowKind;
use crate::model::time::Timestamp;
use crate::storage::{self, ReadFile, Storage};

/// How much is searched at once.
const CHUNK_BYTES: usize = 1 << 20;

/// An open snapshot segment: its header and its index. What it holds is read when it is asked for.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: String,
    pub(crate) prefix: Prefix,
    pub(crate) head: SnapshotHead,
    pub(crate) footer: Footer,
    pub(crate) trailer: Trailer,
    pub(crate) file_len: u64,
    lock: Lock,
    file: Box<dyn ReadFile>,
}

impl SnapshotFile {
    /// Opens a segment that the manifest names, and compares the two.
    pub(crate) fn open(
        storage: &dyn Storage,
        log_id: LogId,
        kind: GraphKind,
        entry: &SnapshotEntry,
    ) -> Result<Self> {
        let snapshot = Self::open_as(storage, &names::snapshot(entry.id))?;
        snapshot.check_entry(log_id, kind, entry)?;
        Ok(snapshot)
    }

    /// That the file is the one that a manifest means.
    pub(crate) fn check_entry(&self, log_id: LogId, kind: GraphKind, entry: &SnapshotEntry) -> Result<()> {
        let damage = |fault| Err(self.damage(0, fault));
        if self.prefix.log_id != log_id {
            return damage(Fault::ForeignLog { expected: log_id, found: self.prefix.log_id });
        }
        if self.prefix.number != entry.id.0 {
            let (expected, found) = (entry.id.0, self.prefix.number);
            return damage(Fault::ForeignFile { what: "the header of a snapshot segment", expected, found });
        }
        if self.head.kind != kind {
            let what = "the segment is of another kind of graph than the manifest says";
            return damage(Fault::Meaning { what });
        }
        let same = |(increment, listed): (&Increment, &IncrementEntry)| {
            increment.from.seq == listed.from && increment.to.seq == listed.to
        };
        let increments = &self.footer.increments;
        let as_listed = self.file_len == entry.length
            && self.trailer.footer_crc == entry.footer_crc
            && increments.len() == entry.increments.len()
            && increments.iter().zip(&entry.increments).all(same);
        if !as_listed {
            return damage(Fault::Meaning { what: "the segment is not the one that the manifest names" });
        }
        Ok(())
    }

    /// Opens the file `name`, whatever log it says it belongs to.
    pub(crate) fn open_as(storage: &dyn Storage, name: &str) -> Result<Self> {
        let opened = Opened::open(storage, name)?;
        let prefix =
            header::prefix(FileKind::Snapshot, &opened.read(0, PREFIX_BYTES)?, MAX_SEGMENT_HEADER_BYTES)
                .map_err(|fault| opened.damage(0, fault))?;
        let envelope = opened.read(0, prefix.length)?;
        let (prefix, head) = SnapshotHead::decode(&envelope).map_err(|fault| opened.damage(0, fault))?;
        let lock = Lock::of(&head.encryption, &envelope, storage::ring(storage));
        let lock = lock.map_err(|fault| opened.damage(0, fault))?;
        let (trailer, stored) = opened.index()?;
        let footer = Footer::decode(&trailer, &stored, len_u64(prefix.length), &lock)
            .map_err(|fault| opened.damage(trailer.footer_offset, fault))?;
        Ok(opened.into_file(prefix, head, footer, trailer, lock))
    }

    /// Opens a file of which no header can be read, by its index, wherever that stands; `number` is that of its name.
    pub(crate) fn open_headless(
        storage: &dyn Storage,
        name: &str,
        number: u64,
        kind: GraphKind,
    ) -> Result<Self> {
        let opened = Opened::open(storage, name)?;
        let (trailer, stored) = match opened.index() {
            Err(error) if error.is_damage() => opened.index_anywhere()?.ok_or(error)?,
            index => index?,
        };
        let footer = Footer::decode_headless(&trailer, &stored)
            .map_err(|fault| opened.damage(trailer.footer_offset, fault))?;
        let head =
            SnapshotHead { created: Timestamp::MIN, kind, encryption: Vec::new(), extensions: Vec::new() };
        Ok(opened.into_file(Prefix::unknown(number), head, footer, trailer, Lock::None))
    }

    pub(crate) fn damage(&self, offset: u64, fault: Fault) -> Error {
        Error::Damage { path: self.path.clone(), offset: Some(offset), fault }
    }

    /// The bytes of the block that begins at `offset`, as they were before they were sealed.
    pub(crate) fn opened(&self, offset: u64, block: &Block) -> Result<Vec<u8>> {
        let stored = self.block(offset, block)?;
        let opened = block.open(offset, &stored, &self.lock).map_err(|fault| self.damage(offset, fault))?;
        Ok(opened.into_owned())
    }

    /// Compares the blocks of a chunk with their checksums, for which no key is needed.
    pub(crate) fn check_stored(&self, chunk: &Chunk) -> Result<()> {
        let mut offset = chunk.offset;
        for block in &chunk.columns {
            block.check(&self.block(offset, block)?).map_err(|fault| self.damage(offset, fault))?;
            offset = offset.saturating_add(u64::from(block.stored));
        }
        Ok(())
    }

    /// Whether what it holds is sealed, and the key is not there.
    pub(crate) fn is_shut(&self) -> bool {
        self.lock.is_shut()
    }

    /// The stored bytes of the block that begins at `offset`.
    fn block(&self, offset: u64, block: &Block) -> Result<Vec<u8>> {
        let len = usize::try_from(block.stored).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        self.file.read_exact_at(offset, &mut bytes).map_err(Error::io("read", self.path.clone()))?;
        Ok(bytes)
    }

    /// Reads a chunk of an increment.
    pub(crate) fn chunk(&self, increment: &Increment, chunk: &Chunk) -> Result<DecodedChunk> {
        self.decoded(increment, chunk, DecodedChunk::decode, true)
    }

    /// Reads a chunk of an increment, without stamps.
    pub(crate) fn rows(&self, increment: &Increment, chunk: &Chunk) -> Result<DecodedChunk> {
        self.decoded(increment, chunk, DecodedChunk::decode_rows, chunk.kind == RowKind::Name)
    }

    fn decoded(
        &self,
        increment: &Increment,
        chunk: &Chunk,
        decode: impl Fn(
            &Chunk,
            &[&[u8]],
            &Lock,
            GraphKind,
            &Increment,
        ) -> std::result::Result<DecodedChunk, Fault>,
        stamps: bool,
    ) -> Result<DecodedChunk> {
        let mut stored = Vec::with_capacity(chunk.columns.len());
        let mut offset = chunk.offset;
        for block in &chunk.columns {
            let needed = stamps || block.column != Column::Stamps;
            stored.push(if needed { self.block(offset, block)? } else { Vec::new() });
            offset = offset.saturating_add(u64::from(block.stored));
        }
        let blocks: Vec<&[u8]> = stored.iter().map(Vec::as_slice).collect();
        decode(chunk, &blocks, &self.lock, self.head.kind, increment)
            .map_err(|fault| self.damage(chunk.offset, fault))
    }
}

/// A file of which nothing was read yet.
struct Opened {
    path: String,
    file: Box<dyn ReadFile>,
    file_len: u64,
}

impl Opened {
    fn open(storage: &dyn Storage, name: &str) -> Result<Self> {
        let path = storage.location(name);
        let file = storage.open(name).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path: path.clone(), named_by: "the manifest" },
            _ => Error::Io { action: "open", path: path.clone(), source: e },
        })?;
        let file_len = file.len().map_err(Error::io("measure", path.clone()))?;
        Ok(Self { path, file, file_len })
    }

    /// At most `len` bytes: fewer where the file ends.
    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let left = usize::try_from(self.file_len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(left)];
        self.file.read_exact_at(offset, &mut bytes).map_err(Error::io("read", self.path.clone()))?;
        Ok(bytes)
    }

    /// The trailer, and the stored index.
    fn index(&self) -> Result<(Trailer, Vec<u8>)> {
        let trailer_at = self.file_len.saturating_sub(len_u64(TRAILER_BYTES));
        let trailer = Trailer::decode(&self.read(trailer_at, TRAILER_BYTES)?, self.file_len)
            .map_err(|fault| self.damage(trailer_at, fault))?;
        let stored = usize::try_from(trailer.footer_stored).unwrap_or(usize::MAX);
        let index = self.read(trailer.footer_offset, stored)?;
        Ok((trailer, index))
    }

    /// The same where they are not at the end of the file, or not where they say: the last ones that can be read.
    fn index_anywhere(&self) -> Result<Option<(Trailer, Vec<u8>)>> {
        let finder = memmem::Finder::new(&TRAILER_MAGIC);
        let (mut at, mut last) = (0_u64, None);
        while at.saturating_add(len_u64(TRAILER_BYTES)) <= self.file_len {
            let chunk = self.read(at, CHUNK_BYTES)?;
            for found in finder.find_iter(&chunk) {
                let trailer = Trailer::decode_anywhere(chunk.get(found..).unwrap_or_default());
                if let Ok(trailer) = trailer {
                    last = Some((at.saturating_add(len_u64(found)), trailer));
                }
            }
            // One that begins near the end of this chunk is looked at again, whole, in the next.
            let step = chunk.len().saturating_sub(TRAILER_BYTES.saturating_sub(1)).max(1);
            at = at.saturating_add(len_u64(step));
        }
        let Some((end, trailer)) = last else { return Ok(None) };
        let stored = usize::try_from(trailer.footer_stored).unwrap_or(usize::MAX);
        // It ends where the trailer begins, whatever lies between it and the blocks.
        let Some(begin) = end.checked_sub(u64::from(trailer.footer_stored)) else { return Ok(None) };
        Ok(Some((trailer, self.read(begin, stored)?)))
    }

    fn damage(&self, offset: u64, fault: Fault) -> Error {
        Error::Damage { path: self.path.clone(), offset: Some(offset), fault }
    }

    fn into_file(
        self,
        prefix: Prefix,
        head: SnapshotHead,
        footer: Footer,
        trailer: Trailer,
        lock: Lock,
    ) -> SnapshotFile {
        let Self { path, file, file_len } = self;
        SnapshotFile { path, prefix, head, footer, trailer, file_len, lock, file }
    }
}
