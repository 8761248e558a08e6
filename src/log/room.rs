//! Room on a full disk, made without writing a byte.

use std::io::ErrorKind;

use super::error::{Error, Result};
use super::store::{self, InForce};
use crate::codec::MAX_DOCUMENT_BYTES;
use crate::format::manifest::Manifest;
use crate::format::names::{self, TMP_SUFFIX, TRASH};
use crate::model::time::Timestamp;
use crate::storage::{Storage, read_all, ring};

/// As [`store::reaffirm`]; where there is no room even for that, the trash makes some.
///
/// `is_over`: whether a file that has been in the trash since then may be removed.
pub(crate) fn reaffirm(
    storage: &dyn Storage,
    in_force: &InForce,
    is_over: impl Fn(Timestamp) -> bool,
) -> Result<()> {
    let failed = match store::reaffirm(storage) {
        Err(error) if is_for_want_of_room(&error) => error,
        outcome => return outcome,
    };
    // One that has its name already failed at the sync of the directory, which is not tried again.
    let tmp = format!("{}{TMP_SUFFIX}", names::CURRENT);
    if storage.open(&tmp).is_err() || !remove_trash(storage, in_force, is_over)? {
        return Err(failed);
    }
    store::reaffirm(storage)
}

fn is_for_want_of_room(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if store::is_full(source))
}

/// Removes the files from the trash that are trash by every manifest that a power cut can leave in force; whether there
/// were any. The manifests go on listing them, which does no harm: the next one that is written forgets them.
///
/// The manifest in force may be the word of the page cache, and the one before it still needs what a compaction has
/// replaced since.
fn remove_trash(
    storage: &dyn Storage,
    in_force: &InForce,
    is_over: impl Fn(Timestamp) -> bool,
) -> Result<bool> {
    let (_, generations) = store::numbers(storage)?;
    let mut before = Vec::new();
    for generation in generations.into_iter().filter(|older| *older < in_force.manifest.generation) {
        let name = names::manifest(generation);
        let bytes = match read_all(storage, &name, MAX_DOCUMENT_BYTES) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("read", storage.location(&name))(e)),
        };
        // What it needs is not known.
        let Ok((_, manifest)) = Manifest::decode(&bytes, ring(storage)) else { return Ok(false) };
        before.push(manifest);
    }
    let is_trash_of = |manifest: &Manifest, name: &str| manifest.trash.iter().any(|file| file.name == name);
    let mut any = false;
    for file in in_force.manifest.trash.iter().filter(|file| is_over(file.since)) {
        if !before.iter().all(|manifest| is_trash_of(manifest, &file.name)) {
            continue;
        }
        for name in [file.name.clone(), format!("{TRASH}/{}", file.name)] {
            match storage.remove(&name) {
                Ok(()) => any = true,
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("remove", storage.location(&name))(e)),
            }
        }
    }
    Ok(any)
}
