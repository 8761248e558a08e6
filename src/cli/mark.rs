//! `snaplog mark`.

use snaplog::policy::selector::check_label;
use snaplog::{Log, MarkOptions, Marker};

use super::Context;
use super::failure::{Exit, Failure, Report};
use super::json::{MarkDocument, MarkerDocument};
use super::list::documents;
use super::output::{labelled, number};

/// Place a marker: a point that can be restored
///
/// It stands after the last event, and costs a few hundred bytes however large the graph. If a crawler has the log
/// open, the crawler places it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the marker is there, and durable
  1  the log cannot be written
  2  the label or the tier cannot be used
  3  no log there
  4  files of the log are damaged
  5  the process that has the log open does not answer

Example:
  snaplog -d crawl mark --label 'before cleanup' --pin")]
pub(super) struct MarkArgs {
    /// A name for it, for `restore --to`
    #[arg(long)]
    label: Option<String>,

    /// A tier of snaplog.toml that it is to count for
    #[arg(long)]
    tier: Option<String>,

    /// Keep it whatever the tiers say
    #[arg(long)]
    pin: bool,
}

/// Places a marker.
pub(super) fn run(args: MarkArgs, context: &Context) -> Result<(), Failure> {
    if let Some(label) = &args.label {
        check_label(label)?;
    }
    let log = context.open_local()?;
    if let Some(tier) = &args.tier {
        check_tier(&log, tier)?;
    }
    let marker = log.mark(&MarkOptions { label: args.label, tier: args.tier, pin: args.pin })?;
    let document = document(&log, &marker)?;
    if context.json {
        return context.out.json(&MarkDocument { marker: document });
    }
    let label = labelled(marker.label.as_deref());
    let (nodes, edges) = (number(marker.counts.nodes), number(marker.counts.edges));
    context.out.say(&format!(
        "placed {}{label} at event {}: {nodes} nodes, {edges} edges",
        marker.id,
        number(marker.seq.0)
    ));
    Ok(())
}

/// A tier that nothing is said about would keep its markers for ever, and is most likely a slip.
fn check_tier(log: &Log, tier: &str) -> Result<(), Failure> {
    let config = log.config()?;
    if config.tier(tier).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = config.tiers.iter().map(|tier| tier.name.as_str()).collect();
    let message = format!("snaplog.toml has no tier {tier:?}");
    let report = Report::new(Exit::Usage, "bad-marker", message);
    Err(report.hint(format!("there are {}", names.join(", "))).into())
}

/// The marker as `list` has it.
pub(super) fn document(log: &Log, marker: &Marker) -> Result<MarkerDocument, Failure> {
    let listed = documents(&log.reader()?).into_iter().find(|listed| listed.id == marker.id.to_string());
    Ok(listed.unwrap_or_else(|| MarkerDocument::new(marker, 0, false, true)))
}
