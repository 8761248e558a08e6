//! The cipher and the keys.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{SealHead, TAG_BYTES};
use crate::format::Fault;
use crate::model::position::LogId;

/// What a derived key is for: nothing else is ever derived from a data key.
const PURPOSE: &[u8; 14] = b"snaplog seal 1";

/// A data key: 32 random bytes, and their number in the log.
#[derive(Clone)]
pub struct DataKey {
    number: u32,
    secret: Zeroizing<[u8; 32]>,
}

impl DataKey {
    /// The key `number`, from 1 on.
    pub fn new(number: u32, secret: Zeroizing<[u8; 32]>) -> Self {
        Self { number, secret }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its bytes, to be wrapped.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.number)
    }
}

/// The data keys of a log, ascending by number. It is never empty.
#[derive(Debug, Clone)]
pub struct Keyring {
    log_id: LogId,
    first: DataKey,
    others: Arc<[DataKey]>,
}

impl Keyring {
    /// The keys of the log `log_id`: at least one, with different numbers. `None` if there are none.
    pub fn new(log_id: LogId, mut keys: Vec<DataKey>) -> Option<Self> {
        keys.sort_by_key(DataKey::number);
        let newest = keys.pop()?;
        Some(Self { log_id, first: newest, others: keys.into() })
    }

    /// The log that they are of.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// Number of the newest key: what is written is sealed with it.
    pub fn newest(&self) -> u32 {
        self.first.number
    }

    /// All of them, ascending by number.
    pub fn keys(&self) -> impl Iterator<Item = &DataKey> {
        self.others.iter().chain(std::iter::once(&self.first))
    }

    /// How a new file is sealed whose salt is `salt`: random bytes that no other file has.
    pub fn begin(&self, salt: [u8; 32]) -> SealHead {
        SealHead { key: self.newest(), salt }
    }

    /// What seals the parts of a file, and is bound to `bound`: with any other bytes, nothing can be opened.
    ///
    /// # Errors
    /// [`Fault::NoKey`].
    pub fn seal(&self, head: &SealHead, bound: &[u8]) -> Result<FileSeal, Fault> {
        let data_key =
            self.keys().find(|key| key.number == head.key).ok_or(Fault::NoKey { key: head.key })?;
        let mut key = Zeroizing::new([0; 32]);
        let bound = blake3::hash(bound);
        let info: [&[u8]; 3] = [PURPOSE, &self.log_id.0, bound.as_bytes()];
        Hkdf::<Sha256>::new(Some(&head.salt), data_key.secret())
            .expand_multi_info(&info, key.as_mut_slice())
            .map_err(|_too_long| Fault::Sealed { what: "a key" })?;
        Ok(FileSeal { cipher: XChaCha20Poly1305::new(key.as_slice().into()) })
    }
}

/// What seals the parts of one file. The cipher zeroises its key when it is dropped.
pub struct FileSeal {
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for FileSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileSeal")
    }
}

impl FileSeal {
    /// Seals `part`, which stands at `position` in its file, together with `beside`, which stays as it is; appends
    /// [`TAG_BYTES`] more bytes than the part has. A position is used once in the life of a file.
    ///
    /// # Errors
    /// If the part is longer than the cipher takes: 256 GiB.
    pub fn seal(&self, position: u64, beside: &[u8], part: &[u8], to: &mut Vec<u8>) -> Result<(), Fault> {
        let start = to.len();
        to.reserve(part.len().saturating_add(TAG_BYTES));
        to.extend_from_slice(part);
        let sealed = to.get_mut(start..).unwrap_or_default();
        let tag = self
            .cipher
            .encrypt_in_place_detached(&nonce(position), beside, sealed)
            .map_err(|_too_long| Fault::Sealed { what: "a part that is too long" })?;
        to.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens what was sealed at `position` together with `beside`.
    ///
    /// # Errors
    /// [`Fault::Sealed`] if it was not: what that means for the log is not known here.
    pub fn open(
        &self,
        what: &'static str,
        position: u64,
        beside: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let Some((part, tag)) = sealed.split_last_chunk::<TAG_BYTES>() else {
            return Err(Fault::Sealed { what });
        };
        let mut part = part.to_vec();
        self.cipher
            .decrypt_in_place_detached(&nonce(position), beside, &mut part, Tag::from_slice(tag))
            .map_err(|_another| Fault::Sealed { what })?;
        Ok(part)
    }
}

/// Its first eight bytes are the position, little endian; the others are zero.
fn nonce(position: u64) -> XNonce {
    let mut nonce = XNonce::default();
    nonce.iter_mut().zip(position.to_le_bytes()).for_each(|(to, byte)| *to = byte);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(numbers: &[u32]) -> Keyring {
        let key = |number: &u32| {
            let byte = u8::try_from(*number).unwrap();
            DataKey::new(*number, Zeroizing::new([byte; 32]))
        };
        Keyring::new(LogId([9; 16]), numbers.iter().map(key).collect()).unwrap()
    }

    fn sealed(keys: &Keyring, bound: &[u8], position: u64, beside: &[u8]) -> Vec<u8> {
        let seal = keys.seal(&keys.begin([5; 32]), bound).unwrap();
        let mut bytes = Vec::new();
        seal.seal(position, beside, b"a part", &mut bytes).unwrap();
        bytes
    }

    fn opened(
        keys: &Keyring,
        head: &SealHead,
        bound: &[u8],
        at: u64,
        beside: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        keys.seal(head, bound)?.open("it", at, beside, &sealed(&keyring(&[1]), b"bound", 7, b"beside"))
    }

    #[test]
    fn a_part_opens_where_and_with_what_it_was_sealed_and_nowhere_else() {
        let keys = keyring(&[1]);
        let head = keys.begin([5; 32]);
        assert_eq!(opened(&keys, &head, b"bound", 7, b"beside").unwrap(), b"a part");
        let other = keys.begin([6; 32]);
        assert!(opened(&keys, &other, b"bound", 7, b"beside").is_err());
        assert!(opened(&keys, &head, b"other", 7, b"beside").is_err());
        assert!(opened(&keys, &head, b"bound", 8, b"beside").is_err());
        assert!(opened(&keys, &head, b"bound", 7, b"besides").is_err());
        let foreign = Keyring { log_id: LogId([8; 16]), ..keys };
        assert!(opened(&foreign, &head, b"bound", 7, b"beside").is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let keys = keyring(&[1]);
        let good = sealed(&keys, b"", 0, b"");
        let seal = keys.seal(&keys.begin([5; 32]), b"").unwrap();
        assert!(seal.open("it", 0, b"", &good).is_ok());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open("it", 0, b"", &bad), Err(Fault::Sealed { what: "it" }), "bit {bit}");
        }
        for len in 0..good.len() {
            assert!(seal.open("it", 0, b"", &good[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn the_newest_key_seals_and_the_older_ones_open() {
        let (old, both) = (keyring(&[1]), keyring(&[2, 1]));
        assert_eq!(both.begin([0; 32]).key, 2);
        assert!(both.seal(&old.begin([5; 32]), b"").is_ok());
        assert_eq!(old.seal(&both.begin([5; 32]), b"").err(), Some(Fault::NoKey { key: 2 }));
    }

    #[test]
    fn no_secret_is_in_what_debug_prints() {
        let keys = Keyring::new(LogId([9; 16]), vec![DataKey::new(1, Zeroizing::new([0xab; 32]))]).unwrap();
        let printed = format!("{keys:?} {:?}", keys.seal(&keys.begin([5; 32]), b"").unwrap());
        assert!(!printed.contains("171") && !printed.contains("ab, ab") && !printed.contains("abab"));
    }

    /// Computed by other programs: HKDF by Python's `cryptography`, the cipher by libsodium (PyNaCl), the hash by blake3-py.
    #[test]
    fn a_known_answer_comes_out() {
        let keys = keyring(&[1]);
        let expected = [
            0x95, 0x72, 0x39, 0x26, 0x65, 0x1f, 0x4c, 0x03, 0x37, 0x88, 0xac, 0x03, 0x82, 0xbe, 0xf6, 0x50,
            0x39, 0x02, 0x1f, 0x0c, 0x19, 0x57,
        ];
        assert_eq!(sealed(&keys, b"bound", 7, b"beside"), expected);
    }
}
