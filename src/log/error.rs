//! What can go wrong with a log: a fact, a place, a way out.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::key_error::KeyError;
use crate::format::Fault;
use crate::model::event::Refusal;
use crate::model::fingerprint::Fingerprint;
use crate::model::position::{MarkerId, Seq};
use crate::policy::config::ConfigError;
use crate::policy::selector::SelectorError;

/// An error of a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call to the file system failed.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: "read", "write to", …
        action: &'static str,
        /// On which file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{path} is damaged{}", at(.offset.as_ref()))]
    Damage {
        /// Which file.
        path: String,
        /// Where in it.
        offset: Option<u64>,
        /// What is wrong.
        #[source]
        fault: Fault,
    },
    /// A file that the manifest names, or the manifest that CURRENT names, is not there.
    #[error("{path} is missing: {named_by} names it")]
    Missing {
        /// Which file.
        path: String,
        /// What says that it should be there.
        named_by: &'static str,
    },
    /// A file holds what the manifest in force does not know of.
    #[error("{path} holds events up to {last}, but the manifest in force ends the log at {end}")]
    NewerThanManifest {
        /// Which file.
        path: String,
        /// The last event in it.
        last: Seq,
        /// The last event of the log as the manifest knows it.
        end: Seq,
    },
    /// The directory is no log.
    #[error("{path} is not a snaplog log")]
    NotALog {
        /// The directory.
        path: String,
    },
    /// The directory is one already.
    #[error("{path} is a snaplog log already")]
    AlreadyALog {
        /// The directory.
        path: String,
    },
    /// A new log cannot be made there.
    #[error("{path} is not empty")]
    NotEmpty {
        /// The directory.
        path: String,
    },
    /// Another writer holds the lock.
    #[error("{path} is locked by another writer ({owner})")]
    Locked {
        /// The log.
        path: String,
        /// Who: process and host.
        owner: String,
    },
    /// The log uses features that this build may read but not write.
    #[error("{path} can only be read: it uses features that this program does not know (mask {mask:#x})")]
    ReadOnly {
        /// The log.
        path: String,
        /// The unknown bits.
        mask: u64,
    },
    /// An event that the graph refuses. Nothing of it was kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A batch of events of which one is refused. Nothing of the batch was kept.
    #[error("event {at} of the batch is refused; nothing of the batch was kept")]
    BatchRefused {
        /// Which event, from 0.
        at: usize,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// An earlier write failed; what was not acknowledged by then is not in the log.
    #[error("the writer stopped after an error; open the log again to go on")]
    Poisoned {
        /// The error that stopped it.
        #[source]
        cause: Arc<Error>,
    },
    /// snaplog.toml cannot be used.
    #[error("{path} cannot be used")]
    Config {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: ConfigError,
    },
    /// No marker, or no single one, fits what was asked for.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// There is no such event.
    #[error("event {asked} is not in the log, which ends at {last}")]
    NoSuchSeq {
        /// The event asked for.
        asked: Seq,
        /// The last one.
        last: Seq,
    },
    /// An event that is not an end of a net change any more: single events are kept for a while only.
    #[error(
        "event {asked} cannot be restored by itself any more: events before {kept_from} are folded into the changes \
         between markers"
    )]
    Folded {
        /// The event asked for.
        asked: Seq,
        /// The first event that is still kept by itself.
        kept_from: Seq,
    },
    /// A compaction would leave a marker without what it takes to restore it. It was given up, nothing is lost.
    #[error("{path}: a compaction that would have cost {marker} was given up")]
    Unreachable {
        /// The log.
        path: String,
        /// The marker.
        marker: MarkerId,
    },
    /// The disk is full.
    #[error("there is no room for {path}: it takes up to {needed} bytes")]
    NoRoom {
        /// The file that was being written.
        path: String,
        /// The most that it takes, in bytes.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A replay does not give what the marker says.
    #[error("the graph at {marker} is not what the marker says (expected {expected:?}, found {found:?})")]
    Mismatch {
        /// The marker.
        marker: MarkerId,
        /// The fingerprint in the marker.
        expected: Box<Fingerprint>,
        /// That of the replayed graph.
        found: Box<Fingerprint>,
    },
    /// A live writer did not answer a request in time.
    #[error("the writer of {path} ({owner}) did not answer within {seconds} s")]
    NoAnswer {
        /// The log.
        path: String,
        /// Who holds the lock.
        owner: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A live writer answered that it cannot do what was asked.
    #[error("the writer of the log refused: {message}")]
    Declined {
        /// Its words.
        message: String,
    },
    /// The list of markers and segments has outgrown what a manifest holds.
    #[error("the manifest would take {found} bytes, at most {max} are allowed")]
    ManifestFull {
        /// How many bytes.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// The session was closed.
    #[error("the writer was closed")]
    Closed,
    /// The key to an encrypted log.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A label or tier that cannot be used for a marker.
    #[error("{message}")]
    BadMarker {
        /// Why.
        message: String,
    },
}

fn at(offset: Option<&u64>) -> String {
    offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default()
}

/// The outcome of an operation on a log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A stable name for the kind of error, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Damage { fault, .. } => fault.kind(),
            Self::Missing { .. } => "missing",
            Self::NewerThanManifest { .. } => "newer-than-manifest",
            Self::NotALog { .. } => "not-a-log",
            Self::AlreadyALog { .. } => "already-a-log",
            Self::NotEmpty { .. } => "not-empty",
            Self::Locked { .. } => "locked",
            Self::ReadOnly { .. } => "read-only",
            Self::Refused(_) | Self::BatchRefused { .. } => "refused",
            Self::Poisoned { .. } => "poisoned",
            Self::Config { .. } => "config",
            Self::Selector(_) | Self::NoSuchSeq { .. } => "no-such-marker",
            Self::Folded { .. } => "folded",
            Self::Unreachable { .. } => "unreachable",
            Self::NoRoom { .. } => "no-room",
            Self::Mismatch { .. } => "mismatch",
            Self::NoAnswer { .. } => "no-answer",
            Self::Declined { .. } => "declined",
            Self::ManifestFull { .. } => "manifest-full",
            Self::Closed => "closed",
            Self::Key(error) => error.kind(),
            Self::BadMarker { .. } => "bad-marker",
        }
    }

    /// Whether stored bytes are not what was written.
    pub fn is_damage(&self) -> bool {
        match self {
            // What a newer version wrote is not damaged, nor what is sealed with a key that is not there.
            Self::Damage { fault, .. } => {
                !matches!(fault, Fault::Version { .. } | Fault::Features { .. } | Fault::NoKey { .. })
            }
            Self::Key(error) => matches!(error, KeyError::KeyFile { .. }),
            Self::Missing { .. } | Self::NewerThanManifest { .. } | Self::Mismatch { .. } => true,
            Self::Poisoned { cause } => cause.is_damage(),
            // Less than the log counts on, as where a remote copy lacks a part.
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::UnexpectedEof,
            _ => false,
        }
    }

    /// Whether a file of the log cannot be had: damaged, gone, or the file system does not give it.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.is_damage() || matches!(self, Self::Io { .. })
    }

    /// The file that the error is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Io { path, .. }
            | Self::Damage { path, .. }
            | Self::Missing { path, .. }
            | Self::NewerThanManifest { path, .. }
            | Self::NotALog { path }
            | Self::AlreadyALog { path }
            | Self::NotEmpty { path }
            | Self::Locked { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::Config { path, .. }
            | Self::Unreachable { path, .. }
            | Self::NoRoom { path, .. }
            | Self::NoAnswer { path, .. } => Some(path),
            Self::Poisoned { cause } => cause.path(),
            Self::Key(error) => error.path(),
            _ => None,
        }
    }

    /// Where in the file.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Damage { offset, .. } => *offset,
            Self::Poisoned { cause } => cause.offset(),
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Damage { fault: Fault::Version { .. } | Fault::Features { .. }, .. } | Self::ReadOnly { .. } => {
                "use a newer snaplog".to_owned()
            }
            Self::Damage { fault: Fault::NoKey { .. }, .. } => {
                "its keys were changed meanwhile, or keys.json is an older one: open the log again".to_owned()
            }
            Self::Key(error) => return error.hint().map(str::to_owned),
            Self::Damage { .. } | Self::Mismatch { .. } => {
                "`snaplog verify` lists every damaged place and the markers that are still good; \
                 `snaplog restore --to <one of those>` works"
                    .to_owned()
            }
            Self::Missing { .. } => {
                "put the file back from a copy of the log; `snaplog verify` lists the markers that are still good"
                    .to_owned()
            }
            Self::NewerThanManifest { .. } => {
                "CURRENT or the manifest was replaced by an older one: put the newer one back".to_owned()
            }
            Self::NotALog { path } => format!("`snaplog init {path}` makes one"),
            Self::NotEmpty { .. } => "choose a directory that is empty or does not exist yet".to_owned(),
            Self::Locked { .. } => {
                "wait until it ends; `mark`, `pin`, `list`, `restore` and `verify` work meanwhile".to_owned()
            }
            Self::Poisoned { cause } if cause.is_full_disk() => {
                "make room on that disk, then open the log again: everything acknowledged is in it".to_owned()
            }
            Self::Poisoned { .. } => "open the log again: everything acknowledged is in it".to_owned(),
            full if full.is_full_disk() => {
                "`snaplog compact --now` removes what is in the trash; if that says the same, make room on that disk: for it, as \
                 much as a new manifest takes (the size of the one in force and some KiB) is enough"
                    .to_owned()
            }
            Self::NoAnswer { .. } => "try again; the process may be stopped".to_owned(),
            Self::Config { source, .. } => return source.hint.clone(),
            Self::Selector(source) => return source.hint(),
            Self::ManifestFull { .. } => {
                "place fewer markers: raise the tiers' intervals in snaplog.toml".to_owned()
            }
            Self::NoSuchSeq { .. } => "`snaplog stats` shows the last event, `snaplog list --json` the seq of each marker".to_owned(),
            Self::Folded { .. } => {
                "restore a marker (`snaplog list`); `keep_events` in snaplog.toml says how long single events are kept"
                    .to_owned()
            }
            Self::Unreachable { .. } => {
                "nothing was changed; `snaplog verify` tells whether something is damaged".to_owned()
            }
            Self::NoRoom { .. } => {
                "the log is as it was; make room, or let `snaplog compact --now` remove what is in the trash".to_owned()
            }
            _ => return None,
        })
    }

    /// Whether there was no room on the disk for what was to be written.
    fn is_full_disk(&self) -> bool {
        let kinds = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
        matches!(self, Self::Io { source, .. } if kinds.contains(&source.kind()))
    }

    /// The same fault, told once more.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Missing { path, named_by } => Self::Missing { path: path.clone(), named_by },
            Self::Damage { path, offset, fault } => {
                Self::Damage { path: path.clone(), offset: *offset, fault: fault.clone() }
            }
            Self::Io { action, path, source } => {
                let source = io::Error::new(source.kind(), source.to_string());
                Self::Io { action, path: path.clone(), source }
            }
            other => Self::Damage {
                path: other.path().unwrap_or_default().to_owned(),
                offset: other.offset(),
                fault: Fault::Meaning { what: "the last segment cannot be read" },
            },
        }
    }

    pub(crate) fn io(action: &'static str, path: String) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path, source }
    }
}
