//! Ingest: an input, line by line or as a document, into a log.
//!
//! # What is remembered of an input
//! An input with a name (a *source*) is remembered in the log: how many bytes and lines of it were read, and their
//! XXH3-128, each time in the frame of the events that came of them. So what was read and what it did are durable
//! together. When a source of that name comes again, its first bytes are compared with that sum. If they are the same,
//! reading goes on behind them: sending a file again adds nothing, and of a file that grew only what is new is read.
//! Else it is another input, and is read from its start.
//!
//! Bytes are counted after decompression, so a file may be compressed between two readings.
//!
//! # Times
//! A line without a time takes that of the line before it; before the first time in an input, the writer's clock is
//! asked.

mod input;
mod lines;
mod memory;
mod node_link;
mod stopped;
mod text;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

pub use input::{Input, Seekable, Spooled};
pub use lines::{MAX_LINE_BYTES, ndjson};
pub use node_link::{MAX_DOCUMENT_BYTES, node_link};
pub use stopped::{BadLine, Cause, LineFault, Stopped};

use crate::log::{Result, Writer};
use crate::model::marker::Marker;
use crate::model::position::Seq;

/// How an input is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What the input is called in the log; without a name nothing is remembered of it.
    pub source: Option<&'a str>,
    /// Read it from its start even if it was read before.
    pub again: bool,
    /// Count and report what cannot be used, and go on; otherwise the first of it ends the reading.
    pub skip_bad: bool,
    /// Becomes true when reading is to end after the line at hand. Input that ends with an error then is not at fault.
    pub stop: Option<&'a AtomicBool>,
    /// After how many lines the observer is told.
    pub progress_every: u64,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { source: None, again: false, skip_bad: false, stop: None, progress_every: 1000 }
    }
}

impl Options<'_> {
    fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the beginning: nothing of that name was read before, or it is to be read again.
    Beginning,
    /// After what the log has of it already.
    After {
        /// Lines that are in the log.
        lines: u64,
    },
    /// Nowhere: the log has all of this document already.
    AtTheEnd,
    /// At the beginning: the input is not the one of that name that was read before.
    Changed,
}

/// Is told how it goes.
pub trait Observer {
    /// Reading starts.
    fn starts(&mut self, start: Start) {
        let _ = start;
    }

    /// Something that cannot be used was passed over.
    fn skipped(&mut self, bad: &BadLine) {
        let _ = bad;
    }

    /// So far it went. `marker`: the newest one.
    fn progress(&mut self, report: &Report, marker: Option<&Marker>) {
        let _ = (report, marker);
    }
}

/// Nobody listens.
impl Observer for () {}

/// What became of an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Lines or elements that held an event, good or bad: the sum of the next three. What was read before does not count.
    pub events_read: u64,
    /// Events that changed something.
    pub events_written: u64,
    /// Events that changed nothing, so that nothing was written.
    pub unchanged: u64,
    /// What could not be used.
    pub events_skipped: u64,
    /// Lines that an earlier reading has left in the log.
    pub lines_already_read: u64,
    /// Markers that were placed: by the schedule, and by lines that asked for them.
    pub markers_placed: u64,
    /// Nodes in the graph.
    pub nodes: u64,
    /// Edges in the graph.
    pub edges: u64,
    /// The last event of the log.
    pub last_seq: Seq,
    /// The last durable event of the log.
    pub durable_seq: Seq,
    /// Whether reading ended because it was stopped.
    pub interrupted: bool,
}

/// Keeps the report, and the writer's part of it.
struct Tally<'a> {
    writer: &'a Writer,
    report: Report,
    /// Markers of the schedule before this input.
    placed_before: u64,
    /// Markers that lines asked for.
    asked: u64,
}

impl<'a> Tally<'a> {
    fn new(writer: &'a Writer) -> Result<Self> {
        let placed_before = writer.status()?.placed;
        Ok(Self { writer, report: Report::default(), placed_before, asked: 0 })
    }

    /// Brings the report up to date; returns the newest marker.
    fn refresh(&mut self) -> Result<Option<Marker>> {
        let status = self.writer.status()?;
        let report = &mut self.report;
        let placed = status.placed.saturating_sub(self.placed_before);
        report.markers_placed = placed.saturating_add(self.asked);
        (report.nodes, report.edges) = (status.counts.nodes, status.counts.edges);
        (report.last_seq, report.durable_seq) = (status.last_seq, status.durable);
        Ok(status.last_marker)
    }

    /// Makes everything durable that was read.
    fn finish(&mut self) -> Result<()> {
        self.writer.end_source()?;
        self.writer.commit()?;
        self.refresh().map(drop)
    }

    /// What to return: the report, or why reading stopped. What was read before is durable either way, unless the log
    /// itself failed.
    fn conclude(mut self, outcome: std::result::Result<(), Cause>) -> std::result::Result<Report, Stopped> {
        let outcome = match outcome {
            // The log has failed already: more cannot be made durable.
            Err(Cause::Log(error)) => Err(Cause::Log(error)),
            outcome => self.finish().map_err(Cause::Log).and(outcome),
        };
        match outcome {
            Ok(()) => Ok(self.report),
            Err(cause) => Err(Stopped { report: Box::new(self.report), cause }),
        }
    }
}
