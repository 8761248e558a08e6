//! Copying a log, beside its writer or without one.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::still::{closed_manifest, step_through};
use crate::codec::len_u64;
use crate::format::manifest::{Manifest, SnapshotEntry};
use crate::format::{Fault, names};
use crate::log::{Error, Log, Piece, Result, SnapshotFile, View, load, prove, swap};
#[cfg(feature = "encryption")]
use crate::log::{InForce, reseal};
use crate::model::position::Seq;
use crate::storage::{LocalStorage, LockAttempt, Storage, TMP_SUFFIX, Unlocked, read_all, write_new};

/// How often a copy begins again because files of the log were replaced meanwhile.
const MAX_ATTEMPTS: u32 = 5;
/// How much is read at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// Largest snaplog.toml and keys.json.
const MAX_SMALL_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files that hold the log: segments of events and of snapshots.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// The last event in the copy.
    pub last_seq: Seq,
    /// Markers that the copy lists.
    pub markers: u64,
}

/// Copies a log into a directory that does not exist yet or is empty: its history, all its markers and its snaplog.toml,
/// under the same log id.
///
/// It takes no lock of the log. Beside a live writer the copy ends with what that writer is known to have made durable;
/// what is written meanwhile is not in it. Each file is read back from where it was copied to and checked. The copy is a
/// log once all of it is durable: its CURRENT is written last. After an error what was copied is removed.
///
/// The files in the log's trash are not copied; markers that were dropped and can still be had back are.
///
/// # Errors
/// [`Error::NotEmpty`] if something stands there; damage to the log; what the file systems say.
pub fn copy(log: &Log, dest: impl AsRef<Path>) -> Result<Copied> {
    copy_in(log, Arc::new(LocalStorage::new(dest.as_ref())))
}

/// As [`copy`], into any storage.
///
/// # Errors
/// As [`copy`].
pub fn copy_in(log: &Log, dest: Arc<dyn Storage>) -> Result<Copied> {
    into_empty(log, &dest, |copying| match log.storage().keys() {
        // The copy is sealed as the log is, so whoever opens the one opens the other.
        Some(keys) => {
            let dest: Arc<dyn Storage> = Arc::new(Unlocked::new(Arc::clone(&dest), keys.clone()));
            Copying { dest: &dest, ..copying }.as_it_is()
        }
        None => copying.as_it_is(),
    })
}

/// Makes an encrypted log of one that is not, in a directory that does not exist yet or is empty: with its history, all its
/// markers, its snaplog.toml, under the same log id, so that digests stay what they are. Nothing unsealed is written there.
///
/// As with [`copy`], no lock of the log is taken, and after an error what was written is removed. The log itself stays as it
/// is: whoever wants it gone removes it, and its copies.
///
/// # Errors
/// As [`copy`]; [`KeyError::NoRecipient`](crate::log::KeyError::NoRecipient).
#[cfg(feature = "encryption")]
pub fn encrypt(log: &Log, dest: impl AsRef<Path>, recipients: &crate::log::Recipients) -> Result<Copied> {
    encrypt_in(log, Arc::new(LocalStorage::new(dest.as_ref())), recipients)
}

/// As [`encrypt`], into any storage.
///
/// # Errors
/// As [`encrypt`].
#[cfg(feature = "encryption")]
pub fn encrypt_in(log: &Log, dest: Arc<dyn Storage>, recipients: &crate::log::Recipients) -> Result<Copied> {
    into_empty(log, &dest, |copying| {
        let dest = log.sealed_beside(Arc::clone(&dest), recipients)?;
        Copying { dest: &dest, ..copying }.sealed()
    })
}

/// Has a log written into a directory that must be empty, and cleans up if it comes to nothing.
fn into_empty(
    log: &Log,
    dest: &Arc<dyn Storage>,
    write: impl Fn(Copying<'_>) -> Result<Copied>,
) -> Result<Copied> {
    let path = dest.location("");
    dest.create_dir("").map_err(Error::io("create", path.clone()))?;
    check_empty(dest.as_ref())?;
    let owner = log.environment().owner();
    let lock = dest.lock(&owner).map_err(Error::io("lock", path.clone()))?;
    let LockAttempt::Held(_lock) = lock else { return Err(Error::NotEmpty { path }) };
    // Somebody may have been faster.
    check_empty(dest.as_ref())?;
    let mut attempt = 1_u32;
    loop {
        let view = View::for_reading(Arc::clone(log.storage()))?;
        let error = match write(Copying { log, view: &view, dest }) {
            Ok(copied) => return Ok(copied),
            Err(error) => error,
        };
        clean_up(dest.as_ref());
        // Compaction took a file away: what took its place is in a newer manifest.
        let is_missing = matches!(error, Error::Missing { .. });
        let seen = view.in_force.manifest.generation;
        if !is_missing || attempt >= MAX_ATTEMPTS || load(log.storage().as_ref())?.manifest.generation == seen
        {
            return Err(error);
        }
        attempt = attempt.saturating_add(1);
    }
}

/// Removes what was written into a directory that was empty.
fn clean_up(dest: &dyn Storage) {
    for entry in dest.list("").unwrap_or_default() {
        if entry.name != names::LOCK && names::parse(&entry.name).is_some() {
            // What cannot be removed is no log without a CURRENT.
            let _ = dest.remove(&entry.name);
        }
    }
}

/// That nothing stands there but a lock.
fn check_empty(dest: &dyn Storage) -> Result<()> {
    let entries = dest.list("").map_err(Error::io("list", dest.location("")))?;
    if entries.iter().all(|entry| entry.name == names::LOCK) {
        return Ok(());
    }
    Err(Error::NotEmpty { path: dest.location("") })
}

/// A copy on its way.
struct Copying<'a> {
    log: &'a Log,
    view: &'a View,
    dest: &'a Arc<dyn Storage>,
}

impl Copying<'_> {
    /// The log's manifest, as if its writer had ended.
    fn manifest(&self) -> Result<Manifest> {
        if let Some(damage) = &self.view.damage {
            return Err(damage.again());
        }
        closed_manifest(self.log, self.view)
    }

    /// Every file, byte by byte.
    fn as_it_is(&self) -> Result<Copied> {
        let manifest = self.manifest()?;
        for entry in &manifest.snapshots {
            self.snapshot(entry, &manifest)?;
        }
        for piece in &self.view.pieces {
            self.events(piece, &manifest)?;
        }
        self.small(names::CONFIG)?;
        self.small(names::KEYS)?;
        self.publish(manifest)
    }

    /// Every file, sealed.
    #[cfg(feature = "encryption")]
    fn sealed(&self) -> Result<Copied> {
        let in_force = InForce { manifest: self.manifest()?, ..self.view.in_force.clone() };
        let closed = View::closed(Arc::clone(&self.view.storage), in_force);
        let manifest = reseal(&closed, self.dest, self.log.environment())?;
        self.small(names::CONFIG)?;
        self.publish(manifest)
    }

    fn publish(&self, manifest: Manifest) -> Result<Copied> {
        let lengths = crate::format::remote::files_of(&manifest).unwrap_or_default();
        let copied = Copied {
            files: len_u64(lengths.len()),
            bytes: lengths.iter().fold(0, |sum, (_, length)| sum.saturating_add(*length)),
            last_seq: Seq(manifest.next_seq.0.saturating_sub(1)),
            markers: len_u64(manifest.markers.len()),
        };
        self.dest.sync_dir("").map_err(Error::io("sync", self.dest.location("")))?;
        swap(self.dest.as_ref(), self.view.in_force.log_id, None, manifest)?;
        Ok(copied)
    }

    fn events(&self, piece: &Piece, manifest: &Manifest) -> Result<()> {
        let name = names::events(piece.id);
        let tmp = self.bytes(&name, piece.length)?;
        let (length, chain) = step_through(self.view, self.dest.as_ref(), piece, &tmp)?;
        let listed = manifest.segments.iter().find(|entry| entry.id == piece.id).and_then(|entry| entry.end);
        if listed.is_none_or(|end| end.chain != chain || end.length != length) {
            let what = "the copy of a segment does not end as the segment does";
            let path = self.dest.location(&tmp);
            return Err(Error::Damage { path, offset: None, fault: Fault::Meaning { what } });
        }
        self.rename(&tmp, &name)
    }

    fn snapshot(&self, entry: &SnapshotEntry, manifest: &Manifest) -> Result<()> {
        let name = names::snapshot(entry.id);
        let tmp = self.bytes(&name, entry.length)?;
        let file = SnapshotFile::open_as(self.dest.as_ref(), &tmp)?;
        file.check_entry(self.view.in_force.log_id, manifest.kind, entry)?;
        prove(&file, &manifest.markers, || Ok(()))?;
        self.rename(&tmp, &name)
    }

    /// Copies the first `length` bytes of a file under a temporary name, durable; returns the name.
    fn bytes(&self, name: &str, length: u64) -> Result<String> {
        let from = self.log.storage().location(name);
        let file = self.log.storage().open(name).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::Missing { path: from.clone(), named_by: "the manifest" },
            _ => Error::Io { action: "open", path: from.clone(), source: e },
        })?;
        let tmp = format!("{name}{TMP_SUFFIX}");
        let path = self.dest.location(&tmp);
        let mut to = self.dest.create(&tmp).map_err(Error::io("create", path.clone()))?;
        let have = file.len().map_err(Error::io("measure", from.clone()))?;
        if have < length {
            let fault = Fault::Truncated { what: "a segment", needed: length, have };
            return Err(Error::Damage { path: from, offset: Some(have), fault });
        }
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < length {
            let left = length.saturating_sub(at).min(CHUNK_BYTES);
            buffer.resize(usize::try_from(left).unwrap_or_default(), 0);
            file.read_exact_at(at, &mut buffer).map_err(Error::io("read", from.clone()))?;
            to.append(&buffer).map_err(Error::io("write to", path.clone()))?;
            at = at.saturating_add(left);
        }
        to.sync().map_err(Error::io("sync", path))?;
        Ok(tmp)
    }

    fn rename(&self, tmp: &str, name: &str) -> Result<()> {
        self.dest.rename(tmp, name).map_err(Error::io("rename", self.dest.location(tmp)))
    }

    /// A small file, if there is one.
    fn small(&self, name: &str) -> Result<()> {
        let storage = self.log.storage();
        match read_all(storage.as_ref(), name, MAX_SMALL_BYTES) {
            Ok(bytes) => write_new(self.dest.as_ref(), name, &bytes)
                .map_err(Error::io("write", self.dest.location(name))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("read", storage.location(name))(e)),
        }
    }
}
