//! The writer's files: beginning a segment, going on to the next, taking over what an earlier session left.

use crate::codec::{self, Encoder, len_u64};
use crate::format::Fault;
use crate::format::frame::{self, FrameType, Link};
use crate::format::manifest::{Manifest, SegmentEnd, SegmentEntry};
use crate::format::names;
use crate::format::seal::{FileSeal, SealHead};
use crate::format::segment::{SegmentHead, header_crc};
use crate::log::error::{Error, Result};
use crate::log::frames::{Boundary, Segment, Step};
use crate::log::store;
use crate::model::position::{SegmentId, Seq};
use crate::model::time::Timestamp;
use crate::storage::{Keys, WriteFile};

use super::core::Core;

/// The longest time that the events of a segment span before the next is begun, in microseconds: a day.
const MAX_SPAN_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// The segment that the session writes.
#[derive(Debug)]
pub(super) struct OpenSegment {
    path: String,
    file: Box<dyn WriteFile>,
    tag: u64,
    /// What seals its payloads, in an encrypted log.
    seal: Option<FileSeal>,
    /// Chain value after the last frame.
    chain: u32,
    /// Bytes in the file and in the buffer.
    pub(super) offset: u64,
    /// Bytes known durable.
    synced: u64,
    /// The time of the first event in it.
    since: Option<Timestamp>,
    /// Frames that are not in the file yet.
    buffer: Vec<u8>,
    /// Whether anything but notes was written since the last sync.
    pub(super) dirty: bool,
}

impl OpenSegment {
    /// Puts a frame into the buffer.
    pub(super) fn push(
        &mut self,
        frame_type: FrameType,
        first_seq: Seq,
        events: u32,
        time: Timestamp,
        payload: &[u8],
    ) -> Result<()> {
        let Self { tag, chain: previous, synced, offset, .. } = *self;
        let link = Link { tag, previous, synced, offset, seal: self.seal.as_ref() };
        let before = self.buffer.len();
        self.chain = frame::encode(frame_type, first_seq, events, time, link, payload, &mut self.buffer)
            .map_err(|fault| Error::Damage { path: self.path.clone(), offset: None, fault })?;
        let added = len_u64(self.buffer.len().saturating_sub(before));
        self.offset = self.offset.saturating_add(added);
        self.dirty = true;
        if events > 0 && self.since.is_none() {
            self.since = Some(time);
        }
        Ok(())
    }

    /// Hands the buffered frames to the file system, in one write.
    pub(super) fn write_out(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer).map_err(Error::io("write to", self.path.clone()))?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Makes all frames durable, then leaves a note that says so. The note itself is not synced: it reaches the disk
    /// with what comes later, or by itself if nothing does.
    pub(super) fn sync(&mut self, next_seq: Seq, time: Timestamp) -> Result<()> {
        self.write_out()?;
        self.file.sync().map_err(Error::io("sync", self.path.clone()))?;
        self.synced = self.offset;
        self.push(FrameType::SyncNote, next_seq, 0, time, &last_seq_payload(next_seq))?;
        self.write_out()?;
        self.dirty = false;
        Ok(())
    }

    /// Makes all frames durable and ends the segment with a seal, durable too.
    pub(super) fn seal(&mut self, next_seq: Seq, time: Timestamp) -> Result<SegmentEnd> {
        self.write_out()?;
        // Before the seal, so that the seal's claim covers all events, and before the successor takes an event, or
        // a crash could lose events of the middle of the log and keep later ones.
        self.file.sync().map_err(Error::io("sync", self.path.clone()))?;
        self.synced = self.offset;
        self.push(FrameType::Seal, next_seq, 0, time, &last_seq_payload(next_seq))?;
        self.write_out()?;
        self.file.sync().map_err(Error::io("sync", self.path.clone()))?;
        self.dirty = false;
        Ok(SegmentEnd { length: self.offset, chain: self.chain, next_seq, time })
    }
}

fn last_seq_payload(next_seq: Seq) -> Vec<u8> {
    let mut payload = Encoder::new();
    payload.u64(next_seq.0.saturating_sub(1));
    payload.into_vec()
}

/// What an earlier session left in the last segment, and did not make sure of.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) segment: Segment,
    /// Everything before it was known durable.
    pub(super) claim: Boundary,
    /// The end of the last valid frame.
    pub(super) end: Boundary,
    /// The end of the last frame that holds events or a marker.
    pub(super) last_content: u64,
}

impl Inherited {
    /// Whether there is anything after the claim that counts.
    pub(super) fn has_unclaimed(&self) -> bool {
        self.last_content > self.claim.offset
    }

    /// Events up to here are known durable.
    pub(super) fn durable(&self) -> Seq {
        let next = if self.has_unclaimed() { self.claim.next_seq } else { self.end.next_seq };
        Seq(next.0.saturating_sub(1))
    }
}

impl Core {
    /// The session's segment; begins one if there is none.
    pub(super) fn segment(&mut self) -> Result<&mut OpenSegment> {
        if self.segment.is_none() {
            let begun = self.begin_segment()?;
            self.segment = Some(begun);
        }
        self.segment.as_mut().ok_or(Error::Damage {
            path: String::new(),
            offset: None,
            fault: Fault::Meaning { what: "no segment is open" },
        })
    }

    /// Ends the segment and begins the next, if it is as large as segments become, or its events span a day: what is
    /// older than events are kept can then be folded, and goes as a whole.
    pub(super) fn roll_if_full(&mut self) -> Result<()> {
        let time = self.flushed_time();
        let full = self.segment.as_ref().is_some_and(|segment| {
            let spans = segment.since.map_or(0, |since| time.0.saturating_sub(since.0));
            segment.offset >= self.config.segment_bytes || spans >= MAX_SPAN_MICROS
        });
        if full {
            self.rolls = self.rolls.saturating_add(1);
            self.end_segment()?;
            let begun = self.begin_segment()?;
            self.segment = Some(begun);
        }
        Ok(())
    }

    /// Seals the session's segment and notes its end for the manifest.
    pub(super) fn end_segment(&mut self) -> Result<()> {
        let (next_seq, time) = (self.flushed_seq(), self.time);
        if let Some(mut segment) = self.segment.take() {
            let end = segment.seal(next_seq, time)?;
            self.closed_bytes = self.closed_bytes.saturating_add(end.length);
            self.durable = Seq(next_seq.0.saturating_sub(1));
            if let Some(entry) = self.manifest.segments.last_mut() {
                entry.end = Some(end);
            }
        }
        Ok(())
    }

    /// Makes a new segment and puts it in force. In this order, or a crash loses what was acknowledged: the file whole
    /// under a temporary name, synced; renamed; named by the manifest, the directory synced; only then an event in it may
    /// be acknowledged.
    fn begin_segment(&mut self) -> Result<OpenSegment> {
        let storage = self.storage.clone();
        let id = self.reserve()?;
        let name = names::events(id);
        let path = storage.location(&name);

        let inherited = self.inherited.take();
        if let Some(inherited) = &inherited {
            self.close_inherited(inherited);
        }
        // Births and time as they were where the new segment begins: before what is appended again.
        let first_seq = inherited.as_ref().map_or(self.flushed_seq(), |i| i.claim.next_seq);
        let random = self.environment.random();
        let sealing = storage.keys().map(Keys::begin);
        let encode = |e| Error::Damage { path: path.clone(), offset: None, fault: Fault::Decode(e) };
        let head = SegmentHead {
            created: self.environment.now(),
            tag: u64::from_le_bytes(random.first_chunk().copied().unwrap_or_default()).max(1),
            kind: self.manifest.kind,
            first_seq,
            time: inherited.as_ref().map_or(self.flushed_time(), |i| i.claim.time),
            adopts: self.manifest.segments.last().and_then(SegmentEntry::adopted),
            rewrites: None,
            writer: self.owner.clone(),
            encryption: sealing.as_ref().map_or_else(|| Ok(Vec::new()), SealHead::encode).map_err(encode)?,
            extensions: Vec::new(),
        };
        let bytes = head.encode(self.log_id, id).map_err(encode)?;
        let seal = sealing.zip(storage.keys()).map(|(head, keys)| keys.ring().seal(&head, &bytes));
        let seal =
            seal.transpose().map_err(|fault| Error::Damage { path: path.clone(), offset: None, fault })?;

        let tmp = format!("{name}{}", names::TMP_SUFFIX);
        let file = storage.create(&tmp).map_err(Error::io("create", storage.location(&tmp)))?;
        let mut segment = OpenSegment {
            path: path.clone(),
            file,
            tag: head.tag,
            seal,
            chain: header_crc(&bytes),
            offset: len_u64(bytes.len()),
            synced: 0,
            since: None,
            buffer: bytes,
            dirty: false,
        };
        if let Some(inherited) = &inherited {
            append_again(inherited, &mut segment)?;
        }
        // One sync for header and frames; the note in the file speaks of both and counts only once the manifest
        // names the file, which is after it.
        segment.synced = segment.offset;
        segment.push(
            FrameType::SyncNote,
            self.flushed_seq(),
            0,
            self.flushed_time(),
            &last_seq_payload(self.flushed_seq()),
        )?;
        segment.write_out()?;
        segment.file.sync().map_err(Error::io("sync", path.clone()))?;
        storage.rename(&tmp, &name).map_err(Error::io("rename", path.clone()))?;
        // The new name becomes durable with the manifest's: its directory sync comes before CURRENT names it.
        segment.dirty = false;

        let mut manifest = self.described();
        manifest.next_file = id.next();
        manifest.segments.push(SegmentEntry {
            id,
            first_seq,
            begins: head.time,
            adopts: head.adopts,
            end: None,
            original: None,
            compression: 0,
            raw_bytes: 0,
        });
        self.put_in_force(manifest)?;
        self.durable = self.durable.max(Seq(self.flushed_seq().0.saturating_sub(1)));
        Ok(segment)
    }

    /// A number for a new file: given once.
    pub(super) fn reserve(&mut self) -> Result<SegmentId> {
        let id = store::next_file(self.storage.as_ref(), &self.manifest)?;
        self.manifest.next_file = id.next();
        Ok(id)
    }

    /// Notes in the manifest how much of the last session's segment counts.
    fn close_inherited(&mut self, inherited: &Inherited) {
        let Boundary { offset: length, chain, next_seq, time } = inherited.claim;
        if let Some(entry) = self.manifest.segments.last_mut().filter(|e| e.id == inherited.segment.id) {
            entry.end = Some(SegmentEnd { length, chain, next_seq, time });
        }
        self.closed_bytes = self.closed_bytes.saturating_add(length);
    }

    /// The manifest with everything that is in the log by now.
    pub(super) fn described(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest.written = self.environment.now();
        manifest.markers.clone_from(&self.markers);
        manifest.next_marker = self.next_marker;
        manifest.next_seq = self.flushed_seq();
        manifest.ordinals = self.flushed_ordinals();
        manifest.high_water = self.flushed_high_water();
        manifest.sources.clone_from(&self.sources);
        manifest
    }

    /// Changes the manifest as a difference and puts it in force. What `change` does holds for the manifest with
    /// everything that is in the log by now. The outer error ends the session; after the inner one the log is as it was.
    pub(super) fn change_manifest(
        &mut self,
        change: &mut dyn FnMut(&mut Manifest) -> Result<bool>,
    ) -> Result<Result<bool>> {
        // The manifest may only speak of what is durable.
        self.commit()?;
        let mut manifest = self.described();
        match change(&mut manifest) {
            Ok(true) => {}
            otherwise => return Ok(otherwise),
        }
        let markers = manifest.markers.clone();
        let generation = Some(self.manifest.generation);
        let prepared = match store::prepare(self.storage.as_ref(), self.log_id, generation, manifest) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(error)),
        };
        self.manifest = prepared.publish(self.storage.as_ref())?;
        self.markers = markers;
        Ok(Ok(true))
    }

    /// Replaces the manifest in force.
    pub(super) fn put_in_force(&mut self, manifest: Manifest) -> Result<()> {
        let generation = self.manifest.generation;
        self.manifest = store::swap(self.storage.as_ref(), self.log_id, Some(generation), manifest)?;
        Ok(())
    }
}

/// Copies the frames after the claim, same events, same seqs.
fn append_again(inherited: &Inherited, to: &mut OpenSegment) -> Result<()> {
    let mut frames = inherited.segment.frames(inherited.end.offset);
    loop {
        match frames.step()? {
            Step::Frame { offset, header, payload } => {
                let content = matches!(header.frame_type, FrameType::Events | FrameType::Marker);
                if offset >= inherited.claim.offset && content {
                    to.push(header.frame_type, header.first_seq, header.events, header.time, payload)?;
                    if to.buffer.len() > COPY_BYTES {
                        to.write_out()?;
                    }
                }
            }
            Step::End => return Ok(()),
            Step::Bad { offset, fault } => return Err(inherited.segment.damage(offset, fault)),
        }
    }
}

/// How much is copied with one write.
const COPY_BYTES: usize = 1 << 20;

/// The marker in a payload that this session made.
pub(super) fn marker_payload(marker: &crate::model::marker::Marker) -> Result<Vec<u8>> {
    codec::to_bytes(marker).map_err(|e| Error::Damage {
        path: String::new(),
        offset: None,
        fault: Fault::Decode(e),
    })
}
