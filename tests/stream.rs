//! A state that is read row by row is the state that a restore builds: byte for byte the same lines.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests")]

mod common;

use common::Numbers;
use snaplog::exchange::{WriteError, ndjson};
use snaplog::{
    CompactOptions, Config, Error, Event, GraphKind, Id, Log, MarkOptions, Reader, StateRow, Timestamp, Value,
};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;
const CONFIG: &str = "[tiers.few]\nevery_nodes = 15\nkeep = 4\n[tiers.all]\nevery_nodes = 60\n";

fn id(numbers: &mut Numbers) -> Id {
    let n = numbers.below(150);
    if n.is_multiple_of(3) { format!("node {n} é").into() } else { n.cast_signed().into() }
}

fn value(numbers: &mut Numbers) -> Value {
    match numbers.below(4) {
        0 => Value::Null,
        1 => numbers.next().cast_signed().into(),
        2 => "some text".into(),
        _ => vec![1.5.into(), "x".into()].into(),
    }
}

fn event(numbers: &mut Numbers) -> Event {
    let name = |numbers: &mut Numbers| format!("a{}", numbers.below(9));
    match numbers.below(20) {
        0..=5 => Event::node(id(numbers)).with(name(numbers), value(numbers)),
        6..=10 => Event::edge(id(numbers), id(numbers)).with(name(numbers), value(numbers)),
        11 | 12 => Event::DeleteNode { id: id(numbers) },
        13 => Event::DeleteEdge { src: id(numbers), dst: id(numbers), key: None },
        14 => Event::UnsetNode { id: id(numbers), names: vec![name(numbers)] },
        15 => Event::PutGraph { attrs: vec![(name(numbers), value(numbers))] },
        16 => Event::UnsetGraph { names: vec![name(numbers)] },
        17 => Event::PutState { key: name(numbers), value: value(numbers) },
        18 => Event::PutEntry { key: "map".into(), entry: id(numbers), value: value(numbers) },
        _ => Event::DeleteState { key: name(numbers) },
    }
}

fn crawl(log: &Log, seed: u64, days: std::ops::Range<i64>) {
    let mut numbers = Numbers(seed);
    let writer = log.writer().unwrap();
    for day in days {
        for n in 0..60_i64 {
            let at = Timestamp(1_767_225_600_000_000 + day * DAY + n * 1_000_000);
            // What is not there cannot be deleted: such events are refused.
            let _ = writer.append_at(&event(&mut numbers), at);
        }
    }
    writer.mark(&MarkOptions::labelled("end")).unwrap();
    writer.close().unwrap();
}

/// Compares all markers; returns how many events lay behind the snapshots at most, and increments before them.
fn compare(reader: &Reader) -> (u64, usize) {
    let (mut events, mut increments) = (0, 0);
    for marker in reader.markers() {
        let mut expected = Vec::new();
        ndjson::write_graph_to(&reader.restore(marker).unwrap(), &mut expected).unwrap();
        let rows = reader.stream(marker).unwrap().unwrap();
        rows.prove().unwrap();
        let mut found = Vec::new();
        ndjson::write_stream(&rows, &mut found).unwrap();
        assert_eq!(
            String::from_utf8(found).unwrap(),
            String::from_utf8(expected).unwrap(),
            "{} after event {}",
            marker.id,
            marker.seq
        );
        events = events.max(rows.events());
        let snapshots = reader.plan(marker.seq).iter().filter(|r| r.file.starts_with("snapshot")).count();
        increments = increments.max(snapshots);
    }
    (events, increments)
}

#[test]
fn lines_are_the_same_as_those_of_the_graph() {
    for (seed, directed) in [(1, true), (2, false), (3, true), (4, false)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = Log::init(&path, GraphKind { directed, multigraph: false }).unwrap();
        std::fs::write(path.join("snaplog.toml"), CONFIG).unwrap();
        crawl(&log, seed, 0..10);
        // Events alone.
        let (events, _) = compare(&log.reader().unwrap());
        assert!(events > 100);
        log.compact(CompactOptions { retention: true, now: false, thorough: false, rekey: false }).unwrap();
        crawl(&log, seed + 100, 10..16);
        log.compact(CompactOptions { retention: true, now: true, thorough: false, rekey: false }).unwrap();
        // Snapshots, and events behind them.
        let reader = log.reader().unwrap();
        let (events, snapshots) = compare(&reader);
        assert!(events > 0 && snapshots > 0, "{events} {snapshots}");
        assert!(reader.markers().iter().any(|marker| reader.snapshot_bytes(marker.seq) > 0));
    }
}

#[test]
fn a_visitor_that_has_enough_ends_the_reading() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind { directed: true, multigraph: false }).unwrap();
    crawl(&log, 5, 0..3);
    let reader = log.reader().unwrap();
    let rows = reader.stream(reader.markers().last().unwrap()).unwrap().unwrap();
    let mut seen = 0;
    let outcome = rows.visit::<Error>(|row| {
        seen += 1;
        assert!(!matches!(row, StateRow::Item { .. }));
        if seen == 5 { Err(Error::Closed) } else { Ok(()) }
    });
    assert!(matches!(outcome, Err(Error::Closed)));
    assert_eq!(seen, 5);
}

#[test]
fn rows_that_are_not_what_the_marker_says_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind { directed: true, multigraph: false }).unwrap();
    crawl(&log, 6, 0..3);
    let reader = log.reader().unwrap();
    let mut marker = reader.markers().last().unwrap().clone();
    marker.fingerprint.content.0 ^= 1;
    let rows = reader.stream(&marker).unwrap().unwrap();
    assert!(matches!(rows.prove(), Err(Error::Mismatch { .. })));
    let mut out = Vec::new();
    let outcome = ndjson::write_stream(&rows, &mut out);
    assert!(matches!(outcome, Err(WriteError::Log(Error::Mismatch { .. }))));
    assert!(matches!(reader.restore(&marker), Err(Error::Mismatch { .. })));
}

#[test]
fn multigraphs_are_not_streamed() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind { directed: true, multigraph: true }).unwrap();
    let writer = log.writer_with(Config::default()).unwrap();
    writer.append(&Event::node("a")).unwrap();
    writer.mark(&MarkOptions::default()).unwrap();
    writer.close().unwrap();
    let reader = log.reader().unwrap();
    assert!(reader.stream(reader.markers().last().unwrap()).unwrap().is_none());
}
