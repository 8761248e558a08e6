//! What the log costs, in ratios within one run: events through the library against the same payloads appended to a
//! bare file behind a length and a checksum; replay; and a marker at three sizes of graph.
//!
//! A plain program, no bench harness: what counts here is set by the disk, so a figure means little without its
//! counterpart measured in the same minute, round by round in turn; and bytes matter as much as time. The median of
//! the rounds is shown, with the least and the most.
//!
//! ```console
//! $ SNAPLOG_BENCH_SCALE=0.1 cargo bench --bench log        # a tenth of the work
//! $ SNAPLOG_BENCH_DIR=/mnt cargo bench --bench log         # on another disk
//! $ SNAPLOG_BENCH_JSON=log.jsonl cargo bench --bench log   # lines of JSON besides
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures: it has a clock, files, and rounds what it prints"
)]

#[path = "common/lines.rs"]
mod lines;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lines::Line;
use snaplog::policy::config::Durability;
use snaplog::storage::LocalStorage;
use snaplog::{Config, Environment, Event, GraphKind, Log, MarkOptions, SystemEnvironment, Timestamp, Value};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error>>;

const KIND: GraphKind = GraphKind { directed: true, multigraph: false };
const ROUNDS: usize = 5;

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

/// When what was appended is made durable.
#[derive(Clone, Copy)]
enum Sync {
    AtEnd,
    Every(usize),
}

impl Sync {
    fn is_due(self, done: usize) -> bool {
        matches!(self, Self::Every(n) if done.is_multiple_of(n))
    }
}

fn main() -> Outcome<()> {
    let scale: f64 = std::env::var("SNAPLOG_BENCH_SCALE").map_or(Ok(1.0), |text| text.parse())?;
    let scaled = |n: f64| ((n * scale) as usize).max(100);
    println!("scale {scale}; each figure is the median of {ROUNDS} rounds (least to most)\n");
    appends("sync at the end", scaled(200_000.0), Sync::AtEnd)?;
    appends("sync every 1,000", scaled(200_000.0), Sync::Every(1_000))?;
    appends("sync each", scaled(2_000.0), Sync::Every(1))?;
    replay(scaled(500_000.0))?;
    markers(&[1_000, 72_120, scaled(1_000_000.0)])
}

/// A crawl: each node comes with its attributes, then four edges to nodes that are there.
fn events(count: usize) -> Vec<Event> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as usize % below.max(1)
    };
    let mut nodes = 0;
    let mut events = Vec::with_capacity(count);
    for n in 0..count {
        if n % 5 == 0 {
            nodes += 1;
            events.push(node(nodes));
        } else {
            let (src, dst) = (nodes - next(nodes.min(50)), 1 + next(nodes));
            let weight = next(1_000) as f64 / 1_000.0;
            events.push(Event::edge(format!("sound:{src}"), format!("sound:{dst}")).with("weight", weight));
        }
    }
    events
}

fn node(n: usize) -> Event {
    let tags: Vec<Value> = ["field-recording", "rain", "wet"].into_iter().map(Value::from).collect();
    Event::node(format!("sound:{n}"))
        .with("name", format!("Rain on a tin roof, take {n}"))
        .with("user", format!("user-{}", n % 997))
        .with("duration", n as f64 / 7.0)
        .with("tags", tags)
}

struct Times(Vec<Duration>);

impl Times {
    fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// Notes how many a second there were, as a line of JSON.
    fn emit(&self, case: &str, subject: &str, count: usize) -> std::io::Result<()> {
        let rates: Vec<f64> = self.0.iter().map(|time| count as f64 / time.as_secs_f64()).collect();
        line(case, subject, count, "events/s").with(&rates).emit()
    }

    fn show(&self, count: usize) -> String {
        let rate = |time: Duration| count as f64 / time.as_secs_f64();
        let (least, most) = (self.0.iter().max(), self.0.iter().min());
        let rates = [self.median(), least.copied().unwrap_or_default(), most.copied().unwrap_or_default()];
        let [median, least, most] = rates.map(|time| grouped(rate(time) as u64));
        format!("{median} events/s ({least} to {most})")
    }
}

fn line<'a>(case: &'a str, subject: &'a str, count: usize, unit: &'a str) -> Line<'a> {
    Line { bench: "log", case, subject, n: count as u64, unit, ..Line::default() }
}

fn appends(what: &str, count: usize, sync: Sync) -> Outcome<()> {
    let events = events(count);
    let payloads = payloads(&events)?;
    let (mut ours, mut bare, mut bytes) = (Times(Vec::new()), Times(Vec::new()), 0);
    for _ in 0..ROUNDS {
        let dir = scratch()?;
        let (time, written) = append_to_log(&dir, &events, sync)?;
        ours.0.push(time);
        bytes = written;
        bare.0.push(append_to_file(&dir, &payloads, sync)?);
    }
    let ratio = ours.median().as_secs_f64() / bare.median().as_secs_f64();
    println!("append, {what} ({} events)", grouped(count as u64));
    println!("  snaplog    {}, {:.1} bytes an event", ours.show(count), bytes as f64 / count as f64);
    println!("  bare file  {}", bare.show(count));
    ours.emit(what, "snaplog", count)?;
    bare.emit(what, "bare file", count)?;
    println!("  ratio      {ratio:.2} times the bare file's time\n");
    Ok(())
}

fn scratch() -> std::io::Result<TempDir> {
    match std::env::var_os("SNAPLOG_BENCH_DIR") {
        Some(dir) => TempDir::new_in(dir),
        None => TempDir::new_in(env!("CARGO_TARGET_TMPDIR")),
    }
}

fn log_in(dir: &TempDir) -> Outcome<Log> {
    let storage = Arc::new(LocalStorage::new(dir.path().join("log")));
    Ok(Log::init_in(storage, Arc::new(Quiet), KIND, "")?)
}

/// No marker but those asked for; nothing is synced but on demand.
fn config() -> Config {
    Config { tiers: Vec::new(), durability: Durability::Marker, ..Config::default() }
}

fn append_to_log(dir: &TempDir, events: &[Event], sync: Sync) -> Outcome<(Duration, u64)> {
    let writer = log_in(dir)?.writer_with(config())?;
    let start = Instant::now();
    let together = match sync {
        Sync::AtEnd => 1_000,
        Sync::Every(n) => n,
    };
    for few in events.chunks(together) {
        writer.append_each(few)?;
        if matches!(sync, Sync::Every(_)) {
            writer.commit()?;
        }
    }
    writer.commit()?;
    let time = start.elapsed();
    writer.close()?;
    Ok((time, event_bytes(dir)?))
}

/// Bytes of the log's event segments.
fn event_bytes(dir: &TempDir) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir.path().join("log"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("events-") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// The bytes that a simple collector would write for the events: its line of JSON for each.
fn payloads(events: &[Event]) -> Outcome<Vec<Vec<u8>>> {
    use snaplog::exchange::{json_write, json_write::Spacing};
    let attrs_to = |attrs: &[(String, Value)], line: &mut Vec<u8>| -> Outcome<()> {
        for (name, value) in attrs {
            json_write::string(name, line);
            json_write::value(&value.to_bytes(), Spacing::Compact, line)?;
        }
        Ok(())
    };
    let line = |event: &Event| -> Outcome<Vec<u8>> {
        let mut line = Vec::new();
        match event {
            Event::PutNode { id, attrs } => {
                json_write::id(id.as_ref(), &mut line);
                attrs_to(attrs, &mut line)?;
            }
            Event::PutEdge { src, dst, attrs, .. } => {
                json_write::id(src.as_ref(), &mut line);
                json_write::id(dst.as_ref(), &mut line);
                attrs_to(attrs, &mut line)?;
            }
            _ => {}
        }
        Ok(line)
    };
    events.iter().map(line).collect()
}

fn append_to_file(dir: &TempDir, payloads: &[Vec<u8>], sync: Sync) -> Outcome<Duration> {
    let mut file = File::create(dir.path().join("bare"))?;
    let mut buffer = Vec::new();
    let start = Instant::now();
    for (done, payload) in (1..).zip(payloads) {
        buffer.extend_from_slice(&u32::try_from(payload.len())?.to_le_bytes());
        buffer.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        buffer.extend_from_slice(payload);
        let due = sync.is_due(done);
        if due || buffer.len() >= 64 << 10 {
            file.write_all(&buffer)?;
            buffer.clear();
        }
        if due {
            file.sync_data()?;
        }
    }
    file.write_all(&buffer)?;
    file.sync_data()?;
    Ok(start.elapsed())
}

fn replay(count: usize) -> Outcome<()> {
    let dir = scratch()?;
    let log = log_in(&dir)?;
    let writer = log.writer_with(config())?;
    writer.append_each(&events(count))?;
    let marker = writer.mark(&MarkOptions::labelled("end"))?;
    writer.close()?;
    let mut times = Times(Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(log.reader()?.restore(&marker)?);
        times.0.push(start.elapsed());
    }
    println!("replay to a checked graph in memory ({} events)", grouped(count as u64));
    println!("  {}\n", times.show(count));
    times.emit("replay", "snaplog", count)?;
    Ok(())
}

fn markers(sizes: &[usize]) -> Outcome<()> {
    const MARKERS: u32 = 200;
    println!("a marker ({MARKERS} each, an event between two)");
    let mut first = None;
    for &nodes in sizes {
        let dir = scratch()?;
        let log = log_in(&dir)?;
        let writer = log.writer_with(config())?;
        for n in 0..nodes {
            writer.append(&node(n))?;
        }
        writer.mark(&MarkOptions::default())?;
        let (mut marking, mut syncing) = (Times(Vec::new()), Times(Vec::new()));
        let mut bytes = 0;
        for n in 0..i64::from(MARKERS) {
            // The same event with a commit and no marker is what a marker is to be compared with.
            writer.append(&Event::node("sound:1").with("turn", n * 2))?;
            let start = Instant::now();
            writer.commit()?;
            syncing.0.push(start.elapsed());
            writer.append(&Event::node("sound:1").with("turn", n * 2 + 1))?;
            writer.commit()?;
            let length = event_bytes(&dir)?;
            let start = Instant::now();
            writer.mark(&MarkOptions::default())?;
            marking.0.push(start.elapsed());
            bytes += event_bytes(&dir)? - length;
        }
        writer.close()?;
        let micros = |times: &Times| times.median().as_secs_f64() * 1e6;
        let each = |times: &Times| times.0.iter().map(|time| time.as_secs_f64() * 1e6).collect::<Vec<_>>();
        line("a marker", "snaplog", nodes, "µs").with(&each(&marking)).emit()?;
        line("a commit of one event", "snaplog", nodes, "µs").with(&each(&syncing)).emit()?;
        let time = micros(&marking);
        let first = *first.get_or_insert(time);
        println!(
            "  at {:>9} nodes: {time:6.0} µs, {:.1} bytes; a commit of one event {:.0} µs; {:.2} times the first",
            grouped(nodes as u64),
            bytes as f64 / f64::from(MARKERS),
            micros(&syncing),
            time / first,
        );
    }
    Ok(())
}

/// 1234567 as 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
