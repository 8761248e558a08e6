//! NDJSON into a log, line by line.

use std::io::{self, BufRead, Read};

use super::input::Input;
use super::memory::{Prefix, pass_over, remembered};
use super::stopped::{BadLine, Cause, Stopped};
use super::text::{BYTE_ORDER_MARK, Text};
use super::{Observer, Options, Report, Tally};
use crate::codec::len_u64;
use crate::exchange::ndjson::{Item, Line, MarkRequest, parse_line};
use crate::log::{Appended, MarkOptions, Writer};
use crate::model::event::Event;
use crate::model::time::Timestamp;

/// Longest line, its end included.
pub const MAX_LINE_BYTES: u64 = 32 << 20;

/// Reads NDJSON into a log: events and markers, [one a line](crate::exchange::ndjson). Input that is compressed with
/// zstd is decompressed on the way. Everything that was read is durable on return.
///
/// The writer's other callers are not in the way, but lines of one source at a time are what it can take.
///
/// # Errors
/// [`Stopped`] at the first line that cannot be used, unless `options` say that such lines are to be skipped; if the
/// input cannot be read; if the log fails. Except in the last case everything before is durable, and reading the same
/// source again goes on there.
///
/// # Examples
/// ```
/// use std::io::Cursor;
/// use snaplog::exchange::ingest::{Options, Seekable, ndjson};
/// # use snaplog::{GraphKind, Log};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let log = Log::init(dir.path().join("crawl"), GraphKind { directed: true, multigraph: false })?;
/// let writer = log.writer()?;
/// let text = r#"{"op":"edge","src":"a","dst":"b","attrs":{"weight":0.5}}"#;
/// let options = Options { source: Some("crawl.ndjson"), ..Options::default() };
/// let report = ndjson(&writer, Seekable(Cursor::new(text)), &options, &mut ())?;
/// assert_eq!((report.events_written, report.nodes, report.edges), (1, 2, 1));
///
/// let again = ndjson(&writer, Seekable(Cursor::new(text)), &options, &mut ())?;
/// assert_eq!((again.events_read, again.lines_already_read), (0, 1));
/// # Ok(())
/// # }
/// ```
pub fn ndjson(
    writer: &Writer,
    input: impl Input,
    options: &Options<'_>,
    observer: &mut dyn Observer,
) -> Result<Report, Stopped> {
    let stopped = |cause| Stopped { report: Box::default(), cause };
    let tally = Tally::new(writer).map_err(|e| stopped(e.into()))?;
    let mut session =
        Session { tally, options, observer, line: Vec::new(), number: 0, ts: None, since_told: 0 };
    let outcome = session.run(input);
    session.tally.conclude(outcome)
}

/// The reading of one input.
struct Session<'a> {
    tally: Tally<'a>,
    options: &'a Options<'a>,
    observer: &'a mut dyn Observer,
    /// The line at hand, with its end.
    line: Vec<u8>,
    /// Its number, from 1.
    number: u64,
    /// The last time that a line had.
    ts: Option<Timestamp>,
    /// Lines since the observer was told.
    since_told: u64,
}

impl Session<'_> {
    fn run(&mut self, input: impl Input) -> Result<(), Cause> {
        let writer = self.tally.writer;
        let known = remembered(writer, self.options)?;
        let (mut text, start, prefix) = match pass_over(input, known.as_ref()) {
            Ok(found) => found,
            Err(source) => return self.unreadable(source),
        };
        self.observer.starts(start);
        self.begin(prefix)?;
        loop {
            if self.options.is_stopped() {
                self.tally.report.interrupted = true;
                return Ok(());
            }
            match self.next_line(&mut text) {
                Ok(false) => return Ok(()),
                Ok(true) => self.take()?,
                Err(source) => return self.unreadable(source),
            }
            self.since_told = self.since_told.saturating_add(1);
            if self.since_told >= self.options.progress_every {
                self.since_told = 0;
                let marker = self.tally.refresh()?;
                self.observer.progress(&self.tally.report, marker.as_ref());
            }
        }
    }

    fn begin(&mut self, prefix: Option<Prefix>) -> Result<(), Cause> {
        let mut read = None;
        if let Some(prefix) = prefix {
            self.tally.report.lines_already_read = prefix.lines;
            self.ts = prefix.ts;
            // A line that had no end is going on: what comes now still counts as that line.
            self.number = prefix.lines.saturating_sub(u64::from(prefix.is_open));
            read = Some((prefix.bytes, self.number, prefix.hasher));
        }
        match self.options.source {
            Some(name) => Ok(self.tally.writer.begin_source(name, read)?),
            None => Ok(()),
        }
    }

    /// Input that ends because reading was stopped is not at fault.
    fn unreadable(&mut self, source: io::Error) -> Result<(), Cause> {
        if self.options.is_stopped() {
            self.tally.report.interrupted = true;
            return Ok(());
        }
        Err(Cause::Read { line: self.number, source })
    }

    /// Reads the next line; false at the end.
    fn next_line(&mut self, text: &mut Text<impl Input>) -> io::Result<bool> {
        self.line.clear();
        text.take(MAX_LINE_BYTES.saturating_add(1)).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number = self.number.saturating_add(1);
        Ok(true)
    }

    /// Takes in the line at hand.
    fn take(&mut self) -> Result<(), Cause> {
        if len_u64(self.line.len()) > MAX_LINE_BYTES {
            return Err(Cause::LineTooLong { line: self.number, max: MAX_LINE_BYTES });
        }
        let content = match self.line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.number == 1 => rest,
            _ => &self.line,
        };
        match parse_line(content) {
            Ok(Some(Line { item, ts })) => {
                let ts = ts.or(self.ts);
                match item {
                    Item::Event(event) => self.event(&event, ts),
                    Item::Mark(request) => self.mark(request, ts),
                }
            }
            Ok(None) => Ok(self.tally.writer.skip_line(&self.line)?),
            Err(error) => self.bad(BadLine::unreadable(self.number, error)),
        }
    }

    fn event(&mut self, event: &Event, ts: Option<Timestamp>) -> Result<(), Cause> {
        let count = match self.tally.writer.append_line(event, ts, &self.line) {
            Ok(Appended::Written(_)) => &mut self.tally.report.events_written,
            Ok(Appended::Unchanged) => &mut self.tally.report.unchanged,
            Err(error) => return self.bad(BadLine::refused(self.number, error)?),
        };
        *count = count.saturating_add(1);
        self.tally.report.events_read = self.tally.report.events_read.saturating_add(1);
        self.ts = ts;
        Ok(())
    }

    fn mark(&mut self, request: MarkRequest, ts: Option<Timestamp>) -> Result<(), Cause> {
        let MarkRequest { label, tier, pin } = request;
        let before = self.tally.writer.status()?.last_marker.map(|marker| marker.id);
        match self.tally.writer.mark_line(&MarkOptions { label, tier, pin }, ts, &self.line) {
            Ok(marker) => {
                let is_new = before.is_none_or(|before| marker.id > before);
                self.tally.asked = self.tally.asked.saturating_add(u64::from(is_new));
                self.ts = ts;
                Ok(())
            }
            Err(error) => self.bad(BadLine::refused(self.number, error)?),
        }
    }

    /// The line at hand cannot be used.
    fn bad(&mut self, bad: BadLine) -> Result<(), Cause> {
        if !self.options.skip_bad {
            return Err(Cause::Bad(bad));
        }
        self.tally.writer.skip_line(&self.line)?;
        let report = &mut self.tally.report;
        report.events_read = report.events_read.saturating_add(1);
        report.events_skipped = report.events_skipped.saturating_add(1);
        self.observer.skipped(&bad);
        Ok(())
    }
}
