//! Following a log that is written: what has become durable goes to the remote copy in small objects of its own, one after
//! another, until a manifest is due again.

use std::io::ErrorKind;
use std::sync::Arc;

use super::bucket::Bucket;
use super::error::{Error, Result};
use super::push::{Stand, publish, push_whole};
use super::state::{self, Base};
use crate::format::remote::{Epoch, ObjectDigest, RemoteTail};
use crate::format::{Fault, names};
use crate::log::{Error as LogError, Growth, Log, load};
use crate::model::position::{MarkerId, SegmentId};

/// After so many tails the next push is a whole one: whoever reads the copy fetches all of them.
const MAX_TAILS: u64 = 60;
/// … and after so many bytes of them.
const MAX_TAIL_BYTES: u64 = 8 << 20;

/// What one look at the log sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The newest push.
    pub number: u64,
    /// The last event there.
    pub last_seq: u64,
    /// Whether anything was sent.
    pub sent: bool,
    /// Whether it was a whole push, with a manifest.
    pub whole: bool,
}

/// Keeps one remote copy up with a log that is written, by this process or another one.
#[derive(Debug)]
pub struct Follower {
    log: Log,
    bucket: Arc<dyn Bucket>,
    epoch: Option<Epoch>,
    trail: Option<Trail>,
}

/// What is sent by tails since the last whole push.
#[derive(Debug)]
struct Trail {
    /// The whole push, and the log's manifest then.
    from: Stand,
    /// The newest object.
    newest: Base,
    segment: SegmentId,
    growth: Growth,
    /// How much of the segment is there.
    sent: u64,
    tails: u64,
    bytes: u64,
}

impl Follower {
    /// Nothing is read or sent yet.
    pub fn new(log: Log, bucket: Arc<dyn Bucket>) -> Self {
        Self { log, bucket, epoch: None, trail: None }
    }

    /// Where to.
    pub fn location(&self) -> String {
        self.bucket.location("")
    }

    /// Sends what has become durable since the last call, as far as it is not there.
    ///
    /// After an error the next call begins with a whole push: it finds out what is there.
    ///
    /// # Errors
    /// As [`push`](super::push()).
    pub fn step(&mut self) -> Result<Followed> {
        let trail = self.trail.take();
        match trail {
            Some(trail) => self.step_on(trail),
            None => self.whole(),
        }
    }

    /// A whole push.
    ///
    /// # Errors
    /// As [`push`](super::push()).
    pub fn whole(&mut self) -> Result<Followed> {
        self.trail = None;
        let (report, stand) = push_whole(&self.log, self.bucket.as_ref())?;
        if let Some((segment, sent)) = stand.open {
            let growth = Growth::new(self.log.id(), segment);
            self.trail =
                Some(Trail { from: stand, newest: stand.base, segment, growth, sent, tails: 0, bytes: 0 });
        }
        let (number, last_seq) = (report.number, report.last_seq);
        Ok(Followed { number, last_seq, sent: !report.up_to_date, whole: true })
    }

    fn step_on(&mut self, mut trail: Trail) -> Result<Followed> {
        let storage = self.log.storage();
        let is_due = trail.tails >= MAX_TAILS || trail.bytes >= MAX_TAIL_BYTES;
        if is_due || load(storage.as_ref())?.manifest.generation != trail.from.generation {
            return self.whole();
        }
        let durable = match trail.growth.advance(storage.as_ref()) {
            Ok(durable) => durable,
            // A compaction has taken it away since.
            Err(LogError::Missing { .. }) => return self.whole(),
            Err(error) => return Err(error.into()),
        };
        let length = durable.offset.saturating_sub(trail.sent);
        let next_marker = durable.last_marker.map_or(trail.newest.next_marker, MarkerId::next);
        if length == 0 {
            let Base { number, next_seq, .. } = trail.newest;
            self.trail = Some(trail);
            return Ok(Followed {
                number,
                last_seq: next_seq.0.saturating_sub(1),
                sent: false,
                whole: false,
            });
        }
        if length > MAX_TAIL_BYTES || durable.next_seq < trail.newest.next_seq {
            return self.whole();
        }
        let number = trail.newest.number.saturating_add(1);
        let environment = self.log.environment();
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => *self.epoch.insert(state::load(storage.as_ref(), environment)?.epoch),
        };
        let next_marker = next_marker.max(trail.newest.next_marker);
        let object = RemoteTail {
            number,
            written: environment.now(),
            epoch,
            owner: environment.owner(),
            previous: trail.newest.digest,
            base: trail.from.base.number,
            segment: trail.segment,
            offset: trail.sent,
            bytes: self.read(trail.segment, trail.sent, length)?,
            next_seq: durable.next_seq,
            next_marker,
        };
        let bytes = object.encode(self.log.id()).map_err(|e| {
            Error::from(LogError::Damage { path: self.log.location(), offset: None, fault: Fault::Decode(e) })
        })?;
        let base = Base { number, digest: ObjectDigest::of(&bytes), next_seq: durable.next_seq, next_marker };
        match publish(&self.log, self.bucket.as_ref(), base, bytes) {
            // By a `snaplog push`, say.
            Err(Error::Overtaken { .. }) => return self.whole(),
            published => published?,
        }
        trail.newest = base;
        trail.sent = durable.offset;
        trail.tails = trail.tails.saturating_add(1);
        trail.bytes = trail.bytes.saturating_add(length);
        self.trail = Some(trail);
        let last_seq = durable.next_seq.0.saturating_sub(1);
        Ok(Followed { number, last_seq, sent: true, whole: false })
    }

    fn read(&self, segment: SegmentId, from: u64, length: u64) -> Result<Vec<u8>> {
        let (storage, name) = (self.log.storage(), names::events(segment));
        let path = storage.location(&name);
        let file = storage.open(&name).map_err(|e| match e.kind() {
            ErrorKind::NotFound => LogError::Missing { path: path.clone(), named_by: "the manifest" },
            _ => LogError::Io { action: "open", path: path.clone(), source: e },
        })?;
        let mut bytes = vec![0; usize::try_from(length.min(MAX_TAIL_BYTES)).unwrap_or_default()];
        file.read_exact_at(from, &mut bytes).map_err(LogError::io("read", path))?;
        Ok(bytes)
    }
}
