//! What a prune is about to do.

use std::fmt::Write as _;

use snaplog::policy::retention::{Reason, Thinned, Verdict, thinning};
use snaplog::{Marker, MarkerId, Reader, Timestamp};

use super::{estimate, markers};
use crate::cli::Context;
use crate::cli::compact::end_of_grace;
use crate::cli::failure::Failure;
use crate::cli::output::{Align, Table, escaped, ranges, size};

/// In a run of more kept markers than these only the first and the last are shown to people.
const RUN: usize = 4;
/// So many ids stand in the way back; with more it is `--all`.
const NAMED: usize = 6;

/// A plan.
pub(super) struct Plan<'a> {
    markers: &'a [Marker],
    /// One for each marker, oldest first.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) thinning: Vec<Thinned>,
    /// About how many bytes fewer the log takes at most once all that is dropped is gone.
    pub(super) bytes_freed: u64,
    /// Until when what is dropped can be had back, if it can.
    pub(super) undelete_until: Option<Timestamp>,
    /// Whether grace ends at once.
    pub(super) now: bool,
}

impl<'a> Plan<'a> {
    /// What retention says of the log. `clock`: the wall clock; `trash`: the bytes in the trash, which go `now` too.
    pub(super) fn new(reader: &'a Reader, clock: Timestamp, now: bool, trash: u64) -> Self {
        let verdicts = reader.retention();
        let (markers, zone) = (reader.markers(), reader.config().time_zone);
        let thinning = thinning(markers, &verdicts, zone, reader.log_time());
        let drops_any = markers.iter().zip(&verdicts).any(is_new_drop);
        Self {
            markers,
            thinning,
            bytes_freed: estimate::bytes_freed(&reader.increments(), markers, &verdicts, now)
                .saturating_add(if now { trash } else { 0 }),
            undelete_until: (drops_any && !now).then(|| end_of_grace(clock, reader)),
            verdicts,
            now,
        }
    }

    fn pairs(&self) -> impl DoubleEndedIterator<Item = (&Marker, &Verdict)> {
        self.markers.iter().zip(&self.verdicts)
    }

    /// What it drops, oldest first, without what was dropped before.
    pub(super) fn drops(&self) -> Vec<MarkerId> {
        self.pairs().filter(|pair| is_new_drop(*pair)).map(|(marker, _)| marker.id).collect()
    }

    /// What was dropped before.
    fn dropped_before(&self) -> Vec<MarkerId> {
        let before = self.pairs().filter(|(marker, verdict)| marker.expired.is_some() && !verdict.keep);
        before.map(|(marker, _)| marker.id).collect()
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.drops().is_empty() && (!self.now || self.dropped_before().is_empty())
    }

    /// What the user is asked.
    pub(super) fn question(&self) -> String {
        let (drops, before) = (self.drops().len(), self.dropped_before().len());
        match (self.now, drops, before) {
            (false, drops, _) => format!("Drop {}?", markers(drops)),
            (true, drops, 0) => format!("Drop {} for good? They cannot be had back.", markers(drops)),
            (true, 0, before) => {
                format!("Remove {} that were dropped before? They cannot be had back.", markers(before))
            }
            (true, drops, before) => format!(
                "Drop {} for good, and {before} that were dropped before? They cannot be had back.",
                markers(drops)
            ),
        }
    }

    /// Shows it to people.
    pub(super) fn show(&self, context: &Context) -> Result<(), Failure> {
        if !self.markers.is_empty() {
            context.out.table(&self.table())?;
        }
        context.out.data(&escaped(&self.summary()))
    }

    /// Newest first, without what was dropped before; of long runs of kept ones only the ends.
    fn table(&self) -> Table {
        let mut table = Table::new(&[
            ("ID", Align::Left),
            ("TIME (UTC)", Align::Left),
            ("TIERS", Align::Left),
            ("VERDICT", Align::Left),
            ("WHY", Align::Left),
        ]);
        let is_shown = |(marker, verdict): &(&Marker, &Verdict)| verdict.keep || marker.expired.is_none();
        let newest_first: Vec<(&Marker, &Verdict)> = self.pairs().rev().filter(is_shown).collect();
        for run in newest_first.chunk_by(|(_, a), (_, b)| a.keep == b.keep) {
            let is_long = run.len() > RUN && run.first().is_some_and(|(_, verdict)| verdict.keep);
            let last = run.len().saturating_sub(1);
            for (at, (marker, verdict)) in run.iter().enumerate() {
                if is_long && at > 0 && at < last {
                    if at == 1 {
                        let more = format!("{} between", markers(run.len().saturating_sub(2)));
                        table.row(["…".to_owned(), more, String::new(), "keep".to_owned(), String::new()]);
                    }
                    continue;
                }
                table.row(row(marker, verdict));
            }
        }
        table
    }

    fn summary(&self) -> String {
        let drops = self.drops();
        let before = self.dropped_before();
        let kept = self.verdicts.iter().filter(|verdict| verdict.keep).count();
        let mut text = String::new();
        if drops.is_empty() {
            let _ = writeln!(text, "nothing to drop: snaplog.toml keeps {}", markers(kept));
        } else {
            let _ = writeln!(text, "{} kept, {} dropped: {}", markers(kept), drops.len(), ranges(&drops));
        }
        if !before.is_empty() {
            let ends = if self.now { "; gone for good now" } else { "" };
            let _ = writeln!(text, "dropped before: {}{ends}", ranges(&before));
        }
        for line in &self.thinning {
            let _ = writeln!(text, "  {line}");
        }
        if !self.is_empty() {
            let when = if self.now { "" } else { ", once its grace is over and `snaplog compact` has run" };
            let _ = writeln!(text, "frees about {} at most{when}", size(self.bytes_freed));
            let _ = writeln!(text, "  what folding old events saves comes on top, whatever is dropped");
        }
        if let Some(until) = self.undelete_until {
            let _ = writeln!(text, "{}", way_back(&drops, until));
        } else if !self.is_empty() {
            let _ = writeln!(text, "they cannot be had back: --now ends their grace");
        }
        text
    }
}

/// How dropped markers are had back.
pub(super) fn way_back(dropped: &[MarkerId], until: Timestamp) -> String {
    let which = if dropped.len() > NAMED {
        "--all".to_owned()
    } else {
        dropped.iter().map(MarkerId::to_string).collect::<Vec<_>>().join(" ")
    };
    format!("`snaplog undelete {which}` has them back until {until}")
}

fn is_new_drop((marker, verdict): (&Marker, &Verdict)) -> bool {
    !verdict.keep && marker.expired.is_none()
}

fn row(marker: &Marker, verdict: &Verdict) -> [String; 5] {
    let reasons: Vec<String> = verdict.reasons.iter().map(Reason::to_string).collect();
    let tiers = if marker.tiers.is_empty() { "-".to_owned() } else { marker.tiers.join(",") };
    [
        marker.id.to_string(),
        marker.time.to_string(),
        tiers,
        if verdict.keep { "keep" } else { "drop" }.to_owned(),
        reasons.join(", "),
    ]
}
