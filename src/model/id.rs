//! Identifiers: of nodes, of parallel edges, of entries of state maps.

use std::fmt;

use super::limits::MAX_ID_BYTES;
use crate::codec::{DecodeError, Decoder, Encoder};

const TAG_INT: u8 = 0;
const TAG_STR: u8 = 1;

/// An identifier: a 64-bit integer or a string. The two are kept apart: `1` is not `"1"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A signed 64-bit integer.
    Int(i64),
    /// A string of at most [`MAX_ID_BYTES`] bytes.
    Str(Box<str>),
}

impl Id {
    /// The identifier, borrowed.
    pub fn as_ref(&self) -> IdRef<'_> {
        match self {
            Self::Int(n) => IdRef::Int(*n),
            Self::Str(s) => IdRef::Str(s),
        }
    }
}

/// An [`Id`] that lives in somebody else's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IdRef<'a> {
    /// A signed 64-bit integer.
    Int(i64),
    /// A string.
    Str(&'a str),
}

impl<'a> IdRef<'a> {
    /// An identifier of its own.
    pub fn to_id(self) -> Id {
        match self {
            Self::Int(n) => Id::Int(n),
            Self::Str(s) => Id::Str(s.into()),
        }
    }

    /// Appends the canonical encoding: a tag byte (0 integer, 1 string) and the value.
    pub fn encode(self, to: &mut Encoder) {
        match self {
            Self::Int(n) => {
                to.u8(TAG_INT);
                to.i64(n);
            }
            Self::Str(s) => {
                to.u8(TAG_STR);
                to.str(s);
            }
        }
    }

    /// Takes an identifier off the front.
    ///
    /// # Errors
    /// If the bytes are not the canonical encoding of an identifier within its bounds.
    pub fn decode(from: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        match from.u8("an id's tag")? {
            TAG_INT => Ok(Self::Int(from.i64("an integer id")?)),
            TAG_STR => Ok(Self::Str(from.str(MAX_ID_BYTES, "a string id")?)),
            _ => Err(DecodeError::Invalid { what: "an id's tag is neither 0 (integer) nor 1 (string)" }),
        }
    }
}

impl From<i64> for Id {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<&str> for Id {
    fn from(s: &str) -> Self {
        Self::Str(s.into())
    }
}

impl From<String> for Id {
    fn from(s: String) -> Self {
        Self::Str(s.into())
    }
}

impl From<IdRef<'_>> for Id {
    fn from(id: IdRef<'_>) -> Self {
        id.to_id()
    }
}

impl fmt::Display for IdRef<'_> {
    /// As JSON would print it, so that `1` and `"1"` look different and control characters are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => n.fmt(f),
            Self::Str(s) => write!(f, "{s:?}"),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}
