//! Remote manifests: as they come, and with length and checksum put right.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use snaplog::format::remote::{RemoteManifest, RemoteTail, files_of, push_number, push_object};

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&common::mend_envelope(data));
    if let Some(number) = std::str::from_utf8(data).ok().and_then(push_number) {
        assert_eq!(push_object(number).as_bytes(), data);
    }
});

fn read(data: &[u8]) {
    // A reader knows the number from the object's name; here the header says it.
    let Some(number) = data.get(56..64).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
    else {
        return;
    };
    if let Ok((log_id, tail)) = RemoteTail::decode(data, number) {
        assert!(RemoteTail::is_meant(data));
        let again = tail.encode(log_id).expect("what decodes encodes");
        assert_eq!(RemoteTail::decode(&again, number).expect("what we encode decodes").1, tail);
    }
    let Ok((log_id, remote)) = RemoteManifest::decode(data, number) else { return };
    let again = remote.encode(log_id).expect("what decodes encodes");
    assert!(again.len() <= data.len(), "no encoding is shorter than ours");
    let (_, same) = RemoteManifest::decode(&again, number).expect("what we encode decodes");
    assert_eq!(same, remote);
    let Ok((manifest, _)) = remote.log_manifest(log_id, None) else { return };
    let files = files_of(&manifest).expect("no segment is open");
    assert_eq!(files.len(), remote.files.len());
}
