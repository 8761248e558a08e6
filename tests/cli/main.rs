//! The command line, through the binary.
#![cfg(feature = "cli")]
#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests, helpers among them: they look at what is on disk, break it, and panic"
)]

mod basics;
mod change;
mod copy;
mod diff;
mod documents;
mod drill;
#[cfg(feature = "encryption")]
mod encrypt;
mod inform;
mod prune;
mod remote;
mod restore;
mod salvage;
mod support;
