//! Ctrl-C: the work at hand is finished, what was done is made durable, and the log is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Becomes true at the first Ctrl-C, which from now on does not end the process by itself.
pub(super) fn watch() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    // Without a handler Ctrl-C ends the process at once. That is no harm: the log is made for it.
    let _ = ctrlc::set_handler(move || told.store(true, Ordering::Relaxed));
    stop
}
