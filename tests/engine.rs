//! The engine through its public API.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use snaplog::{Appended, Event, GraphKind, Log, MarkOptions, Selector, Seq};

const DIRECTED: GraphKind = GraphKind { directed: true, multigraph: false };

#[test]
fn what_is_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    for session in 0..3 {
        let writer = log.writer().unwrap();
        for n in 0..600 {
            let event = Event::edge(format!("{session}-{n}"), format!("{session}-{}", n + 1)).with("w", n);
            assert!(matches!(writer.append(&event).unwrap(), Appended::Written(_)));
            assert_eq!(writer.append(&event).unwrap(), Appended::Unchanged);
        }
        assert_eq!(writer.commit().unwrap(), Seq(600 * (session + 1)));
        if session == 1 {
            writer.mark(&MarkOptions::labelled("x")).unwrap();
        }
        if session == 2 {
            writer.close().unwrap();
        } else {
            std::mem::forget(writer);
            break_lock(&dir);
        }
    }
    let reader = log.reader().unwrap();
    assert_eq!(reader.last_seq(), Seq(1800));
    for marker in reader.markers() {
        assert_eq!(reader.restore(marker).unwrap().counts(), marker.counts);
    }
    let choice = reader.select(&Selector::Latest, Some("milestone")).unwrap();
    assert_eq!(choice.marker.counts.nodes, 1500);
    println!("{:#?}", reader.markers().len());
}

fn break_lock(dir: &tempfile::TempDir) {
    std::fs::remove_file(dir.path().join("l/LOCK")).unwrap();
}

#[test]
fn verify_says_that_a_good_log_is_good() {
    use snaplog::upkeep::verify::{Level, Options, verify};
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    let writer = log.writer().unwrap();
    for n in 0..100 {
        writer.append(&Event::node(n)).unwrap();
    }
    writer.close().unwrap();
    for level in [Level::Quick, Level::Checksums, Level::Replay] {
        let report = verify(&log, Options { level, max_duration: None }).unwrap();
        assert!(report.sound && report.complete, "{report:#?}");
        assert_eq!(report.markers_good, 5, "{report:#?}");
    }
}

#[test]
fn a_marker_placed_by_hand_makes_no_tier_of_time_due() {
    use snaplog::storage::SimStorage;
    use snaplog::{Config, FixedEnvironment, Timestamp};
    use std::sync::Arc;
    let clock = Arc::new(FixedEnvironment::new(Timestamp(0)));
    let storage = Arc::new(SimStorage::new());
    let log = Log::init_in(storage, clock.clone(), DIRECTED, Config::template()).unwrap();
    let writer = log.writer().unwrap();
    writer.append(&Event::node("a")).unwrap();
    writer.close().unwrap();
    for day in 1..4 {
        clock.set(Timestamp(day * 86_400_000_000));
        log.mark(&MarkOptions::labelled(format!("day {day}"))).unwrap();
    }
    let reader = log.reader().unwrap();
    let daily = reader.markers().iter().filter(|marker| marker.tiers == ["daily"]).count();
    assert_eq!((reader.markers().len(), daily), (4, 1));
}

#[test]
fn a_configuration_that_cannot_be_used_stops_writers_and_no_readers() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("l"), DIRECTED).unwrap();
    std::fs::write(dir.path().join("l/snaplog.toml"), "durabillity = 1").unwrap();
    assert!(matches!(log.writer(), Err(snaplog::Error::Config { .. })));
    assert!(log.reader().unwrap().config_fault().is_some());
}
