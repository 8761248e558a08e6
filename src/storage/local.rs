//! A log directory on the machine's own file system: the only module that names `std::fs`.
#![expect(clippy::disallowed_methods, reason = "this is the storage that everything else goes through")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{
    DirEntry, LOCK_NAME, LockAttempt, LockGuard, ReadFile, Storage, WriteFile, check_dir_name,
    check_file_name, split_name,
};
use crate::codec::len_u64;

/// A reader's glance at the lock lasts microseconds; a writer is not turned away because of one.
const LOCK_TRIES: u32 = 26;
/// The pause between two tries: a quarter of a second in all.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// No more than this is read of what another writer says of itself.
const OWNER_BYTES_MAX: u64 = 1024;

/// The most memory that this process ever held, in bytes, as Linux tells it.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The files under one directory.
///
/// The directory's own path may be or hold symbolic links, since its user chose it. Nothing below it may: a log
/// that came from elsewhere must not make us read or write outside of it. What is no regular file (a pipe, a
/// device) is refused too, since it could block for ever.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    root: PathBuf,
}

impl LocalStorage {
    /// The log at `root`, which need not exist; nothing is touched yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The log directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file is, if its name is one and its directory is no link.
    fn file_path(&self, name: &str) -> io::Result<PathBuf> {
        check_file_name(name)?;
        self.dir_path(split_name(name).0)?;
        Ok(self.root.join(name))
    }

    /// Where a directory is, if its name is one and it is no link.
    fn dir_path(&self, name: &str) -> io::Result<PathBuf> {
        check_dir_name(name)?;
        if name.is_empty() {
            // Joining "" would add a slash at the end, and the user's path is the one to name in messages.
            return Ok(self.root.clone());
        }
        let path = self.root.join(name);
        if is_link(&path) { Err(refused("a symbolic link")) } else { Ok(path) }
    }
}

impl Storage for LocalStorage {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        let file = open_regular(OpenOptions::new().read(true), &self.file_path(name)?)?;
        Ok(Box::new(LocalReader { file }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let path = self.file_path(name)?;
        // O_EXCL follows no link, so it needs no more than this.
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(LocalWriter { file, len: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.file_path(from)?, self.file_path(to)?);
        if fs::symlink_metadata(&from)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        fs::rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file_path(name)?)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.dir_path(dir)?)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.metadata() {
                Ok(meta) => entries.push(DirEntry { name, len: meta.len(), is_dir: meta.is_dir() }),
                // Removed since the directory was read.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        let path = self.dir_path(name)?;
        if name.is_empty() {
            return create_durably(&path);
        }
        match fs::create_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        sync_path(&self.dir_path(dir)?)
    }

    fn lock(&self, owner: &str) -> io::Result<LockAttempt> {
        let path = self.file_path(LOCK_NAME)?;
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = open_regular(&options, &path)?;
        // The text comes before the lock. Under the lock a reader would find the last writer's text for a moment, and
        // take whoever died there for alive. The directory's own lock keeps two that want to write it apart.
        let gate = File::open(&self.root)?;
        if !patiently(|| gate.try_lock())? || !patiently(|| file.try_lock_shared())? {
            return Ok(LockAttempt::Busy { owner: owner_text(file)? });
        }
        file.unlock()?;
        file.set_len(0)?;
        file.write_all(owner.as_bytes())?;
        if !patiently(|| file.try_lock())? {
            // Nobody writes: it is readers that look, one after the other.
            return Ok(LockAttempt::Busy { owner: "readers that look at the lock".to_owned() });
        }
        Ok(LockAttempt::Held(Box::new(LocalLock { file: Mutex::new(Some(file)) })))
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        let file = match open_regular(OpenOptions::new().read(true), &self.file_path(LOCK_NAME)?) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        // Shared, so that two readers asking at once do not take each other for a writer.
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => owner_text(file).map(Some),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }

    fn location(&self, name: &str) -> String {
        let path = if name.is_empty() { self.root.clone() } else { self.root.join(name) };
        path.display().to_string()
    }
}

#[derive(Debug)]
struct LocalReader {
    file: File,
}

impl ReadFile for LocalReader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

#[derive(Debug)]
struct LocalWriter {
    file: File,
    len: u64,
}

impl WriteFile for LocalWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.len = self.len.saturating_add(len_u64(bytes.len()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// Closing the file ends the lock.
#[derive(Debug)]
struct LocalLock {
    /// Nobody holds it but for the moment of taking the file out, so it can be had in a child whatever threads the parent
    /// had.
    file: Mutex<Option<File>>,
}

impl LockGuard for LocalLock {
    fn leave_to_parent(&self) {
        // flock(2): the lock is that of the open file, which parent and child share. It lasts until both have closed it.
        drop(self.file.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Whether the lock is ours now.
fn owner_text(file: File) -> io::Result<String> {
    let mut text = Vec::new();
    file.take(OWNER_BYTES_MAX).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// Whether a lock is had, at once or within the time that the glances of others take.
fn patiently(attempt: impl Fn() -> Result<(), TryLockError>) -> io::Result<bool> {
    for tried in 0..LOCK_TRIES {
        if tried > 0 {
            thread::sleep(LOCK_PAUSE);
        }
        match attempt() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
    Ok(false)
}

/// Opens a regular file, through no link, and without waiting for the other end of a pipe.
fn open_regular(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let file = match options.clone().custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Err(_) if is_link(path) => return Err(refused("a symbolic link")),
        other => other?,
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("not a regular file")) }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, which nothing in a log may be"))
}

fn sync_path(dir: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(dir)?.sync_all()
}

/// Makes a directory and its parents, and syncs every directory that got a new entry by it.
fn create_durably(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    fs::create_dir_all(path)?;
    if missing.is_empty() {
        // A process that was killed here before may have left the entry unsynced. That the parent cannot be
        // opened is no reason to refuse a directory that somebody else made.
        return sync_path(parent(path)).or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(e),
        });
    }
    // From the top down, so that no directory is durable in one that is not.
    missing.into_iter().rev().try_for_each(|made| sync_path(parent(made)))
}

/// The directory that `path` has its entry in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    use crate::storage::{conformance, read_all};

    fn fresh() -> (tempfile::TempDir, LocalStorage) {
        let dir = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(dir.path().join("log"));
        storage.create_dir("").unwrap();
        (dir, storage)
    }

    #[test]
    fn a_local_directory_does_what_a_storage_must() {
        conformance::run(&mut || {
            let (dir, storage) = fresh();
            (Box::new(storage), Box::new(dir))
        });
    }

    #[test]
    fn a_log_directory_is_made_with_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let storage = LocalStorage::new(dir.path().join("a/b/log"));
        assert_eq!(storage.list("").unwrap_err().kind(), io::ErrorKind::NotFound);
        storage.create_dir("").unwrap();
        storage.create_dir("").unwrap();
        assert_eq!(storage.list("").unwrap(), []);
        assert!(storage.location("").ends_with("a/b/log"));
        assert!(storage.location("CURRENT").ends_with("a/b/log/CURRENT"));
    }

    #[test]
    fn a_link_out_of_the_log_is_neither_read_nor_written() {
        let (dir, storage) = fresh();
        let secret = dir.path().join("secret");
        fs::write(&secret, "outside").unwrap();
        for name in ["events-1", LOCK_NAME] {
            symlink(&secret, storage.root().join(name)).unwrap();
            assert_eq!(storage.open(name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert_eq!(storage.create(name).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert!(storage.lock("me").is_err());
        assert!(storage.is_locked().is_err());
        assert_eq!(fs::read(&secret).unwrap(), b"outside");
        // Removing it removes the link alone.
        storage.remove("events-1").unwrap();
        assert!(secret.exists());
    }

    #[test]
    fn a_linked_directory_is_not_entered() {
        let (dir, storage) = fresh();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("x"), "outside").unwrap();
        symlink(&outside, storage.root().join("requests")).unwrap();
        assert!(storage.open("requests/x").is_err());
        assert!(storage.create("requests/y").is_err());
        assert!(storage.remove("requests/x").is_err());
        assert!(storage.list("requests").is_err());
        assert!(storage.create_dir("requests").is_err());
        assert!(storage.sync_dir("requests").is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn a_log_directory_that_is_itself_a_link_is_the_users_choice() {
        let (dir, storage) = fresh();
        fs::write(storage.root().join("x"), "inside").unwrap();
        symlink(storage.root(), dir.path().join("link")).unwrap();
        let linked = LocalStorage::new(dir.path().join("link"));
        linked.create_dir("").unwrap();
        assert_eq!(read_all(&linked, "x", 10).unwrap(), b"inside");
    }

    #[test]
    fn a_pipe_does_not_block_its_reader() {
        let (_dir, storage) = fresh();
        let made = std::process::Command::new("mkfifo").arg(storage.root().join("events-1")).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(storage.open("events-1").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn asking_whether_it_is_locked_creates_nothing_and_needs_no_write_access() {
        let (_dir, storage) = fresh();
        assert!(!storage.is_locked().unwrap());
        assert_eq!(storage.list("").unwrap(), []);
        drop(storage.lock("me").unwrap());
        let path = storage.root().join(LOCK_NAME);
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        assert!(!storage.is_locked().unwrap());
    }

    #[test]
    fn a_writer_outwaits_a_readers_glance_at_the_lock() {
        let (_dir, storage) = fresh();
        drop(storage.lock("first").unwrap());
        let glance = File::open(storage.root().join(LOCK_NAME)).unwrap();
        glance.lock_shared().unwrap();
        let reader = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(glance);
        });
        assert!(matches!(storage.lock("second").unwrap(), LockAttempt::Held(_)));
        reader.join().unwrap();
    }

    #[test]
    fn the_name_of_the_last_writer_is_replaced_whole() {
        let (_dir, storage) = fresh();
        drop(storage.lock("a writer with a long name").unwrap());
        let _held = storage.lock("short").unwrap();
        assert_eq!(read_all(&storage, LOCK_NAME, 100).unwrap(), b"short");
    }

    #[test]
    fn a_name_that_is_not_text_is_listed_all_the_same() {
        use std::os::unix::ffi::OsStrExt;
        let (_dir, storage) = fresh();
        fs::write(storage.root().join(std::ffi::OsStr::from_bytes(b"odd-\xff")), "x").unwrap();
        assert_eq!(storage.list("").unwrap()[0].name, "odd-\u{fffd}");
    }
}
