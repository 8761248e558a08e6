//! An allocator that counts, for tests and benches: what a piece of work holds at its worst, and what it keeps.
//!
//! Counted by thread, so that tests that run beside each other do not disturb each other.

#![allow(dead_code, reason = "each program that includes this file uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    static ROUNDED: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, with a counter.
#[derive(Debug)]
pub(crate) struct Counting;

/// What glibc's malloc takes for it on a 64-bit machine: a word of its own, in steps of 16, at least 32.
fn rounded_up(bytes: usize) -> i64 {
    i64::try_from(bytes.saturating_add(8).next_multiple_of(16).max(32)).unwrap_or(i64::MAX)
}

fn count(bytes: usize, sign: i64) {
    let _ = ROUNDED.try_with(|rounded| rounded.set(rounded.get() + sign * rounded_up(bytes)));
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    // A thread that is ending has no counter any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + sign * bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

#[expect(unsafe_code, reason = "that is how an allocator is written; it hands everything on as it came")]
// SAFETY: every call goes to the system's allocator with the arguments that came in. Counting allocates nothing:
// the counters are constants at the start of a thread and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while the bytes move.
        count(size, 1);
        count(layout.size(), -1);
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Bytes that this thread has allocated and not freed; freeing what another thread allocated counts too.
pub(crate) fn live() -> i64 {
    LIVE.with(Cell::get)
}

/// As [`live`], with what malloc adds to each piece.
pub(crate) fn live_in_malloc() -> i64 {
    ROUNDED.with(Cell::get)
}

/// What `work` gives, and the most bytes that it held at once beyond those held before.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = live();
    PEAK.with(|peak| peak.set(before));
    let outcome = work();
    (outcome, PEAK.with(Cell::get) - before)
}
