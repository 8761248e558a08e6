//! Attribute values and their canonical encoding.

use std::collections::BTreeMap;

use super::limits::{MAX_DEPTH, MAX_NAME_BYTES, MAX_VALUE_BYTES};
use crate::codec::{DecodeError, Decoder, Encoder, len_u64};

/// An attribute value.
///
/// Two values are equal when their canonical encodings are the same bytes: `1`, `1.0` and `true` differ, a NaN
/// equals a NaN, `-0.0` differs from `0.0`, the order of a map's keys does not count.
#[derive(Debug, Clone)]
pub enum Value {
    /// Python's `None`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// A double; its bits are kept, but for those of a NaN: there is one NaN.
    Float(f64),
    /// Unicode text.
    Str(String),
    /// Uninterpreted bytes.
    Bytes(Vec<u8>),
    /// An ordered list.
    List(Vec<Value>),
    /// A map with string keys.
    Map(BTreeMap<String, Value>),
}

// The tags are written and read here, and read by the JSON writer, which prints encoded values as they are.
pub(crate) const TAG_NULL: u8 = 0;
pub(crate) const TAG_FALSE: u8 = 1;
pub(crate) const TAG_TRUE: u8 = 2;
pub(crate) const TAG_INT: u8 = 3;
pub(crate) const TAG_FLOAT: u8 = 4;
pub(crate) const TAG_STR: u8 = 5;
pub(crate) const TAG_BYTES: u8 = 6;
pub(crate) const TAG_LIST: u8 = 7;
pub(crate) const TAG_MAP: u8 = 8;

impl Value {
    /// Appends the canonical encoding: a tag byte and the value; a list behind its length; a map behind its
    /// length, keys ascending by their bytes.
    pub fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Null => to.u8(TAG_NULL),
            Self::Bool(false) => to.u8(TAG_FALSE),
            Self::Bool(true) => to.u8(TAG_TRUE),
            Self::Int(n) => {
                to.u8(TAG_INT);
                to.i64(*n);
            }
            Self::Float(x) => {
                to.u8(TAG_FLOAT);
                to.f64(one_nan(*x));
            }
            Self::Str(s) => {
                to.u8(TAG_STR);
                to.str(s);
            }
            Self::Bytes(b) => {
                to.u8(TAG_BYTES);
                to.bytes(b);
            }
            Self::List(list) => {
                to.u8(TAG_LIST);
                to.u64(len_u64(list.len()));
                for value in list {
                    value.encode(to);
                }
            }
            Self::Map(map) => {
                to.u8(TAG_MAP);
                to.u64(len_u64(map.len()));
                for (key, value) in map {
                    to.str(key);
                    value.encode(to);
                }
            }
        }
    }

    /// Takes a value off the front.
    ///
    /// # Errors
    /// If the bytes are not the canonical encoding of a value within its bounds.
    pub fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let start = from.position();
        let value = Self::decode_at(from, 0)?;
        within_size(from.position().saturating_sub(start))?;
        Ok(value)
    }

    fn decode_at(from: &mut Decoder<'_>, depth: usize) -> Result<Self, DecodeError> {
        Ok(match from.u8("a value's tag")? {
            TAG_NULL => Self::Null,
            TAG_FALSE => Self::Bool(false),
            TAG_TRUE => Self::Bool(true),
            TAG_INT => Self::Int(from.i64("an integer value")?),
            TAG_FLOAT => Self::Float(float(from)?),
            TAG_STR => Self::Str(from.str(MAX_VALUE_BYTES, "a string value")?.to_owned()),
            TAG_BYTES => Self::Bytes(from.bytes(MAX_VALUE_BYTES, "a bytes value")?.to_owned()),
            TAG_LIST => {
                let count = container(from, depth)?;
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(Self::decode_at(from, depth.saturating_add(1))?);
                }
                Self::List(list)
            }
            TAG_MAP => {
                let count = container(from, depth)?;
                let mut map = BTreeMap::new();
                let mut last = None;
                for _ in 0..count {
                    let key = map_key(from, &mut last)?;
                    map.insert(key.to_owned(), Self::decode_at(from, depth.saturating_add(1))?);
                }
                Self::Map(map)
            }
            _ => return Err(UNKNOWN_TAG),
        })
    }

    /// The canonical encoding by itself.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.into_vec()
    }

    /// Nesting of lists and maps: 0 for a plain value, 1 for a list of plain values. Stops counting once past
    /// [`MAX_DEPTH`], so that it is safe on any value.
    pub fn depth(&self) -> usize {
        self.depth_within(MAX_DEPTH.saturating_add(1))
    }

    fn depth_within(&self, budget: usize) -> usize {
        let inner = |deepest: Option<usize>| deepest.unwrap_or(0).saturating_add(1);
        match self {
            Self::List(_) | Self::Map(_) if budget == 0 => 1,
            Self::List(list) => inner(list.iter().map(|v| v.depth_within(budget.saturating_sub(1))).max()),
            Self::Map(map) => inner(map.values().map(|v| v.depth_within(budget.saturating_sub(1))).max()),
            _ => 0,
        }
    }
}

/// The NaN that all NaNs are stored as: quiet, positive, without a payload, as Python and JSON have it.
fn one_nan(x: f64) -> f64 {
    if x.is_nan() { f64::from_bits(NAN_BITS) } else { x }
}

const NAN_BITS: u64 = 0x7ff8_0000_0000_0000;

fn float(from: &mut Decoder<'_>) -> Result<f64, DecodeError> {
    let x = from.f64("a float value")?;
    if x.is_nan() && x.to_bits() != NAN_BITS {
        return Err(DecodeError::Invalid { what: "a NaN is not the one that NaNs are stored as" });
    }
    Ok(x)
}

pub(crate) const UNKNOWN_TAG: DecodeError = DecodeError::Invalid { what: "a value's tag is none of 0 to 8" };

/// Takes the length of a list or map that stands at `depth`, and holds both to their bounds.
pub(crate) fn container(from: &mut Decoder<'_>, depth: usize) -> Result<u64, DecodeError> {
    if depth >= MAX_DEPTH {
        return Err(DecodeError::TooLarge {
            what: "the nesting of a value",
            found: len_u64(depth.saturating_add(1)),
            max: len_u64(MAX_DEPTH),
        });
    }
    let count = from.u64("the length of a list or map")?;
    // Every element takes at least a byte.
    let left = len_u64(from.rest().len());
    if count > left {
        return Err(DecodeError::TooLarge { what: "the length of a list or map", found: count, max: left });
    }
    Ok(count)
}

/// Takes a map's key, which must come after the `last` one.
pub(crate) fn map_key<'a>(
    from: &mut Decoder<'a>,
    last: &mut Option<&'a str>,
) -> Result<&'a str, DecodeError> {
    let key = from.str(MAX_NAME_BYTES, "a map's key")?;
    if last.is_some_and(|last| last >= key) {
        return Err(DecodeError::Invalid { what: "a map's keys do not ascend" });
    }
    *last = Some(key);
    Ok(key)
}

/// Steps over one encoded value, checking it on the way, and returns its bytes.
///
/// # Errors
/// If the bytes are not the canonical encoding of a value within its bounds.
pub fn skip_value<'a>(from: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
    let start = from.rest();
    skip_at(from, 0)?;
    let used = start.len().saturating_sub(from.rest().len());
    within_size(used)?;
    Ok(start.get(..used).unwrap_or_default())
}

/// Steps over one encoded value that was checked before.
pub(crate) fn pass_value<'a>(from: &mut Decoder<'a>) -> Option<&'a [u8]> {
    let start = from.rest();
    pass_at(from, MAX_DEPTH)?;
    start.get(..start.len().saturating_sub(from.rest().len()))
}

fn pass_at(from: &mut Decoder<'_>, deeper: usize) -> Option<()> {
    let what = "a value";
    match from.u8(what).ok()? {
        TAG_NULL | TAG_FALSE | TAG_TRUE => {}
        TAG_INT => drop(from.u64(what).ok()?),
        TAG_FLOAT => drop(from.raw(size_of::<f64>(), what).ok()?),
        TAG_STR | TAG_BYTES => drop(from.bytes(MAX_VALUE_BYTES, what).ok()?),
        tag => {
            let deeper = deeper.checked_sub(1)?;
            for _ in 0..from.u64(what).ok()? {
                if tag == TAG_MAP {
                    from.bytes(MAX_NAME_BYTES, what).ok()?;
                }
                pass_at(from, deeper)?;
            }
        }
    }
    Some(())
}

fn within_size(used: usize) -> Result<(), DecodeError> {
    if used <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(DecodeError::TooLarge {
        what: "an encoded value",
        found: len_u64(used),
        max: len_u64(MAX_VALUE_BYTES),
    })
}

fn skip_at(from: &mut Decoder<'_>, depth: usize) -> Result<(), DecodeError> {
    match from.u8("a value's tag")? {
        TAG_NULL | TAG_FALSE | TAG_TRUE => {}
        TAG_INT => drop(from.i64("an integer value")?),
        TAG_FLOAT => drop(float(from)?),
        TAG_STR => drop(from.str(MAX_VALUE_BYTES, "a string value")?),
        TAG_BYTES => drop(from.bytes(MAX_VALUE_BYTES, "a bytes value")?),
        TAG_LIST => {
            for _ in 0..container(from, depth)? {
                skip_at(from, depth.saturating_add(1))?;
            }
        }
        TAG_MAP => {
            let count = container(from, depth)?;
            let mut last = None;
            for _ in 0..count {
                map_key(from, &mut last)?;
                skip_at(from, depth.saturating_add(1))?;
            }
        }
        _ => return Err(UNKNOWN_TAG),
    }
    Ok(())
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => one_nan(*a).to_bits() == one_nan(*b).to_bits(),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

macro_rules! value_from {
    ($($source:ty => $make:expr),+ $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Self {
                $make(value)
            }
        })+
    };
}

value_from! {
    bool => Value::Bool,
    i64 => Value::Int,
    i32 => |n| Value::Int(i64::from(n)),
    u32 => |n| Value::Int(i64::from(n)),
    f64 => Value::Float,
    String => Value::Str,
    &str => |s: &str| Value::Str(s.to_owned()),
    Vec<Value> => Value::List,
    BTreeMap<String, Value> => Value::Map,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: &Value) -> Value {
        let bytes = value.to_bytes();
        let mut decoder = Decoder::new(&bytes);
        assert_eq!(skip_value(&mut decoder.clone()).unwrap(), bytes);
        assert_eq!(pass_value(&mut decoder.clone()).unwrap(), bytes);
        let back = Value::decode(&mut decoder).unwrap();
        decoder.finish().unwrap();
        back
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let map = BTreeMap::from([("b".to_owned(), Value::Int(2)), ("a".to_owned(), Value::Null)]);
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Float(-0.0),
            Value::Float(f64::NAN),
            Value::Str("ß".into()),
            Value::Bytes(vec![0, 255]),
            Value::List(vec![Value::Int(1), Value::List(vec![])]),
            Value::Map(map),
        ] {
            assert_eq!(round_trip(&value), value);
        }
    }

    #[test]
    fn one_and_its_lookalikes_differ() {
        let all = [Value::Int(1), Value::Float(1.0), Value::Bool(true), Value::Str("1".into())];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(a == b, i == j);
            }
        }
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_eq!(Value::Float(f64::NAN), Value::Float(f64::NAN));
        assert_eq!(Value::Float(-f64::NAN).to_bytes(), Value::Float(f64::NAN).to_bytes());
    }

    #[test]
    fn nesting_past_the_bound_is_an_error_and_no_overflow() {
        let deep = |n: usize| [[TAG_LIST, 1].repeat(n), vec![TAG_NULL]].concat();
        assert!(Value::decode(&mut Decoder::new(&deep(MAX_DEPTH))).is_ok());
        for n in [MAX_DEPTH + 1, 1_000_000] {
            assert!(Value::decode(&mut Decoder::new(&deep(n))).is_err());
            assert!(skip_value(&mut Decoder::new(&deep(n))).is_err());
        }
    }

    #[test]
    fn map_keys_must_ascend() {
        let bytes = [TAG_MAP, 2, 1, b'b', TAG_NULL, 1, b'a', TAG_NULL];
        assert!(Value::decode(&mut Decoder::new(&bytes)).is_err());
        let twice = [TAG_MAP, 2, 1, b'a', TAG_NULL, 1, b'a', TAG_NULL];
        assert!(skip_value(&mut Decoder::new(&twice)).is_err());
    }

    #[test]
    fn depth_counts_containers() {
        assert_eq!(Value::Int(1).depth(), 0);
        assert_eq!(Value::List(vec![]).depth(), 1);
        assert_eq!(Value::List(vec![Value::List(vec![Value::Null])]).depth(), 2);
    }
}
