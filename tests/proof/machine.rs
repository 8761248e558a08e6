//! Random operations, crashes and faults among them, against a plain model: lists of what NetworkX would hold.
//!
//! `SNAPLOG_SEED=<n>` runs one case alone, `PROPTEST_CASES` says how many are tried.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use snaplog::model::event::Event;
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::{CompactOptions, Error, GraphKind, MarkerId};

use crate::events::{cases, event, events, kind};
use crate::explore::exhaustive;
use crate::faults::{FAULTS, stays_poisoned};
use crate::ledger::Ledger;
use crate::look::{look, recover_twice};
use crate::naive::Naive;
use crate::picture;
use crate::play::{HOUR, Play, open};

/// Small numbers, so that a short story meets much.
const CONFIG: &str = "[tiers.small]\nevery_nodes = 2\nkeep = 2\n[tiers.big]\nevery_nodes = 4\nkeep = \"all\"\n\
    [segment]\nsize = \"64 KiB\"\n[retention]\nkeep_newest = 1\nkeep_events = \"12h\"\ngrace = \"10h\"\n\
    [compression]\nage = \"2 days\"\n";

#[derive(Debug, Clone)]
enum Op {
    Append(Event),
    Batch(Vec<Event>),
    Commit,
    Mark,
    Pin(usize, bool),
    Expire(usize),
    Undelete(usize),
    Compact(CompactOptions),
    Advance(i64),
    Close,
    /// The process ends; nothing is lost that was handed to the system.
    Kill,
    /// The power is cut at once.
    Cut(u64),
    /// The power is cut in one of the next calls.
    CutAt(u64, u64),
    /// One of the next calls fails.
    Fail(u64, Fault, FaultSpan),
}

fn op() -> impl Strategy<Value = Op> {
    let span = prop_oneof![Just(FaultSpan::Once), Just(FaultSpan::FromThenOn)];
    let compact = (any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(retention, now, thorough)| Op::Compact(CompactOptions { retention, now, thorough }));
    prop_oneof![
        20 => event().prop_map(Op::Append),
        4 => events(1..6).prop_map(Op::Batch),
        3 => Just(Op::Commit),
        3 => Just(Op::Mark),
        1 => (0_usize..6, any::<bool>()).prop_map(|(pick, on)| Op::Pin(pick, on)),
        1 => (0_usize..6).prop_map(Op::Expire),
        1 => (0_usize..6).prop_map(Op::Undelete),
        3 => compact,
        3 => (1_i64..60).prop_map(Op::Advance),
        2 => Just(Op::Close),
        2 => Just(Op::Kill),
        2 => any::<u64>().prop_map(Op::Cut),
        2 => (1_u64..30, any::<u64>()).prop_map(|(n, seed)| Op::CutAt(n, seed)),
        2 => (1_u64..30, prop::sample::select(FAULTS.to_vec()), span)
            .prop_map(|(n, fault, span)| Op::Fail(n, fault, span)),
    ]
}

fn case() -> impl Strategy<Value = (GraphKind, &'static str, Vec<Op>)> {
    let durability = prop::sample::select(vec![
        "durability = \"each\"\n",
        "durability = \"marker\"\n",
        "durability = { events = 5, interval = \"1s\" }\n",
    ]);
    (kind(), durability, prop::collection::vec(op(), 1..60))
}

struct Machine {
    play: Play,
    /// What all events that were submitted since the last recovery have led to.
    naive: Naive,
    /// The seed of the power cut that is planned.
    cut: Option<u64>,
}

impl Machine {
    fn new(kind: GraphKind, config: &str) -> Self {
        let mut play = Play::new(SimStorage::new(), Ledger::new(kind), 1);
        play.init(config).unwrap();
        Self { play, naive: Naive::new(kind), cut: None }
    }

    /// The model as it was after so many events.
    fn model(&self, seq: u64) -> Naive {
        let ledger = self.play.with(|ledger| ledger.clone());
        let mut naive = Naive::new(ledger.kind);
        for event in ledger.events.iter().take(usize::try_from(seq).unwrap()) {
            assert_eq!(naive.take(event), Ok(true));
        }
        naive
    }

    fn step(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Advance(hours) => self.play.advance(hours * HOUR),
            Op::Kill => self.play.kill(),
            Op::Cut(seed) => self.cut_power(*seed),
            Op::CutAt(n, seed) => {
                self.cut = Some(*seed);
                self.play.tape.disk.crash_at_call(self.play.tape.disk.calls() + n);
            }
            Op::Fail(n, fault, span) => {
                self.play.plan(Some((self.play.tape.disk.calls() + n, *fault, *span)));
            }
            Op::Close if self.play.is_open() => self.play.close()?,
            Op::Close => {}
            // Beside a writer, or in a session of its own.
            Op::Compact(options) => drop(self.play.compact(*options)?),
            Op::Pin(pick, on) => self.of_marker(*pick, |_| true, |play, id| play.pin(id, *on))?,
            Op::Expire(pick) => self.of_marker(*pick, |kept| kept, Play::expire)?,
            Op::Undelete(pick) => self.of_marker(*pick, |kept| !kept, Play::undelete)?,
            Op::Append(_) | Op::Batch(_) | Op::Commit | Op::Mark => {
                if !self.play.is_open() {
                    self.open()?;
                }
                self.write(op)?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        self.play.open()?;
        let count = self.play.with(|ledger| ledger.count());
        self.naive = self.model(count);
        Ok(())
    }

    fn write(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Append(event) => {
                let mut naive = self.naive.clone();
                let Err(refused) = naive.take(event) else {
                    self.naive = naive;
                    return self.play.append(event);
                };
                match self.play.writer().append(event) {
                    Err(Error::Refused(refusal)) => {
                        assert!(format!("{refusal:?}").starts_with(refused), "{refusal:?}, not {refused}");
                    }
                    other => drop(other?),
                }
            }
            Op::Batch(events) => {
                let mut naive = self.naive.clone();
                let Some(refused) = events.iter().position(|event| naive.take(event).is_err()) else {
                    self.naive = naive;
                    return self.play.batch(events);
                };
                match self.play.writer().append_all(events) {
                    Err(Error::BatchRefused { at, .. }) => assert_eq!(at, refused),
                    other => drop(other?),
                }
            }
            Op::Commit => self.play.commit()?,
            _ => drop(self.play.mark("")?),
        }
        let graph = self.play.writer().with_graph(|graph| picture::of(graph))?;
        assert_eq!(graph, self.naive.picture());
        Ok(())
    }

    /// Does something to one of the markers of which it is certain that they are there, and dropped or not.
    fn of_marker(
        &mut self,
        pick: usize,
        fits: impl Fn(bool) -> bool,
        act: impl Fn(&mut Play, MarkerId) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let fitting: Vec<MarkerId> = self.play.with(|ledger| {
            let fits = |kept: Option<bool>| kept.is_some_and(&fits);
            let certain =
                ledger.markers.iter().filter(|(_, p)| p.listed && p.pinned == Some(false) && fits(p.kept));
            certain.map(|(id, _)| *id).collect()
        });
        match fitting.get(pick % fitting.len().max(1)) {
            Some(id) => act(&mut self.play, *id),
            None => Ok(()),
        }
    }

    /// After an error nothing is acknowledged until the log has been opened again.
    fn after(&mut self, error: &Error) {
        if let Some(seed) = self.cut.take() {
            self.cut_power(seed);
            return;
        }
        self.play.plan(None);
        self.play.tape.disk.clear_faults();
        if self.play.is_open() {
            if matches!(error, Error::Poisoned { .. }) {
                stays_poisoned(self.play.writer(), "the machine");
                self.play.kill();
            } else {
                self.play.commit().unwrap();
            }
        } else {
            self.play.kill();
        }
        self.check();
    }

    fn cut_power(&mut self, seed: u64) {
        self.cut = None;
        self.play.cut(seed);
        self.check();
        recover_twice(&self.play.tape.disk, "after a power cut");
        let facts = look(&self.play.tape.disk, "after a power cut").unwrap();
        // There is nothing that a later crash could take.
        self.play.settle(&facts);
    }

    /// What is there, marker by marker, is what the model says. Not while a session is open: it holds back what is
    /// not durable.
    fn check(&mut self) {
        let disk = self.play.tape.disk.fork();
        let facts = look(&disk, "the machine").expect("a log");
        self.play.with(|ledger| {
            let mut ledger = ledger.clone();
            if self.play.is_open() {
                ledger.batches.clear();
            }
            ledger.check(Some(&facts), "the machine");
        });
        let reader = open(&disk).unwrap().reader().unwrap();
        let shown = reader.restore_seq(reader.last_seq()).unwrap();
        assert_eq!(picture::of(&shown.graph), self.model(facts.last).picture());
        for marker in reader.markers() {
            let graph = reader.restore(marker).unwrap();
            assert_eq!(picture::of(&graph), self.model(marker.seq.0).picture(), "{}", marker.id);
        }
    }
}

thread_local! {
    /// Whether panics of this thread are cases on their way to a smaller one.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` without a word about the panics in it.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !QUIET.get() {
            usual(panic);
        }
    }));
    QUIET.set(true);
    let done = work();
    QUIET.set(false);
    done
}

fn run(kind: GraphKind, durability: &str, ops: &[Op]) {
    let mut machine = Machine::new(kind, &format!("{durability}{CONFIG}"));
    for op in ops {
        if let Err(error) = machine.step(op) {
            machine.after(&error);
        }
    }
    machine.play.plan(None);
    machine.play.tape.disk.clear_faults();
    machine.play.kill();
    machine.check();
    machine.cut_power(7);
    machine.open().unwrap();
    machine.play.commit().unwrap();
    machine.play.close().unwrap();
    machine.cut_power(8);
}

#[test]
fn a_log_and_a_plain_model_agree_through_crashes_and_faults() {
    let alone =
        std::env::var("SNAPLOG_SEED").ok().map(|seed| seed.parse::<u64>().expect("SNAPLOG_SEED: a number"));
    let cases = u64::from(cases(if exhaustive() { 20_000 } else { 400 }).cases);
    let seeds = alone.map_or(0..cases, |seed| seed..seed + 1);
    let failed = quietly(|| seeds.into_iter().find_map(failure));
    if let Some(failure) = failed {
        panic!("{failure}");
    }
}

/// How the case of a seed fails, made as small as it gets.
fn failure(seed: u64) -> Option<String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig {
        cases: 1,
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&case(), |(kind, durability, ops)| {
        run(kind, durability, &ops);
        Ok(())
    });
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(why, (kind, durability, ops))) => {
            let ops: Vec<String> = ops.iter().map(|op| format!("{op:?}")).collect();
            let ops = ops.join("\n");
            let command = format!("SNAPLOG_SEED={seed} cargo test --test proof plain_model");
            Some(format!("{why}\n{kind:?} {durability}{ops}\nthis case alone: {command}"))
        }
        Err(error) => Some(error.to_string()),
    }
}
