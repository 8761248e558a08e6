//! Encrypted logs: what opens them comes from the environment, as for the command line.

use std::path::Path;
use std::sync::Arc;

use snaplog::log::{Identities, KeyError, Recipients, unlock_storage};
use snaplog::remote::{self, Bucket, RemoteLog};
use snaplog::storage::{Keys, LocalStorage, Storage};
use snaplog::{Environment, Error, GraphKind, Log, LogId, Result, SystemEnvironment};

/// Opens a log in a directory.
pub(crate) fn open_local(path: &Path) -> Result<Log> {
    let log = Log::open(path)?;
    match Identities::given(None)? {
        Some(identities) => log.unlock(&identities),
        None => Ok(log),
    }
}

/// A directory with a log in it, whatever state that is in.
pub(crate) fn local_storage(path: &Path) -> Result<Arc<dyn Storage>> {
    let storage: Arc<dyn Storage> = Arc::new(LocalStorage::new(path));
    let Some(identities) = Identities::given(None)? else { return Ok(storage) };
    if storage.open(snaplog::format::names::KEYS).is_err() {
        return Err(KeyError::NotEncrypted { path: storage.location("") }.into());
    }
    let environment: Arc<dyn Environment> = Arc::new(SystemEnvironment);
    unlock_storage(storage, &environment, &identities)
}

/// Opens a remote copy.
pub(crate) fn open_copy(bucket: Arc<dyn Bucket>) -> remote::Result<RemoteLog> {
    let Some(identities) = Identities::given(None).map_err(Error::Key)? else {
        return RemoteLog::open(bucket);
    };
    let address = bucket.location("");
    let environment: Arc<dyn Environment> = Arc::new(SystemEnvironment);
    let unlock = |id: LogId, file: Option<&[u8]>| -> remote::Result<Option<Keys>> {
        let file = file.ok_or_else(|| Error::Key(KeyError::NotEncrypted { path: address.clone() }))?;
        Ok(Some(identities.keys(id, file, &address, &environment).map_err(Error::Key)?))
    };
    RemoteLog::open_with(bucket, &unlock)
}

/// Makes a log; encrypted, if somebody is named for whom.
pub(crate) fn init(
    storage: Arc<dyn Storage>,
    kind: GraphKind,
    config: &str,
    public: &[String],
) -> Result<Log> {
    let environment = Arc::new(SystemEnvironment);
    if public.is_empty() {
        // A crawler whose encrypted log was taken away does not begin one in the clear.
        if Identities::given(None)?.is_some() {
            return Err(KeyError::WouldBePlain { path: storage.location("") }.into());
        }
        return Log::init_in(storage, environment, kind, config);
    }
    let mut recipients = Recipients::new();
    for one in public {
        recipients.add(one)?;
    }
    Log::init_encrypted_in(storage, environment, kind, config, recipients)
}
