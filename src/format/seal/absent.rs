//! A build that can neither seal nor open: there is no value of these types, so nothing is ever called.

use super::SealHead;
use crate::format::Fault;

/// The keys of a log: never there.
#[derive(Debug, Clone)]
pub enum Keyring {}

/// What seals the parts of one file: never there.
#[derive(Debug)]
pub enum FileSeal {}

impl Keyring {
    /// How a new file is sealed.
    pub fn begin(&self, _salt: [u8; 32]) -> SealHead {
        match *self {}
    }

    /// What seals the parts of a file.
    ///
    /// # Errors
    /// None.
    pub fn seal(&self, _head: &SealHead, _bound: &[u8]) -> Result<FileSeal, Fault> {
        match *self {}
    }

    /// Number of the newest key.
    pub fn newest(&self) -> u32 {
        match *self {}
    }
}

impl FileSeal {
    /// Seals a part.
    ///
    /// # Errors
    /// None.
    pub fn seal(&self, _position: u64, _beside: &[u8], _part: &[u8], _to: &mut Vec<u8>) -> Result<(), Fault> {
        match *self {}
    }

    /// Opens a part.
    ///
    /// # Errors
    /// None.
    pub fn open(
        &self,
        _what: &'static str,
        _position: u64,
        _beside: &[u8],
        _sealed: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        match *self {}
    }
}
