//! okaywal: an entry with its chunks is what is synced at once; an event is a chunk.

use std::io::{Error, Read as _};
use std::mem;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okaywal::{
    Configuration, Entry, EntryId, LogManager, LogVoid, ReadChunkResult, SegmentReader, WriteAheadLog,
};
use workload::{Check, Load, Outcome, Peer, Sync, timed, versioned};

struct OkayWal;

/// A checkpoint throws away what was logged, so there is none: one segment, long enough for all, since it is slow to
/// make a segment longer. Around a payload are 9 bytes, around an entry 10.
fn configuration(dir: &Path, load: &Load) -> Outcome<Configuration> {
    let length: usize = load.payloads.iter().map(|payload| payload.len() + 9 + 10).sum();
    let length = u32::try_from(length)? + (64 << 10);
    Ok(Configuration::default_for(dir).preallocate_bytes(length).checkpoint_after_bytes(u64::MAX))
}

impl Peer for OkayWal {
    fn subject(&self) -> String {
        versioned("okaywal")
    }

    fn note(&self) -> &'static str {
        "a write-ahead log that is meant to be emptied; here it never is. All events of a sync are one atomic entry; \
         a CRC-32C for each event; the file was filled with zeroes beforehand"
    }

    fn append(&self, dir: &Path, load: &Load, sync: Sync) -> Outcome<Duration> {
        let log = configuration(dir, load)?.open(LogVoid)?;
        let (time, ()) = timed(|| {
            for group in sync.groups(&load.payloads) {
                let mut entry = log.begin_entry()?;
                for payload in group {
                    entry.write_chunk(payload)?;
                }
                entry.commit()?;
            }
            Ok(())
        })?;
        log.shutdown()?;
        Ok(time)
    }

    fn read(&self, dir: &Path, load: &Arc<Load>) -> Outcome<()> {
        let check = Arc::new(Mutex::new(load.check()));
        let log = configuration(dir, load)?.open(Recovered(Arc::clone(&check)))?;
        let check = mem::replace(&mut *check.lock().map_err(|_| "poisoned")?, load.check());
        log.shutdown()?;
        check.done()
    }
}

/// Is shown what the log holds while it is opened.
struct Recovered(Arc<Mutex<Check>>);

impl std::fmt::Debug for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recovered")
    }
}

impl LogManager for Recovered {
    fn recover(&mut self, entry: &mut Entry<'_>) -> Result<(), Error> {
        let mut check = self.0.lock().map_err(|_| Error::other("poisoned"))?;
        let mut payload = Vec::new();
        while let ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            payload.clear();
            chunk.read_to_end(&mut payload)?;
            if !chunk.check_crc()? {
                return Err(Error::other("a checksum does not hold"));
            }
            check.next(&payload).map_err(Error::other)?;
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> Result<(), Error> {
        Err(Error::other("no checkpoint is expected"))
    }
}

fn main() -> ExitCode {
    workload::main(&[&OkayWal])
}
