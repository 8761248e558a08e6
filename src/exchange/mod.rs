//! Graphs and events in and out, as text that other programs read and write. Bytes in, bytes out: no files here.
//!
//! # Values as JSON
//! An attribute value is the JSON value that Python's `json` module would make of it, with three additions:
//!
//! - `NaN`, `Infinity` and `-Infinity` are numbers, as in Python. There is one `NaN`: its other bit patterns
//!   are printed the same and come back as the usual one.
//! - Bytes are an object whose only key is `$bytes`, with the bytes in base64 (padded): `{"$bytes": "AAE="}`.
//! - A map that has just one key, and that key is `$bytes`, `$$bytes`, `$$$bytes` and so on, is printed with
//!   one more `$` before it; reading takes it off. So each value has one text and comes back as it was.
//!
//! Integers are signed 64-bit integers, floats are doubles that come back bit for bit and always look like
//! floats (`1.0`); a number too large for a double is an infinity, as in Python.
//! Duplicate keys, lone surrogates, larger integers and nesting beyond
//! [`MAX_DEPTH`](crate::model::limits::MAX_DEPTH) are errors, each with its place.

pub mod dump;
mod fault;
pub mod ingest;
pub mod json_read;
pub mod json_write;
pub mod ndjson;
pub mod new_log;
pub mod node_link;
mod order;

pub use order::edges_by_slot;

pub use fault::{Fault, JsonError, Place, WriteError};

#[cfg(test)]
mod tests;
