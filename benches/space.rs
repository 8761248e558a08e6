//! How much room a log takes with all its markers, and what keeping it small costs in writing.
//!
//! ```text
//! cargo bench --bench space                          # the 2,000 nodes of tests/data
//! cargo bench --bench space -- crawl.ndjson          # any crawl, as NDJSON, or that compressed with zstd
//! cargo bench --bench space -- crawl.ndjson --updates
//! cargo bench --bench space -- crawl.ndjson --old-way DIR   # beside a directory of backups, however it came about
//! ```
//!
//! The crawl is ingested with the default tiers, maintenance runs whenever a segment is full, and at the end grace is over.
//! Beside it stand the crawl itself and the graph at its end as node-link JSON, each compressed with zstd. With
//! `--updates` every tenth event is followed by one that changes an attribute of an old node.

#![expect(
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    reason = "a program that measures: it has files, and rounds what it prints"
)]

#[path = "common/lines.rs"]
mod lines;

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use lines::Line;
use snaplog::exchange::ndjson::{Item, parse_line};
use snaplog::exchange::node_link;
use snaplog::storage::LocalStorage;
use snaplog::{
    CompactOptions, Config, Environment, Event, GraphKind, Id, Log, Maintained, SystemEnvironment, Timestamp,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The system's clock and dice, and no thread: maintenance runs when it is told to, and can be counted.
#[derive(Debug)]
struct Alone;

impl Environment for Alone {
    fn now(&self) -> Timestamp {
        SystemEnvironment.now()
    }

    fn random(&self) -> [u8; 16] {
        SystemEnvironment.random()
    }

    fn owner(&self) -> String {
        SystemEnvironment.owner()
    }

    fn threads(&self) -> bool {
        false
    }
}

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut input = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/debian-2000.ndjson.zst").to_owned();
    let (mut updates, mut old_way) = (false, Vec::new());
    let mut left = arguments.into_iter();
    while let Some(argument) = left.next() {
        match argument.as_str() {
            "--updates" => updates = true,
            "--old-way" => old_way.push(left.next().ok_or("--old-way takes a directory")?),
            _ => input = argument,
        }
    }
    let mut crawl = std::fs::read(&input)?;
    if Path::new(&input).extension().is_some_and(|extension| extension == "zst") {
        crawl = zstd::decode_all(crawl.as_slice())?;
    }
    let dir = tempfile::tempdir()?;
    let storage = Arc::new(LocalStorage::new(dir.path().join("log")));
    let log = Log::init_in(storage, Arc::new(Alone), KIND, Config::template())?;
    let (events, mut work) = ingest(&log, &crawl, updates)?;
    add(
        &mut work,
        &log.compact(CompactOptions { retention: true, now: true, thorough: false, rekey: false })?,
    );
    add(&mut work, &log.compact(CompactOptions { now: true, thorough: true, ..CompactOptions::default() })?);

    let reader = log.reader()?;
    let usage = log.usage()?;
    let last = reader.markers().last().ok_or("no marker")?;
    let graph = reader.restore(last)?;
    let mut document = Vec::new();
    node_link::write_graph_to(&graph, None, &mut document)?;
    let size =
        |bytes: &[u8], level: i32| -> Outcome<u64> { Ok(zstd::bulk::compress(bytes, level)?.len() as u64) };
    let reference = size(&document, 19)?;
    let counts = graph.counts();

    let out = &mut std::io::stdout().lock();
    writeln!(
        out,
        "{events} events; at the end {} nodes, {} edges; {} markers kept\n",
        counts.nodes,
        counts.edges,
        reader.markers().len()
    )?;
    let mut row = |what: &str, bytes: u64| -> std::io::Result<()> {
        let line = Line { bench: "space", subject: what.trim_start(), n: events, ..Line::default() };
        Line { case: "bytes", unit: "bytes", ..line }.with(&[bytes as f64]).emit()?;
        Line { case: "of the graph, zstd -19", unit: "times", ..line }
            .with(&[ratio(bytes, reference)])
            .emit()?;
        writeln!(out, "{what:<52} {bytes:>13} {:>8.2}", ratio(bytes, reference))
    };
    row("the crawl as NDJSON", crawl.len() as u64)?;
    row("  the crawl, zstd -3", size(&crawl, 3)?)?;
    row("  the crawl, zstd -19", size(&crawl, 19)?)?;
    row("the graph at the end as node-link JSON", document.len() as u64)?;
    row("  the graph, zstd -3", size(&document, 3)?)?;
    row("  the graph, zstd -19", reference)?;
    row("the log, all markers restorable", usage.total)?;
    row("  of that snapshot segments", usage.snapshots)?;
    row("  of that event segments", usage.events)?;
    for backups in &old_way {
        row(&format!("the old way ({backups})"), tree(Path::new(backups))?)?;
    }
    writeln!(
        out,
        "\nmaintenance wrote {} bytes in {} steps: {:.2} x the {} bytes that folding the events gave, {:.2} x the \
         {} bytes of the snapshot segments at the end",
        work.bytes_written,
        work.steps,
        ratio(work.bytes_written, work.bytes_folded),
        work.bytes_folded,
        ratio(work.bytes_written, usage.snapshots),
        usage.snapshots,
    )?;
    Ok(())
}

fn ingest(log: &Log, crawl: &[u8], updates: bool) -> Outcome<(u64, Maintained)> {
    let writer = log.writer()?;
    writer.set_sync_markers(false)?;
    let mut work = Maintained::default();
    let (mut events, mut day) = (0_u64, i64::MIN);
    let mut seen: Vec<Id> = Vec::new();
    for line in crawl.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = parse_line(line)? else { continue };
        let (Item::Event(event), Some(ts)) = (line.item, line.ts) else { continue };
        if ts.0.div_euclid(DAY_MICROS) != day {
            day = ts.0.div_euclid(DAY_MICROS);
            add(&mut work, &writer.maintain()?);
        }
        writer.append_at(&event, ts)?;
        events += 1;
        if let Event::PutNode { id, .. } = event {
            seen.push(id);
        }
        if updates && events.is_multiple_of(10) {
            // Spread over all that were seen, and the same in every run.
            let at = (events.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize % seen.len();
            writer.append_at(&Event::node(seen[at].clone()).with("checked", events as i64), ts)?;
        }
    }
    writer.close()?;
    Ok((events, work))
}

fn add(to: &mut Maintained, more: &Maintained) {
    to.steps += more.steps;
    to.bytes_written += more.bytes_written;
    to.bytes_folded += more.bytes_folded;
}

fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other.max(1) as f64
}

/// Bytes of all files in a directory and below.
fn tree(dir: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { tree(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}
