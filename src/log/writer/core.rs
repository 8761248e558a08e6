//! What a writer does, without threads and locks.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::segments::{Inherited, OpenSegment};
use crate::codec::len_u64;
use crate::format::frame::FrameType;
use crate::format::manifest::{Manifest, Source};
use crate::format::records::{PayloadEncoder, SourceRead};
use crate::log::environment::Environment;
use crate::log::error::{Error, Result};
use crate::log::store::Shared;
use crate::model::event::{Event, KnownEdge, Refusal};
use crate::model::graph::{Changes, Graph};
use crate::model::history::EventHasher;
use crate::model::id::Id;
use crate::model::limits::{MAX_BATCH_BYTES, MAX_SOURCE_NAME_BYTES, MAX_SOURCES};
use crate::model::marker::{Marker, Ordinals};
use crate::model::position::{LogId, MarkerId, NodeOrd, Seq};
use crate::model::time::Timestamp;
use crate::policy::config::{Config, Durability};
use crate::policy::schedule::Schedule;

/// A frame is closed when its payload reaches this.
const FRAME_BYTES: usize = 256 << 10;
/// An event's time may be this far ahead of the clock, in microseconds: a day.
const MAX_AHEAD_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is the event with this seq; durable once [`Writer::commit`](super::Writer::commit) or the durability that
    /// is configured says so.
    Written(Seq),
    /// It changes nothing, so nothing was written.
    Unchanged,
}

/// An input that is being read into the log, so that reading it again goes on where it stopped.
struct ActiveSource {
    name: String,
    bytes: u64,
    lines: u64,
    hasher: Xxh3,
    /// Whether anything was read that no frame says yet.
    unsaid: bool,
}

impl std::fmt::Debug for ActiveSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActiveSource")
            .field("name", &self.name)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The end of what is in frames: without the batch that is being collected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flushed {
    next_seq: Seq,
    ordinals: Ordinals,
    high_water: u64,
    pub(super) time: Timestamp,
}

#[derive(Debug)]
pub(super) struct Core {
    /// Who writes: what the lock says.
    pub(super) owner: String,
    pub(super) storage: Shared,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) config: Config,
    pub(super) log_id: LogId,
    pub(super) manifest: Manifest,
    pub(super) graph: Graph,
    changes: Changes,
    payload: PayloadEncoder,
    /// The events since the last marker.
    pub(super) history: EventHasher,
    batch_events: u32,
    batch_time: Timestamp,
    /// Time of the last event or marker.
    pub(super) time: Timestamp,
    /// Time of the last event: what tiers of time go by.
    pub(super) event_time: Timestamp,
    pub(super) next_seq: Seq,
    pub(super) flushed: Flushed,
    pub(super) durable: Seq,
    pub(super) segment: Option<OpenSegment>,
    pub(super) inherited: Option<Inherited>,
    /// Bytes of the segments before the open one that count.
    pub(super) closed_bytes: u64,
    pub(super) markers: Vec<Marker>,
    pub(super) next_marker: MarkerId,
    pub(super) sources: Vec<Source>,
    source: Option<ActiveSource>,
    pub(super) schedule: Schedule,
    /// Whether the schedule places markers.
    pub(super) automatic: bool,
    /// Whether each marker is synced at once.
    pub(super) sync_markers: bool,
    /// Events since the last sync.
    unsynced_events: u64,
    /// How many segments came to their end because they were full: after each, maintenance is due.
    pub(super) rolls: u64,
    /// Whether anything was handed in: a session in which nothing was leaves the log alone.
    touched: bool,
    /// Markers that the schedule placed in this session.
    pub(super) placed: u64,
    /// How often a time was earlier than the last one and was held at it.
    pub(super) held: u64,
}

/// What a core begins with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) owner: String,
    pub(super) storage: Shared,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) config: Config,
    pub(super) log_id: LogId,
    pub(super) manifest: Manifest,
    pub(super) graph: Graph,
    pub(super) time: Timestamp,
    pub(super) event_time: Timestamp,
    pub(super) next_seq: Seq,
    pub(super) inherited: Option<Inherited>,
    pub(super) closed_bytes: u64,
    pub(super) markers: Vec<Marker>,
    pub(super) sources: Vec<Source>,
    /// What came after the last marker.
    pub(super) history: EventHasher,
}

impl Core {
    pub(super) fn new(start: Start) -> Self {
        let Start { graph, time, next_seq, markers, .. } = start;
        let served = markers.last().map(|marker| marker.served).unwrap_or_default();
        let next_marker = markers.last().map_or(MarkerId(1), |marker| marker.id.next());
        let durable = match &start.inherited {
            Some(inherited) => inherited.durable(),
            None => Seq(next_seq.0.saturating_sub(1)),
        };
        let flushed =
            Flushed { next_seq, ordinals: graph.ordinals(), high_water: graph.counts().high_water, time };
        Self {
            schedule: Schedule::new(&start.config, served),
            payload: PayloadEncoder::new(graph.ordinals()),
            history: start.history,
            next_marker: next_marker.max(start.manifest.next_marker),
            owner: start.owner,
            storage: start.storage,
            environment: start.environment,
            config: start.config,
            log_id: start.log_id,
            manifest: start.manifest,
            graph,
            changes: Changes::new(),
            batch_events: 0,
            batch_time: time,
            time,
            event_time: start.event_time,
            next_seq,
            flushed,
            durable,
            segment: None,
            inherited: start.inherited,
            closed_bytes: start.closed_bytes,
            markers,
            sources: start.sources,
            source: None,
            automatic: true,
            sync_markers: true,
            unsynced_events: 0,
            rolls: 0,
            touched: false,
            placed: 0,
            held: 0,
        }
    }

    pub(super) fn last_seq(&self) -> Seq {
        Seq(self.next_seq.0.saturating_sub(1))
    }

    pub(super) fn flushed_seq(&self) -> Seq {
        self.flushed.next_seq
    }

    pub(super) fn flushed_time(&self) -> Timestamp {
        self.flushed.time
    }

    pub(super) fn flushed_ordinals(&self) -> Ordinals {
        self.flushed.ordinals
    }

    pub(super) fn flushed_high_water(&self) -> u64 {
        self.flushed.high_water
    }

    /// Whether something is not durable yet that was handed in, or that was found here by an event that changed
    /// nothing.
    pub(super) fn is_unsynced(&self) -> bool {
        self.batch_events > 0
            || self.segment.as_ref().is_some_and(|segment| segment.dirty)
            || (self.touched && self.inherited.as_ref().is_some_and(Inherited::has_unclaimed))
    }

    /// Takes in one event. A refused one leaves everything as it was.
    pub(super) fn append(
        &mut self,
        event: &Event,
        ts: Option<Timestamp>,
        line: Option<&[u8]>,
    ) -> Result<Appended> {
        let appended = self.take_in(&|graph, out| graph.resolve(event, out), ts, line)?;
        if let Appended::Written(_) = appended {
            self.after_event()?;
        }
        Ok(appended)
    }

    /// Takes in `events` one by one; how many changed something. What is before a refused one stays.
    pub(super) fn append_each(&mut self, events: &[Event]) -> Result<usize> {
        let mut written = 0_usize;
        for (at, event) in events.iter().enumerate() {
            let taken = self.take_in(&|graph, out| graph.resolve(event, out), None, None);
            written = written.saturating_add(self.one_of_many(taken, at)?);
        }
        self.sync_if_due()?;
        Ok(written)
    }

    /// The birth number of the node with an id; puts it if it is not there.
    pub(super) fn node(&mut self, id: &Id) -> Result<NodeOrd> {
        self.touched = true;
        if let Some(node) = self.graph.node(id) {
            return Ok(node.ord());
        }
        let born = self.graph.ordinals().node;
        self.append(&Event::node(id.clone()), None, None)?;
        Ok(born)
    }

    /// As [`append_each`](Self::append_each), of edges between known nodes.
    pub(super) fn append_edges(&mut self, edges: &[KnownEdge]) -> Result<usize> {
        let mut written = 0_usize;
        for (at, edge) in edges.iter().enumerate() {
            let taken = self.take_in(&|graph, out| graph.resolve_edge(edge, out), None, None);
            written = written.saturating_add(self.one_of_many(taken, at)?);
        }
        self.sync_if_due()?;
        Ok(written)
    }

    /// What follows an event that is one of many: all but the sync. 1 if it was written, else 0.
    fn one_of_many(&mut self, taken: Result<Appended>, at: usize) -> Result<usize> {
        match taken {
            Ok(Appended::Unchanged) => Ok(0),
            Ok(Appended::Written(_)) => {
                self.place_due()?;
                if self.payload.len() >= FRAME_BYTES {
                    self.flush()?;
                }
                Ok(1)
            }
            Err(Error::Refused(refusal)) => {
                self.sync_if_due()?;
                Err(Error::BatchRefused { at, refusal })
            }
            Err(other) => Err(other),
        }
    }

    /// Takes in all of `events`, in one frame, or none.
    pub(super) fn append_all(&mut self, events: &[Event]) -> Result<Vec<Appended>> {
        // The batch has a frame to itself, so that what was taken in before is not lost with it.
        self.flush()?;
        let savepoint = self.graph.savepoint();
        let before = (self.payload.mark(), self.next_seq, self.time, self.held, self.unsynced_events);
        let (event_time, history) = (self.event_time, self.history.mark());
        let mut outcome = Vec::with_capacity(events.len());
        for (at, event) in events.iter().enumerate() {
            let taken =
                self.take_in(&|graph, out| graph.resolve(event, out), None, None).and_then(|appended| {
                    let size = self.payload.len();
                    if size <= MAX_BATCH_BYTES {
                        return Ok(appended);
                    }
                    let (found, max) = (len_u64(size), len_u64(MAX_BATCH_BYTES));
                    Err(Error::Refused(Refusal::TooLarge { what: "the size of a batch", found, max }))
                });
            match taken {
                Ok(appended) => outcome.push(appended),
                Err(error) => {
                    self.graph.roll_back(savepoint);
                    self.graph.release();
                    self.payload.roll_back(before.0);
                    self.history.roll_back(history);
                    (self.next_seq, self.time, self.held) = (before.1, before.2, before.3);
                    self.unsynced_events = before.4;
                    self.event_time = event_time;
                    self.batch_events = 0;
                    return Err(match error {
                        Error::Refused(refusal) => Error::BatchRefused { at, refusal },
                        other => other,
                    });
                }
            }
        }
        self.graph.release();
        if self.batch_events > 0 {
            self.after_event()?;
        }
        Ok(outcome)
    }

    /// Takes in what `resolve` makes of an event: applies and encodes it into the open batch.
    fn take_in(
        &mut self,
        resolve: &impl Fn(&mut Graph, &mut Changes) -> std::result::Result<(), Refusal>,
        ts: Option<Timestamp>,
        line: Option<&[u8]>,
    ) -> Result<Appended> {
        let mut changes = std::mem::take(&mut self.changes);
        let outcome = self.take_in_with(resolve, ts, line, &mut changes);
        self.changes = changes;
        outcome
    }

    fn take_in_with(
        &mut self,
        resolve: &impl Fn(&mut Graph, &mut Changes) -> std::result::Result<(), Refusal>,
        ts: Option<Timestamp>,
        line: Option<&[u8]>,
        changes: &mut Changes,
    ) -> Result<Appended> {
        let time = self.time_of(ts)?;
        resolve(&mut self.graph, changes)?;
        self.touched = true;
        if changes.is_empty() {
            self.line_read(line);
            return Ok(Appended::Unchanged);
        }
        if self.batch_events == 0 {
            self.batch_time = time.max(self.time);
        } else if let Ok(micros @ 1..) = u64::try_from(time.0.saturating_sub(self.time.0)) {
            self.payload.time_passed(micros);
        }
        let start = self.payload.len();
        let mut left = changes.records().len();
        for record in changes.records() {
            left = left.saturating_sub(1);
            self.payload.change(&record, left > 0);
            // What was just resolved against this graph applies to it, and is no larger than an event may be.
            self.graph.apply(&record).map_err(|inconsistency| Error::Damage {
                path: "the graph in memory".to_owned(),
                offset: None,
                fault: inconsistency.into(),
            })?;
        }
        self.history.event(time.max(self.time), self.payload.as_slice().get(start..).unwrap_or_default());
        let seq = self.next_seq;
        self.next_seq = seq.next();
        self.batch_events = self.batch_events.saturating_add(1);
        self.unsynced_events = self.unsynced_events.saturating_add(1);
        self.time = self.time.max(time);
        self.event_time = self.time;
        self.line_read(line);
        Ok(Appended::Written(seq))
    }

    /// The time of an event: its own, or the clock's; never before the last one.
    pub(super) fn time_of(&mut self, ts: Option<Timestamp>) -> Result<Timestamp> {
        let time = match ts {
            // One batch, one look at the clock.
            None if self.batch_events > 0 => return Ok(self.time),
            None => self.environment.now(),
            Some(time) => {
                if time > self.time {
                    let now = self.environment.now();
                    if time > now.plus_micros(MAX_AHEAD_MICROS) {
                        return Err(Error::Refused(Refusal::TimeAhead { time, now }));
                    }
                }
                time
            }
        };
        if time < self.time {
            self.held = self.held.saturating_add(1);
        }
        Ok(time.max(self.time))
    }

    /// What follows an event or a batch: the schedule's marker, the end of a frame, the sync that is due.
    fn after_event(&mut self) -> Result<()> {
        self.place_due()?;
        if self.payload.len() >= FRAME_BYTES {
            self.flush()?;
        }
        self.sync_if_due()
    }

    fn sync_if_due(&mut self) -> Result<()> {
        match self.config.durability {
            Durability::Each if self.unsynced_events > 0 => self.sync(),
            Durability::Grouped { events, .. } if self.unsynced_events >= events => self.sync(),
            _ => Ok(()),
        }
    }

    /// Puts the open batch into a frame and hands the frames so far to the file system.
    pub(super) fn flush(&mut self) -> Result<()> {
        let source = self.source.as_mut().filter(|source| source.unsaid).map(|source| {
            source.unsaid = false;
            Source {
                name: source.name.clone(),
                bytes: source.bytes,
                lines: source.lines,
                digest: source.hasher.digest128().to_le_bytes(),
            }
        });
        if self.batch_events == 0 && source.is_none() {
            return Ok(());
        }
        if let Some(Source { name, bytes, lines, digest }) = &source {
            self.payload.source_read(SourceRead { name, bytes: *bytes, lines: *lines, digest: *digest });
        }
        self.segment()?;
        let time = if self.batch_events == 0 { self.time } else { self.batch_time };
        let (first_seq, events) = (self.flushed.next_seq, self.batch_events);
        if let Some(segment) = &mut self.segment {
            segment.push(FrameType::Events, first_seq, events, time, self.payload.as_slice())?;
            segment.write_out()?;
        }
        self.payload.restart(self.graph.ordinals());
        self.history.settle();
        self.batch_events = 0;
        self.flushed = Flushed {
            next_seq: self.next_seq,
            ordinals: self.graph.ordinals(),
            high_water: self.graph.counts().high_water,
            time: self.time,
        };
        if let Some(source) = source {
            remember(&mut self.sources, source);
        }
        self.roll_if_full()
    }

    /// Makes everything durable that was handed in so far.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        if !self.is_unsynced() {
            self.unsynced_events = 0;
            return Ok(());
        }
        // Begins a segment if there is none: what an earlier session left unsure is made sure of by that.
        self.segment()?;
        let (next_seq, time) = (self.flushed.next_seq, self.flushed.time);
        if let Some(segment) = self.segment.as_mut().filter(|segment| segment.dirty) {
            segment.sync(next_seq, time)?;
        }
        self.durable = Seq(next_seq.0.saturating_sub(1));
        self.unsynced_events = 0;
        Ok(())
    }

    /// As [`sync`](Self::sync), of what an earlier session left as well; the last durable event.
    pub(super) fn commit(&mut self) -> Result<Seq> {
        self.touched = true;
        self.sync()?;
        Ok(self.durable)
    }

    /// Begins a segment if the last one that an earlier session wrote is open still: that ends it.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.commit()?;
        if self.inherited.is_some() { self.segment().map(drop) } else { Ok(()) }
    }

    /// Ends the session: everything durable, the segment sealed, its end in the manifest.
    pub(super) fn close(&mut self) -> Result<()> {
        // What was found counts too, though nothing came after it: whoever opened the log has seen it.
        self.commit()?;
        if self.segment.is_some() {
            self.end_segment()?;
            let manifest = self.described();
            self.put_in_force(manifest)?;
        }
        Ok(())
    }

    /// From now on lines come from `name`, of which `read` are in the log already.
    pub(super) fn begin_source(&mut self, name: &str, read: Option<(u64, u64, Xxh3)>) -> Result<()> {
        self.end_source()?;
        if name.len() > MAX_SOURCE_NAME_BYTES {
            let (found, max) = (len_u64(name.len()), len_u64(MAX_SOURCE_NAME_BYTES));
            return Err(Error::Refused(Refusal::TooLarge { what: "the name of a source", found, max }));
        }
        let (bytes, lines, hasher) = read.unwrap_or((0, 0, Xxh3::new()));
        self.source = Some(ActiveSource { name: name.to_owned(), bytes, lines, hasher, unsaid: false });
        Ok(())
    }

    /// No more lines come from the source.
    pub(super) fn end_source(&mut self) -> Result<()> {
        self.flush()?;
        self.source = None;
        Ok(())
    }

    /// Notes that a line of the source was read.
    pub(super) fn line_read(&mut self, line: Option<&[u8]>) {
        if let (Some(line), Some(source)) = (line, &mut self.source) {
            source.hasher.update(line);
            source.bytes = source.bytes.saturating_add(len_u64(line.len()));
            source.lines = source.lines.saturating_add(1);
            source.unsaid = true;
        }
    }
}

/// Puts `source` in the place of what was known of it, as the one that was read last.
pub(crate) fn remember(sources: &mut Vec<Source>, source: Source) {
    sources.retain(|known| known.name != source.name);
    sources.push(source);
    let surplus = sources.len().saturating_sub(MAX_SOURCES);
    sources.drain(..surplus);
}
