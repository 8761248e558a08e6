//! `snaplog drill`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use snaplog::upkeep::drill::{BadChoice, Choice, Report, drill, last_checks};
use snaplog::{Log, Timestamp};

use super::Context;
use super::failure::{Exit, Failure, Report as Told};
use super::files::{self, Found, Staged};
use super::output::{Align, Table, escaped, number, size};
use super::verify::duration;

/// Restore markers to nowhere, to know that they can be restored
///
/// Each marker is restored as `restore` would, compared with its fingerprint and counts, and the graph is looked at
/// entity by entity: every edge has both ends, nothing is there twice. The outcome is put on record in the log's
/// directory, for `stats`; where that cannot be written the drill counts all the same. It needs memory for one graph.
///
/// With `[drill] every` in snaplog.toml a collector does it by itself while it runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  every marker that was restored is what it says, within the time allowed
  2  the command line cannot be used
  3  no log there, or no such tier
  4  a marker could not be restored, or gave something else

Examples:
  snaplog -d crawl drill
  snaplog -d crawl drill --markers tier:milestone --max-duration '10 min'
  snaplog -d crawl drill --prometheus /var/lib/node_exporter/snaplog.prom")]
pub(super) struct DrillArgs {
    /// `all`, `random:N` (the newest is among them), or `tier:NAME`; dropped markers never
    #[arg(long, value_name = "WHICH", default_value_t = Choice::default(), value_parser = choice)]
    markers: Choice,

    /// Begin no further restore after so long, such as `10 min`; the report says that it is not complete
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_duration: Option<Duration>,

    /// Write metrics in Prometheus' text format to this file, for node_exporter's textfile collector
    #[arg(long, value_name = "PATH")]
    prometheus: Option<PathBuf>,
}

fn choice(text: &str) -> Result<Choice, BadChoice> {
    text.parse()
}

/// Runs a drill.
pub(super) fn run(args: DrillArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_log()?;
    if let Some(path) = &args.prometheus {
        may_be_written(path, &context.dir)?;
    }
    let before = last_checks(&log).drill.and_then(|check| check.last_good);
    let report = drill(&log, &args.markers, args.max_duration)?;
    // First the metrics: a monitor hears of a failure whatever becomes of the rest.
    let written = args.prometheus.as_ref().map_or(Ok(()), |path| {
        let proves = report.good && report.markers_checked > 0;
        let last_good = if proves { Some(report.time) } else { before };
        write(path, &metrics(&log, &report, last_good))
    });
    if context.json {
        context.document(&report)?;
    } else {
        tell(&report, context)?;
    }
    match written {
        // What the drill found weighs more than metrics that could not be written, which are told all the same.
        Err(Failure::Untold(mut told)) if !report.good => {
            told.exit = Exit::Damage;
            Err(Failure::Untold(told))
        }
        Ok(()) if !report.good => Err(Failure::Told(Exit::Damage)),
        written => written,
    }
}

/// That metrics may be written to `path`: nothing of the log may be replaced by them.
fn may_be_written(path: &Path, log: &Path) -> Result<(), Failure> {
    let name = path.display().to_string();
    if files::is_inside(path, log) {
        let told = Told::new(Exit::Failed, "inside-log", format!("{name} is in the log itself"));
        return Err(told.path(name).hint("choose a file outside of the log's directory").into());
    }
    if matches!(files::look(path)?, Found::Empty { is_dir: true } | Found::Full { is_dir: true }) {
        let told = Told::new(Exit::Failed, "wrong-kind", format!("{name} is a directory"));
        return Err(told.path(name).hint("name a file in it, such as snaplog.prom").into());
    }
    Ok(())
}

fn tell(report: &Report, context: &Context) -> Result<(), Failure> {
    if report.markers_chosen == 0 && report.good {
        context.out.say("there is no marker to restore");
        return Ok(());
    }
    let mut table = Table::new(&[
        ("MARKER", Align::Left),
        ("ENTITIES", Align::Right),
        ("SECONDS", Align::Right),
        ("OUTCOME", Align::Left),
    ]);
    for restore in &report.restores {
        table.row([
            restore.marker.clone(),
            number(restore.entities),
            format!("{:.3}", restore.seconds),
            restore.fault.as_ref().map_or_else(|| "good".to_owned(), |fault| fault.message.clone()),
        ]);
    }
    context.out.table(&table)?;
    let verdict = match (report.good, report.complete) {
        (false, _) => "FAILED",
        (true, true) => "good",
        (true, false) => "good as far as time allowed",
    };
    let memory = report.peak_memory.map(|peak| format!(", {} at most", size(peak))).unwrap_or_default();
    context.out.data(&escaped(&format!(
        "{verdict}: {} of {} markers restored in {:.1} s{memory}\n",
        number(report.markers_checked.saturating_sub(report.markers_failed)),
        number(report.markers_chosen),
        report.seconds,
    )))?;
    if !report.good {
        context.out.say("`snaplog verify` lists every damaged place, and the markers that are still good");
    }
    Ok(())
}

fn metrics(log: &Log, report: &Report, last_good: Option<Timestamp>) -> String {
    let id = log.id();
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, value: Option<String>| {
        if let Some(value) = value {
            let name = format!("snaplog_drill_{name}");
            let _ =
                writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{{log=\"{id}\"}} {value}");
        }
    };
    let seconds = |time: Timestamp| super::stats::seconds(time.0);
    metric("last_success_timestamp_seconds", "When the last good drill began.", last_good.map(seconds));
    metric("last_run_timestamp_seconds", "When the last drill began.", Some(seconds(report.time)));
    metric("success", "1 if the last drill was good, 0 if not.", Some(u8::from(report.good).to_string()));
    metric(
        "complete",
        "1 if the last drill came to all markers that it had chosen, 0 if not.",
        Some(u8::from(report.complete).to_string()),
    );
    metric("duration_seconds", "How long the last drill took.", Some(report.seconds.to_string()));
    metric(
        "restore_entities_per_second",
        "Nodes, edges and items of state restored a second.",
        report.entities_per_second.map(|rate| rate.to_string()),
    );
    metric(
        "markers_checked",
        "Markers that the last drill restored.",
        Some(report.markers_checked.to_string()),
    );
    metric("markers_failed", "Markers that it could not restore.", Some(report.markers_failed.to_string()));
    metric(
        "peak_memory_bytes",
        "The most memory that the drill's process held.",
        report.peak_memory.map(|peak| peak.to_string()),
    );
    text
}

/// Whole or not at all: whoever collects it meanwhile never sees half of it. A device or a pipe is written to, not replaced.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |path: &Path| {
        let name = path.display().to_string();
        move |e| Failure::io("write", &name, &e)
    };
    if files::look(path)? == Found::Special {
        return files::open_special(path)?.write_all(text.as_bytes()).map_err(failed(path));
    }
    let staged = Staged::beside(path)?;
    staged.create()?.write_all(text.as_bytes()).map_err(failed(staged.path()))?;
    staged.publish(true)
}
