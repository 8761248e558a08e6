//! `Log.sync(G)`: a NetworkX graph is gone through, and what it has and the log has not is put.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet, PyString};
use snaplog::{Attrs, Event, Id};

use crate::compare::{News, news};
use crate::entries::entries;
use crate::errors::OrRaise;
use crate::queue::Queue;
use crate::session::Writer;
use crate::values::{About, Converter, id, id_object, is_long};

/// What `snaplog.restore` leaves in the attributes of a graph; it is not one of the graph's own.
const OWN_NAME: &str = "snaplog";

/// A NetworkX graph's dictionaries.
pub(crate) struct Parts<'py> {
    pub(crate) graph: Bound<'py, PyDict>,
    pub(crate) nodes: Bound<'py, PyDict>,
    pub(crate) adj: Bound<'py, PyDict>,
}

/// Puts what `graph` has and the log has not; with `remove` takes away what it has not. How many events changed
/// something, and how many did not. Nothing is written if `graph` holds a value that no log can hold.
pub(crate) fn sync(
    writer: &Writer,
    py: Python<'_>,
    graph: &Bound<'_, PyAny>,
    remove: bool,
) -> PyResult<(u64, u64)> {
    let queue = writer.opened(py)?;
    let parts = Parts {
        graph: graph.getattr("graph")?.cast_into()?,
        nodes: graph.getattr("_node")?.cast_into()?,
        adj: graph.getattr("_adj")?.cast_into()?,
    };
    py.detach(|| queue.flush()).or_raise(py)?;
    let before = queue.written();
    let looked = queue.in_order_attached(py, |log| log.with_graph(|graph| news(writer, graph, &parts)));
    let found = looked.or_raise(py)??;
    let mut told = if let Some(News { events, looked_at }) = found {
        let nothing = Converter::default();
        for event in events {
            writer.take(py, event, &nothing, false)?;
        }
        looked_at
    } else {
        check(writer, &parts)?;
        put(writer, py, &parts)?
    };
    py.detach(|| queue.flush()).or_raise(py)?;
    if remove {
        told = told.saturating_add(take_away(writer, py, queue, &parts)?);
        py.detach(|| queue.flush()).or_raise(py)?;
    }
    let written = queue.written().saturating_sub(before);
    Ok((written, told.saturating_sub(written)))
}

/// Goes through every edge: `u`, `v`, the key if there are parallel ones, the attributes. In an undirected graph each
/// edge once.
fn each_edge<'py>(
    writer: &Writer,
    parts: &Parts<'py>,
    mut work: impl FnMut(
        &Bound<'py, PyAny>,
        &Bound<'py, PyAny>,
        Option<&Bound<'py, PyAny>>,
        &Bound<'py, PyDict>,
    ) -> PyResult<()>,
) -> PyResult<()> {
    let kind = writer.kind();
    let seen = PySet::empty(parts.adj.py())?;
    for entry in entries(&parts.adj) {
        let (u, neighbours) = entry?;
        for entry in entries(neighbours.cast::<PyDict>()?) {
            let (v, edge) = entry?;
            if !kind.directed && seen.contains(&v)? {
                continue;
            }
            let edge = edge.cast_into::<PyDict>()?;
            if !kind.multigraph {
                work(&u, &v, None, &edge)?;
                continue;
            }
            for entry in entries(&edge) {
                let (key, edge) = entry?;
                work(&u, &v, Some(&key), &edge.cast_into::<PyDict>()?)?;
            }
        }
        if !kind.directed {
            seen.add(u)?;
        }
    }
    Ok(())
}

/// That every value and id can be stored.
fn check(writer: &Writer, parts: &Parts<'_>) -> PyResult<()> {
    let mut converter = writer.converter();
    graph_attrs(&mut converter, parts)?;
    for entry in entries(&parts.nodes) {
        let (node, attrs) = entry?;
        converter.check_id(&node, "a node's id")?;
        converter.check(attrs.cast::<PyDict>()?, About::Node(&node))?;
    }
    each_edge(writer, parts, |u, v, key, attrs| {
        if let Some(key) = key {
            converter.check_id(key, "an edge's key")?;
        }
        converter.check(attrs, About::Edge(u, v))
    })
}

pub(crate) fn graph_attrs(converter: &mut Converter, parts: &Parts<'_>) -> PyResult<Attrs> {
    let mut attrs = Attrs::new();
    for entry in entries(&parts.graph) {
        let (name, value) = entry?;
        let name = converter.name(&name, About::Graph)?;
        if name != OWN_NAME {
            let value = converter.one(&value, About::Graph, &name)?;
            attrs.push((name, value));
        }
    }
    Ok(attrs)
}

/// Puts everything; how many events that took.
fn put(writer: &Writer, py: Python<'_>, parts: &Parts<'_>) -> PyResult<u64> {
    let mut told = 0_u64;
    let mut converter = writer.converter();
    let attrs = graph_attrs(&mut converter, parts)?;
    if !attrs.is_empty() {
        writer.take(py, Event::PutGraph { attrs }, &converter, false)?;
        told = told.saturating_add(1);
    }
    for entry in entries(&parts.nodes) {
        let (node, attrs) = entry?;
        let mut converter = writer.converter();
        let id = id(&node, "a node's id")?;
        let attrs = converter.attrs(attrs.cast::<PyDict>()?, About::Node(&node))?;
        let long = is_long(&id);
        writer.take(py, Event::PutNode { id, attrs }, &converter, long)?;
        told = told.saturating_add(1);
    }
    each_edge(writer, parts, |u, v, key, attrs| {
        let mut converter = writer.converter();
        let (src, dst) = (id(u, "a node's id")?, id(v, "a node's id")?);
        let key = key.map(|key| id(key, "an edge's key")).transpose()?;
        let attrs = converter.attrs(attrs, About::Edge(u, v))?;
        let long = is_long(&src) || is_long(&dst) || key.as_ref().is_some_and(is_long);
        told = told.saturating_add(1);
        writer.take(py, Event::PutEdge { src, dst, key, attrs }, &converter, long)
    })?;
    Ok(told)
}

/// What the log has of an entity: how it is named, and the names of its attributes.
struct Known {
    ends: (Id, Option<Id>),
    key: Option<Id>,
    names: Vec<String>,
}

/// Takes away what the log has and the graph has not; how many events that took.
fn take_away(writer: &Writer, py: Python<'_>, queue: &Queue, parts: &Parts<'_>) -> PyResult<u64> {
    let mut gone: Vec<Event> = Vec::new();
    let (nodes, edges, names) = py.detach(|| known(queue)).or_raise(py)?;
    let missing = |names: &[String], attrs: &Bound<'_, PyDict>| -> PyResult<Vec<String>> {
        if names.len() == attrs.len() {
            // After the put it has all of the graph's: as many are the same ones.
            return Ok(Vec::new());
        }
        let mut missing = Vec::new();
        for name in names {
            if !attrs.contains(PyString::new(py, name))? {
                missing.push(name.clone());
            }
        }
        Ok(missing)
    };
    for Known { ends: (node, _), names, .. } in nodes {
        match parts.nodes.get_item(id_object(py, node.as_ref())?)? {
            None => gone.push(Event::DeleteNode { id: node }),
            Some(attrs) => {
                let names = missing(&names, attrs.cast::<PyDict>()?)?;
                if !names.is_empty() {
                    gone.push(Event::UnsetNode { id: node, names });
                }
            }
        }
    }
    let names: Vec<String> = {
        let has = |name: &String| parts.graph.contains(PyString::new(py, name)).unwrap_or(true);
        names.into_iter().filter(|name| !has(name)).collect()
    };
    if !names.is_empty() {
        gone.push(Event::UnsetGraph { names });
    }
    for Known { ends: (src, dst), key, names } in edges {
        let Some(dst) = dst else { continue };
        let (u, v) = (id_object(py, src.as_ref())?, id_object(py, dst.as_ref())?);
        let Some(neighbours) = parts.adj.get_item(&u)? else { continue };
        if !parts.nodes.contains(&v)? {
            continue;
        }
        let mut found = neighbours.cast::<PyDict>()?.get_item(&v)?;
        if let (Some(key), Some(parallel)) = (&key, &found) {
            found = parallel.cast::<PyDict>()?.get_item(id_object(py, key.as_ref())?)?;
        }
        match found {
            None => gone.push(Event::DeleteEdge { src, dst, key }),
            Some(attrs) => {
                let names = missing(&names, attrs.cast::<PyDict>()?)?;
                if !names.is_empty() {
                    gone.push(Event::UnsetEdge { src, dst, key, names });
                }
            }
        }
    }
    let told = u64::try_from(gone.len()).unwrap_or(u64::MAX);
    let nothing = Converter::default();
    for event in gone {
        writer.take(py, event, &nothing, false)?;
    }
    Ok(told)
}

/// Everything that the log has: nodes, edges, names of attributes of the graph.
fn known(queue: &Queue) -> snaplog::Result<(Vec<Known>, Vec<Known>, Vec<String>)> {
    queue.in_order(|writer| {
        writer.with_graph(|graph| {
            let names = |attrs: snaplog::model::graph::AttrsView<'_>| {
                attrs.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
            };
            let nodes = graph.nodes().map(|node| Known {
                ends: (node.id().to_id(), None),
                key: None,
                names: names(node.attrs()),
            });
            let edges = graph.edges().map(|edge| Known {
                ends: (edge.src().to_id(), Some(edge.dst().to_id())),
                key: edge.key().map(snaplog::IdRef::to_id),
                names: names(edge.attrs()),
            });
            (nodes.collect(), edges.collect(), names(graph.attrs()))
        })
    })
}
