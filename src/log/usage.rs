//! How much room a log takes.

use std::io::ErrorKind;

use super::error::{Error, Result};
use crate::format::names::{self, FileName};
use crate::storage::Storage;

/// How much room the files of a log take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All files together.
    pub total: u64,
    /// Event segments.
    pub events: u64,
    /// Snapshot segments.
    pub snapshots: u64,
    /// What a prune set aside.
    pub trash: u64,
}

/// Adds the sizes up.
pub(super) fn measure(storage: &dyn Storage) -> Result<Usage> {
    let mut usage = Usage::default();
    for dir in ["", names::REQUESTS, names::TRASH] {
        let entries = match storage.list(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound && !dir.is_empty() => continue,
            Err(source) => return Err(Error::Io { action: "list", path: storage.location(dir), source }),
        };
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            usage.total = usage.total.saturating_add(entry.len);
            let part = match names::parse(&entry.name) {
                _ if dir == names::TRASH => &mut usage.trash,
                Some(FileName::Events(_)) => &mut usage.events,
                Some(FileName::Snapshot(_)) => &mut usage.snapshots,
                _ => continue,
            };
            *part = part.saturating_add(entry.len);
        }
    }
    Ok(usage)
}
