//! Primitive encodings: the only module that names `bincode`.
//!
//! Everything that snaplog stores in a payload is made of these few pieces, in bincode 2's *standard*
//! configuration (little endian, variable-length integers):
//!
//! | piece | bytes |
//! | --- | --- |
//! | unsigned integer `n` | `n` in one byte below 251; else `251` + u16, `252` + u32, `253` + u64, the shortest that fits |
//! | signed integer | zigzag (`0, -1, 1, -2, …` become `0, 1, 2, 3, …`), then as unsigned |
//! | float | its 64 bits, little endian |
//! | bytes, string | length as unsigned integer, then the bytes (UTF-8) |
//!
//! The decoder is stricter than bincode: an integer that is not in its shortest form is an error, so a value
//! has exactly one encoding and encoded values can be compared as bytes. No length is believed before the
//! bytes that it speaks of are there, so a hostile length allocates nothing.
//!
//! bincode 2.0.1 is unmaintained; a switch to another crate, or to code of our own, changes this file alone.

use bincode::config;
use serde::Serialize;
use serde::de::DeserializeOwned;

const CONFIG: config::Configuration = config::standard();

/// The largest document that [`from_bytes`] takes, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 256 << 20;

/// Why bytes could not be decoded. Offsets are relative to the start of the decoded slice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("the bytes end in the middle of {what}")]
    Incomplete {
        /// What was being read.
        what: &'static str,
    },
    /// The bytes are not what may stand here.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
    /// A number is larger than its bound.
    #[error("{what} is {found}, at most {max} is allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The number found.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// Bytes are left over after a complete document.
    #[error("{left} bytes are left over after the end of the document")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// A document of named fields does not decode.
    #[error("the document does not decode: {0}")]
    Document(String),
}

/// Appends encoded pieces to a buffer.
#[derive(Debug, Default, Clone)]
pub struct Encoder {
    buf: Vec<u8>,
}

impl Encoder {
    /// An empty encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on at the end of `buf`.
    pub fn with_buffer(buf: Vec<u8>) -> Self {
        Self { buf }
    }

    /// The bytes so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.buf
    }

    /// The bytes, by value.
    pub fn into_vec(self) -> Vec<u8> {
        self.buf
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Drops everything from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
    }

    /// Drops everything and keeps the room.
    pub fn clear(&mut self) {
        self.buf.clear();
    }

    /// One byte as it is.
    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.buf.push(value);
    }

    /// An unsigned integer, 1 to 9 bytes.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        // The bytes that bincode gives, of which a test makes sure: going through it took three times as long.
        let [low, second, third, fourth, ..] = value.to_le_bytes();
        match value {
            0..=250 => self.buf.push(low),
            251..=0xffff => self.buf.extend_from_slice(&[WIDE, low, second]),
            0x1_0000..=0xffff_ffff => self.buf.extend_from_slice(&[WIDE + 1, low, second, third, fourth]),
            _ => {
                self.buf.push(WIDE + 2);
                self.buf.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// A signed integer, 1 to 9 bytes: zigzag, so that small ones of both signs are short.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.u64(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// A float, 8 bytes, bit for bit.
    pub fn f64(&mut self, value: f64) {
        self.buf.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// A length and the bytes.
    #[inline]
    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(len_u64(value.len()));
        self.buf.extend_from_slice(value);
    }

    /// A string: as [`Self::bytes`].
    #[inline]
    pub fn str(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Bytes that are encoded already, without a length.
    #[inline]
    pub fn raw(&mut self, value: &[u8]) {
        self.buf.extend_from_slice(value);
    }

    /// Overwrites the first byte.
    pub(crate) fn set_first(&mut self, byte: u8) {
        if let Some(first) = self.buf.first_mut() {
            *first = byte;
        }
    }

    /// Appends what stands from `start` to `end` once more.
    pub(crate) fn repeat(&mut self, start: usize, end: usize) {
        let end = end.min(self.buf.len());
        self.buf.extend_from_within(start.min(end)..end);
    }
}

/// First byte of an integer of two bytes; those of four and eight follow it.
const WIDE: u8 = 251;

/// Takes encoded pieces off the front of a slice.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Decoder<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len() }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.total.saturating_sub(self.rest.len())
    }

    /// Whether all bytes were read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// # Errors
    /// [`DecodeError::Trailing`] unless all bytes were read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { left: self.rest.len() }) }
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Incomplete { what })?;
        self.rest = rest;
        Ok(*first)
    }

    /// An unsigned integer.
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((&first, rest)) if first < WIDE => {
                self.rest = rest;
                Ok(u64::from(first))
            }
            _ => self.wide(what),
        }
    }

    fn wide(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let incomplete = DecodeError::Incomplete { what };
        let (&first, rest) = self.rest.split_first().ok_or(incomplete.clone())?;
        let (value, rest, least) = match first {
            0..WIDE => (u64::from(first), rest, 0),
            WIDE => {
                let (bytes, rest) = rest.split_first_chunk().ok_or(incomplete)?;
                (u64::from(u16::from_le_bytes(*bytes)), rest, u64::from(WIDE))
            }
            252 => {
                let (bytes, rest) = rest.split_first_chunk().ok_or(incomplete)?;
                (u64::from(u32::from_le_bytes(*bytes)), rest, 0x1_0000)
            }
            253 => {
                let (bytes, rest) = rest.split_first_chunk().ok_or(incomplete)?;
                (u64::from_le_bytes(*bytes), rest, 0x1_0000_0000)
            }
            _ => {
                return Err(DecodeError::Invalid {
                    what: "an integer starts with a byte that none starts with",
                });
            }
        };
        if value < least {
            return Err(DecodeError::Invalid { what: "an integer is not in its shortest form" });
        }
        self.rest = rest;
        Ok(value)
    }

    /// A signed integer.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let zigzag = self.u64(what)?;
        let magnitude = (zigzag >> 1).cast_signed();
        Ok(if zigzag & 1 == 0 { magnitude } else { !magnitude })
    }

    /// An unsigned integer of at most 32 bits.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let found = self.u64(what)?;
        u32::try_from(found).or(Err(DecodeError::TooLarge { what, found, max: u64::from(u32::MAX) }))
    }

    /// A float, bit for bit.
    pub fn f64(&mut self, what: &'static str) -> Result<f64, DecodeError> {
        let bytes = self.raw(8, what)?;
        let array = <[u8; 8]>::try_from(bytes).or(Err(DecodeError::Incomplete { what }))?;
        Ok(f64::from_bits(u64::from_le_bytes(array)))
    }

    /// A length of at most `max`, and that many bytes.
    pub fn bytes(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.u64(what)?;
        match usize::try_from(len) {
            Ok(len) if len <= max => self.raw(len, what),
            _ => Err(DecodeError::TooLarge { what, found: len, max: len_u64(max) }),
        }
    }

    /// A string of at most `max` bytes.
    pub fn str(&mut self, max: usize, what: &'static str) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes(max, what)?)
            .or(Err(DecodeError::Invalid { what: "a string is not UTF-8" }))
    }

    /// Exactly `len` bytes.
    pub fn raw(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match (self.rest.get(..len), self.rest.get(len..)) {
            (Some(head), Some(tail)) => {
                self.rest = tail;
                Ok(head)
            }
            _ => Err(DecodeError::Incomplete { what }),
        }
    }
}

/// A length as the 64-bit number that it is on every machine that Rust supports.
pub fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The bytes of a document of named fields: its fields in order, a sequence behind its length, an `Option`
/// behind one byte 0 or 1, an enum behind the number of its variant.
///
/// # Errors
/// Only for types that bincode cannot encode (sequences of unknown length); none of ours is one.
pub fn to_bytes<T: Serialize>(document: &T) -> Result<Vec<u8>, DecodeError> {
    bincode::serde::encode_to_vec(document, CONFIG).map_err(|e| DecodeError::Document(e.to_string()))
}

/// The document in `bytes`, all of which it must take. What a hostile length can make it allocate is bounded by a
/// small multiple of the bytes that are there.
///
/// # Errors
/// [`DecodeError::Document`] if the bytes are not such a document, [`DecodeError::TooLarge`] past
/// [`MAX_DOCUMENT_BYTES`], [`DecodeError::Trailing`] if it ends early.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    // bincode allocates a string's claimed length before it reads it, up to its limit, which is a constant; and
    // counts an integer of one byte as up to eight. So the limit follows the input in steps: one step for all made a
    // claim of a gigabyte in a manifest of one megabyte take the gigabyte.
    macro_rules! up_to {
        ($($len:expr),*) => {
            match bytes.len() {
                $(len if len <= $len => {
                    bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<{ 8 * $len }>())
                })*
                found => {
                    return Err(DecodeError::TooLarge {
                        what: "a document",
                        found: len_u64(found),
                        max: len_u64(MAX_DOCUMENT_BYTES),
                    });
                }
            }
        };
    }
    let decoded = up_to!(
        64 << 10,
        128 << 10,
        256 << 10,
        512 << 10,
        1 << 20,
        2 << 20,
        4 << 20,
        8 << 20,
        16 << 20,
        32 << 20,
        64 << 20,
        128 << 20,
        MAX_DOCUMENT_BYTES
    );
    let (document, used): (T, usize) = decoded.map_err(|e| DecodeError::Document(e.to_string()))?;
    match bytes.len().saturating_sub(used) {
        0 => Ok(document),
        left => Err(DecodeError::Trailing { left }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_documented_bytes() {
        for (value, bytes) in [
            (0_u64, vec![0]),
            (250, vec![250]),
            (251, vec![251, 251, 0]),
            (0xffff, vec![251, 0xff, 0xff]),
            (0x1_0000, vec![252, 0, 0, 1, 0]),
            (1 << 32, vec![253, 0, 0, 0, 0, 1, 0, 0, 0]),
        ] {
            let mut e = Encoder::new();
            e.u64(value);
            assert_eq!(e.as_slice(), bytes);
            assert_eq!(Decoder::new(&bytes).u64("n"), Ok(value));
        }
    }

    #[test]
    fn integers_are_as_bincode_has_them() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([249, 250, 251, 252, u64::MAX]) {
            let mut e = Encoder::new();
            e.u64(value);
            assert_eq!(e.as_slice(), bincode::encode_to_vec(value, CONFIG).unwrap());
            e.clear();
            let signed = value.cast_signed();
            e.i64(signed);
            assert_eq!(e.as_slice(), bincode::encode_to_vec(signed, CONFIG).unwrap());
            assert_eq!(Decoder::new(e.as_slice()).i64("n"), Ok(signed));
            for cut in 0..e.len() {
                let cut = e.as_slice().get(..cut).unwrap();
                assert_eq!(Decoder::new(cut).u64("n"), Err(DecodeError::Incomplete { what: "n" }));
            }
        }
    }

    #[test]
    fn signed_integers_come_back() {
        for value in [0, -1, 1, i64::MIN, i64::MAX, -126, 125, 1 << 40] {
            let mut e = Encoder::new();
            e.i64(value);
            assert_eq!(Decoder::new(e.as_slice()).i64("n"), Ok(value));
        }
    }

    #[test]
    fn a_longer_form_than_needed_is_refused() {
        for bytes in [&[251_u8, 1, 0][..], &[252, 1, 0, 0, 0], &[253, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(matches!(Decoder::new(bytes).u64("n"), Err(DecodeError::Invalid { .. })));
        }
    }

    #[test]
    fn bytes_that_no_integer_starts_with_are_refused() {
        for first in [254_u8, 255] {
            assert!(Decoder::new(&[first; 20]).u64("n").is_err());
        }
    }

    #[test]
    fn a_length_past_the_end_allocates_nothing_and_fails() {
        let bomb = [253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2];
        assert!(Decoder::new(&bomb).bytes(usize::MAX, "b").is_err());
        assert!(from_bytes::<Vec<u8>>(&bomb).is_err());
        assert!(from_bytes::<Vec<String>>(&bomb).is_err());
    }

    #[test]
    fn documents_are_consumed_whole() {
        let bytes = to_bytes(&(1_u64, "x".to_owned())).unwrap();
        assert_eq!(from_bytes::<(u64, String)>(&bytes), Ok((1, "x".to_owned())));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(from_bytes::<(u64, String)>(&longer), Err(DecodeError::Trailing { left: 1 }));
    }
}
