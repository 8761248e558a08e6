//! snaplog itself: events by string id, without markers and with those of the default tiers.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use snaplog::policy::config::Durability;
use snaplog::storage::LocalStorage;
use snaplog::{Config, Environment, Event, GraphKind, Log, MarkOptions, SystemEnvironment, Timestamp};
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

struct Snaplog {
    tiers: bool,
}

impl Snaplog {
    /// Nothing is synced but on demand.
    fn config(&self) -> Config {
        let mut config = Config { durability: Durability::Marker, ..Config::default() };
        if !self.tiers {
            config.tiers.clear();
        }
        config
    }
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
        versioned("snaplog") + if self.tiers { ", default tiers" } else { "" }
    }

    fn note(&self) -> &'static str {
        if self.tiers {
            "as without tiers, and places a marker every 25, 100 and 500 nodes, synced with the events around it"
        } else {
            "keeps the graph in memory, refuses what does not fit it, interns ids, encodes here (the others are given \
             bytes), fingerprints; read back is the graph, proved by the fingerprint of its marker"
        }
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let events: Vec<Event> = load.items.iter().map(event).collect();
        let storage = Arc::new(LocalStorage::new(dir.join("log")));
        let writer = Log::init_in(storage, Arc::new(Quiet), KIND, "")?.writer_with(self.config())?;
        writer.set_sync_markers(false)?;
        let (time, ()) = timed(|| {
            for group in sync.groups(&events) {
                for event in group {
                    writer.append(event)?;
                }
                writer.commit()?;
            }
            Ok(())
        })?;
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
    workload::main(&[&Snaplog { tiers: false }, &Snaplog { tiers: true }])
}
