//! What there is to be read: every file of the log, in force or not, frame by frame and increment by increment.

use std::collections::{BTreeMap, HashMap};

use super::Finding;
use crate::codec::{self, len_u64};
use crate::format::Fault;
use crate::format::frame::{FrameHeader, FrameType};
use crate::format::manifest::Manifest;
use crate::format::names::{self, FileName, TRASH};
use crate::log::{Error, Result, Segment, SnapshotFile, Step, highest_claim, load};
use crate::model::marker::{GraphKind, Marker};
use crate::model::position::{LogId, MarkerId, SegmentId, Seq};
use crate::storage::{Storage, read_all, ring};

/// Largest manifest.
const MAX_MANIFEST_BYTES: usize = codec::MAX_DOCUMENT_BYTES;

/// A frame of events that can be read.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) segment: usize,
    pub(super) offset: u64,
    pub(super) header: FrameHeader,
}

/// An increment whose place in the index can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) file: usize,
    pub(super) at: usize,
    pub(super) from: Seq,
    pub(super) to: Seq,
}

/// All that there is.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) log_id: LogId,
    pub(super) kind: GraphKind,
    pub(super) segments: Vec<Segment>,
    /// By the seq of their first event; of those that begin with the same, the one in force first.
    pub(super) frames: Vec<Frame>,
    pub(super) snapshots: Vec<SnapshotFile>,
    pub(super) spans: Vec<Span>,
    /// Those that are listed, or stand in frames behind what the manifest speaks of.
    pub(super) markers: BTreeMap<MarkerId, Marker>,
    /// The last event that anything sound says there was.
    pub(super) end: Seq,
    /// Damaged places that may have held markers of which nothing else tells.
    pub(super) blind: u64,
    pub(super) files: u64,
    pub(super) faults: Vec<Finding>,
}

/// A file of the log, by name.
struct Named {
    /// As storage has it: with `trash/` before it, if it lies there.
    path: String,
    what: FileName,
}

pub(super) fn survey(storage: &dyn Storage) -> Result<Survey> {
    let named = list(storage)?;
    let mut faults = Vec::new();
    let (manifest, id) = match load(storage) {
        Ok(in_force) => (Some(in_force.manifest), Some(in_force.log_id)),
        Err(error) if is_passed_over(&error) || matches!(error, Error::NotALog { .. }) => {
            let older = any_manifest(storage, &named);
            if older.is_none() && !named.iter().any(|file| is_segment(file.what)) {
                return Err(error);
            }
            faults.push(super::finding(&error));
            older.map_or((None, None), |(manifest, id)| (Some(manifest), Some(id)))
        }
        Err(error) => return Err(error),
    };
    let (manifest, id) = match (manifest, id) {
        (Some(manifest), Some(id)) if is_foreign(storage, &named, &manifest, id) => {
            faults.push(super::finding(&Error::Damage {
                path: storage.location(names::CURRENT),
                offset: None,
                fault: Fault::Meaning {
                    what: "it and its manifest are of another log than the segments here",
                },
            }));
            (None, None)
        }
        other => other,
    };
    let (log_id, kind) = match (&manifest, id) {
        (Some(manifest), Some(id)) => (id, manifest.kind),
        _ => most_frequent(storage, &named).ok_or_else(|| Error::NotALog { path: storage.location("") })?,
    };
    let mut survey = Survey {
        log_id,
        kind,
        segments: Vec::new(),
        frames: Vec::new(),
        snapshots: Vec::new(),
        spans: Vec::new(),
        markers: BTreeMap::new(),
        end: manifest.as_ref().map_or(Seq(0), |manifest| before(manifest.next_seq)),
        blind: 0,
        files: len_u64(named.len()),
        faults,
    };
    survey.read_segments(storage, &named, manifest.as_ref())?;
    survey.read_snapshots(storage, &named)?;
    // The frames of markers before an increment are gone with its events: only the manifest had those markers.
    if manifest.is_none() && named.iter().any(|file| matches!(file.what, FileName::Snapshot(_))) {
        survey.blind = survey.blind.saturating_add(1);
    }
    if let Some(manifest) = &manifest {
        survey.missing(storage, &named, manifest);
        // The manifest's word holds for those that it lists; those before its position that it does not list are gone.
        survey.markers.retain(|id, _| *id >= manifest.next_marker);
        survey.markers.extend(manifest.markers.iter().map(|marker| (marker.id, marker.clone())));
    }
    Ok(survey)
}

/// Whether a file is done without. One that a newer version wrote is not: it is sound, and to be read by that version.
fn is_passed_over(error: &Error) -> bool {
    error.is_damage() || matches!(error, Error::Io { .. })
}

fn before(next: Seq) -> Seq {
    Seq(next.0.saturating_sub(1))
}

fn is_segment(what: FileName) -> bool {
    matches!(what, FileName::Events(_) | FileName::Snapshot(_))
}

/// All files with names of ours, those in the trash last.
fn list(storage: &dyn Storage) -> Result<Vec<Named>> {
    let mut named = Vec::new();
    for dir in ["", TRASH] {
        let entries = match storage.list(dir) {
            Ok(entries) => entries,
            Err(_) if dir == TRASH => continue,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotALog { path: storage.location("") });
            }
            Err(e) => return Err(Error::io("list", storage.location(dir))(e)),
        };
        for entry in entries.into_iter().filter(|entry| !entry.is_dir) {
            if let Some(what) = names::parse(&entry.name) {
                let path = if dir.is_empty() { entry.name.clone() } else { format!("{dir}/{}", entry.name) };
                named.push(Named { path, what });
            }
        }
    }
    Ok(named)
}

/// The newest manifest that is sound, whether CURRENT names it or not.
fn any_manifest(storage: &dyn Storage, named: &[Named]) -> Option<(Manifest, LogId)> {
    let mut found: Option<(Manifest, LogId)> = None;
    for file in named.iter().filter(|file| matches!(file.what, FileName::Manifest(_))) {
        let Ok(bytes) = read_all(storage, &file.path, MAX_MANIFEST_BYTES) else { continue };
        let Ok((prefix, manifest)) = Manifest::decode(&bytes, ring(storage)) else { continue };
        if found.as_ref().is_none_or(|(newest, _)| newest.generation < manifest.generation) {
            found = Some((manifest, prefix.log_id));
        }
    }
    found
}

/// Whether a manifest came from elsewhere: no file that it names is here, but for such as say themselves that they are of
/// another log, and there are such.
fn is_foreign(storage: &dyn Storage, named: &[Named], manifest: &Manifest, id: LogId) -> bool {
    let mut others = 0_u64;
    for file in named.iter().filter(|file| is_segment(file.what)) {
        let said = said_by(storage, file).map(|(said, _)| said);
        let is_named = match file.what {
            FileName::Events(number) => manifest.segments.iter().any(|entry| entry.id == number),
            FileName::Snapshot(number) => manifest.snapshots.iter().any(|entry| entry.id == number),
            _ => false,
        };
        match said {
            Some(said) if said != id => others = others.saturating_add(1),
            None if !is_named => {}
            _ => return false,
        }
    }
    others > 0
}

/// The log and the kind of graph that a segment says it is of.
fn said_by(storage: &dyn Storage, file: &Named) -> Option<(LogId, GraphKind)> {
    match file.what {
        FileName::Events(id) => Segment::open_as(storage, id, &file.path)
            .ok()
            .map(|segment| (segment.prefix.log_id, segment.head.kind)),
        FileName::Snapshot(_) => {
            SnapshotFile::open_as(storage, &file.path).ok().map(|file| (file.prefix.log_id, file.head.kind))
        }
        _ => None,
    }
}

/// The log and the kind of graph that most segments say they are of.
fn most_frequent(storage: &dyn Storage, named: &[Named]) -> Option<(LogId, GraphKind)> {
    let mut said: HashMap<(LogId, (bool, bool)), u64> = HashMap::new();
    for file in named {
        if let Some((id, kind)) = said_by(storage, file) {
            let count = said.entry((id, (kind.directed, kind.multigraph))).or_default();
            *count = count.saturating_add(1);
        }
    }
    let ((id, (directed, multigraph)), _) = said.into_iter().max_by_key(|(said, count)| (*count, said.0))?;
    Some((id, GraphKind { directed, multigraph }))
}

/// Whether the bytes from `offset` to `next` are one damaged frame, by its own header, and not that of a marker.
fn is_other(segment: &Segment, offset: u64, next: u64) -> Result<bool> {
    let header = segment.header(offset)?;
    Ok(header.is_some_and(|header| {
        header.frame_type != FrameType::Marker && offset.saturating_add(header.frame_len()) == next
    }))
}

impl Survey {
    fn read_segments(
        &mut self,
        storage: &dyn Storage,
        named: &[Named],
        manifest: Option<&Manifest>,
    ) -> Result<()> {
        let mut opened = Vec::new();
        for file in named {
            let FileName::Events(id) = file.what else { continue };
            let error = match Segment::open_as(storage, id, &file.path) {
                Ok(segment) if segment.prefix.log_id != self.log_id => {
                    let found = segment.prefix.log_id;
                    let fault = Fault::ForeignLog { expected: self.log_id, found };
                    self.faults.push(super::finding(&segment.damage(0, fault)));
                    continue;
                }
                Ok(segment) => {
                    opened.push(segment);
                    continue;
                }
                Err(error) => error,
            };
            self.faults.push(super::finding(&error));
            if let Ok(Some(segment)) = Segment::open_headless(storage, id, &file.path, self.kind) {
                opened.push(segment);
            }
        }
        // What a segment's successor adopted of it: that much counts, whatever stands behind.
        let adopted: HashMap<SegmentId, u64> = opened
            .iter()
            .filter_map(|segment| segment.head.adopts.or(segment.head.rewrites))
            .map(|adopted| (adopted.id, adopted.length))
            .collect();
        for segment in opened {
            let entry = manifest.and_then(|manifest| manifest.segments.iter().find(|e| e.id == segment.id));
            let in_trash = segment.name.starts_with(TRASH);
            let counts = match (entry, adopted.get(&segment.id)) {
                (Some(entry), _) if !in_trash => entry.end.map_or(u64::MAX, |end| end.length),
                (_, Some(length)) => *length,
                // Nothing says how much of it counts: what it says itself was durable.
                _ if manifest.is_some() => highest_claim(&segment)?,
                _ => u64::MAX,
            };
            // The manifest lists the markers of all segments that do not grow any more, and of those in the trash.
            let listed = entry.is_some_and(|entry| entry.end.is_some()) || (manifest.is_some() && in_trash);
            self.read_frames(segment, counts, listed)?;
        }
        self.frames.sort_by_key(|frame| frame.header.first_seq);
        Ok(())
    }

    /// `listed`: whether the manifest lists all markers that stand in it.
    fn read_frames(&mut self, segment: Segment, counts: u64, listed: bool) -> Result<()> {
        let at = self.segments.len();
        let mut frames = segment.frames(counts);
        let headless = segment.prefix.length == 0;
        let mut more = !headless || frames.resync()?;
        while more {
            match frames.step()? {
                Step::Frame { offset, header, payload } => {
                    // What stands before a frame was there, whether it can be read or not.
                    self.end = self.end.max(before(header.end_seq()));
                    match header.frame_type {
                        FrameType::Events => self.frames.push(Frame { segment: at, offset, header }),
                        FrameType::Marker => match codec::from_bytes::<Marker>(payload) {
                            Ok(marker) => {
                                self.markers.insert(marker.id, marker);
                            }
                            Err(error) => {
                                self.faults
                                    .push(super::finding(&segment.damage(offset, Fault::Decode(error))));
                                self.blind = self.blind.saturating_add(u64::from(!listed));
                            }
                        },
                        FrameType::SyncNote | FrameType::Seal => {}
                    }
                }
                Step::End => more = false,
                Step::Bad { offset, fault } => {
                    let error = segment.damage(offset, fault);
                    more = frames.resync()?;
                    let may_be_marker = !listed && !is_other(&segment, offset, frames.offset)?;
                    // Bytes at the end of the last segment that no frame follows were never acknowledged, or cannot be
                    // told from such.
                    if more || counts < u64::MAX {
                        self.faults.push(super::finding(&error));
                        self.blind = self.blind.saturating_add(u64::from(may_be_marker));
                    }
                }
            }
        }
        self.segments.push(segment);
        Ok(())
    }

    fn read_snapshots(&mut self, storage: &dyn Storage, named: &[Named]) -> Result<()> {
        for file in named {
            let FileName::Snapshot(id) = file.what else { continue };
            let opened = match SnapshotFile::open_as(storage, &file.path) {
                Ok(snapshot) if snapshot.prefix.log_id != self.log_id => {
                    let found = snapshot.prefix.log_id;
                    let fault = Fault::ForeignLog { expected: self.log_id, found };
                    self.faults.push(super::finding(&snapshot.damage(0, fault)));
                    continue;
                }
                Ok(snapshot) => snapshot,
                Err(error) => {
                    self.faults.push(super::finding(&error));
                    match SnapshotFile::open_headless(storage, &file.path, id.0, self.kind) {
                        Ok(snapshot) => snapshot,
                        Err(error) if is_passed_over(&error) => continue,
                        Err(error) => return Err(error),
                    }
                }
            };
            let place = self.snapshots.len();
            let spans = opened.footer.increments.iter().enumerate().map(|(at, increment)| Span {
                file: place,
                at,
                from: increment.from.seq,
                to: increment.to.seq,
            });
            self.spans.extend(spans);
            self.snapshots.push(opened);
        }
        self.spans.sort_by_key(|span| (span.to, std::cmp::Reverse(span.from)));
        Ok(())
    }

    /// Notes the files that the manifest names and that are not there.
    fn missing(&mut self, storage: &dyn Storage, named: &[Named], manifest: &Manifest) {
        let events = manifest.segments.iter().map(|entry| names::events(entry.id));
        let snapshots = manifest.snapshots.iter().map(|entry| names::snapshot(entry.id));
        for name in events.chain(snapshots) {
            if !named.iter().any(|file| file.path == name) {
                let missing = Error::Missing { path: storage.location(&name), named_by: "the manifest" };
                self.faults.push(super::finding(&missing));
            }
        }
    }
}
