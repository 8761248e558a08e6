//! Calls that fail: each call of each workload, in every way, once or from then on. Nothing is acknowledged afterwards
//! before the log is opened again; then all is there that was, whatever a power cut adds to it.

use std::time::Instant;

use snaplog::Error;
use snaplog::storage::SimStorage;
use snaplog::storage::sim::{Fault, FaultSpan, ReadFault};

use crate::explore::{Workload, exhaustive, go_on};
use crate::ledger::Ledger;
use crate::look::look;
use crate::play::{FAULTS, Play, open};

/// The workload up to its story, to be forked for each fault.
struct Stage {
    disk: SimStorage,
    ledger: Ledger,
}

impl Stage {
    fn new(workload: &Workload) -> Self {
        let mut play = Play::new(SimStorage::new(), Ledger::new(workload.kind), 1);
        (workload.before)(&mut play).unwrap();
        Self { disk: play.tape.disk.fork(), ledger: play.with(|ledger| ledger.clone()) }
    }

    fn play(&self, boot: u64) -> Play {
        Play::new(self.disk.fork(), self.ledger.clone(), boot)
    }
}

/// Every call of the workload fails once.
pub(crate) fn fail_everywhere(workload: &Workload) {
    let began = Instant::now();
    let stage = Stage::new(workload);
    let calls = {
        let mut play = stage.play(2);
        let before = play.tape.disk.calls();
        (workload.story)(&mut play).unwrap();
        play.tape.disk.calls() - before
    };
    let step = if exhaustive() { 1 } else { 4 };
    let (mut runs, mut failed) = (0_u64, 0_u64);
    for (at, fault) in FAULTS.into_iter().enumerate() {
        for span in [FaultSpan::Once, FaultSpan::FromThenOn] {
            // Each fault begins elsewhere, so that a part of all of them meets each kind of call.
            for call in (1..=calls).skip((at * 2 + usize::from(span == FaultSpan::Once)) % step).step_by(step)
            {
                let story = format!("{}, {fault:?} {span:?} at call {call} of {calls}", workload.name);
                runs += 1;
                failed += u64::from(fail_once(workload, &stage, call, fault, span, &story));
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{}: {runs} runs with a failing call, {failed} of them stopped by it, {seconds:.0} s",
        workload.name
    );
}

/// Whether the story was stopped by it.
fn fail_once(
    workload: &Workload,
    stage: &Stage,
    call: u64,
    fault: Fault,
    span: FaultSpan,
    story: &str,
) -> bool {
    let mut play = stage.play(2);
    play.plan(Some((play.tape.disk.calls() + call, fault, span)));
    let outcome = (workload.story)(&mut play);
    play.plan(None);
    play.tape.disk.clear_faults();
    if let Err(error) = &outcome
        && play.is_open()
    {
        if matches!(error, Error::Poisoned { .. }) {
            play.stays_poisoned(story);
        } else {
            // Compaction has given up; the log is as it was, and the writer goes on.
            play.commit().unwrap_or_else(|after| panic!("{story}: {error:?}, then {after:?}"));
        }
    }
    play.kill();
    let (disk, ledger) = (play.tape.disk.fork(), play.with(|ledger| ledger.clone()));
    // As the next process finds it, which may rest on what only looks written; then as power cuts leave it.
    for fate in 0..4 {
        let left = disk.fork();
        match fate {
            0 => {}
            1 => left.crash_all_lost(),
            2 => left.crash_all_survive(),
            _ => left.crash_seeded(call),
        }
        let story = format!("{story}, then crash {fate}");
        let facts = look(&left, &story);
        ledger.check(facts.as_ref(), &story);
        let fresh = Ledger::new(ledger.kind);
        let ledger = facts.as_ref().map_or(&fresh, |_| &ledger);
        if !ledger.born && matches!(open(&left), Err(Error::Missing { .. })) {
            continue;
        }
        let mut next = Play::new(left, ledger.clone(), 3 + fate);
        go_on(&mut next, workload, 3 + fate).unwrap_or_else(|error| panic!("{story}: {error:?}"));
        let (left, ledger) = (next.tape.disk.fork(), next.with(|ledger| ledger.clone()));
        left.crash_all_lost();
        let facts = look(&left, &story);
        ledger.check(facts.as_ref(), &story);
        assert_eq!(facts.map(|facts| facts.last), Some(ledger.count()), "{story}");
    }
    outcome.is_err()
}

/// Every read of a look and a recovery fails, is short or is interrupted, once or from then on: an error, or nothing at
/// all; never another log.
pub(crate) fn misread_everywhere(workload: &Workload) {
    let mut play = Stage::new(workload).play(2);
    (workload.story)(&mut play).unwrap();
    let (disk, ledger) = (play.tape.disk.fork(), play.with(|ledger| ledger.clone()));
    let look_and_recover = |disk: &SimStorage| -> Result<(), Error> {
        let log = open(disk)?;
        let reader = log.reader()?;
        let facts = crate::ledger::Facts {
            last: reader.last_seq().0,
            print: reader.restore_seq(reader.last_seq())?.graph.fingerprint(),
            markers: reader.markers().to_vec(),
        };
        ledger.check(Some(&facts), "while reads fail");
        for marker in reader.markers() {
            assert_eq!(reader.restore(marker)?.fingerprint(), marker.fingerprint);
        }
        let writer = log.writer()?;
        assert_eq!(writer.with_graph(|graph| graph.fingerprint())?, facts.print);
        writer.commit().map(drop)
    };
    let reads = {
        let disk = disk.fork();
        let before = disk.reads();
        look_and_recover(&disk).unwrap();
        disk.reads() - before
    };
    for n in 1..=reads {
        for fault in [ReadFault::Eio, ReadFault::Short, ReadFault::Interrupted] {
            for from_then_on in [false, true] {
                let disk = disk.fork();
                let at = disk.reads() + n;
                if from_then_on {
                    disk.fail_reads_from(at, fault);
                } else {
                    disk.fail_read(at, fault);
                }
                let outcome = look_and_recover(&disk);
                let story = format!("{}: {fault:?} at read {n} of {reads}", workload.name);
                match outcome {
                    Ok(()) => {}
                    Err(Error::Io { .. }) if fault == ReadFault::Eio => {}
                    Err(error) => panic!("{story}: {error:?}"),
                }
            }
        }
    }
    println!("{}: {} runs with a failing read", workload.name, reads * 6);
}
