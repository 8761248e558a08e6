//! A hash table of ordinals.

use hashbrown::HashTable;

/// An entity in a hash table, with half of its hash: a look-up passes over others without looking at their rows, and a
/// table grows without hashing anything again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named<T> {
    hash: u32,
    ord: T,
}

impl<T> Named<T> {
    fn new(hash: u64, ord: T) -> Self {
        // The upper half: a table takes its buckets from the lower bits of what `full` makes of it, and the bits that
        // tell entries of a bucket apart from the upper ones.
        Self { hash: u32::try_from(hash >> 32).unwrap_or_default(), ord }
    }

    fn full(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

/// Entities of one kind by their hash.
#[derive(Debug)]
pub(super) struct ByHash<T>(HashTable<Named<T>>);

impl<T> Default for ByHash<T> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<T: Copy + PartialEq> ByHash<T> {
    pub(super) fn reserve(&mut self, more: usize) {
        self.0.reserve(more, Named::full);
    }

    pub(super) fn find(&self, hash: u64, is: impl Fn(T) -> bool) -> Option<T> {
        let wanted = Named::new(hash, ());
        self.0.find(wanted.full(), |one| one.hash == wanted.hash && is(one.ord)).map(|one| one.ord)
    }

    pub(super) fn insert(&mut self, hash: u64, ord: T) {
        let one = Named::new(hash, ord);
        self.0.insert_unique(one.full(), one, Named::full);
    }

    pub(super) fn remove(&mut self, hash: u64, ord: T) {
        let one = Named::new(hash, ord);
        if let Ok(entry) = self.0.find_entry(one.full(), |other| *other == one) {
            entry.remove();
        }
    }

    pub(super) fn replace(&mut self, hash: u64, ord: T, by: T) {
        let one = Named::new(hash, ord);
        if let Some(place) = self.0.find_mut(one.full(), |other| *other == one) {
            place.ord = by;
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
