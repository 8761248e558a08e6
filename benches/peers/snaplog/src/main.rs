//! snaplog itself: events by string id, without markers and with those of the default tiers.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use snaplog::model::event::KnownEdge;
use snaplog::model::position::NodeOrd;
use snaplog::policy::config::Durability;
use snaplog::storage::LocalStorage;
use snaplog::{
    Config, Environment, Event, GraphKind, Log, MarkOptions, SystemEnvironment, Timestamp, Writer,
};
use workload::{Item, Load, Outcome, Peer, Sync, timed, versioned};

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };

/// The real world, without the thread that syncs on time: the bench says when.
#[derive(Debug)]
struct Quiet;

impl Environment for Quiet {
    fn now(&self) -> Timestamp {
        SystemEnvironment.now()
    }

    fn random(&self) -> [u8; 16] {
        SystemEnvironment.random()
    }

    fn owner(&self) -> String {
        SystemEnvironment.owner()
    }

    fn threads(&self) -> bool {
        false
    }
}

/// How the events are handed in.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// A call for each.
    One,
    /// Many in one call.
    Many,
    /// Edges between nodes whose birth numbers the collector has kept.
    Known,
    /// Many in one call, with the default tiers.
    Tiers,
}

struct Snaplog(Way);

impl Snaplog {
    /// Nothing is synced but on demand.
    fn config(&self) -> Config {
        let mut config = Config { durability: Durability::Marker, ..Config::default() };
        if self.0 != Way::Tiers {
            config.tiers.clear();
        }
        config
    }
}

/// Events to be handed in by one call.
const TOGETHER: usize = 1000;

/// An edge by the birth numbers of its ends: nodes are born in the order of their numbers, which start at 1.
fn known(item: &Item) -> Outcome<Option<KnownEdge>> {
    let ord = |n: &u64| u32::try_from(n - 1).map(NodeOrd);
    let Item::Edge { src, dst, weight } = item else { return Ok(None) };
    let attrs = vec![("weight".to_owned(), (*weight).into())];
    Ok(Some(KnownEdge { src: ord(src)?, dst: ord(dst)?, key: None, attrs }))
}

fn append_known(writer: &Writer, load: &Load, sync: Sync) -> Outcome<Duration> {
    let edges: Vec<KnownEdge> =
        load.items.iter().filter_map(|item| known(item).transpose()).collect::<Outcome<_>>()?;
    let node = |item: &Item| match item {
        Item::Node { n, .. } => Some((event(item), id(*n))),
        Item::Edge { .. } => None,
    };
    let nodes: Vec<Option<(Event, String)>> = load.items.iter().map(node).collect();
    let mut told = Vec::new();
    let (time, ()) = timed(|| {
        let mut edges = edges.as_slice();
        for group in sync.groups(&nodes) {
            let mut waiting = 0;
            for node in group {
                let Some((event, id)) = node else {
                    waiting += 1;
                    continue;
                };
                let (now, later) = edges.split_at(waiting);
                writer.append_edges(now)?;
                (edges, waiting) = (later, 0);
                writer.append(event)?;
                told.push(writer.node(id.as_str())?);
            }
            let (now, later) = edges.split_at(waiting);
            writer.append_edges(now)?;
            edges = later;
            writer.commit()?;
        }
        Ok(())
    })?;
    let in_order = told.iter().zip(0..).all(|(node, n)| node.0 == n);
    if in_order { Ok(time) } else { Err("nodes were not born in order".into()) }
}

fn id(n: u64) -> String {
    format!("sound:{n}")
}

fn event(item: &Item) -> Event {
    match item {
        Item::Node { n, name, user, duration, description } => Event::node(id(*n))
            .with("name", name.as_str())
            .with("user", user.as_str())
            .with("duration", *duration)
            .with("description", description.as_str()),
        Item::Edge { src, dst, weight } => Event::edge(id(*src), id(*dst)).with("weight", *weight),
    }
}

impl Peer for Snaplog {
    fn subject(&self) -> String {
        versioned("snaplog")
            + match self.0 {
                Way::One => ", by id, a call each",
                Way::Many => ", by id",
                Way::Known => ", by handle",
                Way::Tiers => ", by id, default tiers",
            }
    }

    fn note(&self) -> &'static str {
        match self.0 {
            Way::One => "as by id, with a call for each event",
            Way::Many => {
                "keeps the graph in memory, refuses what does not fit it, interns ids, encodes here (the others are \
                 given bytes), fingerprints; read back is the graph, proved by the fingerprint of its marker"
            }
            Way::Known => "as by id, but edges name their ends by birth numbers that the writer told",
            Way::Tiers => {
                "as by id, and places a marker every 25, 100 and 500 nodes, synced with the events around it"
            }
        }
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let storage = Arc::new(LocalStorage::new(dir.join("log")));
        let writer = Log::init_in(storage, Arc::new(Quiet), KIND, "")?.writer_with(self.config())?;
        writer.set_sync_markers(false)?;
        let time = if self.0 == Way::Known {
            append_known(&writer, load, sync)?
        } else {
            let events: Vec<Event> = load.items.iter().map(event).collect();
            let (time, ()) = timed(|| {
                for group in sync.groups(&events) {
                    if self.0 == Way::One {
                        for event in group {
                            writer.append(event)?;
                        }
                    } else {
                        for few in group.chunks(TOGETHER) {
                            writer.append_each(few)?;
                        }
                    }
                    writer.commit()?;
                }
                Ok(())
            })?;
            time
        };
        writer.mark(&MarkOptions::labelled("end"))?;
        writer.close()?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let reader = Log::open(dir.join("log"))?.reader()?;
        let marker = reader.markers().last().ok_or("no marker")?;
        let found = reader.restore(marker)?.counts();
        if (found.nodes, found.edges) != (load.nodes as u64, load.edges as u64) {
            return Err(
                format!("{found:?}, but {} nodes and {} edges were written", load.nodes, load.edges).into()
            );
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    workload::main(&[&Snaplog(Way::Many), &Snaplog(Way::One), &Snaplog(Way::Known), &Snaplog(Way::Tiers)])
}
