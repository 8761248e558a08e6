//! A session that writes.

use std::collections::HashMap;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use snaplog::policy::config::{Config, Durability};
use snaplog::remote::Following;
use snaplog::storage::LocalStorage;
use snaplog::{Error, Event, GraphKind, Id, Log, MarkOptions, MarkerId, Result, Timestamp};

use crate::errors::{OrRaise, own};
use crate::keys::{init, open_local};
use crate::queue::Queue;
use crate::values::{About, Converter, id, is_long, object};
use crate::{config, fill, markers, remote, sync};

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
/// The process was forked off from the one that opened the log.
const FORKED: u8 = 2;

/// Events that may together, or one of which may, be beyond a bound of the log are not queued: the caller is to be told.
const MAY_BE_TOO_LARGE: usize = 1 << 20;

/// One session that writes to a log; the base of `snaplog.Log`, which has the words for people.
#[pyclass(subclass, frozen, module = "snaplog._native")]
pub(crate) struct Writer {
    queue: Option<Arc<Queue>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    state: AtomicU8,
    log: Log,
    kind: GraphKind,
    iso: bool,
    /// Every event is durable before its call returns.
    each: bool,
    /// Whether it was told that tuples become lists.
    noted_tuples: AtomicBool,
    /// The time that events and markers are given, if it is not the clock's.
    time: Mutex<Option<Timestamp>>,
    batches: Mutex<HashMap<ThreadId, Vec<Event>>>,
    /// Remote copies that are kept up with what is written.
    following: Mutex<Option<Following>>,
    open_batches: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Writer {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    #[pyo3(signature = (path, *, directed=None, multigraph=None, create=true, settings=None, iso=false, recipients=vec![]))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        directed: Option<bool>,
        multigraph: Option<bool>,
        create: bool,
        settings: Option<&str>,
        iso: bool,
        recipients: Vec<String>,
    ) -> PyResult<Self> {
        let wanted = (directed, multigraph);
        let (log, writer, config) =
            py.detach(|| open(path, wanted, create, settings, &recipients)).or_raise(py)?;
        let kind = log.kind();
        if directed.is_some_and(|d| d != kind.directed) || multigraph.is_some_and(|m| m != kind.multigraph) {
            let _ = py.detach(|| writer.close());
            let message = format!("{} holds {}, not what was asked for", log.location(), name_of(kind));
            let hint = "leave out directed= and multigraph= to open it as it is, or take another path";
            return Err(own(py, "RefusedError", "other-kind", &message, Some(hint)));
        }
        let (following, refused) = remote::follow(&log, &config);
        remote::warn(py, &refused)?;
        let (queue, thread) = Queue::start(writer);
        Ok(Self {
            queue: Some(queue),
            thread: Mutex::new(thread),
            state: AtomicU8::new(OPEN),
            log,
            kind,
            iso,
            each: config.durability == Durability::Each,
            noted_tuples: AtomicBool::new(false),
            time: Mutex::new(None),
            batches: Mutex::default(),
            following: Mutex::new(following),
            open_batches: AtomicUsize::new(0),
        })
    }

    #[getter]
    fn path(&self) -> String {
        self.log.location()
    }

    #[getter]
    fn log_id(&self) -> String {
        self.log.id().to_string()
    }

    #[getter]
    fn directed(&self) -> bool {
        self.kind.directed
    }

    #[getter]
    fn multigraph(&self) -> bool {
        self.kind.multigraph
    }

    #[getter]
    fn closed(&self) -> bool {
        self.state.load(Ordering::Acquire) != OPEN
    }

    #[pyo3(signature = (node, attrs=None, /))]
    fn put_node(
        &self,
        py: Python<'_>,
        node: &Bound<'_, PyAny>,
        attrs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let mut converter = Converter::new(self.iso);
        let id = id(node, "a node's id")?;
        let attrs = attrs.map_or(Ok(Vec::new()), |attrs| converter.attrs(attrs, About::Node(node)))?;
        let long = is_long(&id);
        self.take(py, Event::PutNode { id, attrs }, &converter, long)
    }

    #[pyo3(signature = (node, /, **attrs))]
    fn add_node(
        &self,
        py: Python<'_>,
        node: &Bound<'_, PyAny>,
        attrs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        self.put_node(py, node, attrs)
    }

    #[pyo3(signature = (u, v, attrs=None, key=None, /))]
    fn put_edge<'py>(
        &self,
        py: Python<'py>,
        u: &Bound<'py, PyAny>,
        v: &Bound<'py, PyAny>,
        attrs: Option<&Bound<'py, PyDict>>,
        key: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut converter = Converter::new(self.iso);
        let (src, dst) = (id(u, "a node's id")?, id(v, "a node's id")?);
        let key_id = key.map(|key| id(key, "an edge's key")).transpose()?;
        let attrs = attrs.map_or(Ok(Vec::new()), |attrs| converter.attrs(attrs, About::Edge(u, v)))?;
        let long = is_long(&src) || is_long(&dst) || key_id.as_ref().is_some_and(is_long);
        if !self.kind.multigraph && key_id.is_some() {
            let message = format!("{} has a key, but the graph is not a multigraph", About::Edge(u, v));
            return Err(own(py, "RefusedError", "refused", &message, None));
        }
        let is_keyless = self.kind.multigraph && key_id.is_none();
        let event = Event::PutEdge { src, dst, key: key_id, attrs };
        if !is_keyless {
            self.take(py, event, &converter, long)?;
            return Ok(key.cloned());
        }
        if self.in_batch() {
            let hint = "give the edge a key, or add it outside of the batch";
            let message = "in a batch an edge of a multigraph needs its key: the next one is not known yet";
            return Err(own(py, "RefusedError", "refused", message, Some(hint)));
        }
        self.note_tuples(py, &converter)?;
        let queue = self.queue(py)?;
        let time = *lock(&self.time);
        let key = py.detach(|| {
            queue.in_order(|writer| {
                match time {
                    Some(time) => writer.append_at(&event, time)?,
                    None => writer.append(&event)?,
                };
                writer.with_graph(|graph| {
                    let newest = graph.ordinals().edge.0.checked_sub(1)?;
                    graph.edge_at(snaplog::model::position::EdgeOrd(newest))?.key().map(snaplog::IdRef::to_id)
                })
            })
        });
        match key.or_raise(py)? {
            Some(key) => crate::values::id_object(py, key.as_ref()).map(Some),
            None => Ok(None),
        }
    }

    #[pyo3(signature = (u, v, /, **attrs))]
    fn add_edge<'py>(
        &self,
        py: Python<'py>,
        u: &Bound<'py, PyAny>,
        v: &Bound<'py, PyAny>,
        attrs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut key = None;
        if self.kind.multigraph
            && let Some(attrs) = attrs
            && let Some(found) = attrs.get_item("key")?
        {
            attrs.del_item("key")?;
            key = (!found.is_none()).then_some(found);
        }
        self.put_edge(py, u, v, attrs, key.as_ref())
    }

    fn remove_node(&self, py: Python<'_>, node: &Bound<'_, PyAny>) -> PyResult<()> {
        self.now(py, Event::DeleteNode { id: id(node, "a node's id")? })
    }

    #[pyo3(signature = (u, v, /, key=None))]
    fn remove_edge(
        &self,
        py: Python<'_>,
        u: &Bound<'_, PyAny>,
        v: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (src, dst) = (id(u, "a node's id")?, id(v, "a node's id")?);
        let key = key.map(|key| id(key, "an edge's key")).transpose()?;
        self.now(py, Event::DeleteEdge { src, dst, key })
    }

    fn unset_node(&self, py: Python<'_>, node: &Bound<'_, PyAny>, names: Vec<String>) -> PyResult<()> {
        self.now(py, Event::UnsetNode { id: id(node, "a node's id")?, names })
    }

    #[pyo3(signature = (u, v, names, /, key=None))]
    fn unset_edge(
        &self,
        py: Python<'_>,
        u: &Bound<'_, PyAny>,
        v: &Bound<'_, PyAny>,
        names: Vec<String>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (src, dst) = (id(u, "a node's id")?, id(v, "a node's id")?);
        let key = key.map(|key| id(key, "an edge's key")).transpose()?;
        self.now(py, Event::UnsetEdge { src, dst, key, names })
    }

    fn unset_graph(&self, py: Python<'_>, names: Vec<String>) -> PyResult<()> {
        self.now(py, Event::UnsetGraph { names })
    }

    fn update_graph(&self, py: Python<'_>, attrs: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut converter = Converter::new(self.iso);
        let attrs = converter.attrs(attrs, About::Graph)?;
        self.note_tuples(py, &converter)?;
        self.now(py, Event::PutGraph { attrs })
    }

    fn graph_attrs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let attrs = self.read(py, |writer| writer.with_graph(|graph| graph.attrs().to_vec()))?;
        dict_of(py, &attrs)
    }

    #[pyo3(signature = (key, value, /, entry=None))]
    fn put_state(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        entry: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let mut converter = Converter::new(self.iso);
        let key = converter.name(key, About::State)?;
        let value = converter.one(value, About::State, &key)?;
        self.note_tuples(py, &converter)?;
        self.now(
            py,
            match entry {
                None => Event::PutState { key, value },
                Some(entry) => Event::PutEntry { key, entry: id(entry, "an entry of a map")?, value },
            },
        )
    }

    #[pyo3(signature = (key, /, entry=None))]
    fn delete_state(&self, py: Python<'_>, key: String, entry: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.now(
            py,
            match entry {
                None => Event::DeleteState { key },
                Some(entry) => Event::DeleteEntry { key, entry: id(entry, "an entry of a map")? },
            },
        )
    }

    /// `(True, value)`, or `(False, None)`.
    #[pyo3(signature = (key, /, entry=None))]
    fn get_state<'py>(
        &self,
        py: Python<'py>,
        key: String,
        entry: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        let entry = entry.map(|entry| id(entry, "an entry of a map")).transpose()?;
        let look = |graph: &mut snaplog::Graph| graph.state(&key, entry.as_ref()).map(|item| item.value());
        match self.read(py, |writer| writer.with_graph(look))? {
            Some(value) => Ok((true, Some(object(py, &value)?))),
            None => Ok((false, None)),
        }
    }

    /// Keys of values and their values, with a `map` the entries of that map, in the order of birth.
    #[pyo3(signature = (map=None))]
    fn state_items<'py>(&self, py: Python<'py>, map: Option<&str>) -> PyResult<Bound<'py, PyDict>> {
        let items = self.read(py, |writer| {
            writer.with_graph(|graph| {
                let chosen = graph.items().filter_map(|item| match (map, item.entry()) {
                    (None, None) => Some((Id::from(item.key()), item.value())),
                    (Some(map), Some(entry)) if map == item.key() => Some((entry.to_id(), item.value())),
                    _ => None,
                });
                chosen.collect::<Vec<_>>()
            })
        })?;
        let dict = PyDict::new(py);
        for (key, value) in items {
            dict.set_item(crate::values::id_object(py, key.as_ref())?, object(py, &value)?)?;
        }
        Ok(dict)
    }

    /// The names of the maps of state that have entries.
    fn state_maps(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.read(py, |writer| {
            writer.with_graph(|graph| {
                let mut names: Vec<String> = Vec::new();
                for item in graph.items().filter(|item| item.entry().is_some()) {
                    if !names.iter().any(|name| name == item.key()) {
                        names.push(item.key().to_owned());
                    }
                }
                names
            })
        })
    }

    fn has_node(&self, py: Python<'_>, node: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(id) = id(node, "a node's id") else { return Ok(false) };
        self.read(py, |writer| writer.with_graph(|graph| graph.node(&id).is_some()))
    }

    #[pyo3(signature = (u, v, key=None))]
    fn has_edge(
        &self,
        py: Python<'_>,
        u: &Bound<'_, PyAny>,
        v: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let (Ok(src), Ok(dst)) = (id(u, "a node's id"), id(v, "a node's id")) else { return Ok(false) };
        let key = key.map(|key| id(key, "an edge's key")).transpose()?;
        self.read(py, |writer| writer.with_graph(|graph| graph.edge(&src, &dst, key.as_ref()).is_some()))
    }

    /// The attributes of a node, if it is there.
    fn find_node<'py>(
        &self,
        py: Python<'py>,
        node: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let id = id(node, "a node's id")?;
        let look = |graph: &mut snaplog::Graph| graph.node(&id).map(|node| node.attrs().to_vec());
        let attrs = self.read(py, |writer| writer.with_graph(look))?;
        attrs.map(|attrs| dict_of(py, &attrs)).transpose()
    }

    /// The attributes of an edge, if it is there.
    #[pyo3(signature = (u, v, key=None))]
    fn find_edge<'py>(
        &self,
        py: Python<'py>,
        u: &Bound<'py, PyAny>,
        v: &Bound<'py, PyAny>,
        key: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let (src, dst) = (id(u, "a node's id")?, id(v, "a node's id")?);
        let key = key.map(|key| id(key, "an edge's key")).transpose()?;
        let look = |graph: &mut snaplog::Graph| {
            graph.edge(&src, &dst, key.as_ref()).map(|edge| edge.attrs().to_vec())
        };
        let attrs = self.read(py, |writer| writer.with_graph(look))?;
        attrs.map(|attrs| dict_of(py, &attrs)).transpose()
    }

    fn number_of_nodes(&self, py: Python<'_>) -> PyResult<u64> {
        self.read(py, |writer| Ok(writer.status()?.counts.nodes))
    }

    fn number_of_edges(&self, py: Python<'_>) -> PyResult<u64> {
        self.read(py, |writer| Ok(writer.status()?.counts.edges))
    }

    /// The last event, and the last durable one.
    fn position(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let status = self.read(py, snaplog::Writer::status)?;
        Ok((status.last_seq.0, status.durable.0))
    }

    /// Fills the dictionaries of an empty NetworkX graph with the live graph.
    fn fill(&self, py: Python<'_>, graph: &Bound<'_, PyAny>) -> PyResult<()> {
        let queue = self.queue(py)?;
        py.detach(|| queue.flush()).or_raise(py)?;
        fill::live(py, queue, graph)
    }

    /// What state there is, as `{"values": …, "maps": …}`.
    fn state_document<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let items = self.read(py, |writer| writer.with_graph(|graph| fill::items(graph)))?;
        fill::state(py, &items)
    }

    /// Puts what a NetworkX graph has and the log has not; with `remove` takes away what it has not. How many events
    /// changed something, and how many did not.
    fn sync_graph(&self, py: Python<'_>, graph: &Bound<'_, PyAny>, remove: bool) -> PyResult<(u64, u64)> {
        sync::sync(self, py, graph, remove)
    }

    #[pyo3(signature = (label=None, tier=None, pin=false, time=None))]
    fn place_marker<'py>(
        &self,
        py: Python<'py>,
        label: Option<String>,
        tier: Option<String>,
        pin: bool,
        time: Option<i64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let queue = self.queue_outside_batch(py)?;
        let options = MarkOptions { label, tier, pin };
        let time = time.map(Timestamp).or(*lock(&self.time));
        let mark = || {
            queue.in_order(|writer| match time {
                Some(time) => writer.mark_at(&options, time),
                None => writer.mark(&options),
            })
        };
        let marker = py.detach(mark).or_raise(py)?;
        markers::fields(py, &marker)
    }

    /// From now on events and markers are given this time, in microseconds since 1970, UTC; `None`: the clock's.
    #[pyo3(signature = (time))]
    fn set_time_us(&self, py: Python<'_>, time: Option<i64>) -> PyResult<()> {
        let queue = self.queue(py)?;
        py.detach(|| queue.flush()).or_raise(py)?;
        *lock(&self.time) = time.map(Timestamp);
        Ok(())
    }

    fn commit(&self, py: Python<'_>) -> PyResult<u64> {
        let queue = self.queue_outside_batch(py)?;
        Ok(py.detach(|| queue.in_order(snaplog::Writer::commit)).or_raise(py)?.0)
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let queue = self.queue(py)?;
        py.detach(|| queue.flush()).or_raise(py)
    }

    /// All markers, oldest first.
    fn marker_fields<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let found = self.read(py, snaplog::Writer::markers)?;
        found.iter().map(|marker| markers::fields(py, marker)).collect()
    }

    fn set_pin(&self, py: Python<'_>, marker: &str, on: bool) -> PyResult<()> {
        let number = marker.strip_prefix('m').and_then(|number| number.parse().ok());
        let Some(number) = number else {
            let message = format!("{marker:?} is not a marker's id, such as m12");
            return Err(own(py, "RefusedError", "bad-marker", &message, None));
        };
        self.read(py, |writer| writer.pin(MarkerId(number), on))
    }

    /// From here on this thread's events are held back, until [`end_batch`](Self::end_batch).
    fn begin_batch(&self, py: Python<'_>) -> PyResult<()> {
        self.queue(py)?;
        let mut batches = lock(&self.batches);
        if batches.contains_key(&thread::current().id()) {
            return Err(own(py, "RefusedError", "batch", "this thread has a batch open already", None));
        }
        batches.insert(thread::current().id(), Vec::new());
        self.open_batches.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Writes the batch, all of it or nothing, or drops it.
    fn end_batch(&self, py: Python<'_>, keep: bool) -> PyResult<()> {
        let events = lock(&self.batches).remove(&thread::current().id());
        let Some(events) = events else {
            return Err(own(py, "RefusedError", "batch", "this thread has no batch open", None));
        };
        self.open_batches.fetch_sub(1, Ordering::Release);
        if !keep || events.is_empty() {
            return Ok(());
        }
        if lock(&self.time).is_some() {
            let message = "a batch cannot be given a time of its own: set_time(None) first";
            return Err(own(py, "RefusedError", "batch", message, None));
        }
        let queue = self.queue(py)?;
        py.detach(|| queue.in_order(|writer| writer.append_all(&events))).or_raise(py)?;
        Ok(())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Ok(queue) = self.queue(py) {
            queue.check_turn().or_raise(py)?;
        }
        if self.state.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Ok(());
        }
        let thread = lock(&self.thread).take();
        let Some(queue) = &self.queue else { return Ok(()) };
        let closed = py.detach(|| queue.close(thread)).or_raise(py);
        if let Some(following) = lock(&self.following).take() {
            // What the log took is in it, whatever becomes of the copies.
            remote::warn(py, &py.detach(|| remote::finish(following)))?;
        }
        closed
    }

    /// In a process that was forked off.
    fn after_fork(&self) {
        if self.state.swap(FORKED, Ordering::AcqRel) == OPEN
            && let Some(queue) = &self.queue
        {
            queue.leave_to_parent();
        }
    }
}

impl Writer {
    fn queue(&self, py: Python<'_>) -> PyResult<&Arc<Queue>> {
        match (self.state.load(Ordering::Acquire), &self.queue) {
            (OPEN, Some(queue)) => Ok(queue),
            (FORKED, _) => Err(own(
                py,
                "ClosedError",
                "forked",
                "the log was opened by the process that this one was forked off from, and is that one's",
                Some(
                    "hand results to the process that opened the log, or read the log with snaplog.restore()",
                ),
            )),
            _ => Err(own(py, "ClosedError", "closed", "the log was closed", None)),
        }
    }

    fn queue_outside_batch(&self, py: Python<'_>) -> PyResult<&Arc<Queue>> {
        if self.in_batch() {
            let message = "a batch is open in this thread: what is in it cannot be committed before it ends";
            return Err(own(py, "RefusedError", "batch", message, None));
        }
        self.queue(py)
    }

    fn in_batch(&self) -> bool {
        self.open_batches.load(Ordering::Acquire) > 0
            && lock(&self.batches).contains_key(&thread::current().id())
    }

    /// Puts an event into this thread's batch, if it has one open.
    fn put_in_batch(&self, event: Event) -> Option<Event> {
        if self.open_batches.load(Ordering::Acquire) > 0
            && let Some(batch) = lock(&self.batches).get_mut(&thread::current().id())
        {
            batch.push(event);
            return None;
        }
        Some(event)
    }

    /// Takes in an event that only adds.
    pub(crate) fn take(
        &self,
        py: Python<'_>,
        event: Event,
        converter: &Converter,
        long: bool,
    ) -> PyResult<()> {
        self.note_tuples(py, converter)?;
        let queue = self.queue(py)?;
        let Some(event) = self.put_in_batch(event) else { return Ok(()) };
        if self.each
            || long
            || converter.is_long
            || converter.bytes > MAY_BE_TOO_LARGE
            || lock(&self.time).is_some()
        {
            return self.now(py, event);
        }
        queue.take_failure().or_raise(py)?;
        if queue.push(event) && !queue.is_in_turn() {
            py.detach(|| queue.flush()).or_raise(py)?;
        }
        Ok(())
    }

    /// Appends an event at once, after those that are waiting.
    fn now(&self, py: Python<'_>, event: Event) -> PyResult<()> {
        let queue = self.queue(py)?;
        let Some(event) = self.put_in_batch(event) else { return Ok(()) };
        let time = *lock(&self.time);
        py.detach(|| queue.append(&event, time)).or_raise(py)?;
        Ok(())
    }

    /// Does `look` after everything that is waiting was appended.
    fn read<T: Send>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&snaplog::Writer) -> Result<T> + Send,
    ) -> PyResult<T> {
        let queue = self.queue(py)?;
        py.detach(|| queue.in_order(look)).or_raise(py)
    }

    pub(crate) fn opened(&self, py: Python<'_>) -> PyResult<&Arc<Queue>> {
        self.queue_outside_batch(py)
    }

    pub(crate) fn converter(&self) -> Converter {
        Converter::new(self.iso)
    }

    pub(crate) fn kind(&self) -> GraphKind {
        self.kind
    }

    fn note_tuples(&self, py: Python<'_>, converter: &Converter) -> PyResult<()> {
        if converter.met_tuple && !self.noted_tuples.swap(true, Ordering::Relaxed) {
            let category = py.import("snaplog._errors")?.getattr("ConversionWarning")?;
            let text = c"tuples are stored as lists, and come back as lists";
            PyErr::warn(py, &category, text, 2)?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let queue = self.queue.take();
        if self.state.load(Ordering::Acquire) == FORKED {
            // Its threads are the parent's, and so may be its locks.
            mem::forget(queue);
            mem::forget(lock(&self.thread).take());
            mem::forget(lock(&self.following).take());
        } else if let Some(queue) = queue {
            // Nobody is left to tell.
            let _ = queue.close(lock(&self.thread).take());
        }
    }
}

fn open(
    path: PathBuf,
    (directed, multigraph): (Option<bool>, Option<bool>),
    create: bool,
    settings: Option<&str>,
    recipients: &[String],
) -> Result<(Log, snaplog::Writer, Config)> {
    let log = match open_local(&path) {
        Err(Error::NotALog { .. }) if create => {
            let kind =
                GraphKind { directed: directed.unwrap_or(true), multigraph: multigraph.unwrap_or(false) };
            let text = config::new_text(settings)?;
            let storage = Arc::new(LocalStorage::new(&path));
            init(storage, kind, &text, recipients)?
        }
        other => other?,
    };
    let config = config::of_session(&log, settings)?;
    let writer = log.writer_with(config.clone())?;
    Ok((log, writer, config))
}

fn name_of(kind: GraphKind) -> &'static str {
    match (kind.directed, kind.multigraph) {
        (true, false) => "a DiGraph",
        (false, false) => "a Graph",
        (true, true) => "a MultiDiGraph",
        (false, true) => "a MultiGraph",
    }
}

fn dict_of<'py>(py: Python<'py>, attrs: &[(String, snaplog::Value)]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in attrs {
        dict.set_item(PyString::intern(py, name), object(py, value)?)?;
    }
    Ok(dict)
}
