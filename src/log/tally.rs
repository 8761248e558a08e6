//! Births and living nodes, counted off the events: what a manifest says of a position, without the graph there.

use super::compaction::count_birth;
use super::replay::Target;
use crate::model::marker::{Counts, GraphKind, Ordinals};
use crate::model::position::Seq;
use crate::model::record::{Inconsistency, Record};
use crate::model::time::Timestamp;

/// The count.
#[derive(Debug)]
pub(crate) struct Tally {
    kind: GraphKind,
    next: Ordinals,
    nodes: u64,
    high_water: u64,
}

impl Tally {
    /// On from a position where these are known.
    pub(crate) fn new(kind: GraphKind, next: Ordinals, counts: Counts) -> Self {
        Self { kind, next, nodes: counts.nodes, high_water: counts.high_water }
    }

    /// The most nodes that were ever alive at once.
    pub(crate) fn high_water(&self) -> u64 {
        self.high_water
    }

    /// The next birth numbers.
    pub(crate) fn births(&self) -> Ordinals {
        self.next
    }
}

impl Target for Tally {
    fn kind(&self) -> GraphKind {
        self.kind
    }

    fn ordinals(&self) -> Ordinals {
        self.next
    }

    fn take(&mut self, record: &Record<'_>, _: Seq, _: Timestamp) -> Result<(), Inconsistency> {
        count_birth(&mut self.next, record)?;
        match record {
            Record::NodeBorn { .. } => {
                self.nodes = self.nodes.saturating_add(1);
                self.high_water = self.high_water.max(self.nodes);
            }
            Record::NodeDied { .. } => self.nodes = self.nodes.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }
}
