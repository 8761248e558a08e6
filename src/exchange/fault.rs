//! What can be wrong with a piece of JSON, and where.

use std::fmt;

use jiter::{JsonErrorType, Peek};

use crate::codec::{DecodeError, len_u64};
use crate::model::limits::MAX_DEPTH;
use crate::model::position::Offset;

/// What is wrong with a piece of JSON, without its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What should.
        expected: String,
        /// What does, shortened.
        found: String,
    },
    /// An integer that is no signed 64-bit integer.
    #[error("integer {digits} does not fit in 64 bits")]
    IntegerTooLarge {
        /// Its text, shortened.
        digits: String,
    },
    /// A key that the same object had already.
    #[error("key {key:?} stands twice in the same object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// An escape such as `\ud800` without its other half: no character.
    #[error("lone surrogate: this escape is half a character")]
    LoneSurrogate,
    /// Bytes that are not UTF-8.
    #[error("the text is not UTF-8 here")]
    NotUtf8,
    /// Lists and maps in each other beyond the bound.
    #[error("lists and maps are nested deeper than {max}")]
    TooDeep {
        /// The bound.
        max: usize,
    },
    /// Text longer than its bound.
    #[error("{what} takes {found} bytes, at most {max} are allowed")]
    TooLarge {
        /// What is too long.
        what: String,
        /// Its length in bytes of UTF-8.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// A key or operation that nobody knows, or that has no business here.
    #[error("unknown {what} {name:?}{}; allowed: {}", suggestion(*.nearest), quoted(.allowed))]
    Unknown {
        /// `operation`, or `key` with what it is a key of.
        what: String,
        /// The name found.
        name: String,
        /// The allowed name that looks most like it, if one does.
        nearest: Option<&'static str>,
        /// The names that may stand here.
        allowed: Vec<&'static str>,
    },
    /// Something that must be there is not.
    #[error("{of} needs {needs}")]
    Missing {
        /// Who needs it.
        of: String,
        /// What is missing.
        needs: String,
    },
    /// Keys that exclude each other.
    #[error("{of} takes {either}, not both")]
    Conflict {
        /// Who has them.
        of: String,
        /// The alternatives.
        either: String,
    },
}

impl Fault {
    /// An unknown name, with the nearest of those allowed.
    pub(super) fn unknown(what: impl Into<String>, name: &str, allowed: Vec<&'static str>) -> Self {
        let nearest = nearest(name, &allowed);
        Self::Unknown { what: what.into(), name: clipped(name.chars()), nearest, allowed }
    }
}

/// The allowed name that `name` is most likely a slip of.
fn nearest(name: &str, allowed: &[&'static str]) -> Option<&'static str> {
    // The distance takes time and memory in both lengths; no long name is a slip of a short one.
    let len = name.chars().take(33).count();
    if len > 32 {
        return None;
    }
    let (distance, best) =
        allowed.iter().map(|&known| (strsim::osa_distance(name, known), known)).min_by_key(|(d, _)| *d)?;
    (distance <= (len / 3).max(1)).then_some(best)
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean {name:?}?")).unwrap_or_default()
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// A fault and its place in the text that was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {fault}")]
pub struct JsonError {
    /// Where, in bytes from the start of the text.
    pub offset: Offset,
    /// What is wrong.
    pub fault: Fault,
}

/// A [`JsonError`] of one word, so that results without one do not carry its width about.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Box<JsonError>);

pub(super) type Fallible<T> = Result<T, Failure>;

pub(super) fn at(offset: usize, fault: Fault) -> Failure {
    Failure(Box::new(JsonError { offset: Offset(len_u64(offset)), fault }))
}

/// The fault that stands at `offset`: `expected` is not what `text` has there.
pub(super) fn unexpected(text: &[u8], offset: usize, expected: impl Into<String>) -> Failure {
    at(offset, Fault::Unexpected { expected: expected.into(), found: describe(text, offset) })
}

/// A fault of the JSON itself, in our words.
pub(super) fn syntax(text: &[u8], kind: &JsonErrorType, offset: usize) -> Failure {
    let expected = match kind {
        JsonErrorType::LoneLeadingSurrogateInHexEscape | JsonErrorType::UnexpectedEndOfHexEscape => {
            return at(offset, Fault::LoneSurrogate);
        }
        JsonErrorType::InvalidUnicodeCodePoint => return at(offset, Fault::NotUtf8),
        JsonErrorType::RecursionLimitExceeded => return at(offset, Fault::TooDeep { max: MAX_DEPTH }),
        JsonErrorType::EofWhileParsingList | JsonErrorType::ExpectedListCommaOrEnd => {
            "\",\" or the \"]\" of a list"
        }
        JsonErrorType::EofWhileParsingObject | JsonErrorType::ExpectedObjectCommaOrEnd => {
            "\",\" or the \"}\" of an object"
        }
        JsonErrorType::EofWhileParsingString => {
            let found = "the end of the text".to_owned();
            return at(text.len(), Fault::Unexpected { expected: "the end of the string".into(), found });
        }
        JsonErrorType::ExpectedColon => "\":\" after the key",
        JsonErrorType::ExpectedSomeIdent => "null, true, false, NaN or Infinity",
        JsonErrorType::InvalidEscape => "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
        JsonErrorType::InvalidNumber => "a number as JSON writes it",
        JsonErrorType::NumberOutOfRange => "a number of at most 4300 digits",
        JsonErrorType::ControlCharacterWhileParsingString => {
            "a string without control characters (\\n stands for a line end)"
        }
        JsonErrorType::KeyMustBeAString => "a key in double quotes",
        JsonErrorType::TrailingComma => "one more element after the comma",
        JsonErrorType::TrailingCharacters => "nothing more",
        _ => "a JSON value",
    };
    unexpected(text, offset, expected)
}

/// Most characters of the text that an error message repeats.
const MAX_SHOWN: usize = 40;

fn clipped(chars: impl Iterator<Item = char>) -> String {
    let mut shown: String = chars.take(MAX_SHOWN.saturating_add(1)).collect();
    if let Some((cut, _)) = shown.char_indices().nth(MAX_SHOWN) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// The number that starts at `offset`, shortened.
pub(super) fn number_token(text: &[u8], offset: usize) -> String {
    let rest = text.get(offset..).unwrap_or_default().iter();
    let part_of_number = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    clipped(rest.take_while(part_of_number).map(|&b| char::from(b)))
}

/// What stands at `offset`, in words that an error message can use.
fn describe(text: &[u8], offset: usize) -> String {
    let rest = text.get(offset..).unwrap_or_default();
    let Some(&first) = rest.first() else {
        return "the end of the text".to_owned();
    };
    match Peek::new(first) {
        Peek::Array => "a list".to_owned(),
        Peek::Object => "an object".to_owned(),
        Peek::String => {
            let mut escaped = false;
            let inside = |&c: &char| {
                let ends = (c == '"' && !escaped) || c == '\n';
                escaped = c == '\\' && !escaped;
                !ends
            };
            format!("\"{}\"", clipped(lossy(rest.get(1..).unwrap_or_default()).take_while(inside)))
        }
        peek if peek.is_num() => number_token(text, offset),
        Peek::Null | Peek::True | Peek::False => clipped(lossy(rest).take_while(char::is_ascii_alphanumeric)),
        _ => lossy(rest).next().map(|c| format!("{c:?}")).unwrap_or_default(),
    }
}

/// The characters of bytes that may not be UTF-8, as far as a message will show them.
fn lossy(bytes: &[u8]) -> std::vec::IntoIter<char> {
    let most = MAX_SHOWN.saturating_mul(4).saturating_add(8);
    let head = bytes.get(..most).unwrap_or(bytes);
    String::from_utf8_lossy(head).chars().collect::<Vec<_>>().into_iter()
}

/// Column of `offset` in its line: 1 is the first; in characters (Unicode code points), as editors count.
pub(super) fn column(line: &[u8], offset: usize) -> u64 {
    let before = line.get(..offset).unwrap_or(line);
    let is_start = |b: &&u8| **b & 0xc0 != 0x80;
    len_u64(before.iter().filter(is_start).count()).saturating_add(1)
}

/// An offset as an index.
pub(super) fn index(offset: Offset) -> usize {
    usize::try_from(offset.0).unwrap_or(usize::MAX)
}

/// Why a graph could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The other end did not take the bytes.
    #[error("the output cannot be written")]
    Io(#[from] std::io::Error),
    /// A stored value does not decode: memory or a file is damaged.
    #[error("a stored value does not decode")]
    Decode(#[from] DecodeError),
    /// The log that is written out cannot be read, or is not what its marker says.
    #[error(transparent)]
    Log(#[from] crate::log::Error),
}

/// A position in a text of several lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters (Unicode code points).
    pub column: u64,
}

impl Place {
    /// The place of `offset` in `text`.
    pub(super) fn find(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = memchr::memrchr(b'\n', before).map_or(0, |end| end.saturating_add(1));
        let line = len_u64(memchr::memchr_iter(b'\n', before).count()).saturating_add(1);
        Self { line, column: column(before.get(start..).unwrap_or_default(), usize::MAX) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        assert_eq!(column("ßß\"".as_bytes(), 4), 3);
        assert_eq!(Place::find("a\nß!".as_bytes(), 4), Place { line: 2, column: 2 });
        assert_eq!(Place::find(b"a\n", 2), Place { line: 2, column: 1 });
    }

    #[test]
    fn slips_find_their_name_and_strangers_do_not() {
        let allowed = ["node", "edge", "del_node"];
        assert_eq!(nearest("nod", &allowed), Some("node"));
        assert_eq!(nearest("delnode", &allowed), Some("del_node"));
        assert_eq!(nearest("egde", &allowed), Some("edge"));
        assert_eq!(nearest("vertex", &allowed), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), &allowed), None);
    }

    #[test]
    fn found_things_are_described_briefly() {
        let long = format!("\"{}\"", "x".repeat(100));
        for (text, says) in [
            ("", "the end of the text"),
            ("null,", "null"),
            ("tru]", "tru"),
            ("-1.5e3]", "-1.5e3"),
            ("{}", "an object"),
            ("[]", "a list"),
            ("\"a\\\"b\" ", "\"a\\\"b\""),
            ("\"a\\\\\" ", "\"a\\\\\""),
            ("?", "'?'"),
            (&long, &format!("\"{}…\"", "x".repeat(40))),
        ] {
            assert_eq!(describe(text.as_bytes(), 0), says);
        }
    }
}
