//! What happens to each figure as the log grows: appending, replay, restore from a compacted log, opening for append, a
//! marker, and bytes on disk, at 10^4, 10^5, 10^6 and 10^7 events. What a log promises is that the lines stay flat.
//!
//! A fifth of the events are nodes with about 300 bytes of attributes, the rest edges with a weight. They are made in
//! pieces, between the times that are taken, so that the program holds the graph of the log and little else. No tier
//! places markers, and there is one sync, at the end.
//!
//! ```console
//! $ SNAPLOG_BENCH_MAX=100000 cargo bench --bench growth      # no more than so many events
//! $ SNAPLOG_BENCH_DIR=/mnt cargo bench --bench growth        # on another disk
//! $ SNAPLOG_BENCH_JSON=growth.jsonl cargo bench --bench growth
//! ```
#![expect(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a program that measures, and rounds what it prints"
)]

#[path = "common/lines.rs"]
mod lines;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lines::Line;
use snaplog::policy::config::Durability;
use snaplog::storage::LocalStorage;
use snaplog::{
    CompactOptions, Config, Environment, Event, GraphKind, Log, MarkOptions, Marker, SystemEnvironment,
    Timestamp, Value, Writer,
};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error>>;

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// How many events are made at a time.
const PIECE: u64 = 10_000;
/// Events handed in by one call.
const TOGETHER: usize = 1_000;
/// How many markers are timed, an event between two.
const MARKERS: u64 = 200;
/// Compaction folds every event that it may.
const FOLD_ALL: &str = "[tiers]\n[retention]\nkeep_events = \"none\"\ngrace = \"0s\"\n";

/// The real world, without the thread that syncs on time: the bench says when.
#[derive(Debug)]
struct Quiet;

impl Environment for Quiet {
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

fn main() -> Outcome<()> {
    let max: u64 = std::env::var("SNAPLOG_BENCH_MAX").map_or(Ok(u64::MAX), |text| text.parse())?;
    for size in SIZES.into_iter().filter(|size| *size <= max) {
        let rounds = match size {
            0..=100_000 => 5,
            100_001..=1_000_000 => 3,
            _ => 1,
        };
        let mut figures = Figures::default();
        for _ in 0..rounds {
            measure(size, &mut figures)?;
        }
        figures.show(size, rounds)?;
    }
    Ok(())
}

/// The figures of each round, in the order in which they came up.
#[derive(Default)]
struct Figures(Vec<(&'static str, &'static str, Vec<f64>)>);

impl Figures {
    fn add(&mut self, case: &'static str, unit: &'static str, figure: f64) {
        match self.0.iter_mut().find(|(name, ..)| *name == case) {
            Some((.., rounds)) => rounds.push(figure),
            None => self.0.push((case, unit, vec![figure])),
        }
    }

    fn show(&self, n: u64, rounds: usize) -> Outcome<()> {
        println!("{n} events; median of {rounds} (least to most)");
        for (case, unit, figures) in &self.0 {
            let line = Line { bench: "growth", case, subject: "snaplog", n, unit, ..Line::default() };
            let line = line.with(figures);
            println!("  {case:<34} {:>14.1} {unit:<12} ({:.1} to {:.1})", line.median, line.least, line.most);
            line.emit()?;
        }
        println!();
        Ok(())
    }
}

/// One round: a new log of so many events, each figure once.
fn measure(size: u64, figures: &mut Figures) -> Outcome<()> {
    let dir = match std::env::var_os("SNAPLOG_BENCH_DIR") {
        Some(dir) => TempDir::new_in(dir)?,
        None => TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?,
    };
    let storage = Arc::new(LocalStorage::new(dir.path().join("log")));
    let log = Log::init_in(storage, Arc::new(Quiet), KIND, FOLD_ALL)?;
    let per_second = |count: u64, time: Duration| count as f64 / time.as_secs_f64();

    let writer = log.writer_with(config())?;
    let time = append(&writer, size)?;
    figures.add("append", "events/s", per_second(size, time));
    let marker = writer.mark(&MarkOptions::labelled("end"))?;
    writer.close()?;
    figures.add("bytes before compaction", "bytes/event", log.usage()?.total as f64 / size as f64);

    let (entities, time) = restore(&log, &marker)?;
    figures.add("replay of raw events", "events/s", per_second(size, time));
    figures.add("open for append, raw events", "ns/entity", open(&log, entities)?);

    log.compact(CompactOptions { retention: false, now: true, thorough: true, rekey: false })?;
    let usage = log.usage()?;
    if usage.events > usage.snapshots {
        return Err("compaction left events that were to be folded".into());
    }
    figures.add("bytes after compaction", "bytes/event", usage.total as f64 / size as f64);
    let (entities, time) = restore(&log, &marker)?;
    figures.add("restore from the compacted log", "entities/s", per_second(entities, time));
    figures.add("open for append, compacted", "ns/entity", open(&log, entities)?);

    for micros in mark(&log)? {
        figures.add("a marker", "µs", micros);
    }
    Ok(())
}

/// No marker but those asked for; nothing is synced but on demand.
fn config() -> Config {
    Config { tiers: Vec::new(), durability: Durability::Marker, ..Config::default() }
}

/// Appends so many events and makes them durable; the time it took without making them.
fn append(writer: &Writer, size: u64) -> Outcome<Duration> {
    let mut crawl = Crawl::default();
    let (mut time, mut left) = (Duration::ZERO, size);
    while left > 0 {
        let piece: Vec<Event> = (0..left.min(PIECE)).map(|_| crawl.event()).collect();
        left -= piece.len() as u64;
        let start = Instant::now();
        for few in piece.chunks(TOGETHER) {
            writer.append_each(few)?;
        }
        time += start.elapsed();
    }
    let start = Instant::now();
    writer.commit()?;
    Ok(time + start.elapsed())
}

/// Restores a marker to a checked graph in memory: how many nodes and edges it has, and the time.
fn restore(log: &Log, marker: &Marker) -> Outcome<(u64, Duration)> {
    let start = Instant::now();
    let graph = black_box(log.reader()?.restore(marker)?);
    let time = start.elapsed();
    let counts = graph.counts();
    Ok((counts.nodes + counts.edges, time))
}

/// Opens the log for append: nanoseconds for each node and edge.
fn open(log: &Log, entities: u64) -> Outcome<f64> {
    let start = Instant::now();
    let writer = log.writer_with(config())?;
    let time = start.elapsed();
    writer.close()?;
    Ok(time.as_secs_f64() * 1e9 / entities as f64)
}

/// The time of each of some markers, an event between two, in microseconds.
fn mark(log: &Log) -> Outcome<Vec<f64>> {
    let writer = log.writer_with(config())?;
    let mut times = Vec::new();
    for turn in 0..MARKERS {
        writer.append(&Event::node("sound:1").with("turn", i64::try_from(turn)?))?;
        writer.commit()?;
        let start = Instant::now();
        writer.mark(&MarkOptions::default())?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    writer.close()?;
    Ok(times)
}

/// A crawl: each node comes with its attributes, then four edges from nodes near it to any that are there. The same in
/// every run.
#[derive(Default)]
struct Crawl {
    events: u64,
    nodes: u64,
    random: u64,
}

impl Crawl {
    fn event(&mut self) -> Event {
        self.events += 1;
        if self.events % 5 == 1 {
            self.nodes += 1;
            return self.node();
        }
        let (src, dst) = (self.nodes - self.below(self.nodes.min(50)), 1 + self.below(self.nodes));
        let weight = self.below(1_000) as f64 / 1_000.0;
        Event::edge(format!("sound:{src}"), format!("sound:{dst}")).with("weight", weight)
    }

    /// A node with about 300 bytes of attributes.
    fn node(&mut self) -> Event {
        let n = self.nodes;
        let mut words = (0..32).filter_map(|_| WORDS.get(usize::try_from(self.below(32)).ok()?).copied());
        let tags: Vec<Value> = words.by_ref().take(3).map(Value::from).collect();
        let description = words.collect::<Vec<_>>().join(" ");
        Event::node(format!("sound:{n}"))
            .with("name", format!("Rain on a tin roof, take {n}"))
            .with("user", format!("user-{}", self.below(1_000)))
            .with("duration", self.below(1_000_000) as f64 / 1_000.0)
            .with("tags", tags)
            .with("description", description)
    }

    /// A number below the limit, from a generator that is good enough for spreading edges (splitmix64).
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

/// What the descriptions are made of.
const WORDS: [&str; 32] = [
    "rain",
    "tin",
    "roof",
    "wind",
    "shed",
    "dog",
    "train",
    "night",
    "river",
    "stone",
    "forest",
    "birds",
    "bells",
    "market",
    "voices",
    "distant",
    "thunder",
    "close",
    "stereo",
    "microphone",
    "recorded",
    "summer",
    "winter",
    "window",
    "street",
    "footsteps",
    "gravel",
    "door",
    "creaking",
    "engine",
    "harbour",
    "gulls",
];
