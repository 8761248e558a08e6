//! `snaplog salvage`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snaplog::SystemEnvironment;
use snaplog::storage::LocalStorage;
use snaplog::upkeep::salvage::{Gap, Report, salvage};

use super::failure::{Exit, Failure, Report as Told};
use super::files::{self, Found, Staged};
use super::output::{labelled, number};
use super::{Context, identity};

/// Read all that can be read of a damaged log into a new one
///
/// Every file is read, whether the manifest names it or not, frame by frame and block by block. The new log gets what can be
/// read, at the times that it had, and each marker at which the graph is still what the marker says; what is lost is told.
/// The damaged log is never written to. Try `verify` first: a marker that it calls good, `restore` gives as it is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  everything is in the new log
  1  NEW is not empty, or could not be written
  2  the command line cannot be used
  3  nothing of a log there
  4  the new log is there, and something is lost

Example:
  snaplog salvage crawl -o crawl-salvaged")]
pub(super) struct SalvageArgs {
    /// The damaged log's directory; the one of -d if it is left out
    #[arg(value_name = "DAMAGED")]
    damaged: Option<PathBuf>,

    /// The directory to make the new log in; it is empty or does not exist yet
    #[arg(short, long, value_name = "NEW")]
    output: PathBuf,
}

/// Salvages a log.
pub(super) fn run(args: SalvageArgs, context: &Context) -> Result<(), Failure> {
    let damaged = args.damaged.map_or_else(|| context.local_dir().map(Path::to_owned), Ok)?;
    if files::is_inside(&args.output, &damaged) {
        return Err(Failure::usage("the new log cannot be in the damaged one: choose another place"));
    }
    if !matches!(files::look(&args.output)?, Found::Nothing | Found::Empty { is_dir: true }) {
        let path = args.output.display().to_string();
        let told = Told::new(Exit::Failed, "not-empty", format!("{path} is not empty")).path(path);
        return Err(told.hint("choose a directory that is empty or does not exist yet").into());
    }
    let staged = Staged::beside(&args.output)?;
    let to = Arc::new(LocalStorage::new(staged.path()));
    let report =
        salvage(identity::storage(&damaged, context, true)?.as_ref(), to, Arc::new(SystemEnvironment))?;
    staged.publish(false)?;
    if context.json {
        context.out.json(&report)?;
    } else {
        tell(&report, &args.output.display().to_string(), context)?;
    }
    if report.complete { Ok(()) } else { Err(Failure::Told(Exit::Damage)) }
}

fn tell(report: &Report, output: &str, context: &Context) -> Result<(), Failure> {
    let mut text = String::new();
    for fault in &report.faults {
        text.push_str(&fault.message);
        text.push('\n');
    }
    for gap in &report.lost {
        text.push_str(&told(gap));
        text.push('\n');
    }
    if report.rows_lost > 0 {
        let _ = writeln!(text, "lost: {} rows of snapshot segments", number(report.rows_lost));
    }
    if report.changes_lost > 0 {
        let lost = number(report.changes_lost);
        let _ = writeln!(text, "lost: {lost} changes and attributes that name what was lost");
    }
    for marker in &report.markers_lost {
        let label = labelled(marker.label.as_deref());
        let _ = writeln!(text, "lost: marker {}{label}, after event {}", marker.id, number(marker.seq));
    }
    if report.markers_unknown > 0 {
        let places = number(report.markers_unknown);
        let _ = writeln!(
            text,
            "lost: whatever markers stood in {places} damaged places, of which nothing else tells"
        );
    }
    let verdict = if report.complete { "everything is there" } else { "not everything is there" };
    let _ = writeln!(
        text,
        "{verdict}: {} nodes, {} edges, {} items of state and {} markers are in {output}",
        number(report.nodes),
        number(report.edges),
        number(report.items),
        number(u64::try_from(report.markers_kept.len()).unwrap_or(u64::MAX)),
    );
    context.out.data(&super::output::escaped(&text))
}

fn told(gap: &Gap) -> String {
    let born = match (gap.nodes_born, gap.edges_born) {
        (Some(nodes), Some(edges)) => {
            format!(", in which {} nodes and {} edges were born", number(nodes), number(edges))
        }
        _ => String::new(),
    };
    if gap.to == gap.from {
        return format!("lost: event {}{born}", number(gap.to));
    }
    format!("lost: events {} to {}{born}", number(gap.from), number(gap.to))
}
