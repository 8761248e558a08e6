//! Power cuts, kills and failing disks, in every place: nothing acknowledged is lost, nothing lost comes back.
//!
//! `SNAPLOG_EXHAUSTIVE=1` tries every call with every fate; without it a sample.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{
    CONFIG, DIRECTED, Ending, Ledger, Numbers, Op, Oracle, environment, exhaustive, files, init, killed,
    more, open, story, verified,
};
use snaplog::storage::sim::{Fault, FaultSpan};
use snaplog::storage::{SimStorage, Storage};
use snaplog::upkeep::verify::Level;
use snaplog::{Appended, Error, Event, Log, MarkOptions, Seq};

/// What becomes of the machine.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Only the process dies: everything is visible, and as unsynced as it was.
    Killed,
    Lost,
    Survives,
    Seeded(u64),
}

impl Fate {
    fn befall(self, disk: &SimStorage) -> SimStorage {
        let next = disk.fork();
        match self {
            Self::Killed => {}
            Self::Lost => next.crash_all_lost(),
            Self::Survives => next.crash_all_survive(),
            Self::Seeded(seed) => next.crash_seeded(seed),
        }
        next
    }
}

fn fates(n: u64) -> Vec<Fate> {
    let seeds = if exhaustive() { 20 } else { 2 };
    let mut fates = vec![Fate::Killed, Fate::Lost, Fate::Survives];
    fates.extend((0..seeds).map(|seed| Fate::Seeded(n * 1000 + seed)));
    fates
}

/// Looks at what a crash left, and changes nothing.
fn look(disk: &SimStorage, ledger: &Ledger, story: &str) -> Seq {
    let before = files(disk);
    let log = open(disk);
    let reader = log.reader().unwrap();
    assert!(reader.damage().is_none(), "{story}: {:?}", reader.damage());
    let last = reader.last_seq();
    ledger.check_prefix(last, story);
    ledger.check_markers(reader.markers(), story);
    let restored = reader.restore_seq(last).unwrap();
    let prefix = ledger.submitted.get(..usize::try_from(last.0).unwrap()).unwrap();
    Oracle::of(prefix).assert_equals(&restored.graph, story);
    let report = verified(&log, Level::Replay);
    assert!(report.sound && report.complete, "{story}: {report:#?}");
    assert_eq!(usize::try_from(report.markers_good).unwrap(), reader.markers().len(), "{story}");
    if let Some(marker) = ledger.markers.last() {
        let graph = reader.restore(marker).unwrap();
        assert_eq!(graph.fingerprint(), marker.fingerprint, "{story}");
    }
    assert_eq!(files(disk), before, "{story}: a look changed something");
    last
}

/// Opening a session and letting it die once more changes nothing that the first did not.
fn open_and_die_twice(disk: &SimStorage, story: &str) {
    let first = disk.fork();
    let writer = open(&first).writer().unwrap();
    let second = killed(&first, writer);
    let after_first = files(&second);
    let writer = open(&second).writer().unwrap();
    let third = killed(&second, writer);
    assert_eq!(files(&third), after_first, "{story}: recovery is not idempotent");
}

/// An event that changes nothing, committed, must rest on durable bytes.
fn lean_on_what_is_there(disk: &SimStorage, ledger: &mut Ledger, story: &str) {
    let disk = disk.fork();
    let writer = open(&disk).writer().unwrap();
    ledger.settle(writer.status().unwrap().last_seq, story);
    // The newest node that is alive: the one that has most to fear.
    let newest = writer.with_graph(|graph| graph.nodes().last().map(|node| node.id().to_id())).unwrap();
    let Some(newest) = newest else { return };
    let unchanged = writer.append(&Event::PutNode { id: newest, attrs: vec![] }).unwrap();
    assert_eq!(unchanged, Appended::Unchanged, "{story}");
    assert_eq!(writer.commit().unwrap(), writer.status().unwrap().last_seq, "{story}");
    let mut promised = ledger.clone();
    promised.acknowledged = writer.status().unwrap().last_seq.0;
    promised.markers = writer.markers().unwrap();
    let cut = killed(&disk, writer);
    cut.crash_all_lost();
    look(&cut, &promised, &format!("{story}, then leant on, then lost"));
}

/// Everything that must hold after a crash; on return the disk has been written to.
fn hold(disk: &SimStorage, ledger: &Ledger, seed: u64, story: &str) {
    let mut ledger = ledger.clone();
    let last = look(disk, &ledger, story);
    open_and_die_twice(disk, story);
    lean_on_what_is_there(disk, &mut ledger.clone(), story);

    // Crashes in the middle of the recovery and what follows it.
    let mut numbers = Numbers(seed);
    let calls = {
        let disk = &mut disk.fork();
        let before = disk.calls();
        assert!(matches!(ledger.clone().play(disk, &more(1), &|_| {}), Ending::Whole(_)), "{story}");
        disk.calls() - before
    };
    let points: Vec<u64> =
        if exhaustive() { (1..=calls).collect() } else { (0..2).map(|_| 1 + numbers.below(calls)).collect() };
    for point in points {
        let mut disk = disk.fork();
        let mut ledger = ledger.clone();
        let at = disk.calls() + point;
        let ending = ledger.play(&mut disk, &more(1), &|disk| disk.crash_at_call(at));
        // The last calls of all remove old manifests, which is best effort.
        let best_effort = point + 2 > calls;
        assert!(matches!(ending, Ending::Failed(..)) || best_effort, "{story}: no call {point}");
        drop(ending);
        let fate = match numbers.below(4) {
            0 => Fate::Killed,
            1 => Fate::Lost,
            2 => Fate::Survives,
            _ => Fate::Seeded(numbers.next()),
        };
        let story = format!("{story}, then call {point} of the recovery, {fate:?}");
        let mut disk = fate.befall(&disk);
        look(&disk, &ledger, &story);
        lean_on_what_is_there(&disk, &mut ledger.clone(), &story);
        let Ending::Whole(None) = ledger.play(&mut disk, &more(2), &|_| {}) else { panic!("{story}") };
        disk.crash_all_lost();
        look(&disk, &ledger, &story);
    }

    // And on with it.
    let mut disk = disk.fork();
    ledger.settle(last, story);
    let Ending::Whole(None) = ledger.play(&mut disk, &more(3), &|_| {}) else { panic!("{story}") };
    assert_eq!(look(&disk, &ledger, story).0, ledger.acknowledged, "{story}");
    disk.crash_all_lost();
    assert_eq!(look(&disk, &ledger, story).0, ledger.acknowledged, "{story}: after a close and a power cut");
}

/// How many calls the story makes, the making of the log left out.
fn length_of_story() -> (u64, u64) {
    let mut disk = SimStorage::new();
    init(&disk, CONFIG);
    let before = disk.calls();
    let mut ledger = Ledger::new();
    let Ending::Whole(None) = ledger.play(&mut disk, &story(), &|_| {}) else { panic!("the story") };
    let rolled = disk.dump().keys().filter(|name| name.starts_with("events-")).count();
    assert!(rolled >= 7, "the story is to roll segments: {rolled}");
    look(&disk, &ledger, "the story itself");
    (before + 1, disk.calls())
}

/// Part `part` of `of`: tests run side by side.
fn crash_everywhere(part: u64, of: u64) {
    let (from, to) = length_of_story();
    for n in (from..=to).filter(|n| n % of == part) {
        let mut disk = SimStorage::new();
        init(&disk, CONFIG);
        let mut ledger = Ledger::new();
        let ending = ledger.play(&mut disk, &story(), &|disk| disk.crash_at_call(n));
        assert!(matches!(ending, Ending::Failed(..)) || n == to, "no call {n}");
        drop(ending);
        for fate in fates(n) {
            let left = fate.befall(&disk);
            hold(&left, &ledger, n, &format!("crash at call {n}, {fate:?}"));
        }
    }
}

#[test]
fn a_crash_at_any_call_keeps_what_was_acknowledged_and_nothing_half_part_1() {
    crash_everywhere(0, 2);
}

#[test]
fn a_crash_at_any_call_keeps_what_was_acknowledged_and_nothing_half_part_2() {
    crash_everywhere(1, 2);
}

/// After an error nothing is acknowledged before the log is opened again, and then everything that was is there.
fn fail_everywhere(faults: &[(Fault, FaultSpan)]) {
    let (from, to) = length_of_story();
    let step = if exhaustive() { 1 } else { 3 };
    for &(fault, span) in faults {
        for n in (from..=to).filter(|n| n % step == 0) {
            let told = format!("{fault:?} {span:?} at call {n}");
            let mut disk = SimStorage::new();
            init(&disk, CONFIG);
            let mut ledger = Ledger::new();
            let ending = ledger.play(&mut disk, &story(), &|disk| disk.fail_call(n, fault, span));
            disk.clear_faults();
            match ending {
                Ending::Whole(writer) => drop(writer),
                Ending::Failed(writer, error) => {
                    if let Some(writer) = writer {
                        assert!(matches!(error, Error::Poisoned { .. }), "{told}: {error:?}");
                        stays_poisoned(writer, &told);
                    }
                }
            }
            for fate in [Fate::Killed, Fate::Lost, Fate::Survives, Fate::Seeded(n)] {
                let disk = fate.befall(&disk);
                let told = format!("{told}, {fate:?}");
                let last = look(&disk, &ledger, &told);
                lean_on_what_is_there(&disk, &mut ledger.clone(), &told);
                let mut disk = disk;
                let mut ledger = ledger.clone();
                ledger.settle(last, &told);
                let Ending::Whole(None) = ledger.play(&mut disk, &more(1), &|_| {}) else { panic!("{told}") };
                disk.crash_all_lost();
                assert_eq!(look(&disk, &ledger, &told).0, ledger.acknowledged, "{told}");
            }
        }
    }
}

fn stays_poisoned(writer: snaplog::Writer, told: &str) {
    let event = Event::node("after the error");
    let answers = [
        writer.append(&event).map(drop),
        writer.append_all(&[event.clone(), Event::node("n1")]).map(drop),
        writer.commit().map(drop),
        writer.mark(&MarkOptions::default()).map(drop),
        writer.pin(snaplog::MarkerId(1), true),
        writer.tick(),
        writer.status().map(drop),
        writer.close(),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::Poisoned { .. })), "{told}: {answer:?}");
    }
}

#[test]
fn after_a_write_that_fails_nothing_is_acknowledged_and_nothing_is_lost() {
    fail_everywhere(&[
        (Fault::Eio, FaultSpan::Once),
        (Fault::Enospc, FaultSpan::FromThenOn),
        (Fault::ShortWrite, FaultSpan::Once),
    ]);
}

#[test]
fn after_a_sync_that_fails_and_forgets_nothing_rests_on_what_only_looks_written() {
    fail_everywhere(&[
        (Fault::FsyncDrops, FaultSpan::Once),
        (Fault::FsyncKeeps, FaultSpan::Once),
        (Fault::FsyncDrops, FaultSpan::FromThenOn),
    ]);
}

#[test]
fn what_is_sent_again_after_a_kill_is_durable_once_it_is_committed() {
    let disk = SimStorage::new();
    let log = init(&disk, "durability = \"marker\"\n[tiers]\n");
    let writer = log.writer().unwrap();
    writer.append(&Event::node("synced")).unwrap();
    writer.commit().unwrap();
    let text = "x".repeat(300_000);
    let event = Event::node("written, never synced").with("text", text);
    // A frame of this size goes to the system at once; no sync is asked for.
    assert_eq!(writer.append(&event).unwrap(), Appended::Written(Seq(2)));
    let disk = killed(&disk, writer);

    let writer = open(&disk).writer().unwrap();
    assert_eq!(writer.append(&event).unwrap(), Appended::Unchanged);
    assert_eq!(writer.status().unwrap().durable, Seq(1), "it is not claimed before it is made sure of");
    assert_eq!(writer.commit().unwrap(), Seq(2));
    let disk = killed(&disk, writer);
    disk.crash_all_lost();
    assert_eq!(open(&disk).reader().unwrap().last_seq(), Seq(2));
}

#[test]
fn a_commit_or_a_pin_makes_sure_of_what_an_earlier_session_left_though_no_event_came() {
    let base = SimStorage::new();
    let log = init(&base, "durability = \"marker\"\n[tiers]\n");
    let writer = log.writer().unwrap();
    writer.append(&Event::node("synced")).unwrap();
    writer.mark(&MarkOptions::labelled("here")).unwrap();
    writer.append(&Event::node("unsure").with("text", "x".repeat(300_000))).unwrap();
    let base = killed(&base, writer);
    for pin in [false, true] {
        let disk = base.fork();
        let writer = open(&disk).writer().unwrap();
        assert_eq!(writer.status().unwrap().durable, Seq(1));
        if pin {
            writer.pin(snaplog::MarkerId(1), true).unwrap();
            assert_eq!(writer.status().unwrap().durable, Seq(2), "what the manifest speaks of is durable");
        } else {
            assert_eq!(writer.commit().unwrap(), Seq(2));
        }
        let disk = killed(&disk, writer);
        disk.crash_all_lost();
        let reader = open(&disk).reader().unwrap();
        assert_eq!(reader.last_seq(), Seq(2));
        assert_eq!(reader.markers().first().unwrap().pinned, pin);
    }
}

#[test]
fn what_rests_on_a_manifest_that_a_kill_left_half_in_force_is_durable_once_it_is_committed() {
    // The session dies right before the sync of the directory that makes CURRENT's new name durable. The next one
    // sees the new manifest, finds everything there, and commits: a power cut must not bring the old one back.
    let text = "x".repeat(300_000);
    let event = Event::node("written, never synced").with("text", text);
    let base = SimStorage::new();
    let log = init(&base, "durability = \"marker\"\n[tiers]\n");
    let writer = log.writer().unwrap();
    writer.append(&Event::node("synced")).unwrap();
    writer.commit().unwrap();
    writer.append(&event).unwrap();
    let base = killed(&base, writer);
    let calls = {
        let disk = base.fork();
        let before = disk.calls();
        let writer = open(&disk).writer().unwrap();
        writer.commit().unwrap();
        disk.calls() - before
    };
    for drops in [false, true] {
        for n in 1..=calls {
            let disk = base.fork();
            if drops {
                disk.fail_call(disk.calls() + n, Fault::FsyncDrops, FaultSpan::Once);
            } else {
                disk.crash_at_call(disk.calls() + n);
            }
            let disk = match open(&disk).writer() {
                Ok(writer) => {
                    let _ = writer.commit();
                    killed(&disk, writer)
                }
                Err(_) => disk.fork(),
            };
            let writer = open(&disk).writer().unwrap();
            assert_eq!(writer.append(&event).unwrap(), Appended::Unchanged);
            assert_eq!(writer.commit().unwrap(), Seq(2));
            let disk = killed(&disk, writer);
            disk.crash_all_lost();
            assert_eq!(
                open(&disk).reader().unwrap().last_seq(),
                Seq(2),
                "call {n} of {calls}, drops: {drops}"
            );
        }
    }
}

#[test]
fn a_power_cut_in_the_recovery_after_a_kill_does_not_lock_the_log_up() {
    // The recovery has appended the unsure tail again to a new file, durably, when the power goes; the manifest does
    // not name the file yet, and the old tail is lost. The new file holds more than the log then: what was never
    // acknowledged, not a sign of an older manifest.
    let base = SimStorage::new();
    let log = init(&base, "durability = \"marker\"\n[tiers]\n");
    let writer = log.writer().unwrap();
    writer.append(&Event::node("synced")).unwrap();
    writer.commit().unwrap();
    writer.append(&Event::node("unsure").with("text", "x".repeat(300_000))).unwrap();
    let base = killed(&base, writer);
    let mut n = 0;
    loop {
        n += 1;
        let disk = base.fork();
        disk.crash_at_call(disk.calls() + n);
        if open(&disk).writer().and_then(|writer| writer.commit()).is_ok() {
            break;
        }
        disk.crash_all_lost();
        let log = open(&disk);
        let writer = log.writer().unwrap_or_else(|error| panic!("call {n}: {error}"));
        writer.append(&Event::node("on")).unwrap();
        writer.close().unwrap();
        let report = verified(&log, Level::Replay);
        assert!(report.sound, "call {n}: {report:#?}");
    }
    assert!(n > 5);
}

#[test]
fn claims_advance_and_reach_the_disk_by_themselves() {
    let disk = SimStorage::new();
    let log = init(&disk, CONFIG);
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    writer.commit().unwrap();
    writer.append(&Event::node(2)).unwrap();
    writer.commit().unwrap();
    let bytes = disk.dump().remove("events-000001").unwrap();
    let mut claims = Vec::new();
    let magic = [0x9e, b'S', b'F', 0x1a];
    let mut at = 0;
    while at + 64 <= bytes.len() {
        let frame = bytes.get(at..at + 64).unwrap();
        if frame.starts_with(&magic) {
            let synced = u64::from_le_bytes(frame.get(48..56).unwrap().try_into().unwrap());
            assert!(synced <= u64::try_from(at).unwrap());
            claims.push((*frame.get(4).unwrap(), synced, u64::try_from(at).unwrap()));
            at += 64;
        } else {
            at += 1;
        }
    }
    // The session's first note, then an event and its note, twice: each note claims all before it.
    let notes: Vec<_> = claims.iter().filter(|(kind, ..)| *kind == 3).collect();
    assert_eq!(notes.len(), 3, "{claims:?}");
    assert!(notes.iter().all(|(_, synced, at)| *synced > 0 && synced == at), "{claims:?}");
    assert!(claims.is_sorted_by_key(|(_, synced, _)| *synced), "{claims:?}");
    // The last claim is in the file though nothing came after it: it is written, not waited for.
    drop(writer);
}

#[test]
fn the_marker_that_a_crash_separates_from_its_crossing_is_placed_by_the_next_open() {
    let mut placed_late = 0;
    let mut n = 0;
    loop {
        n += 1;
        let disk = SimStorage::new();
        let log = init(&disk, CONFIG);
        let writer = log.writer().unwrap();
        for node in 0..5 {
            writer.append(&Event::node(node)).unwrap();
        }
        writer.commit().unwrap();
        disk.crash_at_call(disk.calls() + n);
        let crossed = writer.append(&Event::node(5)).is_ok();
        drop(writer);
        disk.crash_all_survive();
        let log = open(&disk);
        let before = log.reader().unwrap();
        if crossed {
            assert_eq!(before.markers().len(), 1);
            break;
        }
        let late = before.last_seq() == Seq(6) && before.markers().is_empty();
        placed_late += u32::from(late);
        let writer = log.writer().unwrap();
        // If the crossing itself was lost it comes again.
        writer.append(&Event::node(5)).unwrap();
        let markers = writer.markers().unwrap();
        assert_eq!(markers.len(), 1, "call {n}");
        assert_eq!(markers.first().unwrap().tiers, ["small"]);
        assert_eq!(markers.first().unwrap().seq, Seq(6));
        writer.close().unwrap();
        assert_eq!(log.reader().unwrap().markers(), markers);
    }
    assert!(placed_late > 0, "no crash came between the two");
}

#[test]
fn deletes_and_puts_around_a_multiple_fire_nothing_twice_nor_does_a_new_session() {
    let disk = SimStorage::new();
    let mut disk_now = disk.clone();
    init(&disk, CONFIG);
    for round in 0..4 {
        let writer = open(&disk_now).writer().unwrap();
        for node in 0..6 {
            writer.append(&Event::node(node)).unwrap();
        }
        for node in 3..6 {
            writer.append(&Event::DeleteNode { id: node.into() }).unwrap();
            writer.append(&Event::node(node)).unwrap();
        }
        writer.append(&Event::DeleteNode { id: 0.into() }).unwrap();
        writer.commit().unwrap();
        assert_eq!(writer.markers().unwrap().len(), 1, "round {round}");
        if round % 2 == 0 {
            disk_now = killed(&disk_now, writer);
            disk_now.crash_all_lost();
        } else {
            writer.close().unwrap();
        }
    }
}

#[test]
fn an_init_that_is_cut_short_anywhere_can_be_finished_or_is_a_log() {
    let calls = {
        let disk = SimStorage::new();
        init(&disk, CONFIG);
        disk.calls()
    };
    let start = |disk: &SimStorage| Log::init_in(Arc::new(disk.clone()), environment(), DIRECTED, CONFIG);
    for n in 1..=calls {
        for fate in [Fate::Killed, Fate::Lost, Fate::Survives].into_iter().chain((0..20).map(Fate::Seeded)) {
            let told = format!("call {n}, {fate:?}");
            let disk = SimStorage::new();
            disk.crash_at_call(n);
            assert!(start(&disk).is_err(), "{told}");
            let disk = fate.befall(&disk);
            match Log::open_in(Arc::new(disk.clone()), environment()) {
                Ok(_) => {}
                Err(Error::NotALog { .. }) => drop(start(&disk).unwrap_or_else(|e| panic!("{told}: {e:?}"))),
                Err(error) => panic!("{told}: {error:?}"),
            }
            let mut ledger = Ledger::new();
            let mut disk = disk;
            let Ending::Whole(None) = ledger.play(&mut disk, &more(1), &|_| {}) else { panic!("{told}") };
            disk.crash_all_lost();
            look(&disk, &ledger, &told);
            assert!(matches!(start(&disk), Err(Error::AlreadyALog { .. })), "{told}");
        }
    }
}

#[test]
fn numbers_of_files_are_never_given_twice_whatever_a_crash_left_behind() {
    let (from, to) = length_of_story();
    for n in (from..=to).step_by(5) {
        let mut disk = SimStorage::new();
        init(&disk, CONFIG);
        let mut ledger = Ledger::new();
        drop(ledger.play(&mut disk, &story(), &|disk| disk.crash_at_call(n)));
        let disk = Fate::Seeded(n).befall(&disk);
        let before = files(&disk);
        let writer = open(&disk).writer().unwrap();
        writer.append(&Event::node("new")).unwrap();
        writer.close().unwrap();
        let after = files(&disk);
        for (name, bytes) in before {
            if name.starts_with("events-")
                && std::path::Path::new(&name).extension().is_none_or(|e| e != "tmp")
            {
                assert_eq!(
                    after.get(&name),
                    Some(&bytes),
                    "call {n}: {name} was written to by a later session"
                );
            }
        }
    }
}

#[test]
fn a_read_that_fails_or_comes_short_is_an_error_or_nothing_at_all_never_another_log() {
    let mut disk = SimStorage::new();
    init(&disk, CONFIG);
    let mut ledger = Ledger::new();
    drop(ledger.play(&mut disk, &story(), &|_| {}));
    let reads = {
        let disk = disk.fork();
        let before = disk.reads();
        let reader = open(&disk).reader().unwrap();
        drop(reader.restore_seq(reader.last_seq()).unwrap());
        drop(open(&disk).writer().unwrap());
        disk.reads() - before
    };
    for n in 1..=reads {
        for fault in [
            snaplog::storage::sim::ReadFault::Eio,
            snaplog::storage::sim::ReadFault::Short,
            snaplog::storage::sim::ReadFault::Interrupted,
        ] {
            let disk = disk.fork();
            disk.fail_read(disk.reads() + n, fault);
            let outcome = Log::open_in(Arc::new(disk.clone()), environment()).and_then(|log| {
                let reader = log.reader()?;
                let restored = reader.restore_seq(reader.last_seq())?;
                Oracle::of(&ledger.submitted)
                    .assert_equals(&restored.graph, &format!("{fault:?} at read {n}"));
                let writer = log.writer()?;
                assert_eq!(writer.status()?.last_seq.0, ledger.acknowledged);
                Ok(())
            });
            match (fault, outcome) {
                (_, Ok(())) => {}
                (snaplog::storage::sim::ReadFault::Eio, Err(error)) => {
                    assert!(matches!(error, Error::Io { .. }), "read {n}: {error:?}");
                }
                (fault, Err(error)) => panic!("{fault:?} at read {n}: {error:?}"),
            }
        }
    }
    let _: &dyn Storage = &disk;
}

#[test]
fn the_story_is_worth_telling() {
    let (from, to) = length_of_story();
    assert!(to - from > 100, "{from} to {to}");
    assert!(story().iter().any(|op| matches!(op, Op::Kill)));
}
