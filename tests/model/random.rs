//! Random sequences of events, savepoints and rollbacks.

use proptest::prelude::*;
use snaplog::format::records::PayloadMark;
use snaplog::model::event::Event;
use snaplog::model::fingerprint::Fingerprint;
use snaplog::model::graph::{Graph, Savepoint};
use snaplog::model::id::Id;
use snaplog::model::marker::Ordinals;

use crate::events::{cases, event, events, kind};
use crate::naive::Naive;
use crate::picture::{self, Picture};
use crate::rig::{Rig, put, recomputed, replay};

/// The events that build what is alive in a graph: nodes in order, edges by (slot, ordinal), attributes, state.
fn fresh_events(graph: &Graph) -> Vec<Event> {
    let mut list = vec![Event::PutGraph { attrs: graph.attrs().to_vec() }];
    list.extend(
        graph.nodes().map(|node| Event::PutNode { id: node.id().to_id(), attrs: node.attrs().to_vec() }),
    );
    let mut edges: Vec<_> = graph.edges().collect();
    edges.sort_by_key(|edge| (edge.slot(), edge.ord()));
    list.extend(edges.into_iter().map(|edge| Event::PutEdge {
        src: edge.src().to_id(),
        dst: edge.dst().to_id(),
        key: edge.key().map(Id::from),
        attrs: edge.attrs().to_vec(),
    }));
    list.extend(graph.items().map(|item| match item.entry() {
        Some(entry) => {
            Event::PutEntry { key: item.key().to_owned(), entry: entry.to_id(), value: item.value() }
        }
        None => Event::PutState { key: item.key().to_owned(), value: item.value() },
    }));
    list
}

fn build(kind: snaplog::model::marker::GraphKind, events: &[Event]) -> Graph {
    let mut graph = Graph::new(kind);
    for event in events {
        put(&mut graph, event).unwrap();
    }
    graph
}

/// The same events from the last to the first; where there is no direction, the other way round.
fn backwards(directed: bool, mut events: Vec<Event>) -> Vec<Event> {
    events.reverse();
    for event in &mut events {
        match event {
            Event::PutEdge { src, dst, .. } if !directed => std::mem::swap(src, dst),
            Event::PutNode { attrs, .. } | Event::PutGraph { attrs } => attrs.reverse(),
            _ => {}
        }
    }
    events
}

/// A step of a session with batches.
#[derive(Debug, Clone)]
enum Step {
    Take(Event),
    Save,
    /// Back to the savepoint so many before the newest.
    Back(usize),
    Release,
    /// Start or stop keeping the sums: a rollback brings back what was true.
    Recompute,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => event().prop_map(Step::Take),
        2 => Just(Step::Save),
        2 => (0_usize..3).prop_map(Step::Back),
        1 => prop_oneof![Just(Step::Release), Just(Step::Recompute)],
    ]
}

struct Saved {
    graph: Savepoint,
    payload: PayloadMark,
    naive: Naive,
    picture: Picture,
    sums: Fingerprint,
    ordinals: Ordinals,
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn graph_and_networkx_agree_after_every_event(kind in kind(), events in events(0..120)) {
        let mut rig = Rig::new(kind);
        for event in &events {
            rig.step(event);
        }
        rig.check_end();
    }

    #[test]
    fn content_sums_are_equal_whatever_road_led_there(kind in kind(), events in events(0..100)) {
        let mut rig = Rig::new(kind);
        for event in &events {
            rig.step(event);
        }
        let fresh = fresh_events(&rig.graph);
        let mut again = build(kind, &fresh);
        prop_assert_eq!(again.fingerprint().content, rig.graph.fingerprint().content);
        let (was, is) = (picture::of(&rig.graph), picture::of(&again));
        let ids = |p: &Picture| p.nodes.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(ids(&is), ids(&was));
        let order = |p: &Picture| {
            let of = |(id, list): &(Id, Vec<(Id, picture::Parallel)>)| {
                let far = |(id, parallel): &(Id, picture::Parallel)| {
                    (id.clone(), parallel.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>())
                };
                (id.clone(), list.iter().map(far).collect::<Vec<_>>())
            };
            p.adjacency.iter().chain(&p.predecessors).map(of).collect::<Vec<_>>()
        };
        prop_assert_eq!(order(&is), order(&was));
        // What is there already changes nothing.
        for event in &fresh {
            prop_assert_eq!(put(&mut again, event), Ok(0));
        }
        let other = build(kind, &backwards(kind.directed, fresh));
        prop_assert_eq!(other.fingerprint().content, rig.graph.fingerprint().content);
    }

    #[test]
    fn a_replayed_graph_goes_on_as_the_writers_own(
        kind in kind(),
        before in events(0..60),
        after in events(0..60),
        sums in any::<bool>(),
    ) {
        let mut rig = Rig::new(kind);
        for event in &before {
            rig.step(event);
        }
        rig.graph = replay(kind, rig.payload.as_slice(), sums);
        rig.graph.track_fingerprint(true);
        for event in &after {
            rig.step(event);
        }
        rig.check_end();
    }

    #[test]
    fn what_was_rolled_back_never_happened(kind in kind(), steps in prop::collection::vec(step(), 0..160)) {
        let mut rig = Rig::new(kind);
        let mut stack: Vec<Saved> = Vec::new();
        for step in &steps {
            match step {
                Step::Take(event) => rig.step(event),
                Step::Save => stack.push(Saved {
                    graph: rig.graph.savepoint(),
                    payload: rig.payload.mark(),
                    naive: rig.naive.clone(),
                    picture: picture::of(&rig.graph),
                    sums: rig.graph.fingerprint(),
                    ordinals: rig.graph.ordinals(),
                }),
                Step::Back(levels) => {
                    let Some(at) = stack.len().checked_sub(levels + 1) else { continue };
                    // A savepoint that was gone back to can be gone back to again.
                    stack.truncate(at + 1);
                    let saved = &stack[at];
                    rig.graph.roll_back(saved.graph);
                    rig.payload.roll_back(saved.payload);
                    rig.naive = saved.naive.clone();
                    prop_assert_eq!(&picture::of(&rig.graph), &saved.picture);
                    prop_assert_eq!(rig.graph.fingerprint(), saved.sums);
                    prop_assert_eq!(recomputed(&mut rig.graph), saved.sums);
                    prop_assert_eq!(rig.graph.ordinals(), saved.ordinals);
                    rig.check();
                }
                Step::Release => {
                    rig.graph.release();
                    stack.clear();
                }
                Step::Recompute => {
                    recomputed(&mut rig.graph);
                }
            }
        }
        rig.check_end();
    }
}
