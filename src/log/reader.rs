//! The reader: a consistent view of a log, beside a writer or without one.

use std::collections::HashSet;
use std::sync::Arc;

use super::chain;
use super::error::{Error, Result};
use super::frames::Segment;
use super::replay::{Nobody, Replay, Until};
use super::snapshot::SnapshotFile;
use super::spans;
use super::store::Shared;
use super::stream::StateStream;
use super::view::{Piece, View};
use crate::format::Fault;
use crate::format::names;
use crate::model::graph::Graph;
use crate::model::history::{self, Digest};
use crate::model::marker::{GraphKind, Marker};
use crate::model::position::{LogId, MarkerId, Seq};
use crate::model::time::Timestamp;
use crate::policy::compaction::{IncrementSpan, Path, Reachable};
use crate::policy::config::Config;
use crate::policy::retention::{self, Verdict};
use crate::policy::selector::{Choice, Selector, choose};

/// A view of a log as it was when the reader was made.
///
/// Beside a live writer it ends with what the writer is known to have made durable, so that what it shows stays;
/// otherwise with the last event that a recovery would keep. It takes no lock and writes nothing.
///
/// # Examples
/// ```
/// # use snaplog::{Event, GraphKind, Log, MarkOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let log = Log::init(dir.path().join("crawl"), GraphKind { directed: true, multigraph: false })?;
/// # let writer = log.writer()?;
/// # writer.append(&Event::node("a").with("name", "rain"))?;
/// # writer.mark(&MarkOptions::labelled("first"))?;
/// # writer.close()?;
/// use snaplog::{Selector, Id};
///
/// let reader = log.reader()?;
/// let choice = reader.select(&Selector::Latest, None)?;
/// let mut graph = reader.restore(choice.marker)?;
/// let node = graph.node(&Id::from("a")).ok_or("lost")?;
/// assert_eq!(node.attrs().get("name"), Some("rain".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reader {
    pub(crate) view: View,
    config: Config,
    config_fault: Option<Error>,
}

/// A part of a file that a restore reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRead {
    /// The file's name.
    pub file: String,
    /// The first event in it.
    pub from: Seq,
    /// The last event that is taken from it.
    pub to: Seq,
    /// How many bytes of it count.
    pub bytes: u64,
}

/// A segment as the manifest in force knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The file's name.
    pub file: String,
    /// The first event in it.
    pub from: Seq,
    /// The last event in it; before `from` if there is none.
    pub to: Seq,
    /// How many bytes of it count.
    pub bytes: u64,
    /// How many they were before compression.
    pub raw_bytes: u64,
    /// Whether it is compressed.
    pub compressed: bool,
}

/// A graph as a restore made it, with the place that it stands at.
#[derive(Debug)]
pub struct Restored {
    /// The graph and the collector's state.
    pub graph: Graph,
    /// The last event in it.
    pub seq: Seq,
    /// The time of that event.
    pub time: Timestamp,
    /// Events that were applied.
    pub events: u64,
}

impl Reader {
    pub(crate) fn open(storage: Shared, config: Result<Config>) -> Result<Self> {
        let (config, config_fault) = match config {
            Ok(config) => (config, None),
            Err(error) => (Config::default(), Some(error)),
        };
        Ok(Self { view: View::for_reading(storage)?, config, config_fault })
    }

    /// The log's id.
    pub fn log_id(&self) -> LogId {
        self.view.in_force.log_id
    }

    /// What kind of graph the log holds.
    pub fn kind(&self) -> GraphKind {
        self.view.in_force.manifest.kind
    }

    /// When the log was made.
    pub fn created(&self) -> Timestamp {
        self.view.in_force.manifest.created
    }

    /// When markers were last dropped, if any ever were.
    pub fn last_prune(&self) -> Option<Timestamp> {
        self.view.in_force.manifest.pruned
    }

    /// The last event; `Seq(0)` if there is none.
    pub fn last_seq(&self) -> Seq {
        self.view.last_seq()
    }

    /// Why the log's snaplog.toml cannot be used, if it cannot: what is stored can be read all the same.
    pub fn config_fault(&self) -> Option<&Error> {
        self.config_fault.as_ref()
    }

    /// What the log's snaplog.toml says; the defaults if it cannot be used.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All markers, oldest first.
    pub fn markers(&self) -> &[Marker] {
        &self.view.markers
    }

    /// The digests of all markers that there ever were, the first one's first: see [`history`](crate::model::history).
    ///
    /// # Errors
    /// Damage: a marker is missing between two others.
    pub fn digests(&self) -> Result<Vec<(MarkerId, Digest)>> {
        let stubs = self.view.stubs()?;
        history::digests(self.log_id(), &stubs).map_err(|e| Error::Damage {
            path: self.view.storage.location(""),
            offset: None,
            fault: Fault::Decode(e),
        })
    }

    /// What is wrong with the newest part of the log, if something is. Markers before it can still be restored by id,
    /// label or seq.
    pub fn damage(&self) -> Option<&Error> {
        self.view.damage.as_ref()
    }

    /// The marker that a selector means, and why.
    ///
    /// # Errors
    /// [`Error::Selector`] if there is none or no single one. If the newest part of the log is damaged, "the latest"
    /// and "the newest before" are not known: that is the error then.
    pub fn select(&self, selector: &Selector, tier: Option<&str>) -> Result<Choice<'_>> {
        let by_name = matches!(selector, Selector::Marker(_) | Selector::Label(_) | Selector::Seq(_));
        match &self.view.damage {
            Some(damage) if !by_name => Err(damage.again()),
            _ => Ok(choose(&self.view.markers, selector, tier)?),
        }
    }

    /// The graph at a marker, proven to be what the marker says.
    ///
    /// # Errors
    /// Damage, [`Error::Mismatch`] if the replay gives another graph than the marker says.
    pub fn restore(&self, marker: &Marker) -> Result<Graph> {
        Ok(self.restore_marker(marker)?.graph)
    }

    /// As [`restore`](Self::restore), with the figures of the replay.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub fn restore_marker(&self, marker: &Marker) -> Result<Restored> {
        let restored = self.restore_until(Until::Seq(marker.seq))?;
        if restored.seq != marker.seq {
            return Err(self.cut_short(marker.seq));
        }
        check_marker(marker, &restored.graph)?;
        Ok(restored)
    }

    /// The graph right after an event, marker or not. Compared with every marker that stands there.
    ///
    /// # Errors
    /// [`Error::NoSuchSeq`] past the end; damage.
    pub fn restore_seq(&self, seq: Seq) -> Result<Restored> {
        if seq > self.last_seq() {
            return Err(match &self.view.damage {
                Some(damage) => damage.again(),
                None => Error::NoSuchSeq { asked: seq, last: self.last_seq() },
            });
        }
        let restored = self.restore_until(Until::Seq(seq))?;
        for marker in self.view.markers.iter().filter(|marker| marker.seq == seq) {
            check_marker(marker, &restored.graph)?;
        }
        Ok(restored)
    }

    /// The graph with every event up to a time, and no later one.
    ///
    /// # Errors
    /// Damage.
    pub fn restore_time(&self, time: Timestamp) -> Result<Restored> {
        let restored = self.restore_until(Until::Time(time))?;
        if restored.seq == self.last_seq()
            && let Some(damage) = &self.view.damage
        {
            return Err(damage.again());
        }
        for marker in self.view.markers.iter().filter(|marker| marker.seq == restored.seq) {
            check_marker(marker, &restored.graph)?;
        }
        Ok(restored)
    }

    /// Goes to `until` by the cheapest road. Where compaction took a file away meanwhile, it is tried again with the
    /// manifest that is in force by then.
    fn restore_until(&self, until: Until) -> Result<Restored> {
        self.with_files(|view| restore_until(view, until))
    }

    /// Does `work` with the view; where compaction took a file away meanwhile, with that of the manifest in force by then.
    fn with_files<T>(&self, work: impl Fn(&View) -> Result<T>) -> Result<T> {
        let mut outcome = work(&self.view);
        let mut generation = self.view.in_force.manifest.generation;
        while let Err(Error::Missing { .. }) = outcome {
            let newer = View::for_reading(Arc::clone(&self.view.storage))?;
            if newer.in_force.manifest.generation == generation {
                break;
            }
            generation = newer.in_force.manifest.generation;
            outcome = work(&newer);
        }
        outcome
    }

    /// The state at a marker, to be read row by row; see [`StateStream`]. `None` for multigraphs: the order of their
    /// edges is that of neighbour slots, which takes a sort over all of them.
    ///
    /// # Errors
    /// Damage; [`Error::Folded`] if the marker's events are gone.
    pub fn stream(&self, marker: &Marker) -> Result<Option<StateStream>> {
        if self.kind().multigraph {
            return Ok(None);
        }
        if marker.seq > self.last_seq() {
            return Err(self.cut_short(marker.seq));
        }
        self.with_files(|view| StateStream::open(view, marker)).map(Some)
    }

    /// About how many bytes the rows take, uncompressed, that a restore of the graph after `seq` reads from snapshots; 0 if
    /// it reads events alone.
    pub fn snapshot_bytes(&self, seq: Seq) -> u64 {
        let manifest = &self.view.in_force.manifest;
        let raw: Vec<u64> =
            manifest.snapshots.iter().flat_map(|file| &file.increments).map(|i| i.raw_bytes).collect();
        let path = self.view.path(seq).map(|path| path.increments).unwrap_or_default();
        path.iter().filter_map(|at| raw.get(*at)).sum()
    }

    fn cut_short(&self, asked: Seq) -> Error {
        match &self.view.damage {
            Some(damage) => damage.again(),
            None => Error::NoSuchSeq { asked, last: self.last_seq() },
        }
    }

    /// What a restore of the graph after `seq` reads, in this order; nothing if it cannot be restored.
    pub fn plan(&self, seq: Seq) -> Vec<PlannedRead> {
        let manifest = &self.view.in_force.manifest;
        let (increments, _) = spans::spans(manifest);
        let Some(path) = self.view.path(seq) else { return Vec::new() };
        let mut reads: Vec<PlannedRead> = Vec::new();
        for increment in path.increments.iter().filter_map(|at| increments.get(*at)) {
            let file = names::snapshot(increment.file);
            match reads.last_mut().filter(|read| read.file == file) {
                Some(read) => {
                    read.to = increment.to;
                    read.bytes = read.bytes.saturating_add(increment.bytes);
                }
                None => reads.push(PlannedRead {
                    file,
                    from: increment.from.next(),
                    to: increment.to,
                    bytes: increment.bytes,
                }),
            }
        }
        let base = path.base;
        let pieces = self.view.pieces.iter().filter(|piece| piece.next_seq.0 > base.0.saturating_add(1));
        reads.extend(pieces.filter(|piece| base < seq && piece.first_seq <= seq).map(|piece| PlannedRead {
            file: names::events(piece.id),
            from: piece.first_seq.max(base.next()),
            to: Seq(piece.next_seq.0.saturating_sub(1)).min(seq),
            bytes: piece.length,
        }));
        reads
    }

    /// The segments: snapshot segments first, then event segments, each kind oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let manifest = &self.view.in_force.manifest;
        let snapshots = manifest.snapshots.iter().map(|entry| {
            let first = entry.increments.first();
            SegmentInfo {
                file: names::snapshot(entry.id),
                from: first.map_or(Seq(0), |first| first.from.next()),
                to: entry.increments.last().map_or(Seq(0), |last| last.to),
                bytes: entry.length,
                raw_bytes: entry.increments.iter().map(|increment| increment.raw_bytes).sum(),
                compressed: true,
            }
        });
        let events = self.view.pieces.iter().map(|piece| {
            let entry = manifest.segments.iter().find(|entry| entry.id == piece.id);
            let compressed = entry.is_some_and(|entry| entry.compression > 0);
            let raw_bytes = entry.filter(|_| compressed).map_or(piece.length, |entry| entry.raw_bytes);
            SegmentInfo {
                file: names::events(piece.id),
                from: piece.first_seq,
                to: Seq(piece.next_seq.0.saturating_sub(1)),
                bytes: piece.length,
                raw_bytes,
                compressed,
            }
        });
        snapshots.chain(events).collect()
    }

    /// The net changes that the snapshot segments hold, in the order of the files.
    pub fn increments(&self) -> Vec<IncrementSpan> {
        spans::spans(&self.view.in_force.manifest).0
    }

    /// What retention keeps and drops by what snaplog.toml says, marker by marker, and why.
    pub fn retention(&self) -> Vec<Verdict> {
        retention::judge(&self.view.markers, &self.config, self.log_time())
    }

    /// The time of the newest event or marker that the manifest knows of: what ages are measured from.
    pub fn log_time(&self) -> Timestamp {
        let newest = self.view.markers.iter().map(|marker| marker.time).max().unwrap_or(Timestamp::MIN);
        newest.max(spans::log_time(&self.view.in_force.manifest))
    }

    /// The positions that can be restored as far as a quick look tells: all files there, with sound headers and in full
    /// length. Not a proof: that is `verify`.
    ///
    /// Where compaction took a file away meanwhile, it goes by the manifest that is in force by then.
    pub fn restorable(&self) -> Restorable {
        let mut found = restorable(&self.view);
        let mut generation = self.view.in_force.manifest.generation;
        while matches!(found.fault(), Some(Error::Missing { .. })) {
            match View::for_reading(Arc::clone(&self.view.storage)) {
                Ok(newer) if newer.in_force.manifest.generation != generation => {
                    generation = newer.in_force.manifest.generation;
                    found = restorable(&newer);
                }
                _ => break,
            }
        }
        found
    }
}

/// Which positions can be restored; see [`Reader::restorable`].
#[derive(Debug, Clone)]
pub struct Restorable {
    reach: Reachable,
    first: Seq,
    last: Seq,
    is_whole: bool,
    fault: Option<Arc<Error>>,
}

impl Restorable {
    /// Whether no file is missing or shows damage at its ends.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The first thing that was found to be wrong with a file: it is missing, damaged, or cannot be read.
    pub fn fault(&self) -> Option<&Error> {
        self.fault.as_deref()
    }

    /// Whether the state right after an event can be.
    pub fn contains(&self, seq: Seq) -> bool {
        self.reach.contains(seq, self.first, self.last)
    }
}

fn restorable(view: &View) -> Restorable {
    let (storage, in_force) = (view.storage.as_ref(), &view.in_force);
    let (log_id, manifest) = (in_force.log_id, &in_force.manifest);
    let mut fault = None;
    let mut is_sound = |outcome: Result<()>| match outcome {
        Ok(()) => true,
        Err(error) => {
            fault.get_or_insert(Arc::new(error));
            false
        }
    };
    let (mut increments, _) = spans::spans(manifest);
    let mut sound: HashSet<_> = HashSet::new();
    for entry in &manifest.snapshots {
        if is_sound(SnapshotFile::open(storage, log_id, manifest.kind, entry).map(drop)) {
            sound.insert(entry.id);
        }
    }
    increments.retain(|increment| sound.contains(&increment.file));
    let first = view.kept_from();
    let mut last = Seq(first.0.saturating_sub(1));
    for piece in &view.pieces {
        let mut reach = |piece: &Piece| -> Result<()> {
            let segment = Segment::open(storage, log_id, piece.id)?;
            let whole = segment.check_length(piece.length);
            last = match &whole {
                Ok(()) => Seq(piece.next_seq.0.saturating_sub(1)),
                // Of a file that is cut short, what stands before the cut.
                Err(_) => segment.last_whole()?.max(last),
            };
            whole
        };
        if !is_sound(reach(piece)) {
            break;
        }
    }
    // Of a segment that has lost no more than its end, all events are there.
    let is_whole = fault.is_none() && last == view.last_seq() && view.damage.is_none();
    Restorable { reach: Reachable::new(&increments), first, last, is_whole, fault }
}

/// Where a replay of events has to begin to get to `until`, and the increments that lead there.
fn road(view: &View, until: Until) -> Result<Path> {
    let path = match until {
        // Past the end it goes to the end; whoever asked finds that it is not there.
        Until::Seq(seq) => view.path(seq.min(view.last_seq())),
        Until::End => view.path(view.last_seq()),
        Until::Time(time) => {
            // Every later event is needed by itself: the last place before them that increments lead to.
            let manifest = &view.in_force.manifest;
            let first = view.kept_from();
            let places = manifest.snapshots.iter().flat_map(|entry| &entry.increments);
            let base = places
                .filter(|increment| increment.time <= time && increment.to.next() >= first)
                .map(|increment| increment.to)
                .max();
            match base {
                Some(base) => view.path(base),
                None if first == Seq(1) => view.path(Seq(0)),
                None => None,
            }
        }
    };
    let asked = match until {
        Until::Seq(seq) => seq,
        Until::Time(_) | Until::End => view.last_seq().min(view.kept_from()),
    };
    path.ok_or_else(|| match &view.damage {
        Some(damage) => damage.again(),
        None => Error::Folded { asked, kept_from: view.kept_from() },
    })
}

fn restore_until(view: &View, until: Until) -> Result<Restored> {
    let mut replay = begin(view, until)?;
    replay.run(view, until, &mut Nobody)?;
    let seq = Seq(replay.next_seq.0.saturating_sub(1));
    Ok(Restored { graph: replay.graph, seq, time: replay.time, events: replay.events })
}

/// The graph where the events on the road to `until` begin.
pub(crate) fn begin(view: &View, until: Until) -> Result<Replay> {
    let path = road(view, until)?;
    let chain = chain::open(view, &path.increments)?;
    let mut graph = Graph::new(view.in_force.manifest.kind);
    chain::load(&chain, &mut graph, |_, _| Ok(()))?;
    let base = chain::end_of(&chain);
    Ok(Replay::from(graph, base.seq.next(), base.time))
}

/// That a graph is what a marker says.
pub(crate) fn check_marker(marker: &Marker, graph: &Graph) -> Result<()> {
    let found = graph.fingerprint();
    if found == marker.fingerprint && graph.counts() == marker.counts && graph.ordinals() == marker.ordinals {
        return Ok(());
    }
    Err(Error::Mismatch { marker: marker.id, expected: Box::new(marker.fingerprint), found: Box::new(found) })
}
