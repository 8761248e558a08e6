//! CURRENT: the name of the manifest in force.

use serde::{Deserialize, Serialize};

use super::Fault;
use super::header::{self, ENCRYPTED, FileKind, Prefix};
use super::manifest::whole;
use super::seal::{Keyring, SealHead, Sealed, Sealing};
use crate::codec::{DecodeError, len_u64};
use crate::model::position::{Generation, LogId};

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

/// CURRENT in an encrypted log.
#[derive(Serialize, Deserialize)]
struct Authenticated {
    current: Current,
    /// Seals nothing; it is there to be bound to the rest.
    proof: Sealed,
}

impl Current {
    /// Names a manifest with these bytes.
    pub fn naming(generation: Generation, manifest: &[u8]) -> Self {
        Self { generation, length: len_u64(manifest.len()), crc: manifest_crc(manifest) }
    }

    /// The file's bytes; authenticated, if the log is encrypted.
    ///
    /// # Errors
    /// If it does not encode.
    pub fn encode(&self, log_id: LogId, sealing: Option<Sealing<'_>>) -> Result<Vec<u8>, Fault> {
        let number = self.generation.0;
        let Some(sealing) = sealing else {
            return Ok(header::encode(FileKind::Current, log_id, number, self)?);
        };
        let proof = sealing.whole(&self.bound(log_id)?, &[])?;
        let body = Authenticated { current: *self, proof };
        Ok(header::encode_with(FileKind::Current, log_id, number, ENCRYPTED, &body)?)
    }

    /// As it is read by somebody who has no key to an encrypted log, and looks at no proof: for a copy that has no CURRENT.
    ///
    /// # Errors
    /// If it does not encode.
    pub(crate) fn encode_unproven(&self, log_id: LogId) -> Result<Vec<u8>, DecodeError> {
        let proof = Sealed { head: SealHead { key: 0, salt: [0; 32] }, bytes: Vec::new() };
        let body = Authenticated { current: *self, proof };
        header::encode_with(FileKind::Current, log_id, self.generation.0, ENCRYPTED, &body)
    }

    fn bound(&self, log_id: LogId) -> Result<Vec<u8>, DecodeError> {
        header::encode_with(FileKind::Current, log_id, self.generation.0, ENCRYPTED, self)
    }

    /// Reads CURRENT: all of `bytes`.
    ///
    /// # Errors
    /// [`Fault`] if it is not sound.
    pub fn decode(bytes: &[u8], keys: Option<&Keyring>) -> Result<(Prefix, Self), Fault> {
        let what = "CURRENT";
        let prefix = header::prefix(FileKind::Current, bytes, MAX_CURRENT_BYTES)?;
        let (prefix, current) = if prefix.is_encrypted() {
            let (prefix, body): (_, Authenticated) =
                header::decode(FileKind::Current, bytes, MAX_CURRENT_BYTES)?;
            if let Some(keys) = keys {
                body.proof.open(what, keys, &body.current.bound(prefix.log_id)?)?;
            }
            (prefix, body.current)
        } else {
            let decoded = header::decode(FileKind::Current, bytes, MAX_CURRENT_BYTES)?;
            if keys.is_some() {
                return Err(Fault::Unsealed { what });
            }
            decoded
        };
        whole(what, bytes, &prefix)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_manifests_apart_that_have_one_length() {
        let [one, other] = [b"a manifest, and its sum", b"b manifest, and its sum"];
        let current = Current::naming(Generation(1), one);
        current.check(one).unwrap();
        assert_eq!(current.check(other).unwrap_err().kind(), "checksum");
        assert_eq!(current.check(&one[..9]).unwrap_err().kind(), "truncated");
    }
}
