//! Making a directory of a remote copy, and bringing one up to it.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::bucket::Bucket;
use super::error::{Error, Result};
use super::push::base_of;
use super::read::{self, Content, Pushed, Unlock, without_keys};
use super::state;
use crate::codec::len_u64;
use crate::format::manifest::Manifest;
use crate::format::names;
use crate::format::remote::{ObjectDigest, Part};
use crate::log::{Environment, Error as LogError, KeyError, Log, View, check_strays, end_fetching, swap};
use crate::model::position::Generation;
use crate::storage::{LockAttempt, LockGuard, Storage, TMP_SUFFIX, Unlocked, write_new};
use crate::upkeep::still::closed_manifest;

/// So many files are on their way at once.
const LANES: usize = 4;

/// What a clone or a pull did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchReport {
    /// Where from.
    pub remote: String,
    /// The number of the push that the directory has now.
    pub number: u64,
    /// Whether there was nothing to fetch.
    pub up_to_date: bool,
    /// The last event.
    pub last_seq: u64,
    /// Markers.
    pub markers: u64,
    /// Segments that were fetched; those that were there already are not among them.
    pub files_fetched: u64,
    /// Bytes of them.
    pub bytes_fetched: u64,
}

/// Makes a log of a remote copy, in a directory that is empty or not there yet: with its history, all its markers, its
/// snaplog.toml and its id. It can be written to, and pushed back to where it came from as long as nobody else does.
///
/// Each part is compared with its digest. The directory is a log once all of it is durable: CURRENT is written last. After
/// an error, or a kill, a repeat goes on with the files that are there.
///
/// # Errors
/// [`Error::NoLog`]; [`LogError::NotEmpty`] if something else stands there; damage; what the store and the disk say.
pub fn clone(bucket: &dyn Bucket, dest: &dyn Storage, environment: &dyn Environment) -> Result<FetchReport> {
    clone_with(bucket, dest, environment, &without_keys)
}

/// As [`clone`], of a copy that may be encrypted.
///
/// # Errors
/// As [`clone`]; [`KeyError::Shut`]; what `unlock` says.
pub fn clone_with(
    bucket: &dyn Bucket,
    dest: &dyn Storage,
    environment: &dyn Environment,
    unlock: Unlock<'_>,
) -> Result<FetchReport> {
    let address = bucket.location("");
    let path = dest.location("");
    let pushed = read::newest(bucket, 0, unlock)?;
    let pushed = pushed.ok_or_else(|| Error::NoLog { location: address.clone() })?;
    if pushed.is_shut() {
        return Err(LogError::from(KeyError::Shut { path: address }).into());
    }
    dest.create_dir("").map_err(LogError::io("create", path.clone()))?;
    may_be_cloned_into(dest)?;
    let _lock = lock(dest, environment)?;
    // Somebody may have been faster.
    may_be_cloned_into(dest)?;
    // From here on everybody knows the directory for a clone that has not ended.
    begin(dest)?;
    let fetching = Fetching { bucket, dest, trusted: HashSet::new() };
    let fetched = fetching.files(&pushed.files())?;
    for extra in &pushed.remote.extras {
        let written = write_new(dest, &extra.name, &extra.bytes);
        written.map_err(LogError::io("write", dest.location(&extra.name)))?;
    }
    state::change(dest, environment, &address, |known| known.settle(base_of(&pushed)))?;
    dest.sync_dir("").map_err(LogError::io("sync", path))?;
    let manifest = put_in_force(dest, &pushed, None)?;
    end_fetching(dest, &manifest)?;
    Ok(report(address, &pushed, fetched))
}

/// Brings a directory that was cloned from a remote copy, or pushed to it, up to what was pushed since. Takes the writer's
/// lock. What the directory has of its own, and did not push, is never lost: then nothing is pulled.
///
/// # Errors
/// [`Error::Unrelated`], [`Error::Ahead`]; [`LogError::Locked`] beside a writer; damage; what the store and the disk say.
pub fn pull(log: &Log, bucket: &dyn Bucket) -> Result<FetchReport> {
    pull_with(log, bucket, &|_, _| Ok(log.storage().keys().cloned()))
}

/// As [`pull`], of a copy whose keys may have been changed since.
///
/// # Errors
/// As [`pull`]; what `unlock` says.
pub fn pull_with(log: &Log, bucket: &dyn Bucket, unlock: Unlock<'_>) -> Result<FetchReport> {
    let address = bucket.location("");
    let (storage, environment) = (log.storage().as_ref(), log.environment());
    let path = storage.location("");
    let _lock = lock(storage, environment)?;
    let known = state::load(storage, environment)?.remotes.get(&address).cloned().unwrap_or_default();
    let unrelated = || Error::Unrelated { path: path.clone(), location: address.clone() };
    let base = known.base.ok_or_else(unrelated)?;
    let pushed = read::newest(bucket, base.number, unlock)?
        .ok_or_else(|| Error::NoLog { location: address.clone() })?;
    if pushed.log_id != log.id() {
        let (expected, found) = (log.id(), pushed.log_id);
        return Err(Error::OtherLog { location: address, expected, found });
    }
    let view = View::for_reading(Arc::clone(log.storage()))?;
    if let Some(damage) = &view.damage {
        return Err(damage.again().into());
    }
    check_strays(&view)?;
    let here = closed_manifest(log, &view)?;
    let stand = (here.next_seq, here.next_marker);
    let newest = base_of(&pushed);
    if stand == (newest.next_seq, newest.next_marker) && known.knows(newest.number, newest.digest).is_some() {
        state::change(storage, environment, &address, |known| known.settle(newest))?;
        return Ok(FetchReport { up_to_date: true, ..report(address, &pushed, (0, 0)) });
    }
    // A pull that did not end may have brought events already.
    let is_known = known.stands().any(|known| stand == (known.next_seq, known.next_marker));
    if !is_known || newest.next_seq < base.next_seq || newest.next_marker < base.next_marker {
        return Err(Error::Ahead { path });
    }
    // What the manifest in force names, as long as it names it, is taken to be what it was.
    let mut trusted: HashSet<_> =
        crate::format::remote::files_of(&here).unwrap_or_default().into_iter().collect();
    // A segment that is left open counts to its last byte.
    trusted.retain(|(name, _)| pushed.tail.as_ref().is_none_or(|(open, _)| open != name));
    // Before anything changes: if this ends in between, the next pull finds either stand, and knows both.
    state::change(storage, environment, &address, |known| known.attempt(newest))?;
    begin(storage)?;
    let fetching = Fetching { bucket, dest: storage, trusted };
    let fetched = fetching.files(&pushed.files())?;
    storage.sync_dir("").map_err(LogError::io("sync", path))?;
    if let Some(keys) = pushed.remote.extra(names::KEYS) {
        // Before anything that is sealed with a key in it.
        write_new(storage, names::KEYS, keys)
            .map_err(LogError::io("write", storage.location(names::KEYS)))?;
    }
    let before = Some(view.in_force.manifest.generation);
    let manifest = put_in_force(storage, &pushed, before)?;
    state::change(storage, environment, &address, |known| known.settle(newest))?;
    end_fetching(storage, &manifest)?;
    Ok(report(address, &pushed, fetched))
}

/// Puts the manifest of a push in force, sealed with its keys if there are some.
fn put_in_force(dest: &dyn Storage, pushed: &Pushed, before: Option<Generation>) -> Result<Manifest> {
    let manifest = pushed.manifest.clone();
    Ok(match &pushed.keys {
        Some(keys) => swap(&Unlocked::new(dest, keys.clone()), pushed.log_id, before, manifest)?,
        None => swap(dest, pushed.log_id, before, manifest)?,
    })
}

fn report(remote: String, pushed: &Pushed, (files_fetched, bytes_fetched): (u64, u64)) -> FetchReport {
    let in_tail = pushed.next_marker.0.saturating_sub(pushed.closed.next_marker.0);
    let markers = len_u64(pushed.closed.markers.len()).saturating_add(in_tail);
    FetchReport {
        remote,
        number: pushed.number,
        up_to_date: false,
        last_seq: pushed.next_seq.0.saturating_sub(1),
        markers,
        files_fetched,
        bytes_fetched,
    }
}

fn lock(storage: &dyn Storage, environment: &dyn Environment) -> Result<Box<dyn LockGuard>> {
    let path = storage.location("");
    match storage.lock(&environment.owner()).map_err(LogError::io("lock", path.clone()))? {
        LockAttempt::Held(guard) => Ok(guard),
        LockAttempt::Busy { owner } => Err(LogError::Locked { path, owner }.into()),
    }
}

/// Says that files are being brought. On return it is durable.
fn begin(dest: &dyn Storage) -> Result<()> {
    let written = write_new(dest, names::FETCHING, b"a clone or a pull has begun here and not ended\n");
    Ok(written.map_err(LogError::io("write", dest.location(names::FETCHING)))?)
}

/// That nothing stands there, or a clone that did not end.
fn may_be_cloned_into(dest: &dyn Storage) -> Result<()> {
    let entries = dest.list("").map_err(LogError::io("list", dest.location("")))?;
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let begun = !has(names::CURRENT)
        && has(names::FETCHING)
        && entries.iter().all(|entry| names::parse(&entry.name).is_some());
    // The very first file may not have got its name yet.
    let tmp = format!("{}{TMP_SUFFIX}", names::FETCHING);
    if begun || entries.iter().all(|entry| entry.name == names::LOCK || entry.name == tmp) {
        return Ok(());
    }
    Err(LogError::NotEmpty { path: dest.location("") }.into())
}

/// Files on their way into a directory.
struct Fetching<'a> {
    bucket: &'a dyn Bucket,
    dest: &'a dyn Storage,
    /// Files that are there, with their lengths, and need no look.
    trusted: HashSet<(String, u64)>,
}

impl Fetching<'_> {
    /// Fetches what is not there, several files at once; says how many files and bytes that were.
    fn files(&self, files: &[(String, Content)]) -> Result<(u64, u64)> {
        let next = AtomicUsize::new(0);
        let (count, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let failed: Mutex<Option<Error>> = Mutex::default();
        let lane = || loop {
            let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            match self.file(&file.0, &file.1) {
                Ok(true) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    bytes.fetch_add(file.1.length(), Ordering::Relaxed);
                }
                Ok(false) => {}
                Err(error) => {
                    next.store(files.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..LANES.min(files.len()) {
                scope.spawn(lane);
            }
            lane();
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok((count.into_inner(), bytes.into_inner())),
        }
    }

    /// Fetches one file, durable but for its name, unless it is there; with whether it was not.
    fn file(&self, name: &str, content: &Content) -> Result<bool> {
        if self.trusted.contains(&(name.to_owned(), content.length())) || self.is_there(name, content)? {
            return Ok(false);
        }
        let tmp = format!("{name}{TMP_SUFFIX}");
        let path = self.dest.location(&tmp);
        match self.dest.remove(&tmp) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(LogError::io("remove", path)(e).into()),
            _ => {}
        }
        let mut to = self.dest.create(&tmp).map_err(LogError::io("create", path.clone()))?;
        for part in &content.parts {
            let bytes = self.part(part, name)?;
            to.append(&bytes).map_err(LogError::io("write to", path.clone()))?;
        }
        to.append(&content.tail).map_err(LogError::io("write to", path.clone()))?;
        to.sync().map_err(LogError::io("sync", path.clone()))?;
        drop(to);
        self.dest.rename(&tmp, name).map_err(LogError::io("rename", path))?;
        Ok(true)
    }

    fn part(&self, part: &Part, file: &str) -> Result<Vec<u8>> {
        let object = part.object();
        let location = self.bucket.location(&object);
        let missing = || Error::MissingPart { location: location.clone(), file: file.to_owned() };
        let bytes = self.bucket.get_range(&object, 0, part.length).map_err(|e| match e.kind() {
            ErrorKind::NotFound | ErrorKind::UnexpectedEof => missing(),
            _ => Error::store("read", location.clone())(e),
        })?;
        if ObjectDigest::of(&bytes) == part.digest {
            return Ok(bytes);
        }
        let fault = crate::format::Fault::Meaning { what: "its bytes are not those that its name says" };
        Err(Error::Damage { location, fault })
    }

    /// Whether an earlier attempt has fetched a file: by its bytes.
    fn is_there(&self, name: &str, content: &Content) -> Result<bool> {
        let look = || -> io::Result<bool> {
            let there = match self.dest.open(name) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
                opened => opened?,
            };
            if there.len()? != content.length() {
                return Ok(false);
            }
            let mut at = 0_u64;
            for part in &content.parts {
                let mut bytes = vec![0; usize::try_from(part.length).unwrap_or_default()];
                there.read_exact_at(at, &mut bytes)?;
                if ObjectDigest::of(&bytes) != part.digest {
                    return Ok(false);
                }
                at = at.saturating_add(part.length);
            }
            let mut tail = vec![0; content.tail.len()];
            there.read_exact_at(at, &mut tail)?;
            Ok(tail == *content.tail)
        };
        look().map_err(|e| LogError::io("read", self.dest.location(name))(e).into())
    }
}
