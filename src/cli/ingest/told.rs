//! What an ingest tells while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use snaplog::Marker;
use snaplog::exchange::ingest::{BadLine, Observer, Report, Start};

use crate::cli::Context;
use crate::cli::output::number;
use crate::cli::progress::Progress;

/// How many bad lines are told one by one.
const MAX_TOLD: u64 = 10;

/// Tells how the reading of one input goes.
pub(super) struct Told<'a> {
    context: &'a Context,
    title: String,
    progress: Progress<'a>,
    position: Arc<AtomicU64>,
    started: Instant,
    skipped: u64,
}

impl<'a> Told<'a> {
    pub(super) fn new(
        context: &'a Context,
        title: String,
        size: Option<u64>,
        position: Arc<AtomicU64>,
    ) -> Self {
        let progress = Progress::new(context, size);
        Self { context, title, progress, position, started: Instant::now(), skipped: 0 }
    }
}

impl Observer for Told<'_> {
    fn starts(&mut self, start: Start) {
        let text = match start {
            Start::Beginning => return,
            Start::After { lines } => format!(
                "{}: already read {} {}: going on at line {}",
                self.title,
                number(lines),
                if lines == 1 { "line" } else { "lines" },
                number(lines.saturating_add(1))
            ),
            Start::AtTheEnd => format!("{}: already read: nothing to do", self.title),
            Start::Changed => {
                format!("{}: not what was read under that name before: reading all of it", self.title)
            }
        };
        self.progress.aside(|| self.context.out.say(&text));
    }

    fn skipped(&mut self, bad: &BadLine) {
        self.skipped = self.skipped.saturating_add(1);
        if self.skipped <= MAX_TOLD {
            self.progress.aside(|| self.context.out.warn(&format!("{}: skipped {bad}", self.title)));
        }
        if self.skipped == MAX_TOLD {
            self.progress.aside(|| self.context.out.warn("more bad lines are only counted"));
        }
    }

    fn progress(&mut self, report: &Report, marker: Option<&Marker>) {
        let position = self.position.load(Ordering::Relaxed);
        self.progress.update(position, || {
            let rate = rate(report.events_read, self.started.elapsed().as_secs_f64());
            let marker = marker.map(|marker| format!(", last marker {}", marker.id)).unwrap_or_default();
            format!(
                "{}: {} events ({rate}), {} nodes, {} edges{marker}",
                self.title,
                number(report.events_read),
                number(report.nodes),
                number(report.edges)
            )
        });
    }
}

/// Events a second, for people: "193,000/s".
pub(super) fn rate(events: u64, seconds: f64) -> String {
    // Whole microseconds: exact enough, and no float has to become an integer.
    let micros = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default().as_micros().max(1);
    let rate = u128::from(events).saturating_mul(1_000_000) / micros;
    // Three digits are what such a figure is worth.
    let mut unit = 1;
    while rate / unit >= 1000 {
        unit *= 10;
    }
    format!("{}/s", number(u64::try_from(rate / unit * unit).unwrap_or(u64::MAX)))
}
