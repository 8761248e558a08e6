//! The manifest and CURRENT.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Fault;
use super::header::{self, FileKind, Prefix};
use super::segment::{Adopted, Extension};
use crate::codec::{DecodeError, MAX_DOCUMENT_BYTES, len_u64};
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
    /// Segments, oldest first. The last one may still grow.
    pub segments: Vec<SegmentEntry>,
    /// Markers up to the manifest's position, oldest first.
    pub markers: Vec<Marker>,
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
    /// Room for what later minor versions add.
    pub extensions: Vec<Extension>,
}

/// A segment in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Its number.
    pub id: SegmentId,
    /// What kind of segment it is.
    pub kind: SegmentKind,
    /// The seq of its first event.
    pub first_seq: Seq,
    /// How it ends; `None` for the last one, whose frames say.
    pub end: Option<SegmentEnd>,
    /// zstd level that it was compressed with; 0: not at all.
    pub compression: u8,
    /// Its size before compression; 0 if it is not compressed.
    pub raw_bytes: u64,
}

/// What kind of segment an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentKind {
    /// Frames.
    Events,
    /// Net changes.
    Snapshot,
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

impl Manifest {
    /// The file's bytes.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId) -> Result<Vec<u8>, DecodeError> {
        header::encode(FileKind::Manifest, log_id, self.generation.0, self)
    }

    /// Reads a manifest: all of `bytes`.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound or contradicts itself.
    pub fn decode(bytes: &[u8]) -> Result<(Prefix, Self), Fault> {
        let (prefix, manifest): (_, Self) = header::decode(FileKind::Manifest, bytes, MAX_DOCUMENT_BYTES)?;
        whole("the manifest", bytes, &prefix)?;
        manifest.check(&prefix)?;
        Ok((prefix, manifest))
    }

    fn check(&self, prefix: &Prefix) -> Result<(), Fault> {
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        if prefix.number != self.generation.0 {
            return wrong("the manifest's header has another number than the manifest");
        }
        let mut next = Seq(1);
        let mut named = HashSet::new();
        for (at, segment) in self.segments.iter().enumerate() {
            let last = at.saturating_add(1) == self.segments.len();
            if segment.id >= self.next_file {
                return wrong("the manifest names a segment with a number that was not given yet");
            }
            if !named.insert(segment.id) {
                return wrong("the manifest names a segment twice");
            }
            if segment.first_seq != next {
                return wrong("the segments that the manifest lists do not join");
            }
            match segment.end {
                Some(end) if end.next_seq >= segment.first_seq => next = end.next_seq,
                Some(_) => return wrong("a segment ends before it begins"),
                None if !last => return wrong("a segment that is not the last one has no end"),
                None => {}
            }
        }
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
        Ok(())
    }

    /// The part of a closed segment that counts.
    pub fn adopted(&self, id: SegmentId) -> Option<Adopted> {
        let end = self.segments.iter().find(|segment| segment.id == id)?.end?;
        Some(Adopted { id, length: end.length, chain: end.chain })
    }
}

/// What CURRENT says: which manifest is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The manifest's number.
    pub generation: Generation,
    /// Length of its file.
    pub length: u64,
    /// CRC-32 of its file without the checksum that it ends with: the same number as that. (Over the whole file it
    /// would be the same for every manifest, as it is for any bytes with their own CRC behind them.)
    pub crc: u32,
}

/// Longest CURRENT.
pub const MAX_CURRENT_BYTES: usize = 4096;

impl Current {
    /// Names a manifest with these bytes.
    pub fn naming(generation: Generation, manifest: &[u8]) -> Self {
        Self { generation, length: len_u64(manifest.len()), crc: manifest_crc(manifest) }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId) -> Result<Vec<u8>, DecodeError> {
        header::encode(FileKind::Current, log_id, self.generation.0, self)
    }

    /// Reads CURRENT: all of `bytes`.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound.
    pub fn decode(bytes: &[u8]) -> Result<(Prefix, Self), Fault> {
        let (prefix, current): (_, Self) = header::decode(FileKind::Current, bytes, MAX_CURRENT_BYTES)?;
        whole("CURRENT", bytes, &prefix)?;
        if prefix.number != current.generation.0 {
            return Err(Fault::Meaning { what: "the header of CURRENT has another number than its body" });
        }
        Ok((prefix, current))
    }

    /// Whether `manifest` is the one that is named.
    ///
    /// # Errors
    /// [`Fault`] if its length or checksum is another.
    pub fn check(&self, manifest: &[u8]) -> Result<(), Fault> {
        let have = len_u64(manifest.len());
        if have < self.length {
            return Err(Fault::Truncated { what: "the manifest", needed: self.length, have });
        }
        let computed = manifest_crc(manifest);
        if have != self.length || computed != self.crc {
            return Err(Fault::Checksum {
                what: "the manifest that CURRENT names",
                stored: self.crc,
                computed,
            });
        }
        Ok(())
    }
}

/// The checksum that CURRENT names a manifest by.
fn manifest_crc(manifest: &[u8]) -> u32 {
    let summed = manifest.len().saturating_sub(header::SUFFIX_BYTES);
    crc32fast::hash(manifest.get(..summed).unwrap_or_default())
}

fn whole(what: &'static str, bytes: &[u8], prefix: &Prefix) -> Result<(), Fault> {
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
            kind: SegmentKind::Events,
            first_seq: Seq(1),
            end: Some(end),
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
            markers: Vec::new(),
            next_marker: MarkerId(1),
            next_seq: Seq(1),
            ordinals: Ordinals::default(),
            high_water: 0,
            sources: Vec::new(),
            extensions: Vec::new(),
        }
    }

    #[test]
    fn a_segment_that_is_named_twice_is_refused() {
        let read = |ids: &[u64]| Manifest::decode(&naming(ids, Timestamp(0)).encode(LogId([1; 16])).unwrap());
        assert!(read(&[3, 1, 2]).is_ok());
        assert!(matches!(read(&[3, 1, 3]), Err(Fault::Meaning { .. })));
    }

    #[test]
    fn current_tells_manifests_apart_that_have_one_length() {
        let [one, other] =
            [64, 65].map(|written| naming(&[], Timestamp(written)).encode(LogId::default()).unwrap());
        assert_eq!(one.len(), other.len());
        let current = Current::naming(Generation(1), &one);
        current.check(&one).unwrap();
        assert_eq!(current.check(&other).unwrap_err().kind(), "checksum");
    }
}
