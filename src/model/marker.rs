//! Markers: the restorable points of a log.

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::history::Digest;
use super::position::{EdgeOrd, ItemOrd, MarkerId, NameOrd, NodeOrd, Seq};
use super::time::Timestamp;

/// What kind of graph a log holds; fixed when the log is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GraphKind {
    /// Whether (u, v) and (v, u) are different edges.
    pub directed: bool,
    /// Whether a pair of nodes may have several edges, told apart by keys.
    pub multigraph: bool,
}

/// The next birth number of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ordinals {
    /// The next node's.
    pub node: NodeOrd,
    /// The next edge's.
    pub edge: EdgeOrd,
    /// The next name's.
    pub name: NameOrd,
    /// The next state item's.
    pub item: ItemOrd,
}

/// How many of each are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Nodes.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
    /// Values of collector state and entries of its maps.
    pub items: u64,
    /// The most nodes that were ever alive at once.
    pub high_water: u64,
}

/// How far the schedule of tiers has been served: what decides whether a tier is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Served {
    /// The high-water node count when the schedule last placed a marker.
    pub high_water: u64,
    /// The time of that marker; `None` before the first.
    pub time: Option<Timestamp>,
}

/// A restorable point.
///
/// Its frame holds everything but `pinned` and `expired` as they are now: these may be changed later, by the
/// manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Its name, `m<N>`.
    pub id: MarkerId,
    /// The event after which it stands; it takes no seq itself.
    pub seq: Seq,
    /// Its time.
    pub time: Timestamp,
    /// The tiers that it belongs to; none for one placed by hand without a tier.
    pub tiers: Vec<String>,
    /// The user's name for it.
    pub label: Option<String>,
    /// Kept whatever the policy says.
    pub pinned: bool,
    /// Dropped by retention; restorable until its grace period ends.
    pub expired: Option<Timestamp>,
    /// What is alive there.
    pub counts: Counts,
    /// The next birth numbers.
    pub ordinals: Ordinals,
    /// What the graph there must sum to.
    pub fingerprint: Fingerprint,
    /// How far the schedule was served, this marker included.
    pub served: Served,
    /// Bytes of the segments that count, from the first to this marker: the difference to the marker before is what
    /// was written between the two.
    pub position: u64,
    /// What the events after the marker before this one hash to.
    pub events: Digest,
}
