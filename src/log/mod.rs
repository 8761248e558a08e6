//! The engine: open, recover, append, mark, read, replace the manifest.

pub(crate) mod chain;
pub(crate) mod checks;
mod compaction;
pub(crate) mod drill;
mod environment;
mod error;
mod frames;
mod growth;
#[cfg(feature = "encryption")]
mod identities;
mod key_error;
#[cfg(feature = "encryption")]
mod key_file;
#[cfg(feature = "encryption")]
mod keys;
mod reader;
mod replay;
mod requests;
mod rewrite;
mod room;
mod snapshot;
pub(crate) mod spans;
mod store;
mod strays;
mod stream;
mod tally;
mod usage;
mod view;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use compaction::Maintained;
#[cfg(feature = "encryption")]
pub(crate) use compaction::reseal;
pub(crate) use compaction::{prove, prove_rows};
pub use environment::{Environment, FixedEnvironment, SystemEnvironment};
pub use error::{Error, Result};
#[cfg(feature = "encryption")]
pub use identities::passphrase_of;
pub use key_error::KeyError;
#[cfg(feature = "encryption")]
pub use keys::{Holder, Identities, Recipients, new_identity, unlock_storage};
pub use reader::{PlannedRead, Reader, Restored, SegmentInfo};
pub(crate) use snapshot::SnapshotFile;
pub use stream::{StateAttrs, StateRow, StateStream};
pub use usage::Usage;
pub use writer::{Appended, MarkOptions, Status, Writer};

pub(crate) use frames::{Segment, Step, highest_claim};
pub(crate) use growth::Growth;
pub(crate) use reader::check_marker;
pub(crate) use replay::{Place, Replay, Until, Visitor};
pub(crate) use store::{InForce, end_fetching, load, load_shut, swap};
pub(crate) use strays::{check as check_strays, find as find_strays};
pub(crate) use tally::Tally;
pub(crate) use view::{Piece, View};
pub(crate) use writer::remember;

use crate::format::manifest::Manifest;
use crate::format::names;
use crate::model::marker::{GraphKind, Marker, Ordinals};
use crate::model::position::{Generation, LogId, MarkerId, SegmentId, Seq};
use crate::policy::config::Config;
use crate::storage::{LocalStorage, LockAttempt, Storage, read_all, write_new};
use compaction::{Alone, Wish};
use requests::{Answer, Request};

/// Largest snaplog.toml.
const MAX_CONFIG_BYTES: usize = 1 << 20;

/// A log: one directory with one graph, its history and its configuration.
#[derive(Debug, Clone)]
pub struct Log {
    storage: Arc<dyn Storage>,
    environment: Arc<dyn Environment>,
    id: LogId,
    kind: GraphKind,
    encrypted: bool,
}

impl Log {
    /// Makes a log in a directory that does not exist yet or is empty, with the default configuration in a commented
    /// snaplog.toml.
    ///
    /// # Errors
    /// [`Error::AlreadyALog`], [`Error::NotEmpty`], or what the file system says.
    pub fn init(dir: impl AsRef<Path>, kind: GraphKind) -> Result<Self> {
        let storage = Arc::new(LocalStorage::new(dir.as_ref()));
        Self::init_in(storage, Arc::new(SystemEnvironment), kind, Config::template())
    }

    /// Makes a log in any storage. `config`: the text of its snaplog.toml.
    ///
    /// # Errors
    /// As [`init`](Self::init); [`Error::Config`] if the text cannot be used.
    pub fn init_in(
        storage: Arc<dyn Storage>,
        environment: Arc<dyn Environment>,
        kind: GraphKind,
        config: &str,
    ) -> Result<Self> {
        Self::init_with(storage, environment, kind, config, &|storage, _| {
            // An encrypted one was here, or was about to be.
            if storage.open(names::KEYS).is_ok() {
                return Err(Error::NotEmpty { path: storage.location("") });
            }
            Ok(storage)
        })
    }

    /// Makes a log in what `prepare` makes of the storage, once it is known that it may become one.
    fn init_with(
        storage: Arc<dyn Storage>,
        environment: Arc<dyn Environment>,
        kind: GraphKind,
        config: &str,
        prepare: &dyn Fn(Arc<dyn Storage>, LogId) -> Result<Arc<dyn Storage>>,
    ) -> Result<Self> {
        parse_config(storage.as_ref(), config)?;
        let path = storage.location("");
        storage.create_dir("").map_err(Error::io("create", path.clone()))?;
        if !may_become_a_log(storage.as_ref())? {
            return Err(Error::NotEmpty { path });
        }
        let lock = storage.lock(&environment.owner()).map_err(Error::io("lock", path.clone()))?;
        let LockAttempt::Held(_lock) = lock else { return Err(Error::AlreadyALog { path }) };
        match store::load_shut(storage.as_ref()) {
            Err(Error::NotALog { .. }) => {}
            Ok(_) => return Err(Error::AlreadyALog { path }),
            Err(error) => return Err(error),
        }
        store::remove_unfinished(storage.as_ref())?;
        match read_all(storage.as_ref(), names::CONFIG, MAX_CONFIG_BYTES) {
            // The user was here first.
            Ok(bytes) => drop(parse_config(storage.as_ref(), &String::from_utf8_lossy(&bytes))?),
            Err(_) => write_new(storage.as_ref(), names::CONFIG, config.as_bytes())
                .map_err(Error::io("write", storage.location(names::CONFIG)))?,
        }
        let now = environment.now();
        let manifest = Manifest {
            generation: Generation(0),
            written: now,
            created: now,
            kind,
            next_file: SegmentId(1),
            segments: Vec::new(),
            snapshots: Vec::new(),
            markers: Vec::new(),
            gone: Vec::new(),
            next_marker: MarkerId(1),
            next_seq: Seq(1),
            ordinals: Ordinals::default(),
            high_water: 0,
            sources: Vec::new(),
            trash: Vec::new(),
            pruned: None,
            extensions: Vec::new(),
        };
        let id = LogId(environment.random());
        let storage = prepare(storage, id)?;
        let encrypted = storage.keys().is_some();
        // CURRENT comes last: until it is there, the directory is no log.
        store::swap(storage.as_ref(), id, None, manifest)?;
        Ok(Self { storage, environment, id, kind, encrypted })
    }

    /// Opens a log.
    ///
    /// # Errors
    /// [`Error::NotALog`], or damage to CURRENT or the manifest.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(Arc::new(LocalStorage::new(dir.as_ref())), Arc::new(SystemEnvironment))
    }

    /// Opens a log in any storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(storage: Arc<dyn Storage>, environment: Arc<dyn Environment>) -> Result<Self> {
        let InForce { log_id: id, manifest, encrypted, .. } = store::load_shut(storage.as_ref())?;
        Ok(Self { storage, environment, id, kind: manifest.kind, encrypted })
    }

    /// The log's id: random, in the header of each of its files.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Whether the log is encrypted, and was not unlocked.
    pub fn is_shut(&self) -> bool {
        self.encrypted && self.storage.keys().is_none()
    }

    /// Whether the log is encrypted. If it is, nothing but `verify` up to its checksums works before it is unlocked.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// What kind of graph the log holds.
    pub fn kind(&self) -> GraphKind {
        self.kind
    }

    /// Where the log is, for messages.
    pub fn location(&self) -> String {
        self.storage.location("")
    }

    /// The clock and the dice.
    pub fn environment(&self) -> &dyn Environment {
        self.environment.as_ref()
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// What snaplog.toml says; the defaults if there is none.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be used.
    pub fn config(&self) -> Result<Config> {
        self.config_text()?
            .map_or_else(|| Ok(Config::default()), |text| parse_config(self.storage.as_ref(), &text))
    }

    /// The text of snaplog.toml, comments and all, if there is one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn config_text(&self) -> Result<Option<String>> {
        match read_all(self.storage.as_ref(), names::CONFIG, MAX_CONFIG_BYTES) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", self.storage.location(names::CONFIG))(e)),
        }
    }

    /// How much room the log takes.
    ///
    /// # Errors
    /// What the file system says.
    pub fn usage(&self) -> Result<Usage> {
        usage::measure(self.storage.as_ref())
    }

    /// Opens a session that appends: takes the lock, recovers what an earlier session left, and places the marker that
    /// a crash left overdue.
    ///
    /// # Errors
    /// [`Error::Locked`] if another session is open, here or in another process; damage.
    pub fn writer(&self) -> Result<Writer> {
        self.writer_with(self.config()?)
    }

    /// As [`writer`](Self::writer), with another configuration than snaplog.toml's.
    ///
    /// # Errors
    /// As [`writer`](Self::writer).
    pub fn writer_with(&self, config: Config) -> Result<Writer> {
        self.writer_in(config, false)
    }

    /// `now`: grace is over now, if it takes what is in the trash to make room.
    fn writer_in(&self, config: Config, now: bool) -> Result<Writer> {
        Writer::open(Arc::clone(&self.storage), Arc::clone(&self.environment), config, now)
    }

    /// Looks at the log as it is now.
    ///
    /// # Errors
    /// Damage to CURRENT, the manifest or the last segment.
    pub fn reader(&self) -> Result<Reader> {
        Reader::open(Arc::clone(&self.storage), self.config())
    }

    /// Places a marker: through the live writer if there is one, else in a session of its own. Durable on return.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] if the live writer does not answer, [`Error::Declined`] if it cannot; as
    /// [`Writer::mark`].
    pub fn mark(&self, options: &MarkOptions) -> Result<Marker> {
        let request = Request::Mark { options: options.clone() };
        match self.through_writer(&request, |writer| writer.mark(options))? {
            Outcome::Own(marker) => Ok(marker),
            Outcome::Answer(Answer::Marked { marker }) => Ok(*marker),
            Outcome::Answer(answer) => Err(declined(&answer)),
        }
    }

    /// Pins a marker or takes the pin off: through the live writer if there is one, else in a session of its own.
    /// Durable on return.
    ///
    /// # Errors
    /// As [`mark`](Self::mark).
    pub fn pin(&self, marker: MarkerId, on: bool) -> Result<()> {
        match self.through_writer(&Request::Pin { marker, on }, |writer| writer.pin(marker, on))? {
            Outcome::Own(()) | Outcome::Answer(Answer::Done) => Ok(()),
            Outcome::Answer(answer) => Err(declined(&answer)),
        }
    }

    /// Drops markers: they are not listed any more, and can be had back by [`undelete`](Self::undelete) until their grace
    /// period is over. Which ones retention would drop, [`Reader::retention`] says. Pinned ones stay, whoever asks. Through
    /// the live writer if there is one, else in a session of its own. Returns those that were dropped; durable on return.
    ///
    /// # Errors
    /// As [`mark`](Self::mark).
    pub fn expire(&self, markers: &[MarkerId]) -> Result<Vec<MarkerId>> {
        let request = Request::Expire { markers: markers.to_vec() };
        match self.as_custodian(&request, |host| compaction::expire(host, markers))? {
            Outcome::Own(markers) | Outcome::Answer(Answer::Markers { markers }) => Ok(markers),
            Outcome::Answer(answer) => Err(declined(&answer)),
        }
    }

    /// Takes back that markers were dropped, as long as their grace period is not over. Returns those that were dropped
    /// and are not any more; durable on return.
    ///
    /// # Errors
    /// As [`mark`](Self::mark).
    pub fn undelete(&self, markers: &[MarkerId]) -> Result<Vec<MarkerId>> {
        let request = Request::Undelete { markers: markers.to_vec() };
        match self.as_custodian(&request, |host| compaction::undelete(host, markers))? {
            Outcome::Own(markers) | Outcome::Answer(Answer::Markers { markers }) => Ok(markers),
            Outcome::Answer(answer) => Err(declined(&answer)),
        }
    }

    /// Folds events that are old enough, merges what no marker needs apart, compresses what is old, and removes what has
    /// been in the trash for long enough. Through the live writer if there is one, else in a session of its own, which
    /// holds no graph in memory.
    ///
    /// # Errors
    /// The log is as it was before the step that failed. [`Error::NoRoom`] says how much room that takes.
    pub fn compact(&self, options: CompactOptions) -> Result<Maintained> {
        self.compact_until(options, None)
    }

    /// As [`compact`](Self::compact), broken off when `stop` becomes true: the step that is under way is given up, those
    /// before it stand.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub fn compact_until(
        &self,
        options: CompactOptions,
        stop: Option<Arc<AtomicBool>>,
    ) -> Result<Maintained> {
        let CompactOptions { retention, now, thorough, rekey } = options;
        let wish = Wish { retention, now, thorough, rekey };
        let request = Request::Compact { wish };
        match self.as_custodian_until(&request, stop, |host| compaction::maintain(host, wish))? {
            Outcome::Own(done) | Outcome::Answer(Answer::Maintained { done }) => Ok(done),
            Outcome::Answer(answer) => Err(declined(&answer)),
        }
    }

    /// Before anything is asked of a live writer: what is asked is sealed, too.
    fn check_open(&self) -> Result<()> {
        if self.is_shut() { Err(KeyError::Shut { path: self.location() }.into()) } else { Ok(()) }
    }

    /// Runs `alone` in a session that needs no graph, or has the live writer do what is asked.
    fn as_custodian<T>(&self, request: &Request, alone: impl Fn(&Alone) -> Result<T>) -> Result<Outcome<T>> {
        self.as_custodian_until(request, None, alone)
    }

    fn as_custodian_until<T>(
        &self,
        request: &Request,
        stop: Option<Arc<AtomicBool>>,
        alone: impl Fn(&Alone) -> Result<T>,
    ) -> Result<Outcome<T>> {
        self.check_open()?;
        let now = matches!(request, Request::Compact { wish } if wish.now);
        loop {
            let (storage, environment) = (Arc::clone(&self.storage), Arc::clone(&self.environment));
            match Alone::open(storage, environment, self.config()?, now, stop.clone()) {
                Ok(Some(host)) => return Ok(Outcome::Own(alone(&host)?)),
                // What a crash left behind is recovered first.
                Ok(None) => match self.writer_in(self.config()?, now) {
                    Ok(writer) => writer.settle()?,
                    Err(Error::Locked { .. }) => {}
                    Err(error) => return Err(error),
                },
                Err(Error::Locked { owner, .. }) => {
                    let asked =
                        requests::ask(self.storage.as_ref(), self.environment.as_ref(), request, &owner)?;
                    if let Some(answer) = asked {
                        return Ok(Outcome::Answer(answer));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn through_writer<T>(
        &self,
        request: &Request,
        alone: impl Fn(&Writer) -> Result<T>,
    ) -> Result<Outcome<T>> {
        self.check_open()?;
        loop {
            match self.writer() {
                Ok(writer) => {
                    let outcome = alone(&writer)?;
                    writer.close()?;
                    return Ok(Outcome::Own(outcome));
                }
                Err(Error::Locked { owner, .. }) => {
                    let asked =
                        requests::ask(self.storage.as_ref(), self.environment.as_ref(), request, &owner)?;
                    if let Some(answer) = asked {
                        return Ok(Outcome::Answer(answer));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// What [`Log::compact`] is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four things that can be wished for, in any mix")]
pub struct CompactOptions {
    /// First drop the markers that retention does not keep.
    pub retention: bool,
    /// Grace is over now, for the markers that were dropped before and for files in the trash.
    pub now: bool,
    /// Merge all that can be merged, not only what is worth the writing.
    pub thorough: bool,
    /// In an encrypted log: rewrite what is sealed with an older key than the newest.
    pub rekey: bool,
}

enum Outcome<T> {
    Own(T),
    Answer(Answer),
}

fn declined(answer: &Answer) -> Error {
    let message = match answer {
        Answer::Refused { message } => message.clone(),
        Answer::Marked { .. }
        | Answer::Done
        | Answer::Markers { .. }
        | Answer::Working
        | Answer::Maintained { .. } => "its answer does not fit the request".to_owned(),
    };
    Error::Declined { message }
}

/// A new log for those who can open the one in `from`: encrypted if that is.
pub(crate) fn init_like(
    from: &dyn Storage,
    storage: Arc<dyn Storage>,
    environment: Arc<dyn Environment>,
    kind: GraphKind,
    config: &str,
) -> Result<Log> {
    #[cfg(feature = "encryption")]
    if from.keys().is_some() {
        let recipients = keys::recipients_of(from)?;
        return Log::init_encrypted_in(storage, environment, kind, config, recipients);
    }
    // No file of an encrypted log is ever read into one that is not.
    if from.open(names::KEYS).is_ok() {
        return Err(KeyError::Shut { path: from.location("") }.into());
    }
    Log::init_in(storage, environment, kind, config)
}

fn parse_config(storage: &dyn Storage, text: &str) -> Result<Config> {
    Config::parse(text).map_err(|source| Error::Config { path: storage.location(names::CONFIG), source })
}

/// Whether a directory is empty, or holds nothing but what an `init` that did not end left.
fn may_become_a_log(storage: &dyn Storage) -> Result<bool> {
    let entries = storage.list("").map_err(Error::io("list", storage.location("")))?;
    Ok(entries.iter().all(|entry| names::parse(&entry.name).is_some()))
}
