//! A storage with the keys to what is in it.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use super::{DirEntry, LockAttempt, ReadFile, Storage, WriteFile};
use crate::format::seal::{Keyring, SealHead, Sealing};

/// Where sixteen random bytes come from.
type Dice = dyn Fn() -> [u8; 16] + Send + Sync;

/// The keys of an encrypted log, and the dice that salts are thrown with.
#[derive(Clone)]
pub struct Keys {
    ring: Keyring,
    dice: Arc<Dice>,
}

impl Keys {
    /// `dice` gives sixteen random bytes, never the same twice.
    pub fn new(ring: Keyring, dice: impl Fn() -> [u8; 16] + Send + Sync + 'static) -> Self {
        Self { ring, dice: Arc::new(dice) }
    }

    /// The keys.
    pub fn ring(&self) -> &Keyring {
        &self.ring
    }

    /// How a new file is sealed.
    pub fn begin(&self) -> SealHead {
        let mut salt = [0; 32];
        let thrown = (self.dice)().into_iter().chain((self.dice)());
        salt.iter_mut().zip(thrown).for_each(|(to, byte)| *to = byte);
        self.ring.begin(salt)
    }

    /// With what a new document is sealed.
    pub fn sealing(&self) -> Sealing<'_> {
        Sealing { keys: &self.ring, head: self.begin() }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.ring).finish()
    }
}

/// A storage, and the keys to the encrypted log in it: whoever reads and writes through it has them at hand. The bytes
/// pass through as they are.
#[derive(Debug)]
pub struct Unlocked<S> {
    storage: S,
    keys: Keys,
}

impl<S> Unlocked<S> {
    /// `storage` with `keys`.
    pub fn new(storage: S, keys: Keys) -> Self {
        Self { storage, keys }
    }
}

impl<'s, S> Storage for Unlocked<S>
where
    S: Deref<Target = dyn Storage + 's> + Send + Sync + fmt::Debug,
{
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        self.storage.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        self.storage.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.storage.list(dir)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.storage.create_dir(name)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.storage.sync_dir(dir)
    }

    fn lock(&self, owner: &str) -> io::Result<LockAttempt> {
        self.storage.lock(owner)
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        self.storage.lock_owner()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.storage.is_locked()
    }

    fn location(&self, name: &str) -> String {
        self.storage.location(name)
    }

    fn keys(&self) -> Option<&Keys> {
        Some(&self.keys)
    }
}
