//! A disk in memory that can lose power, run full and lie: for tests, ours and those of whoever builds on this crate.
//!
//! [`SimStorage`] is deterministic: the same calls and the same choices give the same bytes. It keeps two images,
//! what everybody sees and what is durable, and calls each difference a [`Unit`]: a 512-byte sector of a file, the
//! growth of a file by one append, one creation, renaming or removal. A crash gives every unit to a function that
//! decides its [`Fate`], each on its own and in any combination, which is what disks without barriers do; the
//! result is both images of the next boot.
//!
//! It is harsher than most file systems, so that what holds here holds there, but not harsher than this:
//! - Bytes that were synced stay. A sector that holds synced and unsynced bytes loses only the latter.
//! - A renaming is never half done.
//! - Durable bytes do not rot, and reads return what was written. Damage of that kind is made with
//!   [`SimStorage::set_file`].
//! - A lost sector within the length that survived reads as zeros, never as somebody's old bytes.
//!
//! ```
//! use snaplog::storage::{SimStorage, Storage};
//!
//! let disk = SimStorage::new();
//! let mut file = disk.create("events-1")?;
//! file.append(b"synced")?;
//! file.sync()?;
//! disk.sync_dir("")?;
//! file.append(b" and not")?;
//!
//! disk.crash_all_lost();
//! assert_eq!(disk.dump()["events-1"], b"synced");
//! assert!(file.append(b"a handle from before").is_err());
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    DirEntry, LOCK_NAME, LockAttempt, ReadFile, Storage, WriteFile, check_dir_name, check_file_name,
};

mod content;
mod disk;
mod fault;
mod handle;
#[cfg(test)]
mod tests;

use disk::Disk;
use fault::{Call, Plan, Verdict, crashed};
pub use fault::{Fault, FaultSpan, ReadFault};
use handle::{SimLock, SimReader, SimWriter};

/// What survives or is lost as one; sector boundaries are at its multiples.
pub const SECTOR_BYTES: usize = 512;

/// One difference between what is visible and what is durable. Files go by their newest name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// The unsynced bytes of one sector.
    Sector {
        /// The file.
        file: String,
        /// The number of the sector, from 0.
        index: u64,
    },
    /// The growth of the length by one append. A later growth that survives covers the earlier ones; bytes past
    /// the length that survives are gone, whatever became of their sectors.
    Growth {
        /// The file.
        file: String,
        /// The length before.
        from: u64,
        /// The length after.
        to: u64,
    },
    /// A new file. Lost: it has no name, and what was synced into it is gone with it.
    Create {
        /// The file.
        name: String,
    },
    /// A new directory. Lost: so is all that was put into it.
    CreateDir {
        /// The directory.
        name: String,
    },
    /// A new name for a file. Lost: it has the old one, and the file that it replaced is back.
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// The end of a name. Lost: the file is back.
    Remove {
        /// The file.
        name: String,
    },
}

/// What a crash does to a [`Unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It reached the disk.
    Survives,
    /// It did not: all is as it was at the last sync.
    Lost,
    /// The unsynced bytes of a sector are zeros. Since files only grow, that is what a lost sector reads as too,
    /// if the length survives. For all other units as [`Self::Lost`].
    Zeroed,
    /// Of a sector, only the first half of the unsynced bytes arrived; of a growth, the first half of the append.
    /// For all other units as [`Self::Lost`].
    Torn,
}

/// A simulated disk with one log directory, which exists from the start. Clones share it.
///
/// Calls that change or sync something (create, append, sync, rename, remove, `sync_dir`, `create_dir`) are counted
/// from 1; [`Self::fail_call`] and [`Self::crash_at_call`] go by that number, so a test runs its story once, reads
/// [`Self::calls`], and runs it again for each number up to there.
#[derive(Clone, Default)]
pub struct SimStorage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    disk: Disk,
    plan: Plan,
    /// Counts the boots; handles and locks of an earlier one are dead.
    epoch: u64,
    lock: Option<String>,
}

impl State {
    /// A machine that comes up again with this disk.
    fn boot(&mut self, disk: Disk) {
        self.disk = disk;
        self.plan.clear();
        self.epoch = self.epoch.saturating_add(1);
        self.lock = None;
    }

    fn check_epoch(&self, epoch: u64) -> io::Result<()> {
        if epoch == self.epoch {
            Ok(())
        } else {
            Err(io::Error::other("the handle is from before a simulated crash"))
        }
    }

    /// Counts a call to the directory and carries it out, unless the plan says otherwise. A call in which the
    /// process dies does take effect, unsynced and unanswered: [`Fate::Lost`] covers the case that it did not.
    fn change<T>(&mut self, call: Call, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        match self.plan.next_call(call)? {
            Verdict::Go => act(&mut self.disk),
            Verdict::Fail(fault) => Err(fault.error()),
            Verdict::Dies => {
                let _unheard = act(&mut self.disk);
                Err(crashed())
            }
        }
    }
}

impl SimStorage {
    /// An empty disk that does not fail.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power. `choose` is asked for the fate of each of [`Self::unsynced`], in that order, whether or not
    /// an earlier answer made it pointless. It must not call this storage.
    ///
    /// Afterwards all open handles fail, the lock is free, planned faults are forgotten, and the counters go on.
    /// Of the changes to directories those that survive are applied in their order. One whose ground is lost is
    /// taken leniently, as by a journal that keeps the file with the change: a renamed file appears under its new
    /// name even if its creation was lost. Only a directory that is lost takes with it what was put into it.
    pub fn crash(&self, choose: &mut dyn FnMut(Unit) -> Fate) {
        let mut state = self.state();
        let disk = state.disk.crash(choose);
        state.boot(disk);
    }

    /// Cuts the power with nothing on the disk but what was synced.
    pub fn crash_all_lost(&self) {
        self.crash(&mut |_| Fate::Lost);
    }

    /// Ends the process and loses nothing: what a kill does, or a power cut after everything was written back.
    pub fn crash_all_survive(&self) {
        self.crash(&mut |_| Fate::Survives);
    }

    /// Cuts the power and draws every fate from a seed. Some seeds lose nearly all, some nearly nothing.
    pub fn crash_seeded(&self, seed: u64) {
        let mut random = SplitMix64(seed);
        // Out of 8. Fates drawn evenly would hardly ever leave a long file nearly whole, or nearly empty.
        let survive = match random.next() % 3 {
            0 => 1,
            1 => 4,
            _ => 7,
        };
        self.crash(&mut |_| match random.next() % 8 {
            draw if draw < survive => Fate::Survives,
            _ => match random.next() % 3 {
                0 => Fate::Lost,
                1 => Fate::Zeroed,
                _ => Fate::Torn,
            },
        });
    }

    /// What a crash would ask about now: the changes to directories in their order, then, file by file, the
    /// sectors and the growths.
    pub fn unsynced(&self) -> Vec<Unit> {
        self.state().disk.unsynced()
    }

    /// Plans a fault for the `n`th call. Plans add up; of two that fit one call the one made first strikes.
    pub fn fail_call(&self, n: u64, fault: Fault, until: FaultSpan) {
        self.state().plan.fail_call(n, fault, until);
    }

    /// Plans a fault for the `n`th [`ReadFile::read_at`], counted from 1.
    pub fn fail_read(&self, n: u64, fault: ReadFault) {
        self.state().plan.fail_read(n, fault, FaultSpan::Once);
    }

    /// As [`Self::fail_read`], of the `n`th read and all after it; of interrupted ones every other.
    pub fn fail_reads_from(&self, n: u64, fault: ReadFault) {
        self.state().plan.fail_read(n, fault, FaultSpan::FromThenOn);
    }

    /// Plans the end of the process in the `n`th call: from there on everything, reads too, fails with "simulated
    /// crash" until one of the crashes decides what is left. Whether the `n`th call itself took effect is among
    /// what the crash decides: an append or a change to a directory is there, unsynced; a sync has done nothing.
    pub fn crash_at_call(&self, n: u64) {
        self.state().plan.die_at(n);
    }

    /// Forgets all planned faults and ends; a process that has died lives again.
    pub fn clear_faults(&self) {
        self.state().plan.clear();
    }

    /// How many changing or syncing calls there were, failed ones among them.
    pub fn calls(&self) -> u64 {
        self.state().plan.calls()
    }

    /// How many calls of [`ReadFile::read_at`] there were.
    pub fn reads(&self) -> u64 {
        self.state().plan.reads()
    }

    /// All visible files and their bytes. Empty directories are not in it.
    pub fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().disk.dump()
    }

    /// Replaces the whole disk by these files, all of them durable, as a new boot: see [`Self::crash`].
    ///
    /// # Errors
    /// As for [`Self::set_file`]; then nothing has changed.
    pub fn load(&self, files: BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        let mut disk = Disk::default();
        for (name, bytes) in files {
            check_file_name(&name)?;
            disk.set_file(&name, bytes)?;
        }
        self.state().boot(disk);
        Ok(())
    }

    /// Puts bytes under a name, durably, and makes the directory if need be: for damage that no call could do. An
    /// open reader of a file of that name sees the new bytes. Not a counted call, and no fault strikes it.
    ///
    /// # Errors
    /// `InvalidInput` for what is no file's name, `IsADirectory` or `NotADirectory` for what cannot stand there.
    pub fn set_file(&self, name: &str, bytes: impl Into<Vec<u8>>) -> io::Result<()> {
        check_file_name(name)?;
        self.state().disk.set_file(name, bytes.into())
    }

    /// A disk of its own with the same two images and counters; nobody holds its lock and nothing is planned for
    /// it. To see what each of many crashes would leave of one and the same moment.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut state = self.state().clone();
        state.plan.clear();
        state.lock = None;
        Self { state: Arc::new(Mutex::new(state)) }
    }
}

impl fmt::Debug for SimStorage {
    /// The numbers, not the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("SimStorage")
            .field("files", &state.disk.dump().len())
            .field("calls", &state.plan.calls())
            .field("lock", &state.lock)
            .finish_non_exhaustive()
    }
}

impl Storage for SimStorage {
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        check_file_name(name)?;
        let state = self.state();
        state.plan.check_alive()?;
        Ok(Box::new(SimReader::new(self, &state, state.disk.file(name)?)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        check_file_name(name)?;
        let mut state = self.state();
        let inode = state.change(Call::Other, |disk| disk.create(name))?;
        Ok(Box::new(SimWriter::new(self, &state, inode)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_file_name(from)?;
        check_file_name(to)?;
        self.state().change(Call::Other, |disk| disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_file_name(name)?;
        self.state().change(Call::Remove, |disk| disk.remove(name))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        check_dir_name(dir)?;
        let state = self.state();
        state.plan.check_alive()?;
        state.disk.list(dir)
    }

    fn create_dir(&self, name: &str) -> io::Result<()> {
        check_dir_name(name)?;
        self.state().change(Call::Other, |disk| disk.create_dir(name))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        check_dir_name(dir)?;
        let mut state = self.state();
        match state.plan.next_call(Call::Sync)? {
            Verdict::Go => state.disk.sync_dir(dir),
            Verdict::Fail(fault) => {
                if fault == Fault::FsyncDrops {
                    state.disk.drop_dir_changes(dir);
                }
                Err(fault.error())
            }
            Verdict::Dies => Err(crashed()),
        }
    }

    fn lock(&self, owner: &str) -> io::Result<LockAttempt> {
        let mut state = self.state();
        state.plan.check_alive()?;
        if let Some(owner) = &state.lock {
            return Ok(LockAttempt::Busy { owner: owner.trim_end().to_owned() });
        }
        // Durable at once: nothing rests on the file, and a unit more in every crash would tell nobody anything.
        state.disk.set_file(LOCK_NAME, owner.as_bytes().to_vec())?;
        state.lock = Some(owner.to_owned());
        Ok(LockAttempt::Held(Box::new(SimLock::new(self, &state))))
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        let state = self.state();
        state.plan.check_alive()?;
        Ok(state.lock.clone())
    }

    fn location(&self, name: &str) -> String {
        format!("sim:/{name}")
    }
}

/// Steele, Lea and Flood's generator: a few lines, and the same numbers everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
