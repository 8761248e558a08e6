//! What is ingested: files, pipes, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use snaplog::exchange::ingest::{Input, Seekable, Spooled};
use tempfile::SpooledTempFile;

use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::path_text::path_text;

/// As much of a pipe is kept in memory; what is more goes into a temporary file.
const SPOOL_BYTES: usize = 1 << 20;
/// How long a Ctrl-C may go unseen while a pipe says nothing.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// An input as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Stdin,
    File(PathBuf),
}

impl Named {
    /// From a word of the command line.
    pub(super) fn new(path: PathBuf) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path) }
    }

    /// For people.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Opens it.
    pub(super) fn open(&self, stop: &Arc<AtomicBool>) -> Result<Opened, Failure> {
        let stream = |from: File| {
            let from = Patient { from, stop: Arc::clone(stop) };
            Body::Stream(Box::new(Spooled::new(from, SpooledTempFile::new(SPOOL_BYTES))))
        };
        let (name, size, body) = match self {
            Self::Stdin => {
                // Not by way of `Stdin`: what that keeps in a buffer of its own cannot be waited for.
                let fd = io::stdin().as_fd().try_clone_to_owned();
                let fd = fd.map_err(|e| Failure::io("open", &self.title(), &e))?;
                ("-".to_owned(), None, stream(File::from(fd)))
            }
            Self::File(path) => {
                let metadata = files::look_readable(path)?;
                let file = files::open(path)?;
                let failed = |e: &io::Error| Failure::io("look at", &self.title(), e);
                if metadata.is_file() {
                    let name = path_text(&path.canonicalize().map_err(|e| failed(&e))?);
                    (name, Some(metadata.len()), Body::File(Seekable(file)))
                } else {
                    // What a pipe's path leads to has a name of its own each time.
                    let name = std::path::absolute(path).map_err(|e| failed(&e))?;
                    (path_text(&name), None, stream(file))
                }
            }
        };
        Ok(Opened { name, size, position: Arc::new(AtomicU64::new(0)), body })
    }
}

/// An input that is being read.
#[derive(Debug)]
pub(super) struct Opened {
    /// What the log calls it, unless the user says otherwise.
    pub(super) name: String,
    /// Its size, where there is one.
    pub(super) size: Option<u64>,
    /// How many bytes of it were read.
    pub(super) position: Arc<AtomicU64>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    File(Seekable<File>),
    Stream(Box<Spooled<Patient, SpooledTempFile>>),
}

impl Read for Opened {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.body {
            Body::File(file) => file.read(buf),
            Body::Stream(stream) => stream.read(buf),
        }?;
        self.position.fetch_add(u64::try_from(n).unwrap_or_default(), Ordering::Relaxed);
        Ok(n)
    }
}

impl Input for Opened {
    fn restart(&mut self) -> io::Result<()> {
        self.position.store(0, Ordering::Relaxed);
        match &mut self.body {
            Body::File(file) => file.restart(),
            Body::Stream(stream) => stream.restart(),
        }
    }

    fn settle(&mut self) {
        match &mut self.body {
            Body::File(file) => file.settle(),
            Body::Stream(stream) => stream.settle(),
        }
    }
}

/// A pipe that does not wait for ever once it was told to stop.
#[derive(Debug)]
struct Patient {
    from: File,
    stop: Arc<AtomicBool>,
}

impl Read for Patient {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped"));
            }
            match poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // What cannot be waited for says so itself when it is read.
                Ok(_) | Err(_) => return self.from.read(buf),
            }
        }
    }
}
