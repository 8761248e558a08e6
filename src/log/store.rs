//! CURRENT and the manifest: reading the one in force, and replacing it.

use std::io::ErrorKind;
use std::sync::Arc;

use super::error::{Error, Result};
use super::key_error::KeyError;
use crate::codec::{MAX_DOCUMENT_BYTES, len_u64};
use crate::format::Fault;
use crate::format::current::{Current, MAX_CURRENT_BYTES};
use crate::format::header::Prefix;
use crate::format::manifest::Manifest;
use crate::format::names::{self, FileName};
use crate::model::position::{Generation, LogId, SegmentId};
use crate::storage::{Storage, read_all, ring, sealing, write_new};

/// The manifest in force, and which log it is of.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) log_id: LogId,
    pub(crate) manifest: Manifest,
    /// Whether the log is encrypted.
    pub(crate) encrypted: bool,
    /// Features of its files that a writer must know and this build does not.
    pub(crate) unknown_read_only: u64,
}

/// Longest key file.
pub(super) const MAX_KEY_FILE_BYTES: usize = 1 << 20;

/// Reads CURRENT and the manifest that it names. Never falls back to another one: the manifest is what makes a
/// missing file an error.
///
/// # Errors
/// [`KeyError::Shut`] if the log is encrypted and `storage` has no keys; what is the matter with the files.
pub(crate) fn load(storage: &dyn Storage) -> Result<InForce> {
    let in_force = load_shut(storage)?;
    if in_force.encrypted && storage.keys().is_none() {
        return Err(KeyError::Shut { path: storage.location("") }.into());
    }
    Ok(in_force)
}

/// As [`load`], without the keys too: what can be told without them is there. Markers are not.
pub(crate) fn load_shut(storage: &dyn Storage) -> Result<InForce> {
    // A writer may replace the manifest and remove the one before last between our two reads.
    let mut attempt = load_once(storage);
    for _ in 0..5 {
        match &attempt {
            Err(Error::Missing { named_by: "CURRENT", .. }) => attempt = load_once(storage),
            _ => break,
        }
    }
    attempt
}

fn load_once(storage: &dyn Storage) -> Result<InForce> {
    let path = storage.location(names::CURRENT);
    let bytes = match read_all(storage, names::CURRENT, MAX_CURRENT_BYTES) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Err(no_current(storage)),
        Err(e) if e.kind() == ErrorKind::FileTooLarge => {
            let fault = Fault::Meaning { what: "CURRENT is longer than any CURRENT is" };
            return Err(Error::Damage { path, offset: Some(0), fault });
        }
        Err(source) => return Err(Error::Io { action: "read", path, source }),
    };
    let keys = ring(storage);
    let damage = |path: &str, fault| Error::Damage { path: path.to_owned(), offset: Some(0), fault };
    let (current_prefix, current) = Current::decode(&bytes, keys).map_err(|fault| damage(&path, fault))?;

    let name = names::manifest(current.generation);
    let path = storage.location(&name);
    let bytes = read_all(storage, &name, MAX_DOCUMENT_BYTES).map_err(|source| match source.kind() {
        ErrorKind::NotFound => Error::Missing { path: path.clone(), named_by: "CURRENT" },
        _ => Error::Io { action: "read", path: path.clone(), source },
    })?;
    current.check(&bytes).map_err(|fault| damage(&path, fault))?;
    let (prefix, manifest) = Manifest::decode(&bytes, keys).map_err(|fault| damage(&path, fault))?;
    if prefix.log_id != current_prefix.log_id {
        let fault = Fault::ForeignLog { expected: current_prefix.log_id, found: prefix.log_id };
        return Err(damage(&path, fault));
    }
    let unknown = |prefix: &Prefix| if prefix.is_read_only() { prefix.read_only } else { 0 };
    let unknown_read_only = unknown(&prefix) | unknown(&current_prefix);
    let encrypted = prefix.is_encrypted();
    if encrypted != current_prefix.is_encrypted() {
        return Err(damage(&path, Fault::Unsealed { what: "the manifest, or CURRENT," }));
    }
    // Whoever takes the manifests of an encrypted log away and puts others there does not make it one that is not.
    if !encrypted && storage.open(names::KEYS).is_ok() {
        return Err(damage(&path, Fault::Unsealed { what: "the manifest" }));
    }
    Ok(InForce { log_id: prefix.log_id, manifest, encrypted, unknown_read_only })
}

/// What a directory without CURRENT is: no log, an `init` that did not end, or a log that lost its CURRENT.
fn no_current(storage: &dyn Storage) -> Error {
    let holds_segments = storage.list("").is_ok_and(|entries| {
        entries
            .iter()
            .any(|e| matches!(names::parse(&e.name), Some(FileName::Events(_) | FileName::Snapshot(_))))
    });
    if holds_segments && !is_fetching(storage) {
        Error::Missing { path: storage.location(names::CURRENT), named_by: "a directory with segments" }
    } else {
        Error::NotALog { path: storage.location("") }
    }
}

/// Whether a clone or a pull has begun here and not ended.
pub(crate) fn is_fetching(storage: &dyn Storage) -> bool {
    storage.open(names::FETCHING).is_ok()
}

/// Removes what a clone or a pull brought that did not end, or did not come to clear up behind itself: the segments that
/// `manifest` does not name. On return it is over, durably.
pub(crate) fn end_fetching(storage: &dyn Storage, manifest: &Manifest) -> Result<()> {
    if !is_fetching(storage) {
        return Ok(());
    }
    let entries = storage.list("").map_err(Error::io("list", storage.location("")))?;
    for entry in entries {
        let is_named = match names::parse(&entry.name) {
            Some(FileName::Events(id)) => manifest.segments.iter().any(|entry| entry.id == id),
            Some(FileName::Snapshot(id)) => manifest.snapshots.iter().any(|entry| entry.id == id),
            _ => true,
        };
        if !is_named && !manifest.trash.iter().any(|file| file.name == entry.name) {
            storage.remove(&entry.name).map_err(Error::io("remove", storage.location(&entry.name)))?;
        }
    }
    // Not before they are gone: without it they would be evidence of a newer manifest.
    let sync = || storage.sync_dir("").map_err(Error::io("sync", storage.location("")));
    sync()?;
    storage.remove(names::FETCHING).map_err(Error::io("remove", storage.location(names::FETCHING)))?;
    sync()
}

/// Writes `manifest` under the next free generation and puts it in force. On return it is durable.
///
/// `expected` is the generation that the change rests on (`None` for a new log).
pub(crate) fn swap(
    storage: &dyn Storage,
    log_id: LogId,
    expected: Option<Generation>,
    manifest: Manifest,
) -> Result<Manifest> {
    prepare(storage, log_id, expected, manifest)?.publish(storage)
}

/// A manifest that is durable and not in force.
#[derive(Debug)]
pub(crate) struct Prepared {
    manifest: Manifest,
    current: Vec<u8>,
    /// Generations that go when it is in force.
    old: Vec<Generation>,
}

/// The first half of [`swap`]: whatever goes wrong in it, the log is as it was.
pub(crate) fn prepare(
    storage: &dyn Storage,
    log_id: LogId,
    expected: Option<Generation>,
    mut manifest: Manifest,
) -> Result<Prepared> {
    if let Some(expected) = expected {
        let now = load(storage)?;
        if now.manifest.generation != expected || now.log_id != log_id {
            let fault = Fault::Meaning { what: "the manifest was replaced behind the writer's back" };
            return Err(Error::Damage { path: storage.location(names::CURRENT), offset: None, fault });
        }
    }
    let (_, generations) = numbers(storage)?;
    let newest = generations.iter().copied().chain(expected).max().unwrap_or_default();
    manifest.generation = newest.next();
    let encode = |fault| Error::Damage { path: storage.location(names::CURRENT), offset: None, fault };
    let bytes = manifest.encode(log_id, sealing(storage)).map_err(encode)?;
    // What a reader would refuse is not put in force.
    manifest.check().map_err(|fault| Error::Damage { path: storage.location(""), offset: None, fault })?;
    if bytes.len() > MAX_DOCUMENT_BYTES {
        let (found, max) = (len_u64(bytes.len()), len_u64(MAX_DOCUMENT_BYTES));
        return Err(Error::ManifestFull { found, max });
    }
    let name = names::manifest(manifest.generation);
    let mut written = write_new(storage, &name, &bytes);
    // A manifest that has its name already failed at the sync of the directory. The kernel may have dropped what else
    // waited for that sync, the name of a new segment, say, and the next one would report success all the same.
    let is_nameless = || storage.open(&name).is_err_and(|e| e.kind() == ErrorKind::NotFound);
    if written.as_ref().is_err_and(is_full) && is_nameless() {
        // A full disk: the manifest before the one in force makes room for the new one. It is only a spare.
        for spare in generations.iter().filter(|generation| Some(**generation) != expected) {
            let _ = storage.remove(&names::manifest(*spare));
        }
        written = write_new(storage, &name, &bytes);
    }
    written.map_err(Error::io("write", storage.location(&name)))?;
    let current = Current::naming(manifest.generation, &bytes);
    let current = current.encode(log_id, sealing(storage)).map_err(encode)?;
    // Two generations are kept.
    let is_old = |old: &Generation| old.next() < manifest.generation && Some(*old) != expected;
    Ok(Prepared { old: generations.into_iter().filter(is_old).collect(), manifest, current })
}

impl Prepared {
    /// The second half: after an error it is not known which manifest is in force.
    pub(crate) fn publish(self, storage: &dyn Storage) -> Result<Manifest> {
        write_new(storage, names::CURRENT, &self.current)
            .map_err(Error::io("write", storage.location(names::CURRENT)))?;
        for old in self.old {
            // One that cannot be removed is only in the way, not in force.
            let _ = storage.remove(&names::manifest(old));
        }
        Ok(self.manifest)
    }
}

/// Whether there is no room.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// The next number for a segment: one more than the largest in the manifest, its trash included, and in the directory.
pub(crate) fn next_file(storage: &dyn Storage, manifest: &Manifest) -> Result<SegmentId> {
    let (in_directory, _) = numbers(storage)?;
    let in_trash = manifest.trash.iter().filter_map(|file| segment_number(&file.name));
    let largest = in_directory.into_iter().chain(in_trash).max().map_or(SegmentId(0), SegmentId::next);
    Ok(largest.max(manifest.next_file).max(SegmentId(1)))
}

/// The number in the name of a segment.
pub(crate) fn segment_number(name: &str) -> Option<SegmentId> {
    match names::parse(name) {
        Some(FileName::Events(id) | FileName::Snapshot(id)) => Some(id),
        _ => None,
    }
}

/// Puts the manifest in force once more, as it is: the same bytes under CURRENT, by a rename of its own.
///
/// What a session finds in force may be the word of the page cache: if the one before died, or failed, between the
/// rename of CURRENT and the sync of the directory, a power cut can still bring the older manifest back. After this
/// it cannot, whatever became of that sync.
///
/// The key file likewise, and before it: what is sealed from here on with a key that a power cut takes back would be lost.
pub(crate) fn reaffirm(storage: &dyn Storage) -> Result<()> {
    if storage.keys().is_some() {
        write_again(storage, names::KEYS, MAX_KEY_FILE_BYTES)?;
    }
    write_again(storage, names::CURRENT, MAX_CURRENT_BYTES)
}

fn write_again(storage: &dyn Storage, name: &str, max: usize) -> Result<()> {
    let path = storage.location(name);
    let bytes = read_all(storage, name, max).map_err(Error::io("read", path.clone()))?;
    write_new(storage, name, &bytes).map_err(Error::io("write", path))
}

/// The numbers of segments and manifests in the directory.
pub(crate) fn numbers(storage: &dyn Storage) -> Result<(Vec<SegmentId>, Vec<Generation>)> {
    let entries = storage.list("").map_err(Error::io("list", storage.location("")))?;
    let (mut segments, mut generations) = (Vec::new(), Vec::new());
    for entry in entries {
        match names::parse(entry.name.strip_suffix(names::TMP_SUFFIX).unwrap_or(&entry.name)) {
            Some(FileName::Events(id) | FileName::Snapshot(id)) => segments.push(id),
            Some(FileName::Manifest(generation)) => generations.push(generation),
            _ => {}
        }
    }
    Ok((segments, generations))
}

/// Removes what an earlier writer left unfinished.
pub(crate) fn remove_unfinished(storage: &dyn Storage) -> Result<()> {
    for dir in ["", names::REQUESTS] {
        let entries = match storage.list(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::Io { action: "list", path: storage.location(dir), source }),
        };
        for entry in entries.iter().filter(|e| e.name.ends_with(names::TMP_SUFFIX)) {
            let name = if dir.is_empty() { entry.name.clone() } else { format!("{dir}/{}", entry.name) };
            match storage.remove(&name) {
                // Another process has finished it: what came of a `verify`, or a request.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                removed => removed.map_err(Error::io("remove", storage.location(&name)))?,
            }
        }
    }
    Ok(())
}

/// A storage that is shared.
pub(crate) type Shared = Arc<dyn Storage>;
