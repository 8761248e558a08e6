//! What the header of an event segment says.

use serde::{Deserialize, Serialize};

use super::Fault;
use super::frame::Expect;
use super::header::{self, FileKind, MAX_SEGMENT_HEADER_BYTES, Prefix};
use crate::codec::DecodeError;
use crate::model::marker::GraphKind;
use crate::model::position::{LogId, SegmentId, Seq};
use crate::model::time::Timestamp;

/// The body of an event segment's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHead {
    /// When it was made.
    pub created: Timestamp,
    /// A random number that each of its frames repeats.
    pub tag: u64,
    /// What kind of graph the log holds.
    pub kind: GraphKind,
    /// The seq of its first event.
    pub first_seq: Seq,
    /// No event in it is earlier than this.
    pub time: Timestamp,
    /// The part of the segment before it that counts; `None` in the first segment of a log.
    pub adopts: Option<Adopted>,
    /// If it is another segment rewritten: the one that it takes the place of.
    pub rewrites: Option<Adopted>,
    /// Who wrote it: for people.
    pub writer: String,
    /// How the payloads are sealed; empty: not at all.
    pub encryption: Vec<u8>,
    /// Room for what later minor versions add.
    pub extensions: Vec<Extension>,
}

/// How much of a segment counts: what lies after it is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// The segment.
    pub id: SegmentId,
    /// Bytes from its start.
    pub length: u64,
    /// Header checksum of the last frame in them, or the checksum of the segment's header if they hold no frame.
    pub chain: u32,
}

/// Something that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// What it is.
    pub tag: u32,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl SegmentHead {
    /// The header's bytes.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId, id: SegmentId) -> Result<Vec<u8>, DecodeError> {
        header::encode(FileKind::Events, log_id, id.0, self)
    }

    /// Reads a header that `bytes` begins with.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound.
    pub fn decode(bytes: &[u8]) -> Result<(Prefix, Self), Fault> {
        header::decode(FileKind::Events, bytes, MAX_SEGMENT_HEADER_BYTES)
    }

    /// What the first frame must fit, behind a header with checksum `crc`.
    pub fn expect(&self, crc: u32) -> Expect {
        Expect { tag: self.tag, chain: crc, seq: self.first_seq, time: self.time, synced: 0 }
    }
}

/// The checksum that an envelope ends with: the chain value before the first frame.
pub fn header_crc(bytes: &[u8]) -> u32 {
    super::u32_at(bytes, bytes.len().saturating_sub(header::SUFFIX_BYTES))
}
