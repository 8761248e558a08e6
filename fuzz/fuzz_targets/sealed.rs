//! What an encrypted log seals and how its keys are kept: the bytes as a key file, as a file of such a log, and as what is
//! found behind a seal that opens.
#![no_main]

mod common;

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use snaplog::format::current::Current;
use snaplog::format::frame::{self, FrameType, HEADER_BYTES, Link};
use snaplog::format::header::{self, ENCRYPTED, FileKind, MAX_SEGMENT_HEADER_BYTES};
use snaplog::format::manifest::Manifest;
use snaplog::format::seal::{DataKey, Keyring, Lock, SEALED_EXTENSION, SealHead, Sealing};
use snaplog::format::segment::{Extension, SegmentHead};
use snaplog::format::snapshot::{Footer, SnapshotHead, Trailer};
use snaplog::log::Identities;
use snaplog::model::position::{LogId, Seq};
use snaplog::storage::SimStorage;
use snaplog::{Environment, FixedEnvironment, GraphKind, Log, Timestamp, codec};

const ID: LogId = LogId([7; 16]);
const HEAD: SealHead = SealHead { key: 1, salt: [9; 32] };

fuzz_target!(|data: &[u8]| {
    let keys = keys();
    let environment: Arc<dyn Environment> = Arc::new(FixedEnvironment::new(Timestamp(0)));
    let _ = identities().keys(ID, data, "keys.json", &environment);
    for data in [data.to_vec(), common::mend_envelope(data)] {
        let _ = Manifest::decode(&data, Some(keys));
        let _ = Manifest::decode(&data, None);
        let _ = Current::decode(&data, Some(keys));
        for field in [
            SegmentHead::decode(&data).map(|(_, head)| head.encryption),
            SnapshotHead::decode(&data).map(|(_, head)| head.encryption),
        ]
        .into_iter()
        .flatten()
        {
            let _ = Lock::of(&field, &data, Some(keys));
        }
    }
    let _ = Lock::of(data, b"", Some(keys));
    behind_the_seal(data, keys);
});

fn keys() -> &'static Keyring {
    static KEYS: OnceLock<Keyring> = OnceLock::new();
    KEYS.get_or_init(|| Keyring::new(ID, vec![DataKey::new(1, [1; 32].into())]).expect("a key"))
}

fn identities() -> &'static Identities {
    static IDENTITIES: OnceLock<Identities> = OnceLock::new();
    IDENTITIES.get_or_init(|| {
        let identity = "AGE-SECRET-KEY-1Y78GA9C32G9VXYXTDRMQL3A4K6EW4DNF3PWPHSKEQEPZLDUXC20QS0KEPP";
        Identities::parse(identity, "the target").expect("an identity")
    })
}

/// The manifest of a log in which nothing happened yet.
fn blank() -> &'static Manifest {
    static BLANK: OnceLock<Manifest> = OnceLock::new();
    BLANK.get_or_init(|| {
        let disk = SimStorage::new();
        let environment = Arc::new(FixedEnvironment::new(Timestamp(0)));
        let kind = GraphKind { directed: true, multigraph: false };
        Log::init_in(Arc::new(disk.clone()), environment, kind, "").expect("a log");
        Manifest::decode(&disk.dump()["manifest-000001"], None).expect("its manifest").1
    })
}

/// Somebody who has the key wrote it, and may be a faulty program all the same.
fn behind_the_seal(data: &[u8], keys: &Keyring) {
    let sealing = || Sealing { keys, head: HEAD };
    let mut manifest = blank().clone();
    let clear = |manifest: &Manifest| {
        header::encode_with(FileKind::Manifest, ID, manifest.generation.0, ENCRYPTED, manifest)
            .expect("it encodes")
    };
    let sealed = sealing().whole(&clear(&manifest), data).expect("it seals");
    assert_eq!(sealed.open("it", keys, &clear(&manifest)).expect("it opens"), data);
    let sealed = codec::to_bytes(&sealed).expect("it encodes");
    manifest.extensions.push(Extension { tag: SEALED_EXTENSION, data: sealed });
    if let Ok((prefix, read)) = Manifest::decode(&clear(&manifest), Some(keys)) {
        let again = read.encode(prefix.log_id, Some(sealing())).expect("what decodes encodes");
        assert_eq!(Manifest::decode(&again, Some(keys)).expect("what we encode decodes").1, read);
    }

    let lock = Lock::Open(keys.seal(&HEAD, b"a segment").expect("the key is there"));
    let seal = lock.seal().expect("it is open");
    if let Ok(stored) = data.split_at_checked(2).map_or(Err(()), |(_, index)| Ok(index)) {
        let trailer = Trailer {
            footer_offset: 1000,
            footer_stored: u32::try_from(stored.len()).unwrap_or(0),
            footer_raw: 1 << 16,
            footer_crc: crc32fast::hash(stored),
        };
        let _ = Footer::decode(&trailer, stored, 100, &lock);
    }
    let link = Link { tag: 1, previous: 2, synced: 0, offset: MAX_SEGMENT_HEADER_BYTES as u64, seal };
    let mut bytes = Vec::new();
    if frame::encode(FrameType::Marker, Seq(1), 0, Timestamp(0), link, data, &mut bytes).is_ok() {
        let header = frame::header(&bytes).expect("what we encode decodes");
        assert!(header.sealed && header.raw_len as usize == data.len());
        let (head, stored) = bytes.split_at(HEADER_BYTES);
        let seal = seal.expect("it seals");
        assert_eq!(frame::open(seal, head, link.offset, stored).expect("it opens"), data);
        assert!(frame::open(seal, head, link.offset + 1, stored).is_err());
    }
}
