//! The writer: the one session at a time that appends to a log.

mod background;
mod core;
mod maintenance;
mod marks;
mod open;
mod segments;

pub(crate) use self::core::remember;

pub use self::core::Appended;
pub use self::marks::MarkOptions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use xxhash_rust::xxh3::Xxh3;

use self::background::Signal;
use self::core::Core;
use self::maintenance::Maintenance;
use super::compaction::{Maintained, Wish};
use super::error::{Error, Result};
use crate::format::manifest::Source;
use crate::model::event::{Event, KnownEdge};
use crate::model::graph::Graph;
use crate::model::id::Id;
use crate::model::marker::{Counts, Marker};
use crate::model::position::{MarkerId, NodeOrd, Seq};
use crate::model::time::Timestamp;
use crate::storage::LockGuard;

/// A session that appends to a log.
///
/// Events go into a batch, batches into frames, frames to the disk as the configured durability says: what
/// [`commit`](Self::commit) has returned for survives any crash. Markers are placed as the tiers say. The writer keeps
/// the whole graph in memory, to know what is new. All methods take `&self`: threads may share a writer.
///
/// After a failed write or sync every later call fails with [`Error::Poisoned`]: what the system still holds of the
/// file is not known then. Open the log again to go on; everything acknowledged is in it.
///
/// Call [`close`](Self::close) at the end: a writer that is dropped ends its session as well as it can, but has nobody
/// to tell of a failure.
///
/// # Examples
/// ```
/// use snaplog::{Event, GraphKind, Log, MarkOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = tempfile::tempdir()?;
/// let log = Log::init(dir.path().join("crawl"), GraphKind { directed: true, multigraph: false })?;
/// let writer = log.writer()?;
/// writer.append(&Event::node("12345").with("name", "rain"))?;
/// writer.append(&Event::edge("12345", "678").with("weight", 0.9))?;
/// let durable = writer.commit()?;
/// assert_eq!(durable.0, 2);
/// writer.mark(&MarkOptions::labelled("before the second pass"))?;
/// writer.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    lock: Weak<dyn LockGuard>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    signal: Signal,
    maintenance: Maintenance,
}

#[derive(Debug)]
enum State {
    Live { core: Box<Core>, _lock: Arc<dyn LockGuard> },
    Poisoned { cause: Arc<Error> },
    Closed,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the core. An error after which it is not known what the disk holds ends the session.
    fn with<T>(&self, work: impl FnOnce(&mut Core) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        match &mut *state {
            State::Live { core, .. } => work(core).map_err(|error| {
                if is_harmless(&error) {
                    return error;
                }
                // What the batch held in memory goes with the core.
                let cause = Arc::new(error);
                *state = State::Poisoned { cause: Arc::clone(&cause) };
                Error::Poisoned { cause }
            }),
            State::Poisoned { cause } => Err(Error::Poisoned { cause: Arc::clone(cause) }),
            State::Closed => Err(Error::Closed),
        }
    }
}

/// Whether an error says no more than that what was asked is not done.
fn is_harmless(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused(_) | Error::BatchRefused { .. } | Error::Selector(_) | Error::BadMarker { .. }
    )
}

/// An error with its causes, in one line.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Writer {
    /// Appends one event.
    ///
    /// # Errors
    /// [`Error::Refused`] if the graph refuses it; the log is then as it was. Any other error ends the session.
    pub fn append(&self, event: &Event) -> Result<Appended> {
        self.shared.with(|core| core.append(event, None, None))
    }

    /// Appends one event that happened at `time`. An earlier time than the last event's is held at that one.
    ///
    /// # Errors
    /// As [`append`](Self::append); a time more than a day ahead of the clock is refused.
    pub fn append_at(&self, event: &Event, time: Timestamp) -> Result<Appended> {
        self.shared.with(|core| core.append(event, Some(time), None))
    }

    /// Appends `events` one after the other, as [`append`](Self::append) does, and returns how many of them were written:
    /// the others changed nothing. Where each event is to be durable one sync serves all of them.
    ///
    /// # Errors
    /// [`Error::BatchRefused`] says which event was refused: those before it are in the log, those after it are not. Any
    /// other error ends the session.
    pub fn append_each(&self, events: &[Event]) -> Result<usize> {
        self.shared.with(|core| core.append_each(events))
    }

    /// The birth number of the node with an id, which is put if it is not there. It is the node's for ever, but of no use
    /// once the node is deleted.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn node(&self, id: impl Into<Id>) -> Result<NodeOrd> {
        let id = id.into();
        self.shared.with(|core| core.node(&id))
    }

    /// Puts edges between nodes whose birth numbers [`node`](Self::node) told; otherwise as
    /// [`append_each`](Self::append_each).
    ///
    /// # Errors
    /// As [`append_each`](Self::append_each).
    pub fn append_edges(&self, edges: &[KnownEdge]) -> Result<usize> {
        self.shared.with(|core| core.append_edges(edges))
    }

    /// Appends all of `events`, as one frame, or none: a crash keeps all or none as well.
    ///
    /// # Errors
    /// [`Error::BatchRefused`] says which event was refused; graph and log are then as they were.
    pub fn append_all(&self, events: &[Event]) -> Result<Vec<Appended>> {
        self.shared.with(|core| core.append_all(events))
    }

    /// Makes everything durable that was appended so far, and what events that changed nothing had found; returns
    /// the last durable event.
    ///
    /// # Errors
    /// Any error ends the session.
    pub fn commit(&self) -> Result<Seq> {
        self.shared.with(Core::commit)
    }

    /// Places a marker after the last event, durable on return. Costs one small frame, however large the graph. A label
    /// that the last marker has, at the same event, is not placed twice.
    ///
    /// # Errors
    /// If label or tier cannot be used; any other error ends the session.
    pub fn mark(&self, options: &MarkOptions) -> Result<Marker> {
        self.shared.with(|core| core.mark(options, None))
    }

    /// As [`mark`](Self::mark), at `time`.
    ///
    /// # Errors
    /// As [`mark`](Self::mark).
    pub fn mark_at(&self, options: &MarkOptions, time: Timestamp) -> Result<Marker> {
        self.shared.with(|core| core.mark(options, Some(time)))
    }

    /// Places the marker that a log begins with when it goes on from another one; see
    /// [`new_log`](crate::exchange::new_log).
    pub(crate) fn mark_beginning(
        &self,
        tiers: Vec<String>,
        label: Option<String>,
        pinned: bool,
        time: Timestamp,
    ) -> Result<Marker> {
        self.shared.with(|core| core.mark_beginning(tiers, label, pinned, time))
    }

    /// Pins a marker, or takes the pin off; durable on return. One that was dropped is had back by its pin.
    ///
    /// # Errors
    /// [`Error::BadMarker`] if there is no such marker; any other error ends the session.
    pub fn pin(&self, marker: MarkerId, on: bool) -> Result<()> {
        if self.shared.with(|core| core.pin(marker, on))? {
            Ok(())
        } else {
            Err(Error::BadMarker { message: format!("there is no marker {marker}") })
        }
    }

    /// Ends the session: everything is durable and the log is marked as closed in good order.
    ///
    /// # Errors
    /// If the last writes fail. What was committed before is safe.
    pub fn close(mut self) -> Result<()> {
        self.end()
    }

    /// What a process that was forked off does with the writer of its parent: it lets go of the lock, so that the log can be
    /// opened once the parent is gone, and touches nothing else. The parent goes on as if nothing had been.
    ///
    /// Threads of the parent may have held locks at the moment of the fork, and are not there to let go of them: any other
    /// method may wait for ever in the child, and so may dropping the writer. After this call drop nothing of it.
    pub fn leave_to_parent(&self) {
        if let Some(lock) = self.lock.upgrade() {
            lock.leave_to_parent();
        }
    }

    /// Ends the session, in which nothing was written, and what a crash left open with it.
    pub(crate) fn settle(self) -> Result<()> {
        self.shared.with(Core::settle)?;
        self.close()
    }

    fn end(&mut self) -> Result<()> {
        self.shared.signal.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to do.
            let _ = thread.join();
        }
        let outcome = match &*self.shared.lock() {
            State::Closed => return Ok(()),
            _ => Ok(()),
        };
        let outcome = outcome.and_then(|()| self.shared.with(Core::close));
        *self.shared.lock() = State::Closed;
        outcome
    }

    /// Runs `look` on the graph as it is with every event that was appended.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn with_graph<T>(&self, look: impl FnOnce(&mut Graph) -> T) -> Result<T> {
        self.shared.with(|core| Ok(look(&mut core.graph)))
    }

    /// What is alive in the graph, the last event, the last durable one, and what the session did.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn status(&self) -> Result<Status> {
        self.shared.with(|core| {
            Ok(Status {
                counts: core.graph.counts(),
                last_seq: core.last_seq(),
                durable: core.durable,
                placed: core.placed,
                last_marker: core.markers.last().cloned(),
                times_held: core.held,
                maintenance_failure: self.shared.maintenance.failure(),
            })
        })
    }

    /// All markers, oldest first.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn markers(&self) -> Result<Vec<Marker>> {
        self.shared.with(|core| Ok(core.markers.clone()))
    }

    /// Whether the schedule of tiers places markers; it does unless told otherwise.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn set_automatic_markers(&self, on: bool) -> Result<()> {
        self.shared.with(|core| {
            core.automatic = on;
            Ok(())
        })
    }

    /// Whether each marker is synced at once, as it is unless told otherwise, or with the batch: for bulk work that
    /// nobody waits for marker by marker.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn set_sync_markers(&self, on: bool) -> Result<()> {
        self.shared.with(|core| {
            core.sync_markers = on;
            Ok(())
        })
    }

    /// What the writer would do on time by itself: sync what has been waiting, place a marker that is due, answer
    /// requests. Only where [`Environment::threads`](super::Environment::threads) is false does anybody need to call
    /// it.
    ///
    /// # Errors
    /// Any error ends the session.
    pub fn tick(&self) -> Result<()> {
        self.shared.with(Core::sync)?;
        background::answer_requests(&self.shared)
    }

    /// Applies retention and compacts, as far as it is due: what a thread of the writer does by itself whenever a segment
    /// is full. The writer can be used by other threads meanwhile.
    ///
    /// # Errors
    /// The log is as it was then, and the writer goes on; [`Error::NoRoom`] says how much room there should be. Only if
    /// the manifest could not be put in force does the session end.
    pub fn maintain(&self) -> Result<Maintained> {
        self.shared.maintain(Wish { retention: true, ..Wish::default() })
    }

    /// Restores markers to nowhere if the configuration says that it is time: what a thread of the writer does by itself.
    /// Whether it was; what was found is in [`Status::maintenance_failure`], and on record for `stats`.
    ///
    /// # Errors
    /// What kept it from beginning. The session goes on.
    pub fn drill_if_due(&self) -> Result<bool> {
        self.shared.drill_if_due()
    }

    /// Drops markers: they are not listed any more, and can be had back by [`undelete`](Self::undelete) until their grace
    /// period is over. Pinned ones stay, whoever asks. Returns those that were dropped; durable on return.
    ///
    /// # Errors
    /// As [`maintain`](Self::maintain).
    pub fn expire(&self, markers: &[MarkerId]) -> Result<Vec<MarkerId>> {
        self.shared.expire(markers)
    }

    /// Takes back that markers were dropped. Returns those that were and are not any more; durable on return.
    ///
    /// # Errors
    /// As [`maintain`](Self::maintain).
    pub fn undelete(&self, markers: &[MarkerId]) -> Result<Vec<MarkerId>> {
        self.shared.undelete(markers)
    }

    /// How far sources were read.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.shared.with(|core| Ok(core.sources.clone()))
    }

    /// From now on lines come from the source `name`: events of them go in by [`append_line`](Self::append_line), and
    /// how far it was read is remembered in the frame of the last event. `read`: bytes and lines that are in the log
    /// already, and the hasher that has seen those bytes.
    ///
    /// # Errors
    /// If the name is too long; any other error ends the session.
    pub fn begin_source(&self, name: &str, read: Option<(u64, u64, Xxh3)>) -> Result<()> {
        self.shared.with(|core| core.begin_source(name, read))
    }

    /// Appends the event of one line of the source. `line`: all bytes of it, the line end included.
    ///
    /// # Errors
    /// As [`append_at`](Self::append_at). A line whose event is refused does not count as read.
    pub fn append_line(&self, event: &Event, time: Option<Timestamp>, line: &[u8]) -> Result<Appended> {
        self.shared.with(|core| core.append(event, time, Some(line)))
    }

    /// Places the marker that a line of the source asks for.
    ///
    /// # Errors
    /// As [`mark`](Self::mark).
    pub fn mark_line(&self, options: &MarkOptions, time: Option<Timestamp>, line: &[u8]) -> Result<Marker> {
        self.shared.with(|core| {
            let marker = core.mark(options, time)?;
            // Only now: a line that counts as read before its marker is there would lose the marker in a crash.
            core.line_read(Some(line));
            Ok(marker)
        })
    }

    /// Passes over a line of the source.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn skip_line(&self, line: &[u8]) -> Result<()> {
        self.shared.with(|core| {
            core.line_read(Some(line));
            Ok(())
        })
    }

    /// No more lines come from the source.
    ///
    /// # Errors
    /// Any error ends the session.
    pub fn end_source(&self) -> Result<()> {
        self.shared.with(Core::end_source)
    }
}

/// How a session stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// What is alive in the graph.
    pub counts: Counts,
    /// The last event; `Seq(0)` before the first.
    pub last_seq: Seq,
    /// The last durable event.
    pub durable: Seq,
    /// Markers that the schedule placed in this session.
    pub placed: u64,
    /// The newest marker.
    pub last_marker: Option<Marker>,
    /// How often an event's time, or the clock, was earlier than the last event and was held at it.
    pub times_held: u64,
    /// Why the last maintenance failed, if it did: the log is as it was before it. Or what is wrong by the last drill that
    /// this session ran.
    pub maintenance_failure: Option<String>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Nobody is left to tell; what was committed is safe either way.
        let _ = self.end();
    }
}
