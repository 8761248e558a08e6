//! What encryption costs: the sealing itself beside the bare cipher, and appending, restoring and verifying an encrypted log
//! beside one that is not, in the same run.
//!
//! ```console
//! $ SNAPLOG_BENCH_SCALE=0.1 cargo bench --bench seal
//! ```
#![expect(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures, and rounds what it prints"
)]

#[path = "../tests/support/identity.rs"]
mod identity;
#[path = "common/lines.rs"]
mod lines;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use lines::Line;
use snaplog::format::seal::{DataKey, Keyring};
use snaplog::upkeep::verify::{Level, Options, verify};
use snaplog::{Event, GraphKind, Log, LogId};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
const KIND: GraphKind = GraphKind { directed: true, multigraph: false };

fn main() -> Outcome<()> {
    let scale: f64 = std::env::var("SNAPLOG_BENCH_SCALE").map_or(Ok(1.0), |text| text.parse())?;
    for bytes in [1 << 10, 16 << 10, 256 << 10] {
        cipher(bytes, ((1_u64 << 30) as f64 * scale / bytes as f64) as u64)?;
    }
    let events = ((600_000.0 * scale) as i64).max(1000);
    let (mut plain, mut sealed) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        plain.take(Log::init(dir.path().join("plain"), KIND)?, events)?;
        sealed.take(encrypted(&dir.path().join("sealed"))?, events)?;
    }
    for ((case, plain), (_, sealed)) in plain.cases().into_iter().zip(sealed.cases()) {
        show(
            case,
            events as u64,
            "events/s",
            ("snaplog: encrypted", sealed),
            ("snaplog: not encrypted", plain),
        )?;
    }
    Ok(())
}

fn encrypted(path: &Path) -> Outcome<Log> {
    Ok(Log::init_encrypted(path, KIND, identity::recipients())?)
}

/// Events a second, round by round.
#[derive(Default)]
struct Figures {
    append: Vec<f64>,
    restore: Vec<f64>,
    checksums: Vec<f64>,
    replay: Vec<f64>,
}

impl Figures {
    fn take(&mut self, log: Log, events: i64) -> Outcome<()> {
        let rate = |seconds: f64| events as f64 / seconds;
        self.append.push(rate(timed(|| crawl(&log, events))?));
        self.restore.push(rate(timed(|| {
            let reader = log.reader()?;
            let restored = reader.restore_seq(reader.last_seq())?;
            black_box(restored);
            Ok(())
        })?));
        let verified = |level| {
            black_box(verify(&log, Options { level, max_duration: None })?);
            Ok(())
        };
        self.checksums.push(rate(timed(|| verified(Level::Checksums))?));
        self.replay.push(rate(timed(|| verified(Level::Replay))?));
        Ok(())
    }

    fn cases(&self) -> [(&'static str, &[f64]); 4] {
        [
            ("append", &self.append),
            ("restore", &self.restore),
            ("verify: checksums", &self.checksums),
            ("verify: replay", &self.replay),
        ]
    }
}

fn crawl(log: &Log, events: i64) -> Outcome<()> {
    let writer = log.writer()?;
    writer.set_automatic_markers(false)?;
    for n in 0..events / 2 {
        writer.append(&Event::node(n).with("name", format!("sound {n}")).with("rating", n as f64 / 7.0))?;
        writer.append(&Event::edge(n, n / 2).with("weight", 0.5))?;
    }
    Ok(writer.close()?)
}

/// The sealing of parts of `bytes` bytes, beside the cipher alone.
fn cipher(bytes: usize, rounds: u64) -> Outcome<()> {
    let rounds = rounds.max(100);
    let keys = Keyring::new(LogId([7; 16]), vec![DataKey::new(1, [1; 32].into())]).ok_or("no keys")?;
    let seal = keys.seal(&keys.begin([2; 32]), b"a segment")?;
    let bare = XChaCha20Poly1305::new(&[1; 32].into());
    let part = vec![7_u8; bytes];
    let gigabytes = bytes as f64 * rounds as f64 / 1e9;
    let (mut ours, mut theirs, mut opened) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let mut sealed = Vec::new();
        ours.push(
            gigabytes
                / timed(|| {
                    for position in 0..rounds {
                        sealed.clear();
                        seal.seal(position, &[3; 56], &part, &mut sealed)?;
                        black_box(&sealed);
                    }
                    Ok(())
                })?,
        );
        let position = rounds - 1;
        opened.push(
            gigabytes
                / timed(|| {
                    for _ in 0..rounds {
                        black_box(seal.open("it", position, &[3; 56], &sealed)?);
                    }
                    Ok(())
                })?,
        );
        let mut buffer = part.clone();
        theirs.push(
            gigabytes
                / timed(|| {
                    for position in 0..rounds {
                        let mut nonce = XNonce::default();
                        nonce.iter_mut().zip(position.to_le_bytes()).for_each(|(to, byte)| *to = byte);
                        let tag = bare.encrypt_in_place_detached(&nonce, &[3; 56], &mut buffer);
                        black_box(tag.map_err(|e| e.to_string())?);
                    }
                    Ok(())
                })?,
        );
    }
    let n = bytes as u64;
    show("sealing a part", n, "GB/s", ("snaplog", &ours), ("chacha20poly1305 alone", &theirs))?;
    show("opening a part", n, "GB/s", ("snaplog", &opened), ("chacha20poly1305 alone: sealing", &theirs))
}

fn timed(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn show(
    case: &str,
    n: u64,
    unit: &str,
    (subject, ours): (&str, &[f64]),
    (peer, theirs): (&str, &[f64]),
) -> Outcome<()> {
    let (mine, other) = (median(ours), median(theirs));
    println!("{case} ({n}): {subject} {mine:.2} {unit}, {peer} {other:.2}: {:.2} x", mine / other);
    let line = Line { bench: "seal", case, n, unit, ..Line::default() };
    Line { subject, ..line }.with(ours).emit()?;
    Line { subject: peer, ..line }.with(theirs).emit()?;
    Ok(())
}
