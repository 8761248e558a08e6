//! Each way in which the simulated disk fails, once.

use std::io::ErrorKind;

use super::*;
use crate::storage::{conformance, read_all, write_new};

fn synced(disk: &SimStorage, name: &str, bytes: &[u8]) -> Box<dyn WriteFile> {
    let mut file = disk.create(name).unwrap();
    file.append(bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir(name.rsplit_once('/').map_or("", |(dir, _)| dir)).unwrap();
    file
}

fn names(disk: &SimStorage) -> Vec<String> {
    disk.dump().into_keys().collect()
}

fn bytes(disk: &SimStorage, name: &str) -> Vec<u8> {
    disk.dump().remove(name).unwrap()
}

/// Loses all units that `lost` says yes to, and no other.
fn lose(disk: &SimStorage, lost: impl Fn(&Unit) -> bool) {
    disk.crash(&mut |unit| if lost(&unit) { Fate::Lost } else { Fate::Survives });
}

#[test]
fn a_simulated_disk_does_what_a_storage_must() {
    conformance::run(&mut || (Box::new(SimStorage::new()), Box::new(())));
}

// Crashes: bytes.

#[test]
fn what_was_synced_survives_the_worst_crash() {
    let disk = SimStorage::new();
    synced(&disk, "a", &[1; 1000]);
    assert_eq!(disk.unsynced(), []);
    disk.crash_all_lost();
    assert_eq!(bytes(&disk, "a"), [1; 1000]);
}

#[test]
fn what_was_not_synced_is_lost_or_not_as_chosen() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"yes").append(b" no").unwrap();
    let other = disk.fork();
    disk.crash_all_lost();
    assert_eq!(bytes(&disk, "a"), b"yes");
    other.crash_all_survive();
    assert_eq!(bytes(&other, "a"), b"yes no");
    // What survived once is durable.
    other.crash_all_lost();
    assert_eq!(bytes(&other, "a"), b"yes no");
}

#[test]
fn each_sector_has_a_fate_of_its_own() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", &[1; 100]);
    file.append(&[2; 1500]).unwrap();
    let sector = |index| Unit::Sector { file: "a".to_owned(), index };
    let growth = Unit::Growth { file: "a".to_owned(), from: 100, to: 1600 };
    assert_eq!(disk.unsynced(), [sector(0), sector(1), sector(2), sector(3), growth]);
    disk.crash(&mut |unit| match unit {
        Unit::Sector { index: 0, .. } => Fate::Lost,
        Unit::Sector { index: 1, .. } => Fate::Zeroed,
        Unit::Sector { index: 2, .. } => Fate::Torn,
        _ => Fate::Survives,
    });
    let expected = [vec![1; 100], vec![0; 924], vec![2; 256], vec![0; 256], vec![2; 64]].concat();
    assert_eq!(bytes(&disk, "a"), expected);
}

#[test]
fn a_lost_length_cuts_the_sectors_that_survived() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"0");
    file.append(b"11").unwrap();
    file.append(b"2222").unwrap();
    for (lost_from, torn, expected) in
        [(1, false, "0"), (3, false, "011"), (1, true, "01"), (3, true, "01122"), (9, true, "0112222")]
    {
        let fork = disk.fork();
        fork.crash(&mut |unit| match unit {
            Unit::Growth { from, .. } if from == lost_from && torn => Fate::Torn,
            Unit::Growth { from, .. } if from >= lost_from => Fate::Lost,
            _ => Fate::Survives,
        });
        assert_eq!(String::from_utf8(bytes(&fork, "a")).unwrap(), expected, "{lost_from} {torn}");
    }
}

#[test]
fn a_later_growth_that_survives_covers_a_lost_one() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"0");
    file.append(b"1").unwrap();
    file.append(b"2").unwrap();
    lose(&disk, |unit| matches!(unit, Unit::Growth { from: 1, .. }));
    assert_eq!(bytes(&disk, "a"), b"012");
}

// Crashes: names.

#[test]
fn a_synced_file_without_a_synced_name_is_gone() {
    let disk = SimStorage::new();
    let mut file = disk.create("a").unwrap();
    file.append(b"x").unwrap();
    file.sync().unwrap();
    assert_eq!(disk.unsynced(), [Unit::Create { name: "a".to_owned() }]);
    disk.crash_all_lost();
    assert_eq!(names(&disk), Vec::<String>::new());
}

#[test]
fn a_name_that_survives_without_its_bytes_is_an_empty_file() {
    let disk = SimStorage::new();
    disk.create("a").unwrap().append(b"x").unwrap();
    lose(&disk, |unit| !matches!(unit, Unit::Create { .. }));
    assert_eq!(bytes(&disk, "a"), b"");
}

#[test]
fn a_lost_rename_brings_back_the_old_name_and_the_replaced_file() {
    let disk = SimStorage::new();
    synced(&disk, "CURRENT", b"old");
    synced(&disk, "CURRENT.tmp", b"new");
    disk.rename("CURRENT.tmp", "CURRENT").unwrap();
    let other = disk.fork();
    disk.crash_all_lost();
    assert_eq!(names(&disk), ["CURRENT", "CURRENT.tmp"]);
    assert_eq!(bytes(&disk, "CURRENT"), b"old");
    other.sync_dir("").unwrap();
    other.crash_all_lost();
    assert_eq!(names(&other), ["CURRENT"]);
    assert_eq!(bytes(&other, "CURRENT"), b"new");
}

#[test]
fn a_lost_removal_brings_the_file_back() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"x");
    disk.remove("a").unwrap();
    let other = disk.fork();
    disk.crash_all_lost();
    assert_eq!(bytes(&disk, "a"), b"x");
    other.sync_dir("").unwrap();
    other.crash_all_lost();
    assert_eq!(names(&other), Vec::<String>::new());
}

#[test]
fn a_rename_survives_the_loss_of_the_creation_before_it() {
    let disk = SimStorage::new();
    let mut file = disk.create("a.tmp").unwrap();
    file.append(b"x").unwrap();
    file.sync().unwrap();
    disk.rename("a.tmp", "a").unwrap();
    lose(&disk, |unit| matches!(unit, Unit::Create { .. }));
    assert_eq!(disk.dump(), [("a".to_owned(), b"x".to_vec())].into());
}

#[test]
fn a_creation_may_survive_the_rename_after_it() {
    let disk = SimStorage::new();
    disk.create("a.tmp").unwrap();
    disk.rename("a.tmp", "a").unwrap();
    lose(&disk, |unit| matches!(unit, Unit::Rename { .. }));
    assert_eq!(names(&disk), ["a.tmp"]);
}

#[test]
fn a_later_change_may_survive_an_earlier_one() {
    let disk = SimStorage::new();
    synced(&disk, "old", b"x");
    disk.create("new").unwrap();
    disk.remove("old").unwrap();
    lose(&disk, |unit| matches!(unit, Unit::Create { .. }));
    assert_eq!(names(&disk), Vec::<String>::new());
}

#[test]
fn a_file_made_again_after_its_removal_is_old_or_new_or_missing() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"old");
    disk.remove("a").unwrap();
    let mut file = disk.create("a").unwrap();
    file.append(b"new").unwrap();
    file.sync().unwrap();
    for (lose_removal, lose_creation, expected) in [
        (true, true, Some("old")),
        (false, true, None),
        (true, false, Some("new")),
        (false, false, Some("new")),
    ] {
        let fork = disk.fork();
        lose(&fork, |unit| match unit {
            Unit::Remove { .. } => lose_removal,
            _ => lose_creation,
        });
        assert_eq!(fork.dump().get("a").map(Vec::as_slice), expected.map(str::as_bytes));
    }
}

#[test]
fn a_lost_directory_takes_its_files_with_it() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"x");
    disk.create_dir("trash").unwrap();
    synced(&disk, "trash/b", b"synced in a directory that is not");
    disk.rename("a", "trash/a").unwrap();
    let other = disk.fork();
    lose(&disk, |unit| matches!(unit, Unit::CreateDir { .. }));
    // The renaming has nowhere to go, so the file stays where it was.
    assert_eq!(names(&disk), ["a"]);
    assert_eq!(disk.list("trash").unwrap_err().kind(), ErrorKind::NotFound);
    other.sync_dir("").unwrap();
    other.crash_all_lost();
    assert_eq!(names(&other), ["a", "trash/b"]);
}

#[test]
fn a_rename_across_directories_waits_for_both() {
    for (dirs, moved) in [(vec![""], false), (vec!["trash"], false), (vec!["trash", ""], true)] {
        let disk = SimStorage::new();
        disk.create_dir("trash").unwrap();
        synced(&disk, "a", b"x");
        disk.rename("a", "trash/a").unwrap();
        for dir in &dirs {
            disk.sync_dir(dir).unwrap();
        }
        disk.crash_all_lost();
        assert_eq!(names(&disk), [if moved { "trash/a" } else { "a" }], "{dirs:?}");
    }
}

#[test]
fn a_synced_change_takes_along_what_it_rests_on() {
    let disk = SimStorage::new();
    disk.create_dir("trash").unwrap();
    synced(&disk, "trash/a", b"x");
    disk.sync_dir("").unwrap();
    disk.rename("trash/a", "b").unwrap();
    disk.rename("b", "c").unwrap();
    disk.sync_dir("").unwrap();
    disk.sync_dir("trash").unwrap();
    disk.crash_all_lost();
    assert_eq!(names(&disk), ["c"]);
}

#[test]
fn a_file_written_as_a_whole_is_old_or_new_after_any_crash() {
    let old = vec![b'o'; 700];
    let new = vec![b'n'; 1700];
    let story = |disk: &SimStorage| {
        disk.set_file("CURRENT", old.clone()).unwrap();
        write_new(disk, "CURRENT", &new)
    };
    let whole = SimStorage::new();
    story(&whole).unwrap();
    assert_eq!(whole.unsynced(), []);
    for n in 1..=whole.calls() {
        let disk = SimStorage::new();
        disk.crash_at_call(n);
        assert_eq!(story(&disk).unwrap_err().to_string(), "simulated crash");
        for seed in 0..200 {
            let fork = disk.fork();
            fork.crash_seeded(seed);
            let found = bytes(&fork, "CURRENT");
            assert!(found == old || found == new, "call {n}, seed {seed}: {} bytes", found.len());
            write_new(&fork, "CURRENT", &new).unwrap();
            assert_eq!(names(&fork), ["CURRENT"]);
        }
    }
}

// What a crash does to those who were there.

#[test]
fn handles_from_before_a_crash_fail_after_it() {
    let disk = SimStorage::new();
    let mut writer = synced(&disk, "a", b"x");
    let reader = disk.open("a").unwrap();
    disk.crash_all_survive();
    assert!(writer.append(b"y").is_err());
    assert!(writer.sync().is_err());
    assert!(reader.read_at(0, &mut [0]).is_err());
    assert!(reader.len().is_err());
    assert_eq!(read_all(&disk, "a", 9).unwrap(), b"x");
}

#[test]
fn a_crash_frees_the_lock_and_an_old_guard_does_not_free_the_next() {
    let disk = SimStorage::new();
    let LockAttempt::Held(old) = disk.lock("first").unwrap() else { panic!("nobody else is there") };
    disk.crash_all_lost();
    assert!(!disk.is_locked().unwrap());
    let LockAttempt::Held(_new) = disk.lock("second").unwrap() else { panic!("the first is dead") };
    drop(old);
    assert!(disk.is_locked().unwrap());
}

#[test]
fn a_process_that_dies_in_a_call_hears_nothing_more() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"x");
    let reader = disk.open("a").unwrap();
    disk.crash_at_call(disk.calls() + 2);
    file.append(b"y").unwrap();
    for error in [
        file.append(b"z").unwrap_err(),
        file.sync().unwrap_err(),
        disk.create("b").unwrap_err(),
        disk.sync_dir("").unwrap_err(),
        disk.list("").unwrap_err(),
        disk.lock("me").unwrap_err(),
        disk.is_locked().unwrap_err(),
        disk.open("a").unwrap_err(),
        reader.read_at(0, &mut [0]).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Other, "simulated crash".to_owned()));
    }
    let other = disk.fork();
    disk.crash_all_lost();
    assert_eq!(bytes(&disk, "a"), b"x");
    disk.create("b").unwrap();
    // The call in which it died may have taken effect.
    other.crash_all_survive();
    assert_eq!(bytes(&other, "a"), b"xyz");
}

#[test]
fn a_change_in_which_the_process_dies_is_the_crashs_to_decide() {
    for (survives, expected) in [(true, ["b"]), (false, ["a"])] {
        let disk = SimStorage::new();
        synced(&disk, "a", b"x");
        disk.crash_at_call(disk.calls() + 1);
        disk.rename("a", "b").unwrap_err();
        lose(&disk, |_| !survives);
        assert_eq!(names(&disk), expected);
    }
}

#[test]
fn a_sync_in_which_the_process_dies_syncs_nothing() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"x");
    file.append(b"y").unwrap();
    disk.crash_at_call(disk.calls() + 1);
    file.sync().unwrap_err();
    disk.crash_all_lost();
    assert_eq!(bytes(&disk, "a"), b"x");
}

// Faults.

#[test]
fn a_fault_strikes_the_call_that_was_named_and_no_other() {
    for (n, outcome) in [(1, [false, true, true]), (2, [true, false, true]), (3, [true, true, false])] {
        let disk = SimStorage::new();
        disk.fail_call(n, Fault::Eio, FaultSpan::Once);
        let calls = [disk.create("a").is_ok(), disk.create_dir("d").is_ok(), disk.sync_dir("").is_ok()];
        assert_eq!(calls, outcome);
        assert_eq!(disk.calls(), 3);
    }
}

#[test]
fn a_full_disk_takes_nothing_but_removals() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"x");
    disk.fail_call(1, Fault::Enospc, FaultSpan::FromThenOn);
    assert_eq!(file.append(b"y").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.create("b").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(bytes(&disk, "a"), b"x");
    disk.remove("a").unwrap();
    disk.clear_faults();
    disk.create("b").unwrap();
}

#[test]
fn a_short_write_leaves_a_part_and_says_so() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"x");
    disk.fail_call(1, Fault::ShortWrite, FaultSpan::Once);
    // It waits for the first call that it fits.
    file.sync().unwrap();
    file.append(b"12345").unwrap_err();
    assert_eq!(bytes(&disk, "a"), b"x12");
    assert_eq!(file.len(), 1);
    file.append(b"6").unwrap();
    assert_eq!(bytes(&disk, "a"), b"x126");
}

#[test]
fn a_failed_sync_may_drop_the_data_and_then_report_success() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"synced");
    file.append(b" dropped").unwrap();
    disk.fail_call(1, Fault::FsyncDrops, FaultSpan::Once);
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(bytes(&disk, "a"), b"synced dropped");
    assert_eq!(disk.unsynced(), []);
    disk.crash_all_survive();
    assert_eq!(bytes(&disk, "a"), b"synced");
}

#[test]
fn what_is_written_after_a_dropping_sync_is_durable_behind_a_hole() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", &[1; 512]);
    file.append(&[2; 600]).unwrap();
    disk.fail_call(1, Fault::FsyncDrops, FaultSpan::Once);
    file.sync().unwrap_err();
    file.append(&[3; 100]).unwrap();
    file.sync().unwrap();
    disk.crash_all_lost();
    // The dropped bytes come back only where their sector was written again.
    assert_eq!(bytes(&disk, "a"), [vec![1; 512], vec![0; 512], vec![2; 88], vec![3; 100]].concat());
}

#[test]
fn a_failed_sync_of_a_directory_may_drop_its_changes_and_then_report_success() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"x");
    disk.rename("a", "b").unwrap();
    disk.fail_call(1, Fault::FsyncDrops, FaultSpan::Once);
    disk.sync_dir("").unwrap_err();
    disk.sync_dir("").unwrap();
    assert_eq!(names(&disk), ["b"]);
    disk.crash_all_survive();
    assert_eq!(names(&disk), ["a"]);
}

#[test]
fn a_failed_sync_that_keeps_can_be_made_good() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"x");
    file.append(b"y").unwrap();
    disk.create("b").unwrap();
    for fault in [Fault::FsyncKeeps, Fault::Eio] {
        disk.fail_call(1, fault, FaultSpan::Once);
        file.sync().unwrap_err();
        disk.fail_call(1, fault, FaultSpan::Once);
        disk.sync_dir("").unwrap_err();
        assert_eq!(disk.unsynced().len(), 3);
    }
    file.sync().unwrap();
    disk.sync_dir("").unwrap();
    disk.crash_all_lost();
    assert_eq!(disk.dump(), [("a".to_owned(), b"xy".to_vec()), ("b".to_owned(), Vec::new())].into());
}

#[test]
fn short_and_interrupted_reads_are_read_through_and_errors_are_not() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"0123456789");
    disk.fail_read(1, ReadFault::Short);
    disk.fail_read(2, ReadFault::Interrupted);
    disk.fail_read(3, ReadFault::Short);
    assert_eq!(read_all(&disk, "a", 10).unwrap(), b"0123456789");
    assert_eq!(disk.reads(), 4);
    disk.fail_read(5, ReadFault::Eio);
    assert_eq!(read_all(&disk, "a", 10).unwrap_err().to_string(), "simulated I/O error");
    assert_eq!(read_all(&disk, "a", 10).unwrap(), b"0123456789");
}

// For tests.

#[test]
fn reads_that_are_short_or_interrupted_from_then_on_come_through_all_the_same() {
    let disk = SimStorage::new();
    synced(&disk, "a", &[7; 100]);
    let file = disk.open("a").unwrap();
    disk.fail_reads_from(2, ReadFault::Interrupted);
    let mut buf = [0; 100];
    assert_eq!(file.read_at(0, &mut buf).unwrap(), 100);
    for _ in 0..3 {
        assert_eq!(file.read_at(0, &mut buf).unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(file.read_at(0, &mut buf).unwrap(), 100);
    }
    disk.clear_faults();
    disk.fail_reads_from(disk.reads() + 1, ReadFault::Short);
    assert_eq!(file.read_at(0, &mut buf).unwrap(), 50);
    let before = disk.reads();
    file.read_exact_at(0, &mut buf).unwrap();
    assert_eq!((buf, disk.reads() - before), ([7; 100], 7));
    disk.clear_faults();
    disk.fail_reads_from(disk.reads() + 1, ReadFault::Eio);
    assert!(file.read_at(0, &mut buf).is_err() && file.read_at(0, &mut buf).is_err());
}

#[test]
fn a_call_that_a_signal_interrupts_does_nothing_and_says_so() {
    let disk = SimStorage::new();
    let mut file = disk.create("a").unwrap();
    disk.fail_call(2, Fault::Interrupted, FaultSpan::FromThenOn);
    let is_interrupted = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::Interrupted;
    assert!(is_interrupted(file.append(b"x")) && is_interrupted(file.sync()));
    assert!(is_interrupted(disk.rename("a", "b")) && is_interrupted(disk.remove("a")));
    assert!(is_interrupted(disk.sync_dir("")) && is_interrupted(disk.create("c").map(drop)));
    assert_eq!(disk.unsynced(), [Unit::Create { name: "a".to_owned() }]);
    assert_eq!(bytes(&disk, "a"), b"");
}

#[test]
fn a_seed_gives_the_same_crash_every_time_and_seeds_differ() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"");
    file.append(&[7; 5000]).unwrap();
    let after = |seed| {
        let fork = disk.fork();
        fork.crash_seeded(seed);
        fork.dump()
    };
    let outcomes: std::collections::BTreeSet<_> = (0..100).map(after).collect();
    assert!(outcomes.len() > 30, "{}", outcomes.len());
    assert!((0..100).all(|seed| outcomes.contains(&after(seed))));
    assert_eq!(SplitMix64(0).next(), 0xe220_a839_7b1d_cdaf);
}

#[test]
fn a_fork_goes_its_own_way() {
    let disk = SimStorage::new();
    let mut file = synced(&disk, "a", b"x");
    let _held = disk.lock("me").unwrap();
    let fork = disk.fork();
    file.append(b"y").unwrap();
    fork.remove("a").unwrap();
    assert_eq!(bytes(&disk, "a"), b"xy");
    assert!(!fork.is_locked().unwrap());
    assert!(disk.is_locked().unwrap());
    assert_eq!(fork.calls(), disk.calls());
}

#[test]
fn files_can_be_damaged_copied_and_loaded() {
    let disk = SimStorage::new();
    synced(&disk, "a", b"good");
    let reader = disk.open("a").unwrap();
    disk.rename("a", "b").unwrap();
    disk.set_file("b", *b"bad").unwrap();
    disk.set_file("trash/c", *b"new").unwrap();
    let mut buf = [0; 3];
    reader.read_exact_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"bad");
    disk.crash_all_lost();
    assert_eq!(names(&disk), ["b", "trash/c"]);

    let copy = SimStorage::new();
    synced(&copy, "gone", b"");
    copy.load(disk.dump()).unwrap();
    assert_eq!(copy.dump(), disk.dump());
    copy.crash_all_lost();
    assert_eq!(copy.dump(), disk.dump());
    assert_eq!(copy.list("trash").unwrap().len(), 1);
    assert!(disk.set_file("../x", *b"").is_err());
    assert!(disk.set_file("trash", *b"").is_err());
    assert!(disk.set_file("b/x", *b"").is_err());
}
