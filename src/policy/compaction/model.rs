//! Files that are nothing but their spans: steps are carried out on them, and what must hold is checked.

use std::collections::HashSet;

use super::{EventSpan, IncrementSpan, ORDINARY_LEVEL, Position, Step, Wishes, cheapest_path, next_step};
use crate::model::position::{SegmentId, Seq};
use crate::model::time::Timestamp;

/// What a crawl does to its graph, by seq.
pub(super) trait Crawl {
    /// Rows of the net change.
    fn rows(&self, from: Seq, to: Seq) -> u64;
    /// What is alive.
    fn alive(&self, at: Seq) -> u64;
    /// When an event was written.
    fn time(&self, at: Seq) -> Timestamp;
}

/// Stored bytes of a row at the ordinary level, and of an increment without rows.
const ROW_BYTES: u64 = 10;
const INCREMENT_BYTES: u64 = 200;

pub(super) struct Files<'a> {
    pub(super) crawl: &'a dyn Crawl,
    pub(super) increments: Vec<IncrementSpan>,
    pub(super) events: Vec<EventSpan>,
    next_id: u64,
    /// Bytes written by folds: the net change.
    pub(super) folded: u64,
    /// Bytes written by merges.
    pub(super) merged: u64,
    /// Bytes written because files were old.
    pub(super) compressed: u64,
    /// Bytes of full snapshots.
    pub(super) full: u64,
    /// Bytes of event segments rewritten.
    pub(super) trimmed: u64,
}

impl<'a> Files<'a> {
    pub(super) fn new(crawl: &'a dyn Crawl) -> Self {
        let (increments, events) = (Vec::new(), Vec::new());
        Self {
            crawl,
            increments,
            events,
            next_id: 0,
            folded: 0,
            merged: 0,
            compressed: 0,
            full: 0,
            trimmed: 0,
        }
    }

    pub(super) fn id(&mut self) -> SegmentId {
        self.next_id += 1;
        SegmentId(self.next_id)
    }

    pub(super) fn write_events(&mut self, first: u64, next: u64, bytes: u64, open: bool) {
        let file = self.id();
        let (first_seq, next_seq) = (Seq(first), Seq(next));
        let (begins, ends) = (self.crawl.time(first_seq), self.crawl.time(Seq(next - 1)));
        self.events.push(EventSpan { file, first_seq, next_seq, bytes, begins, ends, level: 0, open });
    }

    pub(super) fn write_increments(&mut self, ends: &[Seq], level: u8) -> u64 {
        let file = self.id();
        let mut written = 0;
        for (from, to) in ends.iter().zip(ends.iter().skip(1)) {
            let rows = self.crawl.rows(*from, *to);
            let bytes =
                (INCREMENT_BYTES + rows * ROW_BYTES) * if level > ORDINARY_LEVEL { 8 } else { 10 } / 10;
            written += bytes;
            self.increments.push(IncrementSpan {
                file,
                from: *from,
                to: *to,
                bytes,
                rows,
                alive: self.crawl.alive(*to),
                newest: self.crawl.time(*to),
                level,
            });
        }
        written
    }

    pub(super) fn snapshot_files(&self) -> usize {
        self.increments.iter().map(|one| one.file).collect::<HashSet<_>>().len()
    }

    pub(super) fn stored(&self) -> u64 {
        self.increments.iter().map(|one| one.bytes).sum()
    }

    pub(super) fn reaches(&self, target: Seq) -> bool {
        cheapest_path(&self.increments, &self.events, target).is_some()
    }

    /// Carries a step out, as the engine would, and refuses what the engine could not do.
    pub(super) fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Fold { from, to } => {
                let ends = [&[*from][..], to].concat();
                assert!(ends.is_sorted_by(|a, b| a < b), "{step:?}");
                let closed: Vec<EventSpan> = self.events.iter().filter(|one| !one.open).copied().collect();
                assert!(super::Tape::new(&closed).between(*from, ends[ends.len() - 1]).is_some(), "{step:?}");
                self.folded += self.write_increments(&ends, ORDINARY_LEVEL);
            }
            Step::Merge { files, keep, level } => self.merge(files, keep, *level),
            Step::Full { at } => {
                assert!(self.increments.iter().all(|one| (one.from, one.to) != (Seq(0), *at)), "{step:?}");
                assert!(self.increments.iter().any(|one| one.to == *at), "{step:?}");
                self.full += self.write_increments(&[Seq(0), *at], ORDINARY_LEVEL);
            }
            Step::Drop { snapshots, events } => {
                assert!(self.events.iter().all(|one| !(one.open && events.contains(&one.file))), "{step:?}");
                self.increments.retain(|one| !snapshots.contains(&one.file));
                self.events.retain(|one| !events.contains(&one.file));
            }
            Step::Rewrite { file, after, level } => {
                let fresh = self.id();
                let one = self.events.iter_mut().find(|one| one.file == *file).expect("the file is there");
                assert!(
                    !one.open && after.next() >= one.first_seq && after.next() < one.next_seq,
                    "{step:?}"
                );
                let left = one.next_seq.0 - after.0 - 1;
                one.bytes = one.bytes * left / (one.next_seq.0 - one.first_seq.0);
                if one.level == 0 {
                    one.bytes = one.bytes / 4 + 1;
                }
                (one.file, one.first_seq, one.level) = (fresh, after.next(), *level);
                self.trimmed += one.bytes;
            }
        }
    }

    fn merge(&mut self, files: &[SegmentId], keep: &[Seq], level: u8) {
        let mut sources: Vec<IncrementSpan> = Vec::new();
        for file in files {
            let mut of: Vec<_> = self.increments.iter().filter(|one| one.file == *file).copied().collect();
            assert!(!of.is_empty());
            of.sort_by_key(|one| one.from);
            sources.extend(of);
        }
        assert!(
            sources.iter().zip(&sources[1..]).all(|(a, b)| a.to == b.from),
            "{files:?} are no neighbours"
        );
        assert!(keep.len() > 1 && keep.is_sorted_by(|a, b| a < b), "{keep:?}");
        let ends: HashSet<Seq> = sources.iter().flat_map(|one| [one.from, one.to]).collect();
        assert!(keep.iter().all(|seq| ends.contains(seq)), "{keep:?} in {ends:?}");
        self.increments.retain(|one| !files.contains(&one.file));
        let written = self.write_increments(keep, level);
        if files.len() == 1 && keep.len() > sources.len() {
            self.compressed += written;
        } else {
            self.merged += written;
        }
    }

    /// Compacts until nothing is left to do, and checks after each step that all positions, and all events after the
    /// last one that may be folded, can still be reached. Tells how many steps it took.
    pub(super) fn compact(&mut self, positions: &[Position], wishes: &Wishes<'_>) -> usize {
        let bound = 100 + 4 * (self.increments.len() + self.events.len() + positions.len());
        let last = self.events.iter().map(super::EventSpan::end).max().unwrap_or_default();
        let cutoff = super::cutoff(positions, wishes);
        let step = (last.0.saturating_sub(cutoff.0) / 16).max(1);
        // An old boundary whose events are folded away and at which no position stands is no promise.
        let held = |seq: &Seq| self.events.iter().any(|one| one.first_seq <= *seq && *seq <= one.end());
        let singles = (cutoff.0..=last.0).step_by(usize::try_from(step).unwrap()).map(Seq).filter(held);
        let reachable: Vec<Seq> = positions
            .iter()
            .map(|position| position.seq)
            .chain(singles)
            .filter(|seq| self.reaches(*seq))
            .collect();
        for count in 0..bound {
            let Some(step) = next_step(&self.increments, &self.events, positions, wishes) else {
                return count;
            };
            self.carry_out(&step);
            for seq in &reachable {
                assert!(self.reaches(*seq), "{seq} is lost by {step:?}");
            }
        }
        panic!(
            "no end after {bound} steps: {:?}",
            next_step(&self.increments, &self.events, positions, wishes)
        );
    }
}
