//! Pushing a log to its remote copy: what that lacks, in parts, then a manifest.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;

use super::bucket::{Bucket, Created};
use super::error::{Error, Result};
use super::parts::{Cut, cut};
use super::read::{self, Pushed, Unlock};
use super::state::{self, Base, Known};
use crate::codec::len_u64;
use crate::format::manifest::Manifest;
use crate::format::names::{self, FileName};
use crate::format::remote::{
    EXTRAS, Epoch, Extra, MAX_EXTRA_BYTES, ObjectDigest, PARTS, Part, RemoteFile, RemoteManifest, files_of,
    push_object,
};
use crate::format::{Fault, remote};
use crate::log::{Error as LogError, Log, SnapshotFile, View, load, prove};
use crate::model::position::{Generation, SegmentId, Seq};
use crate::model::time::Timestamp;
use crate::storage::{read_all, sealing};
use crate::upkeep::still::{closed_manifest, step_through};

/// So many parts are on their way at once.
const LANES: usize = 4;
/// A part that is there and that the newest push does not name may be left over, and about to be removed: only one that is
/// younger than this, by the clock of the store, is taken for there. [`prune`](super::prune()) spares what is twice as old.
pub(super) const FRESH_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// From so many new parts on it pays to ask which of them are there already.
const WORTH_LISTING: usize = 4;
/// How often a push begins again because files of the log were replaced meanwhile.
const MAX_ATTEMPTS: u32 = 5;

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushReport {
    /// Where to.
    pub remote: String,
    /// The number of the newest manifest there.
    pub number: u64,
    /// Whether there was nothing to push.
    pub up_to_date: bool,
    /// The last event there now.
    pub last_seq: u64,
    /// Markers there now.
    pub markers: u64,
    /// Segments there now.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Parts that were sent.
    pub parts_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
}

/// Pushes what the remote copy lacks. Beside a live writer: what that writer is known to have made durable.
///
/// Every byte is checked against its checksums before it is sent, so damage does not spread. After an error, or a kill, the
/// remote copy is as it was; the next push goes on with the parts that are there already.
///
/// # Errors
/// [`Error::Diverged`] if somebody else has pushed there since; [`Error::OtherLog`]; damage to the log; what the store says.
pub fn push(log: &Log, bucket: &dyn Bucket) -> Result<PushReport> {
    push_whole(log, bucket).map(|(report, _)| report)
}

/// Where a push ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    /// The push.
    pub(super) base: Base,
    /// The log's own manifest at that time.
    pub(super) generation: Generation,
    /// The segment that the writer had open, and how much of it went along.
    pub(super) open: Option<(SegmentId, u64)>,
}

/// As [`push`], with where it ended.
pub(super) fn push_whole(log: &Log, bucket: &dyn Bucket) -> Result<(PushReport, Stand)> {
    let mut attempt = 1_u32;
    loop {
        let view = View::for_reading(Arc::clone(log.storage()))?;
        let error = match Push::begin(log, &view, bucket).and_then(Push::run) {
            Ok(pushed) => return Ok(pushed),
            Err(error) => error,
        };
        if matches!(error, Error::Overtaken { .. }) && attempt < MAX_ATTEMPTS {
            attempt = attempt.saturating_add(1);
            continue;
        }
        // Compaction took a file away: what took its place is in a newer manifest.
        let is_missing = matches!(error, Error::Log(LogError::Missing { .. }));
        let seen = view.in_force.manifest.generation;
        if !is_missing || attempt >= MAX_ATTEMPTS || load(log.storage().as_ref())?.manifest.generation == seen
        {
            return Err(error);
        }
        attempt = attempt.saturating_add(1);
    }
}

/// A push on its way.
struct Push<'a> {
    log: &'a Log,
    view: &'a View,
    bucket: &'a dyn Bucket,
    address: String,
    epoch: Epoch,
    known: Known,
    newest: Option<Pushed>,
}

/// The parts that are there, with their sizes and when they were created, and the time of the newest object of all.
#[derive(Debug, Clone)]
struct Parts {
    listed: HashMap<String, (u64, Timestamp)>,
    now: Timestamp,
}

/// The number of a job, all its parts, and those that were sent.
type Sent = (usize, Vec<Part>, Vec<Part>);

/// Some bytes of a file that are to be sent.
struct Job<'a> {
    file: &'a str,
    range: Range<u64>,
}

impl<'a> Push<'a> {
    /// Looks at what is there, and whether this directory may go on from it.
    fn begin(log: &'a Log, view: &'a View, bucket: &'a dyn Bucket) -> Result<Self> {
        if let Some(damage) = &view.damage {
            return Err(damage.again().into());
        }
        let address = bucket.location("");
        let (storage, environment) = (log.storage().as_ref(), log.environment());
        let state = state::load(storage, environment)?;
        let mut known = state.remotes.get(&address).cloned().unwrap_or_default();
        let unlock: Unlock<'_> = &|_, _| Ok(storage.keys().cloned());
        let mut newest = read::newest(bucket, known.base.map_or(0, |base| base.number), unlock)?;
        if newest.is_none() && known.base.is_some() {
            // All that we pushed is gone; somebody else may have begun anew since.
            newest = read::newest(bucket, 0, unlock)?;
        }
        if let Some(pushed) = &newest {
            if pushed.log_id != log.id() {
                let (expected, found) = (log.id(), pushed.log_id);
                return Err(Error::OtherLog { location: address, expected, found });
            }
            let number = pushed.number;
            let Some(base) = known.knows(number, pushed.digest) else {
                return Err(Error::Diverged { location: address, number, owner: pushed.owner.clone() });
            };
            if known.base != Some(base) {
                // An earlier push of ours that was not answered.
                known.settle(base);
                state::change(storage, environment, &address, |known| known.settle(base))?;
            }
        }
        Ok(Self { log, view, bucket, address, epoch: state.epoch, known, newest })
    }

    fn run(self) -> Result<(PushReport, Stand)> {
        let live = &self.view.in_force.manifest;
        let (generation, is_open) =
            (live.generation, live.segments.last().is_some_and(|entry| entry.end.is_none()));
        let open = self.view.pieces.last().filter(|_| is_open).map(|piece| (piece.id, piece.length));
        let stand = |base| Stand { base, generation, open };
        let before = self.known.base.map_or(0, |base| base.number);
        let number = before.saturating_add(1);
        let mut manifest = closed_manifest(self.log, self.view)?;
        let extras = self.extras()?;
        if let Some(pushed) = &self.newest {
            if manifest.next_seq < pushed.next_seq || manifest.next_marker < pushed.next_marker {
                // A pull that did not end, or a directory that was put back to what it was.
                let owner = pushed.owner.clone();
                return Err(Error::Diverged { location: self.address, number: before, owner });
            }
            let there = &pushed.closed;
            manifest.generation = there.generation;
            let same = Manifest { written: there.written, ..manifest.clone() };
            if same == *there && extras == pushed.remote.extras && pushed.tail.is_none() {
                let base = base_of(pushed);
                return Ok((self.report(before, &manifest, &pushed.remote.files, &[], true), stand(base)));
            }
        }
        manifest.generation = Generation(number);
        let (files, sent) = self.send(&manifest)?;
        let log_id = self.log.id();
        let sealing = sealing(self.log.storage().as_ref());
        let remote = RemoteManifest {
            number,
            written: manifest.written,
            epoch: self.epoch,
            owner: self.log.environment().owner(),
            previous: self.newest.as_ref().map(|pushed| pushed.digest),
            manifest: manifest.encode(log_id, sealing).map_err(|fault| self.damage(fault))?,
            extras,
            files,
        };
        // What would not be read back is not published.
        remote.check(&manifest).map_err(|fault| self.damage(fault))?;
        let bytes = remote.encode(log_id).map_err(|e| self.damage(Fault::Decode(e)))?;
        let base = Base {
            number,
            digest: ObjectDigest::of(&bytes),
            next_seq: manifest.next_seq,
            next_marker: manifest.next_marker,
        };
        publish(self.log, self.bucket, base, bytes)?;
        Ok((self.report(number, &manifest, &remote.files, &sent, false), stand(base)))
    }

    /// The small files, as they are.
    fn extras(&self) -> Result<Vec<Extra>> {
        let storage = self.log.storage().as_ref();
        let mut extras = Vec::new();
        for name in EXTRAS {
            match read_all(storage, name, MAX_EXTRA_BYTES) {
                Ok(bytes) => extras.push(Extra { name: (*name).to_owned(), bytes }),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(LogError::io("read", storage.location(name))(e).into()),
            }
        }
        Ok(extras)
    }

    fn damage(&self, fault: Fault) -> Error {
        LogError::Damage { path: self.log.location(), offset: None, fault }.into()
    }

    fn report(
        &self,
        number: u64,
        manifest: &Manifest,
        files: &[RemoteFile],
        sent: &[Part],
        same: bool,
    ) -> PushReport {
        let length = |sum: u64, length: u64| sum.saturating_add(length);
        PushReport {
            remote: self.address.clone(),
            number,
            up_to_date: same,
            last_seq: Seq(manifest.next_seq.0.saturating_sub(1)).0,
            markers: len_u64(manifest.markers.len()),
            files: len_u64(files.len()),
            bytes: files.iter().map(RemoteFile::length).fold(0, length),
            parts_sent: len_u64(sent.len()),
            bytes_sent: sent.iter().map(|part| part.length).fold(0, length),
        }
    }

    /// Sends the parts that are not there. Returns all files with all their parts, and the parts that were sent.
    fn send(&self, manifest: &Manifest) -> Result<(Vec<RemoteFile>, Vec<Part>)> {
        let wanted = files_of(manifest);
        let wanted = wanted.ok_or_else(|| self.damage(Fault::Meaning { what: "a segment was left open" }))?;
        let there: HashMap<&str, &[Part]> = self
            .newest
            .iter()
            .flat_map(|pushed| &pushed.remote.files)
            .map(|file| (file.name.as_str(), file.parts.as_slice()))
            .collect();
        let mut jobs = Vec::new();
        let mut files = Vec::new();
        for (name, length) in &wanted {
            let old = there.get(name.as_str()).copied().unwrap_or_default();
            let Cut { keep, new } = cut(old, *length);
            if !new.is_empty() {
                self.check(name, manifest)?;
            }
            jobs.extend(new.into_iter().map(|range| Job { file: name, range }));
            files
                .push(RemoteFile { name: name.clone(), parts: old.get(..keep).unwrap_or_default().to_vec() });
        }
        let (parts, sent) = self.send_all(&jobs)?;
        for (job, parts) in jobs.iter().zip(parts) {
            if let Some(file) = files.iter_mut().find(|file| file.name == job.file) {
                file.parts.extend(parts);
            }
        }
        Ok((files, sent))
    }

    /// That a file is sound, before any of it is sent.
    fn check(&self, name: &str, manifest: &Manifest) -> Result<()> {
        let storage = self.view.storage.as_ref();
        match names::parse(name) {
            Some(FileName::Events(id)) => {
                if let Some(piece) = self.view.pieces.iter().find(|piece| piece.id == id) {
                    step_through(self.view, storage, piece, name)?;
                }
            }
            Some(FileName::Snapshot(id)) => {
                if let Some(entry) = manifest.snapshots.iter().find(|entry| entry.id == id) {
                    let file = SnapshotFile::open(storage, self.log.id(), manifest.kind, entry)?;
                    prove(&file, &manifest.markers, || Ok(()))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends parts, several at once. Returns those of all jobs, in their order, and those that were sent.
    fn send_all(&self, jobs: &[Job<'_>]) -> Result<(Vec<Vec<Part>>, Vec<Part>)> {
        let there = OnceLock::new();
        if jobs.len() >= WORTH_LISTING {
            let _ = there.set(self.list_parts()?);
        }
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<Sent>> = Mutex::default();
        let failed: Mutex<Option<Error>> = Mutex::default();
        let lane = || loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { return };
            let (mut parts, mut sent) = (Vec::new(), Vec::new());
            match self.send_one(job, &there, &mut parts, &mut sent) {
                Ok(()) => done.lock().unwrap_or_else(PoisonError::into_inner).push((at, parts, sent)),
                Err(error) => {
                    next.store(jobs.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..LANES.min(jobs.len()) {
                scope.spawn(lane);
            }
            lane();
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(at, ..)| *at);
        let sent = done.iter().flat_map(|(.., sent)| sent).copied().collect();
        Ok((done.into_iter().map(|(_, parts, _)| parts).collect(), sent))
    }

    /// Sends what a job is about, as one part, unless that is there; as several, if it is there and may be about to go.
    fn send_one(
        &self,
        job: &Job<'_>,
        there: &OnceLock<Parts>,
        parts: &mut Vec<Part>,
        sent: &mut Vec<Part>,
    ) -> Result<()> {
        let length = job.range.end.saturating_sub(job.range.start);
        let bytes = self.read(job.file, job.range.start, length)?;
        let part = Part { length, digest: ObjectDigest::of(&bytes) };
        let object = part.object();
        let location = || self.bucket.location(&object);
        let create = |bytes| self.bucket.create(&object, bytes).map_err(Error::store("create", location()));
        if there.get().is_none_or(|there| !there.listed.contains_key(&object))
            && create(bytes)? == Created::New
        {
            parts.push(part);
            sent.push(part);
            return Ok(());
        }
        let there = match there.get() {
            Some(there) if there.listed.contains_key(&object) => there,
            _ => &self.list_parts()?,
        };
        let Some((size, modified)) = there.listed.get(&object).copied() else {
            // It went in this moment.
            if create(self.read(job.file, job.range.start, length)?)? == Created::Exists {
                return Err(Error::MissingPart { location: location(), file: job.file.to_owned() });
            }
            parts.push(part);
            sent.push(part);
            return Ok(());
        };
        if size != length {
            return Err(Error::MissingPart { location: location(), file: job.file.to_owned() });
        }
        if modified.plus_micros(FRESH_MICROS) >= there.now || length < 2 {
            parts.push(part);
            return Ok(());
        }
        // Other pieces have other names.
        let middle = job.range.start.saturating_add(length / 2);
        let lists = OnceLock::from(there.clone());
        self.send_one(&Job { file: job.file, range: job.range.start..middle }, &lists, parts, sent)?;
        self.send_one(&Job { file: job.file, range: middle..job.range.end }, &lists, parts, sent)
    }

    /// The parts that are there.
    fn list_parts(&self) -> Result<Parts> {
        let listed = self.bucket.list(PARTS, None);
        let listed = listed.map_err(Error::store("list", self.bucket.location(PARTS)))?;
        let pushed = self.newest.as_ref().map(|pushed| pushed.created);
        let now = listed.iter().map(|object| object.modified).chain(pushed).max().unwrap_or_default();
        let listed = listed.into_iter().map(|object| (object.name, (object.size, object.modified))).collect();
        Ok(Parts { listed, now })
    }

    fn read(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        let storage = self.view.storage.as_ref();
        let path = storage.location(name);
        let file = storage.open(name).map_err(|e| match e.kind() {
            ErrorKind::NotFound => LogError::Missing { path: path.clone(), named_by: "the manifest" },
            _ => LogError::Io { action: "open", path: path.clone(), source: e },
        })?;
        // At most a part.
        let mut bytes = vec![0; usize::try_from(length.min(remote::MAX_PART_BYTES)).unwrap_or_default()];
        file.read_exact_at(from, &mut bytes).map_err(LogError::io("read", path))?;
        Ok(bytes)
    }
}

/// Makes an object the newest push: `base` is what it will be known by. All that it names is there by now.
pub(super) fn publish(log: &Log, bucket: &dyn Bucket, base: Base, bytes: Vec<u8>) -> Result<()> {
    let address = bucket.location("");
    let (storage, environment) = (log.storage().as_ref(), log.environment());
    // Before it is sent: if no answer comes, the next push knows it for its own.
    state::change(storage, environment, &address, |known| known.attempt(base))?;
    let object = push_object(base.number);
    let created = bucket.create(&object, bytes);
    let created = created.map_err(Error::store("create", bucket.location(&object)))?;
    if created == Created::Exists {
        // A request that was repeated on its way, or somebody who was faster.
        let there = read::fetch(bucket, base.number, &|_, _| Ok(storage.keys().cloned()))?;
        if there.digest != base.digest {
            let state = state::load(storage, environment)?;
            if state
                .remotes
                .get(&address)
                .is_some_and(|known| known.knows(there.number, there.digest).is_some())
            {
                return Err(Error::Overtaken { location: address });
            }
            return Err(Error::Diverged { location: address, number: base.number, owner: there.owner });
        }
    }
    state::change(storage, environment, &address, |known| known.settle(base))?;
    Ok(())
}

/// A push as `remotes.json` knows it.
pub(super) fn base_of(pushed: &Pushed) -> Base {
    Base {
        number: pushed.number,
        digest: pushed.digest,
        next_seq: pushed.next_seq,
        next_marker: pushed.next_marker,
    }
}
