//! Real processes on a real machine: killed at any moment, failed by the kernel, on disks that are full or lose their power,
//! beside each other. What needs root, strace or a loop device says that it was skipped, and why, where it cannot run.
#![cfg(all(unix, feature = "cli"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "these are tests, helpers among them: they look at what is on disk, break it, and panic"
)]

mod full_disk;
mod inject;
mod kill;
mod kill_upkeep;
mod lock;
mod mounts;
mod power;
mod read_only;
mod readers;
mod story;
mod strace;
mod support;
