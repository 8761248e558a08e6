//! Remote copies: logs that are read from an object store, and sessions that one follows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use snaplog::policy::config::Config;
use snaplog::policy::remote::Address;
use snaplog::remote::{self, Bucket, Following, ObjectBucket, Paced, RemoteLog, Standing};
use snaplog::storage::Storage;

use crate::keys::{local_storage, open_copy, open_local};
use snaplog::{Error, Log, Result, SystemEnvironment};

/// How long the end of a session waits for its last push.
const LAST_PUSH: Duration = Duration::from_secs(10);

/// Opens a log to read it: a directory, or the address of a remote copy.
pub(crate) fn open_log(path: &Path) -> Result<Log> {
    match open_remote(path)? {
        Some(remote) => remote.log(Arc::new(SystemEnvironment)).map_err(as_of_log),
        None => open_local(path),
    }
}

/// What a log is read through.
pub(crate) fn open_storage(path: &Path) -> Result<Arc<dyn Storage>> {
    Ok(match open_remote(path)? {
        Some(remote) => remote.storage(),
        None => local_storage(path)?,
    })
}

fn open_remote(path: &Path) -> Result<Option<RemoteLog>> {
    let Some(url) = path.to_str().filter(|text| Address::is_meant(text)) else { return Ok(None) };
    let bucket = ObjectBucket::open(url).map_err(as_of_log)?;
    open_copy(Arc::new(bucket)).map(Some).map_err(as_of_log)
}

/// The error of a log that says the same.
fn as_of_log(error: remote::Error) -> Error {
    match error {
        remote::Error::Log(error) => error,
        remote::Error::NoLog { location } => Error::NotALog { path: location },
        remote::Error::Damage { location, fault } => Error::Damage { path: location, offset: None, fault },
        remote::Error::MissingPart { location, .. } => {
            Error::Missing { path: location, named_by: "the remote copy" }
        }
        remote::Error::Store { action, location, source } => Error::Io { action, path: location, source },
        other => Error::BadMarker { message: other.to_string() },
    }
}

/// Lets remote copies follow a session, if its configuration wants that. With why some cannot.
pub(crate) fn follow(log: &Log, config: &Config) -> (Option<Following>, Vec<String>) {
    let Some(every) = config.remote.follow else { return (None, Vec::new()) };
    let mut buckets: Vec<Arc<dyn Bucket>> = Vec::new();
    let mut refused = Vec::new();
    for url in &config.remote.urls {
        match ObjectBucket::open(url) {
            Ok(bucket) => {
                let bucket: Arc<dyn Bucket> = Arc::new(bucket);
                buckets.push(match config.remote.limit {
                    Some(limit) => Arc::new(Paced::new(bucket, limit)),
                    None => bucket,
                });
            }
            Err(error) => refused.push(error.to_string()),
        }
    }
    ((!buckets.is_empty()).then(|| Following::start(log, buckets, every)), refused)
}

/// The last push of a session that was closed. Which copies are behind, in words.
pub(crate) fn finish(following: Following) -> Vec<String> {
    let behind = |Standing { remote, error, .. }: Standing| {
        let error = error?;
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Some(format!("{remote} is behind: {error}{cause}"))
    };
    following.finish(LAST_PUSH).into_iter().filter_map(behind).collect()
}

/// Warns of what keeps remote copies from being up to date.
pub(crate) fn warn(py: Python<'_>, messages: &[String]) -> PyResult<()> {
    for message in messages {
        let text = std::ffi::CString::new(message.replace('\0', " ")).unwrap_or_default();
        PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)?;
    }
    Ok(())
}
