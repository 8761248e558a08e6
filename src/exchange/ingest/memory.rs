//! What the log remembers of a source, compared with what the source is now.

use std::io::{self, BufRead};

use xxhash_rust::xxh3::Xxh3;

use super::input::Input;
use super::text::Text;
use super::{Options, Start};
use crate::codec::len_u64;
use crate::exchange::ndjson::parse_line;
use crate::format::manifest::Source;
use crate::log::{Result, Writer};
use crate::model::time::Timestamp;

/// How much of the end of a prefix is kept, to find the last time in it.
const TAIL_BYTES: usize = 64 << 10;

/// The beginning of a source, which the log has already.
pub(super) struct Prefix {
    pub(super) bytes: u64,
    pub(super) lines: u64,
    pub(super) hasher: Xxh3,
    /// The last time in it, as far as it is near the end.
    pub(super) ts: Option<Timestamp>,
    /// Whether its last line was at the end of the source then, and had no line end yet.
    pub(super) is_open: bool,
}

/// What the log remembers of the source that is to be read, if it counts.
pub(super) fn remembered(writer: &Writer, options: &Options<'_>) -> Result<Option<Source>> {
    let Some(name) = options.source.filter(|_| !options.again) else { return Ok(None) };
    Ok(writer.sources()?.into_iter().find(|known| known.name == name && known.bytes > 0))
}

/// The text to read on from, and the part that is before it.
pub(super) fn pass_over<I: Input>(
    input: I,
    known: Option<&Source>,
) -> io::Result<(Text<I>, Start, Option<Prefix>)> {
    let mut text = Text::new(input)?;
    let mut start = Start::Beginning;
    let mut prefix = None;
    if let Some(known) = known {
        prefix = read_prefix(&mut text, known)?;
        if prefix.is_some() {
            start = Start::After { lines: known.lines };
        } else {
            start = Start::Changed;
            text = text.restart()?;
        }
    }
    text.settle();
    Ok((text, start, prefix))
}

/// Reads what is remembered; `None` if it is not what it was.
fn read_prefix(text: &mut impl BufRead, known: &Source) -> io::Result<Option<Prefix>> {
    let mut hasher = Xxh3::new();
    let mut tail = Vec::new();
    let mut left = known.bytes;
    while left > 0 {
        let chunk = match text.fill_buf() {
            Ok([]) => return Ok(None),
            Ok(chunk) => chunk,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let chunk = usize::try_from(left).ok().and_then(|left| chunk.get(..left)).unwrap_or(chunk);
        hasher.update(chunk);
        let surplus = tail.len().saturating_add(chunk.len()).saturating_sub(TAIL_BYTES);
        tail.drain(..surplus.min(tail.len()));
        tail.extend_from_slice(chunk.get(chunk.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default());
        let n = chunk.len();
        left = left.saturating_sub(len_u64(n));
        text.consume(n);
    }
    if hasher.digest128().to_le_bytes() != known.digest {
        return Ok(None);
    }
    let is_open = tail.last() != Some(&b'\n');
    let (bytes, lines) = (known.bytes, known.lines);
    Ok(Some(Prefix { bytes, lines, hasher, ts: last_time(&tail), is_open }))
}

/// The time of the last line that has one. The first line may be cut: then it is none.
fn last_time(tail: &[u8]) -> Option<Timestamp> {
    tail.rsplit(|byte| *byte == b'\n').find_map(|line| parse_line(line).ok()??.ts)
}
