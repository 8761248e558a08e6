//! The history of a log that is verified: the events are those that each marker was placed after.

use super::{Finding, Inspection};
use crate::codec;
use crate::format::Fault;
use crate::format::frame::{FrameHeader, FrameType};
use crate::format::names;
use crate::format::records::{Item, PayloadDecoder, advance};
use crate::log::{Result, Segment};
use crate::model::history::{self, Digest, EventHasher, Stub};
use crate::model::marker::{Marker, Ordinals};
use crate::model::position::{MarkerId, Seq};

/// Hashes the events that are there, and compares them with what the markers say.
#[derive(Debug)]
pub(super) struct History {
    /// Of all markers, the first one's first.
    stubs: Vec<Stub>,
    /// The marker that the events lead up to.
    at: usize,
    /// The event that follows those that were read; `None` if some could not be.
    next: Option<Seq>,
    /// The birth numbers there.
    ordinals: Option<Ordinals>,
    hasher: EventHasher,
    proven: u64,
}

/// What is wrong with a frame, and the last event before the part of history that it spoils.
pub(super) type Wrong = (Fault, Seq);

impl History {
    pub(super) fn new(stubs: Vec<Stub>) -> Self {
        Self { stubs, at: 0, next: None, ordinals: None, hasher: EventHasher::new(), proven: 0 }
    }

    /// Takes the next frame that could be read; what is wrong with it, on whatever road a restore may come by it.
    pub(super) fn frame(&mut self, segment: &Segment, header: &FrameHeader, payload: &[u8]) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        match header.frame_type {
            FrameType::Events => {
                if self.next != Some(header.first_seq) {
                    wrong.extend(self.go_on_at(header.first_seq));
                }
                self.next = Some(header.end_seq());
                if let Err(fault) = self.events(segment, header, payload, &mut wrong) {
                    wrong.push((fault, Seq(header.first_seq.0.saturating_sub(1))));
                    self.next = None;
                }
            }
            FrameType::Marker => wrong.extend(self.marker(payload)),
            FrameType::SyncNote | FrameType::Seal => {}
        }
        wrong
    }

    /// No more frames come.
    pub(super) fn end(&mut self) -> Vec<Wrong> {
        let wrong = self.next.map(|next| self.reached(next)).unwrap_or_default();
        self.next = None;
        wrong
    }

    fn events(
        &mut self,
        segment: &Segment,
        header: &FrameHeader,
        payload: &[u8],
        wrong: &mut Vec<Wrong>,
    ) -> std::result::Result<(), Fault> {
        let mut decoder = PayloadDecoder::new(payload, segment.head.kind)?;
        if self.ordinals.is_some_and(|expected| expected != decoder.ordinals()) {
            let what = "the birth numbers of a frame do not fit what came before it";
            return Err(Fault::Meaning { what });
        }
        let (mut seq, mut time, mut start) = (header.first_seq, header.time, decoder.position());
        while let Some(item) = decoder.next_item()? {
            let end = decoder.position();
            match item {
                Item::TimePassed(micros) => time = advance(time, micros),
                Item::SourceRead(_) => {}
                Item::Change { ends_event: false, .. } => continue,
                Item::Change { .. } => {
                    wrong.extend(self.reached(seq));
                    if seq > self.before() {
                        self.hasher.event(time, payload.get(start..end).unwrap_or_default());
                    }
                    seq = seq.next();
                }
            }
            start = end;
        }
        self.hasher.settle();
        self.ordinals = Some(decoder.ordinals());
        // An event that is not finished is none.
        if seq == header.end_seq() && start == payload.len() {
            return Ok(());
        }
        Err(Fault::Meaning { what: "a frame does not hold as many events as it says" })
    }

    /// Markers are the manifest's; their frames say the same for good.
    fn marker(&self, payload: &[u8]) -> Option<Wrong> {
        let marker: Marker = codec::from_bytes(payload).ok()?;
        let known = self.stubs.binary_search_by_key(&marker.id, |stub| stub.id).ok()?;
        let known = self.stubs.get(known)?;
        let what = "a marker's frame is not what the manifest says of the marker";
        (Stub::of(&marker).ok() != Some(*known))
            .then_some((Fault::Meaning { what }, Seq(marker.seq.0.saturating_sub(1))))
    }

    /// The event after which the marker stands that comes before the one that is led up to.
    fn before(&self) -> Seq {
        self.at.checked_sub(1).and_then(|before| self.stubs.get(before)).map_or(Seq(0), |stub| stub.seq)
    }

    /// All events before `next` were taken: compares the markers that stand before it.
    fn reached(&mut self, next: Seq) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        while let Some(stub) = self.stubs.get(self.at).filter(|stub| stub.seq < next) {
            if self.hasher.finish() == stub.events {
                self.proven = self.proven.saturating_add(1);
            } else {
                let what = "the events before a marker are not those that it was placed after: \
                            they were changed, and their checksums made to fit";
                wrong.push((Fault::Meaning { what }, self.before()));
            }
            self.at = self.at.saturating_add(1);
        }
        wrong
    }

    /// Events are missing, or folded: goes on with the first marker all of whose events are still to come.
    fn go_on_at(&mut self, first: Seq) -> Vec<Wrong> {
        let wrong = self.next.map(|next| self.reached(next)).unwrap_or_default();
        self.hasher.restart();
        self.ordinals = None;
        self.at = match first {
            Seq(0 | 1) => 0,
            _ => self.stubs.partition_point(|stub| stub.seq.next() < first).saturating_add(1),
        };
        wrong
    }
}

impl Inspection<'_> {
    /// Every frame, the history that the events give, and whether the digests that are expected are in it.
    pub(super) fn history(&mut self, expected: &[Digest]) -> Result<()> {
        let stubs = match self.view.stubs() {
            Ok(stubs) => stubs,
            Err(error) if error.is_damage() => {
                self.fault(&error, Vec::new());
                return self.checksums(None);
            }
            Err(error) => return Err(error),
        };
        let digests = history::digests(self.view.in_force.log_id, &stubs).unwrap_or_default();
        self.digest = digests.last().map(|(_, digest)| digest.to_string());
        for digest in expected {
            let found = digests.iter().find(|(_, one)| one == digest).map(|(id, _)| *id);
            self.expected
                .push(Expected { digest: digest.to_string(), marker: found.map(|id| id.to_string()) });
            if found.is_none() {
                self.unexpected(digest, digests.last().map(|(id, _)| *id));
            }
        }
        let markers = stubs.len();
        let mut history = History::new(stubs);
        self.checksums(Some(&mut history))?;
        self.proven = history.proven;
        self.folded = u64::try_from(markers).unwrap_or(u64::MAX).saturating_sub(history.proven);
        Ok(())
    }

    fn unexpected(&mut self, digest: &Digest, newest: Option<MarkerId>) {
        let newest = newest.map_or_else(|| "it has no marker".to_owned(), |id| format!("the newest is {id}"));
        self.faults.push(Finding {
            file: names::manifest(self.view.in_force.manifest.generation),
            offset: None,
            kind: "unexpected-history",
            message: format!(
                "no marker that this log ever had has the digest {digest} ({newest}): its history was changed, it was put \
                 back to an earlier state, or it is another log"
            ),
            markers: Vec::new(),
        });
    }
}

/// What came of a digest that was expected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Expected {
    /// The digest.
    pub digest: String,
    /// The marker that has it; `None` if none has.
    pub marker: Option<String>,
}
