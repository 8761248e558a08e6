//! The clock of a salvage.

use std::sync::Arc;

use super::survey::Survey;
use crate::log::Environment;
use crate::model::time::Timestamp;

/// The last microsecond of the year 9999. Nobody's events are later; a time that is was made up or damaged.
const END: Timestamp = Timestamp(253_402_300_799_999_999);
/// How far ahead of its clock a writer takes events: a day.
const AHEAD_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// The machine's clock, but never behind the damaged log: on the system that a broken machine is rescued with it is
/// often years behind, and a writer refuses events from the future.
#[derive(Debug)]
pub(super) struct Clock {
    inner: Arc<dyn Environment>,
    least: Timestamp,
}

impl Clock {
    pub(super) fn new(inner: Arc<dyn Environment>, survey: &Survey) -> Self {
        let frames = survey.frames.iter().map(|frame| frame.header.time);
        let markers = survey.markers.values().map(|marker| marker.time);
        let increments = survey.snapshots.iter().flat_map(|file| &file.footer.increments);
        let times = frames.chain(markers).chain(increments.map(|increment| increment.to.time));
        let least = times.filter(|time| *time <= END).max().unwrap_or(Timestamp::MIN);
        Self { inner, least }
    }

    /// The latest time that an event or a marker can have; what says that it is later gets this one.
    pub(super) fn limit(&self) -> Timestamp {
        self.now().plus_micros(AHEAD_MICROS)
    }
}

impl Environment for Clock {
    fn now(&self) -> Timestamp {
        self.inner.now().max(self.least)
    }

    fn random(&self) -> [u8; 16] {
        self.inner.random()
    }

    fn owner(&self) -> String {
        self.inner.owner()
    }

    fn peak_memory(&self) -> Option<u64> {
        self.inner.peak_memory()
    }

    fn threads(&self) -> bool {
        self.inner.threads()
    }
}
