//! `snaplog ingest`.

mod input;
mod stop;
mod told;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::ValueEnum;
use snaplog::exchange::ingest::{self, Options, Report};
use snaplog::{CompactOptions, Log, Writer};

use super::Context;
use super::failure::{Exit, Failure};
use super::interrupt;
use super::json::IngestDocument;
use super::output::number;
use input::Named;
use told::{Told, rate};

/// Append events from files or standard input
#[derive(Debug, clap::Args)]
#[command(
    long_about = LONG_ABOUT,
    after_long_help = "\
Exit status:
  0    everything is in the log, and durable
  1    a line cannot be used, or a file cannot be read; what came before is in the log, and durable
  2    the command line cannot be used
  3    no log there
  4    files of the log are damaged
  5    another writer holds the log
  130  interrupted; what came before is in the log, and durable

Examples:
  snaplog -d crawl ingest events.ndjson more.ndjson.zst
  crawler | snaplog -d crawl ingest --source crawler
  snaplog -d crawl ingest --format node-link graph.json"
)]
pub(super) struct IngestArgs {
    /// What to read; without it, or with `-`, standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the input is
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,

    /// Count lines that cannot be used, report the first ten, and go on
    #[arg(long)]
    skip_bad: bool,

    /// What the log calls the input, instead of its path or `-`; for one input
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Forget how far the input was read before, and read all of it
    #[arg(long)]
    again: bool,

    /// Leave retention and compaction to the next session, or to `snaplog compact`
    #[arg(long)]
    no_compact: bool,
}

const LONG_ABOUT: &str = "\
Append events from files or standard input

Input that is compressed with zstd is recognised. Markers are placed as snaplog.toml says, and where a line asks for \
one. Reading stops at the first line that cannot be used; everything before it is durable then.

The log remembers how far it has read each input, by the input's absolute path (standard input is `-`), with a sum of \
what it read. Sending a file again adds nothing; of a file that grew only the new lines are read; a file that is not \
what it was is read from its start. A line without a time (`ts`) takes that of the line before it.

At the end, and on the way whenever a segment is full, retention is applied and what is old is compacted, as \
`snaplog compact` would.";

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One event a line, as a JSON object: {"op":"edge","src":"a","dst":"b","attrs":{"weight":0.5}}
    Ndjson,
    /// NetworkX's node-link JSON. It is read into memory as a whole, and its nodes and edges merge with what is there
    NodeLink,
}

/// Appends.
pub(super) fn run(args: IngestArgs, context: &Context) -> Result<(), Failure> {
    let started = Instant::now();
    let inputs = inputs(&args)?;
    let log = context.open_local()?;
    let stop = interrupt::watch();
    // A slip in a name is to be told before anything is written.
    for input in &inputs {
        if let Named::File(path) = input {
            let _ = super::files::look_readable(path)?;
        }
    }
    let writer = log.writer()?;
    let followed = super::remote::follow(&log, context)?;
    // Nobody waits for a single marker here: they are durable with what is around them.
    writer.set_sync_markers(false)?;
    let mut total = Report::default();
    let outcome = read_all(&inputs, &args, &writer, &stop, context, &mut total);
    let held = writer.status().map_or(0, |status| status.times_held);
    let last_marker = writer.status().ok().and_then(|status| status.last_marker);
    let failure = writer.status().ok().and_then(|status| status.maintenance_failure);
    let closed = writer.close();
    followed.finish(context);
    if let Some(failure) = failure {
        context.out.warn(&failure);
    }
    if held > 0 {
        context.out.warn(&format!(
            "{} events were earlier than the one before them: time in a log never runs backwards, so that one's counts",
            number(held)
        ));
    }
    outcome?;
    closed?;
    // Closing makes durable what was not yet.
    total.durable_seq = total.last_seq;
    let seconds = started.elapsed().as_secs_f64();
    if context.json {
        context.out.json(&IngestDocument::new(&total, seconds))?;
    } else {
        summary(&total, last_marker.map(|marker| marker.id.to_string()), seconds, context);
    }
    if !args.no_compact && !total.interrupted && total.events_written > 0 {
        compact(&log, &stop, context);
    }
    if total.interrupted {
        context.out.say("interrupted: what was read is durable; the same command goes on from there");
        return Err(Failure::Told(Exit::Interrupted));
    }
    Ok(())
}

/// Applies retention and compacts. What was read is durable, whatever comes of it.
fn compact(log: &Log, stop: &Arc<AtomicBool>, context: &Context) {
    let options = CompactOptions { retention: true, ..CompactOptions::default() };
    match log.compact_until(options, Some(Arc::clone(stop))) {
        Ok(done) if !done.dropped.is_empty() => context.out.say(&format!(
            "retention dropped {} of the markers; `snaplog list --deleted` shows them, `snaplog undelete` has them back",
            number(u64::try_from(done.dropped.len()).unwrap_or(u64::MAX))
        )),
        Ok(_) => {}
        Err(error) => context.out.warn(&format!(
            "all that was read is in the log, but it could not be compacted ({error}); `snaplog compact` tries again"
        )),
    }
}

fn inputs(args: &IngestArgs) -> Result<Vec<Named>, Failure> {
    if args.source.is_some() && args.files.len() > 1 {
        return Err(Failure::usage("--source names one input, and there are several"));
    }
    if args.skip_bad && args.format == Format::NodeLink {
        return Err(Failure::usage("--skip-bad is about lines, and node-link is one document"));
    }
    if args.files.is_empty() {
        return Ok(vec![Named::Stdin]);
    }
    Ok(args.files.iter().cloned().map(Named::new).collect())
}

fn read_all(
    inputs: &[Named],
    args: &IngestArgs,
    writer: &Writer,
    stop: &Arc<AtomicBool>,
    context: &Context,
    total: &mut Report,
) -> Result<(), Failure> {
    for named in inputs {
        let opened = named.open(stop)?;
        let name = args.source.clone().unwrap_or_else(|| opened.name.clone());
        let options = Options {
            source: Some(&name),
            again: args.again,
            skip_bad: args.skip_bad,
            stop: Some(stop),
            ..Options::default()
        };
        let mut told = Told::new(context, named.title(), opened.size, Arc::clone(&opened.position));
        let outcome = match args.format {
            Format::Ndjson => ingest::ndjson(writer, opened, &options, &mut told),
            Format::NodeLink => ingest::node_link(writer, opened, &options, &mut told),
        };
        drop(told);
        add(total, outcome.map_err(|stopped| stop::failure(stopped, &named.title()))?);
        if total.interrupted {
            break;
        }
    }
    Ok(())
}

/// Adds what became of one more input.
fn add(total: &mut Report, one: Report) {
    let sums = [
        (&mut total.events_read, one.events_read),
        (&mut total.events_written, one.events_written),
        (&mut total.unchanged, one.unchanged),
        (&mut total.events_skipped, one.events_skipped),
        (&mut total.lines_already_read, one.lines_already_read),
        (&mut total.markers_placed, one.markers_placed),
    ];
    for (sum, part) in sums {
        *sum = sum.saturating_add(part);
    }
    (total.nodes, total.edges) = (one.nodes, one.edges);
    (total.last_seq, total.durable_seq) = (one.last_seq, one.durable_seq);
    total.interrupted = one.interrupted;
}

fn summary(total: &Report, last_marker: Option<String>, seconds: f64, context: &Context) {
    let Report { events_read, events_written, unchanged, events_skipped, .. } = *total;
    let mut parts = vec![format!("{} written", number(events_written))];
    if unchanged > 0 {
        parts.push(format!("{} changed nothing", number(unchanged)));
    }
    if events_skipped > 0 {
        parts.push(format!("{} skipped", number(events_skipped)));
    }
    context.out.say(&format!(
        "read {} events in {seconds:.1} s ({}): {}",
        number(events_read),
        rate(events_read, seconds),
        parts.join(", ")
    ));
    let last = last_marker.map(|id| format!("; the newest is {id}")).unwrap_or_default();
    context.out.say(&format!(
        "the graph has {} nodes and {} edges; {} markers were placed{last}",
        number(total.nodes),
        number(total.edges),
        number(total.markers_placed)
    ));
}
