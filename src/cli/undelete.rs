//! `snaplog undelete`.

use snaplog::{Marker, MarkerId, Reader, Selector};

use super::Context;
use super::failure::{Exit, Failure, Report};
use super::json::UndeleteDocument;
use super::output::ranges;

/// Have markers back that were dropped
///
/// It can be done until the grace that snaplog.toml gives is over (`list --deleted` says when) and a compaction has taken
/// them away. If a crawler has the log open, the crawler does it. If one of MARKER is gone, nothing is done.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A marker that retention dropped will be dropped again by the next prune: `snaplog pin` keeps it.

Exit status:
  0  the markers are not dropped, and that is durable
  1  the log cannot be written
  2  the command line cannot be used
  3  a marker is gone or never was, or no log there
  4  files of the log are damaged
  5  the process that has the log open does not answer

Examples:
  snaplog -d crawl undelete m12 m13
  snaplog -d crawl undelete --all")]
pub(super) struct UndeleteArgs {
    /// Which: ids as m12, or labels
    #[arg(value_name = "MARKER", required_unless_present = "all", conflicts_with = "all")]
    markers: Vec<String>,

    /// All that were dropped and are not gone yet
    #[arg(long)]
    all: bool,
}

/// Has markers back.
pub(super) fn run(args: UndeleteArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_local()?;
    let reader = context.reader_of(&log)?;
    let now = log.environment().now();
    let mut asked: Vec<&Marker> = Vec::new();
    if args.all {
        asked.extend(dropped(&reader));
    }
    for text in &args.markers {
        let marker = find(&reader, &Selector::parse(text, now, reader.config().time_zone)?, text)?;
        if !asked.iter().any(|other| other.id == marker.id) {
            asked.push(marker);
        }
    }
    let (back, kept): (Vec<&Marker>, Vec<&Marker>) =
        asked.into_iter().partition(|marker| marker.expired.is_some());
    let ids: Vec<MarkerId> = back.iter().map(|marker| marker.id).collect();
    let done = if ids.is_empty() { Vec::new() } else { log.undelete(&ids)? };
    tell(&done, &kept, args.all, context)?;
    // Whoever else is at it may have been faster, one way or the other.
    let missed: Vec<MarkerId> = ids.into_iter().filter(|id| !done.contains(id)).collect();
    let reader = log.reader()?;
    let is_there = |id: &MarkerId| reader.markers().iter().any(|marker| marker.id == *id);
    match missed.iter().find(|id| !is_there(id)) {
        Some(id) => Err(gone(&id.to_string(), &reader)),
        None => Ok(()),
    }
}

fn tell(done: &[MarkerId], kept: &[&Marker], all: bool, context: &Context) -> Result<(), Failure> {
    if context.json {
        let undeleted = done.iter().map(MarkerId::to_string).collect();
        return context.out.json(&UndeleteDocument { undeleted });
    }
    for marker in kept {
        context.out.say(&format!("{} is not dropped", marker.id));
    }
    match done {
        [] if all => context.out.say("no marker is dropped"),
        [] => {}
        done => context.out.say(&format!(
            "have back: {}; the next prune decides about them anew, `snaplog pin` keeps them",
            ranges(done)
        )),
    }
    Ok(())
}

fn dropped(reader: &Reader) -> impl Iterator<Item = &Marker> {
    reader.markers().iter().filter(|marker| marker.expired.is_some())
}

/// The marker with an id, or with a label: of those that have it rather one that was dropped.
fn find<'a>(reader: &'a Reader, selector: &Selector, text: &str) -> Result<&'a Marker, Failure> {
    match selector {
        Selector::Marker(id) => reader
            .markers()
            .iter()
            .find(|marker| marker.id == *id)
            .ok_or_else(|| gone(&id.to_string(), reader)),
        Selector::Label(label) => {
            let is_it = |marker: &&Marker| marker.label.as_ref() == Some(label);
            let found: Vec<&Marker> = dropped(reader).filter(is_it).collect();
            match found.as_slice() {
                [one] => Ok(one),
                [] => reader
                    .markers()
                    .iter()
                    .rfind(is_it)
                    .ok_or_else(|| gone(&format!("with the label {label:?}"), reader)),
                several => {
                    let ids: Vec<MarkerId> = several.iter().map(|marker| marker.id).collect();
                    let message = format!("dropped markers with the label {label:?}: {}", ranges(&ids));
                    Err(Report::new(Exit::NotFound, "no-such-marker", message)
                        .hint("name one by its id")
                        .into())
                }
            }
        }
        _ => Err(Failure::usage(format!("{text:?} is neither the id of a marker nor a label"))),
    }
}

fn gone(what: &str, reader: &Reader) -> Failure {
    let left: Vec<MarkerId> = dropped(reader).map(|marker| marker.id).collect();
    let report =
        Report::new(Exit::NotFound, "no-such-marker", format!("there is no marker {what}, or not any more"));
    let hint = match left.as_slice() {
        [] => "no dropped marker is left to be had back; `snaplog list` shows those that are kept".to_owned(),
        left => format!("these were dropped and can be had back: {}", ranges(left)),
    };
    report.hint(hint).into()
}
