//! What the simulated disk hands out: open files and the lock. Each belongs to one boot and is dead after it.

use std::io;
use std::sync::MutexGuard;

use super::disk::Inode;
use super::fault::{Call, Fault, ReadFault, Verdict, crashed};
use super::{SimStorage, State};
use crate::codec::len_u64;
use crate::storage::{LockGuard, ReadFile, WriteFile};

/// A file as it was opened, in the boot in which it was.
#[derive(Debug)]
struct Handle {
    storage: SimStorage,
    inode: Inode,
    epoch: u64,
}

impl Handle {
    fn new(storage: &SimStorage, state: &State, inode: Inode) -> Self {
        Self { storage: storage.clone(), inode, epoch: state.epoch }
    }

    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.storage.state();
        state.check_epoch(self.epoch)?;
        state.plan.check_alive()?;
        Ok(state)
    }
}

#[derive(Debug)]
pub(super) struct SimReader {
    handle: Handle,
}

impl SimReader {
    pub(super) fn new(storage: &SimStorage, state: &State, inode: Inode) -> Self {
        Self { handle: Handle::new(storage, state, inode) }
    }
}

impl ReadFile for SimReader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.handle.state()?;
        let fault = state.plan.next_read()?;
        let bytes = state.disk.bytes(self.handle.inode);
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let all = rest.len().min(buf.len());
        let got = match fault {
            Some(ReadFault::Eio) => return Err(Fault::Eio.error()),
            Some(ReadFault::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(ReadFault::Short) => all.div_ceil(2),
            None => all,
        };
        for (to, from) in buf.iter_mut().zip(rest).take(got) {
            *to = *from;
        }
        Ok(got)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(len_u64(self.handle.state()?.disk.bytes(self.handle.inode).len()))
    }
}

#[derive(Debug)]
pub(super) struct SimWriter {
    handle: Handle,
    len: u64,
}

impl SimWriter {
    pub(super) fn new(storage: &SimStorage, state: &State, inode: Inode) -> Self {
        Self { handle: Handle::new(storage, state, inode), len: 0 }
    }
}

impl WriteFile for SimWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.handle.state()?;
        match state.plan.next_call(Call::Append)? {
            Verdict::Go => {
                state.disk.append(self.handle.inode, bytes);
                self.len = self.len.saturating_add(len_u64(bytes.len()));
                Ok(())
            }
            Verdict::Fail(fault) => {
                if fault == Fault::ShortWrite {
                    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
                    state.disk.append(self.handle.inode, half);
                }
                Err(fault.error())
            }
            Verdict::Dies => {
                state.disk.append(self.handle.inode, bytes);
                Err(crashed())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.handle.state()?;
        match state.plan.next_call(Call::Sync)? {
            Verdict::Go => {
                state.disk.sync(self.handle.inode);
                Ok(())
            }
            Verdict::Fail(fault) => {
                if fault == Fault::FsyncDrops {
                    state.disk.drop_changes(self.handle.inode);
                }
                Err(fault.error())
            }
            Verdict::Dies => Err(crashed()),
        }
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
pub(super) struct SimLock {
    storage: SimStorage,
    epoch: u64,
}

impl SimLock {
    pub(super) fn new(storage: &SimStorage, state: &State) -> Self {
        Self { storage: storage.clone(), epoch: state.epoch }
    }
}

impl LockGuard for SimLock {
    fn leave_to_parent(&self) {
        // Simulated processes do not fork.
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.storage.state();
        // A guard that outlived a crash must not free the lock of the process after it.
        if state.epoch == self.epoch {
            state.lock = None;
        }
    }
}
