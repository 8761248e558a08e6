//! A line into an event.

use super::fields::{Field, Fields, Op};
use crate::exchange::fault::{self, Failure, Fallible, Fault, JsonError};
use crate::exchange::json_read::Reader;
use crate::model::event::{Attrs, Event};
use crate::model::id::Id;
use crate::model::limits::{MAX_LABEL_BYTES, MAX_NAME_BYTES, MAX_TIER_NAME_BYTES};
use crate::model::time::Timestamp;
use crate::model::value::Value;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// An event, or a request for a marker.
    pub item: Item,
    /// Its time, if it has one.
    pub ts: Option<Timestamp>,
}

/// An event, or a request for a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// One change.
    Event(Event),
    /// A marker is to stand here.
    Mark(MarkRequest),
}

/// A request for a marker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkRequest {
    /// Its label.
    pub label: Option<String>,
    /// Its tier.
    pub tier: Option<String>,
    /// Whether it is to be pinned.
    pub pin: bool,
}

/// Why a line cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {fault}")]
pub struct LineError {
    /// Where in the line, from 1, in characters (Unicode code points).
    pub column: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// Reads one line, with or without its line end. A line of nothing but white space is `None`.
///
/// # Errors
/// If the line is not an object of the [known form](super).
pub fn parse_line(line: &[u8]) -> Result<Option<Line>, LineError> {
    if line.trim_ascii_start().is_empty() {
        return Ok(None);
    }
    parse(line).map(Some).map_err(|error| {
        let JsonError { offset, fault } = *error.0;
        LineError { column: fault::column(line, fault::index(offset)), fault }
    })
}

/// What was seen of a line. The operation may come last, so what its keys mean is asked at the end.
#[derive(Default)]
struct Seen {
    fields: Fields,
    op: Option<Op>,
    id: Option<Id>,
    src: Option<Id>,
    dst: Option<Id>,
    key: Option<Id>,
    entry: Option<Id>,
    attrs: Attrs,
    names: Vec<String>,
    value: Option<Value>,
    put: bool,
    mark: MarkRequest,
    ts: Option<Timestamp>,
}

fn parse(line: &[u8]) -> Fallible<Line> {
    let mut reader = Reader::new(line);
    reader.expect_object("an object such as {\"op\":\"node\",\"id\":1}")?;
    let start = reader.offset();
    let (mut seen, mut first) = (Seen::default(), true);
    loop {
        let before = reader.offset();
        let Some(key) = reader.key(&mut first)? else { break };
        let Some(field) = Field::find(key) else {
            let name = key.to_owned();
            return Err(unknown_key(line, &name, reader.key_offset(before)));
        };
        if !seen.fields.add(field) {
            let fault = Fault::DuplicateKey { key: field.name().to_owned() };
            return Err(fault::at(reader.key_offset(before), fault));
        }
        seen.read(field, &mut reader)?;
    }
    reader.finish()?;
    let ts = seen.ts;
    let item = seen.finish(line, start)?;
    Ok(Line { item, ts })
}

impl Seen {
    fn read(&mut self, field: Field, reader: &mut Reader<'_>) -> Fallible<()> {
        match field {
            Field::Op => self.op = Some(op(reader)?),
            Field::Id => self.id = Some(reader.id("id")?),
            Field::Src => self.src = Some(reader.id("src")?),
            Field::Dst => self.dst = Some(reader.id("dst")?),
            Field::Key => self.key = if reader.null()? { None } else { Some(reader.id("key")?) },
            Field::Entry => self.entry = Some(reader.id("entry")?),
            Field::Attrs => self.attrs = reader.attrs("an object for \"attrs\"")?,
            Field::Keys => self.names = reader.names("a list of names for \"keys\"")?,
            Field::Value => self.value = Some(reader.value()?),
            Field::Graph => {
                let before = reader.clone();
                if !reader.bool("true for \"graph\"")? {
                    return Err(before.unexpected("true for \"graph\""));
                }
            }
            Field::Put => self.put = reader.bool("true or false for \"put\"")?,
            Field::Pin => self.mark.pin = reader.bool("true or false for \"pin\"")?,
            Field::Label => {
                self.mark.label = text_or_null(reader, MAX_LABEL_BYTES, "a string for \"label\"")?;
            }
            Field::Tier => {
                self.mark.tier = text_or_null(reader, MAX_TIER_NAME_BYTES, "a string for \"tier\"")?;
            }
            Field::Ts => self.ts = Some(time(reader)?),
        }
        Ok(())
    }

    /// The item, once everything was seen. `start` is where the object begins.
    fn finish(mut self, line: &[u8], start: usize) -> Fallible<Item> {
        let Some(op) = self.op else {
            return Err(fault::at(start, Fault::Missing { of: "an event".into(), needs: "\"op\"".into() }));
        };
        if self.fields.without(op.fields()) != Fields::default() {
            return Err(self.misplaced(op, line));
        }
        let missing = |field: Field| missing(op, field, start);
        let event = match op {
            Op::Node => {
                let id = self.id.ok_or_else(|| missing(Field::Id))?;
                Event::PutNode { id, attrs: self.attrs }
            }
            Op::DelNode => Event::DeleteNode { id: self.id.ok_or_else(|| missing(Field::Id))? },
            Op::Edge | Op::DelEdge => {
                let src = self.src.ok_or_else(|| missing(Field::Src))?;
                let dst = self.dst.ok_or_else(|| missing(Field::Dst))?;
                if op == Op::Edge {
                    Event::PutEdge { src, dst, key: self.key, attrs: self.attrs }
                } else {
                    Event::DeleteEdge { src, dst, key: self.key }
                }
            }
            Op::Unset => self.unset(line, start)?,
            Op::Graph => Event::PutGraph { attrs: self.attrs },
            Op::State => {
                if !self.fields.has(Field::Key) {
                    return Err(missing(Field::Key));
                }
                let key = self.state_key(line)?;
                let value = self.value.ok_or_else(|| missing(Field::Value))?;
                let delete = value == Value::Null && !self.put;
                match (self.entry, delete) {
                    (None, false) => Event::PutState { key, value },
                    (None, true) => Event::DeleteState { key },
                    (Some(entry), false) => Event::PutEntry { key, entry, value },
                    (Some(entry), true) => Event::DeleteEntry { key, entry },
                }
            }
            Op::Mark => return Ok(Item::Mark(self.mark)),
        };
        Ok(Item::Event(event))
    }

    fn unset(self, line: &[u8], start: usize) -> Fallible<Event> {
        let edge = [Field::Src, Field::Dst, Field::Key].into_iter().find(|field| self.fields.has(*field));
        let node = self.fields.has(Field::Id).then_some(Field::Id);
        let graph = self.fields.has(Field::Graph).then_some(Field::Graph);
        if let (Some(a), Some(b), _) | (Some(a), None, Some(b)) | (None, Some(a), Some(b)) =
            (node, edge, graph)
        {
            let offset = find_key(line, a).max(find_key(line, b));
            let either = format!("either {:?} or {:?}", a.name(), b.name());
            return Err(fault::at(offset, Fault::Conflict { of: "\"unset\"".into(), either }));
        }
        if !self.fields.has(Field::Keys) {
            return Err(missing(Op::Unset, Field::Keys, start));
        }
        let names = self.names;
        match (self.id, self.src, self.dst) {
            _ if graph.is_some() => Ok(Event::UnsetGraph { names }),
            (Some(id), ..) => Ok(Event::UnsetNode { id, names }),
            (None, Some(src), Some(dst)) => Ok(Event::UnsetEdge { src, dst, key: self.key, names }),
            (None, Some(_), None) => Err(missing(Op::Unset, Field::Dst, start)),
            (None, None, _) if edge.is_some() => Err(missing(Op::Unset, Field::Src, start)),
            (None, None, _) => {
                let needs = "\"id\", or \"src\" and \"dst\", or \"graph\"".to_owned();
                Err(fault::at(start, Fault::Missing { of: "\"unset\"".into(), needs }))
            }
        }
    }

    /// The key of a state event, which is a string where an edge's key may be an integer.
    fn state_key(&mut self, line: &[u8]) -> Fallible<String> {
        match self.key.take() {
            Some(Id::Str(key)) if key.len() <= MAX_NAME_BYTES => Ok(key.into()),
            _ => {
                // Reading it again, as the string that it should have been, says what is wrong.
                let mut reader = value_of(line, Field::Key);
                reader.str(MAX_NAME_BYTES, "a string for \"key\"").map(ToOwned::to_owned)
            }
        }
    }

    /// The fault of a field that this operation does not have.
    #[cold]
    fn misplaced(&self, op: Op, line: &[u8]) -> Failure {
        let extra = self.fields.without(op.fields());
        let stray = Field::ALL.iter().filter(|field| extra.has(**field));
        let (offset, field) = stray
            .map(|field| (find_key(line, *field), *field))
            .min_by_key(|(at, _)| *at)
            // There is a field too many, or nobody had asked.
            .unwrap_or((0, Field::Op));
        fault::at(offset, Fault::unknown(key_of(op), field.name(), op.fields().names()))
    }
}

fn op(reader: &mut Reader<'_>) -> Fallible<Op> {
    reader.peek()?;
    let start = reader.offset();
    let name = reader.str(usize::MAX, "an operation's name (a string) for \"op\"")?;
    Op::find(name).ok_or_else(|| fault::at(start, Fault::unknown("operation", name, Op::names())))
}

fn text_or_null(reader: &mut Reader<'_>, max: usize, what: &str) -> Fallible<Option<String>> {
    Ok(if reader.null()? { None } else { Some(reader.str(max, what)?.to_owned()) })
}

fn time(reader: &mut Reader<'_>) -> Fallible<Timestamp> {
    const EXPECTED: &str = "a time as in RFC 3339 (\"2026-01-31T12:00:00Z\") for \"ts\"";
    reader.peek()?;
    let before = reader.offset();
    match Timestamp::parse_rfc3339(reader.str(usize::MAX, EXPECTED)?) {
        Some(time) => Ok(time),
        None => Err(reader.unexpected_at(before, EXPECTED)),
    }
}

fn missing(op: Op, field: Field, start: usize) -> Failure {
    let of = format!("{:?}", op.name());
    fault::at(start, Fault::Missing { of, needs: format!("{:?}", field.name()) })
}

fn key_of(op: Op) -> String {
    format!("key of {:?},", op.name())
}

/// The fault of a key that no operation has. If the line tells its operation, before the key or after it, what
/// may stand here is known better.
#[cold]
fn unknown_key(line: &[u8], name: &str, offset: usize) -> Failure {
    let op = if find_key(line, Field::Op) == 0 { None } else { op(&mut value_of(line, Field::Op)).ok() };
    let fault = match op {
        Some(op) => Fault::unknown(key_of(op), name, op.fields().names()),
        None => Fault::unknown("key", name, Field::ALL.iter().map(|field| field.name()).collect()),
    };
    fault::at(offset, fault)
}

/// Where a key of the line's object begins; 0, which no key's offset is, if it is not there.
#[cold]
fn find_key(line: &[u8], field: Field) -> usize {
    find(line, field).map_or(0, |(offset, _)| offset)
}

/// Stands before the value of a key of the line's object; at the end of the line if it is not there.
#[cold]
fn value_of(line: &[u8], field: Field) -> Reader<'_> {
    find(line, field).map_or(Reader::new(line), |(_, reader)| reader)
}

/// A second look at a line that is known to be wrong; how far it is well formed does not matter.
fn find(line: &[u8], field: Field) -> Option<(usize, Reader<'_>)> {
    let mut reader = Reader::new(line);
    reader.expect_object("").ok()?;
    let mut first = true;
    loop {
        let before = reader.offset();
        let found = reader.key(&mut first).ok()?? == field.name();
        if found {
            return Some((reader.key_offset(before), reader));
        }
        reader.skip().ok()?;
    }
}
