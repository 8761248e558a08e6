//! A remote copy as it is read: its newest manifest, and a storage through which the log opens as if it were on a disk.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bucket::Bucket;
use super::error::{Error, Result};
use crate::codec::{MAX_DOCUMENT_BYTES, len_u64};
use crate::format::current::Current;
use crate::format::manifest::Manifest;
use crate::format::remote::{
    ObjectDigest, PUSHES, Part, RemoteFile, RemoteManifest, RemoteTail, push_number, push_object, reopened,
};
use crate::format::{Fault, names};
use crate::log::{Environment, Log};
use crate::model::position::{LogId, MarkerId, Seq};
use crate::model::time::Timestamp;
use crate::storage::{DirEntry, Keys, LockAttempt, ReadFile, Storage, Unlocked, WriteFile};

/// What is fetched at once: small enough for a look at one marker, large enough that the way there does not count.
const BLOCK_BYTES: u64 = 64 << 10;
/// What is fetched at once, at most, where somebody reads on: as much as was read before, block after block.
const READ_ON_BYTES: u64 = 2 << 20;
/// So many blocks are kept for a second look.
const KEPT_BLOCKS: usize = 512;

/// A push that is there, with the tails that go on from it.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) log_id: LogId,
    /// The number and the digest of the newest object: a tail, if there are any.
    pub(super) number: u64,
    pub(super) digest: ObjectDigest,
    /// Who made it.
    pub(super) owner: String,
    /// What it all goes on from.
    pub(super) remote: RemoteManifest,
    /// The log's manifest in it.
    pub(super) closed: Manifest,
    /// The log's manifest as it is with the tails: its last segment is open if there are any.
    pub(super) manifest: Manifest,
    /// The segment that the tails belong to, and what they add to it.
    pub(super) tail: Option<(String, Arc<Vec<u8>>)>,
    /// The next event and the next marker, behind the tails.
    pub(super) next_seq: Seq,
    pub(super) next_marker: MarkerId,
    /// The keys to it, if it is encrypted and they are there.
    pub(super) keys: Option<Keys>,
    pub(super) encrypted: bool,
    /// When the newest object was created, by the clock of the store; if it was found by a listing.
    pub(super) created: Timestamp,
}

/// How the keys to an encrypted copy are had: by the log's id, and the key file in the copy, if there is one.
pub type Unlock<'a> = &'a dyn Fn(LogId, Option<&[u8]>) -> Result<Option<Keys>>;

/// Without any: a copy that is encrypted stays shut.
#[expect(clippy::unnecessary_wraps, reason = "it stands where others may fail")]
pub(super) fn without_keys(_: LogId, _: Option<&[u8]>) -> Result<Option<Keys>> {
    Ok(None)
}

/// The bytes of a file of a remote copy.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) parts: Vec<Part>,
    /// What stands behind the parts.
    pub(super) tail: Arc<Vec<u8>>,
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.in_parts().saturating_add(len_u64(self.tail.len()))
    }

    fn in_parts(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.length))
    }
}

impl Pushed {
    /// Whether it is encrypted, and the keys are not there.
    pub(super) fn is_shut(&self) -> bool {
        self.encrypted && self.keys.is_none()
    }

    /// All files.
    pub(super) fn files(&self) -> Vec<(String, Content)> {
        let tail_of = |name: &str| match &self.tail {
            Some((of, bytes)) if of == name => Arc::clone(bytes),
            _ => Arc::default(),
        };
        let content = |file: &RemoteFile| {
            (file.name.clone(), Content { parts: file.parts.clone(), tail: tail_of(&file.name) })
        };
        self.remote.files.iter().map(content).collect()
    }
}

/// The newest push; `None` if there is none. `from`: no earlier one is the newest.
pub(super) fn newest(bucket: &dyn Bucket, from: u64, unlock: Unlock<'_>) -> Result<Option<Pushed>> {
    let after = from.checked_sub(1).filter(|number| *number > 0).map(push_object);
    let listed = bucket.list(PUSHES, after.as_deref());
    let listed = listed.map_err(Error::store("list", bucket.location(PUSHES)))?;
    let Some(number) = listed.iter().filter_map(|object| push_number(&object.name)).max() else {
        return Ok(None);
    };
    let created = listed.iter().map(|object| object.modified).max().unwrap_or_default();
    Ok(Some(Pushed { created, ..fetch(bucket, number, unlock)? }))
}

/// One push: a remote manifest, or a tail with all that it goes on from.
pub(super) fn fetch(bucket: &dyn Bucket, number: u64, unlock: Unlock<'_>) -> Result<Pushed> {
    let (bytes, digest) = get(bucket, number)?;
    if !RemoteTail::is_meant(&bytes) {
        return manifest(bucket, number, &bytes, digest, unlock);
    }
    let damage =
        |number: u64, fault| Error::Damage { location: bucket.location(&push_object(number)), fault };
    let (_, last) = RemoteTail::decode(&bytes, number).map_err(|fault| damage(number, fault))?;
    let (base, base_digest) = get(bucket, last.base)?;
    let mut pushed = manifest(bucket, last.base, &base, base_digest, unlock)?;
    if pushed.is_shut() {
        // Its manifest cannot be opened, so neither can its last segment be taken out of it: what was pushed whole.
        return Ok(pushed);
    }
    let mut tail = Vec::new();
    let mut start = None;
    for one in last.base.saturating_add(1)..=number {
        let (bytes, digest) = if one == number { (bytes.clone(), digest) } else { get(bucket, one)? };
        let (log_id, read) = RemoteTail::decode(&bytes, one).map_err(|fault| damage(one, fault))?;
        if log_id != pushed.log_id {
            return Err(damage(one, Fault::ForeignLog { expected: pushed.log_id, found: log_id }));
        }
        let (first, expected) = *start.get_or_insert((read.offset, read.segment));
        let follows = read.previous == pushed.digest
            && read.base == last.base
            && read.segment == expected
            && read.offset == first.saturating_add(len_u64(tail.len()));
        if !follows {
            let what = "the tail of a remote copy does not follow the push before it";
            return Err(damage(one, Fault::Meaning { what }));
        }
        tail.extend_from_slice(&read.bytes);
        (pushed.number, pushed.digest, pushed.owner) = (one, digest, read.owner);
        (pushed.next_seq, pushed.next_marker) = (read.next_seq, read.next_marker);
    }
    if let Some((offset, segment)) = start {
        pushed.manifest =
            reopened(&pushed.closed, segment, offset, number).map_err(|fault| damage(number, fault))?;
        pushed.tail = Some((names::events(segment), Arc::new(tail)));
    }
    Ok(pushed)
}

pub(super) fn get(bucket: &dyn Bucket, number: u64) -> Result<(Vec<u8>, ObjectDigest)> {
    let object = push_object(number);
    let bytes = bucket.get(&object, len_u64(MAX_DOCUMENT_BYTES));
    let bytes = bytes.map_err(Error::store("read", bucket.location(&object)))?;
    let digest = ObjectDigest::of(&bytes);
    Ok((bytes, digest))
}

fn manifest(
    bucket: &dyn Bucket,
    number: u64,
    bytes: &[u8],
    digest: ObjectDigest,
    unlock: Unlock<'_>,
) -> Result<Pushed> {
    let damage = |fault| Error::Damage { location: bucket.location(&push_object(number)), fault };
    let (log_id, remote) = RemoteManifest::decode(bytes, number).map_err(damage)?;
    let keys = unlock(log_id, remote.extra(names::KEYS))?;
    let (manifest, encrypted) = remote.log_manifest(log_id, keys.as_ref().map(Keys::ring)).map_err(damage)?;
    Ok(Pushed {
        log_id,
        number,
        digest,
        owner: remote.owner.clone(),
        remote,
        closed: manifest.clone(),
        next_seq: manifest.next_seq,
        next_marker: manifest.next_marker,
        manifest,
        tail: None,
        keys,
        encrypted,
        created: Timestamp::default(),
    })
}

/// A remote copy that is open for reading, as its newest push left it.
#[derive(Debug, Clone)]
pub struct RemoteLog {
    storage: Arc<RemoteStorage>,
    keys: Option<Keys>,
}

impl RemoteLog {
    /// Opens what was pushed last. Fetches one manifest, and lists.
    ///
    /// # Errors
    /// [`Error::NoLog`]; [`Error::Damage`] to the manifest; what the store says.
    pub fn open(bucket: Arc<dyn Bucket>) -> Result<Self> {
        Self::open_with(bucket, &without_keys)
    }

    /// As [`open`](Self::open), with the keys to it if it is encrypted. Without them it can be compared with its checksums.
    ///
    /// # Errors
    /// As [`open`](Self::open); what `unlock` says.
    pub fn open_with(bucket: Arc<dyn Bucket>, unlock: Unlock<'_>) -> Result<Self> {
        let pushed = newest(bucket.as_ref(), 0, unlock)?;
        let pushed = pushed.ok_or_else(|| Error::NoLog { location: bucket.location("") })?;
        let damage = |fault| Error::Damage { location: bucket.location(&push_object(pushed.number)), fault };
        let sealing = || pushed.keys.as_ref().map(Keys::sealing);
        let manifest = if pushed.is_shut() {
            pushed.remote.manifest.clone()
        } else {
            pushed.manifest.encode(pushed.log_id, sealing()).map_err(damage)?
        };
        let current = Current::naming(pushed.manifest.generation, &manifest);
        let current = if pushed.is_shut() {
            current.encode_unproven(pushed.log_id).map_err(Fault::Decode)
        } else {
            current.encode(pushed.log_id, sealing())
        };
        let current = current.map_err(damage)?;
        let files = pushed.files().into_iter().map(|(name, content)| (name, Arc::new(content))).collect();
        let mut whole = BTreeMap::new();
        whole.insert(names::CURRENT.to_owned(), Arc::new(current));
        whole.insert(names::manifest(pushed.manifest.generation), Arc::new(manifest));
        whole.extend(pushed.remote.extras.into_iter().map(|extra| (extra.name, Arc::new(extra.bytes))));
        let source = Arc::new(Source { bucket, fetched: AtomicU64::new(0), kept: Mutex::default() });
        Ok(Self { storage: Arc::new(RemoteStorage { whole, files, source }), keys: pushed.keys })
    }

    /// The log. It can be read, and refuses to be written to.
    ///
    /// # Errors
    /// Damage to the log's manifest.
    pub fn log(&self, environment: Arc<dyn Environment>) -> Result<Log> {
        Ok(Log::open_in(self.storage(), environment)?)
    }

    /// The storage that the log is read through.
    pub fn storage(&self) -> Arc<dyn Storage> {
        let storage: Arc<RemoteStorage> = Arc::clone(&self.storage);
        let storage: Arc<dyn Storage> = storage;
        match &self.keys {
            Some(keys) => Arc::new(Unlocked::new(storage, keys.clone())),
            None => storage,
        }
    }

    /// The parts that the newest push rests on, each with the file that needs it.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, &Part)> {
        let files = self.storage.files.iter();
        files.flat_map(|(name, content)| content.parts.iter().map(move |part| (name.as_str(), part)))
    }

    pub(super) fn bucket(&self) -> &dyn Bucket {
        self.storage.source.bucket.as_ref()
    }

    /// Bytes of segments that were fetched so far.
    pub fn fetched(&self) -> u64 {
        self.storage.source.fetched.load(Ordering::Relaxed)
    }
}

/// One push, as a directory that cannot be written to.
#[derive(Debug)]
struct RemoteStorage {
    /// Files that came with the manifest.
    whole: BTreeMap<String, Arc<Vec<u8>>>,
    /// Files that are fetched piece by piece.
    files: BTreeMap<String, Arc<Content>>,
    source: Arc<Source>,
}

fn read_only() -> io::Error {
    io::Error::new(
        ErrorKind::ReadOnlyFilesystem,
        "a remote copy is only read; `snaplog clone` makes a log of it",
    )
}

impl Storage for RemoteStorage {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        if let Some(bytes) = self.whole.get(name) {
            return Ok(Box::new(WholeFile(Arc::clone(bytes))));
        }
        let content = self.files.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(OpenFile { content: Arc::clone(content), source: Arc::clone(&self.source) }))
    }

    fn create(&self, _name: &str) -> io::Result<Box<dyn WriteFile>> {
        Err(read_only())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        if !dir.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let whole = self.whole.iter().map(|(name, bytes)| (name, len_u64(bytes.len())));
        let files = self.files.iter().map(|(name, content)| (name, content.length()));
        let entry = |(name, len): (&String, u64)| DirEntry { name: name.clone(), len, is_dir: false };
        let mut entries: Vec<_> = whole.chain(files).map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir(&self, _name: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn lock(&self, _owner: &str) -> io::Result<LockAttempt> {
        Err(read_only())
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        Ok(None)
    }

    fn location(&self, name: &str) -> String {
        self.source.bucket.location(name)
    }
}

/// A file that came with the manifest.
#[derive(Debug)]
struct WholeFile(Arc<Vec<u8>>);

impl ReadFile for WholeFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        Ok(copy(rest, buf))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(len_u64(self.0.len()))
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let length = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..length), to.get_mut(..length)) {
        to.copy_from_slice(from);
    }
    length
}

/// Which bytes: the object, and where in it.
type BlockKey = (ObjectDigest, u64);

/// The blocks that were used last, the newest at the end.
#[derive(Debug, Default)]
struct Kept {
    blocks: VecDeque<(BlockKey, Arc<Vec<u8>>)>,
}

impl Kept {
    fn find(&self, key: BlockKey) -> Option<Arc<Vec<u8>>> {
        self.blocks.iter().rev().find(|(kept, _)| *kept == key).map(|(_, bytes)| Arc::clone(bytes))
    }

    fn keep(&mut self, key: BlockKey, bytes: Arc<Vec<u8>>) {
        self.blocks.push_back((key, bytes));
        if self.blocks.len() > KEPT_BLOCKS {
            self.blocks.pop_front();
        }
    }
}

/// A file that is fetched block by block.
#[derive(Debug)]
struct OpenFile {
    content: Arc<Content>,
    source: Arc<Source>,
}

impl OpenFile {
    /// The part that holds the byte at `offset`, and where in it that stands; `None` past the end.
    fn part(&self, offset: u64) -> Option<(Part, u64)> {
        let mut within = offset;
        for part in &self.content.parts {
            match within.checked_sub(part.length) {
                None => return Some((*part, within)),
                Some(rest) => within = rest,
            }
        }
        None
    }
}

/// Where blocks come from.
#[derive(Debug)]
struct Source {
    bucket: Arc<dyn Bucket>,
    fetched: AtomicU64,
    kept: Mutex<Kept>,
}

impl Source {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block of a part that begins at `from`, a multiple of [`BLOCK_BYTES`] in the part.
    fn block(&self, part: Part, from: u64) -> io::Result<Arc<Vec<u8>>> {
        let key = |from| (part.digest, from);
        let mut length = BLOCK_BYTES;
        {
            let kept = self.kept();
            if let Some(bytes) = kept.find(key(from)) {
                return Ok(bytes);
            }
            // Who has read so far will read on as far again.
            let mut before = from.checked_sub(BLOCK_BYTES);
            while let Some(at) = before.filter(|at| length < READ_ON_BYTES && kept.find(key(*at)).is_some()) {
                length = from.saturating_sub(at);
                before = at.checked_sub(BLOCK_BYTES);
            }
        }
        let length = part.length.saturating_sub(from).min(length);
        let object = part.object();
        let bytes = self.bucket.get_range(&object, from, length).map_err(|e| match e.kind() {
            // A file that is there and lacks a part: to whoever reads the log it is damaged, not gone.
            ErrorKind::NotFound => io::Error::new(
                ErrorKind::UnexpectedEof,
                format!("the part {} of it is missing", self.bucket.location(&object)),
            ),
            _ => e,
        })?;
        self.fetched.fetch_add(len_u64(bytes.len()), Ordering::Relaxed);
        let mut kept = self.kept();
        let mut first = None;
        let mut at = from;
        for block in bytes.chunks(usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX)) {
            let block = Arc::new(block.to_vec());
            first.get_or_insert_with(|| Arc::clone(&block));
            kept.keep(key(at), block);
            at = at.saturating_add(BLOCK_BYTES);
        }
        Ok(first.unwrap_or_default())
    }
}

impl ReadFile for OpenFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let Some((part, within)) = self.part(offset) else {
            let within =
                usize::try_from(offset.saturating_sub(self.content.in_parts())).unwrap_or(usize::MAX);
            return Ok(copy(self.content.tail.get(within..).unwrap_or_default(), buf));
        };
        let from = within.checked_div(BLOCK_BYTES).unwrap_or_default().saturating_mul(BLOCK_BYTES);
        let bytes = self.source.block(part, from)?;
        let start = usize::try_from(within.saturating_sub(from)).unwrap_or(usize::MAX);
        Ok(copy(bytes.get(start..).unwrap_or_default(), buf))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.length())
    }
}
