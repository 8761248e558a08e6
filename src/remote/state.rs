//! What a directory remembers of its remote copies: remotes.json.
//!
//! It decides one thing: whether the newest push at a remote is one that this directory made or came from. Without it a
//! directory cannot push to where something is already, which is the safe side. No event rests on it.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use super::error::Result;
use crate::format::names;
use crate::format::remote::{Epoch, ObjectDigest};
use crate::log::{Environment, Error as LogError, Log};
use crate::model::position::{MarkerId, Seq};
use crate::storage::{Storage, read_all, write_new};

/// Largest file that is read.
const MAX_BYTES: usize = 16 << 20;
/// So many attempts to push are remembered whose outcome is not known.
const MAX_ATTEMPTED: usize = 8;

/// All remotes of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Which directory this is.
    pub(super) epoch: Epoch,
    /// By address.
    pub(super) remotes: BTreeMap<String, Known>,
}

/// What is known of one remote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Known {
    /// The push that the directory and the remote last had in common.
    pub(super) base: Option<Base>,
    /// Manifests that this directory has tried to push since: one of them may be there though nobody answered.
    pub(super) attempted: Vec<Base>,
}

/// A push, and where the log stood then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    /// Its number.
    pub(super) number: u64,
    /// The digest of its manifest object.
    pub(super) digest: ObjectDigest,
    /// The next event then.
    pub(super) next_seq: Seq,
    /// The next marker then.
    pub(super) next_marker: MarkerId,
}

impl Known {
    /// What the directory may stand at, if it has not gone on by itself.
    pub(super) fn stands(&self) -> impl Iterator<Item = &Base> {
        self.base.iter().chain(&self.attempted)
    }

    /// Whether the directory made this push, or came from it.
    pub(super) fn knows(&self, number: u64, digest: ObjectDigest) -> Option<Base> {
        self.stands().find(|base| base.number == number && base.digest == digest).copied()
    }

    /// Adds an attempt, and forgets those that are settled.
    pub(super) fn attempt(&mut self, attempt: Base) {
        let base = self.base.map_or(0, |base| base.number);
        self.attempted.retain(|old| old.number > base);
        self.attempted.push(attempt);
        let over = self.attempted.len().saturating_sub(MAX_ATTEMPTED);
        self.attempted.drain(..over);
    }

    /// A push is what both have in common now.
    pub(super) fn settle(&mut self, base: Base) {
        self.base = Some(base);
        self.attempted.retain(|old| old.number > base.number);
    }
}

/// How far a remote copy is, as far as the directory knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownRemote {
    /// Its address.
    pub remote: String,
    /// The newest push that is known to be there.
    pub number: u64,
    /// The last event in it.
    pub last_seq: u64,
}

/// The remote copies that a directory was pushed to or came from, by what it remembers: nothing is asked of a store.
///
/// # Errors
/// If `remotes.json` is there and cannot be read.
pub fn known_remotes(log: &Log) -> Result<Vec<KnownRemote>> {
    let state = load(log.storage().as_ref(), log.environment())?;
    let known = |(remote, known): (String, Known)| {
        let base = known.base?;
        Some(KnownRemote { remote, number: base.number, last_seq: base.next_seq.0.saturating_sub(1) })
    };
    Ok(state.remotes.into_iter().filter_map(known).collect())
}

/// What is remembered; a new epoch, if nothing is.
///
/// # Errors
/// If the file is there and cannot be read: without it nobody knows what was pushed.
pub(super) fn load(storage: &dyn Storage, environment: &dyn Environment) -> Result<State> {
    let path = || storage.location(names::REMOTES);
    match read_all(storage, names::REMOTES, MAX_BYTES) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
            LogError::io("understand", path())(std::io::Error::new(ErrorKind::InvalidData, e)).into()
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Ok(State { epoch: Epoch(environment.random()), remotes: BTreeMap::new() })
        }
        Err(e) => Err(LogError::io("read", path())(e).into()),
    }
}

/// Changes what is remembered of one remote. On return it is durable.
pub(super) fn change(
    storage: &dyn Storage,
    environment: &dyn Environment,
    address: &str,
    change: impl FnOnce(&mut Known),
) -> Result<State> {
    // Read anew each time: what another push of the same directory has noted meanwhile stays.
    let mut state = load(storage, environment)?;
    change(state.remotes.entry(address.to_owned()).or_default());
    let path = || storage.location(names::REMOTES);
    let mut text = serde_json::to_vec_pretty(&state)
        .map_err(|e| LogError::io("write", path())(std::io::Error::new(ErrorKind::InvalidData, e)))?;
    text.push(b'\n');
    write_new(storage, names::REMOTES, &text).map_err(LogError::io("write", path()))?;
    Ok(state)
}
