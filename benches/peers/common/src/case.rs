//! What is measured.

use std::slice::Chunks;

/// When what was appended is made durable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    AtEnd,
    Every(usize),
    Each,
}

impl Sync {
    /// What is appended between two syncs.
    pub fn groups<T>(self, events: &[T]) -> Chunks<'_, T> {
        events.chunks(match self {
            Self::AtEnd => events.len().max(1),
            Self::Every(n) => n,
            Self::Each => 1,
        })
    }
}

/// The cases of appending, each of which runs in a process of its own.
pub const CASES: [(&str, Sync); 3] =
    [("sync at the end", Sync::AtEnd), ("sync every 1,000", Sync::Every(1_000)), ("sync each", Sync::Each)];
/// What is found out along with "sync at the end".
pub const READ_BACK: &str = "read back";
pub const BYTES: &str = "bytes per event";

/// A crawl of 200,000 nodes, or what a disk syncs one by one in a few seconds.
pub fn events(sync: Sync, scale: f64) -> usize {
    let whole = if sync == Sync::Each { 6_000.0 } else { 1_200_000.0 };
    ((whole * scale / 6.0) as usize).max(1) * 6
}
