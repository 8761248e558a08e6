//! The pieces of a document, with the white space of Python's `json.dumps`.

use std::collections::HashMap;
use std::io;

use super::{ABOUT_KEY, STATE_KEY, STATE_MAPS_KEY};
use crate::codec::DecodeError;
use crate::exchange::fault::WriteError;
use crate::exchange::json_write::{self, Object, Spacing};
use crate::exchange::order;
use crate::model::graph::Graph;
use crate::model::id::IdRef;
use crate::model::marker::GraphKind;
use crate::model::value::Value;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Attributes that were left out because the format needs their names for itself.
    pub attrs_left_out: u64,
}

/// Writes a graph and its collector state as one document: nodes in order of birth, edges under their source (in
/// an undirected graph the end that comes first) and there in the order of neighbours, as `node_link_data` lists
/// them. `about` tells readers where the document comes from.
///
/// # Errors
/// [`WriteError::Io`] if `out` refuses; [`WriteError::Decode`] if a value in memory is damaged.
pub fn write_graph_to(
    graph: &Graph,
    about: Option<&Value>,
    out: &mut dyn io::Write,
) -> Result<Written, WriteError> {
    let mut buffer = Vec::new();
    let mut left_out = 0_u64;
    write_header(graph.kind(), &mut buffer);
    let about = about.map(Value::to_bytes);
    left_out = left_out.saturating_add(write_graph(
        graph.attrs().iter(),
        about.as_deref(),
        &state_groups(graph),
        &mut buffer,
    )?);
    buffer.extend_from_slice(b", \"nodes\": [");
    let mut comma: &[u8] = b"";
    for node in graph.nodes() {
        buffer.extend_from_slice(std::mem::replace(&mut comma, Spacing::Python.comma()));
        left_out = left_out.saturating_add(write_node(node.id(), node.attrs().iter(), &mut buffer)?);
        order::flush_if_full(&mut buffer, out)?;
    }
    buffer.extend_from_slice(b"], \"edges\": [");
    comma = b"";
    for listed in order::edges_by_source(graph) {
        let Some(edge) = graph.edge_at(listed) else { continue };
        let turned = !graph.kind().directed && edge.dst_ord() < edge.src_ord();
        let (src, dst) = if turned { (edge.dst(), edge.src()) } else { (edge.src(), edge.dst()) };
        buffer.extend_from_slice(std::mem::replace(&mut comma, Spacing::Python.comma()));
        let more = write_edge(src, dst, edge.key(), edge.attrs().iter(), &mut buffer)?;
        left_out = left_out.saturating_add(more);
        order::flush_if_full(&mut buffer, out)?;
    }
    buffer.extend_from_slice(b"]}");
    out.write_all(&buffer)?;
    Ok(Written { attrs_left_out: left_out })
}

/// Collector state with the entries of each map together, both in order of birth.
fn state_groups(graph: &Graph) -> Vec<(&str, StateGroup<'_>)> {
    let mut groups: Vec<(&str, StateGroup<'_>)> = Vec::new();
    let mut maps: HashMap<&str, usize> = HashMap::new();
    for item in graph.items() {
        let Some(entry) = item.entry() else {
            groups.push((item.key(), StateGroup::Value(item.encoded())));
            continue;
        };
        let at = *maps.entry(item.key()).or_insert_with(|| {
            groups.push((item.key(), StateGroup::Map(Vec::new())));
            groups.len().saturating_sub(1)
        });
        if let Some((_, StateGroup::Map(entries))) = groups.get_mut(at) {
            entries.push((entry, item.encoded()));
        }
    }
    groups
}

/// One key of collector state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateGroup<'a> {
    /// An encoded value.
    Value(&'a [u8]),
    /// The entries of a map, with their encoded values.
    Map(Vec<(IdRef<'a>, &'a [u8])>),
}

/// Appends the start of a document, up to where the object `graph` goes.
pub fn write_header(kind: GraphKind, out: &mut Vec<u8>) {
    let bool = |truth: bool| if truth { "true" } else { "false" };
    let (directed, multigraph) = (bool(kind.directed), bool(kind.multigraph));
    let text = format!("{{\"directed\": {directed}, \"multigraph\": {multigraph}, \"graph\": ");
    out.extend_from_slice(text.as_bytes());
}

/// Appends the object `graph`: attributes, then `about` (encoded; where the document comes from), then collector
/// state. Returns how many attributes were left out because their names are taken.
///
/// # Errors
/// If a value is damaged; so for the other writers here.
pub fn write_graph<'a>(
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
    about: Option<&[u8]>,
    state: &[(&'a str, StateGroup<'a>)],
    out: &mut Vec<u8>,
) -> Result<u64, DecodeError> {
    let mut object = Object::begin(Spacing::Python, out);
    let left_out = object.attrs(attrs, &[ABOUT_KEY, STATE_KEY, STATE_MAPS_KEY])?;
    if let Some(about) = about {
        json_write::value(about, Spacing::Python, object.key(ABOUT_KEY))?;
    }
    if !state.is_empty() {
        let mut inner = Object::begin(Spacing::Python, object.key(STATE_KEY));
        for (key, group) in state {
            let place = inner.key(key);
            match group {
                StateGroup::Value(encoded) => json_write::value(encoded, Spacing::Python, place)?,
                StateGroup::Map(entries) => write_map(entries, place)?,
            }
        }
        inner.end();
    }
    let mut maps = state.iter().filter(|(_, group)| matches!(group, StateGroup::Map(_))).peekable();
    if maps.peek().is_some() {
        let out = object.key(STATE_MAPS_KEY);
        list(maps, out, |(key, _), out| {
            json_write::string(key, out);
            Ok(())
        })?;
    }
    object.end();
    Ok(left_out)
}

/// A map of collector state: an object if all its entries are strings, else a list of pairs.
fn write_map(entries: &[(IdRef<'_>, &[u8])], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let names = entries.iter().map_while(|(entry, value)| match entry {
        IdRef::Str(name) => Some((*name, *value)),
        IdRef::Int(_) => None,
    });
    if names.clone().count() == entries.len() {
        let mut object = Object::begin(Spacing::Python, out);
        object.attrs(names, &[])?;
        object.end();
        return Ok(());
    }
    list(entries.iter(), out, |(entry, value), out| {
        out.push(b'[');
        json_write::id(*entry, out);
        out.extend_from_slice(Spacing::Python.comma());
        json_write::value(value, Spacing::Python, out)?;
        out.push(b']');
        Ok(())
    })
}

fn list<T>(
    items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    out.push(b'[');
    let mut first = true;
    for item in items {
        if !std::mem::take(&mut first) {
            out.extend_from_slice(Spacing::Python.comma());
        }
        write(item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Appends the object of a node: its attributes, then its id. Returns how many attributes were left out because
/// their names are taken.
pub fn write_node<'a>(
    id: IdRef<'_>,
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
) -> Result<u64, DecodeError> {
    let mut object = Object::begin(Spacing::Python, out);
    let left_out = object.attrs(attrs, &["id"])?;
    json_write::id(id, object.key("id"));
    object.end();
    Ok(left_out)
}

/// Appends the object of an edge: its attributes, then its ends, and in a multigraph its key. Returns how many
/// attributes were left out because their names are taken.
pub fn write_edge<'a>(
    src: IdRef<'_>,
    dst: IdRef<'_>,
    key: Option<IdRef<'_>>,
    attrs: impl Iterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
) -> Result<u64, DecodeError> {
    let reserved: &[&str] = if key.is_some() { &["source", "target", "key"] } else { &["source", "target"] };
    let mut object = Object::begin(Spacing::Python, out);
    let left_out = object.attrs(attrs, reserved)?;
    json_write::id(src, object.key("source"));
    json_write::id(dst, object.key("target"));
    if let Some(key) = key {
        json_write::id(key, object.key("key"));
    }
    object.end();
    Ok(left_out)
}
