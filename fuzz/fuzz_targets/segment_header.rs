//! The header of an event segment: as it comes, and with length and checksum put right.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use snaplog::format::header::{self, FileKind, MAX_SEGMENT_HEADER_BYTES};
use snaplog::format::segment::{SegmentHead, header_crc};
use snaplog::model::position::SegmentId;

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&common::mend_envelope(data));
});

fn read(data: &[u8]) {
    let prefix = header::prefix(FileKind::Events, data, MAX_SEGMENT_HEADER_BYTES);
    let Ok((found, head)) = SegmentHead::decode(data) else { return };
    assert_eq!(Ok(found), prefix);
    let again = head.encode(found.log_id, SegmentId(found.number)).expect("what decodes encodes");
    assert!(again.len() <= found.length, "no encoding is shorter than ours");
    let (_, same) = SegmentHead::decode(&again).expect("what we encode decodes");
    assert_eq!(same, head);
    let expect = head.expect(header_crc(&again));
    assert_eq!(expect.chain, crc32fast::hash(&again[..again.len() - 4]));
}
