//! Compaction through the public API: what is kept stays restorable, equal to what it was.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use snaplog::model::graph::Graph;
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{CompactOptions, Config, Event, GraphKind, Log, MarkOptions, Timestamp};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A small log: `days` days of births, changes and deaths, with a marker each ten events.
fn crawl(log: &Log, days: i64, config: &str) {
    let writer = log.writer_with(Config::parse(config).unwrap()).unwrap();
    for day in 0..days {
        for n in 0..40_i64 {
            let id = day * 40 + n;
            let at = Timestamp(1_767_225_600_000_000 + day * DAY + n * 1_000_000);
            writer.append_at(&Event::node(id).with("name", format!("node {id}")).with("n", id), at).unwrap();
            if id > 3 {
                writer.append_at(&Event::edge(id, id / 2).with("w", n), at).unwrap();
            }
            if n % 7 == 3 {
                writer.append_at(&Event::node(id / 3).with("seen", day), at).unwrap();
            }
            if n % 11 == 5 {
                writer.append_at(&Event::DeleteNode { id: (id - 1).into() }, at).unwrap();
            }
        }
    }
    writer.close().unwrap();
}

const CONFIG: &str = "[tiers.few]\nevery_nodes = 10\nkeep = 4\n[tiers.all]\nevery_nodes = 50\n";

#[test]
fn every_marker_is_what_it_was_after_compaction() {
    for (directed, multigraph) in [(true, false), (false, false), (true, true), (false, true)] {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::init(dir.path().join("log"), GraphKind { directed, multigraph }).unwrap();
        std::fs::write(dir.path().join("log/snaplog.toml"), CONFIG).unwrap();
        crawl(&log, 12, CONFIG);
        let done = log
            .compact(CompactOptions { retention: true, now: false, thorough: false, rekey: false })
            .unwrap();
        assert!(done.steps > 0, "{done:?}");
        for _ in 0..2 {
            let done = log
                .compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() })
                .unwrap();
            eprintln!("{done:?}");
            let reader = log.reader().unwrap();
            let mut graphs: Vec<Graph> = Vec::new();
            for marker in reader.markers() {
                graphs.push(reader.restore(marker).unwrap());
            }
            assert!(graphs.len() > 10);
            assert!(reader.restorable().is_whole());
            let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
            assert!(report.sound && report.notes.is_empty(), "{report:#?}");
        }
        log.writer().unwrap().close().unwrap();
    }
}

/// A segment that is rewritten keeps the places where increments end, markers or not: a replay begins there, and the
/// next fold does.
#[test]
fn a_rewritten_segment_can_be_entered_where_an_increment_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind::default()).unwrap();
    let config = |keep_events: &str, compression: &str| {
        let tier = "[tiers.rare]\nevery_nodes = 1000000\n";
        let text = format!(
            "{tier}[retention]\nkeep_events = \"{keep_events}\"\n[compression]\nenabled = {compression}\n"
        );
        std::fs::write(dir.path().join("log/snaplog.toml"), text).unwrap();
    };
    config("none", "false");
    let writer = log.writer().unwrap();
    let at = |n: i64| Timestamp(1_577_836_800_000_000 + n);
    let crawl = |from: i64, to: i64| {
        for n in from..to {
            writer.append_at(&Event::node(n), at(n)).unwrap();
            writer.commit().unwrap();
        }
    };
    crawl(0, 20);
    let folded_to = writer.mark_at(&snaplog::MarkOptions::default(), at(20)).unwrap();
    crawl(20, 90);
    writer.close().unwrap();
    // The writer's own maintenance may come first: what counts is what there is afterwards.
    let fold = CompactOptions::default();
    let folded = || {
        log.compact(fold).unwrap();
        let segments = log.reader().unwrap().segments();
        segments.iter().filter(|one| one.file.starts_with("snapshot")).map(|one| one.to).max()
    };
    assert_eq!(folded(), Some(snaplog::Seq(20)));
    // Events stay from now on, and the segment is compressed after the marker at the end of the increments has gone.
    config("all", "true");
    log.expire(&[folded_to.id]).unwrap();
    let done = log.compact(CompactOptions { now: true, ..fold }).unwrap();
    assert!(done.steps > 0, "{done:?}");
    let graph = log.reader().unwrap().restore_seq(snaplog::Seq(60)).unwrap().graph;
    assert_eq!(graph.counts().nodes, 60);
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound, "{report:#?}");
    // And folding goes on from there.
    config("none", "true");
    let writer = log.writer().unwrap();
    writer.mark_at(&snaplog::MarkOptions::default(), at(90)).unwrap();
    writer.close().unwrap();
    assert_eq!(folded(), Some(snaplog::Seq(90)));
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound, "{report:#?}");
}

/// When all events are folded there is no event segment left, and nothing is missing.
#[test]
fn a_log_without_event_segments_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind::default()).unwrap();
    std::fs::write(dir.path().join("log/snaplog.toml"), "[retention]\nkeep_events = \"none\"\n").unwrap();
    let writer = log.writer().unwrap();
    writer.append(&Event::node(1)).unwrap();
    let marker = writer.mark(&snaplog::MarkOptions::default()).unwrap();
    writer.close().unwrap();
    log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() }).unwrap();
    let reader = log.reader().unwrap();
    assert!(reader.segments().iter().all(|one| one.file.starts_with("snapshot")));
    assert_eq!(reader.last_seq(), marker.seq);
    assert!(reader.restorable().is_whole() && reader.restorable().contains(marker.seq));
    assert_eq!(reader.restore(&marker).unwrap().counts().nodes, 1);
}

/// A fold fetches a few rows from chunks that hold others too, and leaves chunks out that hold none of the few: of the
/// others it sees a part only, and must not take that for damage.
#[test]
fn a_fold_does_not_judge_rows_that_it_has_not_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind::default()).unwrap();
    std::fs::write(dir.path().join("log/snaplog.toml"), "[retention]\nkeep_events = \"none\"\n").unwrap();
    let session = |steps: &[&[i64]], value: i64| {
        let writer = log.writer().unwrap();
        for nodes in steps {
            for node in *nodes {
                writer.append(&Event::node(*node).with("value", value)).unwrap();
            }
            writer.mark(&snaplog::MarkOptions::default()).unwrap();
        }
        writer.close().unwrap();
        log.compact(CompactOptions::default()).unwrap();
    };
    session(&[&[0, 1, 2, 3, 4, 5, 6]], 1);
    session(&[&[5]], 2);
    session(&[&[3, 5]], 3);
    session(&[&[3]], 4);
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound && report.markers_good >= 4, "{report:#?}");
}

/// Two markers at one event, at different times, and the events before them folded: what is left of the segment begins with
/// the first of the two, and so at its time.
#[test]
fn a_segment_that_is_cut_at_two_markers_begins_at_the_time_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), GraphKind::default()).unwrap();
    let text = "[tiers.rare]\nevery_nodes = 1000000\n[retention]\nkeep_events = \"none\"\n";
    std::fs::write(dir.path().join("log/snaplog.toml"), text).unwrap();
    let writer = log.writer().unwrap();
    let at = |seconds: i64| Timestamp(1_767_225_600_000_000 + seconds * 1_000_000);
    for n in 0..500_i64 {
        writer.append_at(&Event::node(n).with("text", "x".repeat(100)), at(n)).unwrap();
        if n == 400 {
            writer.mark_at(&MarkOptions::labelled("first"), at(450)).unwrap();
            writer.mark_at(&MarkOptions::labelled("second"), at(460)).unwrap();
        }
    }
    writer.close().unwrap();
    let done =
        log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() }).unwrap();
    assert!(done.bytes_folded > 0, "{done:?}");
    let report = verify(&log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound, "{report:#?}");
    let reader = log.reader().unwrap();
    let segments = reader.segments();
    let events = segments.iter().find(|segment| segment.file.starts_with("events-")).unwrap();
    assert_eq!(events.from.0, 402, "it was not cut: {segments:?}");
    for marker in reader.markers() {
        reader.restore(marker).unwrap();
    }
    assert_eq!(reader.restore_seq(reader.last_seq()).unwrap().graph.counts().nodes, 500);
}
