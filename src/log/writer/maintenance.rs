//! Maintenance beside a writer: retention and compaction on a thread of their own.
//!
//! The work is done on files that do not change any more. The writer is held up only while the manifest is replaced, and
//! while a number for a file is taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Shared, describe};
use crate::format::manifest::Manifest;
use crate::log::checks;
use crate::log::compaction::{Host, Maintained, Wish, expire, maintain, undelete};
use crate::log::drill;
use crate::log::environment::Environment;
use crate::log::error::Result;
use crate::log::reader::Reader;
use crate::log::requests::{self, Answer};
use crate::log::store::{self, InForce};
use crate::model::position::{MarkerId, SegmentId};
use crate::model::time::Timestamp;
use crate::policy::config::Config;

/// How often it is looked for something to do.
const POLL: Duration = Duration::from_millis(50);

/// How many looks lie between two questions whether a drill is due.
const POLLS_TO_DRILL: u32 = 20;

/// What maintenance is to do, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    /// One at a time.
    busy: Mutex<()>,
    /// Compactions that other processes ask for: the files of their requests.
    asked: Mutex<VecDeque<(String, Wish)>>,
    /// Why the last one failed, if it did.
    failure: Mutex<Option<String>>,
    /// When the last drill of this session began, and what is wrong by it, if something is.
    drilled: Mutex<(Option<Timestamp>, Option<String>)>,
}

impl Maintenance {
    /// Puts a request in the queue.
    pub(super) fn ask(&self, request: String, wish: Wish) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push_back((request, wish));
    }

    fn drilled(&self) -> MutexGuard<'_, (Option<Timestamp>, Option<String>)> {
        self.drilled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(String, Wish)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Why the last maintenance failed, if it did: the log is as it was before it. Or what its last drill found.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.or_else(|| self.drilled().1.clone())
    }
}

/// The writer's session, as compaction sees it.
struct Beside<'a> {
    shared: &'a Shared,
    storage: store::Shared,
    environment: Arc<dyn Environment>,
    config: Config,
}

impl Host for Beside<'_> {
    fn storage(&self) -> &store::Shared {
        &self.storage
    }

    fn environment(&self) -> &dyn Environment {
        self.environment.as_ref()
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn in_force(&self) -> Result<InForce> {
        self.shared.with(|core| {
            Ok(InForce {
                log_id: core.log_id,
                manifest: core.described(),
                encrypted: core.storage.keys().is_some(),
                unknown_read_only: 0,
            })
        })
    }

    fn reserve(&self) -> Result<SegmentId> {
        self.shared.with(super::core::Core::reserve)
    }

    fn change(&self, change: &mut dyn FnMut(&mut Manifest) -> Result<bool>) -> Result<bool> {
        self.shared.with(|core| core.change_manifest(change))?
    }

    fn is_stopping(&self) -> bool {
        self.shared.signal.is_stopped()
    }
}

impl Shared {
    fn beside(&self) -> Result<Beside<'_>> {
        self.with(|core| Ok((core.storage.clone(), Arc::clone(&core.environment), core.config.clone())))
            .map(|(storage, environment, config)| Beside { shared: self, storage, environment, config })
    }

    /// Does what is due, here and now.
    pub(super) fn maintain(&self, wish: Wish) -> Result<Maintained> {
        let _one_at_a_time = self.maintenance.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.beside().and_then(|host| maintain(&host, wish));
        let failure = outcome.as_ref().err().map(describe);
        *self.maintenance.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        outcome
    }

    /// Runs a drill, if one is due by the configuration and by what is on record; whether it did.
    pub(super) fn drill_if_due(&self) -> Result<bool> {
        let Beside { storage, environment, config, .. } = self.beside()?;
        if config.drill.every.is_none() {
            return Ok(false);
        }
        let _one_at_a_time = self.maintenance.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let now = environment.now();
        let on_record = checks::load(storage.as_ref()).drill.map(|check| check.time);
        // What is on record counts, and where nothing can be put on record what this session knows.
        let last = self.maintenance.drilled().0.max(on_record);
        if !drill::is_due(config.drill.every, last, now) {
            return Ok(false);
        }
        let (choice, limit) = (config.drill.markers.clone(), Some(config.drill.max_duration));
        let stop = || self.signal.is_stopped();
        let outcome = Reader::open(storage.clone(), Ok(config))
            .and_then(|reader| drill::drill(&reader, environment.as_ref(), &choice, limit, &stop));
        let wrong = match &outcome {
            // No marker yet, or the session is ending.
            Ok(report) if report.markers_checked == 0 => return Ok(false),
            Ok(report) => {
                checks::record(storage.as_ref(), |known| {
                    known.drill = Some(report.check(known.drill.as_ref()));
                });
                report.summary()
            }
            Err(error) => Some(describe(error)),
        };
        *self.maintenance.drilled() = (Some(now), wrong);
        outcome.map(|_| true)
    }

    /// Drops markers, without waiting for a compaction that is under way.
    pub(super) fn expire(&self, ids: &[MarkerId]) -> Result<Vec<MarkerId>> {
        expire(&self.beside()?, ids)
    }

    /// Takes back that markers were dropped, without waiting for a compaction that is under way.
    pub(super) fn undelete(&self, ids: &[MarkerId]) -> Result<Vec<MarkerId>> {
        undelete(&self.beside()?, ids)
    }
}

/// Starts the thread.
pub(super) fn start(shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let run = move || {
        let (mut seen, mut until_drill) = (0, 0_u32);
        while !shared.signal.wait(POLL) {
            if let Some((request, wish)) = shared.maintenance.next() {
                answer(&shared, &request, wish);
                continue;
            }
            // The session has ended, and with it what there is to do.
            let Ok(rolls) = shared.with(|core| Ok(core.rolls)) else { return };
            if rolls > seen {
                seen = rolls;
                // What goes wrong is kept for whoever asks; the log is as it was, and the next roll tries again.
                drop(shared.maintain(Wish { retention: true, ..Wish::default() }));
            }
            // After a drill, due or not, and at the beginning, it is not looked again for a while.
            until_drill = until_drill.saturating_add(1);
            if until_drill >= POLLS_TO_DRILL {
                until_drill = 0;
                // What it finds is kept for whoever asks.
                drop(shared.drill_if_due());
            }
        }
        // Whoever waits is told; doing it is left to the next session.
        while let Some((request, _)) = shared.maintenance.next() {
            let refused = Answer::Refused { message: "the writer is closing".to_owned() };
            if let Ok(storage) = shared.with(|core| Ok(core.storage.clone())) {
                let _ = requests::reply(storage.as_ref(), &request, &refused);
            }
        }
    };
    std::thread::Builder::new().name("snaplog-maintenance".to_owned()).spawn(run).ok()
}

fn answer(shared: &Shared, request: &str, wish: Wish) {
    let outcome = shared.maintain(wish);
    let answer = match outcome {
        Ok(done) => Answer::Maintained { done },
        Err(error) => Answer::Refused { message: describe(&error) },
    };
    if let Ok(storage) = shared.with(|core| Ok(core.storage.clone())) {
        // An answer that cannot be written is no concern of the log.
        let _ = requests::reply(storage.as_ref(), request, &answer);
    }
}
