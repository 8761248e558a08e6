//! What a NetworkX graph has that the log has not: both are gone through side by side, and what is the same costs a look.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use snaplog::codec::Encoder;
use snaplog::model::graph::AttrsView;
use snaplog::model::position::NodeOrd;
use snaplog::{Event, Graph, Id, Value};

use crate::entries::entries;
use crate::session::Writer;
use crate::sync::{Parts, graph_attrs};
use crate::values::{About, Converter, id};

/// With more news than this they are not kept in memory: the whole graph is told to the log, which finds out by itself.
const MOST: usize = 1 << 16;

/// What is new.
pub(crate) struct News {
    /// The events that tell the log of it. Every value in them can be stored.
    pub(crate) events: Vec<Event>,
    /// How many entities were looked at.
    pub(crate) looked_at: u64,
}

/// What `parts` have that `graph` has not. `None`: that is too much to be kept in memory.
pub(crate) fn news(writer: &Writer, graph: &mut Graph, parts: &Parts<'_>) -> PyResult<Option<News>> {
    let mut search = Search {
        converter: writer.converter(),
        scratch: Encoder::new(),
        names: HashMap::new(),
        news: News { events: Vec::new(), looked_at: 0 },
    };
    let attrs = graph_attrs(&mut search.converter, parts)?;
    if !attrs.is_empty() {
        search.news.looked_at = 1;
        search.news.events.push(Event::PutGraph { attrs });
    }
    let births = search.nodes(graph, parts)?;
    if let Some(births) = births
        && search.edges(writer, graph, parts, &births)?
    {
        return Ok(Some(search.news));
    }
    Ok(None)
}

/// Where nodes are: by their object in the NetworkX graph, their place among the nodes; by that, their birth number.
struct Births<'py> {
    places: Bound<'py, PyDict>,
    ords: Vec<Option<NodeOrd>>,
}

impl Births<'_> {
    fn place(&self, node: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
        self.places.get_item(node)?.map(|place| place.extract()).transpose()
    }

    fn ord(&self, place: Option<usize>) -> Option<NodeOrd> {
        self.ords.get(place?).copied().flatten()
    }
}

/// A name of attributes.
struct Name<'py> {
    _object: Bound<'py, PyAny>,
    text: String,
    /// The last value under this name, and its encoding.
    last: Option<(Bound<'py, PyAny>, Vec<u8>)>,
}

struct Search<'py> {
    converter: Converter,
    scratch: Encoder,
    /// Names of attributes by their objects' addresses: an object that is held here keeps its address.
    names: HashMap<usize, Name<'py>>,
    news: News,
}

impl<'py> Search<'py> {
    fn nodes(&mut self, graph: &mut Graph, parts: &Parts<'py>) -> PyResult<Option<Births<'py>>> {
        let mut births = Births { places: PyDict::new(parts.nodes.py()), ords: Vec::new() };
        for entry in entries(&parts.nodes) {
            let (node, attrs) = entry?;
            let attrs = attrs.cast::<PyDict>()?;
            let id = id(&node, "a node's id")?;
            let ord = graph.node_ord(id.as_ref());
            let known = ord.and_then(|ord| graph.node_at(ord)).map(|node| node.attrs());
            if !self.is_known(attrs, known, About::Node(&node))? {
                let attrs = self.converter.attrs(attrs, About::Node(&node))?;
                self.news.events.push(Event::PutNode { id, attrs });
            }
            births.places.set_item(&node, births.ords.len())?;
            births.ords.push(ord);
            if self.is_too_much() {
                return Ok(None);
            }
        }
        Ok(Some(births))
    }

    /// Whether all edges were looked at.
    fn edges(
        &mut self,
        writer: &Writer,
        graph: &mut Graph,
        parts: &Parts<'py>,
        births: &Births<'_>,
    ) -> PyResult<bool> {
        let kind = writer.kind();
        for entry in entries(&parts.adj) {
            let (u, neighbours) = entry?;
            let from = births.place(&u)?;
            let src = births.ord(from);
            for entry in entries(neighbours.cast::<PyDict>()?) {
                let (v, edge) = entry?;
                let to = births.place(&v)?;
                // Each edge of an undirected graph is listed under both of its ends.
                if !kind.directed && to < from {
                    continue;
                }
                let ends = src.zip(births.ord(to));
                let edge = edge.cast_into::<PyDict>()?;
                if !kind.multigraph {
                    self.edge(graph, (&u, &v), ends, None, &edge)?;
                    continue;
                }
                for entry in entries(&edge) {
                    let (key, edge) = entry?;
                    let key = id(&key, "an edge's key")?;
                    self.edge(graph, (&u, &v), ends, Some(key), edge.cast::<PyDict>()?)?;
                }
            }
            if self.is_too_much() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn edge(
        &mut self,
        graph: &mut Graph,
        (u, v): (&Bound<'py, PyAny>, &Bound<'py, PyAny>),
        ends: Option<(NodeOrd, NodeOrd)>,
        key: Option<Id>,
        attrs: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        let known = ends.and_then(|(src, dst)| graph.edge_between(src, dst, key.as_ref().map(Id::as_ref)));
        if !self.is_known(attrs, known.map(|edge| edge.attrs()), About::Edge(u, v))? {
            let (src, dst) = (id(u, "a node's id")?, id(v, "a node's id")?);
            let attrs = self.converter.attrs(attrs, About::Edge(u, v))?;
            self.news.events.push(Event::PutEdge { src, dst, key, attrs });
        }
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        self.news.events.len() > MOST || self.converter.bytes > MOST.saturating_mul(1 << 10)
    }

    /// Whether an entity is there, with all of these attributes.
    fn is_known(
        &mut self,
        attrs: &Bound<'py, PyDict>,
        known: Option<AttrsView<'_>>,
        about: About<'_, 'py>,
    ) -> PyResult<bool> {
        self.news.looked_at = self.news.looked_at.saturating_add(1);
        let Some(known) = known else { return Ok(false) };
        // Names mostly come in the order in which they came up first, which is that of the log.
        let mut next = known.iter();
        for entry in entries(attrs) {
            let (name, value) = entry?;
            let address = name.as_ptr().addr();
            if !self.names.contains_key(&address) {
                if self.names.len() > MOST {
                    self.names.clear();
                }
                let text = self.converter.name(&name, about)?;
                self.names.insert(address, Name { _object: name, text, last: None });
            }
            let Some(name) = self.names.get_mut(&address) else { return Ok(false) };
            let stored = match next.next() {
                Some((stored_name, stored)) if stored_name == name.text => Some(stored),
                _ => {
                    known.iter().find(|(stored_name, _)| *stored_name == name.text).map(|(_, stored)| stored)
                }
            };
            let Some(stored) = stored else { return Ok(false) };
            if let Some((last, encoded)) = &name.last
                && last.is(&value)
            {
                if encoded != stored {
                    return Ok(false);
                }
                continue;
            }
            let before = self.converter.bytes;
            let taken = self.converter.one(&value, about, &name.text)?;
            self.converter.bytes = before;
            self.scratch.clear();
            taken.encode(&mut self.scratch);
            if self.scratch.as_slice() != stored {
                return Ok(false);
            }
            // One object often is the value of many entities. A list or a dict may be changed from one to the next.
            if !matches!(taken, Value::List(_) | Value::Map(_)) && stored.len() < 64 {
                name.last = Some((value, stored.to_vec()));
            }
        }
        Ok(true)
    }
}
