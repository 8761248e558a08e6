//! What an index and an increment must keep to, checked without the graph beneath.

use super::{Chunk, DecodedChunk, Footer, Increment, MAX_BLOCK_BYTES, MAX_CHUNK_ENTRIES, Stand};
use crate::codec::Encoder;
use crate::format::Fault;
use crate::model::fingerprint::Sum;
use crate::model::marker::Ordinals;
use crate::model::row::RowKind;

fn wrong(what: &'static str) -> Result<(), Fault> {
    Err(Fault::Meaning { what })
}

/// That an index makes sense, and its blocks lie between the header and itself.
pub(super) fn index(footer: &Footer, blocks_from: u64, blocks_to: u64) -> Result<(), Fault> {
    if footer.increments.is_empty() {
        return wrong("a snapshot segment holds no increment");
    }
    let mut before: Option<&Stand> = None;
    let mut at = blocks_from;
    for increment in &footer.increments {
        let Increment { from, to, level, chunks } = increment;
        if before.is_some_and(|before| before != from) {
            return wrong("an increment does not begin where the one before it ends");
        }
        if from.seq.0 == 0 && *from != Stand::empty() {
            return wrong("the empty graph is not empty");
        }
        if from.seq >= to.seq || from.time > to.time || !ascend(&from.ordinals, &to.ordinals) {
            return wrong("an increment ends before it begins");
        }
        if from.counts.high_water > to.counts.high_water || to.counts.nodes > to.counts.high_water {
            return wrong("an increment has a high-water mark that cannot be");
        }
        if !(1..=22).contains(level) {
            return wrong("an increment has a compression level that zstd lacks");
        }
        at = chunks_of(chunks, at)?;
        before = Some(to);
    }
    if at != blocks_to {
        return wrong("the blocks of a snapshot segment do not end where its index begins");
    }
    Ok(())
}

fn chunks_of(chunks: &[Chunk], mut at: u64) -> Result<u64, Fault> {
    let cannot = |what: &'static str| Err(Fault::Meaning { what });
    let mut before: Option<&Chunk> = None;
    for chunk in chunks {
        if let Some(before) = before
            && (before.kind, before.last) >= (chunk.kind, chunk.first)
        {
            return cannot("the chunks of an increment do not ascend");
        }
        if chunk.entries == 0 || chunk.entries > MAX_CHUNK_ENTRIES || chunk.tombstones > chunk.entries {
            return cannot("a chunk has a number of entries that cannot be");
        }
        let room = chunk.last.checked_sub(chunk.first).map(u64::from);
        if room.is_none_or(|room| room.saturating_add(1) < u64::from(chunk.entries)) {
            return cannot("a chunk has more entries than ordinals");
        }
        if chunk.offset != at {
            return cannot("the chunks of a snapshot segment do not follow each other");
        }
        let ascending = chunk.columns.is_sorted_by(|one, other| one.column < other.column);
        if !ascending || chunk.columns.iter().any(|block| block.raw == 0 || block.raw > MAX_BLOCK_BYTES) {
            return cannot("the columns of a chunk do not ascend, or are too large");
        }
        at = at.saturating_add(chunk.stored());
        before = Some(chunk);
    }
    Ok(at)
}

fn ascend(from: &Ordinals, to: &Ordinals) -> bool {
    from.node <= to.node && from.edge <= to.edge && from.name <= to.name && from.item <= to.item
}

/// Sums up the entries of an increment: that it gives what it says, from what it says that it begins with.
#[derive(Debug)]
pub struct LayoutCheck<'a> {
    increment: &'a Increment,
    layout: Sum,
    names: u32,
    /// Nodes, edges and items.
    alive: [i128; 3],
    scratch: Encoder,
}

impl<'a> LayoutCheck<'a> {
    /// Before the first chunk.
    pub fn new(increment: &'a Increment) -> Self {
        let from = &increment.from;
        let counts = [from.counts.nodes, from.counts.edges, from.counts.items].map(i128::from);
        Self {
            increment,
            layout: from.layout,
            names: from.ordinals.name.0,
            alive: counts,
            scratch: Encoder::new(),
        }
    }

    /// Takes in the next chunk.
    pub fn add(&mut self, chunk: &DecodedChunk) {
        for entry in (0..chunk.len()).filter_map(|at| chunk.entry(at)) {
            if let Some(row) = &entry.row {
                self.layout.add(row.layout(entry.ordinal, &mut self.scratch));
            }
            self.layout.sub(entry.replaces.unwrap_or_default());
            let change = i128::from(entry.row.is_some()).wrapping_sub(i128::from(entry.replaces.is_some()));
            let [nodes, edges, items] = &mut self.alive;
            let count = match chunk.kind() {
                RowKind::Node => nodes,
                RowKind::Edge => edges,
                RowKind::Item => items,
                RowKind::Name => {
                    self.names = self.names.saturating_add(1);
                    continue;
                }
                RowKind::Graph => continue,
            };
            *count = count.wrapping_add(change);
        }
    }

    /// After the last chunk.
    ///
    /// # Errors
    /// If the sum, a count, or the number of names is not what the increment says.
    pub fn finish(self) -> Result<(), Fault> {
        let to = &self.increment.to;
        if self.layout != to.layout {
            return wrong("an increment does not sum to what it says");
        }
        let counts = [to.counts.nodes, to.counts.edges, to.counts.items].map(i128::from);
        if self.alive != counts || self.names != to.ordinals.name.0 {
            return wrong("an increment gives other numbers of nodes, edges, items or names than it says");
        }
        Ok(())
    }
}
