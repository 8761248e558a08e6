//! How it goes, while it goes: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::escaped;
use super::{Context, Pace};

/// How often a line is printed where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Tells how it goes.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    context: &'a Context,
    bar: Option<ProgressBar>,
    /// When the next line is due.
    due: Instant,
}

impl<'a> Progress<'a> {
    /// `total`: how far it goes, if that is known.
    pub(super) fn new(context: &'a Context, total: Option<u64>) -> Self {
        let bar = (context.progress == Pace::Bar).then(|| {
            let (bar, template) = match total {
                Some(total) => (ProgressBar::new(total), "{bar:20} {percent:>3}% {wide_msg}"),
                None => (ProgressBar::new_spinner(), "{spinner} {wide_msg}"),
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { context, bar, due: Instant::now() + HEARTBEAT }
    }

    /// So far it went.
    pub(super) fn update(&mut self, position: u64, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            if bar.length().is_some() {
                bar.set_position(position);
            }
            bar.set_message(escaped(&text()));
        } else if self.context.progress == Pace::Lines && Instant::now() >= self.due {
            self.due = Instant::now() + HEARTBEAT;
            self.context.out.say(&text());
        }
    }

    /// Lets `tell` print without the bar in its way.
    pub(super) fn aside(&self, tell: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}
