//! A story of one log: operations, crashes and faults among them, each held against a plain model: lists of what NetworkX
//! would hold.

use snaplog::model::event::Event;
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::{CompactOptions, Error, GraphKind, MarkerId};

use crate::ledger::Ledger;
use crate::look::{look, recover_twice};
use crate::naive::Naive;
use crate::picture;
use crate::play::{Fates, HOUR, Play, open};

/// Small numbers, so that a short story meets much.
pub(crate) const CONFIG: &str = "[tiers.small]\nevery_nodes = 2\nkeep = 2\n[tiers.big]\nevery_nodes = 4\nkeep = \"all\"\n\
    [segment]\nsize = \"64 KiB\"\n[retention]\nkeep_newest = 1\nkeep_events = \"12h\"\ngrace = \"10h\"\n\
    [compression]\nage = \"2 days\"\n";

/// How often what was handed in is made durable by itself.
pub(crate) const DURABILITIES: [&str; 3] = [
    "durability = \"each\"\n",
    "durability = \"marker\"\n",
    "durability = { events = 5, interval = \"1s\" }\n",
];

#[derive(Debug, Clone)]
pub(crate) enum Op {
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
    Cut(Fates),
    /// The power is cut in one of the next calls.
    CutAt(u64, Fates),
    /// One of the next calls fails.
    Fail(u64, Fault, FaultSpan),
}

struct Machine {
    play: Play,
    /// What all events that were submitted since the last recovery have led to.
    naive: Naive,
    /// What the power cut that is planned leaves.
    cut: Option<Fates>,
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
            Op::Cut(fates) => self.cut_power(fates),
            Op::CutAt(n, fates) => {
                self.cut = Some(fates.clone());
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
        if let Some(fates) = self.cut.take() {
            self.cut_power(&fates);
            return;
        }
        self.play.plan(None);
        self.play.tape.disk.clear_faults();
        if self.play.is_open() {
            if matches!(error, Error::Poisoned { .. }) {
                self.play.stays_poisoned("the machine");
                self.play.kill();
            } else {
                self.play.commit().unwrap();
            }
        } else {
            self.play.kill();
        }
        self.check();
    }

    fn cut_power(&mut self, fates: &Fates) {
        self.cut = None;
        self.play.cut(fates);
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

/// Runs a story: a log is made, the operations follow, and whatever they leave is cut off, recovered and closed.
pub(crate) fn run(kind: GraphKind, durability: &str, ops: &[Op]) {
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
    machine.cut_power(&Fates::Seeded(7));
    machine.open().unwrap();
    machine.play.commit().unwrap();
    machine.play.close().unwrap();
    machine.cut_power(&Fates::Seeded(8));
}
