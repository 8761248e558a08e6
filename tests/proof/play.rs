//! Sessions of a writer, with a ledger that is kept at each step: before a call what is submitted or put in doubt,
//! after it what was promised.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use snaplog::exchange::ingest::{Options, Seekable, ndjson};
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fate, Fault, FaultSpan};
use snaplog::{
    Appended, CompactOptions, Environment, Error, Event, Log, MarkOptions, MarkerId, Seq, Timestamp, Writer,
};

use crate::ledger::{Facts, Ledger, Oracle, Promise};
use crate::tape::Tape;

pub(crate) const HOUR: i64 = 60 * 60 * 1_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) const FAULTS: [Fault; 6] =
    [Fault::Eio, Fault::Enospc, Fault::ShortWrite, Fault::FsyncDrops, Fault::FsyncKeeps, Fault::Interrupted];

/// What a power cut does to what is not synced.
#[derive(Debug, Clone)]
pub(crate) enum Fates {
    /// Drawn from a seed.
    Seeded(u64),
    /// Two bits for each unit, the lowest first, and from the beginning again after the last; none: all is lost.
    Chosen(Vec<u8>),
}

/// A clock that is set, and dice of which each boot has its own.
#[derive(Debug)]
pub(crate) struct Dice {
    now: AtomicI64,
    next: AtomicU64,
}

impl Dice {
    fn new(boot: u64, now: Timestamp) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(now.0), next: AtomicU64::new(boot << 32) })
    }
}

impl Environment for Dice {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn random(&self) -> [u8; 16] {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes()).to_le_bytes()
    }

    fn owner(&self) -> String {
        "a test".to_owned()
    }

    fn threads(&self) -> bool {
        false
    }
}

#[cfg(feature = "encryption")]
use crate::identity::unlocked;

#[cfg(not(feature = "encryption"))]
#[expect(clippy::unnecessary_wraps, reason = "as where there is something to unlock")]
fn unlocked(log: Log) -> Result<Log, Error> {
    Ok(log)
}

pub(crate) fn open(disk: &SimStorage) -> Result<Log, Error> {
    Log::open_in(Arc::new(disk.clone()), Dice::new(0, Timestamp(0))).and_then(unlocked)
}

/// A log that is played with.
pub(crate) struct Play {
    pub(crate) tape: Tape,
    dice: Arc<Dice>,
    oracle: Oracle,
    writer: Option<Writer>,
    /// Markers that the open session has found and not made sure of yet.
    unsure: Vec<MarkerId>,
    /// A call that fails, by its number.
    fault: Option<(u64, Fault, FaultSpan)>,
}

impl Play {
    /// `boot`: a number that no other boot of this log has.
    pub(crate) fn new(disk: SimStorage, ledger: Ledger, boot: u64) -> Self {
        Self {
            oracle: Oracle::of(&ledger),
            dice: Dice::new(boot, ledger.now),
            tape: Tape::new(disk, ledger),
            writer: None,
            unsure: Vec::new(),
            fault: None,
        }
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.tape.ledger.lock().unwrap())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.dice.now()
    }

    pub(crate) fn advance(&self, micros: i64) {
        self.dice.now.fetch_add(micros, Ordering::SeqCst);
        self.with(|ledger| ledger.now = self.dice.now());
    }

    pub(crate) fn log(&self) -> Result<Log, Error> {
        Log::open_in(Arc::new(self.tape.clone()), self.dice.clone()).and_then(unlocked)
    }

    pub(crate) fn writer(&self) -> &Writer {
        self.writer.as_ref().unwrap()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    pub(crate) fn init(&mut self, config: &str) -> Result<(), Error> {
        #[cfg(feature = "encryption")]
        if self.tape.disk.dump().contains_key("keys.json") {
            // One was about to be made here that is encrypted.
            return self.init_encrypted(config);
        }
        let kind = self.with(|ledger| ledger.kind);
        Log::init_in(Arc::new(self.tape.clone()), self.dice.clone(), kind, config)?;
        self.with(|ledger| ledger.born = true);
        Ok(())
    }

    #[cfg(feature = "encryption")]
    pub(crate) fn init_encrypted(&mut self, config: &str) -> Result<(), Error> {
        let kind = self.with(|ledger| ledger.kind);
        let recipients = crate::identity::recipients();
        Log::init_encrypted_in(Arc::new(self.tape.clone()), self.dice.clone(), kind, config, recipients)?;
        self.with(|ledger| ledger.born = true);
        Ok(())
    }

    pub(crate) fn open(&mut self) -> Result<(), Error> {
        let writer = self.log()?.writer()?;
        let last = writer.status()?.last_seq.0;
        self.unsure = writer.markers()?.iter().map(|marker| marker.id).collect();
        let rebuild = self.with(|ledger| {
            assert!(last >= ledger.acknowledged, "{last} are there, {} acknowledged", ledger.acknowledged);
            let rebuild = last < ledger.count();
            ledger.settle(last);
            rebuild
        });
        if rebuild {
            self.oracle = self.with(|ledger| Oracle::of(ledger));
        }
        self.writer = Some(writer);
        self.told()
    }

    /// Hands in an event; whether it changes anything.
    fn submit(&mut self, event: &Event) -> bool {
        let changes = self.oracle.put(event);
        let print = self.oracle.graph.fingerprint();
        self.with(|ledger| {
            if changes {
                Arc::make_mut(&mut ledger.events).push(event.clone());
                Arc::make_mut(&mut ledger.prints).push(print);
            }
        });
        changes
    }

    /// What the writer says by itself: what is durable, and the markers that the schedule has placed.
    fn told(&mut self) -> Result<(), Error> {
        let (durable, markers) = (self.writer().status()?.durable.0, self.writer().markers()?);
        self.with(|ledger| {
            ledger.acknowledged = ledger.acknowledged.max(durable);
            for marker in markers.iter().filter(|marker| !self.unsure.contains(&marker.id)) {
                ledger.markers.entry(marker.id).or_insert_with(|| Promise::new(marker));
            }
        });
        Ok(())
    }

    pub(crate) fn append(&mut self, event: &Event) -> Result<(), Error> {
        self.append_at(event, None)
    }

    pub(crate) fn append_at(&mut self, event: &Event, time: Option<Timestamp>) -> Result<(), Error> {
        let changes = self.submit(event);
        let written = match time {
            Some(time) => self.writer().append_at(event, time)?,
            None => self.writer().append(event)?,
        };
        let seq = Seq(self.with(|ledger| ledger.count()));
        assert_eq!(written, if changes { Appended::Written(seq) } else { Appended::Unchanged });
        self.told()
    }

    pub(crate) fn batch(&mut self, events: &[Event]) -> Result<(), Error> {
        let first = self.with(|ledger| ledger.count()) + 1;
        // Known to be a batch before its first event is submitted.
        let many = events.iter().filter(|event| self.submit(event)).count();
        let last = first + u64::try_from(many).unwrap() - 1;
        self.with(|ledger| ledger.batches.push((first, last)));
        self.writer().append_all(events)?;
        self.told()
    }

    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        let durable = self.writer().commit()?;
        assert_eq!(durable.0, self.with(|ledger| ledger.count()), "all is durable");
        self.unsure.clear();
        self.told()
    }

    pub(crate) fn mark(&mut self, label: &str) -> Result<MarkerId, Error> {
        let marker = self.writer().mark(&MarkOptions::labelled(label))?;
        self.unsure.clear();
        self.told()?;
        self.with(|ledger| {
            assert!(ledger.markers.contains_key(&marker.id), "a marker is durable when it is told");
            assert_eq!(ledger.acknowledged, ledger.count(), "and all before it");
        });
        Ok(marker.id)
    }

    /// Puts in doubt what `doubt` says of the marker, does the work, and promises what `promise` says.
    fn change(
        &mut self,
        ids: &[MarkerId],
        doubt: impl Fn(&mut Promise),
        work: impl FnOnce(&mut Self) -> Result<(), Error>,
        promise: impl Fn(&mut Promise),
    ) -> Result<(), Error> {
        let all = |play: &Self, change: &dyn Fn(&mut Promise)| {
            play.with(|ledger| {
                for (_, found) in ledger.markers.iter_mut().filter(|(id, _)| ids.contains(id)) {
                    change(found);
                }
            });
        };
        all(self, &doubt);
        work(self)?;
        all(self, &promise);
        if self.is_open() { self.told() } else { Ok(()) }
    }

    pub(crate) fn pin(&mut self, id: MarkerId, on: bool) -> Result<(), Error> {
        let work = |play: &mut Self| match &play.writer {
            Some(writer) => writer.pin(id, on),
            None => play.log()?.pin(id, on),
        };
        let doubt = |promise: &mut Promise| {
            promise.pinned = None;
            promise.kept = promise.kept.filter(|kept| *kept || !on);
        };
        self.change(&[id], doubt, work, |promise| {
            promise.pinned = Some(on);
            promise.kept = promise.kept.or(on.then_some(true));
        })
    }

    pub(crate) fn expire(&mut self, id: MarkerId) -> Result<(), Error> {
        let work = |play: &mut Self| {
            let dropped = match &play.writer {
                Some(writer) => writer.expire(&[id])?,
                None => play.log()?.expire(&[id])?,
            };
            assert_eq!(dropped, [id]);
            Ok(())
        };
        self.change(&[id], |promise| promise.kept = None, work, |promise| promise.kept = Some(false))
    }

    pub(crate) fn undelete(&mut self, id: MarkerId) -> Result<(), Error> {
        let work = |play: &mut Self| {
            let back = match &play.writer {
                Some(writer) => writer.undelete(&[id])?,
                None => play.log()?.undelete(&[id])?,
            };
            assert_eq!(back, [id]);
            Ok(())
        };
        self.change(&[id], |promise| promise.kept = None, work, |promise| promise.kept = Some(true))
    }

    /// Retention and compaction: through the writer if one is open. Returns the markers that were dropped.
    pub(crate) fn compact(&mut self, options: CompactOptions) -> Result<Vec<MarkerId>, Error> {
        let log = self.log()?;
        let goes: Vec<MarkerId> = if options.retention || self.is_open() {
            let verdicts = log.reader()?.retention();
            verdicts.iter().filter(|verdict| !verdict.keep).map(|verdict| verdict.id).collect()
        } else {
            Vec::new()
        };
        // In doubt until it is told: what was certain to be kept.
        let (mut may_go, mut may_be_gone) = (Vec::new(), Vec::new());
        self.with(|ledger| {
            for (id, promise) in &mut ledger.markers {
                // Its grace may be over.
                if promise.listed && promise.kept != Some(true) && promise.pinned != Some(true) {
                    promise.listed = false;
                    may_be_gone.push(*id);
                }
                if goes.contains(id) && promise.kept == Some(true) {
                    promise.kept = None;
                    may_go.push(*id);
                }
            }
        });
        let done = match &self.writer {
            Some(writer) => writer.maintain()?,
            None => log.compact(options)?,
        };
        self.with(|ledger| {
            for (id, promise) in &mut ledger.markers {
                promise.listed |= may_be_gone.contains(id);
                if done.dropped.contains(id) {
                    promise.kept = Some(false);
                } else if may_go.contains(id) {
                    promise.kept = Some(true);
                }
            }
            ledger.markers.retain(|id, _| !done.reclaimed.contains(id));
        });
        Ok(done.dropped)
    }

    /// Reads an input into the log. Each line of `events` is one event that changes something.
    pub(crate) fn ingest(&mut self, source: &str, text: &str, events: &[Event]) -> Result<(), Error> {
        let read = self.writer().sources()?.iter().find(|s| s.name == source).map_or(0, |s| s.lines);
        for event in events.iter().skip(usize::try_from(read).unwrap()) {
            assert!(self.submit(event));
        }
        let options = Options { source: Some(source), ..Options::default() };
        let input = Seekable(Cursor::new(text.as_bytes().to_vec()));
        match ndjson(self.writer(), input, &options, &mut ()) {
            Ok(report) => {
                assert_eq!(report.lines_already_read, read);
                let all = self.with(|ledger| ledger.count());
                assert_eq!((report.last_seq.0, report.durable_seq.0), (all, all));
                self.told()
            }
            Err(stopped) => match stopped.cause {
                snaplog::exchange::ingest::Cause::Log(error) => Err(error),
                other => panic!("{other:?}"),
            },
        }
    }

    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.writer.take().unwrap().close()?;
        self.with(|ledger| ledger.acknowledged = ledger.count());
        Ok(())
    }

    /// After an I/O error the writer does nothing at all, nor does it say that anything is well.
    pub(crate) fn stays_poisoned(&self, story: &str) {
        let writer = self.writer();
        let event = Event::node("after the error");
        let answers = [
            writer.append(&event).map(drop),
            writer.append_each(std::slice::from_ref(&event)).map(drop),
            writer.append_all(&[event.clone(), Event::node("n1")]).map(drop),
            writer.append_line(&event, None, b"{}\n").map(drop),
            writer.node("n2").map(drop),
            writer.commit().map(drop),
            writer.mark(&MarkOptions::default()).map(drop),
            writer.pin(MarkerId(1), true),
            writer.expire(&[MarkerId(1)]).map(drop),
            writer.undelete(&[MarkerId(1)]).map(drop),
            writer.maintain().map(drop),
            writer.end_source(),
            writer.tick(),
            writer.status().map(drop),
            writer.with_graph(|_| ()),
        ];
        for (at, answer) in answers.into_iter().enumerate() {
            assert!(matches!(answer, Err(Error::Poisoned { .. })), "{story}: {at}: {answer:?}");
        }
    }

    /// Ends the process: what it handed to the system stays visible, and as unsynced as it was.
    pub(crate) fn kill(&mut self) {
        let next = self.tape.disk.fork();
        self.tape.disk.crash_all_lost();
        // What a dropped writer would still do comes to nothing.
        self.writer = None;
        self.tape.go_on(next);
        self.fault =
            self.fault.filter(|(n, _, span)| *span == FaultSpan::FromThenOn || *n > self.tape.disk.calls());
        self.plan(self.fault);
    }

    /// Cuts the power.
    pub(crate) fn cut(&mut self, fates: &Fates) {
        match fates {
            Fates::Seeded(seed) => self.tape.disk.crash_seeded(*seed),
            Fates::Chosen(bytes) => {
                let mut bits = bytes.iter().flat_map(|byte| [0, 2, 4, 6].map(|at| byte >> at & 3)).cycle();
                self.tape.disk.crash(&mut |_| match bits.next() {
                    Some(1) => Fate::Survives,
                    Some(2) => Fate::Zeroed,
                    Some(3) => Fate::Torn,
                    _ => Fate::Lost,
                });
            }
        }
        self.writer = None;
        self.fault = None;
    }

    /// What a power cut has left is there to stay.
    pub(crate) fn settle(&mut self, facts: &Facts) {
        self.with(|ledger| *ledger = ledger.after(facts));
        self.oracle = self.with(|ledger| Oracle::of(ledger));
    }

    /// Plans a fault, for the processes after this one, too.
    pub(crate) fn plan(&mut self, fault: Option<(u64, Fault, FaultSpan)>) {
        self.fault = fault;
        if let Some((n, fault, span)) = fault {
            self.tape.disk.fail_call(n, fault, span);
        }
    }
}
