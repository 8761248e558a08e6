//! Opening a log to write: recovery.

use std::sync::{Arc, Mutex};

use super::core::{Core, Start, remember};
use super::maintenance::Maintenance;
use super::segments::Inherited;
use super::{Shared, State, Writer, background, maintenance};
use crate::format::Fault;
use crate::format::manifest::Source;
use crate::format::records::SourceRead;
use crate::log::compaction::is_past;
use crate::log::environment::Environment;
use crate::log::error::{Error, Result};
use crate::log::reader::{begin, check_marker};
use crate::log::replay::{Place, Until, Visitor};
use crate::log::view::{TailRule, View};
use crate::log::{requests, room, store, strays};
use crate::model::graph::Graph;
use crate::model::history::EventHasher;
use crate::model::marker::Marker;
use crate::model::position::{MarkerId, Seq};
use crate::model::time::Timestamp;
use crate::policy::config::Config;
use crate::storage::{LockAttempt, LockGuard, Storage};

impl Writer {
    /// Takes the lock, recovers, and places the marker that a crash left overdue. `now`: grace is over now, if it takes
    /// what is in the trash to make room.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        environment: Arc<dyn Environment>,
        config: Config,
        now: bool,
    ) -> Result<Self> {
        // The session's own name: readers tell by it whether the writer of the last segment is alive.
        let session = u64::from_le_bytes(environment.random().first_chunk().copied().unwrap_or_default());
        let owner = format!("{}, session {session:016x}", environment.owner());
        let lock = match storage.lock(&owner).map_err(Error::io("lock", storage.location("")))? {
            LockAttempt::Held(guard) => Arc::<dyn LockGuard>::from(guard),
            LockAttempt::Busy { owner } => {
                return Err(Error::Locked { path: storage.location(""), owner });
            }
        };
        let in_force = store::load(storage.as_ref())?;
        if in_force.unknown_read_only != 0 {
            let mask = in_force.unknown_read_only;
            return Err(Error::ReadOnly { path: storage.location(""), mask });
        }
        store::remove_unfinished(storage.as_ref())?;
        store::end_fetching(storage.as_ref(), &in_force.manifest)?;
        requests::clear_answers(storage.as_ref());

        let view = View::new(Arc::clone(&storage), in_force, TailRule::Valid)?;
        if let Some(damage) = view.damage {
            return Err(damage);
        }
        strays::check(&view)?;
        let manifest = &view.in_force.manifest;
        let newest = view.markers.iter().map(|marker| marker.id).max();
        let listed = view.markers.iter().map(|marker| marker.seq);
        let marked = listed.chain(manifest.gone.iter().map(|stub| stub.seq)).max().unwrap_or_default();
        let mut visitor =
            Recovery { sources: manifest.sources.clone(), newest, marked, history: EventHasher::new() };
        let mut replay = begin(&view, Until::End)?;
        replay.run(&view, Until::End, &mut visitor)?;
        replay.graph.track_fingerprint(true);
        replay.graph.check_names().map_err(|inconsistency| Error::Damage {
            path: storage.location(""),
            offset: None,
            fault: Fault::Inconsistent(inconsistency),
        })?;

        // All that was found is sound. Before anything is acknowledged that rests on it, it is made sure that the
        // manifest which names it all stays in force.
        room::reaffirm(storage.as_ref(), &view.in_force, |since| {
            now || is_past(since, config.retention.grace, environment.now())
        })?;

        let last = view.pieces.last().copied();
        let View { in_force, pieces, markers, tail, .. } = view;
        let inherited = tail.map(|(segment, tail)| Inherited {
            segment,
            claim: tail.claim,
            end: tail.end,
            last_content: tail.last_content,
        });
        let open = inherited.as_ref().and(last).map(|piece| piece.id);
        let closed = pieces.iter().filter(|piece| Some(piece.id) != open).map(|piece| piece.length).sum();
        let durability = config.durability;
        let mut core = Core::new(Start {
            owner,
            storage,
            environment: Arc::clone(&environment),
            config,
            log_id: in_force.log_id,
            manifest: in_force.manifest,
            graph: replay.graph,
            time: replay.time,
            event_time: replay.event_time,
            next_seq: replay.next_seq,
            inherited,
            closed_bytes: closed,
            markers,
            sources: visitor.sources,
            history: visitor.history,
        });
        core.place_due()?;

        let held = Arc::downgrade(&lock);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Live { core: Box::new(core), _lock: lock }),
            signal: background::Signal::default(),
            maintenance: Maintenance::default(),
        });
        let mut threads = Vec::new();
        if environment.threads() {
            threads.extend(background::start(&shared, durability));
            threads.extend(maintenance::start(&shared));
        }
        Ok(Self { shared, threads, lock: held })
    }
}

/// What recovery looks at while it replays.
struct Recovery {
    sources: Vec<Source>,
    newest: Option<MarkerId>,
    /// The event after which the last marker stands.
    marked: Seq,
    /// The events after it.
    history: EventHasher,
}

impl Visitor for Recovery {
    fn marker(&mut self, graph: &mut Graph, marker: Marker, _: Place<'_>) -> Result<()> {
        if Some(marker.id) == self.newest {
            // From here on the sums are kept; that they start from what the marker says is the proof that the
            // replay gave what was there.
            graph.track_fingerprint(true);
            check_marker(&marker, graph)?;
        }
        Ok(())
    }

    fn event(&mut self, seq: Seq, time: Timestamp, records: &[u8]) {
        if seq > self.marked {
            self.history.event(time, records);
            self.history.settle();
        }
    }

    fn source(&mut self, source: SourceRead<'_>) {
        let SourceRead { name, bytes, lines, digest } = source;
        remember(&mut self.sources, Source { name: name.to_owned(), bytes, lines, digest });
    }
}
