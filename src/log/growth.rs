//! Watching a segment grow: how far its writer has made it durable.

use std::collections::VecDeque;

use super::error::Result;
use super::frames::{Segment, Step};
use crate::codec;
use crate::format::frame::{Expect, FrameType};
use crate::model::marker::Marker;
use crate::model::position::{LogId, MarkerId, SegmentId, Seq};
use crate::storage::Storage;

/// A place in a segment, between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Durable {
    /// How many bytes stand before it.
    pub(crate) offset: u64,
    /// The seq after the last event before it.
    pub(crate) next_seq: Seq,
    /// The newest marker before it, if there is one in the segment.
    pub(crate) last_marker: Option<MarkerId>,
}

/// A segment that its writer appends to, read as far as it is known durable; what was read is not read again.
#[derive(Debug)]
pub(crate) struct Growth {
    log_id: LogId,
    id: SegmentId,
    /// Where the next frame begins and what it must be like; `None` before the first look.
    at: Option<(u64, Expect)>,
    last_marker: Option<MarkerId>,
    /// Ends of frames that are not known durable.
    pending: VecDeque<Durable>,
    durable: Durable,
}

impl Growth {
    pub(crate) fn new(log_id: LogId, id: SegmentId) -> Self {
        let durable = Durable { offset: 0, next_seq: Seq(0), last_marker: None };
        Self { log_id, id, at: None, last_marker: None, pending: VecDeque::new(), durable }
    }

    /// Reads on to the end of the file. Returns how far it is known durable.
    ///
    /// # Errors
    /// If the segment cannot be opened or read. A frame that is not whole is taken to be on its way.
    pub(crate) fn advance(&mut self, storage: &dyn Storage) -> Result<Durable> {
        let segment = Segment::open(storage, self.log_id, self.id)?;
        let mut frames = segment.frames(u64::MAX);
        match self.at {
            Some((offset, expect)) => (frames.offset, frames.expect) = (offset, expect),
            // The header was durable before the manifest named the segment.
            None => {
                self.durable =
                    Durable { offset: frames.offset, next_seq: frames.expect.seq, last_marker: None };
            }
        }
        let mut synced = 0;
        while let Step::Frame { header, payload, .. } = frames.step()? {
            synced = header.synced.max(synced);
            if header.frame_type == FrameType::Marker
                && let Ok(marker) = codec::from_bytes::<Marker>(payload)
            {
                self.last_marker = Some(marker.id);
            }
            let (offset, next_seq) = (frames.offset, frames.expect.seq);
            self.pending.push_back(Durable { offset, next_seq, last_marker: self.last_marker });
        }
        self.at = Some((frames.offset, frames.expect));
        while let Some(next) = self.pending.front().filter(|next| next.offset <= synced) {
            self.durable = *next;
            self.pending.pop_front();
        }
        Ok(self.durable)
    }
}
