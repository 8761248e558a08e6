//! The pieces of a document, with the white space of Python's `json.dumps`.

use super::{ABOUT_KEY, Header, STATE_KEY, STATE_MAPS_KEY};
use crate::codec::DecodeError;
use crate::exchange::json_write::{self, Object, Spacing};
use crate::model::id::IdRef;

/// One key of collector state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateGroup<'a> {
    /// An encoded value.
    Value(&'a [u8]),
    /// The entries of a map, with their encoded values.
    Map(Vec<(IdRef<'a>, &'a [u8])>),
}

/// Appends the start of a document, up to where the object `graph` goes.
pub fn write_header(header: Header, out: &mut Vec<u8>) {
    let bool = |truth: bool| if truth { "true" } else { "false" };
    let (directed, multigraph) = (bool(header.directed), bool(header.multigraph));
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
