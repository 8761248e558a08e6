//! A storage that keeps, for each call that changes or syncs something, the moment in which a crash in it would strike.

use std::io;
use std::sync::{Arc, Mutex};

use snaplog::storage::{DirEntry, LockAttempt, ReadFile, SimStorage, Storage, WriteFile};

use crate::ledger::Ledger;

/// A moment: the disk in the middle of a call, and what had been promised by then.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) disk: SimStorage,
    pub(crate) ledger: Ledger,
    pub(crate) call: String,
}

/// Which of the calls are kept, by number from 0.
pub(crate) type Wanted = Arc<dyn Fn(u64) -> bool + Send + Sync>;

#[derive(Default)]
struct Recording {
    wanted: Option<Wanted>,
    calls: u64,
    moments: Vec<Moment>,
}

/// A simulated disk, the ledger of what is promised of it, and the moments so far.
#[derive(Clone)]
pub(crate) struct Tape {
    pub(crate) disk: SimStorage,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    recording: Arc<Mutex<Recording>>,
}

impl Tape {
    /// Keeps nothing until it is told to.
    pub(crate) fn new(disk: SimStorage, ledger: Ledger) -> Self {
        Self { disk, ledger: Arc::new(Mutex::new(ledger)), recording: Arc::default() }
    }

    pub(crate) fn record(&self, wanted: Wanted) {
        self.recording.lock().unwrap().wanted = Some(wanted);
    }

    /// The same tape on another disk: that of the process after a kill.
    pub(crate) fn go_on(&mut self, disk: SimStorage) {
        self.disk = disk;
    }

    pub(crate) fn take(&self) -> Vec<Moment> {
        std::mem::take(&mut self.recording.lock().unwrap().moments)
    }

    /// A change that nothing has synced yet may be there after a crash in its call, or not; a sync has done nothing.
    fn call<T>(
        &self,
        is_sync: bool,
        name: impl FnOnce() -> String,
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if is_sync {
            self.keep(name);
            act()
        } else {
            let outcome = act();
            self.keep(name);
            outcome
        }
    }

    fn keep(&self, name: impl FnOnce() -> String) {
        let mut recording = self.recording.lock().unwrap();
        let number = recording.calls;
        recording.calls += 1;
        if recording.wanted.as_ref().is_some_and(|wanted| wanted(number)) {
            let ledger = self.ledger.lock().unwrap().clone();
            let call = format!("call {number}, {}", name());
            recording.moments.push(Moment { disk: self.disk.fork(), ledger, call });
        }
    }

    /// The moment after the last call.
    pub(crate) fn keep_the_end(&self) {
        self.keep(|| "after the last".to_owned());
    }
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.disk.fmt(f)
    }
}

impl Storage for Tape {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        self.disk.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let file = self.call(false, || format!("create {name}"), || self.disk.create(name))?;
        Ok(Box::new(TapedFile { tape: self.clone(), name: name.to_owned(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(false, || format!("rename {from} to {to}"), || self.disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(false, || format!("remove {name}"), || self.disk.remove(name))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        self.call(false, || format!("create directory {name:?}"), || self.disk.create_dir(name))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.call(true, || format!("sync directory {dir:?}"), || self.disk.sync_dir(dir))
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
struct TapedFile {
    tape: Tape,
    name: String,
    file: Box<dyn WriteFile>,
}

impl WriteFile for TapedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { tape, name, file } = self;
        tape.call(false, || format!("append {} bytes to {name}", bytes.len()), || file.append(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self { tape, name, file } = self;
        tape.call(true, || format!("sync {name}"), || file.sync())
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}
