//! Figures as lines of JSON, one for each, in the shape that `benches/report.py` reads. All benches share it:
//!
//! ```json
//! {"bench":"growth","case":"append","subject":"snaplog","n":10000,"unit":"events/s","median":1.0,"least":1.0,"most":1.0,"note":""}
//! ```

use std::fs::OpenOptions;
use std::io::Write as _;

/// What one figure is about.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Line<'a> {
    /// Which program measured it.
    pub(crate) bench: &'a str,
    /// What was done.
    pub(crate) case: &'a str,
    /// Who did it, with a version if it is not snaplog.
    pub(crate) subject: &'a str,
    /// How many events, nodes or whatever the bench counts in.
    pub(crate) n: u64,
    /// Of what the figure is.
    pub(crate) unit: &'a str,
    /// The figure: the median of the rounds, …
    pub(crate) median: f64,
    /// … the smallest …
    pub(crate) least: f64,
    /// … and the largest.
    pub(crate) most: f64,
    /// What a reader has to know.
    pub(crate) note: &'a str,
}

impl Line<'_> {
    /// The same line with the figures of these rounds.
    pub(crate) fn with(self, rounds: &[f64]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |at: usize| sorted.get(at).copied().unwrap_or_default();
        Self { median: at(sorted.len() / 2), least: at(0), most: at(sorted.len().saturating_sub(1)), ..self }
    }

    /// Appends it to the file that `SNAPLOG_BENCH_JSON` names, if it names one.
    pub(crate) fn emit(&self) -> std::io::Result<()> {
        let Some(path) = std::env::var_os("SNAPLOG_BENCH_JSON") else { return Ok(()) };
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        OpenOptions::new().create(true).append(true).open(path)?.write_all(&text)
    }
}
