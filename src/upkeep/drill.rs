//! Drills: restoring markers to nowhere, to know that they can be restored.
//!
//! What a drill does is in the engine, because a writer's maintenance does it too; this is the door for everybody else.

use std::time::Duration;

use crate::log::{Log, Result, checks, drill as engine};

pub use crate::log::checks::{Checks, DrillCheck, VerifyCheck};
pub use crate::log::drill::{Fault, Report, Restore};
pub use crate::policy::drill::{BadChoice, Choice};

/// Restores markers of the log to nowhere, one after the other, and puts the outcome on record, in `checks.json`, as well as
/// that goes. `max_duration`: the marker that is being restored by then is the last one. It needs memory for one graph at
/// a time, takes no lock, and may run beside a writer.
///
/// # Errors
/// Only what keeps it from beginning: no log, a tier that no marker is of. What is wrong with a marker is in the report.
pub fn drill(log: &Log, choice: &Choice, max_duration: Option<Duration>) -> Result<Report> {
    let reader = log.reader()?;
    let report = engine::drill(&reader, log.environment(), choice, max_duration, &|| false)?;
    checks::record(log.storage().as_ref(), |known| {
        known.drill = Some(report.check(known.drill.as_ref()));
    });
    Ok(report)
}

/// What the last checks found, as far as that is on record.
pub fn last_checks(log: &Log) -> Checks {
    checks::load(log.storage().as_ref())
}

/// Puts on record what a verification found, as well as that goes: a log on a read-only disk has none.
pub fn record_verify(log: &Log, check: VerifyCheck) {
    checks::record(log.storage().as_ref(), |known| known.verify = Some(check));
}
