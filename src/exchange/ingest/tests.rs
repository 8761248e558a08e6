use std::io::{self, Cursor, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::log::Log;
use crate::model::event::Refusal;
use crate::model::id::Id;
use crate::model::marker::GraphKind;

const DIRECTED: GraphKind = GraphKind { directed: true, multigraph: false };

struct Bench {
    _dir: tempfile::TempDir,
    log: Log,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::init(dir.path().join("log"), DIRECTED).unwrap();
    Bench { _dir: dir, log }
}

fn input(text: impl AsRef<[u8]>) -> Seekable<Cursor<Vec<u8>>> {
    Seekable(Cursor::new(text.as_ref().to_vec()))
}

fn named(name: &str) -> Options<'_> {
    Options { source: Some(name), ..Options::default() }
}

/// Remembers what it was told.
#[derive(Default)]
struct Notes {
    starts: Vec<Start>,
    skipped: Vec<String>,
    told: u64,
}

impl Observer for Notes {
    fn starts(&mut self, start: Start) {
        self.starts.push(start);
    }

    fn skipped(&mut self, bad: &BadLine) {
        self.skipped.push(bad.to_string());
    }

    fn progress(&mut self, _: &Report, _: Option<&Marker>) {
        self.told += 1;
    }
}

fn nodes(ids: std::ops::Range<u32>) -> String {
    ids.fold(String::new(), |text, id| text + &format!("{{\"op\":\"node\",\"id\":{id}}}\n"))
}

#[test]
fn an_input_that_grew_goes_on_where_it_stopped() {
    let bench = bench();
    let mut notes = Notes::default();
    for (upto, read, before) in [(3, 3, 0), (3, 0, 3), (5, 2, 3)] {
        // A session each: what is remembered is in the log.
        let writer = bench.log.writer().unwrap();
        let report = ndjson(&writer, input(nodes(0..upto)), &named("x"), &mut notes).unwrap();
        assert_eq!((report.events_read, report.lines_already_read), (read, before));
        assert_eq!(report.nodes, u64::from(upto));
        writer.close().unwrap();
    }
    let after = |lines| Start::After { lines };
    assert_eq!(notes.starts, [Start::Beginning, after(3), after(3)]);
}

#[test]
fn an_input_that_changed_is_read_from_its_start() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let mut notes = Notes::default();
    ndjson(&writer, input(nodes(0..4)), &named("x"), &mut notes).unwrap();
    let report = ndjson(&writer, input(nodes(1..6)), &named("x"), &mut notes).unwrap();
    assert_eq!((report.events_read, report.unchanged, report.events_written), (5, 3, 2));
    // Shorter than what is remembered.
    let report = ndjson(&writer, input(nodes(1..3)), &named("x"), &mut notes).unwrap();
    assert_eq!((report.events_read, report.unchanged), (2, 2));
    assert_eq!(notes.starts, [Start::Beginning, Start::Changed, Start::Changed]);
}

#[test]
fn deletes_are_not_done_twice_unless_asked_for() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let text = nodes(0..3) + "{\"op\":\"del_node\",\"id\":1}\n";
    ndjson(&writer, input(&text), &named("x"), &mut ()).unwrap();
    let report = ndjson(&writer, input(&text), &named("x"), &mut ()).unwrap();
    assert_eq!((report.events_read, report.last_seq), (0, Seq(4)));
    let again = Options { again: true, ..named("x") };
    let report = ndjson(&writer, input(&text), &again, &mut ()).unwrap();
    assert_eq!((report.events_written, report.unchanged, report.last_seq), (2, 2, Seq(6)));
}

#[test]
fn a_stream_is_compared_and_replayed_through_its_spool() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let stream = |text: String| Spooled::new(Cursor::new(text), Cursor::new(Vec::new()));
    let sizes = [(0..5, 5, 0), (0..8, 3, 5), (2..4, 2, 0), (2..30_000, 29_996, 2), (1..29_999, 29_998, 0)];
    for (ids, read, before) in sizes {
        let report = ndjson(&writer, stream(nodes(ids)), &named("-"), &mut ()).unwrap();
        assert_eq!((report.events_read, report.lines_already_read), (read, before));
    }
}

#[test]
fn zstd_is_recognised_and_may_come_later() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    ndjson(&writer, input(nodes(0..4)), &named("x"), &mut ()).unwrap();
    // Two frames, and one to be passed over in front, as pzstd makes them.
    let mut packed = b"\x50\x2a\x4d\x18\x04\0\0\0\0\0\0\0".to_vec();
    packed.extend(zstd::encode_all(nodes(0..6).as_bytes(), 3).unwrap());
    packed.extend(zstd::encode_all(nodes(6..9).as_bytes(), 3).unwrap());
    let report = ndjson(&writer, input(&packed), &named("x"), &mut ()).unwrap();
    assert_eq!((report.events_read, report.lines_already_read, report.nodes), (5, 4, 9));
    // A frame that is cut: what is there is read, then it is an error.
    packed.extend(zstd::encode_all(nodes(9..99).as_bytes(), 3).unwrap());
    packed.truncate(packed.len() - 5);
    let stopped = ndjson(&writer, input(&packed), &named("x"), &mut ()).unwrap_err();
    assert!(matches!(stopped.cause, Cause::Read { .. }), "{stopped:?}");
}

#[test]
fn gzip_is_told_from_bad_lines() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let stopped = ndjson(&writer, input(b"\x1f\x8b\x08\0"), &named("x"), &mut ()).unwrap_err();
    let Cause::Read { source, .. } = stopped.cause else { panic!("{stopped:?}") };
    assert!(source.to_string().contains("zcat"));
}

#[test]
fn line_ends_blank_lines_and_byte_order_marks_are_no_matter() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let text = "\u{feff}{\"op\":\"node\",\"id\":1}\r\n\r\n  \n{\"op\":\"node\",\"id\":2}";
    let report = ndjson(&writer, input(text), &named("x"), &mut ()).unwrap();
    assert_eq!((report.events_written, report.nodes), (2, 2));
    // The last line gets its end, and one more comes: line numbers stay right.
    let grown = format!("{text}\n{{\"op\":\"node\",\"id\":3}}\n!\n");
    let stopped = ndjson(&writer, input(grown), &named("x"), &mut ()).unwrap_err();
    assert_eq!(stopped.report.lines_already_read, 4);
    assert_eq!(stopped.report.nodes, 3);
    assert!(matches!(&stopped.cause, Cause::Bad(BadLine { line: 6, column: Some(1), .. })), "{stopped}");
    let [source] = &writer.sources().unwrap()[..] else { panic!("one source") };
    assert_eq!(source.lines, 5);
}

#[test]
fn everything_before_a_bad_line_is_durable() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let text = nodes(0..5) + "{\"op\":\"nod\",\"id\":5}\n" + &nodes(6..9);
    let stopped = ndjson(&writer, input(&text), &named("x"), &mut ()).unwrap_err();
    assert_eq!(stopped.to_string(), stopped.cause.to_string());
    assert!(stopped.to_string().starts_with("line 6, column 7: unknown operation \"nod\""), "{stopped}");
    assert_eq!((stopped.report.last_seq, stopped.report.durable_seq), (Seq(5), Seq(5)));
    // The line is mended: reading goes on there.
    let mended = nodes(0..9);
    let report = ndjson(&writer, input(&mended), &named("x"), &mut ()).unwrap();
    assert_eq!((report.lines_already_read, report.events_written), (5, 4));
}

#[test]
fn bad_lines_are_skipped_where_that_is_wanted() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let text = nodes(0..2)
        + "nonsense\n{\"op\":\"del_node\",\"id\":7}\n{\"op\":\"mark\",\"label\":\"latest\"}\n"
        + &nodes(2..4);
    let mut notes = Notes::default();
    let options = Options { skip_bad: true, ..named("x") };
    let report = ndjson(&writer, input(&text), &options, &mut notes).unwrap();
    assert_eq!((report.events_read, report.events_written, report.events_skipped), (7, 4, 3));
    assert!(notes.skipped[0].starts_with("line 3, column 1: expected"), "{:?}", notes.skipped);
    assert_eq!(notes.skipped[1], "line 4: node 7 is not in the graph");
    assert!(notes.skipped[2].starts_with("line 5: "), "{:?}", notes.skipped);
    let report = ndjson(&writer, input(&text), &options, &mut notes).unwrap();
    assert_eq!((report.events_read, report.lines_already_read), (0, 7));
}

#[test]
fn refusals_have_a_line_and_no_column() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let text = nodes(0..1) + "{\"op\":\"edge\",\"src\":1,\"dst\":2,\"key\":3}\n";
    let stopped = ndjson(&writer, input(text), &named("x"), &mut ()).unwrap_err();
    let Cause::Bad(bad) = stopped.cause else { panic!("{stopped:?}") };
    assert_eq!((bad.line, bad.column), (2, None));
    let refusal = Refusal::KeyInSimpleGraph { src: Id::from(1), dst: Id::from(2) };
    assert_eq!(bad.fault, LineFault::Refused(refusal));
}

#[test]
fn markers_are_placed_and_counted() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let mark = "{\"op\":\"mark\",\"label\":\"half\",\"ts\":\"2026-01-02T00:00:00Z\"}\n";
    let mut notes = Notes::default();
    let options = Options { progress_every: 10, ..named("x") };
    let text = nodes(0..30) + mark + mark + &nodes(30..60);
    let report = ndjson(&writer, input(text), &options, &mut notes).unwrap();
    // The first event's daily one, 25, "half" once, 50.
    assert_eq!(report.markers_placed, 4);
    assert_eq!(writer.markers().unwrap().len(), 4);
    assert_eq!(notes.told, 6);
}

#[test]
fn a_line_without_a_time_takes_that_of_the_line_before_also_after_a_resume() {
    let lines = [
        "{\"op\":\"node\",\"id\":1,\"ts\":\"2026-01-01T00:00:00Z\"}\n",
        "{\"op\":\"node\",\"id\":2,\"attrs\":{\"ts\":\"2026-03-01T00:00:00Z\"}}\n",
        "{\"op\":\"mark\",\"label\":\"a\"}\n",
    ];
    let bench = bench();
    let first = lines[..2].concat();
    for text in [first, lines.concat()] {
        let writer = bench.log.writer().unwrap();
        ndjson(&writer, input(text), &named("x"), &mut ()).unwrap();
        writer.close().unwrap();
    }
    let reader = bench.log.reader().unwrap();
    let marker = reader.markers().last().unwrap();
    assert_eq!(marker.label.as_deref(), Some("a"));
    assert_eq!(marker.time.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn a_line_past_the_bound_is_an_error_with_its_number() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let spaces = io::repeat(b' ').take(MAX_LINE_BYTES);
    let text = Cursor::new(nodes(0..1)).chain(spaces).chain(Cursor::new("x\n"));
    let stream = Spooled::new(text, Cursor::new(Vec::new()));
    let options = Options { skip_bad: true, ..Options::default() };
    let stopped = ndjson(&writer, stream, &options, &mut ()).unwrap_err();
    assert!(matches!(stopped.cause, Cause::LineTooLong { line: 2, .. }), "{stopped}");
    assert_eq!(stopped.report.durable_seq, Seq(1));
}

/// Stops the reading while it is read.
struct StopsIn<'a>(Cursor<String>, &'a AtomicBool);

impl Read for StopsIn<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => {
                self.1.store(true, Ordering::Relaxed);
                Err(io::Error::other("interrupted"))
            }
            n => Ok(n),
        }
    }
}

impl Input for StopsIn<'_> {
    fn restart(&mut self) -> io::Result<()> {
        Err(io::Error::other("no way back"))
    }
}

#[test]
fn stopped_reading_takes_no_half_line_and_goes_on_later() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let stop = AtomicBool::new(false);
    let options = Options { stop: Some(&stop), ..named("x") };
    let whole = nodes(0..9);
    let half = whole[..whole.len() - 8].to_owned();
    let report = ndjson(&writer, StopsIn(Cursor::new(half), &stop), &options, &mut ()).unwrap();
    assert!(report.interrupted);
    assert_eq!((report.events_written, report.durable_seq), (8, Seq(8)));
    let report = ndjson(&writer, input(whole), &named("x"), &mut ()).unwrap();
    assert_eq!((report.lines_already_read, report.events_written), (8, 1));
}

const DOCUMENT: &str = r#"{"directed": true, "multigraph": false, "graph": {"name": "g"},
 "nodes": [{"id": "a", "x": 1}, {"id": "b"}], "edges": [{"source": "a", "target": "b", "w": 2.5}]}"#;

#[test]
fn a_document_is_read_once() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let mut notes = Notes::default();
    let report = node_link(&writer, input(DOCUMENT), &named("x"), &mut notes).unwrap();
    assert_eq!((report.events_written, report.nodes, report.edges), (4, 2, 1));
    let report = node_link(&writer, input(DOCUMENT), &named("x"), &mut notes).unwrap();
    assert_eq!((report.events_read, report.lines_already_read), (0, 1));
    let mut packed = Vec::new();
    zstd::Encoder::new(&mut packed, 3).unwrap().auto_finish().write_all(DOCUMENT.as_bytes()).unwrap();
    let report = node_link(&writer, input(packed), &named("y"), &mut notes).unwrap();
    assert_eq!((report.unchanged, report.events_written), (4, 0));
    assert_eq!(notes.starts, [Start::Beginning, Start::AtTheEnd, Start::Beginning]);
}

#[test]
fn a_document_of_another_kind_or_form_is_refused_with_both_named() {
    let bench = bench();
    let writer = bench.log.writer().unwrap();
    let other = DOCUMENT.replace("\"directed\": true", "\"directed\": false");
    let stopped = node_link(&writer, input(other), &named("x"), &mut ()).unwrap_err();
    assert_eq!(stopped.to_string(), "the document holds an undirected graph, the log a directed graph");
    let cut = &DOCUMENT[..DOCUMENT.len() - 1];
    let stopped = node_link(&writer, input(cut), &named("x"), &mut ()).unwrap_err();
    assert_eq!(stopped.cause.line(), Some(2), "{stopped}");
    assert!(writer.sources().unwrap().is_empty());
    assert_eq!(stopped.report.nodes, 0);
}
