//! Objects, behind one small trait: the only way from the rest of the crate to an object store.
//!
//! [`ObjectBucket`](super::ObjectBucket) is a prefix in a real one. [`MemoryBucket`](super::MemoryBucket) is one in memory
//! that can fail at any request, before or after the request took effect, so that every promise about interrupted pushes
//! is a test.

use std::fmt;
use std::io;

use crate::model::time::Timestamp;

/// What came of creating an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is there now, whole and durable.
    New,
    /// Something has that name already, and is as it was.
    Exists,
}

/// An object's name and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the bucket's prefix.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was created, by the clock of the store.
    pub modified: Timestamp,
}

/// Objects under a prefix, each written once, and removed by [`prune`](super::prune()) alone.
///
/// All methods may be called from many threads. What [`Self::create`] returned for is seen by every later call, of
/// whichever process: the stores of today promise that.
///
/// # Errors
/// `NotFound` for what is not there, the bucket itself included; `PermissionDenied` for credentials that are missing,
/// wrong or not allowed to do it; `TimedOut` and others after retries with back-off were of no use. An error never tells
/// whether the request took effect.
pub trait Bucket: Send + Sync + fmt::Debug {
    /// Creates an object with these bytes, unless something has its name. Never replaces anything.
    fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<Created>;

    /// All bytes of an object that has at most `max` of them.
    fn get(&self, name: &str, max: u64) -> io::Result<Vec<u8>>;

    /// `length` bytes of an object, from `offset` on; fewer are an error.
    fn get_range(&self, name: &str, offset: u64, length: u64) -> io::Result<Vec<u8>>;

    /// The objects in a directory (`parts`, `pushes`) whose names come after `after`, sorted by name.
    fn list(&self, directory: &str, after: Option<&str>) -> io::Result<Vec<Listed>>;

    /// Removes an object; fine if it is not there.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Where an object is, for messages: an URL without secrets. `""` is the prefix.
    fn location(&self, name: &str) -> String;
}
