//! Bytes on disk, in and out: file headers, frames, records, the manifest. Pure functions over `&[u8]`, which the
//! fuzzers call too; FORMAT.md is the specification.
//!
//! Offsets in what this layer returns are relative to the bytes that it was given; the layer that has the file adds
//! the path and the absolute offset.

pub mod current;
pub mod frame;
pub mod header;
pub mod manifest;
pub mod names;
pub mod records;
pub mod remote;
pub mod seal;
pub mod segment;
pub mod snapshot;
mod unzip;

use crate::codec::DecodeError;
use crate::model::position::{LogId, Seq};
use crate::model::record::Inconsistency;

/// Version of the format that this build writes. A file of another major version is refused.
pub const MAJOR: u16 = 1;
/// Files of a newer minor version differ only in what their feature masks say.
pub const MINOR: u16 = 0;

/// What is wrong with bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// They end too early.
    #[error("{what} is cut short: {needed} bytes are needed, {have} are there")]
    Truncated {
        /// What ends early.
        what: &'static str,
        /// How many bytes it takes.
        needed: u64,
        /// How many there are.
        have: u64,
    },
    /// They do not begin as such a thing begins.
    #[error("{what} does not begin with its magic number")]
    Magic {
        /// What should have stood there.
        what: &'static str,
    },
    /// The checksum over them is another.
    #[error("{what} does not match its checksum (stored {stored:08x}, computed {computed:08x})")]
    Checksum {
        /// What was summed.
        what: &'static str,
        /// The sum that is stored.
        stored: u32,
        /// The sum of the bytes that are there.
        computed: u32,
    },
    /// A newer snaplog wrote them.
    #[error("format version {major}.{minor} is newer than this program understands ({MAJOR}.x)")]
    Version {
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
    },
    /// They use features that this build does not know.
    #[error("it uses {what} features that this program does not know (mask {mask:#x})")]
    Features {
        /// Which kind of feature.
        what: &'static str,
        /// The unknown bits.
        mask: u64,
    },
    /// They belong to another log.
    #[error("it belongs to log {found}, not to {expected}")]
    ForeignLog {
        /// The log that was opened.
        expected: LogId,
        /// The log that the bytes name.
        found: LogId,
    },
    /// They belong to another file of this log.
    #[error("{what} belongs to another file (tag {found:x}, not {expected:x})")]
    ForeignFile {
        /// What is foreign.
        what: &'static str,
        /// The number that this file has.
        expected: u64,
        /// The number that the bytes name.
        found: u64,
    },
    /// A frame does not follow the one before it.
    #[error("the frame does not follow the one before it: one is missing, doubled or swapped")]
    Chain {
        /// The chain value of the frame before.
        expected: u32,
        /// What the frame says it is.
        found: u32,
    },
    /// Events are missing or doubled.
    #[error("the next event is {found}, {expected} was to come")]
    Sequence {
        /// The seq that was to come.
        expected: Seq,
        /// The seq that is there.
        found: Seq,
    },
    /// A length is not one that may stand there.
    #[error("{what} is {found}, allowed are {min} to {max}")]
    Length {
        /// Which length.
        what: &'static str,
        /// The length found.
        found: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Sound bytes with a meaning that cannot be.
    #[error("{what}")]
    Meaning {
        /// What cannot be.
        what: &'static str,
    },
    /// What was sealed does not open, though its checksum is right.
    #[error("{what} does not open with the log's key: it was changed, moved or made up")]
    Sealed {
        /// What.
        what: &'static str,
    },
    /// It is sealed with a key that is not there.
    #[error("it is sealed with the log's key {key}, which is not there")]
    NoKey {
        /// Number of the key.
        key: u32,
    },
    /// It is not sealed, and the log is encrypted.
    #[error("{what} is not sealed, and this is an encrypted log")]
    Unsealed {
        /// What.
        what: &'static str,
    },
    /// They do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Records that do not fit the graph that they are applied to.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
}

impl Fault {
    /// Whether a crash in the middle of a write can leave this where a frame should stand: short, foreign or wrong bytes.
    /// Whole frames that say what cannot be are another matter: a faulty or newer program wrote them.
    pub fn may_be_torn(&self) -> bool {
        matches!(
            self,
            Self::Truncated { .. }
                | Self::Magic { .. }
                | Self::Checksum { .. }
                | Self::ForeignFile { .. }
                | Self::Chain { .. }
        )
    }

    /// A stable name for the kind of fault, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Magic { .. } => "magic",
            Self::Checksum { .. } => "checksum",
            Self::Version { .. } => "version",
            Self::Features { .. } => "features",
            Self::ForeignLog { .. } => "foreign-log",
            Self::ForeignFile { .. } => "foreign-file",
            Self::Chain { .. } => "chain",
            Self::Sequence { .. } => "sequence",
            Self::Length { .. } => "length",
            Self::Meaning { .. } => "meaning",
            Self::Sealed { .. } => "sealed",
            Self::NoKey { .. } => "no-key",
            Self::Unsealed { .. } => "unsealed",
            Self::Decode(_) => "encoding",
            Self::Inconsistent(_) => "inconsistent",
        }
    }
}

/// Reads a fixed-size little-endian field. `None` past the end.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    field(bytes, at).map_or(0, u64::from_le_bytes)
}
