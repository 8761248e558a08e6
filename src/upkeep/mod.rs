//! Looking after logs: works on them, decides nothing.

pub mod copy;
pub mod diff;
pub mod drill;
pub mod salvage;
pub(crate) mod still;
pub mod verify;
