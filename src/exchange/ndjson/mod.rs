//! NDJSON: one event, or one request for a marker, as a JSON object on each line.
//!
//! | operation | keys | does |
//! | --- | --- | --- |
//! | `node` | `id`, `attrs` | adds a node or merges attributes into it |
//! | `edge` | `src`, `dst`, `key`, `attrs` | adds an edge and its missing ends, or merges attributes into it |
//! | `del_node` | `id` | removes a node and its edges |
//! | `del_edge` | `src`, `dst`, `key` | removes an edge |
//! | `unset` | `id`, or `src`, `dst` and `key`, or `graph` (`true`); `keys` | removes attributes |
//! | `graph` | `attrs` | merges attributes of the graph itself |
//! | `state` | `key`, `value`, `entry`, `put` | puts a value of collector state, or with `entry` one entry of a map; the value `null` deletes, unless `put` is `true` |
//! | `mark` | `label`, `tier`, `pin` | asks for a marker |
//!
//! Each has `op`, and may have `ts`, its time (RFC 3339). Keys come in any order. `attrs` and an edge's `key` may
//! be left out; a `key` of `null` is none, and so is a `label` or `tier` of `null`. Ids, edge keys and entries are
//! strings or 64-bit integers. Whatever is not listed is an error.

mod fields;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{Item, Line, LineError, MarkRequest, parse_line};
pub use write::{write_edge, write_graph, write_graph_to, write_node, write_state, write_stream};
