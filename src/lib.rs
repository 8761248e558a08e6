//! An event-sourced, append-only log for graph crawlers.
#![deny(missing_docs)]

pub mod codec;
pub mod model;
pub mod storage;
