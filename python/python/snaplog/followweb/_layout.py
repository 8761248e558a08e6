"""What the old tool's files are called, and which of them belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

TOPOLOGY = "graph_topology.gpickle"
METADATA = "metadata_cache.db"
CHECKPOINT = "checkpoint_metadata.json"
LIBRARY = "freesound_library.pkl"
MANIFEST = "backup_manifest.json"
BACKUPS = "backups"
# The folder that an archive has at its root.
ARCHIVE_ROOT = "freesound_library"

_OF_BACKUP = re.compile(
    r"(?P<what>graph_topology|metadata_cache)_backup_(?P<nodes>[0-9]{1,12})nodes_(?P<stamp>[0-9]{8}_[0-9]{6})"
    r"\.(?P<end>gpickle|db)(?:\.gz)?"
)
_ARCHIVE = re.compile(
    r"checkpoint_backup_(?P<nodes>[0-9]{1,12})nodes_(?P<run>[^/\\]{1,120})\.(?:tar\.gz|tgz)"
)


@dataclass(frozen=True)
class Source:
    """A file: where its bytes lie, and what it is called in messages (a member of an archive lies somewhere else)."""

    file: Path
    shown: str


@dataclass
class BackupFiles:
    """The files of one backup. There may be copies: compressed and not, in its tier and at the root, in an archive."""

    nodes: int
    stamp: str
    tier: str | None = None
    topologies: list[Source] = field(default_factory=list)
    databases: list[Source] = field(default_factory=list)

    @property
    def label(self) -> str:
        """What is the same in the names of its files. The bare time would not do: it is local, and read as UTC."""
        return f"backup_{self.nodes}nodes_{self.stamp}"


@dataclass
class CheckpointFiles:
    """The files that the collector itself writes and reads: the live directory's, or an archive's."""

    nodes: int | None = None
    topology: Source | None = None
    database: Source | None = None
    checkpoint: Source | None = None
    library: Source | None = None

    def is_empty(self) -> bool:
        """Whether there is no graph, readable or not."""
        return self.topology is None and self.library is None


@dataclass
class Folder:
    """What one folder holds, or one archive."""

    live: CheckpointFiles = field(default_factory=CheckpointFiles)
    manifest: Source | None = None
    backups: dict[tuple[int, str], BackupFiles] = field(default_factory=dict)
    archives: list[Source] = field(default_factory=list)


def archive_nodes(name: str) -> int | None:
    """How many nodes an archive has by its name; None if it is no name of an archive."""
    found = _ARCHIVE.fullmatch(name)
    return None if found is None else int(found["nodes"])


def backup_of(name: str) -> tuple[int, str] | None:
    """Which backup a file belongs to by its name."""
    found = _OF_BACKUP.fullmatch(name)
    return None if found is None else (int(found["nodes"]), found["stamp"])


def is_known(name: str) -> bool:
    """Whether a file of this name is one of the old tool's, archives apart."""
    return (
        name in (TOPOLOGY, METADATA, f"{METADATA}-wal", CHECKPOINT, LIBRARY, MANIFEST)
        or backup_of(name) is not None
    )


def sort_out(entries: Iterable[tuple[PurePosixPath, Source]]) -> Folder:
    """Find what belongs together.

    :param entries: files with their paths in the folder.
    """
    folder = Folder()
    for path, source in sorted(entries, key=lambda entry: str(entry[0])):
        parent = path.parent.parts
        if not parent:
            _at_root(folder, path.name, source)
        if archive_nodes(path.name) is not None:
            folder.archives.append(source)
        key = backup_of(path.name)
        if key is None:
            continue
        backup = folder.backups.setdefault(key, BackupFiles(*key))
        if len(parent) > 1 and parent[-2] == BACKUPS:
            backup.tier = parent[-1]
        # Sorted: `x.db` stands before `x.db.gz`, and is the one to be tried first. A crash of the old tool in the
        # middle of compressing leaves both, the second one cut off.
        copies = backup.topologies if path.name.startswith("graph_topology") else backup.databases
        copies.append(source)
    return folder


def _at_root(folder: Folder, name: str, source: Source) -> None:
    live = folder.live
    if name == TOPOLOGY:
        live.topology = source
    elif name == METADATA:
        live.database = source
    elif name == CHECKPOINT:
        live.checkpoint = source
    elif name == LIBRARY:
        live.library = source
    elif name == MANIFEST:
        folder.manifest = source
