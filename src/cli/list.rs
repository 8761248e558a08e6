//! `snaplog list`.

mod holding;

use std::collections::HashMap;

use snaplog::policy::selector::SelectorError;
use snaplog::{Digest, Error, Log, Marker, Reader};

use super::Context;
use super::compact::end_of_grace;
use super::failure::{Exit, Failure, Report};
use super::json::{ListDocument, MarkerDocument};
use super::output::{Align, Table, number, size};
use holding::Holding;

/// List the markers: the points that can be restored
///
/// Newest first, under --json oldest first. SIZE is what the log holds for this marker alone: the changes since the one
/// before it. A time as it is shown here can be given to `restore --to`. Markers that retention has dropped are shown
/// with --deleted; under --json they always are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  2  the command line cannot be used
  3  no log there, or no marker is of that tier
  4  files of the log are missing or damaged; what is known of the markers is listed all the same

Example:
  snaplog -d crawl list --tier milestone -n 10
  snaplog -d crawl list --digest -n 1")]
pub(super) struct ListArgs {
    /// Only markers of this tier
    #[arg(long, value_name = "TIER")]
    tier: Option<String>,

    /// Only the newest N
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,

    /// Also those that were dropped and can still be had back, and until when
    #[arg(long)]
    deleted: bool,

    /// Each marker's digest too: kept elsewhere, it lets `verify --expect` show that nothing before it was changed
    #[arg(long)]
    digest: bool,
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
    if args.digest {
        let digests: HashMap<String, Digest> =
            reader.digests()?.into_iter().map(|(id, digest)| (id.to_string(), digest)).collect();
        for marker in &mut markers {
            marker.digest = digests.get(&marker.id).map(ToString::to_string);
        }
    }
    let all = markers.len();
    if !args.deleted && !context.json {
        markers.retain(|marker| marker.expired.is_none());
    }
    let hidden = all.saturating_sub(markers.len());
    if let Some(limit) = args.limit {
        markers.drain(..markers.len().saturating_sub(limit));
    }
    if context.json {
        let document = ListDocument { log_id: reader.log_id().to_string(), markers };
        context.document(&document)?;
    } else {
        let ends: HashMap<String, String> = (reader.markers().iter())
            .filter_map(|marker| {
                Some((marker.id.to_string(), end_of_grace(marker.expired?, &reader).to_string()))
            })
            .collect();
        print(&markers, &ends, hidden, context)?;
    }
    soundness(&reader)
}

/// All markers, oldest first, with what the log says about each.
pub(super) fn documents(reader: &Reader) -> Vec<MarkerDocument> {
    let restorable = reader.restorable();
    let holding = Holding::of(reader);
    let before = std::iter::once(None).chain(reader.markers().iter().map(Some));
    let document = |(marker, before): (&Marker, Option<&Marker>)| {
        let bytes = holding.bytes(before, marker);
        MarkerDocument::new(marker, bytes, holding.is_compressed(marker.seq), restorable.contains(marker.seq))
    };
    reader.markers().iter().zip(before).map(document).collect()
}

/// That a tier has markers, or is at least one of the configuration's.
fn check_tier(log: &Log, reader: &Reader, tier: &str) -> Result<(), Failure> {
    let has_tier = |marker: &Marker| marker.tiers.iter().any(|one| one == tier);
    if log.config()?.tier(tier).is_some() || reader.markers().iter().any(has_tier) {
        return Ok(());
    }
    match reader.select(&snaplog::Selector::Latest, Some(tier)) {
        Err(Error::Selector(error @ SelectorError::NoMarkerOfTier { .. })) => Err(error.into()),
        _ => Ok(()),
    }
}

/// `ends`: when the grace of each dropped marker is over.
fn print(
    markers: &[MarkerDocument],
    ends: &HashMap<String, String>,
    hidden: usize,
    context: &Context,
) -> Result<(), Failure> {
    let tell_hidden = || {
        if hidden > 0 {
            let (verb, them) = if hidden == 1 { (" is", "it") } else { ("s are", "them") };
            context.out.say(&format!(
                "{hidden} dropped marker{verb} not shown: --deleted shows {them}, `snaplog undelete` has {them} back"
            ));
        }
    };
    let Some(newest) = markers.last() else {
        if hidden > 0 {
            tell_hidden();
            return Ok(());
        }
        context
            .out
            .say("no markers yet: `snaplog ingest` places them as snaplog.toml says, `snaplog mark` by hand");
        return Ok(());
    };
    context.out.table(&table_of(markers, ends))?;
    tell_hidden();
    let example =
        markers.iter().rfind(|marker| marker.restorable && marker.expired.is_none()).unwrap_or(newest);
    let dir = context.dir.display().to_string();
    let at = if dir == "." { String::new() } else { format!(" -d {}", quoted(&dir)) };
    context.out.say(&format!("restore one with: snaplog{at} restore --to {} -o graph.ndjson", example.id));
    Ok(())
}

/// The markers, which come oldest first, newest first.
pub(super) fn table(markers: &[MarkerDocument]) -> Table {
    table_of(markers, &HashMap::new())
}

fn table_of(markers: &[MarkerDocument], ends: &HashMap<String, String>) -> Table {
    let digests = markers.iter().any(|marker| marker.digest.is_some());
    let mut columns = vec![
        ("ID", Align::Left),
        ("TIME (UTC)", Align::Left),
        ("TIERS", Align::Left),
        ("NODES", Align::Right),
        ("EDGES", Align::Right),
        ("SIZE", Align::Right),
        ("FLAGS", Align::Left),
        ("LABEL", Align::Left),
    ];
    if digests {
        columns.push(("DIGEST", Align::Left));
    }
    let mut table = Table::new(&columns);
    for marker in markers.iter().rev() {
        let mut row = vec![
            marker.id.clone(),
            marker.time.clone(),
            dash(marker.tiers.join(",")),
            number(marker.nodes),
            number(marker.edges),
            size(marker.bytes),
            dash(flags(marker, ends.get(&marker.id)).join(",")),
            dash(marker.label.clone().unwrap_or_default()),
        ];
        row.extend(marker.digest.clone().filter(|_| digests));
        table.row(row);
    }
    table
}

fn flags(marker: &MarkerDocument, ends: Option<&String>) -> Vec<String> {
    let gone = ends.filter(|_| !marker.pinned).map(|time| format!(" (gone on {time})")).unwrap_or_default();
    let all = [
        (marker.pinned, "pinned".to_owned()),
        (marker.expired.is_some(), format!("dropped{gone}")),
        (marker.compressed, "compressed".to_owned()),
        (!marker.restorable, "not restorable".to_owned()),
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
    let restorable = reader.restorable();
    if restorable.is_whole() {
        return Ok(());
    }
    Err(not_whole(restorable.fault(), "not every marker can be restored"))
}

/// That files of the log are not what they should be, and what that costs.
pub(super) fn not_whole(fault: Option<&Error>, cost: &str) -> Failure {
    let message = format!("files of the log are missing or damaged: {cost}");
    let hint = "`snaplog verify` lists every damaged place and the markers that are still good";
    let report = Report::new(Exit::Damage, "missing", message).hint(hint);
    match fault {
        // The system would not let us look: nothing is known of what the file holds.
        Some(fault) if !fault.is_damage() => Failure::of(fault),
        Some(fault) => match fault.path() {
            Some(path) => report.path(path).caused_by(fault).into(),
            None => report.caused_by(fault).into(),
        },
        None => report.into(),
    }
}

/// A word for a shell to read back.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
