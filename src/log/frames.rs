//! Reading the frames of a segment, one after the other, and telling a torn tail from damage.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use memchr::memmem;

use super::error::{Error, Result};
use crate::codec::{self, Decoder, len_u64};
use crate::format::Fault;
use crate::format::frame::{self, Expect, FrameHeader, FrameType, HEADER_BYTES, MAGIC};
use crate::format::header::{FileKind, MAX_SEGMENT_HEADER_BYTES, PREFIX_BYTES, Prefix};
use crate::format::manifest::Manifest;
use crate::format::seal::Lock;
use crate::format::segment::{SegmentHead, header_crc};
use crate::format::{header, names};
use crate::model::marker::{GraphKind, Marker};
use crate::model::position::{LogId, SegmentId, Seq};
use crate::model::time::Timestamp;
use crate::storage::{self, ReadFile, Storage};

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// What is wrong with a marker whose frame's header has another time: the next session would take the earlier one for the
/// log's, and write frames that run backwards.
pub(super) const MARKER_TIME: &str = "a marker has another time than its frame";

/// An open event segment and its header.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) prefix: Prefix,
    pub(crate) head: SegmentHead,
    pub(crate) head_crc: u32,
    /// Bytes that the file has; what is appended later is not looked at.
    pub(crate) file_len: u64,
    /// How its payloads are read.
    pub(crate) lock: Arc<Lock>,
    file: Arc<dyn ReadFile>,
}

impl Segment {
    /// Opens a segment that the manifest names.
    pub(crate) fn open(storage: &dyn Storage, log_id: LogId, id: SegmentId) -> Result<Self> {
        let segment = Self::open_any(storage, id)?;
        let found = segment.prefix.log_id;
        if found != log_id {
            return Err(segment.damage(0, Fault::ForeignLog { expected: log_id, found }));
        }
        if segment.prefix.number != id.0 {
            return Err(segment.damage(
                0,
                Fault::ForeignFile {
                    what: "the header of an event segment",
                    expected: id.0,
                    found: segment.prefix.number,
                },
            ));
        }
        Ok(segment)
    }

    /// Opens a segment, whatever log it says it belongs to.
    pub(crate) fn open_any(storage: &dyn Storage, id: SegmentId) -> Result<Self> {
        Self::open_as(storage, id, &names::events(id))
    }

    /// Opens the file `name` as the segment `id`.
    pub(crate) fn open_as(storage: &dyn Storage, id: SegmentId, name: &str) -> Result<Self> {
        let path = storage.location(name);
        let file = storage.open(name).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path: path.clone(), named_by: "the manifest" },
            _ => Error::Io { action: "open", path: path.clone(), source: e },
        })?;
        let file_len = file.len().map_err(Error::io("measure", path.clone()))?;
        let read = |len: usize| -> Result<Vec<u8>> {
            let len = len.min(usize::try_from(file_len).unwrap_or(usize::MAX));
            let mut bytes = vec![0; len];
            file.read_exact_at(0, &mut bytes).map_err(Error::io("read", path.clone()))?;
            Ok(bytes)
        };
        let damage = |fault| Error::Damage { path: path.clone(), offset: Some(0), fault };
        let prefix = header::prefix(FileKind::Events, &read(PREFIX_BYTES)?, MAX_SEGMENT_HEADER_BYTES)
            .map_err(damage)?;
        let bytes = read(prefix.length)?;
        let (prefix, head) = SegmentHead::decode(&bytes).map_err(damage)?;
        let head_crc = header_crc(&bytes);
        let lock = Lock::of(&head.encryption, &bytes, storage::ring(storage)).map_err(damage)?;
        let (name, lock, file) = (name.to_owned(), Arc::new(lock), Arc::from(file));
        Ok(Self { id, name, path, prefix, head, head_crc, file_len, lock, file })
    }

    /// Opens a file of which no header can be read, by the tag that most of its frames have; `None` if it has no frame.
    /// What a header would say of the segment is not known, and the first frame is found by [`Frames::resync`].
    pub(crate) fn open_headless(
        storage: &dyn Storage,
        id: SegmentId,
        name: &str,
        kind: GraphKind,
    ) -> Result<Option<Self>> {
        let path = storage.location(name);
        let file = storage.open(name).map_err(Error::io("open", path.clone()))?;
        let file_len = file.len().map_err(Error::io("measure", path.clone()))?;
        let mut segment = Self {
            id,
            name: name.to_owned(),
            path,
            prefix: Prefix::unknown(id.0),
            head: SegmentHead {
                created: Timestamp::MIN,
                tag: 0,
                kind,
                first_seq: Seq(0),
                time: Timestamp::MIN,
                adopts: None,
                rewrites: None,
                writer: String::new(),
                encryption: Vec::new(),
                extensions: Vec::new(),
            },
            head_crc: 0,
            file_len,
            lock: Arc::new(Lock::None),
            file: Arc::from(file),
        };
        let mut tags: HashMap<u64, u64> = HashMap::new();
        each_header(&segment, 0, |_, place| {
            let count = tags.entry(place.tag).or_default();
            *count = count.saturating_add(1);
            true
        })?;
        let most = tags.into_iter().max_by_key(|(_, count)| *count);
        Ok(most.map(|(tag, _)| {
            segment.head.tag = tag;
            segment
        }))
    }

    /// Where the first frame begins.
    pub(crate) fn first_frame(&self) -> u64 {
        len_u64(self.prefix.length)
    }

    /// The frames in the first `limit` bytes.
    pub(crate) fn frames(&self, limit: u64) -> Frames {
        Frames {
            file: Arc::clone(&self.file),
            path: self.path.clone(),
            offset: self.first_frame(),
            limit: limit.min(self.file_len),
            expect: self.head.expect(self.head_crc),
            buffer: Vec::new(),
            buffer_at: 0,
            unpacked: Vec::new(),
            lock: Arc::clone(&self.lock),
            sealed: false,
        }
    }

    /// The payload of the frame at `offset`, which was read before and has this header.
    pub(crate) fn payload(&self, offset: u64, header: &FrameHeader) -> Result<Vec<u8>> {
        let stored = usize::try_from(header.stored_len).unwrap_or(usize::MAX);
        let mut bytes = vec![0; stored.saturating_add(HEADER_BYTES)];
        self.file.read_exact_at(offset, &mut bytes).map_err(Error::io("read", self.path.clone()))?;
        let (head, stored) = bytes.split_at_checked(HEADER_BYTES).unwrap_or_default();
        frame::check_payload(header, stored).map_err(|fault| self.damage(offset, fault))?;
        let unpacked =
            unpack(&self.lock, header, head, offset, stored).map_err(|fault| self.damage(offset, fault))?;
        Ok(unpacked.unwrap_or_else(|| stored.to_vec()))
    }

    /// The header at `offset`, if one of this segment stands there and is sound, whatever its payload is.
    pub(crate) fn header(&self, offset: u64) -> Result<Option<FrameHeader>> {
        if offset.saturating_add(len_u64(HEADER_BYTES)) > self.file_len {
            return Ok(None);
        }
        let mut bytes = vec![0; HEADER_BYTES];
        self.file.read_exact_at(offset, &mut bytes).map_err(Error::io("read", self.path.clone()))?;
        Ok(frame::header(&bytes).ok().filter(|header| header.tag == self.head.tag))
    }

    pub(crate) fn damage(&self, offset: u64, fault: Fault) -> Error {
        Error::Damage { path: self.path.clone(), offset: Some(offset), fault }
    }

    /// That the header says what the manifest says of the segment. A file of a copy of this log that went its own way
    /// has the right log id and number, and is told apart here.
    pub(crate) fn check_place(&self, manifest: &Manifest) -> Result<()> {
        let wrong = |what| Err(self.damage(0, Fault::Meaning { what }));
        let Some(entry) = manifest.segments.iter().find(|entry| entry.id == self.id) else { return Ok(()) };
        if self.head.kind != manifest.kind {
            return wrong("the segment is of another kind of graph than the manifest says");
        }
        if entry.first_seq != self.head.first_seq {
            let fault = Fault::Sequence { expected: entry.first_seq, found: self.head.first_seq };
            return Err(self.damage(0, fault));
        }
        if self.head.adopts != entry.adopts || self.head.rewrites != entry.original {
            return wrong("the segment does not adopt what the manifest says of the one before it");
        }
        Ok(())
    }

    /// That the file has the bytes that the manifest counts on.
    pub(crate) fn check_length(&self, length: u64) -> Result<()> {
        if self.file_len >= length {
            return Ok(());
        }
        let fault = Fault::Truncated { what: "a segment", needed: length, have: self.file_len };
        Err(self.damage(self.file_len, fault))
    }

    /// The last event of the whole frames that the file begins with, of one that is shorter than it should be.
    pub(crate) fn last_whole(&self) -> Result<Seq> {
        let mut frames = self.frames(self.file_len);
        while let Step::Frame { .. } = frames.step()? {}
        Ok(Seq(frames.expect.seq.0.saturating_sub(1)))
    }
}

/// What stands next in a segment.
#[derive(Debug)]
pub(crate) enum Step<'f> {
    /// A frame.
    Frame { offset: u64, header: FrameHeader, payload: &'f [u8] },
    /// Nothing: all bytes were read.
    End,
    /// Bytes that are no frame, or one that does not follow.
    Bad { offset: u64, fault: Fault },
}

/// A reader of frames.
#[derive(Debug)]
pub(crate) struct Frames {
    file: Arc<dyn ReadFile>,
    path: String,
    pub(crate) offset: u64,
    limit: u64,
    pub(crate) expect: Expect,
    buffer: Vec<u8>,
    buffer_at: u64,
    /// The payload of the last frame, if it was compressed or sealed.
    unpacked: Vec<u8>,
    lock: Arc<Lock>,
    sealed: bool,
}

impl Frames {
    /// The next frame. After [`Step::End`] and [`Step::Bad`] it stays there.
    pub(crate) fn step(&mut self) -> Result<Step<'_>> {
        let offset = self.offset;
        let left = self.limit.saturating_sub(offset);
        if left == 0 {
            return Ok(Step::End);
        }
        if self.sealed {
            let fault = Fault::Meaning { what: "there are bytes after the seal of a segment" };
            return Ok(Step::Bad { offset, fault });
        }
        // In this order (FORMAT.md, 11.1): whether the frame belongs here, then what its header says, then whether all
        // of it is there. Only the first and the last can be wrong because a write was torn.
        let mut expect = self.expect;
        let bytes = self.bytes(offset, HEADER_BYTES)?;
        let header = frame::place(bytes)
            .and_then(|place| expect.joins(place))
            .and_then(|()| frame::header(bytes))
            .and_then(|header| expect.follow(&header, offset).map(|()| header));
        let header = match header {
            Ok(header) => header,
            Err(fault) => return Ok(Step::Bad { offset, fault }),
        };
        if header.frame_len() > left {
            let fault = Fault::Truncated { what: "a frame", needed: header.frame_len(), have: left };
            return Ok(Step::Bad { offset, fault });
        }
        let lock = Arc::clone(&self.lock);
        let length = usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        let (head, stored) = self.bytes(offset, length)?.split_at_checked(HEADER_BYTES).unwrap_or_default();
        let unpacked = frame::check_payload(&header, stored)
            .and_then(|()| unpack(&lock, &header, head, offset, stored))
            .and_then(|unpacked| {
                let note = matches!(header.frame_type, FrameType::SyncNote | FrameType::Seal);
                if note && !lock.is_shut() {
                    check_note(&header, unpacked.as_deref().unwrap_or(stored))?;
                }
                Ok(unpacked)
            });
        let unpacked = match unpacked {
            Ok(unpacked) => unpacked,
            Err(fault) => return Ok(Step::Bad { offset, fault }),
        };
        self.expect = expect;
        self.offset = offset.saturating_add(header.frame_len());
        self.sealed = header.frame_type == FrameType::Seal;
        let payload = match unpacked {
            Some(unpacked) => {
                self.unpacked = unpacked;
                &self.unpacked
            }
            None => self.bytes(offset, length)?.get(HEADER_BYTES..).unwrap_or_default(),
        };
        Ok(Step::Frame { offset, header, payload })
    }

    /// After a bad frame: goes to the next one that is whole and belongs to this segment, if there is one. Whether it
    /// follows what was before is not known any more.
    pub(crate) fn resync(&mut self) -> Result<bool> {
        let finder = memmem::Finder::new(&MAGIC);
        let mut at = self.offset.saturating_add(1);
        while at < self.limit {
            let window = self.bytes(at, CHUNK_BYTES)?;
            let Some(found) = finder.find(window) else {
                // A magic that begins in the last bytes is looked at again in the next window.
                let step = window.len().saturating_sub(MAGIC.len().saturating_sub(1)).max(1);
                at = at.saturating_add(len_u64(step));
                continue;
            };
            at = at.saturating_add(len_u64(found));
            if self.is_frame(at)? {
                return Ok(true);
            }
            at = at.saturating_add(1);
        }
        self.offset = self.limit;
        Ok(false)
    }

    /// Whether a whole frame of this segment stands at `offset`; goes there if so.
    fn is_frame(&mut self, offset: u64) -> Result<bool> {
        let Ok(header) = frame::header(self.bytes(offset, HEADER_BYTES)?) else { return Ok(false) };
        if header.tag != self.expect.tag || header.frame_len() > self.limit.saturating_sub(offset) {
            return Ok(false);
        }
        let stored = usize::try_from(header.stored_len).unwrap_or(usize::MAX);
        let payload = self.bytes(offset.saturating_add(len_u64(HEADER_BYTES)), stored)?;
        if frame::check_payload(&header, payload).is_err() {
            return Ok(false);
        }
        self.offset = offset;
        self.expect = Expect {
            tag: header.tag,
            chain: header.previous,
            seq: header.first_seq,
            time: header.time,
            synced: header.synced,
        };
        Ok(true)
    }

    /// Up to `len` bytes at `offset`: fewer only where the file ends.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        let start = offset.checked_sub(self.buffer_at).and_then(|start| usize::try_from(start).ok());
        let have = start.and_then(|start| self.buffer.len().checked_sub(start));
        let wanted = usize::try_from(self.limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        if have.is_none_or(|have| have < len.min(wanted)) {
            self.buffer.resize(len.max(CHUNK_BYTES).min(wanted), 0);
            self.buffer_at = offset;
            self.file
                .read_exact_at(offset, &mut self.buffer)
                .map_err(Error::io("read", self.path.clone()))?;
        }
        let start = usize::try_from(offset.saturating_sub(self.buffer_at)).unwrap_or(usize::MAX);
        let end = start.saturating_add(len).min(self.buffer.len());
        Ok(self.buffer.get(start..end).unwrap_or_default())
    }
}

/// The payload of a frame that is sealed or compressed; `None` if it stands there as it is. Of one that is sealed, and
/// whose key is not there, nothing: its checksum is all that can be looked at.
fn unpack(
    lock: &Lock,
    header: &FrameHeader,
    head: &[u8],
    offset: u64,
    stored: &[u8],
) -> std::result::Result<Option<Vec<u8>>, Fault> {
    let opened = match lock {
        _ if header.sealed == matches!(lock, Lock::None) => {
            return Err(if header.sealed {
                Fault::Meaning { what: "a frame is sealed in a segment that is not" }
            } else {
                Fault::Unsealed { what: "the payload of a frame" }
            });
        }
        Lock::None => None,
        Lock::Shut { .. } => return Ok(Some(Vec::new())),
        Lock::Open(seal) => Some(frame::open(seal, head, offset, stored)?),
    };
    if header.compressed {
        return frame::decompress(header, opened.as_deref().unwrap_or(stored)).map(Some);
    }
    Ok(opened)
}

/// That the payload of a sync note or a seal is the number of the last event, and nothing else.
fn check_note(header: &FrameHeader, payload: &[u8]) -> std::result::Result<(), Fault> {
    let mut decoder = Decoder::new(payload);
    let last = decoder.u64("the last event")?;
    decoder.finish()?;
    if Seq(last).next() != header.first_seq {
        return Err(Fault::Sequence { expected: header.first_seq, found: Seq(last).next() });
    }
    Ok(())
}

/// A place between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub(crate) offset: u64,
    pub(crate) chain: u32,
    pub(crate) next_seq: Seq,
    pub(crate) time: Timestamp,
}

/// How the last segment of a log ends.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The highest claim: everything before it was known durable.
    pub(crate) claim: Boundary,
    /// The end of the last valid frame.
    pub(crate) end: Boundary,
    /// The end of the last valid frame that holds events or a marker.
    pub(crate) last_content: u64,
    /// The markers in it, each with the offset where its frame ends.
    pub(crate) markers: Vec<(u64, Marker)>,
    /// What stands after the end, if bytes do: a torn tail.
    pub(crate) torn: Option<Fault>,
    /// What stands after the end, if acknowledged data does, and where.
    pub(crate) damage: Option<(u64, Fault)>,
}

/// Reads the last segment to its end.
///
/// Goes by claims: if bytes are bad at some offset and a later frame says that the file was durable beyond it, then
/// acknowledged data is damaged, which is never a cut. Otherwise the tail is torn and the log ends there.
pub(crate) fn examine_tail(segment: &Segment) -> Result<Tail> {
    let mut frames = segment.frames(u64::MAX);
    let boundary = |frames: &Frames| Boundary {
        offset: frames.offset,
        chain: frames.expect.chain,
        next_seq: frames.expect.seq,
        time: frames.expect.time,
    };
    // The header was durable before the manifest named the segment.
    let mut claim = boundary(&frames);
    let (mut end, mut last_content) = (claim, claim.offset);
    let mut pending = VecDeque::from([claim]);
    let mut markers = Vec::new();
    let (mut torn, mut damage) = (None, None);
    loop {
        let (offset, header) = match frames.step()? {
            Step::Frame { offset, header, payload } => {
                if header.frame_type == FrameType::Marker && !segment.lock.is_shut() {
                    match codec::from_bytes::<Marker>(payload) {
                        Ok(marker) if marker.time != header.time => {
                            damage = Some((offset, Fault::Meaning { what: MARKER_TIME }));
                            break;
                        }
                        Ok(marker) => markers.push((offset.saturating_add(header.frame_len()), marker)),
                        Err(e) => {
                            damage = Some((offset, Fault::Decode(e)));
                            break;
                        }
                    }
                }
                (offset, header)
            }
            Step::End => break,
            Step::Bad { offset, fault } => {
                if frames.sealed || !fault.may_be_torn() || later_claim(segment, offset)? {
                    damage = Some((offset, fault));
                } else {
                    torn = Some(fault);
                }
                break;
            }
        };
        if header.synced > claim.offset {
            while pending.front().is_some_and(|b| b.offset < header.synced) {
                pending.pop_front();
            }
            match pending.front() {
                Some(b) if b.offset == header.synced => claim = *b,
                _ => {
                    let fault = Fault::Meaning { what: "a frame claims a durable length between two frames" };
                    damage = Some((offset, fault));
                    break;
                }
            }
        }
        let after = boundary(&frames);
        pending.push_back(after);
        if matches!(header.frame_type, FrameType::Events | FrameType::Marker) {
            last_content = after.offset;
        }
        end = after;
    }
    Ok(Tail { claim, end, last_content, markers, torn, damage })
}

/// The highest claim in any sound header of the segment's frames.
pub(crate) fn highest_claim(segment: &Segment) -> Result<u64> {
    let mut highest = 0;
    each_header(segment, 0, |at, place| {
        if place.tag == segment.head.tag && place.synced <= at {
            highest = highest.max(place.synced);
        }
        true
    })?;
    Ok(highest)
}

/// Whether a valid frame after `bad` says that the segment was durable beyond it.
fn later_claim(segment: &Segment, bad: u64) -> Result<bool> {
    let mut found = false;
    each_header(segment, bad.saturating_add(1), |at, place| {
        found = place.tag == segment.head.tag && place.synced > bad && place.synced <= at;
        !found
    })?;
    Ok(found)
}

/// Goes through all bytes from `from` on that are a frame's header by magic and checksum, until `take` has enough.
fn each_header(segment: &Segment, from: u64, mut take: impl FnMut(u64, frame::Place) -> bool) -> Result<()> {
    let finder = memmem::Finder::new(&MAGIC);
    let mut at = from;
    let mut chunk = Vec::new();
    while at.saturating_add(len_u64(HEADER_BYTES)) <= segment.file_len {
        let left = usize::try_from(segment.file_len.saturating_sub(at)).unwrap_or(usize::MAX);
        chunk.resize(left.min(CHUNK_BYTES), 0);
        segment.file.read_exact_at(at, &mut chunk).map_err(Error::io("read", segment.path.clone()))?;
        for found in finder.find_iter(&chunk) {
            if let Ok(place) = frame::place(chunk.get(found..).unwrap_or_default())
                && !take(at.saturating_add(len_u64(found)), place)
            {
                return Ok(());
            }
        }
        // A header that begins near the end of this chunk is looked at again, whole, in the next.
        let step = chunk.len().saturating_sub(HEADER_BYTES.saturating_sub(1)).max(1);
        at = at.saturating_add(len_u64(step));
    }
    Ok(())
}
