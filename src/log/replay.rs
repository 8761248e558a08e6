//! Replay: applying a log's frames to a graph, or to what compaction makes of them, in order, from one point to another.

use super::error::{Error, Result};
use super::frames::{MARKER_TIME, Segment, Step};
use super::view::{Piece, View};
use crate::codec;
use crate::format::Fault;
use crate::format::frame::{FrameHeader, FrameType};
use crate::format::records::{Item, PayloadDecoder, SourceRead, advance};
use crate::model::graph::Graph;
use crate::model::marker::{GraphKind, Marker, Ordinals};
use crate::model::position::Seq;
use crate::model::record::{Inconsistency, Record};
use crate::model::time::Timestamp;

/// Where a replay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// With the log.
    End,
    /// With this event.
    Seq(Seq),
    /// Before the first event that is later than this.
    Time(Timestamp),
}

impl Until {
    /// Whether a replay ends before the event `next`.
    fn is_before(self, next: Seq) -> bool {
        matches!(self, Self::Seq(last) if next > last)
    }
}

/// What a replay applies records to.
pub(crate) trait Target {
    /// What kind of graph the records are of.
    fn kind(&self) -> GraphKind;
    /// The next birth numbers.
    fn ordinals(&self) -> Ordinals;
    /// Takes one record of the event `seq`, which happened at `time`.
    fn take(
        &mut self,
        record: &Record<'_>,
        seq: Seq,
        time: Timestamp,
    ) -> std::result::Result<(), Inconsistency>;
    /// A frame of events is through; `last`: the last event of it, which happened at `time`.
    fn frame_ended(&mut self, _last: Seq, _time: Timestamp) -> Result<()> {
        Ok(())
    }
}

impl Target for Graph {
    fn kind(&self) -> GraphKind {
        self.kind()
    }

    fn ordinals(&self) -> Ordinals {
        self.ordinals()
    }

    fn take(&mut self, record: &Record<'_>, _: Seq, _: Timestamp) -> std::result::Result<(), Inconsistency> {
        self.apply(record)
    }
}

/// Who is told what a replay comes by. The graph is as it is at that place.
pub(crate) trait Visitor<T = Graph> {
    /// A marker's frame.
    fn marker(&mut self, _graph: &mut T, _marker: Marker, _place: Place<'_>) -> Result<()> {
        Ok(())
    }

    /// An event: its records, as they stand in the frame.
    fn event(&mut self, _seq: Seq, _time: Timestamp, _records: &[u8]) {}

    /// How far a source was read.
    fn source(&mut self, _source: SourceRead<'_>) {}
}

/// A visitor that looks at nothing.
#[derive(Debug)]
pub(crate) struct Nobody;

impl<T> Visitor<T> for Nobody {}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a str,
    pub(crate) offset: u64,
}

impl Place<'_> {
    pub(crate) fn damage(&self, fault: Fault) -> Error {
        Error::Damage { path: self.path.to_owned(), offset: Some(self.offset), fault }
    }
}

/// A graph on its way through a log.
#[derive(Debug)]
pub(crate) struct Replay<T = Graph> {
    pub(crate) graph: T,
    pub(crate) next_seq: Seq,
    /// Time of the last event or marker.
    pub(crate) time: Timestamp,
    /// Time of the last event.
    pub(crate) event_time: Timestamp,
    /// Events applied.
    pub(crate) events: u64,
}

impl<T: Target> Replay<T> {
    /// On from a graph as it is before the event `next_seq`; `time`: of the last event before it.
    pub(crate) fn from(graph: T, next_seq: Seq, time: Timestamp) -> Self {
        Self { graph, next_seq, time, event_time: time, events: 0 }
    }

    /// Goes on to `until`.
    pub(crate) fn run(&mut self, view: &View, until: Until, visitor: &mut impl Visitor<T>) -> Result<()> {
        for piece in &view.pieces {
            if self.run_piece(view, piece, until, visitor)? {
                break;
            }
        }
        Ok(())
    }

    /// Goes through one segment; true if `until` was reached.
    pub(crate) fn run_piece(
        &mut self,
        view: &View,
        piece: &Piece,
        until: Until,
        visitor: &mut impl Visitor<T>,
    ) -> Result<bool> {
        if until.is_before(piece.first_seq.max(self.next_seq)) {
            return Ok(true);
        }
        // Where it ends right before the place that the replay goes on from, markers may stand that are looked for.
        if piece.next_seq < self.next_seq {
            return Ok(false);
        }
        let segment = Segment::open(view.storage.as_ref(), view.in_force.log_id, piece.id)?;
        segment.check_place(&view.in_force.manifest)?;
        let mut frames = segment.frames(piece.length);
        loop {
            // What stands behind the last event wanted, its marker too, is of no concern: it may be damaged.
            if until.is_before(self.next_seq) {
                return Ok(true);
            }
            let (offset, header, payload) = match frames.step()? {
                Step::Frame { offset, header, payload } => (offset, header, payload),
                Step::End => {
                    // What is wanted may have stood before the place where a file was cut short.
                    segment.check_length(piece.length)?;
                    break;
                }
                Step::Bad { offset, fault } => return Err(segment.damage(offset, fault)),
            };
            let place = Place { path: &segment.path, offset };
            // What lies before the place that the replay goes on from is in the snapshots.
            if header.end_seq() < self.next_seq || (header.events > 0 && header.end_seq() == self.next_seq) {
                continue;
            }
            match header.frame_type {
                FrameType::Events => {
                    // What stands after the last event that is wanted is not looked at: it may be damaged.
                    if self.events_frame(&header, payload, until, visitor, place)?
                        || until.is_before(self.next_seq)
                    {
                        return Ok(true);
                    }
                }
                FrameType::Marker => {
                    let marker: Marker =
                        codec::from_bytes(payload).map_err(|e| place.damage(Fault::Decode(e)))?;
                    if marker.seq.next() != self.next_seq {
                        return Err(place
                            .damage(Fault::Sequence { expected: self.next_seq, found: marker.seq.next() }));
                    }
                    if marker.time != header.time {
                        return Err(place.damage(Fault::Meaning { what: MARKER_TIME }));
                    }
                    if matches!(until, Until::Time(time) if marker.time > time) {
                        return Ok(true);
                    }
                    self.time = self.time.max(marker.time);
                    visitor.marker(&mut self.graph, marker, place)?;
                }
                FrameType::SyncNote | FrameType::Seal => {
                    if header.time < self.time {
                        return Err(place.damage(Fault::Meaning { what: "time runs backwards" }));
                    }
                }
            }
        }
        if let Some(chain) = piece.chain
            && chain != frames.expect.chain
        {
            let fault = Fault::Chain { expected: chain, found: frames.expect.chain };
            return Err(segment.damage(piece.length, fault));
        }
        Ok(false)
    }

    fn events_frame(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        until: Until,
        visitor: &mut impl Visitor<T>,
        place: Place<'_>,
    ) -> Result<bool> {
        if until.is_before(header.first_seq) && header.events > 0 {
            return Ok(true);
        }
        let meaning = |what| place.damage(Fault::Meaning { what });
        if header.first_seq != self.next_seq {
            let fault = Fault::Sequence { expected: self.next_seq, found: header.first_seq };
            return Err(place.damage(fault));
        }
        if header.time < self.time {
            return Err(meaning("time runs backwards"));
        }
        let fault = |fault| place.damage(fault);
        let mut decoder = PayloadDecoder::new(payload, self.graph.kind()).map_err(fault)?;
        if decoder.ordinals() != self.graph.ordinals() {
            return Err(meaning("the birth numbers of a frame do not fit what came before it"));
        }
        let mut time = header.time;
        let mut first_of_event = true;
        let mut start = decoder.position();
        while let Some(item) = decoder.next_item().map_err(fault)? {
            let between = matches!(item, Item::TimePassed(_) | Item::SourceRead(_));
            if between && !first_of_event {
                return Err(meaning("something that is no change stands in the middle of an event"));
            }
            match item {
                Item::TimePassed(micros) => {
                    time = advance(time, micros);
                    start = decoder.position();
                }
                Item::SourceRead(source) => {
                    visitor.source(source);
                    start = decoder.position();
                }
                Item::Change { record, ends_event } => {
                    let stop = match until {
                        Until::End => false,
                        Until::Seq(last) => self.next_seq > last,
                        Until::Time(last) => time > last,
                    };
                    if stop && first_of_event {
                        return Ok(true);
                    }
                    let seq = self.next_seq;
                    self.graph.take(&record, seq, time).map_err(|e| fault(Fault::Inconsistent(e)))?;
                    self.time = time;
                    self.event_time = time;
                    first_of_event = ends_event;
                    if ends_event {
                        let end = decoder.position();
                        visitor.event(seq, time, payload.get(start..end).unwrap_or_default());
                        start = end;
                        self.next_seq = self.next_seq.next();
                        self.events = self.events.saturating_add(1);
                    }
                }
            }
        }
        if !first_of_event {
            return Err(meaning("a frame ends in the middle of an event"));
        }
        if self.next_seq != header.end_seq() {
            return Err(meaning("a frame does not hold as many events as it says"));
        }
        self.time = self.time.max(time);
        if header.events > 0 {
            self.graph.frame_ended(Seq(self.next_seq.0.saturating_sub(1)), self.event_time)?;
        }
        Ok(false)
    }
}
