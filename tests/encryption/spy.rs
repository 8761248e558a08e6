//! A storage that keeps every byte that was ever handed to it, whatever became of the file.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};

use snaplog::storage::{DirEntry, LockAttempt, ReadFile, SimStorage, Storage, WriteFile};

/// A file as it was written, by the name that it had then.
pub(crate) type Written = (String, Vec<u8>);

#[derive(Debug, Clone)]
pub(crate) struct Spy {
    pub(crate) disk: SimStorage,
    written: Arc<Mutex<Vec<Written>>>,
}

impl Spy {
    pub(crate) fn new() -> Self {
        Self { disk: SimStorage::new(), written: Arc::default() }
    }

    /// Another directory, of which every byte is kept too, together with those of this one.
    pub(crate) fn beside(&self) -> Self {
        Self { disk: SimStorage::new(), written: Arc::clone(&self.written) }
    }

    /// Everything so far: each file that was ever created is there once.
    pub(crate) fn written(&self) -> Vec<Written> {
        self.written.lock().unwrap().clone()
    }
}

impl Storage for Spy {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        self.disk.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let file = self.disk.create(name)?;
        let mut written = self.written.lock().unwrap();
        written.push((name.to_owned(), Vec::new()));
        Ok(Box::new(Noted { written: Arc::clone(&self.written), at: written.len() - 1, file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.disk.create_dir(name)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, owner: &str) -> io::Result<LockAttempt> {
        self.disk.lock(owner)
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        self.disk.lock_owner()
    }

    fn location(&self, name: &str) -> String {
        self.disk.location(name)
    }
}

#[derive(Debug)]
struct Noted {
    written: Arc<Mutex<Vec<Written>>>,
    at: usize,
    file: Box<dyn WriteFile>,
}

impl WriteFile for Noted {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.lock().unwrap().get_mut(self.at).unwrap().1.extend_from_slice(bytes);
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}
