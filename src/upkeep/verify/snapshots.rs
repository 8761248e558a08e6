//! The snapshot segments of a log that is verified.

use std::collections::BTreeSet;

use super::Inspection;
use crate::format::manifest::SnapshotEntry;
use crate::format::names;
use crate::log::{Error, Result, SnapshotFile, prove, prove_rows, spans};
use crate::model::position::{MarkerId, SegmentId};

impl Inspection<'_> {
    /// Headers, indexes, sizes, and that they are those that the manifest names.
    pub(super) fn outline_snapshots(&mut self) -> Result<()> {
        let view = self.view;
        for entry in &view.in_force.manifest.snapshots {
            self.files.insert(names::snapshot(entry.id));
            self.bytes = self.bytes.saturating_add(entry.length);
            match self.open_snapshot(entry) {
                Ok(_) => {}
                Err(error) if error.is_unreadable() => self.lose_file(&error, entry.id),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every block, and that each increment gives what it says and what the markers at its end say.
    pub(super) fn checksums_of_snapshots(&mut self) -> Result<()> {
        let view = self.view;
        for entry in &view.in_force.manifest.snapshots {
            let file = match self.open_snapshot(entry) {
                Ok(file) => file,
                // The outline has noted it, unless it went since.
                Err(error) if error.is_unreadable() => {
                    self.lose_file(&error, entry.id);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (clock, limit) = (self.clock, self.limit);
            let in_time = || if clock.is_past(limit) { Err(Error::Closed) } else { Ok(()) };
            let proven = prove_shut(&file, in_time)
                .and_then(|done| if done { Ok(()) } else { prove(&file, &view.markers, in_time) });
            let proven = proven.or_else(|error| {
                if error.is_unreadable() && !file.is_shut() {
                    // Stamps alone cost no marker: no restore reads them.
                    prove_rows(&file, &view.markers, in_time)?;
                    self.fault(&error, Vec::new());
                    return Ok(());
                }
                Err(error)
            });
            match proven {
                Ok(()) => {}
                Err(Error::Closed) => {
                    self.complete = false;
                    return Ok(());
                }
                Err(error) if error.is_unreadable() => self.lose_file(&error, entry.id),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn open_snapshot(&self, entry: &SnapshotEntry) -> Result<SnapshotFile> {
        let in_force = &self.view.in_force;
        SnapshotFile::open(self.view.storage.as_ref(), in_force.log_id, in_force.manifest.kind, entry)
    }

    /// Notes that a file is damaged: it costs the markers whose road leads through it.
    pub(super) fn lose_file(&mut self, error: &Error, id: SegmentId) {
        let (increments, _) = spans::spans(&self.view.in_force.manifest);
        let broken: BTreeSet<_> =
            increments.iter().enumerate().filter(|(_, span)| span.file == id).map(|(at, _)| at).collect();
        let through = |marker: &&crate::model::marker::Marker| {
            let road = self.view.path(marker.seq);
            road.is_none_or(|road| road.increments.iter().any(|at| broken.contains(at)))
        };
        let touched: Vec<MarkerId> = self.view.markers.iter().filter(through).map(|m| m.id).collect();
        self.fault(error, touched);
    }
}

/// Compares the blocks of a segment that cannot be opened with their checksums; `Ok(false)`: it can be.
fn prove_shut(file: &SnapshotFile, mut go_on: impl FnMut() -> Result<()>) -> Result<bool> {
    if !file.is_shut() {
        return Ok(false);
    }
    for chunk in file.footer.increments.iter().flat_map(|increment| &increment.chunks) {
        go_on()?;
        file.check_stored(chunk)?;
    }
    Ok(true)
}
