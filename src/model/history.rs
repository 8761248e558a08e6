//! What proves a log's history: BLAKE3 over the events between markers, and a chain of digests over the markers.
//!
//! Checksums and fingerprints guard against accidents. Whoever can write the files can make them fit again; so a marker
//! has a *digest* too, which its user can keep elsewhere. It covers the marker, the events since the marker before it, and
//! that marker's digest: nothing up to there can be changed, left out or put back to an earlier state without another
//! digest coming of it, as far as the events are there to be hashed (FORMAT.md, 18).
//!
//! Source: BLAKE3, <https://github.com/BLAKE3-team/BLAKE3-specs>.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::marker::{Counts, Marker, Ordinals, Served};
use super::position::{LogId, MarkerId, Seq};
use super::time::Timestamp;
use crate::codec::{self, DecodeError};

/// A BLAKE3 hash: 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        blake3::Hash::from_hex(text.to_ascii_lowercase()).ok().map(|hash| Self(hash.into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Hashes the events between two markers, in order.
#[derive(Debug, Clone)]
pub struct EventHasher {
    hasher: blake3::Hasher,
    /// Events that were not hashed yet: long inputs are hashed several times as fast as short ones.
    waiting: Vec<u8>,
}

impl Default for EventHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// How much is gathered before it is hashed.
const GATHERED_BYTES: usize = 32 << 10;

impl EventHasher {
    /// Before the first event.
    pub fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), waiting: Vec::new() }
    }

    /// Takes the next event: its time and its records, as they stand in a frame.
    pub fn event(&mut self, time: Timestamp, records: &[u8]) {
        self.waiting.extend_from_slice(&time.0.to_le_bytes());
        self.waiting.extend_from_slice(records);
    }

    /// Where it stands, to come back to; good until the next [`settle`](Self::settle).
    pub fn mark(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets what was taken since `mark`.
    pub fn roll_back(&mut self, mark: usize) {
        self.waiting.truncate(mark);
    }

    /// What was taken so far stays: at the end of each frame, so that no more than one is held.
    pub fn settle(&mut self) {
        if self.waiting.len() >= GATHERED_BYTES {
            self.hash_waiting();
        }
    }

    /// What the events since the last marker hash to; begins anew.
    pub fn finish(&mut self) -> Digest {
        self.hash_waiting();
        let digest = Digest(self.hasher.finalize().into());
        self.hasher.reset();
        digest
    }

    /// Forgets everything.
    pub fn restart(&mut self) {
        self.waiting.clear();
        self.hasher.reset();
    }

    fn hash_waiting(&mut self) {
        self.hasher.update(&self.waiting);
        self.waiting.clear();
    }
}

/// What is kept of a marker for ever, when it is off the list and its events are folded too: its link in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stub {
    /// Its name.
    pub id: MarkerId,
    /// The event after which it stood.
    pub seq: Seq,
    /// Its time.
    pub time: Timestamp,
    /// What the graph there summed to.
    pub fingerprint: Fingerprint,
    /// BLAKE3 of the events after the marker before it, up to it.
    pub events: Digest,
    /// BLAKE3 of everything else that the marker said for good.
    pub particulars: Digest,
}

/// What of a marker the stub gives only as a hash.
#[derive(Serialize)]
struct Particulars<'a> {
    tiers: &'a [String],
    label: &'a Option<String>,
    counts: Counts,
    ordinals: Ordinals,
    served: Served,
    position: u64,
}

impl Stub {
    /// The stub of a marker. What may change later, its pin and its expiry, is not in it.
    ///
    /// # Errors
    /// If the marker does not encode: one that is larger than any that can be read.
    pub fn of(marker: &Marker) -> Result<Self, DecodeError> {
        let Marker { tiers, label, counts, ordinals, served, position, .. } = marker;
        let particulars = Particulars {
            tiers,
            label,
            counts: *counts,
            ordinals: *ordinals,
            served: *served,
            position: *position,
        };
        Ok(Self {
            id: marker.id,
            seq: marker.seq,
            time: marker.time,
            fingerprint: marker.fingerprint,
            events: marker.events,
            particulars: Digest(blake3::hash(&codec::to_bytes(&particulars)?).into()),
        })
    }

    /// The marker's digest, after that of the marker before it.
    ///
    /// # Errors
    /// Never for what was decoded.
    fn digest(&self, before: Digest) -> Result<Digest, DecodeError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&before.0);
        hasher.update(&codec::to_bytes(self)?);
        Ok(Digest(hasher.finalize().into()))
    }
}

/// The digests of a log's markers, the first one's first. `stubs`: of all of them, without a gap.
///
/// # Errors
/// Never for what was decoded.
pub fn digests(log: LogId, stubs: &[Stub]) -> Result<Vec<(MarkerId, Digest)>, DecodeError> {
    let mut before = Digest(blake3::hash(&log.0).into());
    let mut digests = Vec::with_capacity(stubs.len());
    for stub in stubs {
        before = stub.digest(before)?;
        digests.push((stub.id, before));
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_as_it_is_written_and_nothing_else_does() {
        let digest = Digest(blake3::hash(b"x").into());
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse(&digest.to_string().to_uppercase()), Some(digest));
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn how_events_are_gathered_does_not_show() {
        let records: Vec<Vec<u8>> = (0..3000_u32).map(|n| n.to_le_bytes().repeat(10)).collect();
        let (mut gathered, mut plain) = (EventHasher::new(), Vec::new());
        for (at, records) in (0..).zip(&records) {
            gathered.event(Timestamp(at), records);
            let mark = gathered.mark();
            gathered.event(Timestamp(at), b"rolled back");
            gathered.roll_back(mark);
            gathered.settle();
            plain.extend_from_slice(&at.to_le_bytes());
            plain.extend_from_slice(records);
        }
        assert_eq!(gathered.finish(), Digest(blake3::hash(&plain).into()));
        assert_eq!(gathered.finish(), Digest(blake3::hash(b"").into()));
    }

    #[test]
    fn each_digest_covers_all_before_it() {
        let stub = |id: u64| Stub {
            id: MarkerId(id),
            seq: Seq(id * 10),
            time: Timestamp(1),
            fingerprint: Fingerprint::default(),
            events: Digest::default(),
            particulars: Digest::default(),
        };
        let chain: Vec<Stub> = (1..=4).map(stub).collect();
        let good = digests(LogId([1; 16]), &chain).unwrap();
        assert_ne!(good, digests(LogId([2; 16]), &chain).unwrap());
        for at in 0..chain.len() {
            let mut other = chain.clone();
            other[at].events.0[31] ^= 1;
            let other = digests(LogId([1; 16]), &other).unwrap();
            assert_eq!(good[..at], other[..at]);
            assert!(good[at..].iter().zip(&other[at..]).all(|(a, b)| a != b), "{at}");
        }
    }
}
