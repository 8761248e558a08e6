//! What the tests of the engine share: a small world, a ledger of what was promised, and a replay of their own.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use snaplog::model::graph::Changes;
use snaplog::storage::SimStorage;
use snaplog::upkeep::verify::{Level, Options, Report, verify};
use snaplog::{
    Appended, Error, Event, FixedEnvironment, Graph, GraphKind, Log, MarkOptions, Marker, MarkerId, Seq,
    Timestamp, Writer,
};

pub(crate) const DIRECTED: GraphKind = GraphKind { directed: true, multigraph: false };

/// Noon of a day.
pub(crate) const NOON: &str = "2026-03-02T12:00:00Z";

/// Small numbers, so that a short story meets every case.
pub(crate) const CONFIG: &str = "durability = { events = 7, interval = \"1s\" }\n\
    [tiers.small]\nevery_nodes = 6\nkeep = 3\n\
    [tiers.big]\nevery_nodes = 20\nkeep = \"all\"\n\
    [segment]\nsize = \"64 KiB\"\n";

pub(crate) fn environment() -> Arc<FixedEnvironment> {
    Arc::new(FixedEnvironment::new(Timestamp::parse_rfc3339(NOON).unwrap()))
}

pub(crate) fn exhaustive() -> bool {
    std::env::var_os("SNAPLOG_EXHAUSTIVE").is_some()
}

pub(crate) fn init(disk: &SimStorage, config: &str) -> Log {
    Log::init_in(Arc::new(disk.clone()), environment(), DIRECTED, config).unwrap()
}

pub(crate) fn open(disk: &SimStorage) -> Log {
    Log::open_in(Arc::new(disk.clone()), environment()).unwrap()
}

/// All files but the lock, whose text nothing rests on.
pub(crate) fn files(disk: &SimStorage) -> BTreeMap<String, Vec<u8>> {
    let mut files = disk.dump();
    files.remove("LOCK");
    files
}

pub(crate) fn verified(log: &Log, level: Level) -> Report {
    verify(log, Options { level, max_duration: None }).unwrap()
}

/// Ends a session as a kill does: nothing more is written, what was handed to the system stays visible and as
/// unsynced as it was. The disk goes on as another one.
pub(crate) fn killed(disk: &SimStorage, writer: Writer) -> SimStorage {
    let next = disk.fork();
    disk.crash_all_lost();
    drop(writer);
    next
}

/// A deterministic row of numbers.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

/// An independent replay: events by id into a graph of its own.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) graph: Graph,
    changes: Changes,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let mut graph = Graph::new(DIRECTED);
        graph.track_fingerprint(true);
        Self { graph, changes: Changes::new() }
    }

    pub(crate) fn of(events: &[Event]) -> Self {
        let mut oracle = Self::new();
        for event in events {
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

    pub(crate) fn assert_equals(&self, graph: &Graph, story: &str) {
        assert_eq!(graph.counts(), self.graph.counts(), "{story}");
        assert_eq!(graph.ordinals(), self.graph.ordinals(), "{story}");
        assert_eq!(graph.fingerprint(), self.graph.fingerprint(), "{story}");
    }
}

/// One step of a story.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Open,
    Append(Event),
    Batch(Vec<Event>),
    Mark(MarkOptions),
    Pin(u64, bool),
    Commit,
    Tick,
    Close,
    Kill,
}

/// What was submitted, and what was promised.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Every event that changes something and was handed in; the one with seq n at n - 1.
    pub(crate) submitted: Vec<Event>,
    /// The first and last seq of each batch.
    pub(crate) batches: Vec<(u64, u64)>,
    /// Events that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Markers that were acknowledged.
    pub(crate) markers: Vec<Marker>,
    /// Pins that were acknowledged: on or off.
    pub(crate) pins: BTreeMap<MarkerId, bool>,
    /// Pins that were asked for and not answered.
    pub(crate) pins_in_doubt: Vec<MarkerId>,
    /// Markers that the open session has found or told of.
    seen: usize,
    pub(crate) oracle: Oracle,
}

impl Clone for Ledger {
    fn clone(&self) -> Self {
        Self {
            submitted: self.submitted.clone(),
            batches: self.batches.clone(),
            acknowledged: self.acknowledged,
            markers: self.markers.clone(),
            pins: self.pins.clone(),
            pins_in_doubt: self.pins_in_doubt.clone(),
            seen: self.seen,
            oracle: Oracle::of(&self.submitted),
        }
    }
}

/// How a story ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With its last step; the session may be open.
    Whole(Option<Writer>),
    /// With an error in one of its steps.
    Failed(Option<Writer>, Error),
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            submitted: Vec::new(),
            batches: Vec::new(),
            acknowledged: 0,
            markers: Vec::new(),
            pins: BTreeMap::new(),
            pins_in_doubt: Vec::new(),
            seen: 0,
            oracle: Oracle::new(),
        }
    }

    fn count(&self) -> u64 {
        u64::try_from(self.submitted.len()).unwrap()
    }

    fn submit(&mut self, event: &Event) -> bool {
        let changes = self.oracle.put(event);
        if changes {
            self.submitted.push(event.clone());
        }
        changes
    }

    /// All that was submitted is acknowledged.
    fn acknowledge(&mut self, writer: Option<&Writer>) {
        self.acknowledged = self.count();
        if let Some(writer) = writer {
            self.markers = writer.markers().unwrap();
        }
    }

    /// What the log holds is known now: no more and no less.
    pub(crate) fn settle(&mut self, last: Seq, story: &str) {
        self.check_prefix(last, story);
        let last = usize::try_from(last.0).unwrap();
        if last < self.submitted.len() {
            self.submitted.truncate(last);
            self.batches.retain(|(_, to)| *to <= self.acknowledged.max(u64::try_from(last).unwrap()));
            self.oracle = Oracle::of(&self.submitted);
        }
    }

    /// What is restored is a prefix of what was submitted, holds all that was acknowledged, and no part of a batch.
    pub(crate) fn check_prefix(&self, last: Seq, story: &str) {
        assert!(
            last.0 >= self.acknowledged,
            "{story}: {} events were acknowledged, {} are there",
            self.acknowledged,
            last.0
        );
        assert!(
            last.0 <= self.count(),
            "{story}: {} events were submitted, {} are there",
            self.count(),
            last.0
        );
        for (from, to) in &self.batches {
            assert!(
                last.0 < *from || last.0 >= *to,
                "{story}: of the batch {from} to {to}, {} is the last",
                last.0
            );
        }
    }

    pub(crate) fn check_markers(&self, found: &[Marker], story: &str) {
        for marker in &self.markers {
            let Some(there) = found.iter().find(|there| there.id == marker.id) else {
                panic!("{story}: the acknowledged marker {} is lost", marker.id);
            };
            let there = Marker { pinned: marker.pinned, ..there.clone() };
            assert_eq!(there, *marker, "{story}");
        }
        for (id, on) in &self.pins {
            if !self.pins_in_doubt.contains(id) {
                let there = found.iter().find(|there| there.id == *id).unwrap();
                assert_eq!(there.pinned, *on, "{story}: the pin of {id}");
            }
        }
    }

    /// Plays a story.
    pub(crate) fn play(&mut self, disk: &mut SimStorage, ops: &[Op], plan: &dyn Fn(&SimStorage)) -> Ending {
        let mut writer: Option<Writer> = None;
        plan(disk);
        for op in ops {
            if let Err(error) = self.step(disk, &mut writer, op, plan) {
                return Ending::Failed(writer, error);
            }
        }
        Ending::Whole(writer)
    }

    fn step(
        &mut self,
        disk: &mut SimStorage,
        session: &mut Option<Writer>,
        op: &Op,
        plan: &dyn Fn(&SimStorage),
    ) -> Result<(), Error> {
        match op {
            Op::Open => {
                let log = Log::open_in(Arc::new(disk.clone()), environment())?;
                let writer = log.writer()?;
                self.settle(writer.status()?.last_seq, "the story opens");
                let markers = writer.markers()?;
                self.check_markers(&markers, "the story opens");
                self.seen = markers.len();
                *session = Some(writer);
                return Ok(());
            }
            Op::Kill => {
                let next = disk.fork();
                disk.crash_all_lost();
                *session = None;
                *disk = next;
                plan(disk);
                return Ok(());
            }
            Op::Close => {
                let writer = session.take().unwrap();
                // A marker may still be placed and synced by what close does; events are all that is new.
                writer.close()?;
                self.acknowledge(None);
                return Ok(());
            }
            _ => {}
        }
        let writer = session.as_ref().unwrap();
        match op {
            Op::Append(event) => {
                let changes = self.submit(event);
                let written = writer.append(event)?;
                let expected =
                    if changes { Appended::Written(Seq(self.count())) } else { Appended::Unchanged };
                assert_eq!(written, expected);
            }
            Op::Batch(events) => {
                let first = self.count() + 1;
                for event in events {
                    self.submit(event);
                }
                self.batches.push((first, self.count()));
                writer.append_all(events)?;
            }
            Op::Mark(options) => {
                writer.mark(options)?;
                self.acknowledge(Some(writer));
            }
            Op::Pin(id, on) => {
                self.pins_in_doubt.push(MarkerId(*id));
                writer.pin(MarkerId(*id), *on)?;
                self.pins_in_doubt.retain(|doubtful| *doubtful != MarkerId(*id));
                self.pins.insert(MarkerId(*id), *on);
                self.acknowledge(Some(writer));
            }
            Op::Commit => {
                let durable = writer.commit()?;
                assert_eq!(durable, Seq(self.count()));
                self.acknowledge(Some(writer));
            }
            Op::Tick => {
                writer.tick()?;
                self.acknowledge(Some(writer));
            }
            _ => {}
        }
        // What the schedule placed was synced before the call returned, and all before it.
        let markers = writer.markers()?;
        if markers.len() > self.seen {
            self.seen = markers.len();
            self.acknowledged = self.acknowledged.max(markers.last().unwrap().seq.0);
            self.markers = markers;
        }
        let durable = writer.status()?.durable;
        self.acknowledged = self.acknowledged.max(durable.0);
        Ok(())
    }
}

fn big(n: u64, bytes: usize) -> String {
    // Not one letter over and over, or a lost sector would look like its neighbour.
    let mut numbers = Numbers(n);
    let mut text = String::with_capacity(bytes + 20);
    while text.len() < bytes {
        let _ = write!(text, "{:016x}", numbers.next());
    }
    text
}

/// A story with everything in it: sessions that end well and badly, batches, markers, pins, rolls, deletes.
pub(crate) fn story() -> Vec<Op> {
    use Op::{Append, Batch, Close, Commit, Kill, Mark, Open, Pin, Tick};
    let node = |n: u64| Event::node(format!("n{n}"));
    let large = |n: u64| Event::node(format!("n{n}")).with("text", big(n, 34_000));
    let link =
        |a: u64, b: u64| Event::edge(format!("n{a}"), format!("n{b}")).with("w", i64::try_from(a).unwrap());
    let gone = |n: u64| Event::DeleteNode { id: format!("n{n}").into() };
    let frontier = |n: i64| Event::PutEntry { key: "frontier".into(), entry: n.into(), value: n.into() };
    let labelled = |label: &str| Mark(MarkOptions::labelled(label));
    vec![
        Open,
        Append(node(1)),
        Append(link(1, 2)),
        Commit,
        Batch(vec![link(2, 3), node(3).with("a", 1), frontier(1)]),
        Append(link(3, 4)),
        labelled("first"),
        Append(node(1)),
        Append(link(4, 5)),
        Append(link(5, 6)),
        Batch(vec![link(6, 7), gone(2), node(8)]),
        Commit,
        Close,
        // Nothing new: no segment.
        Open,
        Append(node(1)),
        Commit,
        Close,
        // Dies with events that were never synced.
        Open,
        Append(link(8, 9)),
        Append(node(9).with("x", 1.5)),
        Commit,
        Batch(vec![link(9, 10), node(10).with("b", true), frontier(2)]),
        Append(node(10).with("c", "d")),
        Kill,
        // What was re-sent rests on what the one before left.
        Open,
        Append(node(8)),
        Commit,
        Pin(1, true),
        Append(large(11)),
        Append(large(12)),
        Append(large(13)),
        Append(link(12, 13)),
        Batch(vec![large(14), large(15), gone(11)]),
        Append(large(11)),
        labelled("second"),
        Pin(2, true),
        Kill,
        Open,
        Pin(1, false),
        Append(gone(9)),
        Append(node(9)),
        Tick,
        Append(link(15, 16)),
        Append(large(17)),
        Append(large(18)),
        Append(large(19)),
        Append(link(19, 20)),
        Append(link(20, 21)),
        Kill,
        Open,
        Append(link(21, 22)),
        Close,
    ]
}

/// The events that a session after a crash sends, unlike any before.
pub(crate) fn more(session: u64) -> Vec<Op> {
    let node =
        |n: u64| Event::node(format!("later-{session}-{n}")).with("session", i64::try_from(session).unwrap());
    vec![
        Op::Open,
        Op::Append(node(1)),
        Op::Batch(vec![node(2), node(3)]),
        Op::Mark(MarkOptions::default()),
        Op::Append(node(4)),
        Op::Close,
    ]
}
