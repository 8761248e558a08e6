//! Decompression with a context that is used again: making one costs as much as decompressing 40 KiB, and blocks and
//! frames are smaller than that more often than not.

use std::cell::RefCell;
use std::io;

use zstd::bulk::Decompressor;

thread_local! {
    static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses `stored` into at most `most` bytes, with this thread's context.
pub(super) fn unzip(stored: &[u8], most: usize) -> io::Result<Vec<u8>> {
    CONTEXT.with_borrow_mut(|context| {
        let decompressor = match context {
            Some(decompressor) => decompressor,
            None => context.insert(Decompressor::new()?),
        };
        let outcome = decompressor.decompress(stored, most);
        if outcome.is_err() {
            // What a failure leaves in it is not built upon.
            *context = None;
        }
        outcome
    })
}
