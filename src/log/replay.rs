//! Replay: applying a log's frames to a graph, in order, to a point.

use super::error::{Error, Result};
use super::frames::{Segment, Step};
use super::view::{Piece, View};
use crate::codec;
use crate::format::Fault;
use crate::format::frame::{FrameHeader, FrameType};
use crate::format::records::{Item, PayloadDecoder, SourceRead, advance};
use crate::model::graph::Graph;
use crate::model::marker::Marker;
use crate::model::position::Seq;
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

/// Who is told what a replay comes by. The graph is as it is at that place.
pub(crate) trait Visitor {
    /// A marker's frame.
    fn marker(&mut self, _graph: &mut Graph, _marker: Marker, _place: Place<'_>) -> Result<()> {
        Ok(())
    }

    /// How far a source was read.
    fn source(&mut self, _source: SourceRead<'_>) {}
}

/// A visitor that looks at nothing.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Visitor for Nobody {}

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
pub(crate) struct Replay {
    pub(crate) graph: Graph,
    pub(crate) next_seq: Seq,
    /// Time of the last event or marker.
    pub(crate) time: Timestamp,
    /// Time of the last event.
    pub(crate) event_time: Timestamp,
    /// Events applied.
    pub(crate) events: u64,
}

impl Replay {
    /// Before the first event.
    pub(crate) fn new(view: &View) -> Self {
        Self {
            graph: Graph::new(view.in_force.manifest.kind),
            next_seq: Seq(1),
            time: Timestamp::MIN,
            event_time: Timestamp::MIN,
            events: 0,
        }
    }

    /// Goes on to `until`.
    pub(crate) fn run(&mut self, view: &View, until: Until, visitor: &mut impl Visitor) -> Result<()> {
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
        visitor: &mut impl Visitor,
    ) -> Result<bool> {
        if until.is_before(piece.first_seq) {
            return Ok(true);
        }
        let segment = Segment::open(view.storage.as_ref(), view.in_force.log_id, piece.id)?;
        segment.check_place(&view.in_force.manifest)?;
        segment.check_length(piece.length)?;
        let mut frames = segment.frames(piece.length);
        loop {
            // What stands behind the last event wanted, its marker too, is of no concern: it may be damaged.
            if until.is_before(self.next_seq) {
                return Ok(true);
            }
            let (offset, header, payload) = match frames.step()? {
                Step::Frame { offset, header, payload } => (offset, header, payload),
                Step::End => break,
                Step::Bad { offset, fault } => return Err(segment.damage(offset, fault)),
            };
            let place = Place { path: &segment.path, offset };
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
        visitor: &mut impl Visitor,
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
        while let Some(item) = decoder.next_item().map_err(fault)? {
            let between = matches!(item, Item::TimePassed(_) | Item::SourceRead(_));
            if between && !first_of_event {
                return Err(meaning("something that is no change stands in the middle of an event"));
            }
            match item {
                Item::TimePassed(micros) => time = advance(time, micros),
                Item::SourceRead(source) => visitor.source(source),
                Item::Change { record, ends_event } => {
                    let stop = match until {
                        Until::End => false,
                        Until::Seq(last) => self.next_seq > last,
                        Until::Time(last) => time > last,
                    };
                    if stop && first_of_event {
                        return Ok(true);
                    }
                    self.graph.apply(&record).map_err(|e| fault(Fault::Inconsistent(e)))?;
                    self.time = time;
                    self.event_time = time;
                    first_of_event = ends_event;
                    if ends_event {
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
        Ok(false)
    }
}
