//! Which call of the simulated storage fails, and how: a plan made by the test, and the counters it goes by.

use std::io;

/// How a call that changes or syncs something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An I/O error; the call does nothing. Fits every call. A sync leaves what was unsynced unsynced.
    Eio,
    /// The disk is full; the call does nothing. Fits every call but a removal.
    Enospc,
    /// The first half of the bytes is appended, then an error. Fits appends.
    ShortWrite,
    /// A sync fails, and what it should have written stays visible, counts as clean and is never written: the
    /// *next* sync returns `Ok`, and a crash still takes the data. Fits syncs of files and directories. This is
    /// what Linux does when writing back a page fails.
    FsyncDrops,
    /// A sync fails and leaves what was unsynced unsynced; the next one writes it. Fits syncs.
    FsyncKeeps,
    /// A signal came first (EINTR); the call does nothing. Fits every call.
    Interrupted,
}

/// For how long a planned fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultSpan {
    /// It strikes one call: the first, from the planned one on, that it fits.
    Once,
    /// It strikes every call that it fits, until a crash or [`super::SimStorage::clear_faults`].
    FromThenOn,
}

/// How a read fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// An I/O error.
    Eio,
    /// Half of what could be read, at least one byte; no error.
    Short,
    /// `Interrupted`, as by a signal: the caller is to try again.
    Interrupted,
}

/// What a counted call is, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Append,
    Sync,
    Remove,
    Other,
}

impl Fault {
    fn fits(self, call: Call) -> bool {
        match self {
            Self::Eio | Self::Interrupted => true,
            Self::Enospc => call != Call::Remove,
            Self::ShortWrite => call == Call::Append,
            Self::FsyncDrops | Self::FsyncKeeps => call == Call::Sync,
        }
    }

    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Eio => io::Error::other("simulated I/O error"),
            Self::Enospc => io::Error::new(io::ErrorKind::StorageFull, "simulated full disk"),
            Self::ShortWrite => io::Error::new(io::ErrorKind::WriteZero, "simulated short write"),
            Self::FsyncDrops | Self::FsyncKeeps => io::Error::other("simulated failure to sync"),
            Self::Interrupted => io::ErrorKind::Interrupted.into(),
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is carried out.
    Go,
    /// It fails in this way.
    Fail(Fault),
    /// The process dies in it: it may have taken effect, but nobody hears of it.
    Dies,
}

/// The plan, and how many calls there were.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    calls: u64,
    reads: u64,
    faults: Vec<(u64, Fault, FaultSpan)>,
    read_faults: Vec<(u64, ReadFault, FaultSpan)>,
    dies_at: Option<u64>,
    dead: bool,
}

impl Plan {
    pub(super) fn fail_call(&mut self, n: u64, fault: Fault, span: FaultSpan) {
        self.faults.push((n, fault, span));
    }

    pub(super) fn fail_read(&mut self, n: u64, fault: ReadFault, span: FaultSpan) {
        self.read_faults.push((n, fault, span));
    }

    pub(super) fn die_at(&mut self, n: u64) {
        self.dies_at = Some(n);
    }

    /// Forgets all that was planned; the counters go on.
    pub(super) fn clear(&mut self) {
        *self = Self { calls: self.calls, reads: self.reads, ..Self::default() };
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn reads(&self) -> u64 {
        self.reads
    }

    /// Fails once the process is dead.
    pub(super) fn check_alive(&self) -> io::Result<()> {
        if self.dead { Err(crashed()) } else { Ok(()) }
    }

    /// Counts a call and says what becomes of it.
    pub(super) fn next_call(&mut self, call: Call) -> io::Result<Verdict> {
        self.check_alive()?;
        self.calls = self.calls.saturating_add(1);
        if self.dies_at.is_some_and(|n| n <= self.calls) {
            self.dead = true;
            return Ok(Verdict::Dies);
        }
        let due = self.faults.iter().position(|(n, fault, _)| *n <= self.calls && fault.fits(call));
        let Some((index, (_, fault, span))) = due.and_then(|i| Some((i, *self.faults.get(i)?))) else {
            return Ok(Verdict::Go);
        };
        if span == FaultSpan::Once {
            self.faults.remove(index);
        }
        Ok(Verdict::Fail(fault))
    }

    /// Counts a read and says how it fails, if it does.
    pub(super) fn next_read(&mut self) -> io::Result<Option<ReadFault>> {
        self.check_alive()?;
        self.reads = self.reads.saturating_add(1);
        let reads = self.reads;
        // Whoever tries an interrupted read again must come through in the end: only every other one is struck.
        let strikes = |n: u64, fault| {
            n <= reads && (fault != ReadFault::Interrupted || reads.saturating_sub(n).is_multiple_of(2))
        };
        let due = self.read_faults.iter().position(|(n, fault, _)| strikes(*n, *fault));
        let Some((index, (_, fault, span))) = due.and_then(|i| Some((i, *self.read_faults.get(i)?))) else {
            return Ok(None);
        };
        if span == FaultSpan::Once {
            self.read_faults.remove(index);
        }
        Ok(Some(fault))
    }
}

/// What every call returns once the process is taken for dead.
pub(super) fn crashed() -> io::Error {
    io::Error::other("simulated crash")
}
