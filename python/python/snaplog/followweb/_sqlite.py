"""The old tool's table of node attributes: ``metadata_cache.db``, SQLite, mostly in WAL mode."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._errors import DamageError, Error
from ._bytes import MAX_BYTES, unpack_to

# Columns beside `data` that become attributes of the node, unless `data` has one of that name: what stands there is what
# the collector itself kept at the node.
COLUMNS = ("last_updated", "priority_score", "is_dormant", "dormant_since")
_ATTEMPTS = 20
_PAUSE = 0.05


@dataclass
class Metadata:
    """What the table holds: attributes by node, and the nodes whose row cannot be read."""

    attrs: dict[str, dict[str, Any]] = field(default_factory=dict)
    bad_rows: list[str] = field(default_factory=list)


def read_metadata(file: Path, path: str, *, max_bytes: int = MAX_BYTES) -> Metadata:
    """Read a database, compressed or not, together with its write-ahead log if it has one.

    It is copied into a temporary directory first, and the copy is opened. Opened where it lies, SQLite would write
    beside it (the ``-shm`` file, even for a reader) and could fold the write-ahead log into it; opened as ``immutable``,
    it would not see the write-ahead log, which is where the newest rows are.

    :param path: what it is called in messages.
    :raises DamageError: if it is no database, is damaged, or has no such table.
    """
    with tempfile.TemporaryDirectory(prefix="snaplog-followweb-") as scratch:
        copy = Path(scratch) / "metadata.db"
        if file.name.endswith(".gz"):
            unpack_to(file, path, copy, max_bytes)
        else:
            _copy(file, path, copy)
        try:
            with closing(sqlite3.connect(f"{copy.as_uri()}?mode=rw", uri=True)) as database:
                return _rows(database, path)
        except sqlite3.Error as error:
            raise DamageError(f"{path}: SQLite cannot read it ({error})", kind="sqlite", path=path) from None


def _state(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return (status.st_size, status.st_mtime_ns)


def _copy(file: Path, path: str, copy: Path) -> None:
    """Copy the two files as they are at one moment: a collector may be at work."""
    log = file.with_name(f"{file.name}-wal")
    target = copy.with_name(f"{copy.name}-wal")
    for _ in range(_ATTEMPTS):
        before = (_state(file), _state(log))
        shutil.copyfile(file, copy)
        if before[1] is None:
            target.unlink(missing_ok=True)
        else:
            try:
                shutil.copyfile(log, target)
            except FileNotFoundError:
                continue
        if (_state(file), _state(log)) == before:
            return
        time.sleep(_PAUSE)
    raise Error(
        f"{path}: it is being written to all the time",
        kind="busy",
        path=path,
        hint="import again when the collector has ended",
    )


def _rows(database: sqlite3.Connection, path: str) -> Metadata:
    # Nothing in the schema may run functions, and texts are looked at row by row.
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    database.text_factory = bytes
    found = database.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'metadata'"
    ).fetchone()
    if found is None or not bytes(found[0]).upper().startswith(b"CREATE TABLE"):
        raise DamageError(
            f"{path}: it has no table `metadata`",
            kind="no-table",
            path=path,
            hint="a database in WAL mode that was copied without its -wal file may have nothing in it",
        )
    said = database.execute("PRAGMA quick_check(1)").fetchone()
    if said is None or bytes(said[0]) != b"ok":
        what = b"" if said is None else bytes(said[0])
        raise DamageError(
            f"{path}: the database is damaged ({what.decode('utf-8', 'replace')})", kind="sqlite", path=path
        )
    names = {
        bytes(row[1]).decode("utf-8", "replace") for row in database.execute("PRAGMA table_info(metadata)")
    }
    if not {"sample_id", "data"} <= names:
        raise DamageError(f"{path}: its table `metadata` lacks sample_id or data", kind="no-table", path=path)
    columns = [name for name in COLUMNS if name in names]
    metadata = Metadata()
    # The names are ours, out of the tuple above.
    query = f"SELECT {', '.join(['sample_id', 'data', *columns])} FROM metadata ORDER BY sample_id"
    for sample, data, *values in database.execute(query):
        node = sample.decode("utf-8", "replace") if isinstance(sample, bytes) else str(sample)
        try:
            attrs = _document(data)
            for name, value in zip(columns, values):
                if value is not None:
                    attrs.setdefault(name, _column(name, value))
        except (ValueError, RecursionError):
            metadata.bad_rows.append(node)
            continue
        metadata.attrs[node] = attrs
    return metadata


def _document(data: Any) -> dict[str, Any]:
    if not isinstance(data, bytes):
        raise ValueError("no text")
    document = json.loads(data.decode("utf-8"))
    if not isinstance(document, dict):
        raise ValueError("no object")
    return document


def _column(name: str, value: Any) -> Any:
    if name == "is_dormant" and value in (0, 1):
        return bool(value)
    return value.decode("utf-8") if isinstance(value, bytes) else value
