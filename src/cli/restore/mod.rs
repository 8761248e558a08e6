//! `snaplog restore`.

mod aim;
mod report;
mod target;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use snaplog::{Log, Marker, Reader, Selector, StateStream};

use super::Context;
use super::failure::Failure;
use aim::Aim;
use report::Told;
use target::Target;

pub(super) use target::already_there;

/// Restore the graph and the collector's state at a marker
#[derive(Debug, clap::Args)]
#[command(
    long_about = LONG_ABOUT,
    after_long_help = "\
Exit status:
  0  the graph is restored, and is what the marker says
  1  PATH is not empty and --yes was not given, or could not be written
  2  the command line cannot be used
  3  no such marker, or no log there
  4  files of the log are damaged, or the graph is not what the marker says

Examples:
  snaplog -d crawl restore --tier milestone --format node-link -o graph.json
  snaplog -d crawl restore --to '2 hours ago' --dry-run
  snaplog -d crawl restore --to m12 --format log -o crawl-from-m12"
)]
pub(super) struct RestoreArgs {
    /// Where to: latest, latest~1, m12, seq:4711, a time, or a label
    #[arg(long, value_name = "SELECTOR", default_value = "latest")]
    to: String,

    /// Only markers of this tier count
    #[arg(long, value_name = "TIER")]
    tier: Option<String>,

    /// With a time: every event up to it, instead of the marker before it
    #[arg(long)]
    exact: bool,

    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,

    /// The file to write, or with --format log the directory; without it, or `-`, standard output
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Say which marker is meant and why, what would be read and written, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Replace what stands at PATH without asking
    #[arg(short, long)]
    yes: bool,
}

const LONG_ABOUT: &str = "\
Restore the graph and the collector's state at a marker

The graph is rebuilt in memory and compared with the marker's fingerprint before the first byte is written. A file is \
written under a temporary name and renamed when it is complete: after an error nothing is left at PATH.

As ndjson a large state is written row by row and never held in memory; it is compared all the same, before the file \
gets its name or the first byte goes to standard output.

--to takes, in this order:
  latest, latest~2      the newest marker, or the one so many before it
  m12                   the marker with that id
  seq:4711              the position after that event, marker or not
  2026-01-31T12:00:00Z  the newest marker at or before that time; also 2026-01-31
                        (all of that day), 20260131_120000 and '2 hours ago'
  before cleanup        the marker with that label";

/// What a restore writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One event a line; `snaplog ingest` reads it
    Ndjson,
    /// NetworkX's node-link JSON; the collector's state stands under graph.snaplog_state
    NodeLink,
    /// A new log, with an id of its own, that starts there
    Log,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::NodeLink => "node-link",
            Self::Log => "log",
        }
    }
}

/// Restores a marker as node-link JSON, and replaces what stands at `path`.
pub(super) fn node_link_file(
    reader: &Reader,
    marker: &Marker,
    log: &Log,
    path: &Path,
    context: &Context,
) -> Result<(), Failure> {
    let restored = reader.restore_marker(marker)?;
    let target = Target::new(Some(path), Format::NodeLink)?;
    target.write(&restored, Some(marker), log, true, context).map(drop)
}

/// Restores.
pub(super) fn run(args: RestoreArgs, context: &Context) -> Result<(), Failure> {
    let started = Instant::now();
    let target = Target::new(args.output.as_deref(), args.format)?;
    let log = context.open_log()?;
    target.outside(&context.dir)?;
    let reader = context.reader_of(&log)?;
    let selector = Selector::parse(&args.to, log.environment().now(), reader.config().time_zone)?;
    let aim = Aim::find(&reader, &selector, args.tier.as_deref(), args.exact)?;
    let mut told = Told::new(&reader, &aim, args.format, &target)?;
    if args.dry_run {
        aim.check(&reader)?;
        if matches!(aim, Aim::Time(_)) {
            // Which event is the last before a time is only known once it was read.
            told.restored(&aim.restore(&reader)?, &aim, &reader);
        }
        return told.dry_run(&target, context, started);
    }
    let replace = target.may_be_written(args.yes, context)?;
    if let Some(rows) = rows(&reader, &aim, &target)? {
        target.write_rows(&rows, replace, context)?;
        told.rows(&rows);
        return told.done(0, &target, context, started);
    }
    let restored = aim.restore(&reader)?;
    told.restored(&restored, &aim, &reader);
    let left_out = target.write(&restored, aim.marker(&reader, restored.seq), &log, replace, context)?;
    told.done(left_out, &target, context, started)
}

/// States from this size on are written row by row, where that can be done: they may be larger than the memory.
const ROWS_FROM_BYTES: u64 = 64 << 20;

/// The state row by row, if it is large and can be written so.
fn rows(reader: &Reader, aim: &Aim<'_>, target: &Target) -> Result<Option<StateStream>, Failure> {
    // Without a marker there is nothing to compare the rows with.
    let marker = aim.seq().and_then(|seq| aim.marker(reader, seq));
    match marker.filter(|marker| target.takes_rows() && reader.snapshot_bytes(marker.seq) >= ROWS_FROM_BYTES)
    {
        Some(marker) => Ok(reader.stream(marker)?),
        None => Ok(None),
    }
}
