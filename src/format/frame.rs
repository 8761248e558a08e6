//! Frames: the unit of write, checksum and atomicity. Framing only; what is in a payload is
//! [`records`](super::records)' and others'.
//!
//! ```text
//!  0  4  magic: 0x9e 'S' 'F' 0x1a
//!  4  1  type: 1 events, 2 marker, 3 sync note, 4 seal
//!  5  1  flags: 1 compressed, 2 sealed
//!  6  2  reserved, zero
//!  8  4  stored length of the payload, at least 1
//! 12  4  raw length of the payload
//! 16  8  the seq that the next event has, which is the first one here if there is one
//! 24  4  number of events
//! 28  4  header checksum of the frame before, or the checksum of the segment's header
//! 32  8  time, microseconds since 1970 UTC, of the first event
//! 40  8  the segment's tag
//! 48  8  offset in this file up to which it was known durable when the frame was written
//! 56  4  CRC-32 of the stored payload
//! 60  4  CRC-32 of the 60 bytes before it
//! 64  …  payload
//! ```

use std::borrow::Cow;

use super::seal::{FileSeal, TAG_BYTES};
use super::unzip::unzip;
use super::{Fault, u16_at, u32_at, u64_at};
use crate::codec::len_u64;
use crate::model::limits::MAX_BATCH_BYTES;
use crate::model::position::Seq;
use crate::model::time::Timestamp;

/// First bytes of every frame.
pub const MAGIC: [u8; 4] = [0x9e, b'S', b'F', 0x1a];
/// Length of a frame's header.
pub const HEADER_BYTES: usize = 64;
/// Largest payload: a batch and the few integers before it.
pub const MAX_PAYLOAD_BYTES: usize = MAX_BATCH_BYTES + 64;

const TYPE_AT: usize = 4;
const FLAGS_AT: usize = 5;
const RESERVED_AT: usize = 6;
const STORED_AT: usize = 8;
const RAW_AT: usize = 12;
const SEQ_AT: usize = 16;
const EVENTS_AT: usize = 24;
const PREVIOUS_AT: usize = 28;
const TIME_AT: usize = 32;
const TAG_AT: usize = 40;
const SYNCED_AT: usize = 48;
const PAYLOAD_CRC_AT: usize = 56;
const HEADER_CRC_AT: usize = 60;
const _: () = assert!(HEADER_CRC_AT + 4 == HEADER_BYTES);

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameType {
    /// A batch of events.
    Events,
    /// A marker.
    Marker,
    /// Nothing but the claim in its header, so that the claim reaches the disk when no more events do.
    SyncNote,
    /// The end of a segment whose writer closed it or went on to the next.
    Seal,
}

impl FrameType {
    const fn number(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Marker => 2,
            Self::SyncNote => 3,
            Self::Seal => 4,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Events, Self::Marker, Self::SyncNote, Self::Seal].into_iter().find(|t| t.number() == number)
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame holds.
    pub frame_type: FrameType,
    /// Bytes of the payload in the file.
    pub stored_len: u32,
    /// Bytes of the payload when it is decompressed.
    pub raw_len: u32,
    /// Whether the payload is compressed.
    pub compressed: bool,
    /// Whether the payload is sealed, after it was compressed.
    pub sealed: bool,
    /// The seq that the next event has.
    pub first_seq: Seq,
    /// Number of events in the frame.
    pub events: u32,
    /// Chain value of the frame before.
    pub previous: u32,
    /// Time of the first event.
    pub time: Timestamp,
    /// The segment's tag.
    pub tag: u64,
    /// Offset up to which the file was known durable.
    pub synced: u64,
    /// Checksum of the payload.
    pub payload_crc: u32,
    /// Checksum of the header: the frame's own chain value.
    pub crc: u32,
}

impl FrameHeader {
    /// Bytes of the whole frame.
    pub fn frame_len(&self) -> u64 {
        u64::from(self.stored_len).saturating_add(len_u64(HEADER_BYTES))
    }

    /// The seq after the frame's last event.
    pub fn end_seq(&self) -> Seq {
        Seq(self.first_seq.0.saturating_add(u64::from(self.events)))
    }
}

/// Where a frame stands in its segment, and how far the segment is durable.
#[derive(Debug, Clone, Copy)]
pub struct Link<'s> {
    /// The segment's tag.
    pub tag: u64,
    /// Chain value of the frame before, or of the segment's header.
    pub previous: u32,
    /// Offset up to which the file is known durable.
    pub synced: u64,
    /// Offset of the frame in the file.
    pub offset: u64,
    /// What seals its payload, in an encrypted log.
    pub seal: Option<&'s FileSeal>,
}

/// Appends a frame; returns its chain value.
///
/// # Errors
/// If the payload is empty or past [`MAX_PAYLOAD_BYTES`].
pub fn encode(
    frame_type: FrameType,
    first_seq: Seq,
    events: u32,
    time: Timestamp,
    link: Link<'_>,
    payload: &[u8],
    to: &mut Vec<u8>,
) -> Result<u32, Fault> {
    let raw = payload_length(len_u64(payload.len()))?;
    put(frame_type, first_seq, events, time, link, (payload, raw, 0), to)
}

/// Appends a frame of events whose payload is compressed at a zstd level, if that makes it smaller; returns its chain
/// value. Only segments that are rewritten have such frames.
///
/// # Errors
/// As [`encode`].
pub fn encode_compressed(
    first_seq: Seq,
    events: u32,
    time: Timestamp,
    link: Link<'_>,
    payload: &[u8],
    level: u8,
    to: &mut Vec<u8>,
) -> Result<u32, Fault> {
    let raw = payload_length(len_u64(payload.len()))?;
    let compressed = zstd::bulk::compress(payload, i32::from(level));
    match compressed.ok().filter(|compressed| compressed.len() < payload.len()) {
        Some(compressed) => {
            put(FrameType::Events, first_seq, events, time, link, (&compressed, raw, COMPRESSED), to)
        }
        None => put(FrameType::Events, first_seq, events, time, link, (payload, raw, 0), to),
    }
}

/// The flag of a frame whose payload is one zstd frame.
const COMPRESSED: u8 = 1;
/// The flag of a frame whose payload is sealed.
const SEALED: u8 = 2;

fn put(
    frame_type: FrameType,
    first_seq: Seq,
    events: u32,
    time: Timestamp,
    link: Link<'_>,
    (payload, raw, flags): (&[u8], u32, u8),
    to: &mut Vec<u8>,
) -> Result<u32, Fault> {
    let (tag_bytes, flags) = if link.seal.is_some() { (TAG_BYTES, flags | SEALED) } else { (0, flags) };
    let stored = payload_length(len_u64(payload.len().saturating_add(tag_bytes)))?;
    let start = to.len();
    to.reserve(HEADER_BYTES.saturating_add(payload.len()).saturating_add(tag_bytes));
    to.extend_from_slice(&MAGIC);
    to.extend_from_slice(&[frame_type.number(), flags, 0, 0]);
    to.extend_from_slice(&stored.to_le_bytes());
    to.extend_from_slice(&raw.to_le_bytes());
    to.extend_from_slice(&first_seq.0.to_le_bytes());
    to.extend_from_slice(&events.to_le_bytes());
    to.extend_from_slice(&link.previous.to_le_bytes());
    to.extend_from_slice(&time.0.to_le_bytes());
    to.extend_from_slice(&link.tag.to_le_bytes());
    to.extend_from_slice(&link.synced.to_le_bytes());
    let payload = match link.seal {
        Some(seal) => {
            let mut sealed = Vec::new();
            seal.seal(link.offset, to.get(start..).unwrap_or_default(), payload, &mut sealed)?;
            Cow::Owned(sealed)
        }
        None => Cow::Borrowed(payload),
    };
    to.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    let crc = crc32fast::hash(to.get(start..).unwrap_or_default());
    to.extend_from_slice(&crc.to_le_bytes());
    to.extend_from_slice(&payload);
    Ok(crc)
}

/// What can be read of any frame's header, whatever else a newer version put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The segment's tag.
    pub tag: u64,
    /// Chain value of the frame before.
    pub previous: u32,
    /// Offset up to which the file was known durable.
    pub synced: u64,
}

/// Reads where a frame belongs, and its claim. Nothing in a header is believed before its own checksum is.
///
/// # Errors
/// [`Fault`] if the bytes are not a frame's header.
pub fn place(bytes: &[u8]) -> Result<Place, Fault> {
    let bytes = sound_header(bytes)?;
    Ok(Place {
        tag: u64_at(bytes, TAG_AT),
        previous: u32_at(bytes, PREVIOUS_AT),
        synced: u64_at(bytes, SYNCED_AT),
    })
}

/// The bytes of a header whose magic and checksum are right.
fn sound_header(bytes: &[u8]) -> Result<&[u8], Fault> {
    let Some(bytes) = bytes.get(..HEADER_BYTES) else {
        return Err(Fault::Truncated {
            what: "the header of a frame",
            needed: len_u64(HEADER_BYTES),
            have: len_u64(bytes.len()),
        });
    };
    if !bytes.starts_with(&MAGIC) {
        return Err(Fault::Magic { what: "a frame" });
    }
    let (stored, computed) =
        (u32_at(bytes, HEADER_CRC_AT), crc32fast::hash(bytes.get(..HEADER_CRC_AT).unwrap_or_default()));
    if stored != computed {
        return Err(Fault::Checksum { what: "the header of a frame", stored, computed });
    }
    Ok(bytes)
}

/// Reads a frame's header.
///
/// # Errors
/// [`Fault`] if the bytes are not the header of a frame that this build can read.
pub fn header(bytes: &[u8]) -> Result<FrameHeader, Fault> {
    let bytes = sound_header(bytes)?;
    let stored = u32_at(bytes, HEADER_CRC_AT);
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let frame_type = FrameType::from_number(byte(TYPE_AT))
        .ok_or(Fault::Meaning { what: "a frame has a type that none has" })?;
    if byte(FLAGS_AT) & !(COMPRESSED | SEALED) != 0 || u16_at(bytes, RESERVED_AT) != 0 {
        return Err(Fault::Features { what: "frame", mask: u64::from(byte(FLAGS_AT)) });
    }
    let header = FrameHeader {
        frame_type,
        stored_len: payload_length(u64::from(u32_at(bytes, STORED_AT)))?,
        raw_len: payload_length(u64::from(u32_at(bytes, RAW_AT)))?,
        compressed: byte(FLAGS_AT) & COMPRESSED != 0,
        sealed: byte(FLAGS_AT) & SEALED != 0,
        first_seq: Seq(u64_at(bytes, SEQ_AT)),
        events: u32_at(bytes, EVENTS_AT),
        previous: u32_at(bytes, PREVIOUS_AT),
        time: Timestamp(u64_at(bytes, TIME_AT).cast_signed()),
        tag: u64_at(bytes, TAG_AT),
        synced: u64_at(bytes, SYNCED_AT),
        payload_crc: u32_at(bytes, PAYLOAD_CRC_AT),
        crc: stored,
    };
    let tag_bytes = if header.sealed { TAG_BYTES } else { 0 };
    let unsealed = u64::from(header.stored_len).checked_sub(len_u64(tag_bytes)).filter(|length| *length > 0);
    let Some(unsealed) = unsealed else {
        return Err(Fault::Meaning { what: "the payload of a sealed frame is too short to be one" });
    };
    if header.compressed && (frame_type != FrameType::Events || u64::from(header.raw_len) <= unsealed) {
        return Err(Fault::Meaning { what: "a frame is compressed that cannot be" });
    }
    if !header.compressed && u64::from(header.raw_len) != unsealed {
        return Err(Fault::Meaning {
            what: "the raw length of an uncompressed frame is not its stored length",
        });
    }
    if frame_type != FrameType::Events && header.events != 0 {
        return Err(Fault::Meaning { what: "a frame that is not of events counts some" });
    }
    Ok(header)
}

/// Checks a payload against its header.
///
/// # Errors
/// [`Fault::Checksum`].
pub fn check_payload(header: &FrameHeader, payload: &[u8]) -> Result<(), Fault> {
    let computed = crc32fast::hash(payload);
    if computed == header.payload_crc {
        Ok(())
    } else {
        Err(Fault::Checksum { what: "the payload of a frame", stored: header.payload_crc, computed })
    }
}

/// Opens the payload of a sealed frame that stands at `offset` in its file. `header_bytes`: the header as it stands there.
///
/// # Errors
/// [`Fault::Sealed`].
pub fn open(seal: &FileSeal, header_bytes: &[u8], offset: u64, stored: &[u8]) -> Result<Vec<u8>, Fault> {
    let beside = header_bytes.get(..PAYLOAD_CRC_AT).unwrap_or_default();
    seal.open("the payload of a frame", offset, beside, stored)
}

/// Decompresses the stored payload of a compressed frame, into exactly as many bytes as its header says.
///
/// # Errors
/// [`Fault`] if it gives more or fewer, or does not decompress.
pub fn decompress(header: &FrameHeader, stored: &[u8]) -> Result<Vec<u8>, Fault> {
    let raw = usize::try_from(header.raw_len).unwrap_or(usize::MAX).min(MAX_PAYLOAD_BYTES);
    let cannot = |_| Fault::Meaning { what: "the payload of a frame cannot be decompressed" };
    let bytes = unzip(stored, raw).map_err(cannot)?;
    if bytes.len() == raw {
        return Ok(bytes);
    }
    let (found, raw) = (len_u64(bytes.len()), len_u64(raw));
    Err(Fault::Length { what: "the length of a decompressed payload", found, min: raw, max: raw })
}

/// What the next frame of a segment must fit: kept while the segment is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The segment's tag.
    pub tag: u64,
    /// Chain value so far.
    pub chain: u32,
    /// The seq of the next event.
    pub seq: Seq,
    /// Time so far.
    pub time: Timestamp,
    /// Highest claim so far.
    pub synced: u64,
}

impl Expect {
    /// Whether a frame belongs to this segment and follows the last one; what else its header says is not looked at.
    ///
    /// # Errors
    /// [`Fault::ForeignFile`], [`Fault::Chain`].
    pub fn joins(&self, place: Place) -> Result<(), Fault> {
        if place.tag != self.tag {
            return Err(Fault::ForeignFile { what: "a frame", expected: self.tag, found: place.tag });
        }
        if place.previous != self.chain {
            return Err(Fault::Chain { expected: self.chain, found: place.previous });
        }
        Ok(())
    }

    /// Takes a frame at `offset`, or says why it does not follow.
    ///
    /// # Errors
    /// [`Fault`] if the frame is another segment's, does not follow the last one, skips or repeats events, or claims
    /// what cannot be durable yet.
    pub fn follow(&mut self, header: &FrameHeader, offset: u64) -> Result<(), Fault> {
        let FrameHeader { tag, previous, synced, .. } = *header;
        self.joins(Place { tag, previous, synced })?;
        if header.first_seq != self.seq {
            return Err(Fault::Sequence { expected: self.seq, found: header.first_seq });
        }
        if header.time < self.time {
            return Err(Fault::Meaning { what: "time runs backwards" });
        }
        if header.synced > offset || header.synced < self.synced {
            return Err(Fault::Meaning { what: "a frame claims a durable length that cannot be" });
        }
        self.chain = header.crc;
        self.seq = header.end_seq();
        self.time = header.time;
        self.synced = header.synced;
        Ok(())
    }
}

fn payload_length(length: u64) -> Result<u32, Fault> {
    let max = len_u64(MAX_PAYLOAD_BYTES);
    match u32::try_from(length) {
        Ok(stored) if (1..=max).contains(&length) => Ok(stored),
        _ => Err(Fault::Length { what: "the length of a frame's payload", found: length, min: 1, max }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Link<'_> = Link { tag: 9, previous: 3, synced: 0, offset: 0, seal: None };

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(FrameType::Events, Seq(1), 2, Timestamp(5), LINK, b"payload", &mut bytes).unwrap();
        bytes
    }

    fn expect() -> Expect {
        Expect { tag: 9, chain: 3, seq: Seq(1), time: Timestamp(0), synced: 0 }
    }

    fn read(bytes: &[u8]) -> Result<FrameHeader, Fault> {
        let header = header(bytes)?;
        let end = usize::try_from(header.frame_len()).unwrap();
        let payload = bytes.get(HEADER_BYTES..end).ok_or(Fault::Meaning { what: "cut" })?;
        check_payload(&header, payload)?;
        Ok(header)
    }

    #[test]
    fn a_frame_comes_back() {
        let header = read(&sample()).unwrap();
        assert_eq!((header.first_seq, header.events, header.end_seq()), (Seq(1), 2, Seq(3)));
        assert_eq!(header.frame_len(), 71);
        expect().follow(&header, 100).unwrap();
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = sample();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_a_bad_frame() {
        assert!(matches!(header(&[0; 64]), Err(Fault::Magic { .. })));
    }

    #[test]
    fn an_empty_payload_cannot_be_written() {
        let outcome = encode(FrameType::SyncNote, Seq(1), 0, Timestamp(0), LINK, b"", &mut Vec::new());
        assert!(matches!(outcome, Err(Fault::Length { .. })));
    }

    #[test]
    fn a_frame_must_follow_the_one_before() {
        let header = read(&sample()).unwrap();
        let wrong: [fn(&mut Expect); 5] =
            [|e| e.tag = 1, |e| e.chain = 1, |e| e.seq = Seq(2), |e| e.time = Timestamp(6), |e| e.synced = 1];
        for change in wrong {
            let mut expect = expect();
            change(&mut expect);
            assert!(expect.follow(&header, 100).is_err());
        }
    }
}
