//! Sealing: how the parts of an encrypted log's files are encrypted and authenticated. FORMAT.md, section 20.
//!
//! A log has *data keys*, numbered from 1; a [`Keyring`] holds them. Each file takes the newest one and a random salt of
//! its own, and derives from both, and from the bytes that it is bound to, the one key that seals its parts: frames,
//! blocks, an index. A part's nonce is its position in the file. No session appends to another's file, and a file that
//! is begun anew has another salt; so no key ever sees a nonce twice.
//!
//! The cipher is XChaCha20-Poly1305, keys are derived by HKDF-SHA-256. Without the feature `encryption` nothing can be
//! sealed or opened: then there are no keyrings.

#[cfg(not(feature = "encryption"))]
mod absent;
#[cfg(feature = "encryption")]
mod cipher;

use serde::{Deserialize, Serialize};

#[cfg(not(feature = "encryption"))]
pub use absent::{FileSeal, Keyring};
#[cfg(feature = "encryption")]
pub use cipher::{DataKey, FileSeal, Keyring};

use super::Fault;
use super::segment::Extension;
use crate::codec::{self, DecodeError};

/// Bytes that sealing adds to a part.
pub const TAG_BYTES: usize = 16;
/// Tag of the extension that holds what a manifest or an index keeps to those who have the key.
pub const SEALED_EXTENSION: u32 = 1;

/// Which key a file is sealed with: what stands in `encryption` in its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealHead {
    /// Number of the data key.
    pub key: u32,
    /// Random, another in every file.
    pub salt: [u8; 32],
}

/// With what a new file is sealed.
#[derive(Debug, Clone)]
pub struct Sealing<'k> {
    /// The keys.
    pub keys: &'k Keyring,
    /// The newest of them, and a salt that no other file has.
    pub head: SealHead,
}

impl Sealing<'_> {
    /// Seals `part` as the only thing in a file that is sealed, bound to `bound`, what stands there in the clear.
    ///
    /// # Errors
    /// As [`FileSeal::seal`].
    pub fn whole(self, bound: &[u8], part: &[u8]) -> Result<Sealed, Fault> {
        let mut bytes = Vec::new();
        self.keys.seal(&self.head, bound)?.seal(0, &[], part, &mut bytes)?;
        Ok(Sealed { head: self.head, bytes })
    }
}

impl Sealed {
    /// Opens it.
    ///
    /// # Errors
    /// [`Fault::Sealed`] if it is not what was sealed, or `bound` is not what stood beside it; [`Fault::NoKey`].
    pub fn open(&self, what: &'static str, keys: &Keyring, bound: &[u8]) -> Result<Vec<u8>, Fault> {
        keys.seal(&self.head, bound)?.open(what, 0, &[], &self.bytes)
    }

    /// As an extension of a document.
    pub(super) fn extension(&self) -> Result<Extension, DecodeError> {
        Ok(Extension { tag: SEALED_EXTENSION, data: codec::to_bytes(self)? })
    }
}

/// Something sealed that stands in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// How.
    pub head: SealHead,
    /// The bytes, and the tag behind them.
    pub bytes: Vec<u8>,
}

impl SealHead {
    /// As it stands in a segment's header.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        codec::to_bytes(self)
    }

    /// Reads the field of a segment's header; `None` if it is empty: nothing is sealed.
    ///
    /// # Errors
    /// [`Fault`] if it is neither empty nor whole.
    pub fn decode(field: &[u8]) -> Result<Option<Self>, Fault> {
        if field.is_empty() {
            return Ok(None);
        }
        Ok(Some(codec::from_bytes(field)?))
    }
}

/// How the parts of an opened segment are to be read.
#[derive(Debug)]
pub enum Lock {
    /// As they stand there: the log is not encrypted.
    None,
    /// With this.
    Open(FileSeal),
    /// Not at all: the key is not there. Checksums can be compared.
    Shut {
        /// Number of the key.
        key: u32,
    },
}

impl Lock {
    /// How a segment is read whose header has `field` and is `envelope`, by somebody who has `keys`.
    ///
    /// # Errors
    /// [`Fault`] if it is sealed with a key that is not among them, or not sealed and keys say that the log is encrypted.
    pub fn of(field: &[u8], envelope: &[u8], keys: Option<&Keyring>) -> Result<Self, Fault> {
        match (SealHead::decode(field)?, keys) {
            (None, None) => Ok(Self::None),
            (None, Some(_)) => Err(Fault::Unsealed { what: "the segment" }),
            (Some(head), None) => Ok(Self::Shut { key: head.key }),
            (Some(head), Some(keys)) => Ok(Self::Open(keys.seal(&head, envelope)?)),
        }
    }

    /// What seals the parts, if they are sealed.
    ///
    /// # Errors
    /// [`Fault::NoKey`] if they are, and the key is not there.
    pub fn seal(&self) -> Result<Option<&FileSeal>, Fault> {
        match self {
            Self::None => Ok(None),
            Self::Open(seal) => Ok(Some(seal)),
            Self::Shut { key } => Err(Fault::NoKey { key: *key }),
        }
    }

    /// Whether the parts are sealed and cannot be opened.
    pub fn is_shut(&self) -> bool {
        matches!(self, Self::Shut { .. })
    }
}

/// Takes what is sealed out of a document's extensions.
pub(super) fn take_sealed(
    extensions: &mut Vec<Extension>,
    what: &'static str,
) -> Result<Option<Sealed>, Fault> {
    let Some(at) = extensions.iter().position(|extension| extension.tag == SEALED_EXTENSION) else {
        return Ok(None);
    };
    let sealed = codec::from_bytes(&extensions.remove(at).data)?;
    if extensions.iter().any(|extension| extension.tag == SEALED_EXTENSION) {
        return Err(Fault::Sealed { what });
    }
    Ok(Some(sealed))
}
