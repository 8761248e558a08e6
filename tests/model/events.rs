//! Random events over few ids, names and keys, so that collisions, deaths and births again are frequent.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use snaplog::model::event::{Attrs, Event};
use snaplog::model::id::Id;
use snaplog::model::marker::GraphKind;
use snaplog::model::value::Value;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn kind() -> impl Strategy<Value = GraphKind> {
    (any::<bool>(), any::<bool>()).prop_map(|(directed, multigraph)| GraphKind { directed, multigraph })
}

pub(crate) fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        6 => (0_i64..3).prop_map(Id::Int),
        3 => (0_i64..2).prop_map(|n| Id::from(n.to_string())),
        1 => prop::sample::select(vec![
            Id::Int(-1),
            Id::Int(i64::MIN),
            Id::from(""),
            // Too long to stay in the row without an allocation.
            Id::from("an id of more than twenty-two bytes"),
        ]),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let few =
        |n: i64| Value::Map(BTreeMap::from([("k".to_owned(), Value::Int(n)), (String::new(), n.into())]));
    prop_oneof![
        4 => prop::sample::select(vec![
            Value::Int(1),
            Value::Float(1.0),
            Value::Bool(true),
            Value::Str("1".to_owned()),
            Value::Null,
        ]),
        2 => prop::sample::select(vec![
            Value::Int(0),
            Value::Float(0.0),
            Value::Float(-0.0),
            Value::Float(f64::NAN),
            Value::Float(f64::from_bits(0x7ff8_0000_0000_0001)),
            Value::Float(f64::NEG_INFINITY),
            Value::Bool(false),
        ]),
        2 => prop::sample::select(vec![
            Value::List(vec![]),
            Value::List(vec![Value::Int(1), Value::List(vec![Value::Float(1.0)]), few(2)]),
            few(1),
            few(2),
            Value::Map(BTreeMap::new()),
            Value::Bytes(vec![0, 255, 49]),
            Value::Str("a text that does not fit the twenty-two bytes of a row".to_owned()),
        ]),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "", "straße"]).prop_map(str::to_owned)
}

fn attrs() -> impl Strategy<Value = Attrs> {
    prop_oneof![2 => Just(vec![]), 3 => vec((name(), value()), 1..4)]
}

fn key() -> impl Strategy<Value = Option<Id>> {
    option::weighted(0.3, id())
}

/// State keys; some are attribute names too.
fn state_key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "queue", "done"]).prop_map(str::to_owned)
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (id(), attrs()).prop_map(|(id, attrs)| Event::PutNode { id, attrs }),
        9 => (id(), id(), key(), attrs())
            .prop_map(|(src, dst, key, attrs)| Event::PutEdge { src, dst, key, attrs }),
        2 => id().prop_map(|id| Event::DeleteNode { id }),
        4 => (id(), id(), key()).prop_map(|(src, dst, key)| Event::DeleteEdge { src, dst, key }),
        2 => (id(), vec(name(), 0..4)).prop_map(|(id, names)| Event::UnsetNode { id, names }),
        2 => (id(), id(), option::weighted(0.6, id()), vec(name(), 0..4))
            .prop_map(|(src, dst, key, names)| Event::UnsetEdge { src, dst, key, names }),
        1 => attrs().prop_map(|attrs| Event::PutGraph { attrs }),
        1 => vec(name(), 0..3).prop_map(|names| Event::UnsetGraph { names }),
        1 => (state_key(), value()).prop_map(|(key, value)| Event::PutState { key, value }),
        1 => state_key().prop_map(|key| Event::DeleteState { key }),
        2 => (state_key(), id(), value()).prop_map(|(key, entry, value)| Event::PutEntry { key, entry, value }),
        2 => (state_key(), id()).prop_map(|(key, entry)| Event::DeleteEntry { key, entry }),
    ]
}

pub(crate) fn events(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), len)
}
