//! FORMAT.md's worked example, byte by byte, against the code.
#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "tests")]

use snaplog::format::frame::{self, HEADER_BYTES};
use snaplog::format::segment::{SegmentHead, header_crc};

fn example() -> Vec<u8> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/FORMAT.md")).unwrap();
    let section = text.split("## 16. A complete events file").nth(1).unwrap();
    let block = section.split("```").nth(1).unwrap();
    let mut bytes = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty()) {
        let (offset, rest) = line.split_once("  ").unwrap();
        assert_eq!(usize::from_str_radix(offset, 16).unwrap(), bytes.len(), "{line}");
        if let Some(zeros) = rest.strip_prefix("00 × ") {
            let count: usize = zeros.split(' ').next().unwrap().parse().unwrap();
            bytes.resize(bytes.len() + count, 0);
            continue;
        }
        let is_byte = |word: &&str| word.len() == 2 && u8::from_str_radix(word, 16).is_ok();
        let words = rest.split(' ').filter(|word| !word.is_empty());
        bytes.extend(words.take_while(is_byte).map(|word| u8::from_str_radix(word, 16).unwrap()));
    }
    bytes
}

#[test]
fn the_worked_example_is_a_sound_file() {
    let bytes = example();
    let (prefix, head) = SegmentHead::decode(&bytes).unwrap();
    assert_eq!((prefix.number, head.writer.as_str()), (1, "demo"));
    let mut expect = head.expect(header_crc(&bytes[..prefix.length]));
    let mut offset = prefix.length;
    let mut kinds = Vec::new();
    while offset < bytes.len() {
        let header = frame::header(&bytes[offset..]).unwrap();
        expect.follow(&header, offset as u64).unwrap();
        let end = offset + usize::try_from(header.frame_len()).unwrap();
        frame::check_payload(&header, &bytes[offset + HEADER_BYTES..end]).unwrap();
        kinds.push(header.frame_type);
        offset = end;
    }
    assert_eq!(kinds, [frame::FrameType::Events, frame::FrameType::Seal]);
}
