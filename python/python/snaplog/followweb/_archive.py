"""The old tool's archives: ``checkpoint_backup_<n>nodes_<run>.tar.gz``."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .._errors import DamageError, RefusedError
from ._layout import ARCHIVE_ROOT, Folder, Source, is_known, sort_out

_MAX_HEADER = 1 << 20
_MAX_MEMBERS = 100_000
_CHUNK = 1 << 18
# How many files of the largest size an archive may have in all: they go to the disk, not into memory.
_FILES = 16
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class _Member(tarfile.TarInfo):
    """A member's header. The long kinds of header are read into memory whole, so their size is looked at before."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _HEADERS and member.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {member.size} bytes")
        return member


def unpack(file: Path, shown: str, scratch: Path, max_bytes: int) -> Folder:
    """Read an archive once, from its beginning to its end, and put what it has of the old tool's files aside.

    A member's path decides only what it is taken for: the files are made in ``scratch``, in folders with numbers, under
    the few names that the old tool has (SQLite finds a write-ahead log by the name of its database). Links, devices and
    members outside of the archive's folder are passed over. An archive that is damaged anywhere is not used at all: of
    what stands before the damage nothing says that it is whole.

    :param shown: what the archive is called in messages.
    :param max_bytes: how many bytes one file in it may have.
    """
    entries: dict[PurePosixPath, Source] = {}
    folders: dict[PurePosixPath, Path] = {}
    try:
        with gzip.open(file, "rb") as stream:
            for path, content in _members(stream, shown, max_bytes):
                folder = folders.setdefault(path.parent, scratch / str(len(folders)))
                folder.mkdir(exist_ok=True)
                target = folder / path.name
                with open(target, "wb") as out:
                    while piece := content.read(_CHUNK):
                        out.write(piece)
                entries[path] = Source(target, f"{shown}!{ARCHIVE_ROOT}/{path}")
            # The sum over everything stands at the very end.
            while stream.read(_CHUNK):
                pass
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise DamageError(
            f"{shown}: the archive is damaged ({error})",
            kind="archive",
            path=shown,
            hint="`tar -xzf` may still get single files out of it; import the folder that it makes",
        ) from None
    return sort_out(entries.items())


def _members(stream: gzip.GzipFile, shown: str, max_bytes: int) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    left = max_bytes * _FILES
    count = 0
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
        for member in archive:
            count += 1
            left -= max(member.size, 0)
            if left < 0 or member.size > max_bytes or count > _MAX_MEMBERS:
                raise RefusedError(
                    f"{shown}: more than {max_bytes} bytes come out of a file in it, {max_bytes * _FILES} bytes or "
                    f"{_MAX_MEMBERS} files out of it in all",
                    kind="too-large",
                    path=shown,
                    hint="if it is your own, raise the bound: --max-bytes, or max_bytes=",
                )
            path = _inside(member.name)
            if path is None or not member.isreg() or member.issparse() or not is_known(path.name):
                continue
            content: Any = archive.extractfile(member)
            if content is not None:
                yield path, content


def _inside(name: str) -> PurePosixPath | None:
    """A member's path in the archive's folder; None if it is not in it."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    if path.is_absolute() or ".." in parts or len(parts) < 2 or parts[0] != ARCHIVE_ROOT:
        return None
    return PurePosixPath(*parts[1:])
