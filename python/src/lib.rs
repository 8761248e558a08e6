//! The native half of the Python package `snaplog`: what needs the log, or speed. `python/snaplog/` says it in Python's
//! terms; `python/snaplog/_native.pyi` types what is here.

mod compare;
mod config;
mod entries;
mod errors;
mod fill;
mod keys;
mod look;
mod markers;
mod queue;
mod remote;
mod session;
mod sync;
mod values;

use pyo3::prelude::*;

/// What `snaplog/__init__.py` builds on.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::look::{Restored, compact, diff, drill, markers, prune, stats, verify};
    #[pymodule_export]
    use crate::session::Writer;
}
