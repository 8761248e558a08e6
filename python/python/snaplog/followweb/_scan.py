"""What a directory of the old tool holds: one item for each marker that can come of it, oldest first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from pathlib import Path, PurePosixPath
from typing import Any, Union

from .._errors import Error
from . import _archive, _library
from ._documents import Entry, read_document, read_manifest, read_time, to_utc
from ._layout import BACKUPS, BackupFiles, CheckpointFiles, Folder, Source, archive_nodes, sort_out
from ._report import Problem

FROM_MANIFEST = "manifest"
FROM_CHECKPOINT = "checkpoint"
FROM_NAME = "file name"
FROM_FILE = "date of the file"


@dataclass(frozen=True)
class Limits:
    """What is read, and how much of it at most."""

    max_bytes: int
    max_objects: int


@dataclass
class Item:
    """One marker to be: a backup, a checkpoint (the live directory's or an archive's), or a library of its own."""

    label: str
    time: datetime
    time_from: str
    files: Union[BackupFiles, CheckpointFiles]
    tier: str | None = None
    nodes: int | None = None
    edges: int | None = None
    is_live: bool = False
    document: dict[str, Any] | None = None
    library: _library.Library | None = None
    # Whether the library is of another time than the files beside it.
    library_is_apart: bool = False
    damaged: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def order(self) -> tuple[bool, datetime, int, str]:
        """Oldest first; the live directory is the newest whatever its clock said."""
        return (self.is_live, self.time, self.nodes or 0, self.label)


@dataclass
class Scan:
    """What was found."""

    items: list[Item] = field(default_factory=list)
    passed_over: list[Problem] = field(default_factory=list)
    damaged: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=dict)


class Scanner:
    """Looks through a directory.

    :param scratch: a temporary directory, for what comes out of archives.
    :param zone: whose local time the names of files carry; None is the machine's.
    """

    def __init__(self, scratch: Path, zone: tzinfo | None, limits: Limits) -> None:
        self._scratch = scratch
        self._zone = zone
        self._limits = limits
        self._found = Scan()
        self._entries: dict[str, Entry] = {}
        self._items: dict[str, Item] = {}

    def scan(self, directory: Path) -> Scan:
        """Find everything; what cannot be read is in ``passed_over`` and ``damaged``."""
        folder = sort_out(_files(directory))
        folders = [folder, *self._archives(folder)]
        for each in folders:
            if each.manifest is not None:
                self._manifest(each.manifest)
        backups: dict[tuple[int, str], BackupFiles] = {}
        for each in folders:
            for key, backup in each.backups.items():
                known = backups.setdefault(key, BackupFiles(*key))
                known.tier = known.tier or backup.tier
                known.topologies += backup.topologies
                known.databases += backup.databases
        for backup in backups.values():
            self._backup(backup)
        self._vanished(backups)
        if not folder.live.is_empty():
            self._checkpoint(folder.live, None)
        self._found.items = sorted(self._items.values(), key=lambda item: item.order)
        return self._found

    def _archives(self, folder: Folder) -> Iterator[Folder]:
        for number, archive in enumerate(folder.archives):
            scratch = self._scratch / f"archive{number}"
            scratch.mkdir()
            try:
                found = _archive.unpack(archive.file, archive.shown, scratch, self._limits.max_bytes)
            except (Error, OSError) as error:
                self._found.passed_over.append(Problem.of(archive.shown, error))
                continue
            if found.live.is_empty() and not found.backups:
                reason = "it holds no graph of the old tool's"
                self._found.passed_over.append(Problem(archive.shown, reason))
                continue
            if not found.live.is_empty():
                found.live.nodes = archive_nodes(archive.file.name)
                self._checkpoint(found.live, archive)
            yield found

    def _manifest(self, source: Source) -> None:
        try:
            manifest = read_manifest(source.file, source.shown, self._limits.max_bytes)
        except (Error, OSError) as error:
            self._found.damaged.append(Problem.of(source.shown, error))
            return
        if manifest.bad_entries:
            reason = f"{manifest.bad_entries} of its entries cannot be read"
            self._found.damaged.append(Problem(source.shown, reason))
        self._found.policy = self._found.policy or manifest.policy
        for entry in manifest.entries:
            for name in entry.files:
                self._entries.setdefault(name, entry)

    def _entry(self, backup: BackupFiles) -> Entry | None:
        for source in (*backup.topologies, *backup.databases):
            name = source.shown.replace("!", "/").rsplit("/", 1)[-1]
            entry = self._entries.get(name[: -len(".gz")] if name.endswith(".gz") else name)
            if entry is not None:
                return entry
        return None

    def _backup(self, backup: BackupFiles) -> None:
        entry = self._entry(backup)
        named = _time_of_stamp(backup.stamp, self._zone)
        time = named if entry is None else entry.time
        if time is None:
            reason = f"{backup.stamp} in its name is no time, and no manifest tells it"
            self._found.passed_over.append(Problem((backup.topologies + backup.databases)[0].shown, reason))
            return
        self._add(
            Item(
                label=backup.label,
                time=time,
                time_from=FROM_NAME if entry is None else FROM_MANIFEST,
                files=backup,
                tier=(entry.tier if entry is not None else None) or backup.tier,
                nodes=backup.nodes,
                edges=entry.edges if entry is not None else None,
            )
        )

    def _vanished(self, backups: dict[tuple[int, str], BackupFiles]) -> None:
        """Entries of the manifest whose files are not there, neither of them."""
        there = {id(self._entry(backup)) for backup in backups.values()}
        for entry in {id(entry): entry for entry in self._entries.values()}.values():
            if id(entry) not in there:
                path = entry.files[0]
                reason = f"the manifest lists it ({entry.time.isoformat()}), but its files are not there"
                self._found.passed_over.append(Problem(path, reason))

    def _checkpoint(self, files: CheckpointFiles, archive: Source | None) -> None:
        """The files of a live directory, or of the one that an archive was made of."""
        item = Item(
            label="",
            time=datetime.now(timezone.utc),
            time_from=FROM_FILE,
            files=files,
            nodes=files.nodes,
            is_live=archive is None,
        )
        if files.checkpoint is not None:
            try:
                item.document = read_document(
                    files.checkpoint.file, files.checkpoint.shown, self._limits.max_bytes
                )
            except (Error, OSError) as error:
                item.damaged.append(Problem.of(files.checkpoint.shown, error))
        if files.library is not None:
            try:
                item.library = _library.read_library(
                    files.library, self._limits.max_bytes, self._limits.max_objects
                )
            except (Error, OSError) as error:
                item.damaged.append(Problem.of(files.library.shown, error))
        document = item.document or {}
        graph_file = files.topology or files.library
        assert graph_file is not None
        time = read_time(document.get("timestamp"), self._zone)
        if time is None and files.topology is None and item.library is not None:
            time = read_time(item.library.metadata.get("timestamp"), self._zone)
        if time is not None:
            item.time, item.time_from = time, FROM_CHECKPOINT
        else:
            item.time = datetime.fromtimestamp(graph_file.file.stat().st_mtime, timezone.utc)
        counted = document.get("nodes")
        if type(counted) is int and counted >= 0:
            item.nodes = counted
        stem = "live" if archive is None else re.sub(r"\.(tar\.gz|tgz)$", "", archive.file.name)
        # The time tells one state of the live directory from another, should the import be run again later.
        item.label = stem if archive is not None else f"live_{item.time:%Y%m%d_%H%M%S}_UTC"
        self._library_of_its_own(item, stem)
        self._add(item)

    def _library_of_its_own(self, item: Item, stem: str) -> None:
        """A library that was written at another time than the files beside it is a state of its own."""
        library, files = item.library, item.files
        if library is None or not isinstance(files, CheckpointFiles) or files.topology is None:
            return
        written = library.metadata.get("timestamp")
        stated = (item.document or {}).get("timestamp")
        if written is None or stated is None or written == stated:
            return
        time = read_time(written, self._zone)
        if time is None:
            return
        label = f"library_{time:%Y%m%d_%H%M%S}_UTC" if item.is_live else f"{stem}_library"
        own = CheckpointFiles(library=files.library)
        self._add(Item(label, time, FROM_CHECKPOINT, own, nodes=library.nodes, library=library))
        item.library_is_apart = True
        item.notes.append(
            f"{library.shown} is of another time ({time.isoformat()}): it has a marker of its own, and the "
            "attributes that only it has are as they were then"
        )

    def _add(self, item: Item) -> None:
        known = self._items.setdefault(item.label, item)
        if known is not item:
            self._found.notes.append(f"{item.label} is there twice; the second one is not looked at")


def _files(directory: Path) -> Iterator[tuple[PurePosixPath, Source]]:
    """The files at the root, and those in ``backups`` and in the folders of the tiers."""
    folders = [directory]
    if (directory / BACKUPS).is_dir():
        folders.append(directory / BACKUPS)
        with os.scandir(directory / BACKUPS) as found:
            folders += sorted(Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False))
    for folder in folders:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                path = PurePosixPath(file.relative_to(directory).as_posix())
                yield path, Source(file, str(path))


def _time_of_stamp(stamp: str, zone: tzinfo | None) -> datetime | None:
    try:
        return to_utc(datetime.strptime(stamp, "%Y%m%d_%H%M%S"), zone)
    except (ValueError, OverflowError):
        return None
