//! A graph of the log as a NetworkX graph: its dictionaries are filled, edge after edge, without a call into NetworkX.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use snaplog::exchange::edges_by_slot;
use snaplog::model::graph::Graph as Live;
use snaplog::model::position::NodeOrd;
use snaplog::{Graph, Id, IdRef, Value};

use crate::errors::OrRaise;
use crate::queue::Queue;
use crate::values::{encoded_object, id_object, object};

/// What the collector's state holds: key, entry if it is one of a map, value.
pub(crate) type Items = Vec<(String, Option<Id>, Value)>;

/// The collector's state.
pub(crate) fn items(graph: &Live) -> Items {
    let item = |item: snaplog::model::graph::ItemView<'_>| {
        (item.key().to_owned(), item.entry().map(IdRef::to_id), item.value())
    };
    graph.items().map(item).collect()
}

/// State as `{"values": {key: value}, "maps": {key: {entry: value}}}`.
pub(crate) fn state<'py>(py: Python<'py>, items: &Items) -> PyResult<Bound<'py, PyDict>> {
    let (values, maps) = (PyDict::new(py), PyDict::new(py));
    let mut open: HashMap<&str, Bound<'py, PyDict>> = HashMap::new();
    for (key, entry, value) in items {
        let value = object(py, value)?;
        let Some(entry) = entry else {
            values.set_item(key, value)?;
            continue;
        };
        if !open.contains_key(key.as_str()) {
            let map = PyDict::new(py);
            maps.set_item(key, &map)?;
            open.insert(key, map);
        }
        if let Some(map) = open.get(key.as_str()) {
            map.set_item(id_object(py, entry.as_ref())?, value)?;
        }
    }
    let both = PyDict::new(py);
    both.set_item("values", values)?;
    both.set_item("maps", maps)?;
    Ok(both)
}

/// Fills `graph` with what a writer has in memory.
pub(crate) fn live(py: Python<'_>, queue: &Queue, graph: &Bound<'_, PyAny>) -> PyResult<()> {
    let filled = queue.in_order_attached(py, |writer| writer.with_graph(|live| fill(py, live, graph)));
    filled.or_raise(py)?
}

/// Fills the dictionaries of an empty NetworkX graph of the same kind.
pub(crate) fn fill(py: Python<'_>, from: &Graph, to: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut names = Names::default();
    let attrs: Bound<'_, PyDict> = to.getattr("graph")?.cast_into()?;
    names.put(py, from.attrs(), &attrs)?;

    let nodes: Bound<'_, PyDict> = to.getattr("_node")?.cast_into()?;
    let adj: Bound<'_, PyDict> = to.getattr("_adj")?.cast_into()?;
    let directed = from.kind().directed;
    let pred: Option<Bound<'_, PyDict>> =
        if directed { Some(to.getattr("_pred")?.cast_into()?) } else { None };

    let mut rows = Rows::new(from);
    for node in from.nodes() {
        let id = id_object(py, node.id())?;
        let data = PyDict::new(py);
        names.put(py, node.attrs(), &data)?;
        nodes.set_item(&id, data)?;
        let out = PyDict::new(py);
        adj.set_item(&id, &out)?;
        let into = match &pred {
            Some(pred) => {
                let into = PyDict::new(py);
                pred.set_item(&id, &into)?;
                into
            }
            None => out.clone(),
        };
        rows.push(node.ord(), Row { id, out, into });
    }

    let multigraph = from.kind().multigraph;
    let mut edge = |edge: snaplog::model::graph::EdgeView<'_>| -> PyResult<()> {
        let (Some(src), Some(dst)) = (rows.get(edge.src_ord()), rows.get(edge.dst_ord())) else {
            return Ok(());
        };
        let data = PyDict::new(py);
        names.put(py, edge.attrs(), &data)?;
        if !multigraph {
            src.out.set_item(&dst.id, &data)?;
            return dst.into.set_item(&src.id, data);
        }
        let Some(key) = edge.key() else { return Ok(()) };
        let key = id_object(py, key)?;
        if let Some(parallel) = src.out.get_item(&dst.id)? {
            return parallel.set_item(key, data);
        }
        let parallel = PyDict::new(py);
        parallel.set_item(key, data)?;
        src.out.set_item(&dst.id, &parallel)?;
        dst.into.set_item(&src.id, parallel)
    };
    if multigraph {
        // Neighbours are listed by slot, and a slot may be older than the edges that are left in it.
        edges_by_slot(from).into_iter().filter_map(|ord| from.edge_at(ord)).try_for_each(&mut edge)
    } else {
        from.edges().try_for_each(&mut edge)
    }
}

struct Row<'py> {
    id: Bound<'py, PyAny>,
    out: Bound<'py, PyDict>,
    into: Bound<'py, PyDict>,
}

/// Nodes by birth number.
struct Rows<'py> {
    places: Vec<u32>,
    rows: Vec<Row<'py>>,
}

impl<'py> Rows<'py> {
    fn new(graph: &Graph) -> Self {
        let births = usize::try_from(graph.ordinals().node.0).unwrap_or(usize::MAX);
        Self { places: vec![u32::MAX; births], rows: Vec::new() }
    }

    fn push(&mut self, ord: NodeOrd, row: Row<'py>) {
        if let Some(place) = usize::try_from(ord.0).ok().and_then(|at| self.places.get_mut(at)) {
            *place = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            self.rows.push(row);
        }
    }

    fn get(&self, ord: NodeOrd) -> Option<&Row<'py>> {
        let place = self.places.get(usize::try_from(ord.0).ok()?)?;
        self.rows.get(usize::try_from(*place).ok()?)
    }
}

/// Names of attributes: one object of Python's for each.
#[derive(Default)]
struct Names<'py> {
    known: HashMap<String, Bound<'py, PyString>>,
}

impl<'py> Names<'py> {
    fn put(
        &mut self,
        py: Python<'py>,
        attrs: snaplog::model::graph::AttrsView<'_>,
        to: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        for (name, value) in attrs.iter() {
            let value = encoded_object(py, value)?;
            if let Some(known) = self.known.get(name) {
                to.set_item(known, value)?;
                continue;
            }
            let new = PyString::intern(py, name);
            to.set_item(&new, value)?;
            self.known.insert(name.to_owned(), new);
        }
        Ok(())
    }
}
