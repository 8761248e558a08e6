//! Ways from the empty graph to a position: through which increments, and from where on by events.

use std::collections::HashMap;
use std::ops::Range;

use super::{EventSpan, IncrementSpan};
use crate::model::position::Seq;

/// A way to a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The increments, by their places in the list that was asked, in the order in which they are read.
    pub increments: Vec<usize>,
    /// Where the increments end and events take over; the target itself if no event is read.
    pub base: Seq,
    /// The event segments, by their places in the list, in the order in which they are read.
    pub events: Vec<usize>,
    /// How many stored bytes are read; of a segment that is read in part, that part.
    pub bytes: u64,
}

/// The way to `target` that reads the fewest bytes; `None` if there is none.
///
/// The lists may be in any order; event segments must not overlap. Takes n log n steps.
pub fn cheapest_path(increments: &[IncrementSpan], events: &[EventSpan], target: Seq) -> Option<Path> {
    let reach = Reach::new(increments, |one| Cost { first: one.bytes, then: one.rows, steps: 1 });
    let tape = Tape::new(events);
    let (base, event_bytes) = tape.best_base(&reach, target)?;
    let bytes = reach.cost(base)?.first.saturating_add(event_bytes);
    Some(Path {
        increments: reach.way(increments, base),
        base,
        events: tape.between(base, target).unwrap_or_default(),
        bytes,
    })
}

/// What a way costs: what counts first, what decides between equals, and how many increments it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Cost {
    pub(super) first: u64,
    pub(super) then: u64,
    pub(super) steps: u64,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            first: self.first.saturating_add(other.first),
            then: self.then.saturating_add(other.then),
            steps: self.steps.saturating_add(other.steps),
        }
    }
}

/// The positions that increments lead to, each with its cheapest way.
#[derive(Debug)]
pub(super) struct Reach {
    /// The cost of the way, and the last increment on it.
    ways: HashMap<Seq, (Cost, Option<usize>)>,
}

impl Reach {
    pub(super) fn new(increments: &[IncrementSpan], cost: impl Fn(&IncrementSpan) -> Cost) -> Self {
        let mut order: Vec<(usize, &IncrementSpan)> =
            increments.iter().enumerate().filter(|(_, one)| one.from < one.to).collect();
        // All ways into a position come from below, so when its turn comes they are all known.
        order.sort_by_key(|(_, one)| (one.from, one.to));
        let mut ways = HashMap::from([(Seq(0), (Cost::default(), None))]);
        for (at, one) in order {
            let Some((before, _)) = ways.get(&one.from) else { continue };
            let through = before.plus(cost(one));
            let way = ways.entry(one.to).or_insert((through, Some(at)));
            if through < way.0 {
                *way = (through, Some(at));
            }
        }
        Self { ways }
    }

    pub(super) fn cost(&self, target: Seq) -> Option<Cost> {
        self.ways.get(&target).map(|(cost, _)| *cost)
    }

    pub(super) fn is_reached(&self, target: Seq) -> bool {
        self.ways.contains_key(&target)
    }

    /// The last position that increments lead to.
    pub(super) fn end(&self) -> Seq {
        self.ways.keys().copied().max().unwrap_or_default()
    }

    /// The increments on the way to `target`, in order.
    pub(super) fn way(&self, increments: &[IncrementSpan], target: Seq) -> Vec<usize> {
        let mut way = Vec::new();
        self.walk(increments, target, |at| {
            way.push(at);
            true
        });
        way.reverse();
        way
    }

    /// Marks the increments on the way to `target`. Each is walked once however many targets there are.
    pub(super) fn mark(&self, increments: &[IncrementSpan], target: Seq, needed: &mut [bool]) {
        self.walk(increments, target, |at| {
            needed.get_mut(at).is_some_and(|needed| !std::mem::replace(needed, true))
        });
    }

    /// Walks back from `target` for as long as `go_on` says.
    fn walk(&self, increments: &[IncrementSpan], target: Seq, mut go_on: impl FnMut(usize) -> bool) {
        let mut at = target;
        while let Some((_, Some(last))) = self.ways.get(&at) {
            let Some(one) = increments.get(*last).filter(|_| go_on(*last)) else { return };
            at = one.from;
        }
    }
}

/// The event segments in order, and what lies between two positions on them.
#[derive(Debug)]
pub(super) struct Tape {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    /// The segment's place in the list.
    at: usize,
    /// The positions between which its events lie: `(from, to]`.
    from: u64,
    to: u64,
    bytes: u64,
    /// Bytes of all pieces before this one.
    before: u64,
    /// The first piece of those that join without a gap up to this one.
    run: usize,
}

impl Piece {
    /// Bytes of all events up to `seq`, which is in this piece, from the start of the first one.
    fn bytes_to(&self, seq: u64) -> u64 {
        let length = u128::from(self.to.saturating_sub(self.from).max(1));
        let part = u128::from(seq.clamp(self.from, self.to).saturating_sub(self.from));
        let bytes = (u128::from(self.bytes) * part).div_ceil(length);
        self.before.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl Tape {
    pub(super) fn new(events: &[EventSpan]) -> Self {
        let mut spans: Vec<(usize, &EventSpan)> =
            events.iter().enumerate().filter(|(_, one)| one.first_seq < one.next_seq).collect();
        spans.sort_by_key(|(_, one)| (one.first_seq, one.next_seq));
        let mut pieces: Vec<Piece> = Vec::with_capacity(spans.len());
        for (at, one) in spans {
            let (from, to) = (one.first_seq.0.saturating_sub(1), one.next_seq.0.saturating_sub(1));
            let here = pieces.len();
            let (before, run) = match pieces.last() {
                Some(last) if last.to == from => (last.before.saturating_add(last.bytes), last.run),
                Some(last) => (last.before.saturating_add(last.bytes), here),
                None => (0, here),
            };
            pieces.push(Piece { at, from, to, bytes: one.bytes, before, run });
        }
        Self { pieces }
    }

    /// The piece in which the event of `seq` lies, as a place in the tape.
    fn find(&self, seq: Seq) -> Option<usize> {
        let at = self.pieces.partition_point(|piece| piece.to < seq.0);
        self.pieces.get(at).filter(|piece| piece.from < seq.0).map(|_| at)
    }

    fn range(&self, base: Seq, target: Seq) -> Option<Range<usize>> {
        if base >= target {
            return (base == target).then_some(0..0);
        }
        let (first, last) = (self.find(base.next())?, self.find(target)?);
        (self.pieces.get(last)?.run <= first).then(|| first..last.saturating_add(1))
    }

    /// The segments in which the events after `base` up to `target` lie; `None` if some are nowhere.
    pub(super) fn between(&self, base: Seq, target: Seq) -> Option<Vec<usize>> {
        let pieces = self.pieces.get(self.range(base, target)?)?;
        Some(pieces.iter().map(|piece| piece.at).collect())
    }

    /// The stored bytes of the events after `base` up to `target`; `None` if some are nowhere.
    pub(super) fn bytes_between(&self, base: Seq, target: Seq) -> Option<u64> {
        let range = self.range(base, target)?;
        let Some(pieces) = self.pieces.get(range).filter(|pieces| !pieces.is_empty()) else { return Some(0) };
        Some(pieces.last()?.bytes_to(target.0).saturating_sub(pieces.first()?.bytes_to(base.0)))
    }

    /// Up to where events follow `base` without a gap.
    pub(super) fn end_after(&self, base: Seq) -> Seq {
        let Some(first) = self.find(base.next()) else { return base };
        let run = self.pieces.get(first).map(|piece| piece.run);
        let joined = self.pieces.get(first..).unwrap_or_default();
        let last = joined.iter().take_while(|piece| Some(piece.run) == run).last();
        last.map_or(base, |piece| Seq(piece.to))
    }

    /// Of each stretch of events without a gap that begins before `end`: the first position in it, not before `dead`,
    /// that increments lead to. Without it nothing leads to the events after it.
    pub(super) fn entries(&self, reach: &Reach, dead: Seq, end: Seq) -> Vec<Seq> {
        let runs =
            self.pieces.chunk_by(|a, b| a.run == b.run).filter_map(|run| Some((run.first()?, run.last()?)));
        let overlapping = runs.filter(|(first, last)| first.from < end.0 && last.to > dead.0);
        let entry = |(first, last): (&Piece, &Piece)| {
            let within = dead.max(Seq(first.from))..=Seq(last.to);
            reach.ways.keys().copied().filter(|seq| within.contains(seq)).min()
        };
        overlapping.filter_map(entry).collect()
    }

    /// From where on the events to `target` cost the least together with the way to there, and their bytes.
    fn best_base(&self, reach: &Reach, target: Seq) -> Option<(Seq, u64)> {
        let lowest = self
            .find(target)
            .and_then(|last| self.pieces.get(self.pieces.get(last)?.run))
            .map_or(target, |first| Seq(first.from));
        let bases = reach.ways.iter().filter(|(base, _)| (lowest..=target).contains(*base));
        let costs = bases.filter_map(|(base, (cost, _))| {
            let bytes = self.bytes_between(*base, target)?;
            Some(((cost.first.saturating_add(bytes), target.0.saturating_sub(base.0)), *base, bytes))
        });
        costs.min().map(|(_, base, bytes)| (base, bytes))
    }

    /// The last position at or before `target` that increments lead to, and from which events go on to it.
    pub(super) fn last_base(&self, reach: &Reach, target: Seq) -> Option<Seq> {
        let bases = reach.ways.keys().copied().filter(|base| *base <= target);
        bases.filter(|base| self.range(*base, target).is_some()).max()
    }
}
