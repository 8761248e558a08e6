//! Writing a snapshot segment, and proving it before it counts.

use super::fold::Sink;
use super::host::Host;
use crate::codec::len_u64;
use crate::format::manifest::{IncrementEntry, SnapshotEntry};
use crate::format::snapshot::{
    Chunk, DecodedChunk, Increment, LayoutCheck, SnapshotEncoder, SnapshotHead, Stand,
};
use crate::format::{Fault, names};
use crate::log::error::{Error, Result};
use crate::log::snapshot::SnapshotFile;
use crate::log::store::InForce;
use crate::model::marker::{Counts, Marker, Ordinals};
use crate::model::position::{SegmentId, Seq};
use crate::model::row::{Entry, RowKind};
use crate::model::time::Timestamp;
use crate::storage::{self, WriteFile};

/// How much is handed to the file at once.
const WRITE_BYTES: usize = 1 << 20;

/// A snapshot segment that is being written, under a temporary name.
pub(super) struct SnapshotWriter<'a, H> {
    host: &'a H,
    id: SegmentId,
    tmp: String,
    path: String,
    file: Box<dyn WriteFile>,
    /// Until the file is finished.
    encoder: Option<SnapshotEncoder>,
    level: u8,
    pending: Vec<u8>,
    written: u64,
}

impl<'a, H: Host> SnapshotWriter<'a, H> {
    pub(super) fn create(host: &'a H, in_force: &InForce, level: u8) -> Result<Self> {
        let id = host.reserve()?;
        let tmp = format!("{}{}", names::snapshot(id), names::TMP_SUFFIX);
        let path = host.storage().location(&tmp);
        let head = SnapshotHead {
            created: host.environment().now(),
            kind: in_force.manifest.kind,
            encryption: Vec::new(),
            extensions: Vec::new(),
        };
        let encoder =
            SnapshotEncoder::new(&head, in_force.log_id, id, storage::sealing(host.storage().as_ref()))
                .map_err(cannot_encode(&path))?;
        let file = host.storage().create(&tmp).map_err(Error::io("create", path.clone()))?;
        Ok(Self { host, id, tmp, path, file, encoder: Some(encoder), level, pending: Vec::new(), written: 0 })
    }

    /// Takes an increment of another file over as it is.
    pub(super) fn copy(&mut self, file: &SnapshotFile, increment: &Increment) -> Result<()> {
        self.check_stop()?;
        let copied = self
            .encoder()?
            .copy(increment, |offset, block| file.opened(offset, block).map_err(Uncopied::Read));
        copied.map_err(|error| match error {
            Uncopied::Read(error) => error,
            Uncopied::Fault(fault) => file.damage(0, fault),
        })?;
        self.write_out(false)
    }

    fn encoder(&mut self) -> Result<&mut SnapshotEncoder> {
        if self.encoder.is_none() {
            return Err(self.is_finished());
        }
        self.encoder.as_mut().ok_or(Error::Closed)
    }

    fn is_finished(&self) -> Error {
        let fault = Fault::Meaning { what: "the segment is finished" };
        Error::Damage { path: self.path.clone(), offset: None, fault }
    }

    fn write_out(&mut self, all: bool) -> Result<()> {
        let done = self.encoder.as_mut().map(SnapshotEncoder::take);
        self.pending.append(&mut done.unwrap_or_default());
        if all || self.pending.len() >= WRITE_BYTES {
            self.file.append(&self.pending).map_err(Error::io("write to", self.path.clone()))?;
            self.written = self.written.saturating_add(len_u64(self.pending.len()));
            self.pending.clear();
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<()> {
        if self.host.is_stopping() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Ends the file, syncs it, reads all of it back, compares it with the markers that it serves, and gives it its
    /// name, durable. No manifest names it yet.
    pub(super) fn finish(&mut self, markers: &[Marker], in_force: &InForce) -> Result<SnapshotEntry> {
        let Some(encoder) = self.encoder.take() else { return Err(self.is_finished()) };
        let (bytes, footer, trailer) = encoder.finish().map_err(cannot_encode(&self.path))?;
        self.pending.extend_from_slice(&bytes);
        self.write_out(true)?;
        self.file.sync().map_err(Error::io("sync", self.path.clone()))?;
        let entry = SnapshotEntry {
            id: self.id,
            length: self.written,
            footer_crc: trailer.footer_crc,
            increments: footer.increments.iter().map(listed).collect(),
        };
        let storage = self.host.storage();
        let file = SnapshotFile::open_as(storage.as_ref(), &self.tmp)?;
        file.check_entry(in_force.log_id, in_force.manifest.kind, &entry)?;
        prove(&file, markers, || self.check_stop())?;
        let name = names::snapshot(self.id);
        storage.rename(&self.tmp, &name).map_err(Error::io("rename", self.path.clone()))?;
        storage.sync_dir("").map_err(Error::io("sync", storage.location("")))?;
        Ok(entry)
    }

    /// Gives up: removes what was written.
    pub(super) fn discard(self) {
        // One that stays is removed by the next session.
        let _ = self.host.storage().remove(&self.tmp);
    }
}

impl<H: Host> Sink for SnapshotWriter<'_, H> {
    fn begin(&mut self, from: &Stand) -> Result<()> {
        self.check_stop()?;
        let level = self.level;
        self.encoder()?.begin(from.clone(), level).map_err(cannot_encode(&self.path))
    }

    fn push(&mut self, kind: RowKind, entry: &Entry<'_>) -> Result<()> {
        self.encoder()?.push(kind, entry).map_err(cannot_encode(&self.path))?;
        self.write_out(false)
    }

    fn end(&mut self, seq: Seq, time: Timestamp, ordinals: Ordinals, counts: Counts) -> Result<Stand> {
        let stand = self.encoder()?.end(seq, time, ordinals, counts).map_err(cannot_encode(&self.path))?;
        self.check_stop()?;
        Ok(stand)
    }
}

/// Why an increment could not be taken over.
enum Uncopied {
    Read(Error),
    Fault(Fault),
}

impl From<Fault> for Uncopied {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn cannot_encode(path: &str) -> impl Fn(Fault) -> Error + use<'_> {
    move |fault| Error::Damage { path: path.to_owned(), offset: None, fault }
}

/// What the manifest says of an increment.
fn listed(increment: &Increment) -> IncrementEntry {
    let chunks = || increment.chunks.iter();
    let sum = |of: fn(&crate::format::snapshot::Block) -> u32| {
        chunks().flat_map(|chunk| &chunk.columns).map(|block| u64::from(of(block))).sum()
    };
    let counts = increment.to.counts;
    IncrementEntry {
        from: increment.from.seq,
        to: increment.to.seq,
        time: increment.to.time,
        rows: chunks().map(|chunk| u64::from(chunk.entries)).sum(),
        alive: counts.nodes.saturating_add(counts.edges).saturating_add(counts.items),
        bytes: sum(|block| block.stored),
        raw_bytes: sum(|block| block.raw),
        level: increment.level,
    }
}

/// Reads every block of a file, and checks that each increment gives what it says that it gives, and what the markers at
/// its end say.
pub(crate) fn prove(
    file: &SnapshotFile,
    markers: &[Marker],
    go_on: impl FnMut() -> Result<()>,
) -> Result<()> {
    prove_parts(file, markers, SnapshotFile::chunk, go_on)
}

/// As [`prove`], of what graphs are made of: without the stamps, which no restore reads.
pub(crate) fn prove_rows(
    file: &SnapshotFile,
    markers: &[Marker],
    go_on: impl FnMut() -> Result<()>,
) -> Result<()> {
    prove_parts(file, markers, SnapshotFile::rows, go_on)
}

fn prove_parts(
    file: &SnapshotFile,
    markers: &[Marker],
    read: impl Fn(&SnapshotFile, &Increment, &Chunk) -> Result<DecodedChunk>,
    mut go_on: impl FnMut() -> Result<()>,
) -> Result<()> {
    for increment in &file.footer.increments {
        let mut check = LayoutCheck::new(increment);
        for chunk in &increment.chunks {
            go_on()?;
            check.add(&read(file, increment, chunk)?);
        }
        check.finish().map_err(|fault| file.damage(0, fault))?;
        for marker in markers.iter().filter(|marker| marker.seq == increment.to.seq) {
            let to = &increment.to;
            let same = to.layout == marker.fingerprint.layout
                && to.counts == marker.counts
                && to.ordinals == marker.ordinals;
            if !same {
                let found =
                    crate::model::fingerprint::Fingerprint { layout: to.layout, ..marker.fingerprint };
                let expected = Box::new(marker.fingerprint);
                return Err(Error::Mismatch { marker: marker.id, expected, found: Box::new(found) });
            }
        }
    }
    Ok(())
}
