//! What was found when the log was last verified and drilled: a file beside the log, for people and monitors.
//!
//! It is no part of the log. Nothing rests on it, so it is written as well as it goes: where it cannot be, as on a
//! read-only disk, the check itself counts all the same.

use serde::{Deserialize, Serialize};

use crate::format::names;
use crate::model::time::Timestamp;
use crate::storage::{Storage, read_all, write_new};

/// Largest file that is read.
const MAX_BYTES: usize = 1 << 20;

/// The last checks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Checks {
    /// The last time that the log was verified.
    pub verify: Option<VerifyCheck>,
    /// The last drill.
    pub drill: Option<DrillCheck>,
}

/// What came of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyCheck {
    /// When it began.
    pub time: Timestamp,
    /// How closely was looked: `quick`, `checksums` or `replay`.
    pub level: String,
    /// Whether nothing was wrong.
    pub sound: bool,
    /// Whether everything was looked at.
    pub complete: bool,
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillCheck {
    /// When it began.
    pub time: Timestamp,
    /// Whether all markers that were restored are what they say.
    pub good: bool,
    /// Whether all markers that were chosen were restored.
    pub complete: bool,
    /// Markers that were restored, or could not be.
    pub checked: u64,
    /// Those that could not be, or gave something else.
    pub failed: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When the last drill began that was good.
    pub last_good: Option<Timestamp>,
}

/// What is on record; nothing, if there is no record or none that can be read.
pub(crate) fn load(storage: &dyn Storage) -> Checks {
    let bytes = read_all(storage, names::CHECKS, MAX_BYTES).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Changes the record; says whether that went well.
pub(crate) fn record(storage: &dyn Storage, change: impl FnOnce(&mut Checks)) -> bool {
    let mut checks = load(storage);
    change(&mut checks);
    let Ok(mut text) = serde_json::to_vec(&checks) else { return false };
    text.push(b'\n');
    write_new(storage, names::CHECKS, &text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::SimStorage;

    #[test]
    fn a_record_comes_back_and_a_broken_one_counts_for_none() {
        let disk = SimStorage::new();
        assert_eq!(load(&disk), Checks::default());
        let verify =
            VerifyCheck { time: Timestamp(7), level: "quick".to_owned(), sound: true, complete: true };
        assert!(record(&disk, |checks| checks.verify = Some(verify.clone())));
        assert_eq!(load(&disk).verify, Some(verify));
        disk.load([(names::CHECKS.to_owned(), b"{\"verify\":".to_vec())].into()).unwrap();
        assert_eq!(load(&disk), Checks::default());
        assert!(record(&disk, |_| ()));
    }
}
