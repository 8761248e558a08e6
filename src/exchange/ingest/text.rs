//! The text of an input: decompressed on the way if it is zstd's.

use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use super::input::Input;

/// How every zstd frame begins.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How a frame begins that zstd's readers pass over, but for the low four bits of the first byte: pzstd writes one
/// first.
const ZSTD_SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// How gzip's files begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The mark that some programs put before text in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What is read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The first bytes, which were looked at, and then the rest.
type Whole<I> = Chain<Cursor<Vec<u8>>, I>;

/// The text of an input.
pub(super) struct Text<I: Input>(Body<I>);

enum Body<I: Input> {
    Plain(BufReader<Whole<I>>),
    Zstd(BufReader<zstd::stream::read::Decoder<'static, BufReader<Whole<I>>>>),
}

impl<I: Input> fmt::Debug for Text<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").finish_non_exhaustive()
    }
}

impl<I: Input> Text<I> {
    /// Begins to read `input`.
    pub(super) fn new(mut input: I) -> io::Result<Self> {
        let mut head = Vec::with_capacity(ZSTD.len());
        input.by_ref().take(u64::try_from(ZSTD.len()).unwrap_or_default()).read_to_end(&mut head)?;
        if head.starts_with(&GZIP) {
            let message = "the input is compressed with gzip, which is not read here: \
                           pass the output of `zcat` to standard input, with --source to name it";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let is_skippable = head.first().is_some_and(|first| first & 0xf0 == 0x50)
            && head.get(1..) == ZSTD_SKIPPABLE.get(1..);
        let is_zstd = head == ZSTD || is_skippable;
        let whole = Cursor::new(head).chain(input);
        Ok(Self(if is_zstd {
            let decoder = zstd::stream::read::Decoder::new(whole)?;
            Body::Zstd(BufReader::with_capacity(BUFFER_BYTES, decoder))
        } else {
            Body::Plain(BufReader::with_capacity(BUFFER_BYTES, whole))
        }))
    }

    /// Begins at the start once more.
    pub(super) fn restart(self) -> io::Result<Self> {
        let (_, mut input) = match self.0 {
            Body::Plain(reader) => reader.into_inner().into_inner(),
            Body::Zstd(reader) => reader.into_inner().finish().into_inner().into_inner(),
        };
        input.restart()?;
        Self::new(input)
    }

    /// The start will not be asked for any more.
    pub(super) fn settle(&mut self) {
        let (_, input) = match &mut self.0 {
            Body::Plain(reader) => reader.get_mut().get_mut(),
            Body::Zstd(reader) => reader.get_mut().get_mut().get_mut().get_mut(),
        };
        input.settle();
    }
}

impl<I: Input> Read for Text<I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Body::Plain(reader) => reader.read(buf),
            Body::Zstd(reader) => reader.read(buf),
        }
    }
}

impl<I: Input> BufRead for Text<I> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.0 {
            Body::Plain(reader) => reader.fill_buf(),
            Body::Zstd(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.0 {
            Body::Plain(reader) => reader.consume(amount),
            Body::Zstd(reader) => reader.consume(amount),
        }
    }
}
