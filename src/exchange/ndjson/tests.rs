//! Lines, sound and not.

use proptest::prelude::*;

use super::*;
use crate::model::event::Event;
use crate::model::time::Timestamp;
use crate::model::value::Value;

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
        (r#"{"op":"unset","keys":[]}"#, r#"column 1: "unset" needs "id", or "src" and "dst", or "graph""#),
        (r#"{"op":"unset","id":1}"#, r#"column 1: "unset" needs "keys""#),
        (r#"{"op":"unset","dst":1,"keys":[]}"#, r#"column 1: "unset" needs "src""#),
        (r#"{"op":"unset","graph":false,"keys":[]}"#, r#"column 23: expected true for "graph", found false"#),
        (
            r#"{"op":"unset","id":1,"keys":[1]}"#,
            "column 30: expected an attribute's name (a string), found 1",
        ),
        (r#"{"op":"state","key":5,"value":1}"#, r#"column 21: expected a string for "key", found 5"#),
        (r#"{"op":"state","key":null,"value":1}"#, r#"column 21: expected a string for "key", found null"#),
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
        refused(&format!(r#"{{"op":"state","key":"{long}","value":1}}"#)).starts_with("column 21: a string")
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
