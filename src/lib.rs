//! An event-sourced, append-only log for graph crawlers.
//!
//! A crawler appends *events* (nodes, edges, its own state) to a [`Log`] through its one [`Writer`]. A backup is a
//! *marker* in the log: it costs a few hundred bytes, however large the graph. A [`Reader`] replays the log to any
//! marker and proves, by the fingerprint that the marker carries, that the [`Graph`] is exactly what it was.
//!
//! ```
//! use snaplog::{Event, GraphKind, Id, Log, MarkOptions, Selector};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("crawl.snaplog");
//! let log = Log::init(&path, GraphKind { directed: true, multigraph: false })?;
//!
//! let writer = log.writer()?;
//! writer.append(&Event::node("rain").with("tags", vec!["field".into(), "wet".into()]))?;
//! writer.append(&Event::edge("rain", "storm").with("weight", 0.9))?;
//! writer.append(&Event::PutState { key: "page".into(), value: 7.into() })?;
//! writer.commit()?; // durable from here on, whatever happens to the process
//! writer.mark(&MarkOptions::labelled("before the second pass"))?;
//! writer.close()?;
//!
//! let reader = log.reader()?;
//! let choice = reader.select(&Selector::Label("before the second pass".into()), None)?;
//! let mut graph = reader.restore(choice.marker)?;
//! assert_eq!(graph.counts().edges, 1);
//! assert!(graph.node(&Id::from("storm")).is_some());
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! Each module uses only those before it: [`codec`], [`model`], [`format`](mod@format), [`storage`], [`policy`], [`log`],
//! [`upkeep`], [`remote`], [`exchange`], and the command line. ARCHITECTURE.md in the repository tells where each thing lives and
//! why; FORMAT.md specifies every byte on disk.
//!
//! # Features
//!
//! All on by default: `cli` builds the `snaplog` command, `remote` lets [`remote`] reach object stores, `encryption` makes and
//! opens encrypted logs. A program that only uses the library turns off what it does not need.
#![deny(missing_docs)]

pub mod codec;
pub mod exchange;
pub mod format;
pub mod log;
pub mod model;
pub mod policy;
pub mod remote;
pub mod storage;
pub mod upkeep;

pub use log::{
    Appended, CompactOptions, Environment, Error, FixedEnvironment, Log, Maintained, MarkOptions,
    PlannedRead, Reader, Restored, Result, SegmentInfo, StateAttrs, StateRow, StateStream, Status,
    SystemEnvironment, Usage, Writer,
};
pub use model::event::{Attrs, Event, KnownEdge, Refusal};
pub use model::fingerprint::Fingerprint;
pub use model::graph::Graph;
pub use model::history::Digest;
pub use model::id::{Id, IdRef};
pub use model::marker::{Counts, GraphKind, Marker};
pub use model::position::{LogId, MarkerId, NodeOrd, Seq};
pub use model::time::Timestamp;
pub use model::value::Value;
pub use policy::config::Config;
pub use policy::selector::Selector;
