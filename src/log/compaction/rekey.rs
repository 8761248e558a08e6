//! Sealing anew what is sealed with an older key: one file after the other, each step as any other compaction's.

use crate::format::seal::SealHead;
use crate::log::error::{Error, Result};
use crate::log::frames::Segment;
use crate::log::snapshot::SnapshotFile;
use crate::log::store::InForce;
use crate::model::position::Seq;
use crate::policy::compaction::Step;
use crate::storage::{Storage, ring};

/// The step that seals the next file anew; `None` if all are sealed with the newest key, or the log is not encrypted.
pub(super) fn next_step(storage: &dyn Storage, in_force: &InForce) -> Result<Option<Step>> {
    let Some(keys) = ring(storage) else { return Ok(None) };
    let manifest = &in_force.manifest;
    let is_old = |field: &[u8], path: &str| -> Result<bool> {
        let head = SealHead::decode(field).map_err(|fault| Error::Damage {
            path: path.to_owned(),
            offset: Some(0),
            fault,
        })?;
        Ok(head.is_some_and(|head| head.key != keys.newest()))
    };
    for entry in manifest.segments.iter().filter(|entry| entry.end.is_some()) {
        let segment = Segment::open(storage, in_force.log_id, entry.id)?;
        if is_old(&segment.head.encryption, &segment.path)? {
            let after = Seq(entry.first_seq.0.saturating_sub(1));
            return Ok(Some(Step::Rewrite { file: entry.id, after, level: entry.compression }));
        }
    }
    for entry in &manifest.snapshots {
        let file = SnapshotFile::open(storage, in_force.log_id, manifest.kind, entry)?;
        if is_old(&file.head.encryption, &file.path)? {
            // A merge of one file, all of whose positions are kept: each increment is copied as it is.
            let from = entry.increments.first().map(|increment| increment.from);
            let keep = from.into_iter().chain(entry.increments.iter().map(|increment| increment.to));
            return Ok(Some(Step::Merge { files: vec![entry.id], keep: keep.collect(), level: 1 }));
        }
    }
    Ok(None)
}
