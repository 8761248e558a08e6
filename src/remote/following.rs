//! Threads that keep remote copies up with a log, beside whoever writes it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::error::{Error, Result};
use super::follow::{Followed, Follower};
use crate::log::Log;

/// A remote copy that cannot be reached is tried again after twice as long each time, but no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Remote copies that are being kept up, each by a thread of its own. The writer does not wait for them: a copy that is slow
/// or away falls behind, and catches up later.
#[derive(Debug)]
pub struct Following {
    stop: Arc<Stop>,
    lanes: Vec<Lane>,
}

#[derive(Debug, Default)]
struct Stop {
    is_wanted: Mutex<bool>,
    told: Condvar,
}

#[derive(Debug)]
struct Lane {
    remote: String,
    state: Arc<Mutex<LaneState>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct LaneState {
    newest: Option<Followed>,
    /// What keeps it from going on.
    error: Option<Error>,
    is_done: bool,
}

/// How far a remote copy is.
#[derive(Debug)]
pub struct Standing {
    /// Its address.
    pub remote: String,
    /// What is there, as far as this process knows.
    pub newest: Option<Followed>,
    /// What has kept it from going on since.
    pub error: Option<Error>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Following {
    /// Begins: what becomes durable in `log` is sent to each store, looked for as often as `every`.
    pub fn start(log: &Log, buckets: Vec<Arc<dyn Bucket>>, every: Duration) -> Self {
        let stop = Arc::new(Stop::default());
        let lanes = buckets.into_iter().map(|bucket| {
            let follower = Follower::new(log.clone(), bucket);
            let remote = follower.location();
            let state = Arc::new(Mutex::new(LaneState::default()));
            let (its_state, its_stop) = (Arc::clone(&state), Arc::clone(&stop));
            let thread = Builder::new().name("snaplog-follow".to_owned());
            let thread = thread.spawn(move || serve(follower, every, &its_stop, &its_state));
            if let Err(e) = &thread {
                let source = std::io::Error::new(e.kind(), e.to_string());
                lock(&state).error =
                    Some(Error::Store { action: "begin to follow to", location: remote.clone(), source });
            }
            Lane { remote, state, thread: thread.ok() }
        });
        let lanes = lanes.collect();
        Self { stop, lanes }
    }

    /// The errors that came up since this was asked last, each with the address; what they kept from going on is tried again.
    pub fn take_errors(&self) -> Vec<(String, Error)> {
        let of = |lane: &Lane| Some((lane.remote.clone(), lock(&lane.state).error.take()?));
        self.lanes.iter().filter_map(of).collect()
    }

    /// Ends: each copy gets one more push, of all that is durable now, as far as that is done within `within`. What is not
    /// done then goes on for as long as the process lives; the next push makes up for what does not.
    pub fn finish(mut self, within: Duration) -> Vec<Standing> {
        self.tell();
        let deadline = Instant::now().checked_add(within);
        let mut standings = Vec::new();
        for lane in &mut self.lanes {
            while !lock(&lane.state).is_done
                && lane.thread.is_some()
                && deadline.is_none_or(|deadline| Instant::now() < deadline)
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            let mut state = lock(&lane.state);
            if !state.is_done && state.error.is_none() {
                let source = std::io::Error::from(std::io::ErrorKind::TimedOut);
                state.error = Some(Error::Store {
                    action: "finish the push to",
                    location: lane.remote.clone(),
                    source,
                });
            }
            let (newest, error) = (state.newest, state.error.take());
            standings.push(Standing { remote: lane.remote.clone(), newest, error });
        }
        standings
    }

    fn tell(&self) {
        *lock(&self.stop.is_wanted) = true;
        self.stop.told.notify_all();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.tell();
    }
}

fn serve(mut follower: Follower, every: Duration, stop: &Stop, state: &Mutex<LaneState>) {
    let mut pause = every;
    let is_stopped = loop {
        match follower.step() {
            Ok(newest) => {
                let mut state = lock(state);
                (state.newest, state.error) = (Some(newest), None);
                pause = every;
            }
            Err(error) => {
                // Somebody else goes on from there: that does not pass.
                let is_over = matches!(error, Error::Diverged { .. } | Error::OtherLog { .. });
                lock(state).error = Some(error);
                if is_over {
                    break true;
                }
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE.max(every));
            }
        }
        let asleep = lock(&stop.is_wanted);
        let awake = stop.told.wait_timeout_while(asleep, pause, |wanted| !*wanted);
        if *awake.unwrap_or_else(PoisonError::into_inner).0 {
            break false;
        }
    };
    if !is_stopped {
        let last: Result<Followed> = follower.whole();
        let mut state = lock(state);
        match last {
            Ok(newest) => (state.newest, state.error) = (Some(newest), None),
            Err(error) => state.error = Some(error),
        }
    }
    lock(state).is_done = true;
}
