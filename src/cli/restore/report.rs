//! What a restore tells about itself.

use std::fmt::Write as _;
use std::time::Instant;

use snaplog::format::names::{self, FileName};
use snaplog::{Fingerprint, Reader, Restored, StateStream, Timestamp};

use super::Format;
use super::aim::Aim;
use super::target::Target;
use crate::cli::Context;
use crate::cli::failure::Failure;
use crate::cli::json::{MarkerDocument, RestoreDocument, SegmentDocument};
use crate::cli::list::documents;
use crate::cli::output::{labelled, number, size};

/// A report that grows as the restore goes on.
#[derive(Debug)]
pub(super) struct Told {
    document: RestoreDocument,
}

impl Told {
    /// What is known beforehand.
    pub(super) fn new(
        reader: &Reader,
        aim: &Aim<'_>,
        format: Format,
        target: &Target,
    ) -> Result<Self, Failure> {
        let mut told = Self {
            document: RestoreDocument {
                marker: None,
                reason: aim.reason(),
                seq: None,
                time: None,
                nodes: None,
                edges: None,
                fingerprint: None,
                layout: None,
                segments: Vec::new(),
                events_replayed: None,
                format: format.name(),
                output: target.name(),
                replaces: target.is_taken()?,
                attrs_left_out: 0,
                dry_run: false,
                seconds: 0.0,
            },
        };
        if let Some(seq) = aim.seq() {
            told.document.seq = Some(seq.0);
            told.plan(reader, aim.marker(reader, seq).map(|marker| marker.id.to_string()).as_deref());
        }
        if let Some(marker) = &told.document.marker {
            told.document.time = Some(marker.time.clone());
            (told.document.nodes, told.document.edges) = (Some(marker.nodes), Some(marker.edges));
            told.document.fingerprint = Some(marker.fingerprint.clone());
            told.document.layout = Some(marker.layout.clone());
        }
        Ok(told)
    }

    /// What is read for the seq, and the marker that stands there.
    fn plan(&mut self, reader: &Reader, marker: Option<&str>) {
        let seq = snaplog::Seq(self.document.seq.unwrap_or_default());
        let segments = reader.plan(seq).into_iter();
        self.document.segments = segments
            .map(|read| SegmentDocument {
                file: read.file,
                from: read.from.0,
                to: read.to.0,
                bytes: read.bytes,
            })
            .collect();
        self.document.marker =
            documents(reader).into_iter().find(|document| Some(document.id.as_str()) == marker);
    }

    /// What is known once the graph is there.
    pub(super) fn restored(&mut self, restored: &Restored, aim: &Aim<'_>, reader: &Reader) {
        let document = &mut self.document;
        if document.seq.is_none() {
            document.seq = Some(restored.seq.0);
            let marker = aim.marker(reader, restored.seq);
            self.plan(reader, marker.map(|marker| marker.id.to_string()).as_deref());
        }
        let document = &mut self.document;
        let counts = restored.graph.counts();
        (document.nodes, document.edges) = (Some(counts.nodes), Some(counts.edges));
        document.events_replayed = Some(restored.events);
        if document.time.is_none() && restored.time > Timestamp::MIN {
            document.time = Some(restored.time.to_string());
        }
        // A marker's was compared with the graph's already.
        if document.fingerprint.is_none() {
            let Fingerprint { content, layout } = restored.graph.fingerprint();
            (document.fingerprint, document.layout) = (Some(content.to_string()), Some(layout.to_string()));
        }
    }

    /// What is known once all rows were written: the marker's figures hold.
    pub(super) fn rows(&mut self, rows: &StateStream) {
        self.document.events_replayed = Some(rows.events());
    }

    /// Tells what would be done.
    pub(super) fn dry_run(
        mut self,
        target: &Target,
        context: &Context,
        started: Instant,
    ) -> Result<(), Failure> {
        self.document.dry_run = true;
        self.document.seconds = started.elapsed().as_secs_f64();
        if context.json {
            return context.document(&self.document);
        }
        let document = &self.document;
        let mut text = format!("would restore {}\n  chosen: {}\n", self.point(), document.reason);
        for read in &document.segments {
            let what = match names::parse(&read.file) {
                Some(FileName::Snapshot(_)) => "net changes of events",
                _ => "events",
            };
            let _ = writeln!(
                text,
                "  read:   {}, {what} {} to {}, {}",
                read.file,
                number(read.from),
                number(read.to),
                size(read.bytes)
            );
        }
        let to = if target.is_stdout() { "standard output" } else { &document.output };
        let _ = writeln!(text, "  write:  {to}, as {}", document.format);
        if document.replaces {
            let _ = writeln!(text, "  {} is not empty: --yes would replace it", document.output);
        }
        context.out.data(&crate::cli::output::escaped(&text))
    }

    /// Tells what was done.
    pub(super) fn done(
        mut self,
        left_out: u64,
        target: &Target,
        context: &Context,
        started: Instant,
    ) -> Result<(), Failure> {
        self.document.attrs_left_out = left_out;
        self.document.seconds = started.elapsed().as_secs_f64();
        if left_out > 0 {
            context.out.warn(&format!(
                "{} attributes are left out: node-link needs their names for itself; ndjson keeps them",
                number(left_out)
            ));
        }
        match (context.json, target.is_stdout()) {
            (true, false) => return context.document(&self.document),
            (true, true) => return context.document_beside_data(&self.document),
            (false, _) => {}
        }
        context.out.say(&format!("restored {}", self.point()));
        context.out.say(&format!("  chosen:  {}", self.document.reason));
        if !target.is_stdout() {
            context.out.say(&format!("  written: {}, as {}", self.document.output, self.document.format));
        }
        if let (Some(_), Some(content)) = (&self.document.marker, &self.document.fingerprint) {
            context.out.say(&format!("  checked: it is what the marker says, fingerprint {content}"));
        }
        Ok(())
    }

    /// The point in words.
    fn point(&self) -> String {
        let RestoreDocument { marker, seq, time, nodes, edges, .. } = &self.document;
        let at = format!("event {}", number(seq.unwrap_or_default()));
        let mut text = match marker {
            Some(MarkerDocument { id, label, .. }) => format!("{id}{}, at {at}", labelled(label.as_deref())),
            None => at,
        };
        if let Some(time) = time {
            let _ = write!(text, " of {time}");
        }
        if let (Some(nodes), Some(edges)) = (nodes, edges) {
            let _ = write!(text, ": {} nodes, {} edges", number(*nodes), number(*edges));
        }
        text
    }
}
