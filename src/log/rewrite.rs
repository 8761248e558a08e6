//! Rewriting an event segment: without the events that snapshots hold, and compressed. What is left says the same.
//!
//! Records are taken from frame to frame as they are. Small frames are put together, but not across a marker or the end of
//! an increment, from which a replay may begin; the markers that are not listed any more are left out. The segment that follows adopts the one that this takes the place of, so the new one says in
//! its header which one that is.

use std::collections::HashSet;

use xxhash_rust::xxh3::Xxh3;

use super::environment::Environment;
use super::error::{Error, Result};
use super::frames::{Segment, Step};
use super::view::View;
use crate::codec::{self, Encoder, len_u64};
use crate::format::Fault;
use crate::format::frame::{self, FrameType, Link};
use crate::format::manifest::{SegmentEnd, SegmentEntry};
use crate::format::names;
use crate::format::records::{Item, PayloadDecoder, PayloadEncoder, advance};
use crate::format::seal::{FileSeal, SealHead, TAG_BYTES};
use crate::format::segment::{SegmentHead, header_crc};
use crate::model::marker::{Marker, Ordinals};
use crate::model::position::{SegmentId, Seq};
use crate::model::time::Timestamp;
use crate::storage::{Keys, Storage, WriteFile};

/// A frame is closed when its payload reaches this.
const FRAME_BYTES: usize = 256 << 10;
/// How much is handed to the file at once.
const WRITE_BYTES: usize = 1 << 20;

/// Writes the events of the segment `file` that come after `after` into a new segment `id` in `dest`, at a zstd level (0: not
/// compressed). It is synced, read back and compared, and has its name, durable. No manifest names it yet: that is the entry that is returned.
pub(crate) fn rewrite(
    view: &View,
    dest: &dyn Storage,
    file: SegmentId,
    after: Seq,
    id: SegmentId,
    level: u8,
    environment: &dyn Environment,
) -> Result<SegmentEntry> {
    let storage = view.storage.as_ref();
    let manifest = &view.in_force.manifest;
    let entry = manifest.segments.iter().find(|entry| entry.id == file);
    let (Some(entry), Some((end, adopted))) = (entry, entry.and_then(|entry| entry.end.zip(entry.adopted())))
    else {
        return Err(Error::Missing {
            path: storage.location(&names::events(file)),
            named_by: "a step of a compaction",
        });
    };
    let source = Segment::open(storage, view.in_force.log_id, file)?;
    source.check_place(manifest)?;
    source.check_length(end.length)?;
    let listed = |marker: &Marker| manifest.markers.iter().any(|listed| listed.id == marker.id);

    let name = names::events(id);
    let tmp = format!("{name}{}", names::TMP_SUFFIX);
    let path = dest.location(&tmp);
    let encode = |e| Error::Damage { path: path.clone(), offset: None, fault: Fault::Decode(e) };
    let sealing = dest.keys().map(Keys::begin);
    let random = environment.random();
    let head = SegmentHead {
        created: environment.now(),
        tag: u64::from_le_bytes(random.first_chunk().copied().unwrap_or_default()).max(1),
        kind: manifest.kind,
        first_seq: entry.first_seq.max(after.next()),
        time: time_at(&source, end.length, after, &listed)?,
        adopts: entry.adopts,
        rewrites: Some(adopted),
        writer: source.head.writer.clone(),
        encryption: sealing.as_ref().map_or_else(|| Ok(Vec::new()), SealHead::encode).map_err(encode)?,
        extensions: Vec::new(),
    };
    let bytes = head.encode(view.in_force.log_id, id).map_err(encode)?;
    let seal = sealing.zip(dest.keys()).map(|(head, keys)| keys.ring().seal(&head, &bytes));
    let seal = seal.transpose().map_err(|fault| Error::Damage { path: path.clone(), offset: None, fault })?;
    let mut out = Rewriter {
        path: path.clone(),
        file: dest.create(&tmp).map_err(Error::io("create", path.clone()))?,
        tag: head.tag,
        seal,
        previous: header_crc(&bytes),
        synced: 0,
        offset: 0,
        raw_bytes: len_u64(bytes.len()),
        buffer: bytes,
        level,
        group: None,
        ends: manifest.snapshots.iter().flat_map(|entry| &entry.increments).map(|one| one.to).collect(),
        time: head.time,
        next_seq: head.first_seq,
    };
    let written = pass(&source, end.length, after, &listed, |place| out.take(place))
        .and_then(|digest| out.finish(end.time).map(|end| (digest, end)));
    let proven = written.and_then(|(digest, new_end)| {
        let copy = Segment::open_as(dest, id, &tmp)?;
        let again = pass(&copy, new_end.length, after, &listed, |_| Ok(()))?;
        if again == digest && new_end.next_seq == end.next_seq {
            return Ok(new_end);
        }
        Err(copy.damage(0, Fault::Meaning { what: "a rewritten segment does not say the same" }))
    });
    let new_end = match proven {
        Ok(new_end) => new_end,
        Err(error) => {
            // One that stays is removed by the next session.
            let _ = dest.remove(&tmp);
            return Err(error);
        }
    };
    dest.rename(&tmp, &name).map_err(Error::io("rename", path))?;
    dest.sync_dir("").map_err(Error::io("sync", dest.location("")))?;
    Ok(SegmentEntry {
        id,
        first_seq: head.first_seq,
        begins: head.time,
        adopts: head.adopts,
        end: Some(new_end),
        original: head.rewrites,
        compression: level,
        raw_bytes: out.raw_bytes,
    })
}

/// What a segment holds, piece by piece.
enum Content<'a> {
    /// A piece of an event's frame; `time`: of the event.
    Item { item: Item<'a>, next: Ordinals, time: Timestamp },
    /// A marker that is listed.
    Marker { payload: &'a [u8], time: Timestamp },
}

/// The time of the last thing at or before `after` that stands before all that is kept: a marker at that very event is
/// kept, and what follows it there, a second marker, say, may be later than it.
fn time_at(source: &Segment, length: u64, after: Seq, listed: &dyn Fn(&Marker) -> bool) -> Result<Timestamp> {
    let mut frames = source.frames(length);
    let mut time = source.head.time;
    while let Step::Frame { header, payload, .. } = frames.step()? {
        if header.end_seq() > after.next() {
            break;
        }
        if header.frame_type == FrameType::Marker {
            let marker: Marker =
                codec::from_bytes(payload).map_err(|e| source.damage(0, Fault::Decode(e)))?;
            if marker.seq >= after && listed(&marker) {
                break;
            }
        }
        time = time.max(header.time);
        if header.frame_type == FrameType::Events {
            let mut decoder =
                PayloadDecoder::new(payload, source.head.kind).map_err(|f| source.damage(0, f))?;
            let mut at = header.time;
            while let Some(item) = decoder.next_item().map_err(|fault| source.damage(0, fault))? {
                if let Item::TimePassed(micros) = item {
                    at = advance(at, micros);
                }
            }
            time = time.max(at);
        }
    }
    Ok(time)
}

/// Goes through what a segment holds after `after`, which is where a frame ends, and returns a hash of all of it.
fn pass(
    segment: &Segment,
    length: u64,
    after: Seq,
    listed: &dyn Fn(&Marker) -> bool,
    mut take: impl FnMut(Content<'_>) -> Result<()>,
) -> Result<u128> {
    let mut hasher = Xxh3::new();
    let mut frames = segment.frames(length);
    let kind = segment.head.kind;
    loop {
        let (offset, header, payload) = match frames.step()? {
            Step::Frame { offset, header, payload } => (offset, header, payload),
            Step::End => return Ok(hasher.digest128()),
            Step::Bad { offset, fault } => return Err(segment.damage(offset, fault)),
        };
        let fault = |fault| segment.damage(offset, fault);
        match header.frame_type {
            FrameType::Events if header.first_seq <= after => {
                if header.end_seq() > after.next() {
                    return Err(fault(Fault::Meaning { what: "a segment cannot be cut inside of a frame" }));
                }
            }
            FrameType::Events => {
                let mut decoder = PayloadDecoder::new(payload, kind).map_err(fault)?;
                let (mut time, mut next) = (header.time, decoder.ordinals());
                let mut once = PayloadEncoder::new(next);
                loop {
                    let before = next;
                    let Some(item) = decoder.next_item().map_err(fault)? else { break };
                    next = decoder.ordinals();
                    if let Item::TimePassed(micros) = item {
                        time = advance(time, micros);
                        continue;
                    }
                    once.restart(before);
                    let start = once.len();
                    put(&mut once, &item);
                    hasher.update(&time.0.to_le_bytes());
                    hasher.update(once.as_slice().get(start..).unwrap_or_default());
                    take(Content::Item { item, next: before, time })?;
                }
            }
            FrameType::Marker => {
                let marker: Marker = codec::from_bytes(payload).map_err(|e| fault(Fault::Decode(e)))?;
                if marker.seq >= after && listed(&marker) {
                    hasher.update(payload);
                    take(Content::Marker { payload, time: header.time })?;
                }
            }
            FrameType::SyncNote | FrameType::Seal => {}
        }
    }
}

fn put(to: &mut PayloadEncoder, item: &Item<'_>) {
    match item {
        Item::Change { record, ends_event } => to.change(record, !ends_event),
        Item::SourceRead(source) => to.source_read(*source),
        Item::TimePassed(micros) => to.time_passed(*micros),
    }
}

/// The frame that is being put together.
struct Group {
    payload: PayloadEncoder,
    events: u32,
    time: Timestamp,
    /// Time of the last event in it.
    last: Timestamp,
    /// Whether the last event in it is not complete.
    inside: bool,
}

struct Rewriter {
    path: String,
    file: Box<dyn WriteFile>,
    tag: u64,
    /// What seals its payloads, in an encrypted log.
    seal: Option<FileSeal>,
    /// Chain value after the last frame.
    previous: u32,
    /// Offset up to which it is durable.
    synced: u64,
    /// Bytes that were handed to the file.
    offset: u64,
    /// What the file would have if nothing were compressed.
    raw_bytes: u64,
    buffer: Vec<u8>,
    level: u8,
    group: Option<Group>,
    /// Where increments end: a frame must, too.
    ends: HashSet<Seq>,
    time: Timestamp,
    next_seq: Seq,
}

impl Rewriter {
    fn take(&mut self, content: Content<'_>) -> Result<()> {
        match content {
            Content::Item { item, next, time } => {
                let full = |group: &Group| group.payload.len() >= FRAME_BYTES && !group.inside;
                if self.group.as_ref().is_some_and(full) {
                    self.close_group()?;
                }
                let group = self.group.get_or_insert_with(|| Group {
                    payload: PayloadEncoder::new(next),
                    events: 0,
                    time,
                    last: time,
                    inside: false,
                });
                if let Ok(micros @ 1..) = u64::try_from(time.0.saturating_sub(group.last.0)) {
                    group.payload.time_passed(micros);
                    group.last = time;
                }
                put(&mut group.payload, &item);
                if let Item::Change { ends_event, .. } = item {
                    group.inside = !ends_event;
                    group.events = group.events.saturating_add(u32::from(ends_event));
                    let last = self.next_seq.0.saturating_add(u64::from(group.events)).saturating_sub(1);
                    if ends_event && self.ends.contains(&Seq(last)) {
                        self.close_group()?;
                    }
                }
                Ok(())
            }
            Content::Marker { payload, time } => {
                self.close_group()?;
                self.time = self.time.max(time);
                self.push(FrameType::Marker, 0, time, payload)
            }
        }
    }

    fn close_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        self.time = self.time.max(group.last);
        self.push(FrameType::Events, group.events, group.time, group.payload.as_slice())?;
        self.next_seq = Seq(self.next_seq.0.saturating_add(u64::from(group.events)));
        Ok(())
    }

    fn push(&mut self, frame_type: FrameType, events: u32, time: Timestamp, payload: &[u8]) -> Result<()> {
        let next_seq = self.next_seq;
        let offset = self.offset.saturating_add(len_u64(self.buffer.len()));
        let Self { tag, previous, synced, .. } = *self;
        let link = Link { tag, previous, synced, offset, seal: self.seal.as_ref() };
        let encoded = if frame_type == FrameType::Events && self.level > 0 {
            frame::encode_compressed(next_seq, events, time, link, payload, self.level, &mut self.buffer)
        } else {
            frame::encode(frame_type, next_seq, events, time, link, payload, &mut self.buffer)
        };
        self.previous =
            encoded.map_err(|fault| Error::Damage { path: self.path.clone(), offset: None, fault })?;
        let tag = if self.seal.is_some() { TAG_BYTES } else { 0 };
        let raw = frame::HEADER_BYTES.saturating_add(payload.len()).saturating_add(tag);
        self.raw_bytes = self.raw_bytes.saturating_add(len_u64(raw));
        if self.buffer.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        self.file.append(&self.buffer).map_err(Error::io("write to", self.path.clone()))?;
        self.offset = self.offset.saturating_add(len_u64(self.buffer.len()));
        self.buffer.clear();
        Ok(())
    }

    /// Syncs, seals, and syncs the seal. `time`: at which the original ends.
    fn finish(&mut self, time: Timestamp) -> Result<SegmentEnd> {
        self.close_group()?;
        self.write_out()?;
        self.file.sync().map_err(Error::io("sync", self.path.clone()))?;
        self.synced = self.offset;
        let mut payload = Encoder::new();
        payload.u64(self.next_seq.0.saturating_sub(1));
        let time = time.max(self.time);
        self.push(FrameType::Seal, 0, time, payload.as_slice())?;
        self.write_out()?;
        self.file.sync().map_err(Error::io("sync", self.path.clone()))?;
        Ok(SegmentEnd { length: self.offset, chain: self.previous, next_seq: self.next_seq, time })
    }
}
