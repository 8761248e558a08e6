//! Values and identifiers as JSON text, straight from their canonical encoding.
//!
//! The text is what `json.dumps(value, ensure_ascii=False)` of Python gives, digit for digit, but for bytes and
//! the few maps that could be taken for them (see [`exchange`](super)). Nothing is appended if the encoding is damaged.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json_read::{BYTES_KEY, is_bytes_key};
use crate::codec::{DecodeError, Decoder};
use crate::model::id::IdRef;
use crate::model::limits::MAX_VALUE_BYTES;
use crate::model::value::{
    TAG_BYTES, TAG_FALSE, TAG_FLOAT, TAG_INT, TAG_LIST, TAG_MAP, TAG_NULL, TAG_STR, TAG_TRUE, UNKNOWN_TAG,
    container, map_key,
};

/// White space between the elements of lists and objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// None: `{"a":[1,2]}`.
    Compact,
    /// As Python's `json` has it: `{"a": [1, 2]}`.
    Python,
}

impl Spacing {
    pub(super) const fn comma(self) -> &'static [u8] {
        match self {
            Self::Compact => b",",
            Self::Python => b", ",
        }
    }

    pub(super) const fn colon(self) -> &'static [u8] {
        match self {
            Self::Compact => b":",
            Self::Python => b": ",
        }
    }
}

/// Appends the value that `encoded` is the canonical encoding of.
///
/// # Errors
/// If `encoded` is anything else; `out` is as it was then.
pub fn value(encoded: &[u8], spacing: Spacing, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    let mut from = Decoder::new(encoded);
    let written = value_at(&mut from, 0, spacing, out).and_then(|()| from.finish());
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn value_at(
    from: &mut Decoder<'_>,
    depth: usize,
    spacing: Spacing,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    match from.u8("a value's tag")? {
        TAG_NULL => out.extend_from_slice(b"null"),
        TAG_FALSE => out.extend_from_slice(b"false"),
        TAG_TRUE => out.extend_from_slice(b"true"),
        TAG_INT => int(from.i64("an integer value")?, out),
        TAG_FLOAT => float(from.f64("a float value")?, out),
        TAG_STR => string(from.str(MAX_VALUE_BYTES, "a string value")?, out),
        TAG_BYTES => {
            let base64 = STANDARD.encode(from.bytes(MAX_VALUE_BYTES, "a bytes value")?);
            let mut object = Object::begin(spacing, out);
            string(&base64, object.key(BYTES_KEY));
            object.end();
        }
        TAG_LIST => {
            out.push(b'[');
            for i in 0..container(from, depth)? {
                if i > 0 {
                    out.extend_from_slice(spacing.comma());
                }
                value_at(from, depth.saturating_add(1), spacing, out)?;
            }
            out.push(b']');
        }
        TAG_MAP => {
            let count = container(from, depth)?;
            let mut object = Object::begin(spacing, out);
            let mut last = None;
            for _ in 0..count {
                let key = map_key(from, &mut last)?;
                let place = if count == 1 && is_bytes_key(key) {
                    object.key(&format!("${key}"))
                } else {
                    object.key(key)
                };
                value_at(from, depth.saturating_add(1), spacing, place)?;
            }
            object.end();
        }
        _ => return Err(UNKNOWN_TAG),
    }
    Ok(())
}

/// Where the first byte is that a string cannot hold as it is. Sixteen at a time, which the compiler makes one comparison.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let special = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    let (chunks, _) = bytes.as_chunks::<16>();
    let plain =
        chunks.iter().take_while(|chunk| !chunk.iter().fold(false, |any, b| any | special(*b))).count();
    let start = plain.saturating_mul(16);
    let at = bytes.get(start..)?.iter().position(|b| special(*b))?;
    Some(start.saturating_add(at))
}

/// Appends an identifier: an integer or a string.
pub fn id(id: IdRef<'_>, out: &mut Vec<u8>) {
    match id {
        IdRef::Int(n) => int(n, out),
        IdRef::Str(s) => string(s, out),
    }
}

/// Appends a string in its quotes, as Python does with `ensure_ascii=False`: of all characters only `"`, `\` and
/// the control characters below U+0020 are escaped.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else { break };
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => text_of(format_args!("\\u{byte:04x}"), out),
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn int(n: i64, out: &mut Vec<u8>) {
    text_of(format_args!("{n}"), out);
}

/// The shortest digits that read back as the same bits, in the form of Python's `repr`. Rust's `{:?}` has the
/// same digits and changes to an exponent at the same sizes, but writes `1e-5` for `1e-05` and `1e16` for `1e+16`.
fn float(x: f64, out: &mut Vec<u8>) {
    if !x.is_finite() {
        let name: &[u8] = match (x.is_nan(), x.is_sign_negative()) {
            (true, _) => b"NaN",
            (false, false) => b"Infinity",
            (false, true) => b"-Infinity",
        };
        return out.extend_from_slice(name);
    }
    let start = out.len();
    text_of(format_args!("{x:?}"), out);
    let written = out.get(start..).unwrap_or_default();
    let Some(mark) = written.iter().position(|&b| b == b'e') else { return };
    let mut exponent = written.get(mark.saturating_add(1)..).unwrap_or_default().to_vec();
    let sign = if exponent.first() == Some(&b'-') { exponent.remove(0) } else { b'+' };
    out.truncate(start.saturating_add(mark).saturating_add(1));
    out.push(sign);
    if exponent.len() < 2 {
        out.push(b'0');
    }
    out.extend_from_slice(&exponent);
}

fn text_of(text: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    // A vector takes all that is written to it.
    _ = out.write_fmt(text);
}

/// Writes an object, key by key.
#[derive(Debug)]
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    spacing: Spacing,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(spacing: Spacing, out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, spacing, empty: true }
    }

    /// Writes a key; its value goes to what is returned.
    pub(super) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.extend_from_slice(self.spacing.comma());
        }
        string(name, self.out);
        self.out.extend_from_slice(self.spacing.colon());
        self.out
    }

    /// Writes attributes, except those whose name is `reserved`, and returns how many were left out.
    pub(super) fn attrs<'a>(
        &mut self,
        attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
        reserved: &[&str],
    ) -> Result<u64, DecodeError> {
        let mut left_out = 0_u64;
        let spacing = self.spacing;
        for (name, encoded) in attrs {
            if reserved.contains(&name) {
                left_out = left_out.saturating_add(1);
            } else {
                value(encoded, spacing, self.key(name))?;
            }
        }
        Ok(left_out)
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::exchange::json_read;
    use crate::model::limits::MAX_DEPTH;
    use crate::model::value::Value;

    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        super::value(&value.to_bytes(), Spacing::Python, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_printed_as_python_prints_them() {
        for (x, says) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (1e100, "1e+100"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(&Value::Float(x)), says);
        }
    }

    #[test]
    fn strings_are_escaped_as_python_escapes_them() {
        let odd = Value::from("\0\u{1f}\u{8}\u{c}\n\r\t\"\\/\u{7f}é\u{2028}😀");
        assert_eq!(text(&odd), "\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\u{7f}é\u{2028}😀\"");
        assert_eq!(text(&Value::from("")), "\"\"");
    }

    #[test]
    fn lists_and_maps_are_spaced_as_asked() {
        let map = BTreeMap::from([("a".to_owned(), Value::Null), ("b".to_owned(), Value::Bool(true))]);
        let value = Value::List(vec![Value::Map(map), Value::List(vec![]), Value::Map(BTreeMap::new())]);
        assert_eq!(text(&value), r#"[{"a": null, "b": true}, [], {}]"#);
        let mut compact = Vec::new();
        super::value(&value.to_bytes(), Spacing::Compact, &mut compact).unwrap();
        assert_eq!(compact, br#"[{"a":null,"b":true},[],{}]"#);
    }

    #[test]
    fn bytes_and_their_lookalikes_come_back() {
        let map = |key: &str| Value::Map(BTreeMap::from([(key.to_owned(), Value::from("AAE="))]));
        for (value, says) in [
            (Value::Bytes(vec![0, 1]), r#"{"$bytes": "AAE="}"#),
            (map("$bytes"), r#"{"$$bytes": "AAE="}"#),
            (map("$$bytes"), r#"{"$$$bytes": "AAE="}"#),
            (map("bytes"), r#"{"bytes": "AAE="}"#),
            (map("$byte"), r#"{"$byte": "AAE="}"#),
        ] {
            assert_eq!(text(&value), says);
            assert_eq!(json_read::value(says.as_bytes()).unwrap(), value);
        }
    }

    #[test]
    fn damaged_encodings_are_errors_and_leave_nothing_behind() {
        for bytes in [&[][..], &[9], &[TAG_STR, 1, 0xff], &[TAG_LIST, 200], &[TAG_NULL, TAG_NULL]] {
            let mut out = b"before".to_vec();
            assert!(super::value(bytes, Spacing::Compact, &mut out).is_err());
            assert_eq!(out, b"before");
        }
        let deep = [TAG_LIST, 1].repeat(1_000_000);
        assert!(super::value(&deep, Spacing::Compact, &mut Vec::new()).is_err());
    }

    /// Any value within the bounds; of NaNs the one that JSON has.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let key = prop_oneof![3 => "[a-z]{0,2}", 1 => "\\$+bytes", 1 => any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<u64>().prop_map(|bits| match f64::from_bits(bits) {
                x if x.is_nan() => Value::Float(f64::NAN),
                x => Value::Float(x),
            }),
            any::<f64>().prop_map(|x| Value::Float(if x.is_nan() { f64::NAN } else { x.round() })),
            any::<String>().prop_map(Value::Str),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
                proptest::collection::btree_map(key.clone(), inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back_from_its_text(value in any_value(), compact: bool) {
            let spacing = if compact { Spacing::Compact } else { Spacing::Python };
            let mut out = Vec::new();
            super::value(&value.to_bytes(), spacing, &mut out).unwrap();
            prop_assert_eq!(json_read::value(&out).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_the_writer_panic(bytes: Vec<u8>) {
            let mut out = Vec::new();
            match super::value(&bytes, Spacing::Compact, &mut out) {
                Ok(()) => prop_assert_eq!(json_read::value(&out).unwrap().to_bytes().len(), bytes.len()),
                Err(_) => prop_assert!(out.is_empty()),
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            drop(json_read::value(&bytes));
        }

        #[test]
        fn no_json_like_text_makes_the_reader_panic(text in r#"[\[\]{}:,"\\ue0-9.+\-EINantrfls$bydt]{0,40}"#) {
            drop(json_read::value(text.as_bytes()));
        }
    }

    #[test]
    fn the_deepest_value_comes_back() {
        let deepest = (0..MAX_DEPTH).fold(Value::Bytes(vec![1]), |inner, _| Value::List(vec![inner]));
        assert_eq!(json_read::value(text(&deepest).as_bytes()).unwrap(), deepest);
    }
}
