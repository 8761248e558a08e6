//! The bounds on what a log takes. Past each of them stands a clear error, never a cut value.

/// Longest node id, edge key or state entry, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 16 << 10;
/// Longest attribute name or state key, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 4 << 10;
/// Deepest nesting of lists and maps in a value; a plain value has depth 0.
pub const MAX_DEPTH: usize = 64;
/// Largest encoded attribute value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4 << 20;
/// Largest event: its encoded records together, in bytes.
pub const MAX_EVENT_BYTES: usize = 8 << 20;
/// Largest set of attributes of one node, one edge or the graph, encoded, in bytes.
pub const MAX_IMAGE_BYTES: usize = 16 << 20;
/// Largest batch: the events of one frame together, in bytes.
pub const MAX_BATCH_BYTES: usize = 16 << 20;
/// Most births of each kind (nodes, edges, names, state items) in the life of a log.
pub const MAX_ORDINAL: u32 = u32::MAX - 1;
/// Longest label of a marker, in bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 256;
/// Longest name of a tier, in bytes.
pub const MAX_TIER_NAME_BYTES: usize = 64;
/// Most tiers in a configuration.
pub const MAX_TIERS: usize = 32;
/// Most sources that `ingest` remembers; past it the one that was read longest ago is forgotten.
pub const MAX_SOURCES: usize = 1000;
/// Longest name of a source, in bytes.
pub const MAX_SOURCE_NAME_BYTES: usize = 4 << 10;
