//! Rows by ordinal: a sparse array that gives back the memory of what died.

use std::fmt;

const CHUNK: usize = 1024;

/// Rows numbered by birth. Looking one up takes two steps and no hashing; a chunk of rows that all died is freed, so
/// memory follows the living, not the born (but for 8 bytes for each 1,024 births).
#[derive(Clone)]
pub(crate) struct Table<T> {
    chunks: Vec<Option<Chunk<T>>>,
    next: u32,
}

#[derive(Clone)]
struct Chunk<T> {
    live: usize,
    rows: Box<[Option<T>]>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), next: 0 }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("next", &self.next).finish_non_exhaustive()
    }
}

fn place(ordinal: u32) -> (usize, usize) {
    let ordinal = usize::try_from(ordinal).unwrap_or(usize::MAX);
    (ordinal / CHUNK, ordinal % CHUNK)
}

impl<T> Table<T> {
    /// The ordinal of the next birth.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    /// Sets the next ordinal; rows from it on must be gone.
    pub(crate) fn set_next(&mut self, next: u32) {
        self.next = next;
    }

    pub(crate) fn get(&self, ordinal: u32) -> Option<&T> {
        let (chunk, row) = place(ordinal);
        self.chunks.get(chunk)?.as_ref()?.rows.get(row)?.as_ref()
    }

    /// Whether a row is there. Where none of a chunk died, as is usual, the rows themselves, which lie anywhere in memory,
    /// need not be looked at.
    pub(crate) fn contains(&self, ordinal: u32) -> bool {
        let (at, row) = place(ordinal);
        let Some(chunk) = self.chunks.get(at).and_then(Option::as_ref) else { return false };
        let next = usize::try_from(self.next).unwrap_or(usize::MAX);
        let born = next.saturating_sub(at.saturating_mul(CHUNK)).min(CHUNK);
        if chunk.live == born { row < born } else { chunk.rows.get(row).is_some_and(Option::is_some) }
    }

    pub(crate) fn get_mut(&mut self, ordinal: u32) -> Option<&mut T> {
        let (chunk, row) = place(ordinal);
        self.chunks.get_mut(chunk)?.as_mut()?.rows.get_mut(row)?.as_mut()
    }

    /// Puts a row at `ordinal`, which is at most the next one; the next one moves if it is taken.
    pub(crate) fn insert(&mut self, ordinal: u32, value: T) {
        let (chunk, row) = place(ordinal);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk.saturating_add(1), || None);
        }
        let Some(slot) = self.chunks.get_mut(chunk) else { return };
        let chunk = slot.get_or_insert_with(|| Chunk {
            live: 0,
            rows: std::iter::repeat_with(|| None).take(CHUNK).collect(),
        });
        if let Some(place) = chunk.rows.get_mut(row) {
            if place.replace(value).is_none() {
                chunk.live = chunk.live.saturating_add(1);
            }
            self.next = self.next.max(ordinal.saturating_add(1));
        }
    }

    /// Takes the row at `ordinal` out.
    pub(crate) fn remove(&mut self, ordinal: u32) -> Option<T> {
        let (chunk_at, row) = place(ordinal);
        let slot = self.chunks.get_mut(chunk_at)?;
        let chunk = slot.as_mut()?;
        let value = chunk.rows.get_mut(row)?.take()?;
        chunk.live = chunk.live.saturating_sub(1);
        if chunk.live == 0 {
            *slot = None;
        }
        Some(value)
    }

    /// How many chunks take memory.
    #[cfg(test)]
    pub(crate) fn chunks_in_memory(&self) -> usize {
        self.chunks.iter().flatten().count()
    }

    /// How many pieces [`piece`](Self::piece) has.
    pub(crate) fn pieces(&self) -> usize {
        self.chunks.len()
    }

    /// The living rows of one piece, in order of birth. Pieces follow each other.
    pub(crate) fn piece(&self, at: usize) -> impl Iterator<Item = (u32, &T)> {
        let rows = self.chunks.get(at).and_then(Option::as_ref).map(|chunk| &*chunk.rows).unwrap_or_default();
        let base = at.saturating_mul(CHUNK);
        rows.iter().enumerate().filter_map(move |(row, value)| {
            Some((u32::try_from(base.saturating_add(row)).ok()?, value.as_ref()?))
        })
    }

    /// The living rows, in order of birth.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..self.pieces()).flat_map(|at| self.piece(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_by_ordinal_and_in_order() {
        let mut table = Table::default();
        for n in 0..3000 {
            table.insert(n, n * 2);
        }
        assert!(table.contains(1500) && table.contains(2999) && !table.contains(3000));
        assert_eq!(table.remove(1500), Some(3000));
        assert!(!table.contains(1500) && table.contains(1501) && !table.contains(5000));
        table.set_next(3010);
        assert!(table.contains(2999) && !table.contains(3005));
        assert_eq!(table.get(1500), None);
        assert_eq!(table.get(2999), Some(&5998));
        assert_eq!(table.iter().count(), 2999);
        assert!(table.iter().zip(table.iter().skip(1)).all(|(a, b)| a.0 < b.0));
    }

    #[test]
    fn the_memory_of_the_dead_is_given_back_and_their_numbers_are_not() {
        let mut table = Table::default();
        for n in 0..4096 {
            table.insert(n, ());
        }
        for n in 0..4096 {
            table.remove(n);
        }
        assert_eq!(table.chunks_in_memory(), 0);
        assert_eq!(table.next(), 4096);
    }
}
