//! Graph, naive model and payload side by side: each event goes to all three.

use snaplog::format::records::{Item, PayloadDecoder, PayloadEncoder};
use snaplog::model::event::{Event, Refusal};
use snaplog::model::fingerprint::Fingerprint;
use snaplog::model::graph::{Changes, Graph};
use snaplog::model::marker::{GraphKind, Ordinals};

use crate::naive::Naive;
use crate::picture;

pub(crate) struct Rig {
    pub(crate) graph: Graph,
    pub(crate) naive: Naive,
    pub(crate) payload: PayloadEncoder,
    changes: Changes,
}

/// The name of a refusal's variant.
pub(crate) fn variant(refusal: &Refusal) -> String {
    let text = format!("{refusal:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// Resolves and applies; the number of records.
pub(crate) fn put(graph: &mut Graph, event: &Event) -> Result<usize, Refusal> {
    let mut changes = Changes::new();
    graph.resolve(event, &mut changes)?;
    for record in changes.records() {
        graph.apply(&record).unwrap();
    }
    Ok(changes.records().len())
}

/// The sums from nothing but what is alive.
pub(crate) fn recomputed(graph: &mut Graph) -> Fingerprint {
    let running = graph.fingerprint();
    graph.track_fingerprint(false);
    let recomputed = graph.fingerprint();
    graph.track_fingerprint(true);
    assert_eq!(running, recomputed, "running and recomputed sums");
    recomputed
}

/// Builds a graph from the bytes of a payload by `apply` alone.
pub(crate) fn replay(kind: GraphKind, payload: &[u8], sums: bool) -> Graph {
    let mut graph = Graph::new(kind);
    graph.track_fingerprint(sums);
    let mut decoder = PayloadDecoder::new(payload, kind).unwrap();
    assert_eq!(decoder.ordinals(), graph.ordinals());
    let mut whole = true;
    while let Some(item) = decoder.next_item().unwrap() {
        if let Item::Change { record, ends_event } = item {
            graph.apply(&record).unwrap();
            whole = ends_event;
        }
        assert_eq!(decoder.ordinals(), graph.ordinals());
    }
    assert!(whole, "a payload ends with an event's last record");
    graph
}

impl Rig {
    pub(crate) fn new(kind: GraphKind) -> Self {
        let mut graph = Graph::new(kind);
        graph.track_fingerprint(true);
        Self {
            graph,
            naive: Naive::new(kind),
            payload: PayloadEncoder::new(Ordinals::default()),
            changes: Changes::new(),
        }
    }

    /// Gives an event to graph and naive model, and checks that they agree on everything afterwards.
    pub(crate) fn step(&mut self, event: &Event) {
        let before = (picture::of(&self.graph), self.graph.fingerprint());
        let expected = self.naive.take(event);
        let found = self.graph.resolve(event, &mut self.changes);
        assert_eq!(
            (picture::of(&self.graph), self.graph.fingerprint()),
            before,
            "resolving leaves the graph alone"
        );
        match (&found, &expected) {
            (Ok(()), Ok(changed)) => {
                assert_eq!(!self.changes.is_empty(), *changed, "{event:?}: records if it changes something");
            }
            (Err(refusal), Err(name)) => {
                assert_eq!(variant(refusal), *name, "{event:?}");
                assert!(self.changes.is_empty(), "a refused event has no records");
            }
            _ => panic!("{event:?}: graph {found:?}, naive model {expected:?}"),
        }
        let mut left = self.changes.records().len();
        for record in self.changes.records() {
            left -= 1;
            self.graph.apply(&record).unwrap();
            self.payload.change(&record, left > 0);
        }
        self.check();
        // Naive values and sums agree on what is equal: no change, no other sum.
        assert_eq!(self.graph.fingerprint() != before.1, matches!(expected, Ok(true)), "{event:?}");
    }

    /// Graph and naive model show the same.
    pub(crate) fn check(&self) {
        assert_eq!(picture::of(&self.graph), self.naive.picture());
    }

    /// All that must hold once a sequence is over.
    pub(crate) fn check_end(&mut self) {
        self.check();
        let sums = recomputed(&mut self.graph);
        self.graph.check_names().unwrap();
        self.check();

        let (kind, bytes) = (self.graph.kind(), self.payload.as_slice());
        for track in [true, false] {
            let mut replayed = replay(kind, bytes, track);
            assert_eq!(picture::of(&replayed), picture::of(&self.graph));
            assert_eq!(replayed.fingerprint(), sums, "sums of a replay");
            assert_eq!(replayed.ordinals(), self.graph.ordinals());
            assert_eq!(ordinals_of(&replayed), ordinals_of(&self.graph));
            replayed.check_names().unwrap();
        }
    }
}

/// Ordinals of all that is alive: nodes, then edges with their ends and slots.
fn ordinals_of(graph: &Graph) -> (Vec<u32>, Vec<[u32; 4]>) {
    let edges = graph.edges().map(|e| [e.ord().0, e.src_ord().0, e.dst_ord().0, e.slot().0]);
    (graph.nodes().map(|node| node.ord().0).collect(), edges.collect())
}
