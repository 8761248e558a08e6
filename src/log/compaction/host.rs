//! Who holds the log's lock while it is compacted, and with it the manifest.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::maintain::is_past;
use crate::format::manifest::{Manifest, SegmentEntry};
use crate::log::environment::Environment;
use crate::log::error::{Error, Result};
use crate::log::room;
use crate::log::store::{self, InForce, Shared};
use crate::model::position::SegmentId;
use crate::policy::config::Config;
use crate::storage::{LockAttempt, LockGuard};

/// The session that a compaction runs in: a writer's, beside the events that come in, or one of its own.
///
/// All changes to the manifest pass [`change`](Self::change), which applies them to the one that is in force by then:
/// a roll, a pin or an undelete that came meanwhile is never undone.
pub(crate) trait Host {
    fn storage(&self) -> &Shared;
    fn environment(&self) -> &dyn Environment;
    fn config(&self) -> &Config;
    /// The manifest with everything that is in the log by now.
    fn in_force(&self) -> Result<InForce>;
    /// A number for a new file.
    fn reserve(&self) -> Result<SegmentId>;
    /// Changes the manifest and puts it in force, durable on return. If `change` says no, nothing happens; the answer is
    /// what it said.
    fn change(&self, change: &mut dyn FnMut(&mut Manifest) -> Result<bool>) -> Result<bool>;
    /// Whether the session is about to end: a long step is then broken off.
    fn is_stopping(&self) -> bool;
}

/// A session without a writer: no graph is held in memory.
#[derive(Debug)]
pub(crate) struct Alone {
    storage: Shared,
    environment: Arc<dyn Environment>,
    config: Config,
    in_force: RefCell<InForce>,
    /// Becomes true when what is under way is to be broken off.
    stop: Option<Arc<AtomicBool>>,
    _lock: Box<dyn LockGuard>,
}

impl Alone {
    /// Takes the lock. `Ok(None)`: the log was not closed in good order, and needs a writer to recover it first.
    /// `now`: grace is over now, if it takes what is in the trash to make room.
    pub(crate) fn open(
        storage: Shared,
        environment: Arc<dyn Environment>,
        config: Config,
        now: bool,
        stop: Option<Arc<AtomicBool>>,
    ) -> Result<Option<Self>> {
        let path = storage.location("");
        let lock = match storage.lock(&environment.owner()).map_err(Error::io("lock", path.clone()))? {
            LockAttempt::Held(guard) => guard,
            LockAttempt::Busy { owner } => return Err(Error::Locked { path, owner }),
        };
        let in_force = store::load(storage.as_ref())?;
        if in_force.unknown_read_only != 0 {
            return Err(Error::ReadOnly { path, mask: in_force.unknown_read_only });
        }
        let is_open = |entry: &SegmentEntry| entry.end.is_none();
        if in_force.manifest.segments.iter().any(is_open) {
            return Ok(None);
        }
        store::remove_unfinished(storage.as_ref())?;
        store::end_fetching(storage.as_ref(), &in_force.manifest)?;
        room::reaffirm(storage.as_ref(), &in_force, |since| {
            now || is_past(since, config.retention.grace, environment.now())
        })?;
        Ok(Some(Self { storage, environment, config, in_force: RefCell::new(in_force), stop, _lock: lock }))
    }
}

impl Host for Alone {
    fn storage(&self) -> &Shared {
        &self.storage
    }

    fn environment(&self) -> &dyn Environment {
        self.environment.as_ref()
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn in_force(&self) -> Result<InForce> {
        Ok(self.in_force.borrow().clone())
    }

    fn reserve(&self) -> Result<SegmentId> {
        let id = store::next_file(self.storage.as_ref(), &self.in_force.borrow().manifest)?;
        self.in_force.borrow_mut().manifest.next_file = id.next();
        Ok(id)
    }

    fn change(&self, change: &mut dyn FnMut(&mut Manifest) -> Result<bool>) -> Result<bool> {
        let InForce { log_id, mut manifest, .. } = self.in_force()?;
        manifest.written = self.environment.now();
        if !change(&mut manifest)? {
            return Ok(false);
        }
        let generation = manifest.generation;
        let swapped = store::swap(self.storage.as_ref(), log_id, Some(generation), manifest)?;
        self.in_force.borrow_mut().manifest = swapped;
        Ok(true)
    }

    fn is_stopping(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}
