//! An event-sourced, append-only log for graph crawlers.
#![deny(missing_docs)]

pub mod codec;
pub mod exchange;
pub mod format;
pub mod log;
pub mod model;
pub mod policy;
pub mod storage;
pub mod upkeep;

pub use log::{
    Appended, Environment, Error, FixedEnvironment, Log, MarkOptions, PlannedRead, Reader, Restored, Result,
    SegmentInfo, Status, SystemEnvironment, Usage, Writer,
};
pub use model::event::{Attrs, Event, Refusal};
pub use model::fingerprint::Fingerprint;
pub use model::graph::Graph;
pub use model::id::{Id, IdRef};
pub use model::marker::{Counts, GraphKind, Marker};
pub use model::position::{LogId, MarkerId, Seq};
pub use model::time::Timestamp;
pub use model::value::Value;
pub use policy::config::Config;
pub use policy::selector::Selector;
