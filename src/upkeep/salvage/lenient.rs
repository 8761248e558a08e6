//! The damaged log's disk, as salvage reads it: what it refuses to give reads as zeros.
//!
//! A disk with a bad sector fails every read that touches it. No checksum agrees with zeros in the place of bytes, so a
//! sector costs the frame or block that it lies in, as any other damage does, and not the whole log.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use super::Finding;
use crate::log::Error;
use crate::storage::{DirEntry, Keys, LockAttempt, ReadFile, Storage, WriteFile};

/// What is given up at once: kernels read files in pages of so many bytes.
const PAGE_BYTES: u64 = 4096;

/// What could not be read, so far.
type Refused = Arc<Mutex<Vec<Finding>>>;

/// Another storage, to read from only.
#[derive(Debug)]
pub(super) struct Lenient<'s> {
    inner: &'s dyn Storage,
    refused: Refused,
}

impl<'s> Lenient<'s> {
    pub(super) fn new(inner: &'s dyn Storage) -> Self {
        Self { inner, refused: Refused::default() }
    }

    /// Each stretch that could not be read.
    pub(super) fn refused(&self) -> Vec<Finding> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn never<T>() -> io::Result<T> {
    Err(io::Error::new(ErrorKind::ReadOnlyFilesystem, "a damaged log is never written to"))
}

impl Storage for Lenient<'_> {
    fn keys(&self) -> Option<&Keys> {
        self.inner.keys()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        let file = self.inner.open(name)?;
        let (path, refused) = (self.inner.location(name), Arc::clone(&self.refused));
        Ok(Box::new(LenientFile { file, path, refused }))
    }

    fn create(&self, _name: &str) -> io::Result<Box<dyn WriteFile>> {
        never()
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        never()
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        never()
    }

    fn list(&self, dir: &str) -> io::Result<Vec<DirEntry>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, _name: &str) -> io::Result<()> {
        never()
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        never()
    }

    fn lock(&self, _owner: &str) -> io::Result<LockAttempt> {
        never()
    }

    fn lock_owner(&self) -> io::Result<Option<String>> {
        self.inner.lock_owner()
    }

    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }
}

#[derive(Debug)]
struct LenientFile {
    file: Box<dyn ReadFile>,
    path: String,
    refused: Refused,
}

impl ReadFile for LenientFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let error = match self.file.read_at(offset, buf) {
            Err(e) if e.kind() != ErrorKind::Interrupted => e,
            other => return other,
        };
        // Up to the end of its page: what lies behind may be read all the same.
        let page = PAGE_BYTES.saturating_sub(offset.checked_rem(PAGE_BYTES).unwrap_or_default());
        let left = self.file.len()?.saturating_sub(offset);
        let wanted = usize::try_from(page.min(left)).unwrap_or(usize::MAX).min(buf.len());
        let Some(piece) = buf.get_mut(..wanted) else { return Err(error) };
        match self.file.read_at(offset, piece) {
            Err(e) if e.kind() != ErrorKind::Interrupted => {
                piece.fill(0);
                self.note(offset, e);
                Ok(wanted)
            }
            other => other,
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl LenientFile {
    /// Notes it once, however often it is tried.
    fn note(&self, offset: u64, source: io::Error) {
        let mut found = super::finding(&Error::Io { action: "read", path: self.path.clone(), source });
        let page = offset.saturating_sub(offset.checked_rem(PAGE_BYTES).unwrap_or_default());
        found.message = format!("{}, in the {PAGE_BYTES} bytes from offset {page} on", found.message);
        found.offset = Some(page);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if !refused.iter().any(|known| (&known.file, known.offset) == (&found.file, found.offset)) {
            refused.push(found);
        }
    }
}
