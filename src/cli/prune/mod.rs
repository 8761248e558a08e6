//! `snaplog prune`.

mod estimate;
mod plan;

use snaplog::{CompactOptions, Log, Maintained, MarkerId, Timestamp};

use super::Context;
use super::compact::{names, undelete_until};
use super::failure::{Exit, Failure, Report};
use super::json::{PruneDocument, VerdictDocument};
use super::list::soundness;
use super::output::{number, ranges, size};
use plan::Plan;

/// Drop the markers that snaplog.toml does not keep
///
/// Shows first what is kept and dropped, and why, and asks. What is dropped can be had back by `undelete` until the grace
/// that snaplog.toml gives is over; `compact` makes room after that. Pinned markers stay, and so do those of a tier that
/// snaplog.toml does not have. If a crawler has the log open, the crawler does it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Ages are measured from the newest event in the log, not from today: a log that lies idle loses nothing.

Exit status:
  0  done, or there was nothing to drop
  1  the log cannot be written, snaplog.toml cannot be used, or the answer was no
  2  the command line cannot be used, or there is nobody to ask and --yes was not given: nothing was done
  3  no log there
  4  files of the log are missing or damaged: nothing was done
  5  the process that has the log open does not answer

Examples:
  snaplog -d crawl prune --dry-run
  snaplog -d crawl prune --yes
  snaplog -d crawl prune --yes --now")]
pub(super) struct PruneArgs {
    /// Show what would be dropped and why, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// No grace: remove at once and for good what is dropped, and what was dropped before
    #[arg(long)]
    now: bool,
}

/// Prunes the log.
pub(super) fn run(args: PruneArgs, context: &Context) -> Result<(), Failure> {
    let log = context.open_local()?;
    let reader = log.reader()?;
    // By a file that cannot be read nothing is dropped, by defaults that nobody asked for neither. It is the reader that
    // must have read it: another look at the file may end in another way.
    if let Some(fault) = reader.config_fault() {
        return Err(Failure::of(fault));
    }
    soundness(&reader)?;
    let plan = Plan::new(&reader, log.environment().now(), args.now, log.usage()?.trash);
    if !context.json {
        plan.show(context)?;
    }
    if args.dry_run || plan.is_empty() {
        return if context.json { context.out.json(&document(&plan)) } else { Ok(()) };
    }
    if !args.yes {
        agreed(&plan, context)?;
    }
    let done = carry_out(&log, &plan)?;
    if context.json {
        return context.out.json(&done.document(&plan));
    }
    done.tell(&plan, context);
    Ok(())
}

/// Asks whether the plan is to be carried out.
fn agreed(plan: &Plan<'_>, context: &Context) -> Result<(), Failure> {
    let question = plan.question();
    // Programs do not answer questions, and the plan comes in the document that is printed at the end.
    match if context.json { None } else { context.out.ask(&question) } {
        Some(true) => Ok(()),
        Some(false) => {
            context.out.say("nothing was done");
            Err(Failure::Told(Exit::Failed))
        }
        None => {
            let message = "nothing was done: there is nobody to ask whether to drop markers";
            let hint = "`snaplog prune --dry-run` shows the plan, --yes carries it out without asking";
            Err(Report::new(Exit::Usage, "usage", message).hint(hint).into())
        }
    }
}

/// What became of a plan.
struct Done {
    dropped: Vec<MarkerId>,
    /// With --now: what the compaction did.
    maintained: Option<Maintained>,
    undelete_until: Option<Timestamp>,
}

fn carry_out(log: &Log, plan: &Plan<'_>) -> Result<Done, Failure> {
    let drops = plan.drops();
    let dropped = if drops.is_empty() { Vec::new() } else { log.expire(&drops)? };
    if plan.now {
        let options = CompactOptions { now: true, ..CompactOptions::default() };
        return Ok(Done { dropped, maintained: Some(log.compact(options)?), undelete_until: None });
    }
    let undelete_until = undelete_until(&log.reader()?, &dropped);
    Ok(Done { dropped, maintained: None, undelete_until })
}

impl Done {
    /// The bytes by which the log became smaller; those of the plan if nothing was removed yet.
    fn bytes_freed(&self, plan: &Plan<'_>) -> u64 {
        self.maintained
            .as_ref()
            .map_or(plan.bytes_freed, |done| done.bytes_removed.saturating_sub(done.bytes_written))
    }

    fn document(&self, plan: &Plan<'_>) -> PruneDocument {
        let reclaimed = self.maintained.as_ref().map(|done| names(&done.reclaimed)).unwrap_or_default();
        PruneDocument {
            bytes_freed: self.bytes_freed(plan),
            done: true,
            dropped: names(&self.dropped),
            reclaimed,
            undelete_until: self.undelete_until.map(|time| time.to_string()),
            ..document(plan)
        }
    }

    fn tell(&self, plan: &Plan<'_>, context: &Context) {
        let missed: Vec<MarkerId> =
            plan.drops().into_iter().filter(|id| !self.dropped.contains(id)).collect();
        if !self.dropped.is_empty() || self.maintained.is_none() {
            context.out.say(&format!("dropped {}", ranges(&self.dropped)));
        }
        if !missed.is_empty() {
            context.out.say(&format!(
                "not dropped: {}; meanwhile pinned, or dropped by somebody else",
                ranges(&missed)
            ));
        }
        match &self.maintained {
            Some(done) => {
                context.out.say(&format!("gone for good: {}", ranges(&done.reclaimed)));
                context.out.say(&format!("freed {}", size(self.bytes_freed(plan))));
            }
            None => {
                if let Some(until) = self.undelete_until {
                    context.out.say(&plan::way_back(&self.dropped, until));
                }
            }
        }
    }
}

/// The plan, with nothing done.
fn document(plan: &Plan<'_>) -> PruneDocument {
    let verdict = |verdict: &snaplog::policy::retention::Verdict| VerdictDocument {
        id: verdict.id.to_string(),
        keep: verdict.keep,
        reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
    };
    PruneDocument {
        markers: plan.verdicts.iter().map(verdict).collect(),
        bytes_freed: plan.bytes_freed,
        thinning: plan.thinning.iter().map(ToString::to_string).collect(),
        done: false,
        dropped: Vec::new(),
        reclaimed: Vec::new(),
        undelete_until: plan.undelete_until.map(|time| time.to_string()),
    }
}

/// `1 marker`, `2 markers`.
fn markers(count: usize) -> String {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    format!("{} marker{}", number(count), if count == 1 { "" } else { "s" })
}
