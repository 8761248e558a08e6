//! What a writer does on time: syncing what has waited, answering requests.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Shared, State};
use crate::log::error::{Error, Result};
use crate::log::requests::{self, Answer, Request};
use crate::policy::config::Durability;

/// How often requests are looked for.
const POLL: Duration = Duration::from_millis(100);

/// Tells the thread to stop.
#[derive(Debug, Default)]
pub(super) struct Signal {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; true if it is time to stop.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}

/// Starts the thread.
pub(super) fn start(shared: &Arc<Shared>, durability: Durability) -> Option<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let interval = match durability {
        Durability::Grouped { interval, .. } => Some(interval),
        Durability::Each | Durability::Marker => None,
    };
    let run = move || {
        // Two looks in an interval: what the first finds waiting is synced by the second, so nothing waits longer.
        let step = interval.map_or(POLL, |interval| POLL.min(interval / 2)).max(Duration::from_millis(1));
        let steps_to_sync =
            interval.map(|interval| (interval.as_micros() / step.as_micros().max(1)).max(2) - 1);
        let mut waiting = 0_u128;
        while !shared.signal.wait(step) {
            let outcome = shared.with(|core| {
                if core.is_unsynced() && steps_to_sync.is_some() {
                    waiting = waiting.saturating_add(1);
                } else {
                    waiting = 0;
                }
                if steps_to_sync.is_some_and(|steps| waiting >= steps) {
                    waiting = 0;
                    core.sync()?;
                }
                Ok(())
            });
            let outcome = outcome.and_then(|()| answer_requests(&shared));
            // The error is kept in the state: the collector's next call returns it.
            if outcome.is_err() && !matches!(&*shared.lock(), State::Live { .. }) {
                return;
            }
        }
    };
    std::thread::Builder::new().name("snaplog-writer".to_owned()).spawn(run).ok()
}

/// Answers what other processes ask.
pub(super) fn answer_requests(shared: &Shared) -> Result<()> {
    let (storage, now, threads) =
        shared.with(|core| Ok((core.storage.clone(), core.environment.now(), core.environment.threads())))?;
    for (name, request) in requests::pending(storage.as_ref(), now) {
        let answer = match request {
            Ok(Request::Compact { wish }) if threads => {
                // It may take its time: whoever asks is told that it has begun.
                let _ = requests::answer(storage.as_ref(), &name, &Answer::Working);
                shared.maintenance.ask(name, wish);
                continue;
            }
            Ok(request) => match carry_out(shared, request) {
                Ok(answer) => answer,
                // The log is as it was; only a session that has ended is no more.
                Err(error) if matches!(&*shared.lock(), State::Live { .. }) => {
                    Answer::Refused { message: super::describe(&error) }
                }
                Err(error) => return Err(error),
            },
            Err(message) => Answer::Refused { message },
        };
        // A request whose answer cannot be written is answered by its time-out; the log itself is not concerned.
        let _ = requests::answer(storage.as_ref(), &name, &answer);
    }
    Ok(())
}

fn carry_out(shared: &Shared, request: Request) -> Result<Answer> {
    match request {
        Request::Mark { options } => {
            let marker = shared.with(|core| {
                let marker = core.mark(&options, None)?;
                core.sync()?;
                Ok(marker)
            })?;
            Ok(Answer::Marked { marker: Box::new(marker) })
        }
        Request::Pin { marker, on } => {
            if shared.with(|core| core.pin(marker, on))? {
                Ok(Answer::Done)
            } else {
                Err(Error::BadMarker { message: format!("there is no marker {marker}") })
            }
        }
        Request::Expire { markers } => Ok(Answer::Markers { markers: shared.expire(&markers)? }),
        Request::Undelete { markers } => Ok(Answer::Markers { markers: shared.undelete(&markers)? }),
        Request::Compact { wish } => Ok(Answer::Maintained { done: shared.maintain(wish)? }),
    }
}
