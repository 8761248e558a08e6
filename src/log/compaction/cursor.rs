//! Sorted lists of entries, and the merge of several: what compaction and restore are both made of.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::owned::OwnedRow;
use crate::codec::Encoder;
use crate::format::Fault;
use crate::format::snapshot::{Chunk, DecodedChunk, Increment};
use crate::log::error::{Error, Result};
use crate::log::snapshot::SnapshotFile;
use crate::model::fingerprint::Sum;
use crate::model::row::{Entry, RowKind, Stamps};

/// An entry on the heap.
#[derive(Debug, Clone)]
pub(crate) struct OwnedEntry {
    ordinal: u32,
    replaces: Option<Sum>,
    row: OwnedRow,
    stamps: Stamps,
}

impl OwnedEntry {
    pub(crate) fn new(entry: &Entry<'_>) -> Self {
        let row = entry.row.as_ref().map_or(OwnedRow::Dead, OwnedRow::from);
        Self { ordinal: entry.ordinal, replaces: entry.replaces, row, stamps: entry.stamps }
    }

    pub(crate) fn entry(&self) -> Entry<'_> {
        let Self { ordinal, replaces, row, stamps } = self;
        Entry { ordinal: *ordinal, replaces: *replaces, row: row.as_row(), stamps: *stamps }
    }
}

/// Net changes between two positions, wherever they are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// An increment of a file.
    File {
        file: Arc<SnapshotFile>,
        /// Which one of it.
        at: usize,
    },
    /// In memory: a list for each kind.
    Memory { lists: Arc<[Vec<OwnedEntry>; RowKind::ALL.len()]> },
}

impl Source {
    pub(crate) fn increment(&self) -> Option<&Increment> {
        match self {
            Self::File { file, at } => file.footer.increments.get(*at),
            Self::Memory { .. } => None,
        }
    }
}

/// Which chunks are of interest: told by the first and the last ordinal in them.
pub(crate) type Wanted<'a> = &'a dyn Fn(u32, u32) -> bool;

/// A place in the list of one kind of entries of a source.
struct Cursor<'a> {
    source: &'a Source,
    kind: RowKind,
    /// Chunks that were not read yet.
    chunks: Vec<&'a Chunk>,
    chunk: Option<DecodedChunk>,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(source: &'a Source, kind: RowKind, wanted: Wanted<'_>) -> Self {
        let of_kind = |chunk: &&Chunk| chunk.kind == kind && wanted(chunk.first, chunk.last);
        let mut chunks: Vec<_> =
            source.increment().map_or_else(Vec::new, |i| i.chunks.iter().filter(of_kind).collect());
        chunks.reverse();
        Self { source, kind, chunks, chunk: None, at: 0 }
    }

    fn memory(&self) -> Option<&'a Vec<OwnedEntry>> {
        match self.source {
            Source::Memory { lists } => {
                lists.iter().zip(RowKind::ALL).find(|(_, k)| *k == self.kind).map(|l| l.0)
            }
            Source::File { .. } => None,
        }
    }

    /// The ordinal of the present entry; `None` at the end. Nothing is read for it.
    fn ordinal(&self) -> Option<u32> {
        if let Some(list) = self.memory() {
            return list.get(self.at).map(|entry| entry.ordinal);
        }
        match &self.chunk {
            Some(chunk) => chunk.ordinal(self.at),
            None => self.chunks.last().map(|chunk| chunk.first),
        }
    }

    /// Makes sure that the present entry is in memory.
    fn load(&mut self) -> Result<()> {
        if self.chunk.is_none()
            && let Source::File { file, at } = self.source
            && let Some(increment) = file.footer.increments.get(*at)
            && let Some(chunk) = self.chunks.pop()
        {
            self.chunk = Some(file.chunk(increment, chunk)?);
            self.at = 0;
        }
        Ok(())
    }

    fn entry(&self) -> Option<Entry<'_>> {
        if let Some(list) = self.memory() {
            return list.get(self.at).map(OwnedEntry::entry);
        }
        self.chunk.as_ref()?.entry(self.at)
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
        if self.chunk.as_ref().is_some_and(|chunk| self.at >= chunk.len()) {
            self.chunk = None;
        }
    }

    fn inconsistent(&self) -> Error {
        let what = "an increment does not begin with the rows that the one before it ends with";
        match self.source {
            Source::File { file, .. } => file.damage(0, Fault::Meaning { what }),
            Source::Memory { .. } => {
                Error::Damage { path: "the events".to_owned(), offset: None, fault: Fault::Meaning { what } }
            }
        }
    }
}

/// The net change of several neighbours, oldest first, as one: the entries of one kind, in order. A later entry for the
/// same ordinal takes the place of an earlier one; what was born and died in between does not show. Holds one chunk of
/// each source at a time. From the empty graph on, this is the state itself.
///
/// Only what `wanted` asks for is handed out, and chunks without any of it are not read. Of an entity that is not
/// wanted some entries may be missing, where others stand in a chunk with one that is: nothing can be said of it.
pub(crate) fn merge(
    sources: &[Source],
    kind: RowKind,
    wanted: Wanted<'_>,
    mut emit: impl FnMut(&Entry<'_>) -> Result<()>,
) -> Result<()> {
    let mut cursors: Vec<_> = sources.iter().map(|source| Cursor::new(source, kind, wanted)).collect();
    let mut heap = BinaryHeap::with_capacity(cursors.len());
    for (at, cursor) in cursors.iter().enumerate() {
        heap.extend(cursor.ordinal().map(|ordinal| Reverse((ordinal, at))));
    }
    let mut scratch = Encoder::new();
    let mut same = Vec::new();
    while let Some(Reverse((ordinal, first))) = heap.pop() {
        same.clear();
        same.push(first);
        while let Some(Reverse((next, at))) = heap.peek().copied() {
            if next != ordinal {
                break;
            }
            heap.pop();
            same.push(at);
        }
        for at in &same {
            if let Some(cursor) = cursors.get_mut(*at) {
                cursor.load()?;
            }
        }
        let is_whole = wanted(ordinal, ordinal);
        let entry = |at: Option<&usize>| at.filter(|_| is_whole).and_then(|at| cursors.get(*at)?.entry());
        // Each entry says what it takes the place of: that must be what the one before it is.
        for pair in same.windows(2) {
            let (Some(before), Some(after)) = (entry(pair.first()), entry(pair.last())) else { continue };
            let stands = before.row.map(|row| row.layout(ordinal, &mut scratch));
            if after.replaces != stands && !(kind == RowKind::Graph && stands == Some(Sum::default())) {
                let error = pair.last().and_then(|at| cursors.get(*at)).map(Cursor::inconsistent);
                return error.map_or(Ok(()), Err);
            }
        }
        if let (Some(oldest), Some(newest)) = (entry(same.first()), entry(same.last()))
            && (oldest.replaces.is_some() || newest.row.is_some())
        {
            emit(&Entry { replaces: oldest.replaces, ..newest })?;
        }
        for at in &same {
            if let Some(cursor) = cursors.get_mut(*at) {
                cursor.advance();
                heap.extend(cursor.ordinal().map(|ordinal| Reverse((ordinal, *at))));
            }
        }
    }
    Ok(())
}
