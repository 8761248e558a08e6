//! Copying a log, beside its writer or without one.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::codec::len_u64;
use crate::format::manifest::{Manifest, SegmentEnd, SnapshotEntry, Source};
use crate::format::records::SourceRead;
use crate::format::snapshot::Stand;
use crate::format::{Fault, names};
use crate::log::{
    Error, Log, Piece, Replay, Result, Segment, SnapshotFile, Step, Tally, Until, View, Visitor, chain, load,
    prove, remember, swap,
};
use crate::model::position::{Generation, Seq};
use crate::storage::{LocalStorage, LockAttempt, Storage, TMP_SUFFIX, read_all, write_new};

/// How often a copy begins again because files of the log were replaced meanwhile.
const MAX_ATTEMPTS: u32 = 5;
/// How much is read at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// Largest snaplog.toml.
const MAX_CONFIG_BYTES: usize = 1 << 20;

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
        let mut copying = Copying { log, view: &view, dest: dest.as_ref(), made: Vec::new() };
        let error = match copying.run() {
            Ok(copied) => return Ok(copied),
            Err(error) => error,
        };
        copying.clean_up();
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
    dest: &'a dyn Storage,
    /// Files made so far.
    made: Vec<String>,
}

impl Copying<'_> {
    fn run(&mut self) -> Result<Copied> {
        if let Some(damage) = &self.view.damage {
            return Err(damage.again());
        }
        let manifest = self.manifest()?;
        let mut copied = Copied {
            last_seq: self.view.last_seq(),
            markers: len_u64(manifest.markers.len()),
            ..Copied::default()
        };
        let mut count = |bytes: u64| {
            copied.files = copied.files.saturating_add(1);
            copied.bytes = copied.bytes.saturating_add(bytes);
        };
        for entry in &manifest.snapshots {
            self.snapshot(entry, &manifest)?;
            count(entry.length);
        }
        for piece in &self.view.pieces {
            self.events(piece, &manifest)?;
            count(piece.length);
        }
        self.config()?;
        self.dest.sync_dir("").map_err(Error::io("sync", self.dest.location("")))?;
        self.made.extend([names::manifest(Generation(1)), names::CURRENT.to_owned()]);
        swap(self.dest, self.view.in_force.log_id, None, manifest)?;
        Ok(copied)
    }

    /// The manifest of the copy: that of the log, with its last segment closed where the view ends.
    fn manifest(&self) -> Result<Manifest> {
        let view = self.view;
        let mut manifest = view.in_force.manifest.clone();
        manifest.written = self.log.environment().now();
        manifest.trash = Vec::new();
        manifest.markers.clone_from(&view.markers);
        if let Some(last) = view.markers.iter().map(|marker| marker.id).max() {
            manifest.next_marker = manifest.next_marker.max(last.next());
        }
        let Some(open) = manifest.segments.last_mut().filter(|entry| entry.end.is_none()) else {
            return Ok(manifest);
        };
        let Some(piece) = view.pieces.last().filter(|piece| piece.id == open.id) else { return Ok(manifest) };
        // Which is not so, as long as the writer tells no lies: what a manifest speaks of was durable before it.
        if piece.next_seq < manifest.next_seq {
            let what = "less of the log is known durable than its manifest speaks of";
            let path = self.log.location();
            return Err(Error::Damage { path, offset: None, fault: Fault::Meaning { what } });
        }
        let mut read = Sources { sources: manifest.sources.clone() };
        let stand = self.last_stand()?;
        let tally = Tally::new(manifest.kind, stand.ordinals, stand.counts);
        let mut replay = Replay::from(tally, stand.seq.next(), stand.time);
        replay.run(view, Until::End, &mut read)?;
        if replay.next_seq != piece.next_seq {
            let fault = Fault::Sequence { expected: piece.next_seq, found: replay.next_seq };
            return Err(Error::Damage { path: self.log.location(), offset: None, fault });
        }
        let (_, chain) = self.step_through(view.storage.as_ref(), piece, &names::events(piece.id))?;
        open.end = Some(SegmentEnd {
            length: piece.length,
            chain,
            next_seq: piece.next_seq,
            time: replay.time.max(open.begins),
        });
        manifest.next_seq = replay.next_seq;
        (manifest.ordinals, manifest.high_water) = (replay.graph.births(), replay.graph.high_water());
        manifest.sources = read.sources;
        Ok(manifest)
    }

    /// The last place before the manifest's position at which births and living nodes are known: those behind it are
    /// counted, and how far sources were read is looked for from there. A marker says them, or the end of an increment.
    fn last_stand(&self) -> Result<Stand> {
        let view = self.view;
        let last = view.last_seq();
        let kept_from = view.kept_from();
        let path = view.path(last).ok_or(Error::Folded { asked: last, kept_from })?;
        let stand = chain::end_of(&chain::open(view, &path.increments)?);
        let next_seq = view.in_force.manifest.next_seq;
        let marker =
            view.markers.iter().rfind(|marker| marker.seq < next_seq && marker.seq.next() >= kept_from);
        Ok(match marker.filter(|marker| marker.seq > stand.seq) {
            None => stand,
            Some(marker) => Stand {
                seq: marker.seq,
                // The marker's frame, which is read once more, tells its own time.
                time: stand.time,
                ordinals: marker.ordinals,
                counts: marker.counts,
                layout: marker.fingerprint.layout,
            },
        })
    }

    /// Steps through the frames of a piece; returns the file's length and the chain value at its end.
    fn step_through(&self, storage: &dyn Storage, piece: &Piece, name: &str) -> Result<(u64, u32)> {
        let segment = Segment::open_as(storage, piece.id, name)?;
        segment.check_place(&self.view.in_force.manifest)?;
        segment.check_length(piece.length)?;
        let mut frames = segment.frames(piece.length);
        loop {
            match frames.step()? {
                Step::Frame { .. } => {}
                Step::End => break,
                Step::Bad { offset, fault } => return Err(segment.damage(offset, fault)),
            }
        }
        let found = frames.expect.chain;
        if let Some(expected) = piece.chain.filter(|chain| *chain != found) {
            return Err(segment.damage(piece.length, Fault::Chain { expected, found }));
        }
        if frames.expect.seq != piece.next_seq {
            let fault = Fault::Sequence { expected: piece.next_seq, found: frames.expect.seq };
            return Err(segment.damage(piece.length, fault));
        }
        Ok((segment.file_len, found))
    }

    fn events(&mut self, piece: &Piece, manifest: &Manifest) -> Result<()> {
        let name = names::events(piece.id);
        let tmp = self.bytes(&name, piece.length)?;
        let (length, chain) = self.step_through(self.dest, piece, &tmp)?;
        let listed = manifest.segments.iter().find(|entry| entry.id == piece.id).and_then(|entry| entry.end);
        if listed.is_none_or(|end| end.chain != chain || end.length != length) {
            let what = "the copy of a segment does not end as the segment does";
            let path = self.dest.location(&tmp);
            return Err(Error::Damage { path, offset: None, fault: Fault::Meaning { what } });
        }
        self.rename(&tmp, &name)
    }

    fn snapshot(&mut self, entry: &SnapshotEntry, manifest: &Manifest) -> Result<()> {
        let name = names::snapshot(entry.id);
        let tmp = self.bytes(&name, entry.length)?;
        let file = SnapshotFile::open_as(self.dest, &tmp)?;
        file.check_entry(self.view.in_force.log_id, manifest.kind, entry)?;
        prove(&file, &manifest.markers, || Ok(()))?;
        self.rename(&tmp, &name)
    }

    /// Copies the first `length` bytes of a file under a temporary name, durable; returns the name.
    fn bytes(&mut self, name: &str, length: u64) -> Result<String> {
        let from = self.log.storage().location(name);
        let file = self.log.storage().open(name).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::Missing { path: from.clone(), named_by: "the manifest" },
            _ => Error::Io { action: "open", path: from.clone(), source: e },
        })?;
        let tmp = format!("{name}{TMP_SUFFIX}");
        let path = self.dest.location(&tmp);
        self.made.push(tmp.clone());
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

    fn rename(&mut self, tmp: &str, name: &str) -> Result<()> {
        self.made.push(name.to_owned());
        self.dest.rename(tmp, name).map_err(Error::io("rename", self.dest.location(tmp)))
    }

    fn config(&mut self) -> Result<()> {
        let storage = self.log.storage();
        match read_all(storage.as_ref(), names::CONFIG, MAX_CONFIG_BYTES) {
            Ok(bytes) => {
                self.made.push(names::CONFIG.to_owned());
                let written = write_new(self.dest, names::CONFIG, &bytes);
                written.map_err(Error::io("write", self.dest.location(names::CONFIG)))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("read", storage.location(names::CONFIG))(e)),
        }
    }

    /// Removes what was made, CURRENT first.
    fn clean_up(&mut self) {
        for name in self.made.drain(..).rev() {
            // What is not there any more was renamed; what cannot be removed is no log without a CURRENT.
            let _ = self.dest.remove(&name);
        }
    }
}

/// How far sources were read.
struct Sources {
    sources: Vec<Source>,
}

impl Visitor<Tally> for Sources {
    fn source(&mut self, source: SourceRead<'_>) {
        let SourceRead { name, bytes, lines, digest } = source;
        remember(&mut self.sources, Source { name: name.to_owned(), bytes, lines, digest });
    }
}
