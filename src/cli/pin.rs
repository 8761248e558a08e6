//! `snaplog pin` and `snaplog unpin`.

use snaplog::{Marker, Selector};

use super::Context;
use super::failure::Failure;
use super::json::MarkDocument;
use super::mark::document;
use super::output::labelled;

/// Pin a marker: it is kept whatever the tiers say
///
/// If a crawler has the log open, the crawler does it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the marker is pinned, and that is durable
  1  the log cannot be written
  2  the command line cannot be used
  3  no such marker, or no log there
  4  files of the log are damaged
  5  the process that has the log open does not answer

Example:
  snaplog -d crawl pin m12")]
pub(super) struct PinArgs {
    /// Which: an id as m12, a label, or anything else that `restore --to` takes
    #[arg(value_name = "MARKER")]
    marker: String,
}

/// Take the pin off a marker: the tiers decide again
///
/// If a crawler has the log open, the crawler does it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the marker is not pinned, and that is durable
  1  the log cannot be written
  2  the command line cannot be used
  3  no such marker, or no log there
  4  files of the log are damaged
  5  the process that has the log open does not answer

Example:
  snaplog -d crawl unpin 'before cleanup'")]
pub(super) struct UnpinArgs {
    /// Which: an id as m12, a label, or anything else that `restore --to` takes
    #[arg(value_name = "MARKER")]
    marker: String,
}

/// Pins a marker.
pub(super) fn run(args: PinArgs, context: &Context) -> Result<(), Failure> {
    set(&args.marker, true, context)
}

/// Takes the pin off a marker.
pub(super) fn run_unpin(args: UnpinArgs, context: &Context) -> Result<(), Failure> {
    set(&args.marker, false, context)
}

fn set(text: &str, on: bool, context: &Context) -> Result<(), Failure> {
    let log = context.open_local()?;
    let reader = context.reader_of(&log)?;
    let selector = Selector::parse(text, log.environment().now(), reader.config().time_zone)?;
    let choice = reader.select(&selector, None)?;
    let Marker { id, pinned, .. } = *choice.marker;
    if pinned != on {
        log.pin(id, on)?;
    }
    if context.json {
        let marker = document(&log, choice.marker)?;
        return context.out.json(&MarkDocument { marker });
    }
    let label = labelled(choice.marker.label.as_deref());
    context.out.say(&match (pinned == on, on) {
        (false, true) => format!("pinned {id}{label}: it is kept whatever the tiers say"),
        (false, false) => format!("unpinned {id}{label}: the tiers decide about it"),
        (true, true) => format!("{id}{label} is pinned already"),
        (true, false) => format!("{id}{label} is not pinned"),
    });
    Ok(())
}
