//! The golden log that is encrypted: what it says is what the one says that it was made of.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};

use snaplog::log::KeyError;
use snaplog::upkeep::verify::Level;
use snaplog::{Error, Log};

use crate::identity::identities;
use crate::world::verified;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn the_encrypted_golden_log_reads_as_the_one_that_it_was_made_of() {
    let plain = Log::open(golden("v1-folded/digraph/log")).unwrap();
    let shut = Log::open(golden("v1-encrypted/log")).unwrap();
    assert!(matches!(shut.reader(), Err(Error::Key(KeyError::Shut { .. }))));
    assert!(verified(&shut, Level::Checksums).sound);
    let sealed = shut.unlock(&identities()).unwrap();
    let report = verified(&sealed, Level::Replay);
    assert!(report.sound, "{report:#?}");
    assert_eq!(report.digest, verified(&plain, Level::Replay).digest);
    let (plain, sealed) = (plain.reader().unwrap(), sealed.reader().unwrap());
    assert_eq!(plain.markers(), sealed.markers());
    assert!(plain.markers().len() > 10);
    for marker in plain.markers() {
        assert_eq!(
            sealed.restore(marker).unwrap().fingerprint(),
            plain.restore(marker).unwrap().fingerprint()
        );
    }
}
