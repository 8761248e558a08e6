"""The old tool's JSON: its manifest, and what it wrote at each checkpoint."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any

from .._errors import DamageError
from ._bytes import MAX_BYTES, read

_FRACTION = re.compile(r"\.([0-9]+)")


@dataclass(frozen=True)
class Entry:
    """What the manifest says of a backup; its times are UTC."""

    time: datetime
    nodes: int | None
    edges: int | None
    tier: str | None
    files: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """The manifest: its entries, how many more it has that cannot be read, and the tiers that it was written with."""

    entries: tuple[Entry, ...]
    bad_entries: int
    policy: dict[str, Any]


def read_manifest(file: Path, path: str, max_bytes: int = MAX_BYTES) -> Manifest:
    """Read ``backup_manifest.json``.

    :param path: what it is called in messages.
    :raises DamageError: if it is not JSON, or not a manifest.
    """
    document = read_document(file, path, max_bytes)
    backups = document.get("backups")
    if not isinstance(backups, list):
        raise DamageError(f"{path}: it lists no backups", kind="json", path=path)
    entries = [_entry(backup) for backup in backups]
    policy = document.get("retention_policy")
    return Manifest(
        entries=tuple(entry for entry in entries if entry is not None),
        bad_entries=entries.count(None),
        policy=policy if isinstance(policy, dict) else {},
    )


def read_document(file: Path, path: str, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read a file that holds one JSON object."""
    try:
        document = json.loads(read(file, path, max_bytes).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamageError(f"{path}: it is no JSON ({error})", kind="json", path=path) from None
    if not isinstance(document, dict):
        raise DamageError(f"{path}: it is no JSON object", kind="json", path=path)
    return document


def read_time(text: Any, naive: tzinfo | None) -> datetime | None:
    """A time as the old tool writes it, in UTC.

    :param naive: whose time it is if it does not say; None is the machine's.
    """
    if not isinstance(text, str):
        return None
    try:
        # Python 3.9 and 3.10 read neither the Z nor a fraction of any number of digits.
        text = _FRACTION.sub(lambda found: f".{found[1]:0<6.6}", text)
        time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
        return to_utc(time, naive)
    except (ValueError, OverflowError):
        return None


def to_utc(time: datetime, naive: tzinfo | None) -> datetime:
    """A time in UTC; ``naive`` as for ``read_time``."""
    if time.tzinfo is None and naive is not None:
        time = time.replace(tzinfo=naive)
    return time.astimezone(timezone.utc)


def _entry(backup: Any) -> Entry | None:
    if not isinstance(backup, dict):
        return None
    time = read_time(backup.get("timestamp"), timezone.utc)
    files = backup.get("files")
    if time is None or not isinstance(files, dict):
        return None
    tier = backup.get("tier")
    return Entry(
        time=time,
        nodes=_count(backup.get("nodes")),
        edges=_count(backup.get("edges")),
        tier=tier if isinstance(tier, str) and tier else None,
        # By name alone: directories are moved, and on Windows parts are parted by backslashes.
        files=tuple(_name(path) for path in files.values() if isinstance(path, str)),
    )


def _name(path: str) -> str:
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return name[: -len(".gz")] if name.endswith(".gz") else name


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
