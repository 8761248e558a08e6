//! What opens an encrypted log: from where the user keeps it, to the log.

use std::path::Path;
use std::sync::Arc;

use snaplog::Log;
use snaplog::storage::{LocalStorage, Storage};

use super::Context;
use super::failure::Failure;

/// A storage that is opened where it can be.
#[cfg(feature = "encryption")]
mod given {
    use std::io::IsTerminal;

    use snaplog::format::names;
    use snaplog::log::{Identities, KeyError, Recipients, passphrase_of, unlock_storage};
    use snaplog::remote::{self, Bucket, FetchReport, RemoteLog};
    use snaplog::storage::Keys;
    use snaplog::{Environment, Error, LogId, SystemEnvironment};
    use zeroize::Zeroizing;

    use super::super::failure::{Exit, Report};
    use super::{Arc, Context, Failure, LocalStorage, Log, Path, Storage};

    /// For a new passphrase, where an old one opens the log.
    const NEW_PASSPHRASE_COMMAND: &str = "SNAPLOG_NEW_PASSPHRASE_COMMAND";
    /// The passphrase.
    const PASSPHRASE_COMMAND: &str = "SNAPLOG_PASSPHRASE_COMMAND";

    fn failure(error: KeyError) -> Failure {
        Error::Key(error).into()
    }

    fn environment() -> Arc<dyn Environment> {
        Arc::new(SystemEnvironment)
    }

    fn given(context: &Context) -> Result<Option<Identities>, Failure> {
        Identities::given(context.identity.as_deref()).map_err(failure)
    }

    fn prompt(text: &str) -> Result<Zeroizing<String>, Failure> {
        let read = rpassword::prompt_password(text).map(Zeroizing::new);
        read.map_err(|e| Failure::io("read a passphrase from", "the terminal", &e))
    }

    /// What was given; else a passphrase, if one opens the log and somebody is there to ask for it.
    fn given_or_asked(log: Option<&Log>, context: &Context) -> Result<Option<Identities>, Failure> {
        if let Some(identities) = given(context)? {
            return Ok(Some(identities));
        }
        let attended = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let Some(log) = log.filter(|log| log.is_shut() && attended) else { return Ok(None) };
        if !log.holders()?.iter().any(|one| one.passphrase) {
            return Ok(None);
        }
        let passphrase = prompt(&format!("passphrase for {}: ", log.location()))?;
        Ok(Some(Identities::passphrase(passphrase)))
    }

    /// Unlocks a log, if it is encrypted and there is something to unlock it with.
    pub(in super::super) fn unlocked(log: Log, context: &Context) -> Result<Log, Failure> {
        if log.is_encrypted() && !log.is_shut() {
            return Ok(log);
        }
        match given_or_asked(Some(&log), context)? {
            Some(identities) => Ok(log.unlock(&identities)?),
            None => Ok(log),
        }
    }

    /// A directory with a log in it, whatever state that is in. `ask`: for a passphrase, too.
    pub(in super::super) fn storage(
        dir: &Path,
        context: &Context,
        ask: bool,
    ) -> Result<Arc<dyn Storage>, Failure> {
        let storage: Arc<dyn Storage> = Arc::new(LocalStorage::new(dir));
        let log = Log::open(dir).ok().filter(|_| ask);
        let Some(identities) = given_or_asked(log.as_ref(), context)? else { return Ok(storage) };
        if storage.open(names::KEYS).is_err() {
            return Err(failure(KeyError::NotEncrypted { path: storage.location("") }));
        }
        Ok(unlock_storage(storage, &environment(), &identities)?)
    }

    fn with_keys<T>(
        address: &str,
        context: &Context,
        act: impl FnOnce(remote::Unlock<'_>) -> remote::Result<T>,
    ) -> Result<T, Failure> {
        let Some(identities) = given(context)? else { return Ok(act(&|_, _| Ok(None))?) };
        let unlock = |id: LogId, file: Option<&[u8]>| -> remote::Result<Option<Keys>> {
            let path = address.to_owned();
            let file = file.ok_or(Error::Key(KeyError::NotEncrypted { path }))?;
            Ok(Some(identities.keys(id, file, address, &environment()).map_err(Error::Key)?))
        };
        Ok(act(&unlock)?)
    }

    /// That a log which is not encrypted may be made here: not by somebody who means to write to one that is.
    pub(in super::super) fn may_be_plain(dir: &Path, context: &Context) -> Result<(), Failure> {
        match given(context)? {
            Some(_) => Err(failure(KeyError::WouldBePlain { path: dir.display().to_string() })),
            None => Ok(()),
        }
    }

    /// Opens a remote copy.
    pub(in super::super) fn remote(bucket: Arc<dyn Bucket>, context: &Context) -> Result<RemoteLog, Failure> {
        let address = bucket.location("");
        with_keys(&address, context, |unlock| RemoteLog::open_with(bucket, unlock))
    }

    /// Makes a log of a remote copy.
    pub(in super::super) fn clone(
        bucket: &dyn Bucket,
        dest: &dyn Storage,
        context: &Context,
    ) -> Result<FetchReport, Failure> {
        with_keys(&bucket.location(""), context, |unlock| {
            remote::clone_with(bucket, dest, &SystemEnvironment, unlock)
        })
    }

    /// Brings a directory up to what was pushed.
    pub(in super::super) fn pull(
        log: &Log,
        bucket: &dyn Bucket,
        context: &Context,
    ) -> Result<FetchReport, Failure> {
        if log.is_encrypted() {
            return with_keys(&bucket.location(""), context, |unlock| remote::pull_with(log, bucket, unlock));
        }
        Ok(remote::pull(log, bucket)?)
    }

    /// A passphrase that is to open a log from now on: from a command, or typed twice.
    pub(in super::super) fn new_passphrase() -> Result<Zeroizing<String>, Failure> {
        for name in [NEW_PASSPHRASE_COMMAND, PASSPHRASE_COMMAND] {
            if let Some(passphrase) = passphrase_of(name).map_err(failure)? {
                return Ok(passphrase);
            }
        }
        if !std::io::stdin().is_terminal() {
            let report = Report::new(Exit::Usage, "usage", "there is no terminal to ask for a passphrase on");
            return Err(report
                .hint(format!("let {NEW_PASSPHRASE_COMMAND} name a command that prints it"))
                .into());
        }
        let (first, second) = (prompt("new passphrase: ")?, prompt("the same again: ")?);
        if first != second {
            return Err(Failure::usage("the two passphrases differ"));
        }
        if first.is_empty() {
            return Err(Failure::usage("an empty passphrase protects nothing"));
        }
        Ok(first)
    }

    /// Those for whom a log is to be made.
    pub(in super::super) fn recipients(public: &[String], passphrase: bool) -> Result<Recipients, Failure> {
        let mut recipients = Recipients::new();
        for one in public {
            recipients.add(one).map_err(failure)?;
        }
        if passphrase {
            recipients.add_passphrase(new_passphrase()?).map_err(failure)?;
        }
        Ok(recipients)
    }
}

/// This build opens nothing.
#[cfg(not(feature = "encryption"))]
#[expect(clippy::unnecessary_wraps, reason = "as where there is something to open")]
mod given {
    use snaplog::SystemEnvironment;
    use snaplog::remote::{self, Bucket, FetchReport, RemoteLog};

    use super::{Arc, Context, Failure, LocalStorage, Log, Path, Storage};

    pub(in super::super) fn unlocked(log: Log, _: &Context) -> Result<Log, Failure> {
        Ok(log)
    }

    pub(in super::super) fn storage(dir: &Path, _: &Context, _: bool) -> Result<Arc<dyn Storage>, Failure> {
        Ok(Arc::new(LocalStorage::new(dir)))
    }

    pub(in super::super) fn remote(bucket: Arc<dyn Bucket>, _: &Context) -> Result<RemoteLog, Failure> {
        Ok(RemoteLog::open(bucket)?)
    }

    pub(in super::super) fn clone(
        bucket: &dyn Bucket,
        dest: &dyn Storage,
        _: &Context,
    ) -> Result<FetchReport, Failure> {
        Ok(remote::clone(bucket, dest, &SystemEnvironment)?)
    }

    pub(in super::super) fn pull(
        log: &Log,
        bucket: &dyn Bucket,
        _: &Context,
    ) -> Result<FetchReport, Failure> {
        Ok(remote::pull(log, bucket)?)
    }
}

pub(super) use given::*;
