//! JSON text into values and identifiers, with the bounds of the model and errors that name their place.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, NumberAny, NumberInt, Peek};

use super::fault::{self, Failure, Fallible, Fault, JsonError};
use crate::codec::len_u64;
use crate::model::event::Attrs;
use crate::model::id::Id;
use crate::model::limits::{MAX_DEPTH, MAX_ID_BYTES, MAX_NAME_BYTES};
use crate::model::value::Value;

/// The key of the object that stands for bytes.
pub(super) const BYTES_KEY: &str = "$bytes";

/// Whether a map whose only key this is could be taken for bytes, or for a map that was told from bytes by
/// one more `$`.
pub(super) fn is_bytes_key(key: &str) -> bool {
    key.strip_prefix('$').is_some_and(|rest| rest.trim_start_matches('$') == "bytes")
}

/// The value that `text` is, all of it.
///
/// # Errors
/// If `text` is not JSON, or no [`Value`] within its bounds.
pub fn value(text: &[u8]) -> Result<Value, JsonError> {
    let mut reader = Reader::new(text);
    let value = reader.value().map_err(|e| *e.0)?;
    reader.finish().map_err(|e| *e.0)?;
    Ok(value)
}

/// Reads JSON from the front of a text, one piece after the other. A clone goes on from where the original is.
#[derive(Debug, Clone)]
pub(super) struct Reader<'j> {
    jiter: Jiter<'j>,
    text: &'j [u8],
}

impl<'j> Reader<'j> {
    pub(super) fn new(text: &'j [u8]) -> Self {
        Self { jiter: Jiter::new(text).with_allow_inf_nan(), text }
    }

    /// How many bytes were read.
    pub(super) fn offset(&self) -> usize {
        self.jiter.current_index()
    }

    /// What comes next, standing right before it.
    pub(super) fn peek(&mut self) -> Fallible<Peek> {
        let text = self.text;
        self.jiter.peek().map_err(|e| own(text, &e))
    }

    /// Nothing but white space may be left.
    pub(super) fn finish(&mut self) -> Fallible<()> {
        let text = self.text;
        self.jiter.finish().map_err(|e| own(text, &e))
    }

    /// The fault that something else than `expected` comes next.
    #[cold]
    pub(super) fn unexpected(&self, expected: impl Into<String>) -> Failure {
        fault::unexpected(self.text, self.offset(), expected)
    }

    /// The fault that something else than `expected` stands at `offset`.
    #[cold]
    pub(super) fn unexpected_at(&self, offset: usize, expected: impl Into<String>) -> Failure {
        fault::unexpected(self.text, offset, expected)
    }

    /// Steps over a value. Its syntax is checked, its meaning (keys, sizes, surrogates in skipped keys) is not.
    pub(super) fn skip(&mut self) -> Fallible<()> {
        let text = self.text;
        self.jiter.next_skip().map_err(|e| own(text, &e))
    }

    /// An object must come next; [`Self::key`] enters it.
    pub(super) fn expect_object(&mut self, what: &str) -> Fallible<()> {
        if self.peek()? == Peek::Object { Ok(()) } else { Err(self.unexpected(what)) }
    }

    /// The next key of the object that stands here (`first`) or was entered; `None` at its end.
    pub(super) fn key(&mut self, first: &mut bool) -> Fallible<Option<&str>> {
        let text = self.text;
        let key = if std::mem::take(first) { self.jiter.known_object() } else { self.jiter.next_key() };
        key.map_err(|e| own(text, &e))
    }

    /// A list must come next; [`Self::item`] enters it.
    pub(super) fn expect_list(&mut self, what: &str) -> Fallible<()> {
        if self.peek()? == Peek::Array { Ok(()) } else { Err(self.unexpected(what)) }
    }

    /// Whether the list that stands here (`first`) or was entered has one more item; stands before it then.
    pub(super) fn item(&mut self, first: &mut bool) -> Fallible<bool> {
        let text = self.text;
        let item = if std::mem::take(first) { self.jiter.known_array() } else { self.jiter.array_step() };
        item.map(|peek| peek.is_some()).map_err(|e| own(text, &e))
    }

    /// Where the key begins that was read last, when `before` was the offset before it was read.
    #[cold]
    pub(super) fn key_offset(&self, before: usize) -> usize {
        let rest = self.text.get(before..).unwrap_or_default();
        before.saturating_add(memchr::memchr(b'"', rest).unwrap_or(0))
    }

    /// A string of at most `max` bytes. `what` names it in messages: `a string for "label"`.
    pub(super) fn str(&mut self, max: usize, what: &str) -> Fallible<&str> {
        if self.peek()? != Peek::String {
            return Err(self.unexpected(what));
        }
        let (text, start) = (self.text, self.offset());
        let found = self.jiter.known_str().map_err(|e| own(text, &e))?;
        within(found.len(), max, what, start)?;
        Ok(found)
    }

    /// `true` or `false`.
    pub(super) fn bool(&mut self, what: &str) -> Fallible<bool> {
        let text = self.text;
        match self.peek()? {
            peek @ (Peek::True | Peek::False) => self.jiter.known_bool(peek).map_err(|e| own(text, &e)),
            _ => Err(self.unexpected(what)),
        }
    }

    /// Steps over a `null` if one comes next.
    pub(super) fn null(&mut self) -> Fallible<bool> {
        let text = self.text;
        if self.peek()? != Peek::Null {
            return Ok(false);
        }
        self.jiter.known_null().map_err(|e| own(text, &e))?;
        Ok(true)
    }

    /// An identifier: a string or a 64-bit integer, and nothing that Python would take for one (`1.0`, `true`).
    pub(super) fn id(&mut self, name: &str) -> Fallible<Id> {
        let (text, expected) = (self.text, || format!("a string or a 64-bit integer for {name:?}"));
        let peek = self.peek()?;
        let start = self.offset();
        if peek == Peek::String {
            let found = self.jiter.known_str().map_err(|e| own(text, &e))?;
            if found.len() > MAX_ID_BYTES {
                within(found.len(), MAX_ID_BYTES, &format!("the string for {name:?}"), start)?;
            }
            return Ok(Id::Str(found.into()));
        }
        if peek.is_num()
            && let Value::Int(n) = self.number(peek)?
        {
            return Ok(Id::Int(n));
        }
        Err(fault::unexpected(text, start, expected()))
    }

    /// A list of attribute names.
    pub(super) fn names(&mut self, what: &str) -> Fallible<Vec<String>> {
        self.expect_list(what)?;
        let (mut names, mut first) = (Vec::new(), true);
        while self.item(&mut first)? {
            names.push(self.str(MAX_NAME_BYTES, "an attribute's name (a string)")?.to_owned());
        }
        Ok(names)
    }

    /// An object of attributes.
    pub(super) fn attrs(&mut self, what: &str) -> Fallible<Attrs> {
        self.expect_object(what)?;
        let (mut attrs, mut names, mut first) = (Attrs::new(), Names::default(), true);
        while let Some((name, at)) = self.name(&mut first)? {
            if !names.is_new(&attrs, &name) {
                return Err(at.duplicate(self, name));
            }
            attrs.push((name, self.value()?));
        }
        Ok(attrs)
    }

    /// The next key of an object, as an attribute's name, and where it stands.
    pub(super) fn name(&mut self, first: &mut bool) -> Fallible<Option<(String, KeyAt)>> {
        let before = self.offset();
        let Some(key) = self.key(first)? else { return Ok(None) };
        let name = key.to_owned();
        let at = KeyAt { before };
        if name.len() > MAX_NAME_BYTES {
            within(name.len(), MAX_NAME_BYTES, "a name", self.key_offset(before))?;
        }
        Ok(Some((name, at)))
    }

    /// A value.
    pub(super) fn value(&mut self) -> Fallible<Value> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Fallible<Value> {
        let text = self.text;
        match self.peek()? {
            Peek::String => {
                self.jiter.known_str().map(|s| Value::Str(s.to_owned())).map_err(|e| own(text, &e))
            }
            Peek::Null => self.jiter.known_null().map(|()| Value::Null).map_err(|e| own(text, &e)),
            peek @ (Peek::True | Peek::False) => {
                self.jiter.known_bool(peek).map(Value::Bool).map_err(|e| own(text, &e))
            }
            Peek::Array => self.list(depth),
            Peek::Object => self.map(depth),
            peek => self.number(peek),
        }
    }

    fn number(&mut self, peek: Peek) -> Fallible<Value> {
        let (text, start) = (self.text, self.offset());
        match self.jiter.known_number(peek) {
            Ok(NumberAny::Int(NumberInt::Int(n))) => Ok(Value::Int(n)),
            // Another crate may switch on jiter's big integers; then they come as a variant of their own.
            #[allow(unreachable_patterns, reason = "reachable with jiter's feature num-bigint")]
            Ok(NumberAny::Int(_)) => {
                Err(fault::at(start, Fault::IntegerTooLarge { digits: fault::number_token(text, start) }))
            }
            Ok(NumberAny::Float(x)) => Ok(Value::Float(x)),
            Err(JiterError {
                error_type: JiterErrorType::JsonError(JsonErrorType::NumberOutOfRange),
                ..
            }) if !is_float(text, start) => {
                Err(fault::at(start, Fault::IntegerTooLarge { digits: fault::number_token(text, start) }))
            }
            Err(_) if !peek.is_num() => Err(fault::unexpected(text, start, "a JSON value")),
            Err(e) => Err(own(text, &e)),
        }
    }

    fn list(&mut self, depth: usize) -> Fallible<Value> {
        if depth >= MAX_DEPTH {
            return Err(fault::at(self.offset(), Fault::TooDeep { max: MAX_DEPTH }));
        }
        let (mut list, mut first) = (Vec::new(), true);
        while self.item(&mut first)? {
            list.push(self.value_at(depth.saturating_add(1))?);
        }
        Ok(Value::List(list))
    }

    /// An object: a map, or bytes. Bytes do not count as nesting, so the deepest place may still hold them.
    fn map(&mut self, depth: usize) -> Fallible<Value> {
        let start = self.offset();
        let too_deep = || fault::at(start, Fault::TooDeep { max: MAX_DEPTH });
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let (mut map, mut first) = (BTreeMap::new(), true);
        while let Some((key, at)) = self.name(&mut first)? {
            if depth == MAX_DEPTH && (key != BYTES_KEY || !map.is_empty()) {
                return Err(too_deep());
            }
            if map.contains_key(&key) {
                return Err(at.duplicate(self, key));
            }
            let value = self.value_at(depth.saturating_add(1))?;
            map.insert(key, value);
        }
        if map.len() == 1
            && let Some(entry) = map.first_entry()
            && is_bytes_key(entry.key())
        {
            let (key, value) = entry.remove_entry();
            if key == BYTES_KEY {
                return self.bytes(&value, start);
            }
            map.insert(key.strip_prefix('$').unwrap_or(&key).to_owned(), value);
        }
        if depth == MAX_DEPTH { Err(too_deep()) } else { Ok(Value::Map(map)) }
    }

    fn bytes(&self, value: &Value, start: usize) -> Fallible<Value> {
        let bytes = match value {
            Value::Str(text) => STANDARD.decode(text).ok(),
            _ => None,
        };
        bytes.map(Value::Bytes).ok_or_else(|| {
            let expected = "padded base64 under the only key \"$bytes\" (a map with just that key is written \
                            with \"$$bytes\")";
            fault::unexpected(self.text, start, expected)
        })
    }
}

/// Where a key that was just read stands, found only when somebody asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyAt {
    before: usize,
}

impl KeyAt {
    /// The fault that this key stands twice.
    #[cold]
    pub(super) fn duplicate(self, reader: &Reader<'_>, key: String) -> Failure {
        fault::at(reader.key_offset(self.before), Fault::DuplicateKey { key })
    }
}

/// Sees a name that stands twice: by looking through the few that there usually are, by hashing when there
/// are many, so that no input takes quadratic time.
#[derive(Debug, Default)]
pub(super) struct Names {
    hashed: HashSet<String>,
}

impl Names {
    /// Whether none of `attrs` has the name. `attrs` must be those of the call before, and its name.
    pub(super) fn is_new(&mut self, attrs: &Attrs, name: &str) -> bool {
        const MANY: usize = 24;
        if attrs.len() < MANY {
            return attrs.iter().all(|(known, _)| known != name);
        }
        if self.hashed.is_empty() {
            self.hashed.extend(attrs.iter().map(|(known, _)| known.clone()));
        }
        self.hashed.insert(name.to_owned())
    }
}

fn within(found: usize, max: usize, what: &str, offset: usize) -> Fallible<()> {
    if found <= max {
        return Ok(());
    }
    let fault = Fault::TooLarge { what: what.to_owned(), found: len_u64(found), max: len_u64(max) };
    Err(fault::at(offset, fault))
}

/// Whether the number at `start` has a fraction or an exponent.
fn is_float(text: &[u8], start: usize) -> bool {
    let mut rest = text.get(start..).unwrap_or_default().iter().copied();
    rest.find(|b| !b.is_ascii_digit() && *b != b'-').is_some_and(|b| b".eE".contains(&b))
}

/// jiter's error as ours.
#[cold]
fn own(text: &[u8], error: &JiterError) -> Failure {
    match &error.error_type {
        JiterErrorType::JsonError(kind) => fault::syntax(text, kind, error.index),
        JiterErrorType::WrongType { expected, .. } => {
            fault::unexpected(text, error.index, expected.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
