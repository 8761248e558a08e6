//! `snaplog list`.

use snaplog::policy::selector::SelectorError;
use snaplog::{Error, Log, Marker, Reader, Seq};

use super::Context;
use super::failure::{Exit, Failure, Report};
use super::json::{ListDocument, MarkerDocument};
use super::output::{Align, Table, number, size};

/// List the markers: the points that can be restored
///
/// Newest first, under --json oldest first. SIZE is what was written between the marker before and this one: what it
/// costs to keep. A time as it is shown here can be given to `restore --to`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  2  the command line cannot be used
  3  no log there, or no marker is of that tier
  4  files of the log are missing or damaged; what is known of the markers is listed all the same

Example:
  snaplog -d crawl list --tier milestone -n 10")]
pub(super) struct ListArgs {
    /// Only markers of this tier
    #[arg(long, value_name = "TIER")]
    tier: Option<String>,

    /// Only the newest N
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

/// Lists the markers.
pub(super) fn run(args: ListArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_log()?;
    let reader = context.reader_of(&log)?;
    let mut markers = documents(&reader);
    if let Some(tier) = &args.tier {
        check_tier(&log, &reader, tier)?;
        markers.retain(|marker| marker.tiers.contains(tier));
    }
    if let Some(limit) = args.limit {
        markers.drain(..markers.len().saturating_sub(limit));
    }
    if context.json {
        let document = ListDocument { log_id: reader.log_id().to_string(), markers };
        context.out.json(&document)?;
    } else {
        print(&markers, context)?;
    }
    soundness(&reader)
}

/// All markers, oldest first, with what the log says about each.
pub(super) fn documents(reader: &Reader) -> Vec<MarkerDocument> {
    let restorable = reader.restorable();
    let segments = reader.segments();
    let is_compressed = |seq: Seq| {
        let holding = segments.iter().rfind(|segment| segment.from <= seq && seq <= segment.to);
        holding.is_some_and(|segment| segment.compressed)
    };
    let mut before = 0;
    let document = |marker: &Marker| {
        let bytes = marker.position.saturating_sub(before);
        before = marker.position;
        MarkerDocument::new(marker, bytes, is_compressed(marker.seq), restorable.contains(marker.seq))
    };
    reader.markers().iter().map(document).collect()
}

/// That a tier has markers, or is at least one of the configuration's.
fn check_tier(log: &Log, reader: &Reader, tier: &str) -> Result<(), Failure> {
    if log.config()?.tier(tier).is_some() {
        return Ok(());
    }
    match reader.select(&snaplog::Selector::Latest, Some(tier)) {
        Err(Error::Selector(error @ SelectorError::NoMarkerOfTier { .. })) => Err(error.into()),
        _ => Ok(()),
    }
}

fn print(markers: &[MarkerDocument], context: &Context) -> Result<(), Failure> {
    let Some(newest) = markers.last() else {
        context
            .out
            .say("no markers yet: `snaplog ingest` places them as snaplog.toml says, `snaplog mark` by hand");
        return Ok(());
    };
    context.out.table(&table(markers))?;
    let example = markers.iter().rfind(|marker| marker.restorable).unwrap_or(newest);
    let dir = context.dir.display().to_string();
    let at = if dir == "." { String::new() } else { format!(" -d {}", quoted(&dir)) };
    context.out.say(&format!("restore one with: snaplog{at} restore --to {} -o graph.ndjson", example.id));
    Ok(())
}

/// The markers, which come oldest first, newest first.
pub(super) fn table(markers: &[MarkerDocument]) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("TIME (UTC)", Align::Left),
        ("TIERS", Align::Left),
        ("NODES", Align::Right),
        ("EDGES", Align::Right),
        ("SIZE", Align::Right),
        ("FLAGS", Align::Left),
        ("LABEL", Align::Left),
    ]);
    for marker in markers.iter().rev() {
        table.row([
            marker.id.clone(),
            marker.time.clone(),
            dash(marker.tiers.join(",")),
            number(marker.nodes),
            number(marker.edges),
            size(marker.bytes),
            dash(flags(marker).join(",")),
            dash(marker.label.clone().unwrap_or_default()),
        ]);
    }
    table
}

fn flags(marker: &MarkerDocument) -> Vec<&'static str> {
    let all = [
        (marker.pinned, "pinned"),
        (marker.expired.is_some(), "expired"),
        (marker.compressed, "compressed"),
        (!marker.restorable, "not restorable"),
    ];
    all.into_iter().filter_map(|(on, name)| on.then_some(name)).collect()
}

fn dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// That nothing is known to be wrong with the log: what was reported may be less than there was.
pub(super) fn soundness(reader: &Reader) -> Result<(), Failure> {
    if let Some(damage) = reader.damage() {
        return Err(Failure::of(damage));
    }
    if !reader.restorable().is_whole() {
        let message = "files of the log are missing or damaged: not every marker can be restored";
        let hint = "`snaplog verify` lists every damaged place and the markers that are still good";
        return Err(Report::new(Exit::Damage, "missing", message).hint(hint).into());
    }
    Ok(())
}

/// A word for a shell to read back.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
