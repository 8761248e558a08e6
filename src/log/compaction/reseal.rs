//! A whole log, written anew into another storage: sealed with the keys that that one has.

use std::cell::Cell;

use super::host::Host;
use super::write::SnapshotWriter;
use crate::format::manifest::Manifest;
use crate::log::environment::Environment;
use crate::log::error::Result;
use crate::log::rewrite::rewrite;
use crate::log::snapshot::SnapshotFile;
use crate::log::store::{InForce, Shared};
use crate::log::view::View;
use crate::model::position::{SegmentId, Seq};
use crate::policy::config::Config;

/// Where the new files go.
struct Target<'a> {
    storage: &'a Shared,
    environment: &'a dyn Environment,
    config: Config,
    in_force: &'a InForce,
    next_file: Cell<SegmentId>,
}

impl Host for Target<'_> {
    fn storage(&self) -> &Shared {
        self.storage
    }

    fn environment(&self) -> &dyn Environment {
        self.environment
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn in_force(&self) -> Result<InForce> {
        Ok(self.in_force.clone())
    }

    fn reserve(&self) -> Result<SegmentId> {
        let id = self.next_file.get();
        self.next_file.set(id.next());
        Ok(id)
    }

    /// There is no log yet whose manifest could change.
    fn change(&self, _change: &mut dyn FnMut(&mut Manifest) -> Result<bool>) -> Result<bool> {
        Ok(false)
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

/// Writes every segment that `view` names, each of which must have an end, anew into `dest`; each is read back and compared.
/// Returns the manifest that names them. Ids, markers and digests stay; numbers of files do not.
///
/// # Errors
/// Damage to what is read; what the file systems say.
pub(crate) fn reseal(view: &View, dest: &Shared, environment: &dyn Environment) -> Result<Manifest> {
    let mut manifest = view.in_force.manifest.clone();
    let target = Target {
        storage: dest,
        environment,
        config: Config::default(),
        in_force: &view.in_force,
        next_file: Cell::new(manifest.next_file),
    };
    let (source, log_id, kind) = (view.storage.as_ref(), view.in_force.log_id, manifest.kind);
    for entry in &mut manifest.snapshots {
        let file = SnapshotFile::open(source, log_id, kind, entry)?;
        let mut writer = SnapshotWriter::create(&target, &view.in_force, 1)?;
        for increment in &file.footer.increments {
            writer.copy(&file, increment)?;
        }
        *entry = writer.finish(&view.markers, &view.in_force)?;
    }
    for entry in &mut manifest.segments {
        let after = Seq(entry.first_seq.0.saturating_sub(1));
        let id = target.reserve()?;
        *entry = rewrite(view, dest.as_ref(), entry.id, after, id, entry.compression, environment)?;
    }
    manifest.next_file = target.next_file.get();
    Ok(manifest)
}
