//! What the index of a sealed snapshot segment keeps to those who have the key: the layout sums, by which a guess at
//! what changed could be tried. Everything else in an index is places, lengths, counts and times, and is authenticated.

use super::{Footer, Increment};
use crate::codec;
use crate::format::Fault;
use crate::format::seal::{FileSeal, SEALED_EXTENSION};
use crate::format::segment::Extension;
use crate::model::fingerprint::Sum;

const WHAT: &str = "the index of a snapshot segment";

impl Footer {
    /// As it stands in the file, at `offset`: without sums, and with them sealed.
    pub(super) fn hide_sums(&self, seal: &FileSeal, offset: u64) -> Result<Self, Fault> {
        let sums: Vec<(Sum, Sum)> = self.increments.iter().map(sums).collect();
        let mut hidden = self.clone();
        for increment in &mut hidden.increments {
            (increment.from.layout, increment.to.layout) = Default::default();
        }
        let mut data = Vec::new();
        seal.seal(offset, &codec::to_bytes(&hidden)?, &codec::to_bytes(&sums)?, &mut data)?;
        hidden.extensions.push(Extension { tag: SEALED_EXTENSION, data });
        Ok(hidden)
    }

    /// Takes out what is sealed; with the key, puts it where it belongs.
    pub(super) fn show_sums(&mut self, seal: Option<&FileSeal>, offset: u64) -> Result<(), Fault> {
        let unsealed = || Fault::Unsealed { what: WHAT };
        let last = self.extensions.pop().filter(|extension| extension.tag == SEALED_EXTENSION);
        let sealed = last.ok_or_else(unsealed)?.data;
        if self.increments.iter().any(|increment| sums(increment) != Default::default()) {
            return Err(unsealed());
        }
        let Some(seal) = seal else { return Ok(()) };
        let opened = seal.open(WHAT, offset, &codec::to_bytes(self)?, &sealed)?;
        let sums: Vec<(Sum, Sum)> = codec::from_bytes(&opened)?;
        if sums.len() != self.increments.len() {
            return Err(Fault::Sealed { what: WHAT });
        }
        for (increment, (from, to)) in self.increments.iter_mut().zip(sums) {
            (increment.from.layout, increment.to.layout) = (from, to);
        }
        Ok(())
    }
}

fn sums(increment: &Increment) -> (Sum, Sum) {
    (increment.from.layout, increment.to.layout)
}
