//! When files are rewritten: which step of compaction comes next.
//!
//! History is snapshot increments (the net change from one position to another; from [`Seq`] 0, the empty graph, it
//! is a *full* one) followed by event segments. [`next_step`] is asked, its step is carried out, and it is asked
//! again with the new files, until nothing is left to do. It decides; it does nothing itself.
//!
//! # The order of steps, and why it ends
//!
//! 1. **Drop** comes first: it costs nothing and frees room for the others.
//! 2. **Fold** events into increments. It moves the end of the chain up to the cutoff, never beyond. Trimming waits
//!    for it, so that no segment is trimmed twice or shortly before it goes altogether.
//! 3. **Trim** event segments that are mostly folded. After it a segment has nothing dead.
//! 4. **Merge** files. Each merge leaves fewer files, or as many with fewer increments.
//! 5. **Full** snapshots wait for merges, which may make them needless. Each position gets one at most.
//! 6. **Compress** what is old. A file's level only rises by it.
//!
//! No step makes the way to a retained position longer in rows, so none calls an earlier one back: a full one that is
//! laid stays the shortest way to its position, and nothing that was dropped for it is wanted again.

mod merges;
#[cfg(test)]
mod model;
mod paths;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod year;

use std::collections::HashSet;

use super::config::{Config, KeepEvents};
use super::retention::earlier;
use crate::model::position::{SegmentId, Seq};
use crate::model::time::Timestamp;
use paths::{Cost, Reach, Tape};

pub use paths::{Path, cheapest_path};

/// The zstd level of what folds and ordinary merges write: their output will be merged again before it is old.
pub const ORDINARY_LEVEL: u8 = 9;
/// The zstd level of a trimmed event segment: it will be folded before long.
pub const TRIM_LEVEL: u8 = 3;
/// About how many bytes of events one fold takes, so that it frees room and answers before long.
pub const FOLD_BYTES: u64 = 64 << 20;
/// With `thorough`, an event segment with fewer dead bytes than these is left alone.
pub const TRIM_BYTES_MIN: u64 = 64 << 10;
/// A full snapshot is laid only where so many rows more than twice those alive are read: below it a chain takes
/// no time that anybody notices.
pub const FULL_ROWS_MIN: u64 = 4096;

/// One increment of a snapshot file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncrementSpan {
    /// The file that holds it; a file's increments are neighbours.
    pub file: SegmentId,
    /// The position from which it is the net change; 0: the empty graph.
    pub from: Seq,
    /// The position at which it ends, beyond `from`.
    pub to: Seq,
    /// Its stored bytes.
    pub bytes: u64,
    /// The rows and tombstones in it.
    pub rows: u64,
    /// Nodes, edges and items that are alive at `to`.
    pub alive: u64,
    /// The time at `to`.
    pub newest: Timestamp,
    /// The zstd level that it is compressed at.
    pub level: u8,
}

/// An event segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSpan {
    /// The file.
    pub file: SegmentId,
    /// Its first event.
    pub first_seq: Seq,
    /// The event after its last.
    pub next_seq: Seq,
    /// Its stored bytes.
    pub bytes: u64,
    /// The time of its first event.
    pub begins: Timestamp,
    /// The time of its last event.
    pub ends: Timestamp,
    /// The zstd level that it is compressed at; 0: not compressed.
    pub level: u8,
    /// Whether it is still being written.
    pub open: bool,
}

impl EventSpan {
    /// The position after its last event.
    fn end(&self) -> Seq {
        Seq(self.next_seq.0.saturating_sub(1))
    }
}

/// Where a retained marker stands; one whose grace period has not ended counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The event after which it stands.
    pub seq: Seq,
    /// Its time.
    pub time: Timestamp,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Fold the events after `from` into increments that end at each of `to`, in one new file.
    Fold {
        /// The end of the chain.
        from: Seq,
        /// Where increments end, ascending; not empty.
        to: Vec<Seq>,
    },
    /// Rewrite snapshot files, whole, into one new file.
    Merge {
        /// The files, each beginning where the one before ends.
        files: Vec<SegmentId>,
        /// Where the increments of the new file begin and end, ascending: the first is where the file begins, the
        /// last where it ends. Increments of the old files before or after these are needed no more. At least two.
        keep: Vec<Seq>,
        /// The zstd level.
        level: u8,
    },
    /// Write a full snapshot of the state at `at`, in a file of its own.
    Full {
        /// The position.
        at: Seq,
    },
    /// Take files that no retained position needs out of the manifest.
    Drop {
        /// Snapshot files.
        snapshots: Vec<SegmentId>,
        /// Event segments.
        events: Vec<SegmentId>,
    },
    /// Rewrite an event segment.
    Rewrite {
        /// The segment.
        file: SegmentId,
        /// Only events after this position stay.
        after: Seq,
        /// The zstd level.
        level: u8,
    },
}

/// What is asked of compaction.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// `retention.keep_events` and `compression` count.
    pub config: &'a Config,
    /// The time of the newest event: from it `keep_events` is measured, so that idle time folds nothing.
    pub now: Timestamp,
    /// The wall clock, or `now` if that is later: from it the age for compression is measured.
    pub clock: Timestamp,
    /// Whether the user asked for it: all that can be merged is.
    pub thorough: bool,
}

impl Wishes<'_> {
    /// Whether what was last written at `time` is to be compressed harder.
    fn is_old(&self, time: Timestamp) -> bool {
        let compression = &self.config.compression;
        compression.enabled && time < earlier(self.clock, compression.age)
    }

    /// The level of a merge, most of whose bytes are old or not. Mostly is enough: a level that counts only when all
    /// are old would have each merge compressed a second time a week later.
    fn merge_level(&self, mostly_old: bool) -> u8 {
        if mostly_old { ORDINARY_LEVEL.max(self.config.compression.level) } else { ORDINARY_LEVEL }
    }
}

/// The next step towards what `wishes` ask, or `None` if all is as it should be.
///
/// `positions` are in ascending order. All positions that can be reached before a step can be reached after it, and so
/// can each single event after the cutoff: the newest position that is older than `keep_events`.
pub fn next_step(
    increments: &[IncrementSpan],
    events: &[EventSpan],
    positions: &[Position],
    wishes: &Wishes<'_>,
) -> Option<Step> {
    let survey = Survey::new(increments, events, positions, wishes);
    survey
        .drop()
        .or_else(|| survey.fold())
        .or_else(|| survey.trim())
        .or_else(|| merges::merge(&survey))
        .or_else(|| survey.full())
        .or_else(|| merges::compress(&survey))
        .or_else(|| survey.compress_events())
}

/// What there is, and what of it is needed.
#[derive(Debug)]
struct Survey<'a> {
    increments: &'a [IncrementSpan],
    events: &'a [EventSpan],
    positions: &'a [Position],
    wishes: &'a Wishes<'a>,
    /// Ways by rows. Rows and not bytes, because the rows of a full snapshot are known before it is laid: by bytes it
    /// could turn out to be the longer way, be dropped, and be laid again, without end.
    reach: Reach,
    /// Where increments end and events take over.
    end: Seq,
    /// Up to where events may be folded.
    cutoff: Seq,
    /// Events up to here are needed no more.
    dead: Seq,
    /// Positions that ways lead to: no merge takes these away.
    stands: HashSet<Seq>,
    /// Of each increment, whether it is on the way to one of `stands`.
    needed: Vec<bool>,
}

impl<'a> Survey<'a> {
    fn new(
        increments: &'a [IncrementSpan],
        events: &'a [EventSpan],
        positions: &'a [Position],
        wishes: &'a Wishes<'a>,
    ) -> Self {
        let reach = Reach::new(increments, |one| Cost { first: one.rows, then: one.bytes, steps: 1 });
        let end = reach.end();
        let cutoff = cutoff(positions, wishes);
        let mut dead = end.min(cutoff);
        let mut stands = HashSet::from([end]);
        let mut tape = None;
        for position in positions {
            if reach.is_reached(position.seq) {
                stands.insert(position.seq);
            } else if position.seq < end {
                // Not at an increment's end, as a marker that was undeleted late: the events that lead to it stay.
                let tape = tape.get_or_insert_with(|| Tape::new(events));
                if let Some(base) = tape.last_base(&reach, position.seq) {
                    stands.insert(base);
                    dead = dead.min(base);
                }
            }
        }
        if dead < end {
            // The cutoff went back: the position that it was is gone, or events are kept longer than before. What is
            // left of the events before the chain's end stays readable.
            stands.extend(Tape::new(events).entries(&reach, dead, end));
        }
        let mut needed = vec![false; increments.len()];
        for stand in &stands {
            reach.mark(increments, *stand, &mut needed);
        }
        Self { increments, events, positions, wishes, reach, end, cutoff, dead, stands, needed }
    }

    fn closed(&self) -> impl Iterator<Item = &'a EventSpan> {
        self.events.iter().filter(|one| !one.open)
    }

    fn drop(&self) -> Option<Step> {
        let needed = self.increments.iter().zip(&self.needed).filter(|(_, needed)| **needed);
        let needed: HashSet<SegmentId> = needed.map(|(one, _)| one.file).collect();
        let mut snapshots: Vec<SegmentId> =
            self.increments.iter().map(|one| one.file).filter(|file| !needed.contains(file)).collect();
        snapshots.sort_unstable();
        snapshots.dedup();
        let dead = |one: &&EventSpan| self.dead > Seq(0) && one.end() <= self.dead;
        let events: Vec<SegmentId> = self.closed().filter(dead).map(|one| one.file).collect();
        (!snapshots.is_empty() || !events.is_empty()).then_some(Step::Drop { snapshots, events })
    }

    fn fold(&self) -> Option<Step> {
        if self.cutoff <= self.end {
            return None;
        }
        let closed: Vec<EventSpan> = self.closed().copied().collect();
        let tape = Tape::new(&closed);
        let last = tape.end_after(self.end).min(self.cutoff);
        let mut to: Vec<Seq> = self.positions.iter().map(|position| position.seq).collect();
        to.retain(|seq| *seq > self.end && *seq <= last);
        to.sort_unstable();
        to.dedup();
        let small =
            to.partition_point(|seq| tape.bytes_between(self.end, *seq).is_some_and(|n| n <= FOLD_BYTES));
        to.truncate(small.max(1));
        (!to.is_empty()).then_some(Step::Fold { from: self.end, to })
    }

    fn trim(&self) -> Option<Step> {
        let mut partly = self.closed().filter(|one| one.first_seq <= self.dead && self.dead < one.end());
        let one = partly.find(|one| {
            let all = u128::from(one.next_seq.0.saturating_sub(one.first_seq.0));
            let gone = u128::from(self.dead.next().0.saturating_sub(one.first_seq.0));
            let dead_bytes = u128::from(one.bytes) * gone / all.max(1);
            let worth = self.wishes.thorough && gone * 10 > all && dead_bytes > u128::from(TRIM_BYTES_MIN);
            gone * 2 > all || worth
        })?;
        let old = self.wishes.is_old(one.ends);
        let wished = if old { self.wishes.config.compression.level } else { TRIM_LEVEL };
        Some(Step::Rewrite { file: one.file, after: self.dead, level: wished.max(one.level) })
    }

    /// The oldest position whose way is far longer than a full snapshot would be. The ways of those after it become
    /// shorter by it; to begin with the newest would give one to each position before it, too.
    fn full(&self) -> Option<Step> {
        let full: HashSet<Seq> =
            self.increments.iter().filter(|one| one.from == Seq(0)).map(|one| one.to).collect();
        let alive: std::collections::HashMap<Seq, u64> =
            self.increments.iter().map(|one| (one.to, one.alive)).collect();
        let too_long = |seq: &Seq| {
            let (Some(cost), Some(alive)) = (self.reach.cost(*seq), alive.get(seq)) else { return false };
            !full.contains(seq) && cost.first > alive.saturating_mul(2).saturating_add(FULL_ROWS_MIN)
        };
        self.positions.iter().map(|position| position.seq).filter(too_long).min().map(|at| Step::Full { at })
    }

    fn compress_events(&self) -> Option<Step> {
        let level = self.wishes.config.compression.level;
        let one = self
            .closed()
            .find(|one| one.first_seq < one.next_seq && one.level < level && self.wishes.is_old(one.ends))?;
        let after = self.dead.max(Seq(one.first_seq.0.saturating_sub(1)));
        Some(Step::Rewrite { file: one.file, after, level })
    }
}

/// Up to where events may be folded: 0 if nowhere.
fn cutoff(positions: &[Position], wishes: &Wishes<'_>) -> Seq {
    let limit = match wishes.config.retention.keep_events {
        KeepEvents::All => return Seq(0),
        KeepEvents::None => Timestamp(i64::MAX),
        KeepEvents::For(duration) => earlier(wishes.now, duration),
    };
    // Up to the first that is younger: a time that went back frees nothing after it.
    positions.iter().take_while(|position| position.time <= limit).last().map_or(Seq(0), |last| last.seq)
}
