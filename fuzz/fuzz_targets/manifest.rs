//! The manifest and CURRENT: as they come, and with length and checksum put right.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use snaplog::format::current::Current;
use snaplog::format::manifest::Manifest;

fuzz_target!(|data: &[u8]| {
    read(data);
    let mut mended = common::mend_envelope(data);
    read(&mended);
    // Both are distinguished by one letter: each input is tried as either.
    if let Some(letter) = mended.get_mut(3) {
        *letter = if *letter == b'M' { b'C' } else { b'M' };
        read(&common::mend_envelope(&mended));
    }
});

fn read(data: &[u8]) {
    if let Ok((prefix, manifest)) = Manifest::decode(data, None)
        && !prefix.is_encrypted()
    {
        let again = manifest.encode(prefix.log_id, None).expect("what decodes encodes");
        assert!(again.len() <= data.len(), "no encoding is shorter than ours");
        let (_, same) = Manifest::decode(&again, None).expect("what we encode decodes");
        assert_eq!(same, manifest);
        for segment in &manifest.segments {
            assert_eq!(segment.adopted().is_some(), segment.end.is_some());
        }
        let current = Current::naming(manifest.generation, &again);
        assert_eq!(current.check(&again), Ok(()));
    }
    if let Ok((prefix, current)) = Current::decode(data, None)
        && !prefix.is_encrypted()
    {
        let again = current.encode(prefix.log_id, None).expect("what decodes encodes");
        assert_eq!(Current::decode(&again, None).expect("what we encode decodes").1, current);
        assert!(current.check(data).is_err() || current.crc == crc32fast::hash(data));
    }
}
