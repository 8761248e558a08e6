//! The manifest and CURRENT.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Fault;
use super::header::{self, ENCRYPTED, FileKind, Prefix};
use super::names::{self, FileName};
use super::seal::{Keyring, Sealing, take_sealed};
use super::segment::{Adopted, Extension};
use crate::codec::{self, DecodeError, MAX_DOCUMENT_BYTES, len_u64};
use crate::model::history::Stub;
use crate::model::marker::{GraphKind, Marker, Ordinals};
use crate::model::position::{Generation, LogId, MarkerId, SegmentId, Seq};
use crate::model::time::Timestamp;

/// The authoritative list of a log's segments and markers. Replaced, never edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number.
    pub generation: Generation,
    /// When it was written.
    pub written: Timestamp,
    /// When the log was made.
    pub created: Timestamp,
    /// What kind of graph the log holds.
    pub kind: GraphKind,
    /// No file so far has this number or a higher one.
    pub next_file: SegmentId,
    /// Event segments, oldest first. The last one may still grow.
    pub segments: Vec<SegmentEntry>,
    /// Snapshot segments.
    pub snapshots: Vec<SnapshotEntry>,
    /// Markers up to the manifest's position, oldest first.
    pub markers: Vec<Marker>,
    /// What is left of the markers that are not listed any more, oldest first.
    pub gone: Vec<Stub>,
    /// The first marker that is not listed here but found in the frames.
    pub next_marker: MarkerId,
    /// The seq of the next event, at the manifest's position.
    pub next_seq: Seq,
    /// The next birth numbers there.
    pub ordinals: Ordinals,
    /// The most nodes that were ever alive at once, up to there.
    pub high_water: u64,
    /// How far sources were read, up to there.
    pub sources: Vec<Source>,
    /// Files that were taken out of force, and are removed when their grace period is over.
    pub trash: Vec<Trashed>,
    /// When retention was last applied.
    pub pruned: Option<Timestamp>,
    /// Room for what later minor versions add.
    pub extensions: Vec<Extension>,
}

/// An event segment in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its number.
    pub id: SegmentId,
    /// The seq of its first event.
    pub first_seq: Seq,
    /// No event in it is earlier: what its header says.
    pub begins: Timestamp,
    /// What its header says that it adopts.
    pub adopts: Option<Adopted>,
    /// How it ends; `None` for the last one, whose frames say.
    pub end: Option<SegmentEnd>,
    /// If it is a segment rewritten: the one that it takes the place of, which is what its successor adopts.
    pub original: Option<Adopted>,
    /// zstd level that its payloads were compressed with; 0: not at all.
    pub compression: u8,
    /// Its size before compression; 0 if it is not compressed.
    pub raw_bytes: u64,
}

impl SegmentEntry {
    /// What a segment that follows it adopts; `None` while it may grow.
    pub fn adopted(&self) -> Option<Adopted> {
        let of_end = |end: SegmentEnd| Adopted { id: self.id, length: end.length, chain: end.chain };
        self.original.or(self.end.map(of_end))
    }
}

/// A snapshot segment in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// Its number.
    pub id: SegmentId,
    /// Length of its file.
    pub length: u64,
    /// CRC-32 of its stored index.
    pub footer_crc: u32,
    /// What it holds, oldest first: each begins where the one before it ends.
    pub increments: Vec<IncrementEntry>,
}

/// The net change between two positions, in a snapshot segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncrementEntry {
    /// The event after which it begins; 0: from the empty graph on.
    pub from: Seq,
    /// The event after which it ends.
    pub to: Seq,
    /// The time of that event.
    pub time: Timestamp,
    /// Rows and tombstones in it.
    pub rows: u64,
    /// Nodes, edges and items that are alive at its end.
    pub alive: u64,
    /// Bytes that its blocks take.
    pub bytes: u64,
    /// What they take when they are not compressed.
    pub raw_bytes: u64,
    /// zstd level that they were compressed with.
    pub level: u8,
}

/// A file that was taken out of force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trashed {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Its size.
    pub bytes: u64,
}

/// How a segment that no longer grows ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEnd {
    /// How many bytes of it count.
    pub length: u64,
    /// Chain value there.
    pub chain: u32,
    /// The seq after its last event.
    pub next_seq: Seq,
    /// Time of its last event, or the one that it began with.
    pub time: Timestamp,
}

/// How far a source was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it is called.
    pub name: String,
    /// Bytes of it that are in the log.
    pub bytes: u64,
    /// Lines of it that are in the log.
    pub lines: u64,
    /// XXH3-128 of those bytes.
    pub digest: [u8; 16],
}

/// What the manifest of an encrypted log keeps to those who have the key.
#[derive(Serialize, Deserialize)]
struct Hidden {
    markers: Vec<Marker>,
    gone: Vec<Stub>,
    sources: Vec<Source>,
}

const WHAT: &str = "the manifest";

impl Manifest {
    /// The file's bytes; sealed, if the log is encrypted.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId, sealing: Option<Sealing<'_>>) -> Result<Vec<u8>, Fault> {
        let number = self.generation.0;
        let Some(sealing) = sealing else {
            return Ok(header::encode(FileKind::Manifest, log_id, number, self)?);
        };
        let Self { markers, gone, sources, .. } = self.clone();
        let hidden = codec::to_bytes(&Hidden { markers, gone, sources })?;
        let mut clear = self.in_the_clear();
        let encode = |clear: &Self| header::encode_with(FileKind::Manifest, log_id, number, ENCRYPTED, clear);
        let sealed = sealing.whole(&encode(&clear)?, &hidden)?;
        clear.extensions.push(sealed.extension()?);
        Ok(encode(&clear)?)
    }

    /// Reads a manifest: all of `bytes`. Without the keys that of an encrypted log has no markers, no stubs and no sources.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound or contradicts itself.
    pub fn decode(bytes: &[u8], keys: Option<&Keyring>) -> Result<(Prefix, Self), Fault> {
        let (prefix, mut manifest): (_, Self) =
            header::decode(FileKind::Manifest, bytes, MAX_DOCUMENT_BYTES)?;
        whole(WHAT, bytes, &prefix)?;
        if prefix.number != manifest.generation.0 {
            let what = "the manifest's header has another number than the manifest";
            return Err(Fault::Meaning { what });
        }
        match (prefix.is_encrypted(), keys) {
            (false, None) => manifest.check()?,
            (false, Some(_)) => return Err(Fault::Unsealed { what: WHAT }),
            (true, keys) => {
                let sealed = take_sealed(&mut manifest.extensions, WHAT)?;
                let (true, Some(sealed)) = (manifest.hides_all(), sealed) else {
                    return Err(Fault::Unsealed { what: WHAT });
                };
                let Some(keys) = keys else {
                    manifest.check_files()?;
                    return Ok((prefix, manifest));
                };
                let number = manifest.generation.0;
                let bound =
                    header::encode_with(FileKind::Manifest, prefix.log_id, number, ENCRYPTED, &manifest)?;
                let hidden: Hidden = codec::from_bytes(&sealed.open(WHAT, keys, &bound)?)?;
                (manifest.markers, manifest.gone) = (hidden.markers, hidden.gone);
                manifest.sources = hidden.sources;
                manifest.check()?;
            }
        }
        Ok((prefix, manifest))
    }

    /// As it stands in the file of an encrypted log.
    fn in_the_clear(&self) -> Self {
        Self { markers: Vec::new(), gone: Vec::new(), sources: Vec::new(), ..self.clone() }
    }

    fn hides_all(&self) -> bool {
        self.markers.is_empty() && self.gone.is_empty() && self.sources.is_empty()
    }

    /// That it does not contradict itself.
    ///
    /// # Errors
    /// [`Fault::Meaning`].
    pub fn check(&self) -> Result<(), Fault> {
        self.check_files()?;
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        let mut known: Option<&Marker> = None;
        for marker in &self.markers {
            if known.is_some_and(|known| marker.id <= known.id || marker.seq < known.seq) {
                return wrong("the markers that the manifest lists do not ascend");
            }
            if marker.id >= self.next_marker {
                return wrong("the manifest lists a marker with a number that was not given yet");
            }
            known = Some(marker);
        }
        self.check_chain()
    }

    /// What can be told of its files without its markers.
    fn check_files(&self) -> Result<(), Fault> {
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        let mut named = HashSet::new();
        let snapshots = self.snapshots.iter().map(|snapshot| snapshot.id);
        for id in self.segments.iter().map(|segment| segment.id).chain(snapshots) {
            if id >= self.next_file {
                return wrong("the manifest names a segment with a number that was not given yet");
            }
            if !named.insert(id) {
                return wrong("the manifest names a segment twice");
            }
        }
        let mut before: Option<&SegmentEntry> = None;
        for (at, segment) in self.segments.iter().enumerate() {
            let last = at.saturating_add(1) == self.segments.len();
            match before {
                Some(before) => {
                    if before.end.is_some_and(|end| end.next_seq != segment.first_seq) {
                        return wrong("the segments that the manifest lists do not join");
                    }
                    if before.adopted() != segment.adopts {
                        return wrong("a segment does not adopt what the one before it ends with");
                    }
                }
                None if self.snapshots.is_empty() && segment.first_seq != Seq(1) => {
                    return wrong(
                        "the first segment that the manifest lists does not begin with the first event",
                    );
                }
                None => {}
            }
            match segment.end {
                Some(end) if end.next_seq < segment.first_seq => {
                    return wrong("a segment ends before it begins");
                }
                None if !last || segment.original.is_some() => {
                    return wrong("a segment that is not the last one, or is one rewritten, has no end");
                }
                _ => {}
            }
            before = Some(segment);
        }
        self.check_snapshots()
    }

    /// That every marker that there ever was is listed or has left its stub.
    fn check_chain(&self) -> Result<(), Fault> {
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        let (mut listed, mut gone) = (self.markers.iter().peekable(), self.gone.iter().peekable());
        let (mut id, mut seq) = (MarkerId(1), Seq(0));
        while id < self.next_marker {
            let next = match (listed.peek(), gone.peek()) {
                (Some(marker), _) if marker.id == id => listed.next().map(|marker| marker.seq),
                (_, Some(stub)) if stub.id == id => gone.next().map(|stub| stub.seq),
                _ => return wrong("a marker is neither listed nor among those that are gone"),
            };
            let next = next.unwrap_or(seq);
            if next < seq || next >= self.next_seq {
                return wrong("a marker stands before the one before it, or behind the end");
            }
            (id, seq) = (id.next(), next);
        }
        match (listed.next(), gone.next()) {
            (None, None) => Ok(()),
            _ => wrong("a marker is listed and among those that are gone, or its number was not given yet"),
        }
    }

    /// Takes markers off the list, and returns their names; their stubs stay.
    ///
    /// # Errors
    /// If a marker does not encode.
    pub fn let_go(&mut self, goes: impl Fn(&Marker) -> bool) -> Result<Vec<MarkerId>, DecodeError> {
        let mut names = Vec::new();
        for marker in self.markers.iter().filter(|marker| goes(marker)) {
            self.gone.push(Stub::of(marker)?);
            names.push(marker.id);
        }
        self.gone.sort_by_key(|stub| stub.id);
        self.markers.retain(|marker| !goes(marker));
        Ok(names)
    }

    /// The stubs of all markers, listed or gone, the first one's first.
    ///
    /// # Errors
    /// If a marker does not encode.
    pub fn stubs(&self) -> Result<Vec<Stub>, DecodeError> {
        let mut stubs = self.gone.clone();
        for marker in &self.markers {
            stubs.push(Stub::of(marker)?);
        }
        stubs.sort_by_key(|stub| stub.id);
        Ok(stubs)
    }

    fn check_snapshots(&self) -> Result<(), Fault> {
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        for snapshot in &self.snapshots {
            let mut before: Option<&IncrementEntry> = None;
            for increment in &snapshot.increments {
                let follows = before.is_none_or(|before| before.to == increment.from);
                if !follows || increment.from >= increment.to || increment.to >= self.next_seq {
                    return wrong("the increments that the manifest lists for a segment do not join");
                }
                before = Some(increment);
            }
            if before.is_none() {
                return wrong("the manifest lists a snapshot segment without an increment");
            }
        }
        for file in &self.trash {
            let in_force = match names::parse(&file.name) {
                Some(FileName::Events(id)) => self.segments.iter().any(|segment| segment.id == id),
                Some(FileName::Snapshot(id)) => self.snapshots.iter().any(|snapshot| snapshot.id == id),
                _ => return wrong("the manifest lists as trash what is no segment"),
            };
            if in_force {
                return wrong("the manifest lists a segment in force as trash");
            }
        }
        Ok(())
    }
}

pub(super) fn whole(what: &'static str, bytes: &[u8], prefix: &Prefix) -> Result<(), Fault> {
    match len_u64(bytes.len()).checked_sub(len_u64(prefix.length)) {
        Some(0) => Ok(()),
        _ => Err(Fault::Length {
            what,
            found: len_u64(bytes.len()),
            min: len_u64(prefix.length),
            max: len_u64(prefix.length),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(ids: &[u64], written: Timestamp) -> Manifest {
        let end = SegmentEnd { length: 100, chain: 1, next_seq: Seq(1), time: Timestamp(0) };
        let entry = |id: &u64| SegmentEntry {
            id: SegmentId(*id),
            first_seq: Seq(1),
            begins: Timestamp(0),
            adopts: ids.iter().take_while(|before| *before != id).last().map(|before| Adopted {
                id: SegmentId(*before),
                length: end.length,
                chain: end.chain,
            }),
            end: Some(end),
            original: None,
            compression: 0,
            raw_bytes: 0,
        };
        Manifest {
            generation: Generation(1),
            written,
            created: Timestamp(0),
            kind: GraphKind::default(),
            next_file: SegmentId(9),
            segments: ids.iter().map(entry).collect(),
            snapshots: Vec::new(),
            markers: Vec::new(),
            gone: Vec::new(),
            next_marker: MarkerId(1),
            next_seq: Seq(1),
            ordinals: Ordinals::default(),
            high_water: 0,
            sources: Vec::new(),
            trash: Vec::new(),
            pruned: None,
            extensions: Vec::new(),
        }
    }

    #[test]
    fn a_segment_that_is_named_twice_is_refused() {
        let read = |ids: &[u64]| {
            Manifest::decode(&naming(ids, Timestamp(0)).encode(LogId([1; 16]), None).unwrap(), None)
        };
        assert!(read(&[3, 1, 2]).is_ok());
        assert!(matches!(read(&[3, 1, 3]), Err(Fault::Meaning { .. })));
    }
}
