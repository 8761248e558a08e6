//! Salvage: all that can still be read of a damaged log, into a new one.
//!
//! It reads every file of the log, whether the manifest names it or not, frame by frame and block by block, and walks from
//! the first event on: events where they can be read, else the increment that leads over them, else a gap. Where another
//! increment covers what was lost, its rows heal it. The new log gets the same changes by id, at the same times, and each
//! marker at which its graph is what the marker says. The damaged log is never written to.

mod clock;
mod lenient;
mod state;
mod survey;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use crate::format::Fault;
use crate::format::records::{Item, PayloadDecoder, advance};
use crate::format::snapshot::Chunk;
use crate::log::{Environment, Error, Result, Writer, init_like};
use crate::model::marker::{Marker, Ordinals};
use crate::model::position::Seq;
use crate::model::row::RowKind;
use crate::model::time::Timestamp;
use crate::policy::config::{Compression, Config, Durability, Keep, KeepEvents, Retention};
use crate::storage::{Storage, read_all};
use clock::Clock;
use lenient::Lenient;
use state::State;
use survey::{Frame, Span, Survey, survey};

pub use super::verify::Finding;
use super::verify::finding;

/// Largest snaplog.toml that is taken over.
const MAX_CONFIG_BYTES: usize = 1 << 20;
/// The label of the marker at the end of the new log, if none of the old one's stands there.
pub const LABEL: &str = "salvaged";

/// What was saved, and what was not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether nothing that the log held is missing in the new one.
    pub complete: bool,
    /// Files that were looked at.
    pub files: u64,
    /// What cannot be read, and where.
    pub faults: Vec<Finding>,
    /// Events that were read one by one.
    pub events_read: u64,
    /// Events that are lost one by one, as ranges of seqs. What they changed may have come back by increments.
    pub lost: Vec<Gap>,
    /// Rows of increments that are lost.
    pub rows_lost: u64,
    /// Changes that name what is not known, such as an edge to a node whose birth is lost, and attributes whose name is lost.
    pub changes_lost: u64,
    /// Markers that are in the new log, with the same graph.
    pub markers_kept: Vec<String>,
    /// Markers whose graph cannot be had again, or not exactly.
    pub markers_lost: Vec<LostMarker>,
    /// Damaged places that may have held further markers, of which nothing else tells.
    pub markers_unknown: u64,
    /// Nodes in the new log at its end.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
    /// Items of state.
    pub items: u64,
}

/// Events that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// How many nodes were born in it, where what follows tells.
    pub nodes_born: Option<u64>,
    /// How many edges.
    pub edges_born: Option<u64>,
}

/// A marker that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostMarker {
    /// Its name.
    pub id: String,
    /// What it was called by its user.
    pub label: Option<String>,
    /// The event after which it stood.
    pub seq: u64,
}

/// Reads all that can be read of the log in `from` into a new log in `to`, which must be empty.
///
/// # Errors
/// [`Error::NotALog`] if there is nothing of a log; what the file systems say; what stands in the way of the new log. Damage to
/// the old one is no error, but in the report. After an error `to` may hold part of a log: write into a temporary directory.
pub fn salvage(
    from: &dyn Storage,
    to: Arc<dyn Storage>,
    environment: Arc<dyn Environment>,
) -> Result<Report> {
    let from = Lenient::new(from);
    let found = survey(&from)?;
    let clock = Arc::new(Clock::new(environment, &found));
    let limit = clock.limit();
    let text = read_all(&from, crate::format::names::CONFIG, MAX_CONFIG_BYTES).unwrap_or_default();
    let text = String::from_utf8(text).ok().filter(|text| Config::parse(text).is_ok());
    let config = text.as_deref().unwrap_or(Config::template());
    let log = init_like(&from, to, clock, found.kind, config)?;
    // Nobody waits for single events, and nothing is dropped or folded before its user has seen what was saved.
    let writer = log.writer_with(Config {
        tiers: Vec::new(),
        retention: Retention {
            tiered: false,
            flat: Keep::ALL,
            keep_events: KeepEvents::All,
            ..Retention::default()
        },
        compression: Compression { enabled: false, ..Compression::default() },
        durability: Durability::Marker,
        ..Config::default()
    })?;
    writer.set_automatic_markers(false)?;
    let mut report = Walk::new(&found, &writer, limit).run()?;
    writer.close()?;
    report.faults.extend(from.refused());
    Ok(report)
}

/// On the way from the first event to the last.
struct Walk<'s> {
    survey: &'s Survey,
    writer: &'s Writer,
    state: State<'s>,
    /// The last event that is in the new log, or was passed over.
    at: Seq,
    /// No time in the new log is later.
    limit: Timestamp,
    /// The time there.
    time: Timestamp,
    /// The next birth numbers there, where they are known.
    ordinals: Option<Ordinals>,
    /// Frames before this one end before `at`.
    frame: usize,
    /// The position after which the first loss lies that nothing has healed.
    wounded: Option<Seq>,
    /// Markers that were not come by yet, the last one first.
    waiting: Vec<Marker>,
    last_kept: Option<Seq>,
    report: Report,
}

impl<'s> Walk<'s> {
    fn new(survey: &'s Survey, writer: &'s Writer, limit: Timestamp) -> Self {
        let mut waiting: Vec<Marker> = survey.markers.values().cloned().collect();
        waiting.sort_by_key(|marker| std::cmp::Reverse((marker.seq, marker.id)));
        Self {
            survey,
            writer,
            state: State::new(writer, survey.kind, limit),
            limit,
            at: Seq(0),
            time: Timestamp::MIN,
            ordinals: Some(Ordinals::default()),
            frame: 0,
            wounded: None,
            waiting,
            last_kept: None,
            report: Report {
                complete: false,
                files: survey.files,
                faults: survey.faults.clone(),
                events_read: 0,
                lost: Vec::new(),
                rows_lost: 0,
                changes_lost: 0,
                markers_kept: Vec::new(),
                markers_lost: Vec::new(),
                markers_unknown: survey.blind,
                nodes: 0,
                edges: 0,
                items: 0,
            },
        }
    }

    fn run(mut self) -> Result<Report> {
        self.arrive(None)?;
        loop {
            if let Some(frame) = self.next_frame() {
                self.events(&frame)?;
                self.arrive(None)?;
            } else if let Some(span) = self.next_span() {
                self.increment(span)?;
                self.at = span.to;
                self.arrive(Some(span))?;
            } else if let Some(next) = self.next_place() {
                self.gap(next);
            } else {
                break;
            }
        }
        self.finish()
    }

    /// The events right behind `at`.
    fn next_frame(&mut self) -> Option<Frame> {
        let frames = &self.survey.frames;
        let next = self.at.next();
        while frames.get(self.frame).is_some_and(|frame| frame.header.end_seq() <= next) {
            self.frame = self.frame.saturating_add(1);
        }
        let candidates = frames.iter().skip(self.frame).take_while(|frame| frame.header.first_seq <= next);
        candidates
            .filter(|frame| frame.header.end_seq() > next)
            .max_by_key(|frame| frame.header.first_seq)
            .cloned()
    }

    /// The increment that leads on from `at`, and not far.
    fn next_span(&self) -> Option<Span> {
        let leads = |span: &&Span| span.from <= self.at && span.to > self.at;
        self.survey.spans.iter().find(leads).copied()
    }

    /// Where something can be read again, behind `at`: the event after which it begins.
    fn next_place(&self) -> Option<Seq> {
        let frames = self.survey.frames.iter().skip(self.frame).map(|frame| frame.header.first_seq);
        let frames =
            frames.filter(|first| *first > self.at.next()).map(|first| Seq(first.0.saturating_sub(1)));
        let spans = self.survey.spans.iter().map(|span| span.from).filter(|from| *from > self.at);
        frames.chain(spans).min()
    }

    fn gap(&mut self, next: Seq) {
        self.wounded = self.wounded.or(Some(self.at));
        // What was lost in one stretch is one gap.
        match self.report.lost.last_mut().filter(|gap| gap.to == self.at.0) {
            Some(gap) => gap.to = next.0,
            None => self.report.lost.push(Gap {
                from: self.at.next().0,
                to: next.0,
                nodes_born: None,
                edges_born: None,
            }),
        }
        self.at = next;
    }

    /// Takes in the events of a frame that are not in yet.
    fn events(&mut self, frame: &Frame) -> Result<()> {
        let Some(segment) = self.survey.segments.get(frame.segment) else { return Ok(()) };
        let payload = match segment.payload(frame.offset, &frame.header) {
            Ok(payload) => payload,
            Err(error) => {
                self.bad_frame(frame, &error);
                return Ok(());
            }
        };
        let damage = |fault: Fault| segment.damage(frame.offset, fault);
        let mut decoder = match PayloadDecoder::new(&payload, self.survey.kind) {
            Ok(decoder) => decoder,
            Err(fault) => {
                self.bad_frame(frame, &damage(fault));
                return Ok(());
            }
        };
        self.born_in_gap(decoder.ordinals());
        let (mut seq, mut time) = (frame.header.first_seq, frame.header.time);
        loop {
            let next = decoder.ordinals();
            let item = match decoder.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(fault) => {
                    self.bad_frame(frame, &damage(fault));
                    return Ok(());
                }
            };
            match item {
                Item::TimePassed(micros) => time = advance(time, micros),
                Item::SourceRead(_) => {}
                Item::Change { record, ends_event } => {
                    if seq > self.at {
                        self.state.record(&record, next, time)?;
                    }
                    if ends_event {
                        if seq > self.at {
                            self.at = seq;
                            self.report.events_read = self.report.events_read.saturating_add(1);
                        }
                        seq = seq.next();
                    }
                }
            }
        }
        self.time = self.time.max(time);
        self.ordinals = Some(decoder.ordinals());
        // A frame that holds less than it says.
        let end = Seq(frame.header.end_seq().0.saturating_sub(1));
        if self.at < end {
            self.gap(end);
        }
        Ok(())
    }

    fn bad_frame(&mut self, frame: &Frame, error: &Error) {
        self.report.faults.push(finding(error));
        self.ordinals = None;
        self.gap(Seq(frame.header.end_seq().0.saturating_sub(1)).max(self.at.next()));
    }

    /// Behind a gap: how much was born in it.
    fn born_in_gap(&mut self, next: Ordinals) {
        let (Some(before), Some(gap)) = (self.ordinals, self.report.lost.last_mut()) else { return };
        if gap.to == self.at.0 && gap.nodes_born.is_none() {
            gap.nodes_born = Some(u64::from(next.node.0.saturating_sub(before.node.0)));
            gap.edges_born = Some(u64::from(next.edge.0.saturating_sub(before.edge.0)));
        }
    }

    /// Takes in the rows of an increment; whether all could be read.
    fn increment(&mut self, span: Span) -> Result<bool> {
        let file = self.survey.snapshots.get(span.file);
        let Some((file, increment)) =
            file.and_then(|file| Some((file, file.footer.increments.get(span.at)?)))
        else {
            return Ok(false);
        };
        let time = increment.to.time;
        let mut alive = HashSet::new();
        let mut whole = true;
        let of = |kind: RowKind| increment.chunks.iter().filter(move |chunk| chunk.kind == kind);
        let mut lost = HashSet::new();
        // As a restore does it: names, the deaths of edges, then each kind in order.
        let passes: [(RowKind, bool); 6] = [
            (RowKind::Name, false),
            (RowKind::Edge, true),
            (RowKind::Node, false),
            (RowKind::Edge, false),
            (RowKind::Item, false),
            (RowKind::Graph, false),
        ];
        for (kind, deaths) in passes {
            for chunk in of(kind).filter(|chunk| !deaths || chunk.tombstones > 0) {
                let decoded = match file.rows(increment, chunk) {
                    Ok(decoded) => decoded,
                    Err(error) => {
                        whole = false;
                        if lost.insert(chunk.offset) {
                            self.lose_chunk(chunk, &error, span);
                        }
                        continue;
                    }
                };
                for entry in (0..decoded.len()).filter_map(|at| decoded.entry(at)) {
                    if entry.row.is_some() {
                        alive.insert((kind, entry.ordinal));
                    }
                    if kind != RowKind::Edge || entry.row.is_none() == deaths {
                        self.state.row(kind, entry.ordinal, entry.row, time)?;
                    }
                }
            }
        }
        if whole {
            self.state.keep_only(increment.from.ordinals, &alive, time)?;
        }
        self.time = self.time.max(time);
        self.ordinals = Some(increment.to.ordinals);
        Ok(whole)
    }

    fn lose_chunk(&mut self, chunk: &Chunk, error: &Error, span: Span) {
        self.wounded = Some(self.wounded.map_or(span.from, |first| first.min(span.from)));
        self.report.rows_lost = self.report.rows_lost.saturating_add(u64::from(chunk.entries));
        let found = finding(error);
        if !self.report.faults.contains(&found) {
            self.report.faults.push(found);
        }
    }

    /// At a position: heals what can be healed there, and places its markers. `taken`: the increment that led here.
    fn arrive(&mut self, taken: Option<Span>) -> Result<()> {
        if let Some(first) = self.wounded {
            let here: Vec<Span> =
                self.survey.spans.iter().filter(|span| span.to == self.at).copied().collect();
            for span in here {
                let same = taken.is_some_and(|taken| (taken.file, taken.at) == (span.file, span.at));
                if !same && self.increment(span)? && span.from <= first {
                    self.wounded = None;
                }
            }
        }
        while let Some(marker) = self.waiting.pop_if(|marker| marker.seq <= self.at) {
            let sums = self.writer.with_graph(|graph| graph.fingerprint())?;
            if marker.seq == self.at && sums.content == marker.fingerprint.content {
                let Marker { tiers, label, pinned, time, .. } = marker.clone();
                self.writer.mark_beginning(tiers, label, pinned, time.min(self.limit))?;
                self.last_kept = Some(self.at);
                self.report.markers_kept.push(marker.id.to_string());
            } else {
                self.lose_marker(&marker);
            }
        }
        Ok(())
    }

    fn lose_marker(&mut self, marker: &Marker) {
        self.report.markers_lost.push(LostMarker {
            id: marker.id.to_string(),
            label: marker.label.clone(),
            seq: marker.seq.0,
        });
    }

    fn finish(mut self) -> Result<Report> {
        while let Some(marker) = self.waiting.pop() {
            if marker.seq > self.at {
                self.wounded = self.wounded.or(Some(self.at));
                self.gap(marker.seq);
            }
            self.lose_marker(&marker);
        }
        if self.last_kept != Some(self.at) {
            self.writer.mark_beginning(
                Vec::new(),
                Some(LABEL.to_owned()),
                false,
                self.time.min(self.limit),
            )?;
        }
        // Behind the last frame that can be read, and behind the last marker.
        if self.survey.end > self.at {
            self.wounded = self.wounded.or(Some(self.at));
            self.gap(self.survey.end);
        }
        let counts = self.writer.status()?.counts;
        let mut report = self.report;
        (report.nodes, report.edges, report.items) = (counts.nodes, counts.edges, counts.items);
        report.changes_lost = self.state.unplaced;
        // What was lost of rows and changes, another increment may have brought back.
        let healed = self.wounded.is_none() && (report.rows_lost > 0 || report.changes_lost == 0);
        report.complete =
            report.lost.is_empty() && healed && report.markers_lost.is_empty() && report.markers_unknown == 0;
        Ok(report)
    }
}
