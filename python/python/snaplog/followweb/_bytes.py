"""Files that may be compressed, read with a bound on what comes out of them."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .._errors import DamageError, Error, RefusedError

# What one file may be, unpacked. A pickle that is larger than this is of a graph of some ten million edges.
MAX_BYTES = 1 << 30
_CHUNK = 1 << 18
_LZMA_MEMORY = 1 << 28
_JOBLIB_HEADER = 21
_LONGEST_START = 6


class _Zlib:
    """zlib's decompressor, with the interface that the others have."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail


def _lz4() -> Any:
    try:
        module = importlib.import_module("lz4.frame")
    except ImportError:
        raise Error("it is compressed with lz4", kind="no-lz4", hint="pip install lz4") from None
    return module.LZ4FrameDecompressor()


def _maker(start: bytes) -> Callable[[], Any] | None:
    if start.startswith(b"\x1f\x8b"):
        return lambda: _Zlib(31)
    if start.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if start.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        return lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)
    if start.startswith(b"\x04\x22\x4d\x18"):
        return _lz4
    # zlib's two first bytes, as a number, divide by 31.
    if start[:1] == b"\x78" and len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0:
        return lambda: _Zlib(15)
    return None


def unpacked(stream: IO[bytes], path: str, max_bytes: int = MAX_BYTES) -> Iterator[bytes]:
    """What a file holds, in pieces: decompressed if it is compressed with gzip, zlib, bz2, xz, lzma or lz4.

    :param path: what the file is called in messages.
    :raises DamageError: if the compressed data is cut off or altered.
    :raises RefusedError: if more than ``max_bytes`` come out of it.
    """
    start = stream.read(_JOBLIB_HEADER)
    if start.startswith(b"ZF0x"):
        # joblib before 0.10: a header with the length, then zlib.
        start = stream.read(2)
    left = max_bytes
    for piece in _plain(start, stream) if _maker(start) is None else _decompressed(start, stream, path):
        left -= len(piece)
        if left < 0:
            raise RefusedError(
                f"{path}: more than {max_bytes} bytes come out of it",
                kind="too-large",
                path=path,
                hint="if it is your own, raise the bound: --max-bytes, or max_bytes=",
            )
        yield piece


def _plain(start: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    while start:
        yield start
        start = stream.read(_CHUNK)


def _decompressed(start: bytes, stream: IO[bytes], path: str) -> Iterator[bytes]:
    offset = len(start)
    data = start
    try:
        while data:
            # One turn for each compressed stream: gzip files may be put one behind the other.
            if len(data) < _LONGEST_START:
                data += stream.read(_CHUNK)
            make = _maker(data)
            if make is None:
                if data.strip(b"\0"):
                    what = f"{path}: bytes that belong to nothing follow its end"
                    raise DamageError(what, kind="trailing", path=path)
                data = stream.read(_CHUNK)
                continue
            unzip = make()
            while not unzip.eof:
                piece = unzip.decompress(data, _CHUNK)
                data = b""
                if piece:
                    yield piece
                elif not unzip.eof and unzip.needs_input:
                    data = stream.read(_CHUNK)
                    offset += len(data)
                    if not data:
                        raise DamageError(
                            f"{path}: it ends in the middle of the compressed data, after {offset} bytes",
                            kind="cut-off",
                            path=path,
                            offset=offset,
                        )
            data = unzip.unused_data or stream.read(_CHUNK)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamageError(
            f"{path}: the compressed data does not unpack ({error})",
            kind="compressed",
            path=path,
            offset=offset,
        ) from None


def read(file: Path, path: str, max_bytes: int = MAX_BYTES) -> bytes:
    """All that a file holds, decompressed."""
    with open(file, "rb") as stream:
        return b"".join(unpacked(stream, path, max_bytes))


def unpack_to(file: Path, path: str, target: Path, max_bytes: int = MAX_BYTES) -> None:
    """Write what a file holds, decompressed, to another one."""
    with open(file, "rb") as stream, open(target, "wb") as out:
        for piece in unpacked(stream, path, max_bytes):
            out.write(piece)
