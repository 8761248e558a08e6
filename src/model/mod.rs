//! Events, values, the in-memory graph, fingerprints. No I/O and no files here.

pub mod event;
pub(crate) mod facts;
pub mod fingerprint;
pub mod graph;
pub mod history;
pub mod id;
pub mod image;
pub mod limits;
pub mod marker;
pub mod position;
pub mod record;
pub mod row;
pub mod time;
pub mod value;
