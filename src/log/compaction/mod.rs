//! Compaction: history rewritten so that it takes little room and every marker that is kept stays restorable.
//!
//! What is to be done is decided by [`policy::compaction`](crate::policy::compaction), step by step; here a step is
//! carried out. Each one writes a new file beside what is in force, reads it back, and only then replaces the manifest;
//! the files that it takes the place of go to `trash/` after that. Between any two steps, and in the middle of one, the
//! log is whole.

mod cursor;
mod delta;
mod fold;
mod host;
mod maintain;
mod owned;
mod rekey;
#[cfg(feature = "encryption")]
mod reseal;
mod steps;
mod write;

pub(crate) use cursor::{Source, merge};
pub(crate) use delta::count_birth;
pub(crate) use fold::{InMemory, fold};
pub(crate) use host::{Alone, Host};
pub use maintain::Maintained;
pub(crate) use maintain::{Wish, expire, is_past, maintain, undelete};
#[cfg(feature = "encryption")]
pub(crate) use reseal::reseal;
pub(crate) use write::{prove, prove_rows};
