//! A bare reader, to compare a log's reading with: parses each line of NDJSON and drops the values, or sums files up.
//! `benches/ingest.py` runs it in a process of its own and takes time and memory from outside.
//!
//! ```console
//! $ cargo bench --bench json_parse -- sonic-rs crawl.ndjson     # SIMD; all of a line's values in one arena
//! $ cargo bench --bench json_parse -- serde_json crawl.ndjson   # the usual one; each value owned
//! $ cargo bench --bench json_parse -- crc32 FILE…               # no JSON: every byte through a CRC-32
//! ```
//!
//! Without arguments it does nothing, so that a plain `cargo bench` passes it by. Each run ends with one line on standard
//! output: lines (or files), bytes and seconds, as JSON.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures: it reads files, and tells what it saw"
)]

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

const PIECE: usize = 1 << 20;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some((reader, files)) = arguments.split_first() else {
        println!("nothing to read: json_parse sonic-rs|serde_json|crc32 FILE…");
        return Ok(());
    };
    let start = Instant::now();
    let (mut count, mut bytes) = (0, 0);
    for file in files {
        let (more, length) = match reader.as_str() {
            "sonic-rs" => lines(file, sonic)?,
            "serde_json" => lines(file, serde)?,
            "crc32" => (1, checksum(file)?),
            other => return Err(format!("no such reader: {other}").into()),
        };
        count += more;
        bytes += length;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(r#"{{"reader":"{reader}","count":{count},"bytes":{bytes},"seconds":{seconds}}}"#);
    Ok(())
}

fn sonic(line: &[u8]) -> Outcome<()> {
    black_box(sonic_rs::from_slice::<sonic_rs::Value>(line)?);
    Ok(())
}

fn serde(line: &[u8]) -> Outcome<()> {
    black_box(serde_json::from_slice::<serde_json::Value>(line)?);
    Ok(())
}

/// Hands each line to a reader: how many there were, and their bytes.
fn lines(file: &str, read: fn(&[u8]) -> Outcome<()>) -> Outcome<(u64, usize)> {
    let mut input = BufReader::with_capacity(PIECE, File::open(file)?);
    let (mut line, mut count, mut bytes) = (Vec::new(), 0, 0);
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            read(&line)?;
            count += 1;
        }
        bytes += line.len();
        line.clear();
    }
    Ok((count, bytes))
}

/// Every byte of a file through a CRC-32, in pieces: how many there were.
fn checksum(file: &str) -> Outcome<usize> {
    let mut input = File::open(file)?;
    let mut sum = crc32fast::Hasher::new();
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        let length = input.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        sum.update(read);
        bytes += length;
    }
    black_box(sum.finalize());
    Ok(bytes)
}
