//! Files, behind one small trait: the only way from the rest of the crate to a disk.
//!
//! [`LocalStorage`] is a directory of the machine's file system. [`SimStorage`] is a disk in memory that can lose
//! power, run full and lie about fsync, so that every promise about crashes is a test.
//!
//! # Names
//! A name is relative to the log directory: `CURRENT`, `events-1`, or one level deeper, `requests/x`. Anything
//! else (an empty part, `.`, `..`, a NUL, a second `/`) is [`io::ErrorKind::InvalidInput`] before a disk is asked.
//!
//! # What is durable when
//! Two things must reach the disk, each by a call of its own: a file's bytes and length by [`WriteFile::sync`],
//! and its *name* by [`Storage::sync_dir`] of the directory that it stands in. A file that is synced under a name
//! that is not may be gone after a crash. Between two syncs nothing is ordered: a later write, rename or removal
//! may survive a crash that undoes an earlier one.
//!
//! # Errors
//! They are [`io::Error`]s without a path: the caller, who knows what the file is for, adds [`Storage::location`].
//! An error never tells how much took effect.

use std::fmt;
use std::io;

use crate::codec::len_u64;
use crate::format::seal::{Keyring, Sealing};

#[cfg(test)]
mod conformance;
mod keys;
#[cfg(unix)]
mod local;
pub mod sim;

pub use keys::{Keys, Unlocked};
#[cfg(unix)]
pub use local::LocalStorage;
#[cfg(unix)]
pub(crate) use local::peak_memory;
pub use sim::SimStorage;

/// The file that carries the single writer's lock; it appears in [`Storage::list`] once somebody has locked.
pub const LOCK_NAME: &str = "LOCK";

/// The end of the name of a file that is not finished: never read, removed by whoever needs the name.
pub const TMP_SUFFIX: &str = ".tmp";

/// A log directory, and the files in it.
///
/// All methods take `&self` and may be called from many threads. Nothing here keeps two writers apart but
/// [`Self::lock`], which only works among those who ask for it.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Opens a regular file to read from.
    ///
    /// The handle stays good when the file is renamed or removed. `Ok` says nothing about durability: what can be
    /// read may never have been synced, and may be gone after a crash.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput` for what is no regular file, a symbolic link among it.
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>>;

    /// Creates an empty file, to append to.
    ///
    /// `Ok` makes nothing durable: the name needs [`Self::sync_dir`], the bytes [`WriteFile::sync`].
    ///
    /// # Errors
    /// `AlreadyExists` if anything has this name, `NotFound` if its directory is missing.
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>>;

    /// Gives a file another name, in one step for everyone who looks; whatever file had that name is gone.
    ///
    /// `Ok` makes nothing durable: until [`Self::sync_dir`] of *both* directories a crash may bring the old name,
    /// and the replaced file, back. It is never both or neither. The bytes of the file are not synced by it: sync
    /// them before, or a crash may leave the new name on an empty file.
    ///
    /// # Errors
    /// `NotFound` if there is no file `from`; an error if either name is a directory's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file's name; open handles go on reading it.
    ///
    /// `Ok` makes nothing durable: until [`Self::sync_dir`] the file may come back after a crash.
    ///
    /// # Errors
    /// `NotFound`; an error for a directory.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// What stands in a directory, `""` being the log's own, sorted by name.
    ///
    /// It is no snapshot: what others create or remove meanwhile may or may not be in it. A name that is not UTF-8
    /// is given with U+FFFD in it and cannot be opened. A symbolic link is listed as a file, and cannot be either.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory.
    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>>;

    /// Creates a directory; fine if it is there. `""` makes the log's own, and its parents.
    ///
    /// For `""`, `Ok` means that the new directories are durable, each entry synced in its parent. For any other
    /// name it makes nothing durable: that is [`Self::sync_dir`] of `""`, and until then a crash may take the
    /// directory and all that was put into it.
    ///
    /// # Errors
    /// `AlreadyExists` or `NotADirectory` if something else has the name.
    fn create_dir(&self, name: &str) -> io::Result<()>;

    /// Makes the names in a directory durable: all creations, renames and removals in it that returned before.
    ///
    /// It does not sync the bytes of the files, nor the directory's own name in its parent. After an error the
    /// kernel may take the changes for written: another call that returns `Ok` proves nothing.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Tries to become the single writer, and leaves `owner`, a line for people, where the others can read it.
    ///
    /// May wait for a fraction of a second, since [`Self::is_locked`] of another process looks like an owner for a
    /// moment. The lock ends with the guard or the process, whichever goes first; nothing of it is durable.
    /// Works within a machine, across processes; on network file systems it is only as good as their `flock`.
    fn lock(&self, owner: &str) -> io::Result<LockAttempt>;

    /// The line that the writer left who holds the lock now; `None` if nobody does. Holds nothing afterwards and creates
    /// nothing, so it works on a read-only file system. The answer may be out of date as it arrives: good for messages
    /// and for choosing how to read, never as a permission to write.
    fn lock_owner(&self) -> io::Result<Option<String>>;

    /// Whether a writer holds the lock now: as [`Self::lock_owner`].
    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.lock_owner()?.is_some())
    }

    /// Where the file is, for messages; `""` is the log directory.
    fn location(&self, name: &str) -> String;

    /// The keys to the log, if it is encrypted and somebody has unlocked it: see [`Unlocked`].
    fn keys(&self) -> Option<&Keys> {
        None
    }
}

/// The keys themselves, of a storage that has some.
pub(crate) fn ring(storage: &dyn Storage) -> Option<&Keyring> {
    storage.keys().map(Keys::ring)
}

/// With what a new document in `storage` is sealed, if the log is encrypted.
pub(crate) fn sealing(storage: &dyn Storage) -> Option<Sealing<'_>> {
    storage.keys().map(Keys::sealing)
}

/// A file open for reading, at any offset, from any thread.
pub trait ReadFile: Send + Sync + fmt::Debug {
    /// Reads up to `buf.len()` bytes from `offset` on and says how many it got: fewer for no reason at all, 0 at
    /// or past the end. What it gives need not be durable.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// The length now, in bytes. A file that is being written grows; one that is damaged may shrink.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is not a byte in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset` on, however many reads it takes, through short ones and interrupts.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; then `buf` holds part of it.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            match self.read_at(at, rest) {
                Ok(0) => {
                    let message = format!("the file ends at byte {at}, {} bytes short", rest.len());
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
                }
                Ok(got) => {
                    rest = rest.get_mut(got..).unwrap_or_default();
                    at = at.saturating_add(len_u64(got));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// A file open for appending, by its one owner.
///
/// After an error from [`Self::append`] or [`Self::sync`] the handle still takes calls, as an operating system's
/// does, but none of their answers is worth anything: whoever wants durability gives the file up.
pub trait WriteFile: Send + fmt::Debug {
    /// Appends all the bytes, or fails, having appended any number of them.
    ///
    /// `Ok` means that readers see them; it makes nothing durable, and a crash may leave any sectors of them, in no
    /// order, zeros between them.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes every byte appended so far durable, and the length with them (`fdatasync`). Not the file's name:
    /// that is [`Storage::sync_dir`].
    ///
    /// After an error some of the bytes may be lost for good, and the *next* call may return `Ok` all the same:
    /// the kernel reports a failed write once and then calls the page clean.
    fn sync(&mut self) -> io::Result<()>;

    /// How many bytes were appended by calls that returned `Ok`. After a failed append the file may be longer.
    fn len(&self) -> u64;

    /// Whether nothing was appended yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Holds the writer's lock until it is dropped.
pub trait LockGuard: Send + Sync + fmt::Debug {
    /// In a process that was forked off: lets go of this process's hold on the lock, and leaves the parent's alone.
    fn leave_to_parent(&self);
}

/// What came of asking for the writer's lock.
#[derive(Debug)]
pub enum LockAttempt {
    /// It is ours until the guard is dropped.
    Held(Box<dyn LockGuard>),
    /// Another writer has it.
    Busy {
        /// What that writer said of itself; may be empty, or out of date by a moment.
        owner: String,
    },
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name within its directory, without the directory's.
    pub name: String,
    /// The length in bytes; of no meaning for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// All bytes of a file of at most `max_len` bytes. Bytes that are appended meanwhile are not among them.
///
/// # Errors
/// `FileTooLarge` for a longer one, before anything is allocated for it; what [`Storage::open`] and
/// [`ReadFile::read_exact_at`] return.
pub fn read_all(storage: &dyn Storage, name: &str, max_len: usize) -> io::Result<Vec<u8>> {
    let file = storage.open(name)?;
    let len = file.len()?;
    let room = usize::try_from(len).ok().filter(|len| *len <= max_len).ok_or_else(|| {
        let message = format!("the file has {len} bytes, at most {max_len} are allowed here");
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    })?;
    let mut bytes = vec![0; room];
    file.read_exact_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Writes a whole file so that `name` is either what it was before or all of `bytes`, never a part: into
/// `<name>.tmp`, sync, rename, sync of the directory.
///
/// `Ok` means durable, name and bytes. A file of that name is replaced, and a temporary one that a crash left
/// behind is removed first. Two callers at once, for one name, are kept apart by nobody.
///
/// # Errors
/// After one, `name` may be the old file or the new, and may change between the two at a crash.
pub fn write_new(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let tmp = format!("{name}{TMP_SUFFIX}");
    match storage.remove(&tmp) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = storage.create(&tmp)?;
    file.append(bytes)?;
    // Before the rename, or a crash can leave the name on a file whose bytes never arrived.
    file.sync()?;
    drop(file);
    storage.rename(&tmp, name)?;
    storage.sync_dir(split_name(name).0)
}

/// The directory of a name (`""` is the log's own) and the name within it.
fn split_name(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

/// Refuses what is no file name, above all what would lead out of the log directory.
fn check_file_name(name: &str) -> io::Result<()> {
    let (dir, base) = split_name(name);
    let good = is_plain(base) && (is_plain(dir) || !name.contains('/'));
    if good { Ok(()) } else { Err(bad_name(name, "a file's name in a log")) }
}

/// Refuses what is neither `""` nor the name of a directory right below the log's.
fn check_dir_name(name: &str) -> io::Result<()> {
    if name.is_empty() || is_plain(name) {
        Ok(())
    } else {
        Err(bad_name(name, "a directory's name in a log"))
    }
}

/// One part of a path that stays where it is.
fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(['/', '\\', '\0'])
}

fn bad_name(name: &str, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not {what}"))
}
