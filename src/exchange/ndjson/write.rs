//! Events as lines.

use std::io;

use crate::codec::DecodeError;
use crate::exchange::fault::WriteError;
use crate::exchange::json_write::{self, Object, Spacing};
use crate::exchange::order;
use crate::log::{StateRow, StateStream};
use crate::model::graph::Graph;
use crate::model::id::IdRef;
use crate::model::value::TAG_NULL;

/// Writes a graph and its collector state as lines: attributes of the graph, nodes in order of birth, edges in an
/// order that gives nodes their neighbours in the same order again, collector state. Ingested into an empty log of
/// the same kind they make an equal graph.
///
/// # Errors
/// [`WriteError::Io`] if `out` refuses; [`WriteError::Decode`] if a value in memory is damaged.
pub fn write_graph_to(graph: &Graph, out: &mut dyn io::Write) -> Result<(), WriteError> {
    let mut buffer = Vec::new();
    if !graph.attrs().is_empty() {
        write_graph(graph.attrs().iter(), &mut buffer)?;
    }
    for node in graph.nodes() {
        write_node(node.id(), node.attrs().iter(), &mut buffer)?;
        order::flush_if_full(&mut buffer, out)?;
    }
    for ord in order::edges_by_slot(graph) {
        let Some(edge) = graph.edge_at(ord) else { continue };
        write_edge(edge.src(), edge.dst(), edge.key(), edge.attrs().iter(), &mut buffer)?;
        order::flush_if_full(&mut buffer, out)?;
    }
    for item in graph.items() {
        write_state(item.key(), item.entry(), item.encoded(), &mut buffer)?;
        order::flush_if_full(&mut buffer, out)?;
    }
    out.write_all(&buffer)?;
    Ok(())
}

/// Writes the state at a marker as lines, the same as [`write_graph_to`] writes of the graph there, without holding it in
/// memory: see [`StateStream`] for what is held.
///
/// # Errors
/// As [`write_graph_to`]; [`WriteError::Log`] if the log is damaged, or its rows are not what the marker says, which is
/// known only when all are written: whoever cannot take lines back calls [`StateStream::prove`] before.
pub fn write_stream(stream: &StateStream, out: &mut dyn io::Write) -> Result<(), WriteError> {
    let mut buffer = Vec::new();
    stream.visit::<WriteError>(|row| {
        match row {
            StateRow::Graph { attrs } => write_graph(attrs.iter(), &mut buffer)?,
            StateRow::Node { id, attrs } => write_node(id, attrs.iter(), &mut buffer)?,
            StateRow::Edge { src, dst, attrs } => write_edge(src, dst, None, attrs.iter(), &mut buffer)?,
            StateRow::Item { key, entry, value } => write_state(key, entry, value, &mut buffer)?,
        }
        Ok(order::flush_if_full(&mut buffer, out)?)
    })?;
    out.write_all(&buffer)?;
    Ok(())
}

/// Appends the line that puts a node. `attrs` are names and encoded values.
///
/// # Errors
/// If a value is damaged; `out` is as it was then. So for the other writers here.
pub fn write_node<'a>(
    id: IdRef<'_>,
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    line("node", out, |object| {
        json_write::id(id, object.key("id"));
        write_attrs(object, attrs)
    })
}

/// Appends the line that puts an edge.
pub fn write_edge<'a>(
    src: IdRef<'_>,
    dst: IdRef<'_>,
    key: Option<IdRef<'_>>,
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    line("edge", out, |object| {
        json_write::id(src, object.key("src"));
        json_write::id(dst, object.key("dst"));
        if let Some(key) = key {
            json_write::id(key, object.key("key"));
        }
        write_attrs(object, attrs)
    })
}

/// Appends the line that puts attributes of the graph itself.
pub fn write_graph<'a>(
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    line("graph", out, |object| write_attrs(object, attrs))
}

/// Appends the line that puts a value of collector state, or with `entry` an entry of a map. The value null gets
/// `"put":true`, without which it would delete.
pub fn write_state(
    key: &str,
    entry: Option<IdRef<'_>>,
    value: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    line("state", out, |object| {
        json_write::string(key, object.key("key"));
        if let Some(entry) = entry {
            json_write::id(entry, object.key("entry"));
        }
        json_write::value(value, Spacing::Compact, object.key("value"))?;
        if value == [TAG_NULL] {
            object.key("put").extend_from_slice(b"true");
        }
        Ok(())
    })
}

fn write_attrs<'a>(
    object: &mut Object<'_>,
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), DecodeError> {
    let mut attrs = attrs.peekable();
    if attrs.peek().is_none() {
        return Ok(());
    }
    let mut inner = Object::begin(Spacing::Compact, object.key("attrs"));
    inner.attrs(attrs, &[])?;
    inner.end();
    Ok(())
}

/// A line with `op` first and the rest from `write`: whole, or not there.
fn line(
    op: &str,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Object<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let start = out.len();
    let mut object = Object::begin(Spacing::Compact, out);
    json_write::string(op, object.key("op"));
    match write(&mut object) {
        Ok(()) => {
            object.end();
            out.push(b'\n');
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exchange::json_write::tests::any_value;
    use crate::exchange::ndjson::{Item, parse_line};
    use crate::model::event::Event;
    use crate::model::id::Id;
    use crate::model::value::Value;

    fn one() -> Vec<u8> {
        Value::Int(1).to_bytes()
    }

    #[test]
    fn lines_have_the_documented_form() {
        let (value, null) = (one(), Value::Null.to_bytes());
        let attrs = || [("a", value.as_slice()), ("b", null.as_slice())].into_iter();
        let mut out = Vec::new();
        write_graph(attrs(), &mut out).unwrap();
        write_node(IdRef::Int(1), std::iter::empty(), &mut out).unwrap();
        write_node(IdRef::Str("é\n"), attrs(), &mut out).unwrap();
        write_edge(IdRef::Int(1), IdRef::Str("1"), None, std::iter::empty(), &mut out).unwrap();
        write_edge(IdRef::Int(1), IdRef::Int(1), Some(IdRef::Int(0)), attrs(), &mut out).unwrap();
        write_state("k", None, &value, &mut out).unwrap();
        write_state("m", Some(IdRef::Str("x")), &null, &mut out).unwrap();
        let expected = r#"{"op":"graph","attrs":{"a":1,"b":null}}
{"op":"node","id":1}
{"op":"node","id":"é\n","attrs":{"a":1,"b":null}}
{"op":"edge","src":1,"dst":"1"}
{"op":"edge","src":1,"dst":1,"key":0,"attrs":{"a":1,"b":null}}
{"op":"state","key":"k","value":1}
{"op":"state","key":"m","entry":"x","value":null,"put":true}
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_damaged_value_leaves_no_half_line() {
        let mut out = b"before\n".to_vec();
        assert!(write_node(IdRef::Int(1), [("a", &[99_u8][..])].into_iter(), &mut out).is_err());
        assert!(write_state("k", None, &[], &mut out).is_err());
        assert_eq!(out, b"before\n");
    }

    fn any_id() -> impl Strategy<Value = Id> {
        prop_oneof![any::<i64>().prop_map(Id::Int), any::<String>().prop_map(Id::from)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            id in any_id(), other in any_id(), key in proptest::option::of(any_id()), name: String,
            value in any_value(),
        ) {
            let encoded = value.to_bytes();
            let attrs = || [(name.as_str(), encoded.as_slice())].into_iter();
            let owned = vec![(name.clone(), value.clone())];
            let mut out = Vec::new();
            write_node(id.as_ref(), attrs(), &mut out).unwrap();
            write_edge(id.as_ref(), other.as_ref(), key.as_ref().map(Id::as_ref), attrs(), &mut out).unwrap();
            write_graph(attrs(), &mut out).unwrap();
            write_state(&name, None, &encoded, &mut out).unwrap();
            write_state(&name, Some(id.as_ref()), &encoded, &mut out).unwrap();
            let expected = [
                Event::PutNode { id: id.clone(), attrs: owned.clone() },
                Event::PutEdge { src: id.clone(), dst: other, key, attrs: owned.clone() },
                Event::PutGraph { attrs: owned },
                Event::PutState { key: name.clone(), value: value.clone() },
                Event::PutEntry { key: name, entry: id, value },
            ];
            let lines: Vec<&[u8]> = out.split_inclusive(|b| *b == b'\n').collect();
            prop_assert_eq!(lines.len(), expected.len());
            for (line, event) in lines.into_iter().zip(expected) {
                prop_assert_eq!(parse_line(line).unwrap().unwrap().item, Item::Event(event));
            }
        }
    }
}
