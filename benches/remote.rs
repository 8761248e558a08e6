//! Pushing and pulling a log, beside a plain copy of the same bytes by `object_store` in the same run; and how much of a
//! remote copy a restore of an old marker reads.
//!
//! The store is a directory, or, with `SNAPLOG_BENCH_REMOTE=s3://bucket/prefix`, whatever that is. A push checks every byte
//! and hashes it; a plain copy does neither.
//!
//! ```console
//! $ SNAPLOG_BENCH_SCALE=0.1 cargo bench --bench remote
//! ```
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures, and rounds what it prints"
)]

#[path = "common/lines.rs"]
mod lines;

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lines::Line;
use snaplog::exchange::ndjson;
use snaplog::remote::{Bucket, ObjectBucket, RemoteLog, clone, push};
use snaplog::storage::LocalStorage;
use snaplog::{Event, GraphKind, Log, MarkOptions, Marker, SystemEnvironment};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
/// What the plain copy cuts files into: as a push does.
const PART_BYTES: usize = 16 << 20;

fn main() -> Outcome<()> {
    let scale: f64 = std::env::var("SNAPLOG_BENCH_SCALE").map_or(Ok(1.0), |text| text.parse())?;
    let nodes = ((300_000.0 * scale) as i64).max(1000);
    let dir = tempfile::tempdir()?;
    let (log, old) = crawl(&dir.path().join("log"), nodes)?;
    let bytes: u64 = log.reader()?.segments().iter().map(|segment| segment.bytes).sum();
    println!("a log of {nodes} nodes, {} MiB", bytes >> 20);

    let (mut pushes, mut copies, mut clones, mut gets) = (vec![], vec![], vec![], vec![]);
    let megabytes = bytes as f64 / 1e6;
    for round in 0..ROUNDS {
        let bucket = store(dir.path(), &format!("pushed-{round}"))?;
        pushes.push(megabytes / timed(|| Ok(push(&log, &bucket).map(drop)?))?);
        let plain = store(dir.path(), &format!("plain-{round}"))?;
        copies.push(megabytes / timed(|| put_all(&log, &dir.path().join("log"), &plain))?);
        let dest = LocalStorage::new(dir.path().join(format!("clone-{round}")));
        clones.push(megabytes / timed(|| Ok(clone(&bucket, &dest, &SystemEnvironment).map(drop)?))?);
        gets.push(megabytes / timed(|| get_all(&plain, &dir.path().join(format!("copy-{round}"))))?);
    }
    show("push", nodes, &pushes, &copies)?;
    show("clone", nodes, &clones, &gets)?;

    let remote = RemoteLog::open(Arc::new(store(dir.path(), "pushed-0")?))?;
    let opened = remote.log(Arc::new(SystemEnvironment))?;
    let graph = opened.reader()?.restore(&old)?;
    let mut state = Vec::new();
    ndjson::write_graph_to(&graph, &mut state)?;
    let (state, fetched) = (state.len() as u64, remote.fetched());
    println!(
        "restore of a marker at {} nodes: {} KiB fetched of {} KiB; the state is {} KiB as NDJSON",
        old.counts.nodes,
        fetched >> 10,
        bytes >> 10,
        state >> 10
    );
    let line =
        Line { bench: "remote", case: "restore of an old marker", n: old.counts.nodes, ..Line::default() };
    Line { subject: "snaplog: fetched", unit: "bytes", ..line }.with(&[fetched as f64]).emit()?;
    Line { subject: "its state as NDJSON", unit: "bytes", ..line }.with(&[state as f64]).emit()?;
    Ok(())
}

/// A crawl, and a marker at a hundredth of it.
fn crawl(path: &Path, nodes: i64) -> Outcome<(Log, Marker)> {
    let log = Log::init(path, GraphKind { directed: true, multigraph: false })?;
    let writer = log.writer()?;
    let mut old = None;
    for n in 0..nodes {
        // Texts that do not compress, as far as anybody cares.
        let text: String = (0..6_u64)
            .map(|at| mixed(n as u64 * 7 + at))
            .fold(String::new(), |text, number| text + &number.to_string());
        writer.append(&Event::node(n).with("text", text))?;
        if n > 0 {
            writer.append(
                &Event::edge(n, (mixed(n as u64) % n as u64).cast_signed()).with("weight", n as f64 / 3.0),
            )?;
        }
        if n == nodes / 100 {
            old = Some(writer.mark(&MarkOptions::labelled("old"))?);
        }
    }
    writer.close()?;
    Ok((log, old.ok_or("no marker")?))
}

fn mixed(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn store(dir: &Path, name: &str) -> Outcome<ObjectBucket> {
    let url = match std::env::var("SNAPLOG_BENCH_REMOTE") {
        Ok(url) => format!("{}/{}-{name}", url.trim_end_matches('/'), std::process::id()),
        Err(_) => format!("file://{}", dir.join(name).display()),
    };
    Ok(ObjectBucket::open(&url)?)
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Work for four threads, as a push has them.
fn spread<T: Sync>(items: &[T], work: impl Fn(&T) -> Outcome<()> + Sync) -> Outcome<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(item) {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn put_all(log: &Log, path: &Path, to: &ObjectBucket) -> Outcome<()> {
    let mut parts = Vec::new();
    for segment in log.reader()?.segments() {
        let length = segment.bytes as usize;
        parts.extend((0..length).step_by(PART_BYTES).map(|from| (segment.file.clone(), from, length)));
    }
    spread(&parts, |(name, from, length)| {
        let mut bytes = vec![0; PART_BYTES.min(length - from)];
        File::open(path.join(name))?.read_exact_at(&mut bytes, *from as u64)?;
        to.create(&format!("parts/{name}-{from:012}"), bytes)?;
        Ok(())
    })
}

fn get_all(from: &ObjectBucket, dest: &Path) -> Outcome<()> {
    std::fs::create_dir(dest)?;
    spread(&from.list("parts", None)?, |object| {
        let bytes = from.get(&object.name, u64::MAX)?;
        let mut file = File::create(dest.join(object.name.replace('/', "-")))?;
        file.write_all(&bytes)?;
        Ok(file.sync_all()?)
    })
}

fn show(case: &str, nodes: i64, ours: &[f64], plain: &[f64]) -> Outcome<()> {
    let line = Line { bench: "remote", case, unit: "MB/s", n: nodes as u64, ..Line::default() };
    let (ours, plain) = (
        Line { subject: "snaplog", ..line }.with(ours),
        Line { subject: "a plain copy", ..line }.with(plain),
    );
    let ratio = ours.median / plain.median;
    println!("{case}: {:.0} MB/s, a plain copy {:.0} MB/s, ratio {ratio:.2}", ours.median, plain.median);
    ours.emit()?;
    Ok(plain.emit()?)
}
