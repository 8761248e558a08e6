//! A consistent view of a log: which bytes of which segments count, and all markers.

use std::sync::Arc;

use super::error::{Error, Result};
use super::frames::{Segment, Tail, examine_tail};
use super::spans;
use super::store::{InForce, Shared, load, load_shut};
use crate::format::Fault;
use crate::format::names;
use crate::model::history::Stub;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, SegmentId, Seq};
use crate::policy::compaction::{Path, cheapest_path};
use crate::storage::Storage;

/// The part of a segment that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) id: SegmentId,
    pub(crate) first_seq: Seq,
    pub(crate) length: u64,
    /// Chain value at the end, where the manifest says it.
    pub(crate) chain: Option<u32>,
    /// The seq after its last event.
    pub(crate) next_seq: Seq,
}

/// A log as it was when it was looked at. What a writer appends later does not show.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) storage: Shared,
    pub(crate) in_force: InForce,
    pub(crate) pieces: Vec<Piece>,
    /// All markers, oldest first.
    pub(crate) markers: Vec<Marker>,
    /// How the last segment ends, if the manifest leaves it open.
    pub(crate) tail: Option<(Segment, Tail)>,
    /// What is wrong with the last segment, if the manifest leaves it open: what came before can still be read, but
    /// what was the newest is not known.
    pub(crate) damage: Option<Error>,
}

/// Which tail of the last segment a view takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TailRule {
    /// All valid frames: what recovery keeps.
    Valid,
    /// What may be shown to a reader: beside the live writer of the segment what is known durable, otherwise all valid
    /// frames.
    Shown,
}

impl View {
    /// Looks at a log as a reader does.
    pub(crate) fn for_reading(storage: Shared) -> Result<Self> {
        Self::loaded(storage, load)
    }

    /// As [`for_reading`](Self::for_reading), of an encrypted log without its keys, too: then there are no markers, and
    /// payloads cannot be opened.
    pub(crate) fn for_checking(storage: Shared) -> Result<Self> {
        Self::loaded(storage, load_shut)
    }

    /// Whether the log is encrypted, and the keys are not there.
    pub(crate) fn is_shut(&self) -> bool {
        self.in_force.encrypted && self.storage.keys().is_none()
    }

    fn loaded(storage: Shared, load: fn(&dyn Storage) -> Result<InForce>) -> Result<Self> {
        let mut in_force = load(storage.as_ref())?;
        loop {
            let generation = in_force.manifest.generation;
            let view = Self::new(Arc::clone(&storage), in_force, TailRule::Shown)?;
            if !matches!(view.damage, Some(Error::Missing { .. })) {
                return Ok(view);
            }
            // A session may have ended since the manifest was read, and a compaction have taken its segment away.
            in_force = load(storage.as_ref())?;
            if in_force.manifest.generation == generation {
                return Ok(view);
            }
        }
    }

    pub(crate) fn new(storage: Shared, in_force: InForce, rule: TailRule) -> Result<Self> {
        let mut pieces = Vec::with_capacity(in_force.manifest.segments.len());
        let mut markers = in_force.manifest.markers.clone();
        let (mut found_tail, mut damage) = (None, None);
        for entry in &in_force.manifest.segments {
            if let Some(end) = entry.end {
                pieces.push(Piece {
                    id: entry.id,
                    first_seq: entry.first_seq,
                    length: end.length,
                    chain: Some(end.chain),
                    next_seq: end.next_seq,
                });
                continue;
            }
            let opened = Segment::open(storage.as_ref(), in_force.log_id, entry.id).and_then(|segment| {
                segment.check_place(&in_force.manifest)?;
                let tail = examine_tail(&segment)?;
                Ok((segment, tail))
            });
            let (segment, tail) = match opened {
                Ok(opened) => opened,
                Err(error) if error.is_unreadable() => {
                    damage = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            damage = tail.damage.clone().map(|(offset, fault)| segment.damage(offset, fault));
            // What the manifest speaks of was durable before it was put in force.
            if damage.is_none() && tail.end.next_seq < in_force.manifest.next_seq {
                let (expected, found) = (in_force.manifest.next_seq, tail.end.next_seq);
                damage = Some(segment.damage(tail.end.offset, Fault::Sequence { expected, found }));
            }
            // So was each marker that it lists: those after an event of this segment have their frames in it.
            let framed = |marker: &&Marker| tail.markers.iter().any(|(_, framed)| framed.id == marker.id);
            let mut listed = in_force.manifest.markers.iter().filter(|marker| marker.seq >= entry.first_seq);
            if damage.is_none() && !listed.all(|marker| framed(&marker)) {
                let what = "a marker that the manifest lists has no frame in the segment";
                damage = Some(segment.damage(tail.end.offset, Fault::Meaning { what }));
            }
            // The lock is looked at after the frames: whoever wrote them and holds it no more has made them durable, or
            // is dead. A live writer that has not begun a segment yet found the valid end as anybody does.
            let beside_writer = rule == TailRule::Shown
                && storage.lock_owner().is_ok_and(|owner| owner.as_ref() == Some(&segment.head.writer));
            let end = if beside_writer { tail.claim } else { tail.end };
            let newer = tail.markers.iter().filter(|(offset, marker)| {
                *offset <= end.offset && marker.id >= in_force.manifest.next_marker
            });
            markers.extend(newer.map(|(_, marker)| marker.clone()));
            pieces.push(Piece {
                id: entry.id,
                first_seq: entry.first_seq,
                length: end.offset,
                chain: None,
                next_seq: end.next_seq,
            });
            found_tail = Some((segment, tail));
        }
        Ok(Self { storage, in_force, pieces, markers, tail: found_tail, damage })
    }

    /// What the manifest says of segments that do not grow any more, and nothing else: what compaction works on.
    pub(crate) fn closed(storage: Shared, in_force: InForce) -> Self {
        let pieces = in_force.manifest.segments.iter().filter_map(|entry| {
            entry.end.map(|end| Piece {
                id: entry.id,
                first_seq: entry.first_seq,
                length: end.length,
                chain: Some(end.chain),
                next_seq: end.next_seq,
            })
        });
        let (pieces, markers) = (pieces.collect(), in_force.manifest.markers.clone());
        Self { storage, in_force, pieces, markers, tail: None, damage: None }
    }

    /// The cheapest way to the position `seq`; `None` if it cannot be restored by itself any more.
    pub(crate) fn path(&self, seq: Seq) -> Option<Path> {
        let (increments, mut events) = spans::spans(&self.in_force.manifest);
        for span in &mut events {
            // What the manifest leaves open, the frames have told.
            if let Some(piece) = self.pieces.iter().find(|piece| piece.id == span.file) {
                (span.bytes, span.next_seq) = (piece.length, piece.next_seq);
            }
        }
        cheapest_path(&increments, &events, seq)
    }

    /// The stubs of all markers that there ever were, the first one's first; without a gap.
    ///
    /// # Errors
    /// Damage: a marker is missing between two others.
    pub(crate) fn stubs(&self) -> Result<Vec<Stub>> {
        let manifest = &self.in_force.manifest;
        let damage = |fault| Error::Damage {
            path: self.storage.location(&names::manifest(manifest.generation)),
            offset: None,
            fault,
        };
        let mut stubs = manifest.stubs().map_err(|e| damage(Fault::Decode(e)))?;
        for marker in self.markers.iter().filter(|marker| marker.id >= manifest.next_marker) {
            stubs.push(Stub::of(marker).map_err(|e| damage(Fault::Decode(e)))?);
        }
        let mut id = MarkerId(1);
        for stub in &stubs {
            if stub.id != id {
                return Err(damage(Fault::Meaning { what: "a marker is missing between two others" }));
            }
            id = id.next();
        }
        Ok(stubs)
    }

    /// The first event that can be restored by itself.
    pub(crate) fn kept_from(&self) -> Seq {
        self.pieces.first().map_or(self.in_force.manifest.next_seq, |piece| piece.first_seq)
    }

    /// The seq after the last event.
    pub(crate) fn next_seq(&self) -> Seq {
        self.pieces.last().map_or(self.in_force.manifest.next_seq, |piece| piece.next_seq)
    }

    /// The last event; `Seq(0)` if there is none.
    pub(crate) fn last_seq(&self) -> Seq {
        Seq(self.next_seq().0.saturating_sub(1))
    }
}
