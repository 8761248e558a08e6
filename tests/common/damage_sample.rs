//! A small log that has every kind of file, and where in it something counts: from the sound log alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use snaplog::format::current::Current;
use snaplog::format::manifest::Manifest;
use snaplog::format::seal::Lock;
use snaplog::format::segment::SegmentHead;
use snaplog::format::snapshot::{Column, Footer, SnapshotHead, TRAILER_BYTES, Trailer};
use snaplog::format::{frame, names};
use snaplog::storage::SimStorage;
use snaplog::{CompactOptions, Environment, Event, Fingerprint, Log, MarkOptions, MarkerId, Seq, Timestamp};

use crate::common::{DIRECTED, Oracle, environment, killed, open};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
pub(crate) const CONFIG: &str = "durability = \"marker\"\n[tiers.few]\nevery_nodes = 3\n\
    [segment]\nsize = \"64 KiB\"\n\
    [retention]\nkeep_events = \"5d\"\ngrace = \"90d\"\n[compression]\nage = \"1d\"\n";
pub(crate) const REQUEST: &str = "requests/0123456789abcdef0123456789abcdef.req";

/// A frame of an event segment, as it stands there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) first_seq: Seq,
    /// In the open segment: which marker it holds.
    pub(crate) marker: Option<MarkerId>,
    /// In the open segment: whether the manifest was written when it was there, and says so.
    pub(crate) listed: bool,
}

/// A log and all that is true of it.
pub(crate) struct Sample {
    pub(crate) files: Files,
    /// The log as it was at times before.
    pub(crate) earlier: Vec<Files>,
    /// Content at each seq, from a replay of the test's own.
    pub(crate) graphs: BTreeMap<Seq, Fingerprint>,
    /// Where the markers stand.
    pub(crate) markers: BTreeMap<MarkerId, Seq>,
    pub(crate) manifest: Manifest,
    pub(crate) open: String,
    pub(crate) frames: BTreeMap<String, Vec<Frame>>,
    /// Of each snapshot segment, the bytes that say when entities were born and changed: no graph is made of them.
    pub(crate) stamps: BTreeMap<String, Vec<Range<usize>>>,
}

/// Writes a log, and what is true of it.
struct Story {
    disk: SimStorage,
    oracle: Oracle,
    graphs: BTreeMap<Seq, Fingerprint>,
    earlier: Vec<Files>,
}

impl Story {
    fn put(&mut self, writer: &snaplog::Writer, event: &Event, at: i64) {
        writer.append_at(event, Timestamp(at)).unwrap();
        assert!(self.oracle.put(event));
        let seq = Seq(u64::try_from(self.graphs.len()).unwrap());
        self.graphs.insert(seq, self.oracle.graph.fingerprint());
    }
}

impl Sample {
    /// Two snapshot segments, one with several increments; a segment rewritten and compressed, one with dead bytes, and
    /// an open one that ends with frames that nothing claims. `dice`: which log id; `salt`: which events.
    pub(crate) fn new(dice: usize, salt: &str) -> Self {
        let environment = environment();
        for _ in 0..dice {
            environment.random();
        }
        let noon = environment.now().0;
        let disk = SimStorage::new();
        Log::init_in(Arc::new(disk.clone()), environment, DIRECTED, CONFIG).unwrap();
        let oracle = Oracle::new();
        let graphs = BTreeMap::from([(Seq(0), oracle.graph.fingerprint())]);
        let mut story = Story { disk, oracle, graphs, earlier: Vec::new() };
        let edge = |session: usize, n: i64| {
            Event::edge(format!("{salt}{session}-{n}"), format!("{salt}hub")).with("n", n)
        };
        for (session, age) in [20, 15, 2].into_iter().enumerate() {
            let writer = open(&story.disk).writer().unwrap();
            for n in 0..4 {
                story.put(&writer, &edge(session, n), noon - age * DAY + n);
            }
            writer.close().unwrap();
            // Nothing but the last compaction leaves files in the trash.
            open(&story.disk)
                .compact(CompactOptions { now: session < 2, ..CompactOptions::default() })
                .unwrap();
            story.earlier.push(story.disk.dump());
        }
        for session in 3..5 {
            let writer = open(&story.disk).writer().unwrap();
            for n in 0..3 {
                story.put(&writer, &edge(session, n), noon - DAY / 2 + n);
                writer.commit().unwrap();
            }
            writer.mark(&MarkOptions::labelled(format!("session {session}"))).unwrap();
            story.earlier.push(story.disk.dump());
            if session == 4 {
                writer.pin(MarkerId(1), true).unwrap();
                for n in 3..5 {
                    story.put(&writer, &edge(session, n), noon - DAY / 2 + n);
                    writer.commit().unwrap();
                }
            }
            writer.set_sync_markers(false).unwrap();
            for n in 0..2 {
                story.put(&writer, &Event::node(format!("{salt}unsure {session} {n}")), noon);
                writer.mark(&MarkOptions::default()).unwrap();
            }
            story.disk = killed(&story.disk, writer);
            story.earlier.push(story.disk.dump());
        }
        story.disk.set_file(REQUEST, *b"{\"at\":0,\"request\":{\"op\":\"mark\",\"options\":{}}}").unwrap();
        story.finish()
    }

    fn in_force(files: &Files) -> Option<Manifest> {
        let (_, current) = Current::decode(files.get(names::CURRENT)?, None).ok()?;
        let bytes = files.get(&names::manifest(current.generation))?;
        current.check(bytes).ok()?;
        Some(Manifest::decode(bytes, None).ok()?.1)
    }
}

impl Story {
    fn finish(self) -> Sample {
        let files = self.disk.dump();
        let manifest = Sample::in_force(&files).unwrap();
        let open_segment = names::events(manifest.segments.last().unwrap().id);
        let reader = open(&self.disk).reader().unwrap();
        let markers: BTreeMap<_, _> = reader.markers().iter().map(|m| (m.id, m.seq)).collect();
        for marker in reader.markers() {
            assert_eq!(self.graphs[&marker.seq], marker.fingerprint);
        }
        assert_eq!(Some(&reader.last_seq()), self.graphs.last_key_value().map(|(seq, _)| seq));
        let mut sample = Sample {
            files,
            earlier: self.earlier,
            graphs: self.graphs,
            markers,
            manifest,
            open: open_segment,
            frames: BTreeMap::new(),
            stamps: BTreeMap::new(),
        };
        let segments = sample.manifest.segments.iter().map(|entry| names::events(entry.id));
        sample.frames = segments.map(|file| (file.clone(), sample.frames_of(&file))).collect();
        let snapshots = sample.manifest.snapshots.iter().map(|entry| names::snapshot(entry.id));
        sample.stamps = snapshots.map(|file| (file.clone(), stamps_of(&sample.files[&file]))).collect();
        sample
    }
}

fn stamps_of(bytes: &[u8]) -> Vec<Range<usize>> {
    let trailer =
        Trailer::decode(&bytes[bytes.len() - TRAILER_BYTES..], bytes.len().try_into().unwrap()).unwrap();
    let index = usize::try_from(trailer.footer_offset).unwrap();
    let blocks_from = SnapshotHead::decode(bytes).unwrap().0.length;
    let stored = &bytes[index..bytes.len() - TRAILER_BYTES];
    let footer = Footer::decode(&trailer, stored, blocks_from.try_into().unwrap(), &Lock::None).unwrap();
    let mut stamps = Vec::new();
    for chunk in footer.increments.iter().flat_map(|increment| &increment.chunks) {
        let mut at = usize::try_from(chunk.offset).unwrap();
        for block in &chunk.columns {
            let to = at + usize::try_from(block.stored).unwrap();
            if block.column == Column::Stamps {
                stamps.push(at..to);
            }
            at = to;
        }
    }
    stamps
}

impl Sample {
    fn frames_of(&self, file: &str) -> Vec<Frame> {
        let bytes = &self.files[file];
        let (prefix, _) = SegmentHead::decode(bytes).unwrap();
        let mut found = Vec::new();
        let mut at = prefix.length;
        while at < bytes.len() {
            let header = frame::header(&bytes[at..]).unwrap();
            let to = at + usize::try_from(header.frame_len()).unwrap();
            found.push((at, to, header));
            at = to;
        }
        // Markers of the open segment have numbers without gaps, up to the newest.
        let mut id = self.markers.last_key_value().unwrap().0.0;
        let mut frames: Vec<_> = found
            .into_iter()
            .rev()
            .map(|(from, to, header)| {
                let marker = (header.frame_type == frame::FrameType::Marker).then_some(MarkerId(id));
                id -= u64::from(marker.is_some());
                let listed = match header.frame_type {
                    frame::FrameType::Events => header.first_seq < self.manifest.next_seq,
                    _ => marker.is_some_and(|id| id < self.manifest.next_marker),
                };
                Frame { from, to, first_seq: header.first_seq, marker, listed }
            })
            .collect();
        frames.reverse();
        frames
    }
}

/// One way to damage the log: files that are others now, or not there.
pub(crate) struct Case {
    pub(crate) told: String,
    pub(crate) changed: Vec<(String, Option<Vec<u8>>)>,
}

impl Case {
    pub(crate) fn one(told: String, file: &str, bytes: Vec<u8>) -> Self {
        Self { told, changed: vec![(file.to_owned(), Some(bytes))] }
    }
}

/// What has to come of damage, from the sound log alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Must {
    Name,
    PassOutside,
    PassDead,
}

fn first_difference(old: &[u8], new: &[u8]) -> Option<usize> {
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    (same < old.len().max(new.len())).then_some(same)
}

impl Sample {
    pub(crate) fn is_header(file: &str) -> bool {
        file == names::CURRENT || file.starts_with("manifest-")
    }

    /// Where the first frame begins that is not what it was.
    pub(crate) fn broken_at(&self, file: &str, new: &[u8]) -> Option<usize> {
        let at = first_difference(&self.files[file], new)?;
        let frames = &self.frames[file];
        Some(if at < frames[0].from {
            0
        } else {
            frames.iter().find(|frame| at < frame.to).map_or(at, |frame| frame.from)
        })
    }

    pub(crate) fn must_of_open(&self, new: &[u8]) -> Must {
        let (old, frames) = (&self.files[&self.open], &self.frames[&self.open]);
        let Some(broken) = self.broken_at(&self.open, new) else { return Must::PassDead };
        let tag = SegmentHead::decode(old).unwrap().1.tag;
        // Whatever frame is left behind: its claim holds, wherever it stands.
        let rest = new.get(broken..).unwrap_or_default();
        let claimed = (0..rest.len())
            .filter(|at| rest[*at..].starts_with(&frame::MAGIC))
            .filter_map(|at| frame::header(&rest[at..]).ok())
            .any(|header| header.tag == tag && header.synced > u64::try_from(broken).unwrap());
        let listed = frames.iter().any(|frame| frame.listed && frame.from >= broken);
        if broken == 0 || claimed || listed { Must::Name } else { Must::PassDead }
    }

    fn must_of(&self, file: &str, new: Option<&[u8]>) -> Must {
        let Some(old) = self.files.get(file) else { return Must::PassOutside };
        let in_force = names::manifest(self.manifest.generation);
        let vital = self.frames.contains_key(file)
            || self.manifest.snapshots.iter().any(|entry| names::snapshot(entry.id) == file)
            || [names::CURRENT, in_force.as_str()].contains(&file);
        if !vital || new == Some(old) {
            return Must::PassOutside;
        }
        let Some(new) = new else { return Must::Name };
        if file == self.open {
            return self.must_of_open(new);
        }
        let counted = self.counted(file);
        if new.get(..counted) == old.get(..counted) && self.frames.contains_key(file) {
            return Must::PassDead;
        }
        Must::Name
    }

    /// How much of a segment counts that does not grow.
    pub(crate) fn counted(&self, file: &str) -> usize {
        let entry = self.manifest.segments.iter().find(|entry| names::events(entry.id) == file);
        let end = entry.and_then(|entry| entry.end);
        end.map_or(self.files[file].len(), |end| usize::try_from(end.length).unwrap())
    }

    /// Whether all that is damaged is bytes that no graph is made of.
    pub(crate) fn is_in_stamps(&self, case: &Case) -> bool {
        case.changed.iter().all(|(file, new)| self.only_stamps(file, new.as_deref()))
    }

    fn only_stamps(&self, file: &str, new: Option<&[u8]>) -> bool {
        let (Some(stamps), Some(new)) = (self.stamps.get(file), new) else { return false };
        let mut others = self.files[file].iter().zip(new).enumerate().filter(|(_, (a, b))| a != b);
        new.len() == self.files[file].len()
            && others.all(|(at, _)| stamps.iter().any(|block| block.contains(&at)))
    }

    pub(crate) fn must(&self, case: &Case, files: &Files) -> Must {
        if case.changed.iter().any(|(file, _)| Self::is_header(file))
            && let Some(manifest) = Self::in_force(files)
        {
            // Another manifest that is sound and speaks of the same files: what a crash leaves of a change of no more
            // than pins.
            let same =
                manifest.segments == self.manifest.segments && manifest.snapshots == self.manifest.snapshots;
            if same && manifest.generation != self.manifest.generation {
                return Must::PassOutside;
            }
        }
        let musts: Vec<_> =
            case.changed.iter().map(|(file, new)| self.must_of(file, new.as_deref())).collect();
        let first = [Must::Name, Must::PassDead].into_iter().find(|must| musts.contains(must));
        first.unwrap_or(Must::PassOutside)
    }

    /// Markers that have to be good whatever else is broken: those that rest on nothing that the damage touches.
    pub(crate) fn untouched(&self, case: &Case) -> Vec<MarkerId> {
        let (mut least, mut open_until) = (Seq(u64::MAX), None);
        for (file, new) in &case.changed {
            let frames = self.frames.get(file);
            match (frames, new) {
                _ if self.must_of(file, new.as_deref()) == Must::PassOutside => {}
                // No graph is made of them.
                (None, Some(new)) if self.only_stamps(file, Some(new)) => {}
                (Some(frames), Some(new)) => {
                    let Some(broken) = self.broken_at(file, new) else { continue };
                    if *file == self.open {
                        open_until = Some(broken);
                    }
                    let frame = frames.iter().find(|frame| broken == frame.from);
                    least = least.min(frame.map_or(frames[0].first_seq, |frame| frame.first_seq));
                }
                (Some(frames), None) => {
                    open_until = (*file == self.open).then_some(0).or(open_until);
                    least = least.min(frames[0].first_seq);
                }
                (None, _) => return Vec::new(),
            }
        }
        // One that has its frame in the open segment is known by that frame: it counts as lost with it.
        let known = |id: &MarkerId| {
            let frame = self.frames[&self.open].iter().find(|frame| frame.marker == Some(*id));
            frame.is_none_or(|frame| open_until.is_none_or(|broken| frame.to <= broken))
        };
        self.markers.iter().filter(|(id, seq)| seq.next() <= least && known(id)).map(|(id, _)| *id).collect()
    }
}
