//! What was submitted, what was promised, and whether what is there keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use snaplog::model::graph::Changes;
use snaplog::{Event, Fingerprint, Graph, GraphKind, Marker, MarkerId, Timestamp};

/// What a log shows of itself.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The last event.
    pub(crate) last: u64,
    /// The graph with it.
    pub(crate) print: Fingerprint,
    pub(crate) markers: Vec<Marker>,
}

/// What is promised of a marker. A call that has not returned leaves what it changes in doubt.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub(crate) marker: Marker,
    /// It restores, dropped or not.
    pub(crate) listed: bool,
    /// Not dropped, or dropped; `None`: in doubt.
    pub(crate) kept: Option<bool>,
    /// `None`: in doubt.
    pub(crate) pinned: Option<bool>,
}

impl Promise {
    pub(crate) fn new(marker: &Marker) -> Self {
        Self {
            listed: true,
            kept: Some(marker.expired.is_none()),
            pinned: Some(marker.pinned),
            marker: marker.clone(),
        }
    }
}

/// The record of one log. Cheap to clone: each moment of a tape has its own.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) kind: GraphKind,
    /// What the clock shows; the next boot's goes on from there.
    pub(crate) now: Timestamp,
    /// Whether the making of the log was acknowledged.
    pub(crate) born: bool,
    /// Every event that was handed in and changes something; the one with seq n at n - 1.
    pub(crate) events: Arc<Vec<Event>>,
    /// What the graph sums to after so many events, from a replay of its own.
    pub(crate) prints: Arc<Vec<Fingerprint>>,
    /// The first and last seq of each batch.
    pub(crate) batches: Vec<(u64, u64)>,
    /// So many events were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) markers: BTreeMap<MarkerId, Promise>,
}

impl Ledger {
    pub(crate) fn new(kind: GraphKind) -> Self {
        Self {
            kind,
            now: Timestamp::parse_rfc3339("2026-03-02T12:00:00Z").unwrap(),
            born: false,
            events: Arc::default(),
            prints: Arc::new(vec![Oracle::new(kind).graph.fingerprint()]),
            batches: Vec::new(),
            acknowledged: 0,
            markers: BTreeMap::new(),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        u64::try_from(self.events.len()).unwrap()
    }

    /// The log holds `last` events, no more: what comes next takes the place of those that are lost.
    pub(crate) fn settle(&mut self, last: u64) {
        let last = usize::try_from(last).unwrap();
        if last < self.events.len() {
            Arc::make_mut(&mut self.events).truncate(last);
            Arc::make_mut(&mut self.prints).truncate(last + 1);
        }
        // What is settled is no question of all or nothing any more.
        self.batches.clear();
    }

    /// What a disk without unsynced changes shows is there to stay.
    pub(crate) fn after(&self, facts: &Facts) -> Self {
        let mut later = self.clone();
        later.born = true;
        later.settle(facts.last);
        later.acknowledged = facts.last;
        later.markers = facts.markers.iter().map(|marker| (marker.id, Promise::new(marker))).collect();
        later
    }

    /// A prefix of what was submitted, with all that was acknowledged, no part of a batch, and every promised marker.
    pub(crate) fn check(&self, facts: Option<&Facts>, story: &str) {
        let Some(facts) = facts else {
            assert!(!self.born, "{story}: the log is gone");
            return;
        };
        let Facts { last, print, markers } = facts;
        assert!(*last >= self.acknowledged, "{story}: {} acknowledged, {last} there", self.acknowledged);
        assert!(*last <= self.count(), "{story}: {} submitted, {last} there", self.count());
        assert_eq!(*print, self.print(*last), "{story}: not what was submitted, after {last} events");
        for (from, to) in &self.batches {
            assert!(last < from || last >= to, "{story}: {last} is inside the batch {from} to {to}");
        }
        for marker in markers {
            assert_eq!(marker.fingerprint, self.print(marker.seq.0), "{story}: {}", marker.id);
        }
        for (id, promise) in &self.markers {
            let Some(there) = markers.iter().find(|there| there.id == *id) else {
                assert!(!promise.listed, "{story}: the acknowledged marker {id} is lost");
                continue;
            };
            let Promise { marker, kept, pinned, .. } = promise;
            let same = Marker { pinned: marker.pinned, expired: marker.expired, ..there.clone() };
            assert_eq!(same, *marker, "{story}");
            assert!(
                kept.is_none_or(|kept| kept == there.expired.is_none()),
                "{story}: {promise:?}, {there:?}"
            );
            assert!(pinned.is_none_or(|pinned| pinned == there.pinned), "{story}: {promise:?}, {there:?}");
        }
    }

    fn print(&self, seq: u64) -> Fingerprint {
        self.prints[usize::try_from(seq).unwrap()]
    }
}

/// A replay of the ledger's own, that no file was near.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) graph: Graph,
    changes: Changes,
}

impl Oracle {
    pub(crate) fn new(kind: GraphKind) -> Self {
        let mut graph = Graph::new(kind);
        graph.track_fingerprint(true);
        Self { graph, changes: Changes::new() }
    }

    pub(crate) fn of(ledger: &Ledger) -> Self {
        let mut oracle = Self::new(ledger.kind);
        for event in ledger.events.iter() {
            assert!(oracle.put(event), "an event of the ledger changes nothing: {event:?}");
        }
        oracle
    }

    /// Whether the event changes anything.
    pub(crate) fn put(&mut self, event: &Event) -> bool {
        self.graph.resolve(event, &mut self.changes).unwrap();
        for record in self.changes.records() {
            self.graph.apply(&record).unwrap();
        }
        !self.changes.is_empty()
    }
}
