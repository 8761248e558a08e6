//! A line into an event.

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

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum $type { $($variant),+ }

        impl $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            fn find(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names! {
    /// The operations.
    Op {
        Node = "node", Edge = "edge", DelNode = "del_node", DelEdge = "del_edge", Unset = "unset",
        Graph = "graph", State = "state", Mark = "mark",
    }
}

names! {
    /// The keys of a line's object, over all operations.
    Field {
        Op = "op", Id = "id", Src = "src", Dst = "dst", Key = "key", Attrs = "attrs", Keys = "keys",
        Graph = "graph", Value = "value", Entry = "entry", Put = "put", Label = "label", Tier = "tier",
        Pin = "pin", Ts = "ts",
    }
}

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Fields(u16);

impl Fields {
    const fn of(fields: &[Field]) -> Self {
        let mut set = 0;
        let mut rest = fields;
        while let Some((field, tail)) = rest.split_first() {
            set |= field.bit();
            rest = tail;
        }
        Self(set)
    }

    const fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Adds a field; `false` if it was there.
    const fn add(&mut self, field: Field) -> bool {
        let new = !self.has(field);
        self.0 |= field.bit();
        new
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn names(self) -> Vec<&'static str> {
        Field::ALL.iter().filter(|field| self.has(**field)).map(|field| field.name()).collect()
    }
}

impl Field {
    const fn bit(self) -> u16 {
        match self {
            Self::Op => 1,
            Self::Id => 1 << 1,
            Self::Src => 1 << 2,
            Self::Dst => 1 << 3,
            Self::Key => 1 << 4,
            Self::Attrs => 1 << 5,
            Self::Keys => 1 << 6,
            Self::Graph => 1 << 7,
            Self::Value => 1 << 8,
            Self::Entry => 1 << 9,
            Self::Put => 1 << 10,
            Self::Label => 1 << 11,
            Self::Tier => 1 << 12,
            Self::Pin => 1 << 13,
            Self::Ts => 1 << 14,
        }
    }
}

impl Op {
    const fn fields(self) -> Fields {
        use Field::{Attrs, Dst, Entry, Graph, Id, Key, Keys, Label, Op, Pin, Put, Src, Tier, Ts, Value};
        match self {
            Self::Node => Fields::of(&[Op, Id, Attrs, Ts]),
            Self::Edge => Fields::of(&[Op, Src, Dst, Key, Attrs, Ts]),
            Self::DelNode => Fields::of(&[Op, Id, Ts]),
            Self::DelEdge => Fields::of(&[Op, Src, Dst, Key, Ts]),
            Self::Unset => Fields::of(&[Op, Id, Src, Dst, Key, Graph, Keys, Ts]),
            Self::Graph => Fields::of(&[Op, Attrs, Ts]),
            Self::State => Fields::of(&[Op, Key, Value, Entry, Put, Ts]),
            Self::Mark => Fields::of(&[Op, Label, Tier, Pin, Ts]),
        }
    }

    fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|op| op.name()).collect()
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Line {
        parse_line(line.as_bytes()).unwrap().unwrap()
    }

    fn event(line: &str) -> Event {
        match read(line).item {
            Item::Event(event) => event,
            Item::Mark(mark) => panic!("{mark:?}"),
        }
    }

    fn refused(line: &str) -> String {
        parse_line(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_operation_is_read() {
        let key = || "k".to_owned();
        let names = || vec!["x".to_owned(), "y".to_owned()];
        for (line, expected) in [
            (r#"{"op":"node","id":1}"#, Event::node(1)),
            (r#"{"op":"node","id":"1","attrs":{"a":1.5}}"#, Event::node("1").with("a", 1.5)),
            (r#"{"op":"edge","src":"a","dst":2}"#, Event::edge("a", 2)),
            (r#"{"op":"edge","src":"a","dst":2,"key":null,"attrs":{}}"#, Event::edge("a", 2)),
            (
                r#"{"op":"edge","src":1,"dst":2,"key":0,"attrs":{"w":null}}"#,
                Event::PutEdge {
                    src: 1.into(),
                    dst: 2.into(),
                    key: Some(0.into()),
                    attrs: vec![("w".into(), Value::Null)],
                },
            ),
            (r#"{"op":"del_node","id":-1}"#, Event::DeleteNode { id: (-1).into() }),
            (
                r#"{"op":"del_edge","src":1,"dst":2,"key":"k"}"#,
                Event::DeleteEdge { src: 1.into(), dst: 2.into(), key: Some("k".into()) },
            ),
            (r#"{"op":"unset","id":1,"keys":["x","y"]}"#, Event::UnsetNode { id: 1.into(), names: names() }),
            (
                r#"{"op":"unset","src":1,"dst":2,"keys":["x","y"]}"#,
                Event::UnsetEdge { src: 1.into(), dst: 2.into(), key: None, names: names() },
            ),
            (r#"{"op":"unset","graph":true,"keys":["x","y"]}"#, Event::UnsetGraph { names: names() }),
            (r#"{"op":"graph","attrs":{"a":1}}"#, Event::PutGraph { attrs: vec![("a".into(), 1.into())] }),
            (
                r#"{"op":"state","key":"k","value":[1]}"#,
                Event::PutState { key: key(), value: Value::List(vec![1.into()]) },
            ),
            (r#"{"op":"state","key":"k","value":null}"#, Event::DeleteState { key: key() }),
            (
                r#"{"op":"state","key":"k","value":null,"put":true}"#,
                Event::PutState { key: key(), value: Value::Null },
            ),
            (
                r#"{"op":"state","key":"k","entry":7,"value":true}"#,
                Event::PutEntry { key: key(), entry: 7.into(), value: true.into() },
            ),
            (
                r#"{"op":"state","key":"k","entry":"7","value":null}"#,
                Event::DeleteEntry { key: key(), entry: "7".into() },
            ),
        ] {
            assert_eq!(event(line), expected, "{line}");
        }
    }

    #[test]
    fn a_request_for_a_marker_is_no_event() {
        let mark = MarkRequest { label: Some("x".into()), tier: None, pin: true };
        let line = read(r#"{"op":"mark","label":"x","tier":null,"pin":true,"ts":"1970-01-01T00:00:01Z"}"#);
        assert_eq!(line, Line { item: Item::Mark(mark), ts: Some(Timestamp(1_000_000)) });
        assert_eq!(read(r#"{"op":"mark"}"#).item, Item::Mark(MarkRequest::default()));
    }

    #[test]
    fn keys_come_in_any_order() {
        let line = " {\"ts\":\"1970-01-01T00:00:00Z\",\"attrs\":{\"a\\u0062\":\"\\n\"},\"id\":\"é\",\"op\":\"node\"}\r\n";
        assert_eq!(read(line).ts, Some(Timestamp(0)));
        assert_eq!(event(line), Event::node("é").with("ab", "\n"));
        assert_eq!(
            event(r#"{"value":1,"key":"k","op":"state"}"#),
            Event::PutState { key: "k".into(), value: 1.into() }
        );
    }

    #[test]
    fn blank_lines_say_nothing() {
        for line in ["", "\n", " \t\r\n"] {
            assert_eq!(parse_line(line.as_bytes()), Ok(None));
        }
    }

    #[test]
    fn wrong_lines_are_explained() {
        for (line, says) in [
            (
                r#"{"op":"node","id":true}"#,
                r#"column 19: expected a string or a 64-bit integer for "id", found true"#,
            ),
            (
                r#"{"op":"node","id":1.0}"#,
                r#"column 19: expected a string or a 64-bit integer for "id", found 1.0"#,
            ),
            (
                r#"{"op":"node","id":NaN}"#,
                r#"column 19: expected a string or a 64-bit integer for "id", found NaN"#,
            ),
            (
                r#"{"op":"node","id":99999999999999999999}"#,
                "column 19: integer 99999999999999999999 does not fit in 64 bits",
            ),
            (
                r#"{"op":"node","id":"é","attrs":null}"#,
                r#"column 31: expected an object for "attrs", found null"#,
            ),
            (r#"{"op":"node"}"#, r#"column 1: "node" needs "id""#),
            (r#"{"op":"edge","src":1}"#, r#"column 1: "edge" needs "dst""#),
            (r#" {"id":1}"#, r#"column 2: an event needs "op""#),
            (
                r#"{"op":"nod","id":1}"#,
                r#"column 7: unknown operation "nod", did you mean "node"?; allowed: "node", "edge", "del_node", "del_edge", "unset", "graph", "state", "mark""#,
            ),
            (r#"{"op":1}"#, r#"column 7: expected an operation's name (a string) for "op", found 1"#),
            (
                r#"{"op":"node","id":1,"atrs":{}}"#,
                r#"column 21: unknown key of "node", "atrs", did you mean "attrs"?; allowed: "op", "id", "attrs", "ts""#,
            ),
            (
                r#"{"idd":1,"op":"del_node"}"#,
                r#"column 2: unknown key of "del_node", "idd", did you mean "id"?; allowed: "op", "id", "ts""#,
            ),
            (
                r#"{"op":"node","src":1,"id":1}"#,
                r#"column 14: unknown key of "node", "src"; allowed: "op", "id", "attrs", "ts""#,
            ),
            (r#"{"op":"node","id":1,"id":2}"#, r#"column 21: key "id" stands twice in the same object"#),
            (
                r#"{"op":"node","id":1,"attrs":{"a":1,"a":2}}"#,
                r#"column 36: key "a" stands twice in the same object"#,
            ),
            (
                r#"{"op":"unset","id":1,"src":2,"keys":[]}"#,
                r#"column 22: "unset" takes either "id" or "src", not both"#,
            ),
            (
                r#"{"op":"unset","graph":true,"dst":2,"keys":[]}"#,
                r#"column 28: "unset" takes either "dst" or "graph", not both"#,
            ),
            (
                r#"{"op":"unset","keys":[]}"#,
                r#"column 1: "unset" needs "id", or "src" and "dst", or "graph""#,
            ),
            (r#"{"op":"unset","id":1}"#, r#"column 1: "unset" needs "keys""#),
            (r#"{"op":"unset","dst":1,"keys":[]}"#, r#"column 1: "unset" needs "src""#),
            (
                r#"{"op":"unset","graph":false,"keys":[]}"#,
                r#"column 23: expected true for "graph", found false"#,
            ),
            (
                r#"{"op":"unset","id":1,"keys":[1]}"#,
                "column 30: expected an attribute's name (a string), found 1",
            ),
            (r#"{"op":"state","key":5,"value":1}"#, r#"column 21: expected a string for "key", found 5"#),
            (
                r#"{"op":"state","key":null,"value":1}"#,
                r#"column 21: expected a string for "key", found null"#,
            ),
            (r#"{"op":"state","key":"k"}"#, r#"column 1: "state" needs "value""#),
            (r#"{"op":"state","value":1}"#, r#"column 1: "state" needs "key""#),
            (
                r#"{"op":"node","id":1,"ts":"today"}"#,
                r#"column 26: expected a time as in RFC 3339 ("2026-01-31T12:00:00Z") for "ts", found "today""#,
            ),
            (r#"{"op":"node","id":1} x"#, "column 22: expected nothing more, found 'x'"),
            (
                r#"{"op":"node","id":1"#,
                r#"column 20: expected "," or the "}" of an object, found the end of the text"#,
            ),
            ("[1]", r#"column 1: expected an object such as {"op":"node","id":1}, found a list"#),
        ] {
            assert_eq!(refused(line), says, "{line}");
        }
        assert_eq!(
            parse_line(b"{\"op\":\"node\",\"id\":\"\xff\"}").unwrap_err().to_string(),
            "column 20: the text is not UTF-8 here"
        );
    }

    #[test]
    fn long_keys_and_labels_are_refused_with_their_place() {
        let long = "x".repeat(5000);
        assert!(
            refused(&format!(r#"{{"op":"state","key":"{long}","value":1}}"#))
                .starts_with("column 21: a string")
        );
        assert!(refused(&format!(r#"{{"op":"mark","label":"{long}"}}"#)).contains("at most 256 are allowed"));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line: Vec<u8>) {
            drop(parse_line(&line));
        }

        #[test]
        fn no_object_makes_the_parser_panic(
            fields in proptest::collection::vec(
                (
                    prop_oneof![
                        Just("op"), Just("id"), Just("src"), Just("dst"), Just("key"), Just("attrs"), Just("keys"),
                        Just("graph"), Just("value"), Just("entry"), Just("put"), Just("label"), Just("ts"), Just("x"),
                    ],
                    prop_oneof![
                        Just("1"), Just("\"a\""), Just("null"), Just("true"), Just("{}"), Just("[\"a\"]"), Just("\"unset\""),
                        Just("\"state\""), Just("\"edge\""), Just("\"node\""), Just("\"graph\""), Just("\"mark\""), Just("["),
                    ],
                ),
                0..7,
            ),
        ) {
            let inside: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
            drop(parse_line(format!("{{{}}}", inside.join(",")).as_bytes()));
        }
    }
}
