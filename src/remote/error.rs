//! What can go wrong between a log and its remote copy.

use std::io;

use thiserror::Error;

use crate::format::Fault;
use crate::log;
use crate::model::position::LogId;

/// A result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with a remote copy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The log itself, on its own disk or read from the remote copy.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The store refuses a request, or does not answer.
    #[error("cannot {action} {location}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The object, or the prefix.
        location: String,
        /// What it says.
        #[source]
        source: io::Error,
    },
    /// The address means nothing.
    #[error("{url} is no address of a remote copy: {reason}")]
    Address {
        /// As it was given.
        url: String,
        /// Why.
        reason: String,
    },
    /// Nothing was ever pushed there.
    #[error("there is no log at {location}")]
    NoLog {
        /// The prefix.
        location: String,
    },
    /// An object is not what it must be.
    #[error("{location} is damaged: {fault}")]
    Damage {
        /// The object.
        location: String,
        /// In what way.
        fault: Fault,
    },
    /// A part that a manifest names is not there, or has another size.
    #[error("{location} is missing or has another size; {file} needs it")]
    MissingPart {
        /// The part.
        location: String,
        /// The file of the log that it is a part of.
        file: String,
    },
    /// Another log is there.
    #[error("{location} holds another log: {found}, and this one is {expected}")]
    OtherLog {
        /// The prefix.
        location: String,
        /// This log.
        expected: LogId,
        /// That log.
        found: LogId,
    },
    /// What is there was not pushed by this directory, nor did this directory come from it.
    #[error("{location} has gone on without this directory: push {number} came from {owner}")]
    Diverged {
        /// The prefix.
        location: String,
        /// The newest push.
        number: u64,
        /// Who made it.
        owner: String,
    },
    /// Another push of the same directory was faster.
    #[error("another push of this directory to {location} was faster")]
    Overtaken {
        /// The prefix.
        location: String,
    },
    /// The directory holds what the remote copy lacks.
    #[error("{path} has gone on since it was last pushed or pulled")]
    Ahead {
        /// The directory.
        path: String,
    },
    /// The directory was not cloned from there, nor pushed there.
    #[error("{path} has nothing to do with {location} so far")]
    Unrelated {
        /// The directory.
        path: String,
        /// The prefix.
        location: String,
    },
}

impl Error {
    /// A stable name for the kind of error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Log(error) => error.kind(),
            Self::Store { .. } => "remote",
            Self::Address { .. } => "remote-address",
            Self::NoLog { .. } => "not-a-log",
            Self::Damage { fault, .. } => fault.kind(),
            Self::MissingPart { .. } => "missing",
            Self::OtherLog { .. } => "other-log",
            Self::Diverged { .. } => "diverged",
            Self::Overtaken { .. } => "overtaken",
            Self::Ahead { .. } => "ahead",
            Self::Unrelated { .. } => "unrelated",
        }
    }

    /// Whether it says that stored bytes are damaged or missing.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Log(error) => error.is_damage(),
            Self::Damage { .. } | Self::MissingPart { .. } => true,
            _ => false,
        }
    }

    /// The object, file or directory that it is about.
    pub fn location(&self) -> Option<&str> {
        match self {
            Self::Log(error) => error.path(),
            Self::Store { location, .. }
            | Self::NoLog { location }
            | Self::Damage { location, .. }
            | Self::MissingPart { location, .. }
            | Self::OtherLog { location, .. }
            | Self::Diverged { location, .. }
            | Self::Overtaken { location } => Some(location),
            Self::Address { url, .. } => Some(url),
            Self::Ahead { path } | Self::Unrelated { path, .. } => Some(path),
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Log(error) => return error.hint(),
            Self::Store { source, .. } => return store_hint(source).map(str::to_owned),
            Self::Address { .. } => {
                "write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///DIRECTORY".to_owned()
            }
            Self::NoLog { .. } => "`snaplog push` puts a log there; is the prefix spelled right?".to_owned(),
            Self::Damage { .. } | Self::MissingPart { .. } => {
                "`snaplog verify` of the remote copy lists what else is wrong; a whole log is pushed to a new prefix".to_owned()
            }
            Self::OtherLog { .. } => "push each log to a prefix of its own".to_owned(),
            Self::Diverged { location, .. } => format!(
                "two directories go on from one log: push this one to another prefix, as in `snaplog push {}-2`, \
                 or go on from what is there with `snaplog clone {location} NEW-DIR`",
                location.trim_end_matches('/')
            ),
            Self::Overtaken { .. } => "run it again, for what has come since".to_owned(),
            Self::Ahead { .. } => {
                "`snaplog push` it; or clone the remote copy into another directory".to_owned()
            }
            Self::Unrelated { location, .. } => format!("`snaplog clone {location} NEW-DIR` makes a directory that can be pulled into"),
        })
    }

    pub(crate) fn store(action: &'static str, location: String) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Store { action, location, source }
    }
}

fn store_hint(source: &io::Error) -> Option<&'static str> {
    if source.to_string().contains("RequestTimeTooSkewed") {
        return Some("this machine's clock is off by more than the store allows: set it, by NTP for one");
    }
    match source.kind() {
        io::ErrorKind::PermissionDenied => Some(
            "the store does not take the credentials, or they may not do this: a push needs to list, get and create; they \
             come from the environment, such as AWS_ACCESS_KEY_ID",
        ),
        io::ErrorKind::NotFound => Some("does the bucket exist, and is the endpoint the right one?"),
        io::ErrorKind::TimedOut
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => Some(
            "is the endpoint right, and the network there? Nothing is lost: run it again, and it goes on where it stopped",
        ),
        _ => None,
    }
}
