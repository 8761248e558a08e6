//! Folding: events into increments.
//!
//! Two passes over the events. The first finds which rows of the state beneath they change or remove; those are fetched
//! from the increments, in one merge; the second applies the events to them, and at each position wanted hands out what
//! changed since the one before. Memory is bounded by the events of one fold and the rows that they touch.

use super::cursor::{OwnedEntry, Source, merge};
use super::delta::{Delta, Needs};
use crate::codec::Encoder;
use crate::format::Fault;
use crate::format::frame::FrameType;
use crate::format::snapshot::Stand;
use crate::log::error::{Error, Result};
use crate::log::frames::{Segment, Step};
use crate::log::replay::{Nobody, Replay, Target, Until};
use crate::log::view::View;
use crate::model::fingerprint::Sum;
use crate::model::marker::{Counts, GraphKind, Ordinals};
use crate::model::position::Seq;
use crate::model::record::{Inconsistency, Record};
use crate::model::row::{Entry, RowKind};
use crate::model::time::Timestamp;

/// About how many bytes of events are folded at once.
const FOLD_BYTES: u64 = 16 << 20;

/// Who takes increments in.
pub(crate) trait Sink {
    /// One begins.
    fn begin(&mut self, from: &Stand) -> Result<()>;
    /// The next entry of it; kinds in order, ordinals ascending.
    fn push(&mut self, kind: RowKind, entry: &Entry<'_>) -> Result<()>;
    /// It ends after the event `seq`, which happened at `time`. Returns where it has come to.
    fn end(&mut self, seq: Seq, time: Timestamp, ordinals: Ordinals, counts: Counts) -> Result<Stand>;
}

/// Those of `targets` (ascending, after `from`) that are folded in one go; if there is none within [`FOLD_BYTES`], a place
/// where a frame ends, so that what is folded at once stays bounded.
pub(crate) fn stretch(view: &View, from: Seq, targets: &[Seq]) -> Result<Vec<Seq>> {
    let last = targets.last().copied().unwrap_or(from);
    let (mut bytes, mut reached) = (0_u64, from);
    'pieces: for piece in view.pieces.iter().filter(|piece| piece.next_seq.0 > from.0.saturating_add(1)) {
        let segment = Segment::open(view.storage.as_ref(), view.in_force.log_id, piece.id)?;
        let mut frames = segment.frames(piece.length);
        while let Step::Frame { header, .. } = frames.step()? {
            if header.frame_type != FrameType::Events || header.end_seq() <= from.next() {
                continue;
            }
            let end = Seq(header.end_seq().0.saturating_sub(1));
            if end > last || (bytes >= FOLD_BYTES && reached > from) {
                break 'pieces;
            }
            bytes = bytes.saturating_add(header.frame_len());
            reached = end;
        }
    }
    let within: Vec<_> = targets.iter().copied().filter(|target| *target <= reached).collect();
    // Where the events do not give out what is wanted of them, the fold itself says what is wrong.
    Ok(if !within.is_empty() || reached == from { within } else { vec![reached] })
}

/// Folds the events after `from`, the end of `beneath`, into increments that end at each of `targets`.
pub(crate) fn fold(
    view: &View,
    beneath: &[Source],
    from: &Stand,
    targets: &[Seq],
    sink: &mut impl Sink,
) -> Result<Stand> {
    let Some(last) = targets.last() else { return Ok(from.clone()) };
    let kind = view.in_force.manifest.kind;
    let mut scan = Replay::from(Needs::new(kind, from.ordinals), from.seq.next(), from.time);
    scan.run(view, Until::Seq(*last), &mut Nobody)?;
    let needs = scan.graph;
    let mut fetched = Vec::new();
    for kind in RowKind::ALL {
        let wanted = |first, last| needs.wants_some(kind, first, last);
        merge(beneath, kind, &wanted, |entry| {
            if needs.wants(entry, kind) {
                fetched.push(OwnedEntry::new(entry));
            }
            Ok::<_, Error>(())
        })?;
    }
    let mut delta = Delta::new(kind, from, needs);
    for entry in &fetched {
        delta.put_beneath(&entry.entry());
    }
    drop(fetched);
    let folding = Folding { delta, targets, sink, stand: from.clone() };
    let mut replay = Replay::from(folding, from.seq.next(), from.time);
    replay.run(view, Until::Seq(*last), &mut Nobody)?;
    let Folding { targets, stand, .. } = replay.graph;
    match targets.first() {
        None => Ok(stand),
        Some(missed) => Err(Error::Damage {
            path: view.storage.location(""),
            offset: None,
            fault: Fault::Sequence { expected: missed.next(), found: replay.next_seq },
        }),
    }
}

/// The second pass.
struct Folding<'a, S> {
    delta: Delta,
    /// Positions that are still to come.
    targets: &'a [Seq],
    sink: &'a mut S,
    stand: Stand,
}

impl<S: Sink> Target for Folding<'_, S> {
    fn kind(&self) -> GraphKind {
        self.delta.kind()
    }

    fn ordinals(&self) -> Ordinals {
        self.delta.ordinals()
    }

    fn take(
        &mut self,
        record: &Record<'_>,
        seq: Seq,
        time: Timestamp,
    ) -> std::result::Result<(), Inconsistency> {
        self.delta.take(record, seq, time)
    }

    fn frame_ended(&mut self, last: Seq, time: Timestamp) -> Result<()> {
        let Some((target, rest)) = self.targets.split_first() else { return Ok(()) };
        if *target != last {
            return Ok(());
        }
        self.targets = rest;
        let sink = &mut *self.sink;
        sink.begin(&self.stand)?;
        self.delta.emit(|kind, entry| sink.push(kind, entry))?;
        self.stand = sink.end(last, time, self.delta.ordinals(), self.delta.counts())?;
        Ok(())
    }
}

/// An increment in memory.
#[derive(Debug, Default)]
pub(crate) struct InMemory {
    from: Option<Stand>,
    layout: Sum,
    lists: [Vec<OwnedEntry>; RowKind::ALL.len()],
}

impl InMemory {
    pub(crate) fn into_source(self) -> Source {
        Source::Memory { lists: self.lists.into() }
    }
}

impl Sink for InMemory {
    fn begin(&mut self, from: &Stand) -> Result<()> {
        self.layout = from.layout;
        self.from = Some(from.clone());
        Ok(())
    }

    fn push(&mut self, kind: RowKind, entry: &Entry<'_>) -> Result<()> {
        let mut scratch = Encoder::new();
        if let Some(row) = &entry.row {
            self.layout.add(row.layout(entry.ordinal, &mut scratch));
        }
        self.layout.sub(entry.replaces.unwrap_or_default());
        if let Some((list, _)) = self.lists.iter_mut().zip(RowKind::ALL).find(|(_, k)| *k == kind) {
            list.push(OwnedEntry::new(entry));
        }
        Ok(())
    }

    fn end(&mut self, seq: Seq, time: Timestamp, ordinals: Ordinals, counts: Counts) -> Result<Stand> {
        Ok(Stand { seq, time, ordinals, counts, layout: self.layout })
    }
}
