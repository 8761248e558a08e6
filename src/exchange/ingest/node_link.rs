//! A node-link document into a log.

use std::io::{self, Read};

use xxhash_rust::xxh3::xxh3_128;

use super::input::Input;
use super::memory::remembered;
use super::stopped::{BadLine, Cause, Stopped};
use super::text::{BYTE_ORDER_MARK, Text};
use super::{Observer, Options, Report, Start, Tally};
use crate::codec::len_u64;
use crate::exchange::node_link::{NodeLinkItem, ReadError, read};
use crate::format::manifest::Source;
use crate::log::{Appended, Error, Writer};
use crate::model::marker::GraphKind;

/// The longest document, decompressed, in bytes: it is read into memory. NDJSON has no such bound, it is read line by line.
pub const MAX_DOCUMENT_BYTES: u64 = 512 << 20;

/// Reads NetworkX's node-link JSON into a log: as puts, which merge with what is there. The whole document is read into
/// memory, decompressed if it is zstd's. Everything that was read is durable on return. A document is remembered as a
/// source once all of it was read.
///
/// # Errors
/// [`Stopped`] if the document is not sound, holds another kind of graph, or has an element that the graph refuses,
/// whatever `options` say about bad lines; if the input cannot be read; if the log fails.
pub fn node_link(
    writer: &Writer,
    input: impl Input,
    options: &Options<'_>,
    observer: &mut dyn Observer,
) -> Result<Report, Stopped> {
    let stopped = |cause| Stopped { report: Box::default(), cause };
    let mut tally = Tally::new(writer).map_err(|e| stopped(e.into()))?;
    let outcome = run(&mut tally, input, options, observer);
    tally.conclude(outcome)
}

fn run(
    tally: &mut Tally<'_>,
    input: impl Input,
    options: &Options<'_>,
    observer: &mut dyn Observer,
) -> Result<(), Cause> {
    let known = remembered(tally.writer, options)?;
    let document = match whole(input, MAX_DOCUMENT_BYTES) {
        Ok(document) => document,
        Err(_) if options.is_stopped() => {
            tally.report.interrupted = true;
            return Ok(());
        }
        Err(source) => return Err(Cause::Read { line: 0, source }),
    };
    let start = start(known.as_ref(), &document);
    observer.starts(start);
    if start == Start::AtTheEnd {
        tally.report.lines_already_read = 1;
        return Ok(());
    }
    let kind = tally.writer.with_graph(|graph| graph.kind())?;
    let mut sink = Sink { tally, options, observer, kind, since_told: 0 };
    let text = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&document);
    match read(text, kind, &mut |item| sink.take(item)) {
        Ok(_) => {}
        Err(ReadError::Document(error)) => return Err(Cause::Document(error)),
        Err(ReadError::Refused { place, source, .. }) => match source {
            Refused::Log(Error::Refused(refusal)) => {
                return Err(Cause::Bad(BadLine::refused_at(place, refusal)));
            }
            Refused::Log(error) => return Err(Cause::Log(error)),
            Refused::Kind(document) => return Err(Cause::Kind { document, log: kind }),
            Refused::Stopped => {
                tally.report.interrupted = true;
                return Ok(());
            }
        },
    }
    if let Some(name) = options.source {
        tally.writer.begin_source(name, None)?;
        tally.writer.skip_line(&document)?;
    }
    Ok(())
}

fn whole(input: impl Input, max: u64) -> io::Result<Vec<u8>> {
    let mut text = Text::new(input)?;
    text.settle();
    let mut document = Vec::new();
    text.take(max.saturating_add(1)).read_to_end(&mut document)?;
    if len_u64(document.len()) > max {
        let mib = max >> 20;
        let message =
            format!("the document has more than {mib} MiB: give it as NDJSON, which is read line by line");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(document)
}

fn start(known: Option<&Source>, document: &[u8]) -> Start {
    match known {
        None => Start::Beginning,
        Some(known) if known.bytes == len_u64(document.len()) && known.digest == digest(document) => {
            Start::AtTheEnd
        }
        Some(_) => Start::Changed,
    }
}

fn digest(document: &[u8]) -> [u8; 16] {
    xxh3_128(document).to_le_bytes()
}

/// Why an element was not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Log(#[from] Error),
    #[error("another kind of graph")]
    Kind(GraphKind),
    #[error("stopped")]
    Stopped,
}

/// Takes the pieces of a document.
struct Sink<'a, 'w> {
    tally: &'a mut Tally<'w>,
    options: &'a Options<'a>,
    observer: &'a mut dyn Observer,
    kind: GraphKind,
    since_told: u64,
}

impl Sink<'_, '_> {
    fn take(&mut self, item: NodeLinkItem) -> Result<(), Refused> {
        if self.options.is_stopped() {
            return Err(Refused::Stopped);
        }
        let event = match item {
            NodeLinkItem::Header(kind) if kind == self.kind => return Ok(()),
            NodeLinkItem::Header(kind) => return Err(Refused::Kind(kind)),
            NodeLinkItem::Event(event) => event,
        };
        let report = &mut self.tally.report;
        let count = match self.tally.writer.append(&event) {
            Ok(Appended::Written(_)) => &mut report.events_written,
            Ok(Appended::Unchanged) => &mut report.unchanged,
            Err(error) => return Err(error.into()),
        };
        *count = count.saturating_add(1);
        report.events_read = report.events_read.saturating_add(1);
        self.since_told = self.since_told.saturating_add(1);
        if self.since_told >= self.options.progress_every {
            self.since_told = 0;
            let marker = self.tally.refresh()?;
            self.observer.progress(&self.tally.report, marker.as_ref());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::input::Spooled;
    use super::*;

    #[test]
    fn a_document_is_read_up_to_its_bound_and_no_further() {
        let whole = |max| {
            // One that never ends, from a few bytes: what is compressed may be anything once it is not.
            let zeros = zstd::encode_all(io::repeat(b' ').take(1 << 20), 3).unwrap();
            super::whole(Spooled::new(Cursor::new(zeros), Cursor::new(Vec::new())), max)
        };
        assert_eq!(whole(1 << 20).unwrap().len(), 1 << 20);
        let error = whole((1 << 20) - 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("NDJSON"), "{error}");
    }
}
