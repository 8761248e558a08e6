//! Numbers, strings, nesting, bytes; what is refused and how it is told.

use super::*;

fn read(text: &str) -> Value {
    value(text.as_bytes()).unwrap()
}

fn refused(text: &str) -> String {
    value(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn numbers_are_what_python_makes_of_them() {
    assert_eq!(read("-0"), Value::Int(0));
    assert_eq!(read("-0.0"), Value::Float(-0.0));
    assert_eq!(read("1e400"), Value::Float(f64::INFINITY));
    assert_eq!(read("-1e400"), Value::Float(f64::NEG_INFINITY));
    assert_eq!(read("1e99999999999999999999999"), Value::Float(f64::INFINITY));
    assert_eq!(read("1e-99999999999999999999999"), Value::Float(0.0));
    assert_eq!(read("0e99999999999999999999999"), Value::Float(0.0));
    assert_eq!(read("5e-324"), Value::Float(5e-324));
    assert_eq!(read("1E2"), Value::Float(100.0));
    assert_eq!(read("[NaN, Infinity, -Infinity]").to_bytes(), {
        let all = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Value::Float);
        Value::List(all.to_vec()).to_bytes()
    });
    assert_eq!(read("9223372036854775807"), Value::Int(i64::MAX));
    assert_eq!(read("-9223372036854775808"), Value::Int(i64::MIN));
}

#[test]
fn integers_past_64_bits_are_named() {
    for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
        assert_eq!(refused(text), format!("byte 0: integer {text} does not fit in 64 bits"));
    }
    let long = "9".repeat(10_000);
    assert_eq!(
        refused(&format!("[1,{long}]")),
        format!("byte 3: integer {}… does not fit in 64 bits", "9".repeat(40))
    );
    assert!(refused(&format!("{long}.5")).contains("at most 4300 digits"));
}

#[test]
fn what_python_would_let_pass_is_refused() {
    for (text, says) in [
        (r#"{"a": 1, "a": 2}"#, r#"byte 9: key "a" stands twice in the same object"#),
        (r#"["\ud800"]"#, "byte 8: lone surrogate: this escape is half a character"),
        (r#""\udc00x""#, "byte 6: lone surrogate: this escape is half a character"),
        (r#""\ud800\n""#, "byte 8: lone surrogate: this escape is half a character"),
    ] {
        assert_eq!(refused(text), says, "{text}");
    }
    assert_eq!(value(b"[\"a\xff\"]").unwrap_err().to_string(), "byte 3: the text is not UTF-8 here");
    assert_eq!(value(b"{\"\xff\":1}").unwrap_err().to_string(), "byte 2: the text is not UTF-8 here");
}

#[test]
fn broken_json_is_explained() {
    for (text, says) in [
        ("", "byte 0: expected a JSON value, found the end of the text"),
        ("[1 2]", "byte 3: expected \",\" or the \"]\" of a list, found 2"),
        ("[1,]", "byte 3: expected one more element after the comma, found ']'"),
        ("{1:2}", "byte 1: expected a key in double quotes, found 1"),
        ("{\"a\" 2}", "byte 5: expected \":\" after the key, found 2"),
        ("\"abc", "byte 4: expected the end of the string, found the end of the text"),
        (
            "\"a\nb\"",
            "byte 2: expected a string without control characters (\\n stands for a line end), \
                      found '\\n'",
        ),
        ("01", "byte 1: expected a number as JSON writes it, found 1"),
        ("1 2", "byte 2: expected nothing more, found 2"),
        ("nil", "byte 1: expected null, true, false, NaN or Infinity, found 'i'"),
        ("True", "byte 0: expected a JSON value, found 'T'"),
    ] {
        assert_eq!(refused(text), says, "{text}");
    }
}

#[test]
fn nesting_past_the_bound_is_an_error_and_no_overflow() {
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    assert_eq!(read(&deep("[", "]", MAX_DEPTH)).depth(), MAX_DEPTH);
    assert_eq!(read(&deep("{\"a\":", "}", MAX_DEPTH)).depth(), MAX_DEPTH);
    for n in [MAX_DEPTH + 1, MAX_DEPTH + 2, 1_000_000] {
        for text in [deep("[", "]", n), deep("{\"a\":", "}", n), "[".repeat(n)] {
            assert!(refused(&text).ends_with("lists and maps are nested deeper than 64"), "{n}");
        }
        assert!(value(deep("{\"$bytes\":", "}", n).as_bytes()).is_err());
    }
}

#[test]
fn bytes_have_a_form_of_their_own_and_do_not_nest() {
    assert_eq!(read(r#"{"$bytes": "AP8="}"#), Value::Bytes(vec![0, 255]));
    let map = |key: &str, value| Value::Map(BTreeMap::from([(key.to_owned(), value)]));
    assert_eq!(read(r#"{"$$bytes": "AP8="}"#), map("$bytes", Value::from("AP8=")));
    assert_eq!(read(r#"{"$$$bytes": 1}"#), map("$$bytes", Value::Int(1)));
    assert_eq!(read(r#"{"$other": 1}"#), map("$other", Value::Int(1)));
    assert!(matches!(read(r#"{"$bytes": "AP8=", "a": 1}"#), Value::Map(map) if map.len() == 2));
    for text in [r#"{"$bytes": 1}"#, r#"{"$bytes": "AP8"}"#, r#"{"$bytes": "AP9="}"#] {
        assert!(refused(text).starts_with("byte 0: expected padded base64"), "{text}");
    }
    let deepest = format!("{}{{\"$bytes\":\"\"}}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert_eq!(read(&deepest).depth(), MAX_DEPTH);
}

#[test]
fn many_names_are_checked_as_few_are() {
    for count in [2, 30, 1000] {
        let names = (0..count).map(|n| format!("\"{n}\":1,")).collect::<Vec<_>>().concat();
        let mut reader = Reader::new(b"");
        assert!(reader.attrs("attributes").is_err());
        let whole = format!("{{{names}\"x\":1}}");
        assert_eq!(Reader::new(whole.as_bytes()).attrs("attributes").unwrap().len(), count + 1);
        let twice = format!("{{{names}\"1\":1}}");
        let error = Reader::new(twice.as_bytes()).attrs("attributes").unwrap_err();
        assert_eq!(error.0.fault, Fault::DuplicateKey { key: "1".into() });
        assert_eq!(error.0.offset.0, len_u64(names.len() + 1));
    }
}

#[test]
fn names_and_ids_are_bounded() {
    let name = "x".repeat(MAX_NAME_BYTES + 1);
    assert!(refused(&format!("{{\"{name}\":1}}")).contains("at most 4096 are allowed"));
    let id = format!("\"{}\"", "x".repeat(MAX_ID_BYTES + 1));
    let error = Reader::new(id.as_bytes()).id("id").unwrap_err().0.to_string();
    assert_eq!(error, "byte 0: the string for \"id\" takes 16385 bytes, at most 16384 are allowed");
}
