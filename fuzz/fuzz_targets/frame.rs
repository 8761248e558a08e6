//! A stream of frames: as it comes, with its checksums put right, and with its links put right as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snaplog::format::frame::{self, Expect, HEADER_BYTES, Link, MAGIC};

fuzz_target!(|data: &[u8]| {
    walk(data);
    walk(&mended(data, false));
    walk(&mended(data, true));
});

/// Reads frame after frame as the engine does. What is read is written back to the same bytes.
fn walk(data: &[u8]) {
    let mut expect: Option<Expect> = None;
    let mut offset = 0;
    while let Ok(header) = frame::header(&data[offset..]) {
        let before = expect.get_or_insert(Expect {
            tag: header.tag,
            chain: header.previous,
            seq: header.first_seq,
            time: header.time,
            synced: 0,
        });
        let Ok(length) = usize::try_from(header.frame_len()) else { return };
        let Some(payload) = data.get(offset + HEADER_BYTES..offset + length) else { return };
        if frame::check_payload(&header, payload).is_err() || before.follow(&header, offset as u64).is_err() {
            return;
        }
        assert!(header.end_seq() >= header.first_seq && before.seq == header.end_seq());
        if header.sealed {
            offset += length;
            continue;
        }
        if header.compressed {
            // Another level or version of zstd gives other bytes; that it is bounded is what counts.
            if let Ok(raw) = frame::decompress(&header, payload) {
                assert_eq!(raw.len(), header.raw_len as usize);
            }
            offset += length;
            continue;
        }
        let link =
            Link { tag: header.tag, previous: header.previous, synced: header.synced, offset: 0, seal: None };
        let mut again = Vec::new();
        let crc = frame::encode(
            header.frame_type,
            header.first_seq,
            header.events,
            header.time,
            link,
            payload,
            &mut again,
        );
        assert_eq!(crc, Ok(header.crc));
        assert_eq!(again, &data[offset..offset + length]);
        offset += length;
    }
}

/// The same frames with right checksums; with `links` also with right magics, tags and chain values, and one seq after
/// the other.
fn mended(data: &[u8], links: bool) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let (mut offset, mut before): (usize, Option<Vec<u8>>) = (0, None);
    while bytes.len() - offset > HEADER_BYTES {
        let frame = &mut bytes[offset..];
        if links {
            frame[..4].copy_from_slice(&MAGIC);
            frame[5..8].fill(0);
            let stored: [u8; 4] = frame[8..12].try_into().unwrap();
            frame[12..16].copy_from_slice(&stored);
            if let Some(before) = &before {
                let number = |at: usize| u64::from_le_bytes(before[at..at + 8].try_into().unwrap());
                let events = u32::from_le_bytes(before[24..28].try_into().unwrap());
                let seq = number(16).saturating_add(u64::from(events));
                frame[16..24].copy_from_slice(&seq.to_le_bytes());
                frame[28..32].copy_from_slice(&before[60..64]);
                frame[40..48].copy_from_slice(&before[40..48]);
            }
        }
        let stored = u32::from_le_bytes(frame[8..12].try_into().unwrap());
        let room = frame.len() - HEADER_BYTES;
        let length = usize::try_from(stored).unwrap_or(usize::MAX).min(room);
        let crc = crc32fast::hash(&frame[HEADER_BYTES..HEADER_BYTES + length]);
        frame[56..60].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&frame[..60]);
        frame[60..64].copy_from_slice(&crc.to_le_bytes());
        before = Some(frame[..HEADER_BYTES].to_vec());
        offset += HEADER_BYTES + length;
    }
    bytes
}
