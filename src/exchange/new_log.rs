//! A graph into a new log, which starts with it.

use std::path::Path;
use std::sync::Arc;

use super::order;
use crate::log::{Environment, Error, Log, Result, SystemEnvironment, Writer, init_like};
use crate::model::event::Event;
use crate::model::graph::Graph;
use crate::model::id::IdRef;
use crate::model::marker::Marker;
use crate::model::time::Timestamp;
use crate::policy::config::{Config, Durability};
use crate::storage::{LocalStorage, Storage};

/// What a new log starts with, besides a graph.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// The time of all its events and of its first marker.
    pub time: Timestamp,
    /// The tiers that the first marker is of.
    pub tiers: &'a [String],
    /// The label of the first marker.
    pub label: Option<&'a str>,
    /// Whether the first marker is pinned.
    pub pinned: bool,
    /// The text of its snaplog.toml.
    pub config: &'a str,
}

impl<'a> Beginning<'a> {
    /// As `marker` says, with the default configuration.
    pub fn at(marker: &'a Marker) -> Self {
        Self {
            time: marker.time,
            tiers: &marker.tiers,
            label: marker.label.as_deref(),
            pinned: marker.pinned,
            config: Config::template(),
        }
    }
}

/// Makes a log in a directory that does not exist yet or is empty, with an id of its own, that starts with `graph`
/// and its collector state: one event for each node, edge and item, in an order that keeps the order of nodes and of
/// neighbours, and a marker at the end. What is on disk then is read back and compared with the graph.
///
/// `Ok` means that it is durable. After an error the directory may hold an unfinished log: write into a temporary
/// one and rename it.
///
/// # Errors
/// As [`Log::init`]; [`Error::Mismatch`] if what is read back is another graph.
pub fn write_log(graph: &Graph, dir: impl AsRef<Path>, beginning: &Beginning<'_>) -> Result<Log> {
    let storage = Arc::new(LocalStorage::new(dir.as_ref()));
    write_log_in(graph, storage, Arc::new(SystemEnvironment), beginning)
}

/// As [`write_log`], in any storage.
///
/// # Errors
/// As [`write_log`].
pub fn write_log_in(
    graph: &Graph,
    storage: Arc<dyn Storage>,
    environment: Arc<dyn Environment>,
    beginning: &Beginning<'_>,
) -> Result<Log> {
    fill(Log::init_in(storage, environment, graph.kind(), beginning.config)?, graph, beginning)
}

/// As [`write_log`], for those who can open `like`: encrypted if that is.
///
/// # Errors
/// As [`write_log`].
pub fn write_log_like(
    like: &Log,
    graph: &Graph,
    dir: impl AsRef<Path>,
    beginning: &Beginning<'_>,
) -> Result<Log> {
    let storage = Arc::new(LocalStorage::new(dir.as_ref()));
    let environment = Arc::new(SystemEnvironment);
    fill(
        init_like(like.storage().as_ref(), storage, environment, graph.kind(), beginning.config)?,
        graph,
        beginning,
    )
}

fn fill(log: Log, graph: &Graph, beginning: &Beginning<'_>) -> Result<Log> {
    // Nobody waits for single events: one sync at the marker makes all of them durable.
    let writer = log.writer_with(Config { durability: Durability::Marker, ..log.config()? })?;
    writer.set_automatic_markers(false)?;
    append_graph(graph, &writer, beginning.time)?;
    let tiers = beginning.tiers.to_vec();
    let label = beginning.label.map(str::to_owned);
    let marker = writer.mark_beginning(tiers, label, beginning.pinned, beginning.time)?;
    writer.close()?;

    let found = log.reader()?.restore(&marker)?.fingerprint();
    let expected = graph.fingerprint();
    // Layouts differ: birth numbers start anew.
    if found.content != expected.content {
        return Err(Error::Mismatch {
            marker: marker.id,
            expected: Box::new(expected),
            found: Box::new(found),
        });
    }
    Ok(log)
}

fn append_graph(graph: &Graph, writer: &Writer, time: Timestamp) -> Result<()> {
    let append = |event: Event| writer.append_at(&event, time).map(drop);
    if !graph.attrs().is_empty() {
        append(Event::PutGraph { attrs: graph.attrs().to_vec() })?;
    }
    for node in graph.nodes() {
        append(Event::PutNode { id: node.id().to_id(), attrs: node.attrs().to_vec() })?;
    }
    for ord in order::edges_by_slot(graph) {
        let Some(edge) = graph.edge_at(ord) else { continue };
        append(Event::PutEdge {
            src: edge.src().to_id(),
            dst: edge.dst().to_id(),
            key: edge.key().map(IdRef::to_id),
            attrs: edge.attrs().to_vec(),
        })?;
    }
    for item in graph.items() {
        let (key, value) = (item.key().to_owned(), item.value());
        append(match item.entry() {
            None => Event::PutState { key, value },
            Some(entry) => Event::PutEntry { key, entry: entry.to_id(), value },
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FixedEnvironment;
    use crate::model::id::Id;
    use crate::model::marker::GraphKind;
    use crate::model::position::Seq;
    use crate::storage::SimStorage;

    const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

    fn beginning() -> Beginning<'static> {
        Beginning { time: NOW, tiers: &[], label: None, pinned: false, config: Config::template() }
    }

    fn environment() -> Arc<dyn Environment> {
        Arc::new(FixedEnvironment::new(NOW))
    }

    fn source(kind: GraphKind, events: &[Event]) -> Graph {
        let log = Log::init_in(Arc::new(SimStorage::new()), environment(), kind, "").unwrap();
        let writer = log.writer().unwrap();
        for event in events {
            writer.append(event).unwrap();
        }
        writer.close().unwrap();
        let reader = log.reader().unwrap();
        reader.restore_seq(reader.last_seq()).unwrap().graph
    }

    fn copy(graph: &Graph, beginning: &Beginning<'_>) -> Log {
        write_log_in(graph, Arc::new(SimStorage::new()), environment(), beginning).unwrap()
    }

    /// Ids in the order of nodes, edges as neighbours list them, and state.
    fn shape(graph: &Graph) -> impl PartialEq + std::fmt::Debug {
        let nodes: Vec<Id> = graph.nodes().map(|node| node.id().to_id()).collect();
        let edges: Vec<_> = order::edges_by_slot(graph)
            .into_iter()
            .filter_map(|ord| graph.edge_at(ord))
            .map(|edge| (edge.src().to_id(), edge.dst().to_id(), edge.key().map(IdRef::to_id)))
            .collect();
        let items: Vec<_> =
            graph.items().map(|item| (item.key().to_owned(), item.entry().map(IdRef::to_id))).collect();
        (nodes, edges, items)
    }

    #[test]
    fn a_new_log_has_the_graph_and_the_state_in_the_same_order() {
        let kind = GraphKind { directed: false, multigraph: true };
        let keyed = |src: &str, dst: &str, key: i64| Event::PutEdge {
            src: src.into(),
            dst: dst.into(),
            key: Some(key.into()),
            attrs: vec![("w".to_owned(), key.into())],
        };
        let entry =
            |entry: i64| Event::PutEntry { key: "seen".into(), entry: entry.into(), value: true.into() };
        let graph = source(
            kind,
            &[
                Event::PutGraph { attrs: vec![("name".to_owned(), "g".into())] },
                Event::node("z").with("a", 1.5),
                keyed("b", "a", 7),
                keyed("b", "c", 0),
                keyed("a", "b", 3),
                Event::DeleteEdge { src: "a".into(), dst: "b".into(), key: Some(7.into()) },
                Event::node("gone"),
                Event::DeleteNode { id: "gone".into() },
                Event::PutState { key: "page".into(), value: 4.into() },
                entry(2),
                entry(1),
            ],
        );
        let copy = copy(&graph, &beginning());
        let reader = copy.reader().unwrap();
        let copied = reader.restore(&reader.markers()[0]).unwrap();
        assert_eq!(shape(&copied), shape(&graph));
        assert_eq!(copied.fingerprint().content, graph.fingerprint().content);
    }

    #[test]
    fn a_new_log_begins_with_one_marker_and_the_next_session_adds_none() {
        let events: Vec<Event> = (0..120).map(Event::node).collect();
        let graph = source(GraphKind::default(), &events);
        let tiers = ["moderate".to_owned(), "daily".to_owned()];
        let copy = copy(&graph, &Beginning { tiers: &tiers, label: Some("x"), pinned: true, ..beginning() });
        let writer = copy.writer().unwrap();
        writer.append(&Event::node("one more")).unwrap();
        let markers = writer.markers().unwrap();
        assert_eq!(markers.len(), 1);
        assert_eq!((markers[0].seq, markers[0].time), (Seq(120), NOW));
        assert_eq!((&markers[0].tiers[..], markers[0].label.as_deref()), (&tiers[..], Some("x")));
        assert!(markers[0].pinned);
    }

    #[test]
    fn an_empty_graph_makes_a_log_with_a_marker_before_the_first_event() {
        let copy = copy(&Graph::new(GraphKind::default()), &beginning());
        let reader = copy.reader().unwrap();
        assert_eq!(reader.restore(&reader.markers()[0]).unwrap().counts().nodes, 0);
    }

    #[test]
    fn a_directory_that_is_a_log_already_is_refused() {
        let graph = source(GraphKind::default(), &[Event::node("a").with("x", 1)]);
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::new());
        write_log_in(&graph, Arc::clone(&storage), environment(), &beginning()).unwrap();
        let again = write_log_in(&graph, storage, environment(), &beginning());
        assert!(matches!(again, Err(Error::AlreadyALog { .. })), "{again:?}");
    }
}
