//! The envelope that every file of a log begins with, or is as a whole.
//!
//! ```text
//!  0  8   magic: 0x89 'S' 'L' kind '\r' '\n' 0x1a '\n'
//!  8  2   major version
//! 10  2   minor version
//! 12  4   length of the envelope, checksum included
//! 16  8   incompatible features
//! 24  8   features that a reader may ignore and a writer may not
//! 32  8   compatible features
//! 40 16   log id
//! 56  8   number of the file
//! 64  …   body: a document
//!  …  4   CRC-32 of all before it
//! ```
//!
//! The magic begins with a byte that is no ASCII and holds a CR-LF and a control-Z, so that a transfer that
//! changes line ends or strips the eighth bit shows at once (PNG's trick). All integers are little endian.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Fault, MAJOR, MINOR, u16_at, u32_at, u64_at};
use crate::codec::{self, DecodeError, MAX_DOCUMENT_BYTES, len_u64};
use crate::model::position::LogId;

/// Which kind of file an envelope begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A segment of frames.
    Events,
    /// A segment of net changes.
    Snapshot,
    /// The list of segments and markers.
    Manifest,
    /// The name of the manifest in force.
    Current,
    /// The manifest of a remote copy.
    Remote,
    /// What a segment has gained since a remote copy was pushed.
    Tail,
}

impl FileKind {
    /// The eight bytes that such a file begins with.
    pub const fn magic(self) -> [u8; 8] {
        let letter = match self {
            Self::Events => b'E',
            Self::Snapshot => b'S',
            Self::Manifest => b'M',
            Self::Current => b'C',
            Self::Remote => b'R',
            Self::Tail => b'T',
        };
        [0x89, b'S', b'L', letter, b'\r', b'\n', 0x1a, b'\n']
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Events => "the header of an event segment",
            Self::Snapshot => "the header of a snapshot segment",
            Self::Manifest => "the manifest",
            Self::Current => "CURRENT",
            Self::Remote => "the manifest of a remote copy",
            Self::Tail => "the tail of a remote copy",
        }
    }
}

/// Bytes before the body.
pub const PREFIX_BYTES: usize = 64;
/// Bytes after the body.
pub const SUFFIX_BYTES: usize = 4;
/// Longest envelope of a segment: it is read before anything in it is believed.
pub const MAX_SEGMENT_HEADER_BYTES: usize = 1 << 20;

const MAJOR_AT: usize = 8;
const MINOR_AT: usize = MAJOR_AT + 2;
const LENGTH_AT: usize = MINOR_AT + 2;
const INCOMPATIBLE_AT: usize = LENGTH_AT + 4;
const READ_ONLY_AT: usize = INCOMPATIBLE_AT + 8;
const COMPATIBLE_AT: usize = READ_ONLY_AT + 8;
const LOG_ID_AT: usize = COMPATIBLE_AT + 8;
const NUMBER_AT: usize = LOG_ID_AT + 16;
const _: () = assert!(NUMBER_AT + 8 == PREFIX_BYTES);

/// Incompatible feature: the log is encrypted, and so is what this file keeps to those who have the key.
pub const ENCRYPTED: u64 = 1;
/// Incompatible features that this build knows.
pub const KNOWN_INCOMPATIBLE: u64 = ENCRYPTED;
/// Read-only compatible features that this build knows: none yet.
pub const KNOWN_READ_ONLY: u64 = 0;

/// The fixed part of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Length of the whole envelope.
    pub length: usize,
    /// Minor version.
    pub minor: u16,
    /// Features that a reader must know.
    pub incompatible: u64,
    /// Features that a writer must know.
    pub read_only: u64,
    /// Features that may be ignored.
    pub compatible: u64,
    /// The log that the file belongs to.
    pub log_id: LogId,
    /// The file's number.
    pub number: u64,
}

impl Prefix {
    /// Of a file whose envelope cannot be read.
    pub(crate) fn unknown(number: u64) -> Self {
        let (length, minor, incompatible, read_only, compatible) = (0, 0, 0, 0, 0);
        Self { length, minor, incompatible, read_only, compatible, log_id: LogId::default(), number }
    }
}

impl Prefix {
    /// Whether this build may only read the log.
    pub fn is_read_only(&self) -> bool {
        self.read_only & !KNOWN_READ_ONLY != 0
    }

    /// Whether it is a file of an encrypted log.
    pub fn is_encrypted(&self) -> bool {
        self.incompatible & ENCRYPTED != 0
    }
}

/// A whole envelope with `body`.
///
/// # Errors
/// If the body does not encode.
pub fn encode<T: Serialize>(
    kind: FileKind,
    log_id: LogId,
    number: u64,
    body: &T,
) -> Result<Vec<u8>, DecodeError> {
    encode_with(kind, log_id, number, 0, body)
}

/// As [`encode`], with a mask of incompatible features.
///
/// # Errors
/// As [`encode`].
pub fn encode_with<T: Serialize>(
    kind: FileKind,
    log_id: LogId,
    number: u64,
    incompatible: u64,
    body: &T,
) -> Result<Vec<u8>, DecodeError> {
    let body = codec::to_bytes(body)?;
    let length = PREFIX_BYTES.saturating_add(body.len()).saturating_add(SUFFIX_BYTES);
    let stored = u32::try_from(length).or(Err(DecodeError::TooLarge {
        what: "a header",
        found: len_u64(length),
        max: len_u64(MAX_DOCUMENT_BYTES),
    }))?;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&kind.magic());
    bytes.extend_from_slice(&MAJOR.to_le_bytes());
    bytes.extend_from_slice(&MINOR.to_le_bytes());
    bytes.extend_from_slice(&stored.to_le_bytes());
    bytes.extend_from_slice(&incompatible.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.extend_from_slice(&log_id.0);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// Reads the fixed part, so that the caller knows how much to read. Only its shape is checked: nothing in it is to be
/// believed before [`decode`] has seen the checksum.
///
/// # Errors
/// If there are too few bytes, the magic is another, or the length is none that may be.
pub fn prefix(kind: FileKind, bytes: &[u8], max: usize) -> Result<Prefix, Fault> {
    if bytes.get(..8).is_some_and(|magic| magic != kind.magic()) {
        return Err(Fault::Magic { what: kind.what() });
    }
    if bytes.len() < PREFIX_BYTES {
        return Err(Fault::Truncated {
            what: kind.what(),
            needed: len_u64(PREFIX_BYTES),
            have: len_u64(bytes.len()),
        });
    }
    let length = u32_at(bytes, LENGTH_AT);
    let prefix = Prefix {
        length: usize::try_from(length).unwrap_or(usize::MAX),
        minor: u16_at(bytes, MINOR_AT),
        incompatible: u64_at(bytes, INCOMPATIBLE_AT),
        read_only: u64_at(bytes, READ_ONLY_AT),
        compatible: u64_at(bytes, COMPATIBLE_AT),
        log_id: LogId(super::field(bytes, LOG_ID_AT).unwrap_or_default()),
        number: u64_at(bytes, NUMBER_AT),
    };
    let least = PREFIX_BYTES.saturating_add(SUFFIX_BYTES);
    if prefix.length < least || prefix.length > max {
        return Err(Fault::Length {
            what: "the length of a header",
            found: u64::from(length),
            min: len_u64(least),
            max: len_u64(max),
        });
    }
    Ok(prefix)
}

/// Decodes an envelope that `bytes` begins with.
///
/// # Errors
/// [`Fault`] if it is not sound, from a newer major version, or uses an incompatible feature that is not known.
pub fn decode<T: DeserializeOwned>(kind: FileKind, bytes: &[u8], max: usize) -> Result<(Prefix, T), Fault> {
    let prefix = prefix(kind, bytes, max)?;
    let body_end = prefix.length.saturating_sub(SUFFIX_BYTES);
    let (Some(summed), Some(_)) = (bytes.get(..body_end), bytes.get(..prefix.length)) else {
        return Err(Fault::Truncated {
            what: kind.what(),
            needed: len_u64(prefix.length),
            have: len_u64(bytes.len()),
        });
    };
    let (stored, computed) = (u32_at(bytes, body_end), crc32fast::hash(summed));
    if stored != computed {
        return Err(Fault::Checksum { what: kind.what(), stored, computed });
    }
    let (major, minor) = (u16_at(bytes, MAJOR_AT), prefix.minor);
    if major != MAJOR {
        return Err(Fault::Version { major, minor });
    }
    match prefix.incompatible & !KNOWN_INCOMPATIBLE {
        0 => {}
        mask => return Err(Fault::Features { what: "incompatible", mask }),
    }
    let body = codec::from_bytes(summed.get(PREFIX_BYTES..).unwrap_or_default())?;
    Ok((prefix, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LogId = LogId([7; 16]);

    fn sample() -> Vec<u8> {
        encode(FileKind::Events, ID, 5, &"body".to_owned()).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<(Prefix, String), Fault> {
        decode(FileKind::Events, bytes, 4096)
    }

    fn resummed(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - 4;
        let crc = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[test]
    fn an_envelope_comes_back() {
        let (prefix, body) = read(&sample()).unwrap();
        assert_eq!((prefix.log_id, prefix.number, body.as_str()), (ID, 5, "body"));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = sample();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(read(&good[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn another_kind_of_file_is_told_by_its_magic() {
        let manifest = encode(FileKind::Manifest, ID, 5, &"body".to_owned()).unwrap();
        assert!(matches!(read(&manifest), Err(Fault::Magic { .. })));
    }

    #[test]
    fn a_newer_major_version_is_refused_by_name() {
        let mut bytes = sample();
        bytes[8] = 2;
        assert_eq!(read(&resummed(bytes)), Err(Fault::Version { major: 2, minor: 0 }));
    }

    #[test]
    fn unknown_incompatible_features_are_refused_and_compatible_ones_ignored() {
        let mut bytes = sample();
        bytes[16] = 4;
        assert_eq!(read(&resummed(bytes)), Err(Fault::Features { what: "incompatible", mask: 4 }));
        let mut bytes = sample();
        bytes[32] = 4;
        assert!(read(&resummed(bytes)).is_ok());
        let mut bytes = sample();
        bytes[24] = 4;
        assert!(read(&resummed(bytes)).unwrap().0.is_read_only());
    }
}
