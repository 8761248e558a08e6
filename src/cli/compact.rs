//! `snaplog compact`.

use std::time::Instant;

use snaplog::{CompactOptions, Maintained, MarkerId, Reader, Timestamp};

use super::Context;
use super::failure::Failure;
use super::json::CompactDocument;
use super::output::{number, ranges, size};

/// Apply retention, fold old events, and remove what nothing needs
///
/// Events older than `keep_events` are folded into the changes between markers, changes that no marker needs apart are
/// merged, old files are compressed harder, and what was dropped or replaced longer than `grace` ago is removed. Every
/// marker that is listed can be restored after it as before, bit by bit. If a crawler has the log open, the crawler does
/// it, beside its other work; it may be interrupted at any time.
///
/// Markers that retention drops now can be had back by `undelete`, with --now too: what --now ends is the grace of what
/// was dropped before. `prune --now` drops and removes at once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  done
  1  the log cannot be written, or there is no room; the log is as it was before the step that failed
  2  the command line cannot be used
  3  no log there
  4  files of the log are damaged
  5  the process that has the log open does not answer

Examples:
  snaplog -d crawl compact
  snaplog -d crawl compact --no-retention --now")]
#[cfg_attr(
    feature = "encryption",
    expect(clippy::struct_excessive_bools, reason = "flags of a command line")
)]
pub(super) struct CompactArgs {
    /// Grace is over for what was dropped and replaced before: remove it
    #[arg(long)]
    now: bool,

    /// Drop no markers
    #[arg(long)]
    no_retention: bool,

    /// Merge all that can be merged, not only what is worth the writing
    #[arg(long)]
    thorough: bool,

    /// In an encrypted log: rewrite all that is sealed with an older key than the newest
    #[arg(long)]
    #[cfg(feature = "encryption")]
    rekey: bool,
}

/// Compacts the log.
pub(super) fn run(args: CompactArgs, context: &Context) -> Result<(), Failure> {
    let started = Instant::now();
    let log = context.open_local()?;
    let before = log.usage()?.total;
    let CompactArgs { now, thorough, no_retention, .. } = args;
    #[cfg(feature = "encryption")]
    let rekey = args.rekey;
    #[cfg(not(feature = "encryption"))]
    let rekey = false;
    let done = if now && !no_retention {
        // Two passes: what the second one drops has its grace before it.
        let first = log.compact(CompactOptions { retention: false, now, thorough, rekey: false })?;
        add(first, log.compact(CompactOptions { retention: true, now: false, thorough, rekey })?)
    } else {
        log.compact(CompactOptions { retention: !no_retention, now, thorough, rekey })?
    };
    let until = undelete_until(&log.reader()?, &done.dropped);
    let document = CompactDocument {
        dropped: names(&done.dropped),
        reclaimed: names(&done.reclaimed),
        steps: done.steps,
        bytes_written: done.bytes_written,
        bytes_retired: done.bytes_retired,
        bytes_removed: done.bytes_removed,
        bytes_before: before,
        bytes_after: log.usage()?.total,
        undelete_until: until.map(|time| time.to_string()),
        seconds: started.elapsed().as_secs_f64(),
    };
    if context.json {
        return context.out.json(&document);
    }
    if !done.dropped.is_empty() {
        context.out.say(&format!("dropped {}{}", ranges(&done.dropped), back(until)));
    }
    if !done.reclaimed.is_empty() {
        context.out.say(&format!("gone for good: {}", ranges(&done.reclaimed)));
    }
    if done.steps > 0 {
        context.out.say(&format!(
            "{} steps: wrote {} in place of {}",
            number(done.steps),
            size(done.bytes_written),
            size(done.bytes_retired)
        ));
    }
    if done.bytes_removed > 0 {
        context.out.say(&format!("removed {}", size(done.bytes_removed)));
    }
    if done == Maintained::default() {
        context.out.say("nothing to do");
    }
    let waits = log.usage()?.trash;
    let waits = if waits == 0 {
        String::new()
    } else {
        format!(", {} of it replaced and kept until its grace is over", size(waits))
    };
    let (before, after) = (size(before), size(document.bytes_after));
    context.out.say(&format!("the log takes {after}{waits}; it took {before}"));
    Ok(())
}

/// How markers that were dropped are had back, in words.
fn back(until: Option<Timestamp>) -> String {
    until.map(|until| format!("; `snaplog undelete` has them back until {until}")).unwrap_or_default()
}

/// Until when what was dropped can be had back for certain.
pub(super) fn undelete_until(reader: &Reader, dropped: &[MarkerId]) -> Option<Timestamp> {
    let markers = reader.markers().iter().filter(|marker| dropped.contains(&marker.id));
    markers.filter_map(|marker| marker.expired).min().map(|since| end_of_grace(since, reader))
}

/// When the grace of what was dropped at `since` is over.
pub(super) fn end_of_grace(since: Timestamp, reader: &Reader) -> Timestamp {
    let grace = reader.config().retention.grace;
    since.plus_micros(i64::try_from(grace.as_micros()).unwrap_or(i64::MAX))
}

/// Two passes as one.
fn add(first: Maintained, second: Maintained) -> Maintained {
    Maintained {
        dropped: [first.dropped, second.dropped].concat(),
        reclaimed: [first.reclaimed, second.reclaimed].concat(),
        steps: first.steps.saturating_add(second.steps),
        bytes_folded: 0,
        bytes_written: first.bytes_written.saturating_add(second.bytes_written),
        bytes_retired: first.bytes_retired.saturating_add(second.bytes_retired),
        bytes_removed: first.bytes_removed.saturating_add(second.bytes_removed),
    }
}

/// Ids for a document.
pub(super) fn names(ids: &[MarkerId]) -> Vec<String> {
    ids.iter().map(MarkerId::to_string).collect()
}
