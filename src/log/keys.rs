//! Encrypted logs: making one, unlocking one, and who can.

use std::str::FromStr;
use std::sync::Arc;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use zeroize::Zeroizing;

use super::environment::{Environment, SystemEnvironment};
use super::error::{Error, Result};
use super::key_error::KeyError;
use super::key_file::{KeyFile, Recipient, as_identity};
use super::store::MAX_KEY_FILE_BYTES;
use super::{Log, store};
use crate::format::names;
use crate::format::seal::{DataKey, Keyring};
use crate::model::marker::GraphKind;
use crate::model::position::LogId;
use crate::policy::config::Config;
use crate::storage::{Keys, LocalStorage, LockAttempt, Storage, Unlocked, read_all, write_new};

/// What opens an encrypted log: identities as `age-keygen` makes them, and passphrases. What is in it is zeroised when it
/// is dropped.
#[derive(Default)]
pub struct Identities {
    identities: Vec<x25519::Identity>,
    passphrases: Vec<SecretString>,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (identities, passphrases) = (self.identities.len(), self.passphrases.len());
        write!(f, "Identities({identities} and {passphrases} passphrases)")
    }
}

impl Identities {
    /// Reads an identity file: lines that begin with `#` and empty ones are passed over, each other one is an identity.
    /// `from`: where it comes from, for messages.
    ///
    /// # Errors
    /// [`KeyError::BadIdentity`], [`KeyError::NoIdentity`].
    pub fn parse(text: &str, from: &str) -> Result<Self, KeyError> {
        let mut identities = Vec::new();
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |_| KeyError::BadIdentity { from: from.to_owned(), line: at.saturating_add(1) };
            identities.push(x25519::Identity::from_str(line).map_err(bad)?);
        }
        if identities.is_empty() {
            return Err(KeyError::NoIdentity { from: from.to_owned() });
        }
        Ok(Self { identities, passphrases: Vec::new() })
    }

    /// A passphrase.
    pub fn passphrase(passphrase: Zeroizing<String>) -> Self {
        Self { identities: Vec::new(), passphrases: vec![SecretString::from(passphrase.to_string())] }
    }

    /// The keys of a log, by its key file. `environment`: whose dice are thrown for salts.
    ///
    /// # Errors
    /// [`KeyError::Wrong`], [`KeyError::KeyFile`].
    pub fn keys(
        &self,
        log_id: LogId,
        file: &[u8],
        path: &str,
        environment: &Arc<dyn Environment>,
    ) -> Result<Keys, KeyError> {
        let environment = Arc::clone(environment);
        Ok(Keys::new(self.unlock(log_id, file, path)?, move || environment.random()))
    }

    fn unlock(&self, log_id: LogId, file: &[u8], path: &str) -> Result<Keyring, KeyError> {
        let file = KeyFile::decode(file)?;
        let mut own = Vec::new();
        for passphrase in &self.passphrases {
            own.extend(file.identities(passphrase)?);
        }
        let all = self.identities.iter().chain(&own).map(as_identity);
        file.open(log_id, all)?.ok_or_else(|| KeyError::Wrong { path: path.to_owned() })
    }
}

/// For whom an encrypted log is made.
#[derive(Debug, Default)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// And for whoever has the identity of this recipient: `age1…`.
    ///
    /// # Errors
    /// [`KeyError::BadRecipient`], [`KeyError::AlreadyRecipient`].
    pub fn add(&mut self, recipient: &str) -> Result<(), KeyError> {
        self.push(Recipient::public(recipient)?)
    }

    /// And for whoever knows this passphrase. Takes about a second.
    ///
    /// # Errors
    /// If the system cannot make a key.
    pub fn add_passphrase(&mut self, passphrase: Zeroizing<String>) -> Result<(), KeyError> {
        self.push(Recipient::with_passphrase(&SecretString::from(passphrase.to_string()))?)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, recipient: Recipient) -> Result<(), KeyError> {
        if self.0.iter().any(|one| one.recipient == recipient.recipient) {
            return Err(KeyError::AlreadyRecipient { recipient: recipient.recipient });
        }
        self.0.push(recipient);
        Ok(())
    }
}

/// Somebody who can open a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// As age writes it: `age1…`.
    pub recipient: String,
    /// Whether a passphrase stands for it: then its identity is kept in the log itself.
    pub passphrase: bool,
}

/// A new identity: the text of an identity file, and its recipient.
pub fn new_identity() -> (Zeroizing<String>, String) {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    let text = format!("# recipient: {recipient}\n{}\n", secret.expose_secret());
    (Zeroizing::new(text), recipient)
}

impl Log {
    /// Makes an encrypted log in an empty or new directory. Whoever has lost all identities of its recipients has lost the log.
    ///
    /// # Errors
    /// As [`Log::init`]; [`KeyError::NoRecipient`].
    pub fn init_encrypted(
        dir: impl AsRef<std::path::Path>,
        kind: GraphKind,
        recipients: Recipients,
    ) -> Result<Self> {
        let storage = Arc::new(LocalStorage::new(dir.as_ref()));
        Self::init_encrypted_in(storage, Arc::new(SystemEnvironment), kind, Config::template(), recipients)
    }

    /// As [`init_encrypted`](Self::init_encrypted), in any storage.
    ///
    /// # Errors
    /// As [`init_encrypted`](Self::init_encrypted).
    pub fn init_encrypted_in(
        storage: Arc<dyn Storage>,
        environment: Arc<dyn Environment>,
        kind: GraphKind,
        config: &str,
        Recipients(recipients): Recipients,
    ) -> Result<Self> {
        if recipients.is_empty() {
            return Err(KeyError::NoRecipient.into());
        }
        let dice = Arc::clone(&environment);
        Self::init_with(storage, environment, kind, config, &|storage, id| {
            create_keys(storage, &dice, id, recipients.clone())
        })
    }

    /// Opens what is sealed in an encrypted log: from here on it is read and written like any other.
    ///
    /// # Errors
    /// [`KeyError::Wrong`]; [`KeyError::NotEncrypted`] if it is not; a key file that is damaged or missing.
    pub fn unlock(self, identities: &Identities) -> Result<Self> {
        let path = self.storage.location("");
        if !self.encrypted {
            return Err(KeyError::NotEncrypted { path }.into());
        }
        let file = read_key_file(self.storage.as_ref())?;
        let keys = identities.unlock(self.id, &file, &path).map_err(|e| at(self.storage.as_ref(), e))?;
        let storage = unlocked(self.storage, &self.environment, keys);
        // That the keys are those of this log, and the manifest is its own.
        store::load(storage.as_ref())?;
        Ok(Self { storage, ..self })
    }

    /// An empty directory with a key file for this log, which its files will be written into.
    ///
    /// # Errors
    /// [`KeyError::NoRecipient`]; what keeps the file from being written.
    pub(crate) fn sealed_beside(
        &self,
        dest: Arc<dyn Storage>,
        recipients: &Recipients,
    ) -> Result<Arc<dyn Storage>> {
        create_keys(dest, &self.environment, self.id, recipients.0.clone())
    }

    /// Who can open the log. No key is needed to see it.
    ///
    /// # Errors
    /// [`KeyError::NotEncrypted`]; a key file that is damaged or missing.
    pub fn holders(&self) -> Result<Vec<Holder>> {
        let holder =
            |one: Recipient| Holder { recipient: one.recipient, passphrase: !one.passphrase.is_empty() };
        Ok(self.key_file()?.recipients.into_iter().map(holder).collect())
    }

    /// Lets more recipients open the log. Nothing but the key file is written.
    ///
    /// # Errors
    /// [`KeyError::AlreadyRecipient`]; [`KeyError::Shut`]; [`Error::Locked`].
    pub fn add_recipients(&self, more: Recipients) -> Result<()> {
        let _lock = self.lock_for_keys()?;
        let (keys, file) = self.unlocked()?;
        let mut recipients = Recipients(file.recipients);
        for one in more.0 {
            recipients.push(one)?;
        }
        write_key_file(self.storage.as_ref(), keys.ring(), keys.begin().salt, recipients.0)
    }

    /// Takes a recipient off the list, and makes a new key, which it does not get: what it has read, and what was
    /// written so far and it can still get hold of, it goes on to read. Returns the log with the new key.
    ///
    /// # Errors
    /// [`KeyError::NoSuchRecipient`], [`KeyError::LastRecipient`]; as [`rotate`](Self::rotate).
    pub fn remove_recipient(self, recipient: &str) -> Result<Self> {
        self.change_key(|recipients| {
            let recipient = recipient.to_owned();
            let Some(at) = recipients.iter().position(|one| one.recipient == recipient) else {
                return Err(KeyError::NoSuchRecipient { recipient });
            };
            if recipients.len() == 1 {
                return Err(KeyError::LastRecipient { recipient });
            }
            recipients.remove(at);
            Ok(())
        })
    }

    /// Makes a new key: what is written from now on is sealed with it. Returns the log with it.
    ///
    /// # Errors
    /// [`KeyError::Shut`], [`KeyError::NoEntropy`], [`Error::Locked`]; what keeps the files from being written.
    pub fn rotate(self) -> Result<Self> {
        self.change_key(|_| Ok(()))
    }

    fn change_key(self, change: impl FnOnce(&mut Vec<Recipient>) -> Result<(), KeyError>) -> Result<Self> {
        let lock = self.lock_for_keys()?;
        let (keys, file) = self.unlocked()?;
        let mut recipients = file.recipients;
        change(&mut recipients)?;
        let number = keys.ring().newest().checked_add(1).ok_or(KeyError::NoEntropy)?;
        let mut all: Vec<DataKey> = keys.ring().keys().cloned().collect();
        all.push(new_key(number)?);
        let ring = Keyring::new(self.id, all).ok_or(KeyError::NoEntropy)?;
        write_key_file(self.storage.as_ref(), &ring, keys.begin().salt, recipients)?;
        let storage = unlocked(Arc::clone(&self.storage), &self.environment, ring);
        // From here on a key file of before is refused: it lacks the key that the manifest is sealed with.
        let in_force = store::load(storage.as_ref())?;
        let generation = in_force.manifest.generation;
        store::swap(storage.as_ref(), in_force.log_id, Some(generation), in_force.manifest)?;
        drop(lock);
        Ok(Self { storage, ..self })
    }

    /// The keys, and the file that they are wrapped in.
    fn unlocked(&self) -> Result<(&Keys, KeyFile)> {
        let keys = self.storage.keys().ok_or_else(|| KeyError::Shut { path: self.storage.location("") })?;
        Ok((keys, self.key_file()?))
    }

    fn key_file(&self) -> Result<KeyFile> {
        if !self.encrypted {
            return Err(KeyError::NotEncrypted { path: self.storage.location("") }.into());
        }
        let bytes = read_key_file(self.storage.as_ref())?;
        Ok(KeyFile::decode(&bytes).map_err(|e| at(self.storage.as_ref(), e))?)
    }

    fn lock_for_keys(&self) -> Result<Box<dyn crate::storage::LockGuard>> {
        let path = self.storage.location("");
        match self.storage.lock(&self.environment.owner()).map_err(Error::io("lock", path.clone()))? {
            LockAttempt::Held(guard) => Ok(guard),
            LockAttempt::Busy { owner } => Err(Error::Locked { path, owner }),
        }
    }
}

/// A directory of an encrypted log, whatever state that is in, with its keys.
///
/// # Errors
/// As [`Log::unlock`].
pub fn unlock_storage(
    storage: Arc<dyn Storage>,
    environment: &Arc<dyn Environment>,
    identities: &Identities,
) -> Result<Arc<dyn Storage>> {
    let bytes = read_key_file(storage.as_ref())?;
    let id = KeyFile::decode(&bytes).and_then(|file| file.log_id());
    let id = id.map_err(|e| at(storage.as_ref(), e))?;
    let keys = identities.unlock(id, &bytes, &storage.location(""));
    let keys = keys.map_err(|e| at(storage.as_ref(), e))?;
    Ok(unlocked(storage, environment, keys))
}

/// Those who can open the log in `storage`.
pub(super) fn recipients_of(storage: &dyn Storage) -> Result<Recipients> {
    let file = KeyFile::decode(&read_key_file(storage)?).map_err(|e| at(storage, e))?;
    Ok(Recipients(file.recipients))
}

/// Makes the first key of a log, and the file that it is wrapped in. On return it is durable.
fn create_keys(
    storage: Arc<dyn Storage>,
    environment: &Arc<dyn Environment>,
    id: LogId,
    recipients: Vec<Recipient>,
) -> Result<Arc<dyn Storage>> {
    let ring = Keyring::new(id, vec![new_key(1)?]).ok_or(KeyError::NoEntropy)?;
    let storage = unlocked(storage, environment, ring);
    let Some(keys) = storage.keys() else { return Err(KeyError::NoEntropy.into()) };
    write_key_file(storage.as_ref(), keys.ring(), keys.begin().salt, recipients)?;
    Ok(storage)
}

fn new_key(number: u32) -> Result<DataKey, KeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|_why| KeyError::NoEntropy)?;
    Ok(DataKey::new(number, secret))
}

/// A storage with the keys to the log in it.
fn unlocked(
    storage: Arc<dyn Storage>,
    environment: &Arc<dyn Environment>,
    ring: Keyring,
) -> Arc<dyn Storage> {
    let environment = Arc::clone(environment);
    Arc::new(Unlocked::new(storage, Keys::new(ring, move || environment.random())))
}

fn write_key_file(
    storage: &dyn Storage,
    ring: &Keyring,
    salt: [u8; 32],
    recipients: Vec<Recipient>,
) -> Result<()> {
    let bytes = KeyFile::new(ring, recipients, salt)?.encode()?;
    write_new(storage, names::KEYS, &bytes).map_err(Error::io("write", storage.location(names::KEYS)))
}

fn read_key_file(storage: &dyn Storage) -> Result<Vec<u8>> {
    let path = storage.location(names::KEYS);
    read_all(storage, names::KEYS, MAX_KEY_FILE_BYTES).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { path, named_by: "an encrypted log" },
        _ => Error::Io { action: "read", path, source },
    })
}

/// A key file's trouble, with the place where it is.
fn at(storage: &dyn Storage, error: KeyError) -> KeyError {
    match error {
        KeyError::KeyFile { what, .. } => KeyError::KeyFile { path: storage.location(names::KEYS), what },
        other => other,
    }
}
