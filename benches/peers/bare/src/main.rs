//! The least there is: a file, a length and a checksum before each payload.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use workload::{Load, Outcome, Peer, Sync, timed};

const BUFFER: usize = 64 << 10;

struct Bare;

impl Peer for Bare {
    fn subject(&self) -> String {
        "bare file".to_owned()
    }

    fn note(&self) -> &'static str {
        "length, CRC-32 and payload in one file: no index, no recovery, no graph"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let mut file = BufWriter::with_capacity(BUFFER, File::create(dir.join("bare"))?);
        let (time, ()) = timed(|| {
            for group in sync.groups(&load.payloads) {
                for payload in group {
                    file.write_all(&u32::try_from(payload.len())?.to_le_bytes())?;
                    file.write_all(&crc32fast::hash(payload).to_le_bytes())?;
                    file.write_all(payload)?;
                }
                file.flush()?;
                file.get_ref().sync_data()?;
            }
            Ok(())
        })?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let mut file = BufReader::with_capacity(BUFFER, File::open(dir.join("bare"))?);
        let length = file.get_ref().metadata()?.len();
        let (mut check, mut at, mut head, mut payload) = (load.check(), 0, [0; 8], Vec::new());
        while at < length {
            file.read_exact(&mut head)?;
            let [l0, l1, l2, l3, crc @ ..] = head;
            payload.resize(u32::from_le_bytes([l0, l1, l2, l3]) as usize, 0);
            file.read_exact(&mut payload)?;
            if crc32fast::hash(&payload) != u32::from_le_bytes(crc) {
                return Err("a checksum does not hold".into());
            }
            check.next(&payload)?;
            at += 8 + payload.len() as u64;
        }
        check.done()
    }
}

fn main() -> ExitCode {
    workload::main(&[&Bare])
}
