//! What the user decides: when a marker is placed, what is kept, and which marker a text names.
//!
//! Pure functions: no clock, no files. The time and the text of `snaplog.toml` come in as arguments, and what
//! comes out is carried out by somebody else.

pub mod calendar;
mod choose;
pub mod config;
mod config_error;
mod config_section;
#[cfg(test)]
mod config_tests;
mod config_text;
mod nearest;
pub mod schedule;
pub mod selector;
mod selector_error;
pub mod units;
