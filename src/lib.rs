//! An event-sourced, append-only log for graph crawlers.
#![deny(missing_docs)]

pub mod codec;
pub mod format;
pub mod model;
pub mod policy;
