"""A drop-in for FollowWeb's ``BackupManager``, with a log in the place of copies."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snaplog

from .._errors import DamageError, NotFoundError
from . import _library
from ._bytes import MAX_BYTES
from ._contents import read_content
from ._documents import read_time
from ._layout import BACKUPS, LIBRARY, MANIFEST, CheckpointFiles, Source
from ._report import Problem
from ._scan import FROM_CHECKPOINT, Item, Limits
from ._schedule import DAILY, Schedule, made_at, made_log, now, session_config
from ._unpickle import MAX_OBJECTS
from ._write import write_state
from .config import MILESTONE, MODERATE, OldConfig

if TYPE_CHECKING:
    from .._types import Marker

LOG = "backups.snaplog"
_MEBIBYTE = 1 << 20


class BackupManager:
    """Makes backups of FollowWeb's checkpoints, when they are due, and keeps them as the tiers say.

    It takes the place of ``FollowWeb_Visualizor.data.backup_manager.BackupManager``: the same arguments, methods and keys of
    configuration. Backups are markers of one log, ``backups.snaplog`` in ``backup_dir``; each stores what changed.

    What is otherwise than in FollowWeb's class:

    - A backup is due when a multiple of the interval was *passed*, wherever the count stopped, and stays due until it is
      made.
    - ``daily`` is a tier like the others: due with the first checkpoint of a day (UTC) after the one on which the log was
      made. If a count tier is due too, both are marked.
    - ``create_backup`` raises when there is no backup, and says why. It returns True otherwise, always.
    - The limits of all tiers are applied, each as it is configured. ``backup_retention_count`` counts where
      ``tiered_backups`` is false, as it was documented.
    - All times are UTC.
    - A backup has the attributes of nodes that the database has, with its write-ahead log, and those of edges if
      ``freesound_library.pkl`` stands beside the topology and is of the same checkpoint.

    :param backup_dir: the directory of the checkpoints.
    :param config: FollowWeb's configuration; see ``snaplog_config`` for the keys that count.
    :param logger: told of what was done, if there is one.
    :param clock: what the time is, for tests; it has a time zone.
    :raises ValueError: if a value of the configuration cannot be used.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        config: Mapping[str, Any] | None = None,
        logger: Any = None,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.backup_dir = Path(backup_dir)
        self.config = dict(config or {})
        self.logger = logger
        self._old = OldConfig.of(self.config)
        self._clock = clock
        self._schedule = Schedule(self._old)
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        self.log_path = made_log(str(self.backup_dir / LOG), self._old)
        if (self.backup_dir / MANIFEST).exists() or (self.backup_dir / BACKUPS).is_dir():
            self._tell(
                f"{self.backup_dir} has backups of the old tool, which are not listed here: "
                f"`python -m snaplog.followweb import {self.backup_dir} -o LOG` makes a log of them"
            )

    def _tell(self, message: str) -> None:
        if self.logger is not None:
            self.logger.info(message)

    @property
    def backup_interval(self) -> int:
        """After how many nodes a backup is due."""
        return self._old.interval

    @property
    def retention_count(self) -> int:
        """How many backups are kept if there are no tiers."""
        return self._old.retention_count

    @property
    def enable_compression(self) -> bool:
        """Whether old backups are compressed more."""
        return self._old.compression

    @property
    def enable_tiered(self) -> bool:
        """Whether there are tiers."""
        return self._old.tiered

    @property
    def compression_age_days(self) -> float:
        """How old backups are that are compressed more."""
        return self._old.compression_age_days

    @property
    def tiers(self) -> dict[str, dict[str, Any]]:
        """The tiers as FollowWeb has them: ``interval`` in nodes or "daily", and ``keep``, where -1 is all."""
        every = self._old.interval
        return {
            "frequent": {"interval": every, "keep": 5, "description": f"Every {every} nodes"},
            "moderate": {
                "interval": every * MODERATE,
                "keep": 10,
                "description": f"Every {every * MODERATE} nodes",
            },
            "milestone": {
                "interval": every * MILESTONE,
                "keep": -1,
                "description": f"Every {every * MILESTONE} nodes",
            },
            DAILY: {"interval": DAILY, "keep": 30, "description": "One per day"},
        }

    @property
    def manifest(self) -> dict[str, Any]:
        """What FollowWeb's manifest has: ``backups``, oldest first, ``retention_policy`` and ``last_cleanup``."""
        return {
            "backups": self.backups,
            "retention_policy": self.retention_policy,
            "last_cleanup": self.last_cleanup,
        }

    @property
    def backups(self) -> list[dict[str, Any]]:
        """The backups, oldest first; see ``list_backups``."""
        return self.list_backups()[::-1]

    @property
    def retention_policy(self) -> dict[str, dict[str, Any]]:
        """The tiers."""
        return self.tiers

    @property
    def last_cleanup(self) -> str | None:
        """When retention was last applied, UTC."""
        # It is applied after each backup. The log has it on record where something was dropped.
        last = read_time(snaplog.stats(self.log_path)["last_prune"], timezone.utc)
        made = (marker.time for marker in snaplog.markers(self.log_path) if marker.label is None)
        newest = max(filter(None, [last, *made]), default=None)
        return None if newest is None else newest.isoformat()

    def should_create_backup(self, current_nodes: int) -> bool:
        """Whether a backup is due."""
        return bool(self._due(current_nodes))

    def should_create_backup_with_tier(self, current_nodes: int) -> tuple[bool, str | None]:
        """Whether a backup is due, and its tier: the one that counts if both it and ``daily`` are."""
        due = self._due(current_nodes)
        return (True, due[0]) if due else (False, None)

    def _due(self, nodes: int) -> tuple[str, ...]:
        if nodes <= 0:
            return ()
        markers = snaplog.markers(self.log_path, dropped=True)
        return self._schedule.due(nodes, markers, made_at(self.log_path), self._clock())

    def create_backup(
        self,
        topology_path: str | os.PathLike[str],
        metadata_db_path: str | os.PathLike[str],
        checkpoint_metadata: Mapping[str, Any],
    ) -> bool:
        """Make a backup of a checkpoint, durable on return, and apply retention.

        It is made whether or not one is due; if none is, it belongs to ``frequent``, as with FollowWeb's class.

        :param topology_path: the pickled graph.
        :param metadata_db_path: the database of the nodes' attributes; its write-ahead log is read with it.
        :param checkpoint_metadata: what else is known; it becomes the state of the backup.
        :returns: True.
        :raises NotFoundError: if a file is not there.
        :raises DamageError: if a file cannot be read, or has another number of nodes than ``checkpoint_metadata`` says.
        :raises RefusedError: if the pickle holds what no graph has.
        :raises LockedError: if somebody else has the log open.
        :raises OSError: if the disk is full, or the like.
        """
        try:
            marker = self._create(Path(topology_path), Path(metadata_db_path), checkpoint_metadata)
        except Exception as error:
            if self.logger is not None:
                self.logger.error(f"no backup was made: {error}")
            raise
        tiers = ", ".join(marker.tiers)
        self._tell(f"backup {marker.id} [{tiers}]: {marker.nodes} nodes, {marker.edges} edges")
        return True

    def _create(self, topology: Path, database: Path, checkpoint: Mapping[str, Any]) -> Marker:
        for file in (topology, database):
            if not file.is_file():
                raise NotFoundError(f"{file} is not there", kind="missing", path=str(file))
        item = self._item(topology, database, checkpoint)
        content = read_content(item, Limits(MAX_BYTES, MAX_OBJECTS))
        if content.damaged:
            problem = content.damaged[0]
            raise DamageError(f"{problem.path}: {problem.reason}", kind="checkpoint", path=problem.path)
        if item.nodes is not None and len(content.graph) != item.nodes:
            raise DamageError(
                f"{topology} and {database} have {len(content.graph)} nodes, and the checkpoint says {item.nodes}",
                kind="checkpoint",
                path=str(topology),
                hint="the files are of different checkpoints: save the checkpoint again",
            )
        tiers = self._due(len(content.graph)) or ("frequent",)
        time = self._clock()
        with snaplog.open(self.log_path, config=session_config(self._old), durability="marker") as log:
            log.set_time(time)
            log.sync(content.graph, remove=True)
            write_state(log, content.values, content.maps)
            # The one that counts is the newest: it is what `latest` means.
            for tier in reversed(tiers):
                marker = log.mark(tier=tier, time=time)
        snaplog.prune(self.log_path)
        if DAILY in tiers:
            snaplog.compact(self.log_path)
        return marker

    def _item(self, topology: Path, database: Path, checkpoint: Mapping[str, Any]) -> Item:
        files = CheckpointFiles(
            topology=Source(topology, str(topology)), database=Source(database, str(database))
        )
        nodes = checkpoint.get("nodes")
        item = Item(
            label="",
            time=self._clock(),
            time_from=FROM_CHECKPOINT,
            files=files,
            nodes=nodes if type(nodes) is int else None,
            document=dict(checkpoint),
        )
        library = topology.with_name(LIBRARY)
        written = checkpoint.get("timestamp")
        if written is not None and library.is_file():
            try:
                found = _library.read_library(Source(library, str(library)), MAX_BYTES, MAX_OBJECTS)
            except (snaplog.Error, OSError) as error:
                # FollowWeb writes it last and goes on if it cannot: the checkpoint is none the worse.
                self._tell(f"without the attributes of edges: {Problem.of(str(library), error).reason}")
            else:
                if found.metadata.get("timestamp") == written:
                    item.library = found
        return item

    def list_backups(self, tier: str | None = None) -> list[dict[str, Any]]:
        """The backups, newest first, as the entries of FollowWeb's manifest.

        ``files`` names the log and the marker, whose id and restoring command stand beside it as ``id`` and ``restore``.
        A log stores what changed, and for several backups together: ``size_bytes`` is the share of the log's bytes
        that this one's events have, and ``compressed`` whether it is of the age at which they are compressed.

        :param tier: only those of this tier.
        """
        figures = snaplog.stats(self.log_path)
        total, events = figures["bytes"]["total"], max(figures["last_seq"], 1)
        old = self._clock() - timedelta(days=self._old.compression_age_days)
        entries, before = [], 0
        for marker in snaplog.markers(self.log_path):
            entries.append(
                {
                    "timestamp": marker.time.isoformat(),
                    "nodes": marker.nodes,
                    "edges": marker.edges,
                    "tier": marker.tiers[0] if marker.tiers else None,
                    "files": {"log": self.log_path, "marker": marker.id},
                    "compressed": self._old.compression
                    and figures["compressed_segments"] > 0
                    and marker.time < old,
                    "size_bytes": total * (marker.seq - before) // events,
                    "id": marker.id,
                    "restore": f"snaplog restore -d {shlex.quote(self.log_path)} --to {marker.id}",
                }
            )
            before = marker.seq
        return [entry for entry in reversed(entries) if tier is None or entry["tier"] == tier]

    def get_backup_stats(self) -> dict[str, Any]:
        """How many backups there are, by tier and in all, how large the log is, when retention was last applied."""
        figures = snaplog.stats(self.log_path)
        backups = self.list_backups()
        by_tier: dict[str, int] = {}
        for backup in backups:
            by_tier[backup["tier"]] = by_tier.get(backup["tier"], 0) + 1
        return {
            "total_backups": len(backups),
            "by_tier": by_tier,
            "total_size_mb": figures["bytes"]["total"] / _MEBIBYTE,
            "compressed_count": sum(backup["compressed"] for backup in backups),
            "last_cleanup": self.last_cleanup,
        }
