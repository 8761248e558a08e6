//! What a remote copy of a log consists of: parts, and manifests that say which parts make which files.
//!
//! ```text
//! PREFIX/pushes/0000000001      one manifest a push, numbered from 1; the one with the highest number is in force
//! PREFIX/parts/<64 hex digits>  bytes of a segment, named by their BLAKE3 digest
//! ```
//!
//! No object is ever written twice: a store that refuses to create what is there keeps two pushes apart, and a part that
//! is there already need not be sent. A segment that grows between two pushes gains parts; its earlier ones stay.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fault;
use super::header::{self, FileKind};
use super::manifest::{Manifest, SegmentEnd};
use super::names;
use super::seal::Keyring;
use crate::codec::{DecodeError, MAX_DOCUMENT_BYTES, len_u64};
use crate::model::position::{Generation, LogId, MarkerId, SegmentId, Seq};
use crate::model::time::Timestamp;

/// The most that a part holds.
pub const MAX_PART_BYTES: u64 = 16 << 20;
/// Where pushes stand.
pub const PUSHES: &str = "pushes";
/// Where parts stand.
pub const PARTS: &str = "parts";
/// Small files of a log that go along whole, if they are there.
pub const EXTRAS: &[&str] = &[names::CONFIG, names::KEYS];
/// The longest of those.
pub const MAX_EXTRA_BYTES: usize = 1 << 20;
/// Longest name that a pusher goes by, in bytes.
const MAX_OWNER_BYTES: usize = 1024;

/// The BLAKE3 digest of an object's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectDigest(pub [u8; 32]);

impl ObjectDigest {
    /// That of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// As 64 hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let hash = blake3::Hash::from_hex(text).ok().filter(|_| lower)?;
        Some(Self(*hash.as_bytes()))
    }
}

impl fmt::Display for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectDigest({self})")
    }
}

/// Which directory pushes: drawn when a log is made ready to be pushed, anew in every clone. Two that go on from the same
/// remote copy are told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch(pub [u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Some bytes of a file, an object of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How many, from 1 to [`MAX_PART_BYTES`].
    pub length: u64,
    /// What they hash to: the object's name.
    pub digest: ObjectDigest,
}

impl Part {
    /// The object's name below the prefix.
    pub fn object(&self) -> String {
        format!("{PARTS}/{}", self.digest)
    }
}

/// A file of the log: its parts, one after another, are its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Its name in the log's directory.
    pub name: String,
    /// Its parts, the first bytes first.
    pub parts: Vec<Part>,
}

impl RemoteFile {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.length))
    }
}

/// A small file, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// Its name in the log's directory.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A remote copy of a log as a push left it: all that a clone needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteManifest {
    /// Its number: that of its object.
    pub number: u64,
    /// When it was written.
    pub written: Timestamp,
    /// Who pushed.
    pub epoch: Epoch,
    /// Who that is, for people: process and host.
    pub owner: String,
    /// The digest of the manifest object that this one takes the place of; `None` for the first.
    pub previous: Option<ObjectDigest>,
    /// The log's manifest, as a file: its last segment is closed. Its generation is this one's number.
    pub manifest: Vec<u8>,
    /// The small files of the log, in the order of [`EXTRAS`].
    pub extras: Vec<Extra>,
    /// Every segment that the log's manifest names.
    pub files: Vec<RemoteFile>,
}

/// The object that holds manifest `number`, below the prefix: ten digits at least, so that names sort as numbers do.
pub fn push_object(number: u64) -> String {
    format!("{PUSHES}/{number:010}")
}

/// The number of a manifest, by its object's name below the prefix; `None` if it is none.
pub fn push_number(object: &str) -> Option<u64> {
    let number = object.strip_prefix(PUSHES)?.strip_prefix('/')?.parse().ok()?;
    (number > 0 && push_object(number) == object).then_some(number)
}

impl RemoteManifest {
    /// The object's bytes.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId) -> Result<Vec<u8>, DecodeError> {
        header::encode(FileKind::Remote, log_id, self.number, self)
    }

    /// Reads manifest `number`: all of `bytes`. With the log's id.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound in itself, or is another one.
    pub fn decode(bytes: &[u8], number: u64) -> Result<(LogId, Self), Fault> {
        let (prefix, remote): (_, Self) = header::decode(FileKind::Remote, bytes, MAX_DOCUMENT_BYTES)?;
        if prefix.length != bytes.len() {
            let length = len_u64(prefix.length);
            let found = len_u64(bytes.len());
            return Err(Fault::Length { what: "a remote manifest", found, min: length, max: length });
        }
        if prefix.number != number || remote.number != number {
            return Err(Fault::Meaning { what: "the remote manifest has another number than its object" });
        }
        Ok((prefix.log_id, remote))
    }

    /// The log's manifest in it, and whether that is one of an encrypted log. Without the keys it has no markers then.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound, or its files are not those that are listed.
    pub fn log_manifest(&self, log_id: LogId, keys: Option<&Keyring>) -> Result<(Manifest, bool), Fault> {
        let (inner, manifest) = Manifest::decode(&self.manifest, keys)?;
        if inner.log_id != log_id {
            return Err(Fault::ForeignLog { expected: log_id, found: inner.log_id });
        }
        self.check(&manifest)?;
        Ok((manifest, inner.is_encrypted()))
    }

    /// One of the small files.
    pub fn extra(&self, name: &str) -> Option<&[u8]> {
        self.extras.iter().find(|extra| extra.name == name).map(|extra| extra.bytes.as_slice())
    }

    /// Whether the files are those of the log's manifest.
    ///
    /// # Errors
    /// [`Fault::Meaning`] if not.
    pub fn check(&self, manifest: &Manifest) -> Result<(), Fault> {
        let wrong = |what: &'static str| Err(Fault::Meaning { what });
        if manifest.generation.0 != self.number {
            return wrong("the log's manifest in the remote one has another generation than its number");
        }
        if self.owner.len() > MAX_OWNER_BYTES {
            return wrong("the owner in a remote manifest has a longer name than any has");
        }
        let places: Option<Vec<usize>> =
            self.extras.iter().map(|extra| EXTRAS.iter().position(|name| *name == extra.name)).collect();
        if !places.is_some_and(|places| places.is_sorted_by(|a, b| a < b)) {
            return wrong("a remote manifest holds a small file that is none of a log, or one twice");
        }
        if self.extras.iter().any(|extra| extra.bytes.len() > MAX_EXTRA_BYTES) {
            return wrong("a small file in a remote manifest is longer than any is");
        }
        let fits = |part: &Part| (1..=MAX_PART_BYTES).contains(&part.length);
        if !self.files.iter().all(|file| file.parts.iter().all(fits)) {
            return wrong("a part in the remote manifest has no length that may be");
        }
        let named: HashSet<(&str, u64)> =
            self.files.iter().map(|file| (file.name.as_str(), file.length())).collect();
        let Some(wanted) = files_of(manifest) else {
            return wrong("the log's manifest in the remote one leaves a segment open");
        };
        let all_there = wanted.iter().all(|(name, length)| named.contains(&(name.as_str(), *length)));
        if !all_there || wanted.len() != self.files.len() || named.len() != self.files.len() {
            return wrong("the remote manifest does not list the files of the log's manifest");
        }
        Ok(())
    }
}

/// What the last segment has gained since: it goes on where the push before it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteTail {
    /// Its number: that of its object.
    pub number: u64,
    /// When it was written.
    pub written: Timestamp,
    /// Who pushed.
    pub epoch: Epoch,
    /// Who that is, for people.
    pub owner: String,
    /// The digest of the push before it.
    pub previous: ObjectDigest,
    /// The number of the remote manifest that it goes on from; those between are tails, too.
    pub base: u64,
    /// The segment.
    pub segment: SegmentId,
    /// Where in it the bytes stand.
    pub offset: u64,
    /// Whole frames.
    pub bytes: Vec<u8>,
    /// The seq after the last event in them.
    pub next_seq: Seq,
    /// The marker after the last one in them.
    pub next_marker: MarkerId,
}

impl RemoteTail {
    /// The object's bytes.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId) -> Result<Vec<u8>, DecodeError> {
        header::encode(FileKind::Tail, log_id, self.number, self)
    }

    /// Whether an object is meant as one.
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.starts_with(&FileKind::Tail.magic())
    }

    /// Reads tail `number`: all of `bytes`. With the log's id.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound in itself or is another one.
    pub fn decode(bytes: &[u8], number: u64) -> Result<(LogId, Self), Fault> {
        let (prefix, tail): (_, Self) = header::decode(FileKind::Tail, bytes, MAX_DOCUMENT_BYTES)?;
        if prefix.length != bytes.len() {
            let (length, found) = (len_u64(prefix.length), len_u64(bytes.len()));
            return Err(Fault::Length { what: "the tail of a remote copy", found, min: length, max: length });
        }
        if prefix.number != number || tail.number != number {
            return Err(Fault::Meaning {
                what: "the tail of a remote copy has another number than its object",
            });
        }
        if tail.base >= number || tail.bytes.is_empty() || len_u64(tail.bytes.len()) > MAX_PART_BYTES {
            return Err(Fault::Meaning {
                what: "the tail of a remote copy goes on from nothing, or holds nothing",
            });
        }
        if tail.owner.len() > MAX_OWNER_BYTES {
            return Err(Fault::Meaning { what: "the owner in a tail has a longer name than any has" });
        }
        Ok((prefix.log_id, tail))
    }
}

/// A manifest whose last segment goes on behind `offset`: as it was before that was closed for a push.
///
/// # Errors
/// [`Fault::Meaning`] if its last segment is another one, or does not end there.
pub fn reopened(
    manifest: &Manifest,
    segment: SegmentId,
    offset: u64,
    number: u64,
) -> Result<Manifest, Fault> {
    let mut manifest = Manifest { generation: Generation(number), ..manifest.clone() };
    let ends_there = |end: SegmentEnd| end.length == offset;
    match manifest.segments.last_mut().filter(|last| last.id == segment && last.end.is_some_and(ends_there)) {
        Some(last) => last.end = None,
        None => {
            return Err(Fault::Meaning {
                what: "the tail of a remote copy does not go on where its log ends",
            });
        }
    }
    manifest.check()?;
    Ok(manifest)
}

/// The files that a manifest names, and how long they are, oldest events last; `None` if one may still grow.
pub fn files_of(manifest: &Manifest) -> Option<Vec<(String, u64)>> {
    let snapshots = manifest.snapshots.iter().map(|entry| Some((names::snapshot(entry.id), entry.length)));
    let events =
        manifest.segments.iter().map(|entry| entry.end.map(|end| (names::events(entry.id), end.length)));
    snapshots.chain(events).collect()
}
