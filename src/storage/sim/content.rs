//! The bytes of one simulated file: what is seen, what is durable, and what a crash leaves.

use super::{Fate, SECTOR_BYTES, Unit};
use crate::codec::len_u64;

/// The bytes of a file. They only grow, so all that a sync has to write lies from `clean` on.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// The newest name, to call it by when a crash is decided.
    pub(super) name: String,
    pub(super) visible: Vec<u8>,
    durable: Vec<u8>,
    /// The next sync writes the sectors of the visible bytes from here on, and none before. After a sync that
    /// dropped its data this is past the end of `durable`: that is the hole which nobody will ever be told of.
    clean: usize,
    /// The ends of the appends past `clean`.
    grown_to: Vec<usize>,
}

impl Content {
    /// Bytes of which nothing is unsynced.
    pub(super) fn settled(name: &str, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            clean: bytes.len(),
            visible: bytes.clone(),
            durable: bytes,
            grown_to: Vec::new(),
        }
    }

    /// The unsynced part of each unsynced sector, as (number of the sector, start, end) in bytes.
    fn dirty(&self) -> Vec<(usize, usize, usize)> {
        let mut parts = Vec::new();
        let mut start = self.clean;
        while start < self.visible.len() {
            let sector = start / SECTOR_BYTES;
            let end = sector.saturating_add(1).saturating_mul(SECTOR_BYTES).min(self.visible.len());
            parts.push((sector, start, end));
            start = end;
        }
        parts
    }

    /// All that is unsynced.
    pub(super) fn units(&self) -> Vec<Unit> {
        let sectors = self
            .dirty()
            .into_iter()
            .map(|(sector, ..)| Unit::Sector { file: self.name.clone(), index: len_u64(sector) });
        let starts = std::iter::once(&self.clean).chain(&self.grown_to);
        let growths = starts.zip(&self.grown_to).map(|(from, to)| Unit::Growth {
            file: self.name.clone(),
            from: len_u64(*from),
            to: len_u64(*to),
        });
        sectors.chain(growths).collect()
    }

    /// Grows by these bytes; a growth by none is no unit.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.visible.extend_from_slice(bytes);
            self.grown_to.push(self.visible.len());
        }
    }

    /// A sync that succeeds.
    pub(super) fn sync(&mut self) {
        if self.clean < self.visible.len() {
            // Sectors are written whole, from what is visible: so a dropped piece comes back where its sector is
            // written again, and nowhere else.
            let from = self.clean / SECTOR_BYTES * SECTOR_BYTES;
            self.durable.resize(self.visible.len(), 0);
            copy_range(&self.visible, &mut self.durable, from, self.visible.len());
        }
        self.call_clean();
    }

    /// Takes all for written, which after a dropping sync it is not.
    pub(super) fn call_clean(&mut self) {
        self.clean = self.visible.len();
        self.grown_to.clear();
    }

    /// What a crash leaves of the file.
    pub(super) fn after_crash(&self, choose: &mut dyn FnMut(Unit) -> Fate) -> Vec<u8> {
        let fates: Vec<Fate> = self.units().into_iter().map(choose).collect();
        let parts = self.dirty();
        let (sector_fates, growth_fates) = fates.split_at(parts.len().min(fates.len()));

        let mut bytes = self.durable.clone();
        bytes.resize(self.visible.len(), 0);
        for (&(sector, start, end), fate) in parts.iter().zip(sector_fates) {
            match fate {
                Fate::Survives => {
                    copy_range(&self.visible, &mut bytes, sector.saturating_mul(SECTOR_BYTES), end);
                }
                Fate::Torn => copy_range(&self.visible, &mut bytes, start, midpoint(start, end)),
                Fate::Lost | Fate::Zeroed => {}
            }
        }

        let mut len = self.durable.len();
        let mut from = self.clean;
        for (&to, fate) in self.grown_to.iter().zip(growth_fates) {
            match fate {
                Fate::Survives => len = to,
                Fate::Torn => len = midpoint(from, to),
                Fate::Lost | Fate::Zeroed => {}
            }
            from = to;
        }
        bytes.truncate(len);
        bytes
    }
}

fn midpoint(from: usize, to: usize) -> usize {
    from.saturating_add(to.saturating_sub(from) / 2)
}

fn copy_range(from: &[u8], to: &mut [u8], start: usize, end: usize) {
    if let (Some(from), Some(to)) = (from.get(start..end), to.get_mut(start..end)) {
        to.copy_from_slice(from);
    }
}
