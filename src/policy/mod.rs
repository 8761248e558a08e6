//! What the user decides: when a marker is placed, what is kept, which marker a text names, and when files are
//! rewritten.
//!
//! Pure functions: no clock, no files. The time and the text of `snaplog.toml` come in as arguments, and what
//! comes out is carried out by somebody else.

pub mod calendar;
mod choose;
pub mod compaction;
pub mod config;
mod config_error;
mod config_section;
#[cfg(test)]
mod config_tests;
mod config_text;
pub mod drill;
mod nearest;
pub mod remote;
pub mod retention;
#[cfg(test)]
mod retention_tests;
pub mod schedule;
pub mod selector;
mod selector_error;
mod thinning;
#[cfg(test)]
mod thinning_tests;
pub mod units;
