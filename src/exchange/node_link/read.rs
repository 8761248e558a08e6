//! A document into events.

use std::collections::HashSet;

use super::keys::{EdgeKeys, has_edges_without_key};
use super::path::path_to;
use super::state::read_state;
use super::{ABOUT_KEY, STATE_KEY, STATE_MAPS_KEY};
use crate::exchange::fault::{self, Failure, Fallible, Fault, JsonError, Place};
use crate::exchange::json_read::{KeyAt, Names, Reader};
use crate::model::event::{Attrs, Event};
use crate::model::id::Id;
use crate::model::marker::GraphKind;

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeLinkItem {
    /// What kind of graph it is. Comes first and once.
    Header(GraphKind),
    /// Attributes of the graph, then nodes, then edges, then collector state.
    Event(Event),
}

/// What a document held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Elements of `nodes`.
    pub nodes: u64,
    /// Elements of `edges`.
    pub edges: u64,
    /// Top-level keys that mean nothing to NetworkX or to us, and were passed over.
    pub ignored: Vec<String>,
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}: {fault}", of_path(.path))]
pub struct NodeLinkError {
    /// Line and column.
    pub place: Place,
    /// The way to it from the top: `nodes[3].id`; empty at the top.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
}

fn of_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" ({path})") }
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError<E: std::error::Error + 'static> {
    /// The document is at fault.
    #[error(transparent)]
    Document(Box<NodeLinkError>),
    /// The receiver refused an item.
    #[error("{place}{}", of_path(.path))]
    Refused {
        /// Line and column of the item.
        place: Place,
        /// The way to it from the top.
        path: String,
        /// What the receiver said.
        source: E,
    },
}

/// Reads a document and hands its pieces to `sink`: the header, attributes of the graph, nodes, edges, collector
/// state, whatever order they stand in. A document that does not say whether it is directed, or a multigraph, is
/// as `unstated` has it: that is usually the kind of graph that it is to go into (NetworkX takes an undirected
/// multigraph).
///
/// A multigraph's edges without a key are numbered as NetworkX would in an empty graph, so each reading of the
/// same document gives the same keys. A node without an id has its index for one, as in NetworkX.
///
/// Nothing is delivered from a document that is not JSON to its end; a fault in what the JSON says (an id that is
/// none, a key twice, text that is not UTF-8) stops the reading after what stands before it.
///
/// # Errors
/// [`ReadError::Document`] for a document that is not node-link JSON; [`ReadError::Refused`] for an item that
/// `sink` refused.
pub fn read<E: std::error::Error + 'static>(
    document: &[u8],
    unstated: GraphKind,
    sink: &mut dyn FnMut(NodeLinkItem) -> Result<(), E>,
) -> Result<Summary, ReadError<E>> {
    read_all(document, unstated, sink).map_err(|stop| match stop {
        Stop::Json(error) => {
            let JsonError { offset, fault } = *error.0;
            let offset = fault::index(offset);
            let (place, path) = (Place::find(document, offset), path_to(document, offset));
            ReadError::Document(Box::new(NodeLinkError { place, path, fault }))
        }
        Stop::Refused { offset, source } => {
            let (place, path) = (Place::find(document, offset), path_to(document, offset));
            ReadError::Refused { place, path, source }
        }
    })
}

/// Why reading stopped, with an offset for a place.
pub(super) enum Stop<E> {
    Json(Failure),
    Refused { offset: usize, source: E },
}

impl<E> From<Failure> for Stop<E> {
    fn from(error: Failure) -> Self {
        Self::Json(error)
    }
}

fn read_all<E>(
    document: &[u8],
    unstated: GraphKind,
    sink: &mut dyn FnMut(NodeLinkItem) -> Result<(), E>,
) -> Result<Summary, Stop<E>> {
    let sections = Sections::find(document)?;
    let header = GraphKind {
        directed: sections.directed.unwrap_or(unstated.directed),
        multigraph: sections.multigraph.unwrap_or(unstated.multigraph),
    };
    let mut deliver = |offset: usize, item| sink(item).map_err(|source| Stop::Refused { offset, source });
    deliver(sections.start, NodeLinkItem::Header(header))?;
    let mut state = None;
    if let Some(mut reader) = sections.graph {
        let offset = reader.offset();
        let graph = GraphSection::read(&mut reader)?;
        if !graph.attrs.is_empty() {
            deliver(offset, NodeLinkItem::Event(Event::PutGraph { attrs: graph.attrs }))?;
        }
        state = graph.state.map(|state| (state, graph.maps));
    }
    let (mut nodes, mut edges) = (0_u64, 0_u64);
    let mut reader = sections.nodes;
    reader.expect_list("a list for \"nodes\"")?;
    let mut first = true;
    while reader.item(&mut first)? {
        let offset = reader.offset();
        let event = node(&mut reader, nodes)?;
        deliver(offset, NodeLinkItem::Event(event))?;
        nodes = nodes.saturating_add(1);
    }
    let mut reader = sections.edges;
    reader.expect_list("a list for the edges")?;
    let mut keys = if header.multigraph && has_edges_without_key(reader.clone())? {
        Some(EdgeKeys::new(header.directed))
    } else {
        None
    };
    let mut first = true;
    while reader.item(&mut first)? {
        let offset = reader.offset();
        let event = edge(&mut reader, header.multigraph, keys.as_mut())?;
        deliver(offset, NodeLinkItem::Event(event))?;
        edges = edges.saturating_add(1);
    }
    if let Some((mut state, maps)) = state {
        read_state(&mut state, &maps, &mut |offset, event| deliver(offset, NodeLinkItem::Event(event)))?;
    }
    Ok(Summary { nodes, edges, ignored: sections.ignored })
}

/// The parts of a document, each a reader that stands before it.
struct Sections<'j> {
    start: usize,
    directed: Option<bool>,
    multigraph: Option<bool>,
    graph: Option<Reader<'j>>,
    nodes: Reader<'j>,
    edges: Reader<'j>,
    ignored: Vec<String>,
}

impl<'j> Sections<'j> {
    fn find(document: &'j [u8]) -> Fallible<Self> {
        let mut reader = Reader::new(document);
        reader.expect_object("an object with \"nodes\" and \"edges\"")?;
        let start = reader.offset();
        let (mut directed, mut multigraph) = (None, None);
        let (mut graph, mut nodes, mut edges, mut links) = (None, None, None, None);
        let (mut ignored, mut seen, mut first) = (Vec::new(), HashSet::new(), true);
        while let Some((name, at)) = reader.name(&mut first)? {
            if seen.contains(&name) {
                return Err(at.duplicate(&reader, name));
            }
            reader.peek()?;
            let here = reader.clone();
            match name.as_str() {
                "directed" => directed = Some(reader.bool("true or false for \"directed\"")?),
                "multigraph" => multigraph = Some(reader.bool("true or false for \"multigraph\"")?),
                "graph" => graph = Some(here),
                "nodes" => nodes = Some(here),
                "edges" => edges = Some(here),
                "links" => links = Some(here),
                _ => ignored.push(name.clone()),
            }
            if !matches!(name.as_str(), "directed" | "multigraph") {
                reader.skip()?;
            }
            seen.insert(name);
        }
        reader.finish()?;
        if edges.is_some() && links.is_some() {
            ignored.push("links".to_owned());
        }
        let missing = |needs: &str| {
            fault::at(start, Fault::Missing { of: "a node-link document".into(), needs: needs.into() })
        };
        Ok(Self {
            start,
            directed,
            multigraph,
            graph,
            nodes: nodes.ok_or_else(|| missing("\"nodes\""))?,
            edges: edges.or(links).ok_or_else(|| missing("\"edges\" (or \"links\")"))?,
            ignored,
        })
    }
}

/// The object `graph`: attributes, and where the collector state is.
struct GraphSection<'j> {
    attrs: Attrs,
    state: Option<Reader<'j>>,
    maps: HashSet<String>,
}

impl<'j> GraphSection<'j> {
    fn read(reader: &mut Reader<'j>) -> Fallible<Self> {
        reader.expect_object("an object for \"graph\"")?;
        let (mut attrs, mut names, mut first) = (Attrs::new(), Names::default(), true);
        let (mut state, mut maps, mut about) = (None, None, false);
        while let Some((name, at)) = reader.name(&mut first)? {
            let new = match name.as_str() {
                STATE_KEY => {
                    reader.expect_object("an object of collector state")?;
                    let new = state.replace(reader.clone()).is_none();
                    reader.skip()?;
                    new
                }
                STATE_MAPS_KEY => {
                    let list = reader.names("a list of the names of state maps")?;
                    maps.replace(list.into_iter().collect()).is_none()
                }
                ABOUT_KEY => {
                    reader.skip()?;
                    !std::mem::replace(&mut about, true)
                }
                _ if names.is_new(&attrs, &name) => {
                    attrs.push((name, reader.value()?));
                    continue;
                }
                _ => false,
            };
            if !new {
                return Err(at.duplicate(reader, name));
            }
        }
        Ok(Self { attrs, state, maps: maps.unwrap_or_default() })
    }
}

fn node(reader: &mut Reader<'_>, index: u64) -> Fallible<Event> {
    reader.expect_object("an object for a node")?;
    let (mut attrs, mut names, mut id, mut first) = (Attrs::new(), Names::default(), None, true);
    while let Some((name, at)) = reader.name(&mut first)? {
        if name == "id" {
            put_once(reader, &mut id, name, at, |reader| reader.id("id"))?;
        } else {
            attribute(reader, &mut attrs, &mut names, name, at)?;
        }
    }
    let id = id.unwrap_or_else(|| Id::Int(i64::try_from(index).unwrap_or(i64::MAX)));
    Ok(Event::PutNode { id, attrs })
}

fn edge(reader: &mut Reader<'_>, multigraph: bool, keys: Option<&mut EdgeKeys>) -> Fallible<Event> {
    reader.expect_object("an object for an edge")?;
    let start = reader.offset();
    let (mut attrs, mut names, mut first) = (Attrs::new(), Names::default(), true);
    let (mut src, mut dst, mut key) = (None, None, None);
    while let Some((name, at)) = reader.name(&mut first)? {
        match name.as_str() {
            "source" => put_once(reader, &mut src, name, at, |reader| reader.id("source"))?,
            "target" => put_once(reader, &mut dst, name, at, |reader| reader.id("target"))?,
            "key" if multigraph => put_once(reader, &mut key, name, at, |reader| {
                Ok(if reader.null()? { None } else { Some(reader.id("key")?) })
            })?,
            _ => attribute(reader, &mut attrs, &mut names, name, at)?,
        }
    }
    let missing =
        |needs: &str| fault::at(start, Fault::Missing { of: "an edge".into(), needs: format!("{needs:?}") });
    let src = src.ok_or_else(|| missing("source"))?;
    let dst = dst.ok_or_else(|| missing("target"))?;
    let key = match keys {
        Some(keys) => Some(keys.number(&src, &dst, key.flatten())),
        None => key.flatten(),
    };
    Ok(Event::PutEdge { src, dst, key, attrs })
}

fn attribute(
    reader: &mut Reader<'_>,
    attrs: &mut Attrs,
    names: &mut Names,
    name: String,
    at: KeyAt,
) -> Fallible<()> {
    if !names.is_new(attrs, &name) {
        return Err(at.duplicate(reader, name));
    }
    attrs.push((name, reader.value()?));
    Ok(())
}

fn put_once<'j, T>(
    reader: &mut Reader<'j>,
    to: &mut Option<T>,
    name: String,
    at: KeyAt,
    read: impl FnOnce(&mut Reader<'j>) -> Fallible<T>,
) -> Fallible<()> {
    if to.is_some() {
        return Err(at.duplicate(reader, name));
    }
    *to = Some(read(reader)?);
    Ok(())
}
