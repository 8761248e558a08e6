//! Inputs: readers that can go back to their start once.

use std::fmt;
use std::io::{self, Read, Seek, Write};

/// A reader that can go back to its start.
pub trait Input: Read {
    /// Goes back to the start. Asked for at most once, and not after [`settle`](Self::settle).
    ///
    /// # Errors
    /// What the reader says.
    fn restart(&mut self) -> io::Result<()>;

    /// The start will not be asked for any more.
    fn settle(&mut self) {}
}

impl<I: Input + ?Sized> Input for &mut I {
    fn restart(&mut self) -> io::Result<()> {
        (**self).restart()
    }

    fn settle(&mut self) {
        (**self).settle();
    }
}

/// An input that can be sought in: a file, or bytes in a [`Cursor`](io::Cursor).
#[derive(Debug)]
pub struct Seekable<T>(pub T);

impl<T: Read> Read for Seekable<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<T: Read + Seek> Input for Seekable<T> {
    fn restart(&mut self) -> io::Result<()> {
        self.0.rewind()
    }
}

/// An input that cannot be sought in, such as a pipe. Until it is settled, what was read is kept in `spool`: a
/// temporary file, or bytes in a [`Cursor`](io::Cursor).
pub struct Spooled<R, S> {
    input: R,
    spool: S,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Keeping,
    Repeating,
    Passing,
}

impl<R: Read, S: Read + Write + Seek> Spooled<R, S> {
    /// Reads `input`, with `spool` (empty) to keep it in.
    pub fn new(input: R, spool: S) -> Self {
        Self { input, spool, phase: Phase::Keeping }
    }
}

impl<R, S> fmt::Debug for Spooled<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooled").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl<R: Read, S: Read + Write + Seek> Read for Spooled<R, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.phase {
            Phase::Keeping => {
                let n = self.input.read(buf)?;
                self.spool.write_all(buf.get(..n).unwrap_or_default())?;
                Ok(n)
            }
            Phase::Repeating => match self.spool.read(buf)? {
                0 if !buf.is_empty() => {
                    self.phase = Phase::Passing;
                    self.input.read(buf)
                }
                n => Ok(n),
            },
            Phase::Passing => self.input.read(buf),
        }
    }
}

impl<R: Read, S: Read + Write + Seek> Input for Spooled<R, S> {
    fn restart(&mut self) -> io::Result<()> {
        self.spool.rewind()?;
        self.phase = Phase::Repeating;
        Ok(())
    }

    fn settle(&mut self) {
        if let Phase::Keeping = self.phase {
            self.phase = Phase::Passing;
        }
    }
}
