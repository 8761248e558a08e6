//! The golden logs: what a released version wrote must read the same for ever. `tests/golden/README.md` tells more.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these are tests: they look at what is on disk, and panic"
)]

#[path = "../examples/make_golden.rs"]
mod make_golden;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;
use snaplog::exchange::node_link;
use snaplog::format::seal::Lock;
use snaplog::format::snapshot::{Codec, Footer, SnapshotHead, TRAILER_BYTES, Trailer};
use snaplog::storage::LocalStorage;
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{Appended, Event, FixedEnvironment, Graph, Log, MarkOptions, Seq, Timestamp};

fn golden(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

/// Every golden log of a version: the directory that it and what is expected of it are in.
fn each_of(version: &str, look: impl Fn(&Path)) {
    for (name, _) in make_golden::KINDS {
        look(&golden(version).join(name));
    }
}

/// Every golden log, those with snapshot segments too.
fn each(look: impl Fn(&Path)) {
    each_of("v1", &look);
    each_of("v1-folded", &look);
}

fn expected(dir: &Path) -> Json {
    serde_json::from_slice(&fs::read(dir.join("expected.json")).unwrap()).unwrap()
}

/// All files of a log with their bytes.
fn files(log: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect()
}

fn sums(graph: &Graph) -> (String, String) {
    let fingerprint = graph.fingerprint();
    (fingerprint.content.to_string(), fingerprint.layout.to_string())
}

fn expected_sums(of: &Json) -> (String, String) {
    let text = |key: &str| of[key].as_str().unwrap().to_owned();
    (text("content"), text("layout"))
}

fn is_sound(log: &Log) {
    let report = verify(log, Options { level: Level::Replay, max_duration: None }).unwrap();
    assert!(report.sound && report.complete, "{report:#?}");
    assert_eq!(report.markers_good, report.markers_checked);
}

#[test]
fn every_marker_restores_to_what_another_reader_found() {
    each(|dir| {
        let expected = expected(dir);
        let reader = Log::open(dir.join("log")).unwrap().reader().unwrap();
        let markers = expected["markers"].as_array().unwrap();
        assert_eq!(reader.markers().len(), markers.len());
        let digests: BTreeMap<_, _> = reader.digests().unwrap().into_iter().collect();
        for (marker, expected) in reader.markers().iter().zip(markers) {
            let tiers: Vec<&str> =
                expected["tiers"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
            assert_eq!(marker.id.0, expected["id"].as_u64().unwrap());
            assert_eq!(marker.seq.0, expected["seq"].as_u64().unwrap());
            assert_eq!(marker.time.0, expected["time"].as_i64().unwrap());
            assert_eq!(marker.tiers, tiers);
            assert_eq!(marker.label.as_deref(), expected["label"].as_str());
            assert_eq!(marker.pinned, expected["pinned"].as_bool().unwrap());
            assert_eq!(marker.counts.nodes, expected["nodes"].as_u64().unwrap());
            assert_eq!(marker.counts.edges, expected["edges"].as_u64().unwrap());
            assert_eq!(marker.counts.items, expected["items"].as_u64().unwrap());
            assert_eq!(digests[&marker.id].to_string(), expected["digest"].as_str().unwrap());
            let graph = reader.restore(marker).unwrap();
            assert_eq!(graph.counts(), marker.counts);
            assert_eq!(sums(&graph), expected_sums(expected), "{} of {dir:?}", marker.id);
        }
    });
}

#[test]
fn the_end_is_the_graph_that_another_reader_found() {
    each(|dir| {
        let expected = expected(dir);
        let reader = Log::open(dir.join("log")).unwrap().reader().unwrap();
        assert_eq!(reader.last_seq().0, expected["last_seq"].as_u64().unwrap());
        let graph = reader.restore_seq(reader.last_seq()).unwrap().graph;
        assert_eq!(sums(&graph), expected_sums(&expected));
        let mut text = Vec::new();
        node_link::write_graph_to(&graph, None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, fs::read_to_string(dir.join("node-link.json")).unwrap().trim_end());
    });
}

#[test]
fn a_reader_and_verify_write_nothing() {
    each(|dir| {
        let path = dir.join("log");
        let before = files(&path);
        let log = Log::open(&path).unwrap();
        let reader = log.reader().unwrap();
        for marker in reader.markers() {
            reader.restore(marker).unwrap();
        }
        is_sound(&log);
        assert_eq!(files(&path), before);
    });
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let made = tempfile::tempdir().unwrap();
    make_golden::write_all(made.path(), false).unwrap();
    each_of("v1", |dir| {
        let again = files(&made.path().join(dir.file_name().unwrap()).join("log"));
        for (name, bytes) in files(&dir.join("log")) {
            assert!(again[&name] == bytes, "{name} of {dir:?} is another: the encoding has changed");
        }
        assert_eq!(again.len(), files(&dir.join("log")).len());
    });
}

/// A snapshot segment without what another release of zstd may do otherwise: header, index, blocks.
fn unpacked(file: &[u8]) -> (Vec<u8>, Footer, Vec<Vec<u8>>) {
    let (head, _) = SnapshotHead::decode(file).unwrap();
    let (rest, trailer) = file.split_at(file.len() - TRAILER_BYTES);
    let trailer = Trailer::decode(trailer, file.len().try_into().unwrap()).unwrap();
    let (_, index) = rest.split_at(trailer.footer_offset.try_into().unwrap());
    let mut footer = Footer::decode(&trailer, index, head.length.try_into().unwrap(), &Lock::None).unwrap();
    let (header, mut rest) = file.split_at(head.length);
    let mut blocks = Vec::new();
    for chunk in footer.increments.iter_mut().flat_map(|increment| &mut increment.chunks) {
        chunk.offset = 0;
        for block in &mut chunk.columns {
            let (stored, after) = rest.split_at(block.stored.try_into().unwrap());
            rest = after;
            blocks.push(match block.codec {
                Codec::Raw => stored.to_vec(),
                Codec::Zstd => zstd::bulk::decompress(stored, block.raw.try_into().unwrap()).unwrap(),
            });
            (block.codec, block.stored, block.crc) = (Codec::Raw, 0, 0);
        }
    }
    (header.to_vec(), footer, blocks)
}

#[test]
fn the_same_compactions_give_the_same_snapshots() {
    let made = tempfile::tempdir().unwrap();
    make_golden::write_all(made.path(), true).unwrap();
    each_of("v1-folded", |dir| {
        let again = files(&made.path().join(dir.file_name().unwrap()).join("log"));
        let golden = files(&dir.join("log"));
        assert_eq!(again.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>());
        let (mut kinds, mut tombstones) = (BTreeSet::new(), 0);
        for (name, bytes) in &golden {
            if name.starts_with("snapshot-") {
                let (ours, theirs) = (unpacked(&again[name]), unpacked(bytes));
                assert!(ours == theirs, "{name} of {dir:?} is another: {:#?}\n{:#?}", ours.1, theirs.1);
                let chunks = theirs.1.increments.iter().flat_map(|increment| &increment.chunks);
                tombstones += chunks.clone().map(|chunk| chunk.tombstones).sum::<u32>();
                kinds.extend(chunks.map(|chunk| format!("{:?}", chunk.kind)));
            } else if name.starts_with("events-") {
                assert!(again[name] == *bytes, "{name} of {dir:?} is another: the encoding has changed");
            }
        }
        assert_eq!(kinds.len(), 5, "rows of every kind: {kinds:?}");
        assert!(tombstones > 0);
    });
}

#[test]
fn a_writer_goes_on_where_a_golden_log_ends() {
    each_of("v1", |dir| {
        let copy = tempfile::tempdir().unwrap();
        let before = files(&dir.join("log"));
        for (name, bytes) in &before {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
        // Without threads: no maintenance, which would drop markers that are old by now.
        let now = Arc::new(FixedEnvironment::new(Timestamp::parse_rfc3339("2026-01-03T00:00:00Z").unwrap()));
        let log = Log::open_in(Arc::new(LocalStorage::new(copy.path())), now).unwrap();
        let last = log.reader().unwrap().last_seq();
        let markers = log.reader().unwrap().markers().to_vec();

        let writer = log.writer().unwrap();
        // What the golden log has already changes nothing.
        assert_eq!(writer.append(&Event::node("a")).unwrap(), Appended::Unchanged);
        let appended = writer.append(&Event::edge("a", "new").with("x", 1)).unwrap();
        assert_eq!(appended, Appended::Written(Seq(last.0 + 1)));
        writer.mark(&MarkOptions::labelled("appended")).unwrap();
        writer.close().unwrap();

        is_sound(&log);
        let reader = log.reader().unwrap();
        assert_eq!(reader.last_seq(), Seq(last.0 + 1));
        assert_eq!(reader.markers()[..markers.len()], markers);
        assert_eq!(reader.markers().last().unwrap().label.as_deref(), Some("appended"));
        let after = files(copy.path());
        for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("events-")) {
            assert!(after[name] == *bytes, "{name} was written to");
        }
    });
}
