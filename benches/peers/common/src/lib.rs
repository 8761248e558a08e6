//! The same work for every peer, and what is measured of it.
//!
//! A program hands its peers to [`main`]. Each case of each round runs in a process and a directory of its own, so
//! that no peer meets the memory, the threads or the settings of another.

mod args;
mod case;
mod load;
pub mod row;

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use args::Args;
pub use case::Sync;
use case::{BYTES, CASES, READ_BACK};
pub use load::{Check, Item, Load};
use row::Row;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + std::marker::Sync>>;

/// What events can be appended to.
pub trait Peer {
    /// Its name, with its version.
    fn subject(&self) -> String;

    /// What it does more or less than the others.
    fn note(&self) -> &'static str;

    /// What it takes from the environment.
    fn environment(&self, _dir: &Path) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Appends all events in an empty directory and closes. The time is from the first append to the end of the last
    /// sync: [`timed`].
    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration>;

    /// Opens again and reads all events back, each checked.
    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()>;
}

/// How long something took that can fail.
pub fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed(), done))
}

/// A crate's name with the version that Cargo.lock has of it.
pub fn versioned(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let version = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("of unknown version");
    format!("{name} {version}")
}

pub fn main(peers: &[&dyn Peer]) -> ExitCode {
    match Args::parse().and_then(|args| run(&args, peers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, peers: &[&dyn Peer]) -> Outcome<()> {
    let cases =
        || CASES.into_iter().filter(|(name, _)| args.case.as_deref().is_none_or(|only| only == *name));
    if let Some(peer) = args.measure.and_then(|at| peers.get(at)) {
        return cases().try_for_each(|(name, sync)| measure(args, *peer, name, sync));
    }
    let mut rows = Vec::new();
    for _ in 0..args.rounds {
        for (at, peer) in peers.iter().enumerate() {
            for (name, sync) in cases() {
                rows.extend(in_own_process(args, *peer, at, name, sync)?);
            }
        }
    }
    let rows = Row::merge_all(&rows);
    if let Some(path) = &args.json {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        for row in &rows {
            writeln!(file, "{}", serde_json::to_string(row)?)?;
        }
    }
    row::print_table(&rows);
    Ok(())
}

fn count(args: &Args, sync: Sync) -> usize {
    args.events.unwrap_or_else(|| case::events(sync, args.scale))
}

fn in_own_process(args: &Args, peer: &dyn Peer, at: usize, case: &str, sync: Sync) -> Outcome<Vec<Row>> {
    let dir = tempfile::tempdir_in(&args.dir)?;
    let n = count(args, sync);
    let output = Command::new(std::env::current_exe()?)
        .args(["--measure", &at.to_string(), "--case", case, "--events", &n.to_string(), "--dir"])
        .arg(dir.path())
        .envs(peer.environment(dir.path()))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{}, {case}: {}", peer.subject(), output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let samples = text.lines().filter_map(|line| line.strip_prefix("sample\t")?.split_once('\t'));
    let row = |(case, value): (&str, &str)| -> Outcome<Row> {
        let value: f64 = value.parse()?;
        Ok(Row {
            bench: "append".to_owned(),
            case: case.to_owned(),
            subject: peer.subject(),
            unit: if case == BYTES { "bytes" } else { "events/s" }.to_owned(),
            median: value,
            least: value,
            most: value,
            n,
            note: peer.note().to_owned(),
        })
    };
    samples.map(row).collect()
}

fn measure(args: &Args, peer: &dyn Peer, case: &str, sync: Sync) -> Outcome<()> {
    let n = count(args, sync);
    let load = Load::new(n);
    let time = peer.append(&args.dir, &load, sync)?;
    println!("sample\t{case}\t{}", n as f64 / time.as_secs_f64());
    if sync == Sync::AtEnd {
        println!("sample\t{BYTES}\t{}", bytes_on_disk(&args.dir)? as f64 / n as f64);
        let (time, ()) = timed(|| peer.read(&args.dir, &load))?;
        println!("sample\t{READ_BACK}\t{}", n as f64 / time.as_secs_f64());
    }
    Ok(())
}

/// What the files take on disk; room reserved in a file but never written is not counted.
fn bytes_on_disk(path: &Path) -> std::io::Result<u64> {
    let metadata = path.symlink_metadata()?;
    if !metadata.is_dir() {
        return Ok(metadata.len().min(metadata.blocks() * 512));
    }
    std::fs::read_dir(path)?.map(|entry| bytes_on_disk(&entry?.path())).sum()
}
