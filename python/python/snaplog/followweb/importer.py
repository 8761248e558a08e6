"""Make a log of what the old tool left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snaplog

from .._errors import Error, NotFoundError, RefusedError
from ._bytes import MAX_BYTES
from ._contents import Content, read_content
from ._report import Imported, Problem, Report
from ._scan import Item, Limits, Scan, Scanner
from ._unpickle import MAX_OBJECTS
from ._write import write_state
from .config import config_of_policy

if TYPE_CHECKING:
    from .._log import Log
    from .._types import Marker

RECORD = "followweb_import"
"""The value of state that says which backup a marker was made of."""

Progress = Callable[[int, int, str], None]


def import_directory(
    directory: str | os.PathLike[str],
    log: str | os.PathLike[str],
    *,
    time_zone: tzinfo | None = None,
    max_bytes: int = MAX_BYTES,
    max_objects: int = MAX_OBJECTS,
    progress: Progress | None = None,
) -> Report:
    """Make a log of a directory of the old tool: one marker for each backup, oldest first, the live directory last.

    Each marker is what the files of that backup hold, and nothing else: its graph, the attributes that its database
    has (or the library, for the checkpoint that it is of), the state that stands beside it. The log stores differences.
    The directory is only read.

    Run it again after it was interrupted, or when the old tool has made more backups: what has its marker is passed over.

    :param directory: what FollowWeb called ``checkpoint_dir``.
    :param log: where the log is to be: a directory that is not there yet, or the log of an earlier import.
    :param time_zone: whose local time the names of files carry, where no manifest tells a backup's time; the machine's
        unless it is given.
    :param max_bytes: how many bytes one file may have, decompressed.
    :param max_objects: how many objects one pickle may make.
    :param progress: called before each backup with its number, how many there are, and its label.
    :returns: what was done; a backup that cannot be read is in ``passed_over``.
    :raises NotFoundError: if there is no such directory.
    :raises RefusedError: if the log was not made by an import, or was written to since.
    """
    source = Path(directory)
    if not source.is_dir():
        raise NotFoundError(f"{source} is no directory", kind="no-directory", path=str(source))
    report = Report(str(source), os.fspath(log), "the machine's" if time_zone is None else str(time_zone))
    limits = Limits(max_bytes, max_objects)
    with tempfile.TemporaryDirectory(prefix="snaplog-followweb-") as scratch:
        found = Scanner(Path(scratch), time_zone, limits).scan(source)
        report.backups_found = len(found.items) + len(found.passed_over)
        report.passed_over += found.passed_over
        report.damaged += found.damaged
        report.notes += found.notes
        target = _Target(os.fspath(log), found.policy)
        try:
            _import(found, target, report, limits, progress)
        finally:
            target.close()
    return report


def _import(found: Scan, target: _Target, report: Report, limits: Limits, progress: Progress | None) -> None:
    for number, item in enumerate(found.items):
        if item.label in target.done:
            report.already_there += 1
            continue
        if progress is not None:
            progress(number, len(found.items), item.label)
        try:
            content = read_content(item, limits)
        except (Error, OSError) as error:
            report.passed_over.append(Problem.of(item.label, error))
            continue
        if target.is_beyond(item):
            reason = "the log of an earlier import has newer ones already: import into a new log to have it in its place"
            report.passed_over.append(Problem(item.label, reason))
            continue
        target.check_unchanged()
        try:
            marker, written = target.put(item, content)
        except RefusedError as error:
            # Too large a value, a time to come, another kind of graph: the log is as it was at the marker before.
            report.passed_over.append(Problem.of(item.label, error))
            continue
        report.damaged += content.damaged
        report.notes += content.notes
        report.values_changed += content.plain.changed
        report.imported.append(_imported(item, content, marker, written))
    report.nodes, report.edges = target.size()


def _imported(item: Item, content: Content, marker: Marker, written: int) -> Imported:
    return Imported(
        marker=marker.id,
        label=item.label,
        time=marker.time.isoformat(),
        time_from=item.time_from,
        tier=item.tier,
        nodes=marker.nodes,
        edges=marker.edges,
        nodes_without_attributes=content.nodes_without_attributes,
        edges_without_attributes=content.edges_without_attributes,
        events_written=written,
    )


@dataclass
class _Last:
    item: Item
    content: Content


class _Target:
    """The log that is made. It is made with the first backup, whose kind of graph it takes."""

    def __init__(self, path: str, policy: dict[str, Any]) -> None:
        self._path = path
        self._policy = policy
        self._log: Log | None = None
        self._last: _Last | None = None
        self._newest: datetime | None = None
        self._written_since = False
        # Labels of the markers that are there.
        self.done: set[str] = set()
        with suppress(NotFoundError):
            self._log = self._open()
            self._resume(self._log)

    def _open(self) -> Log:
        # No marker but those of the backups, and no retention while they come in.
        return snaplog.open(self._path, create=False, config={"tiers": {}}, durability="marker")

    def _resume(self, log: Log) -> None:
        markers = log.markers()
        self.done = {marker.label for marker in markers if marker.label is not None}
        record = log.state.get(RECORD)
        events = log.commit()
        if record is None:
            if events:
                self._refuse("was not made by an import")
            return
        imported = [marker for marker in markers if marker.label is not None]
        if not imported:
            return
        self._newest = imported[-1].time
        if record.get("passed_over") or record.get("backup") not in self.done:
            # An import that was interrupted left events of a backup; they are mended by what is put next.
            self._written_since = any(marker.seq > imported[-1].seq for marker in markers)
        else:
            self._written_since = events > imported[-1].seq

    def _refuse(self, what: str) -> None:
        raise RefusedError(
            f"{self._path} {what}",
            kind="not-an-import",
            path=self._path,
            hint="import into a directory that is not there yet",
        )

    def check_unchanged(self) -> None:
        """Raise if somebody else wrote to the log after its import: what is older does not go behind what is newer."""
        if self._written_since:
            self._refuse("was written to since its import, and there are backups that it has not")

    def is_beyond(self, item: Item) -> bool:
        """Whether the log of an earlier run has gone on beyond the time of this backup."""
        return self._newest is not None and not item.is_live and item.time < self._newest

    def put(self, item: Item, content: Content) -> tuple[Marker, int]:
        """Make the log's graph and state those of a backup, and place its marker; also how many events that took.

        :raises RefusedError: if the log cannot hold it; it is then as it was.
        """
        log = self._made(content)
        try:
            written = _write(log, item, content)
            marker = log.mark(label=item.label, tier=item.tier, time=item.time)
        except RefusedError:
            self._put_back(log, item)
            raise
        finally:
            log.set_time(None)
        self._last = _Last(item, content)
        return marker, written

    def _made(self, content: Content) -> Log:
        directed, multigraph = content.graph.is_directed(), content.graph.is_multigraph()
        if self._log is None:
            config = config_of_policy(self._policy)
            snaplog.open(self._path, directed=directed, multigraph=multigraph, config=config).close()
            self._log = self._open()
        if (directed, multigraph) != (self._log.directed, self._log.multigraph):
            raise RefusedError(
                f"it is a {type(content.graph).__name__}, unlike those before it", kind="other-kind"
            )
        return self._log

    def _put_back(self, log: Log, item: Item) -> None:
        if self._last is not None:
            _write(log, self._last.item, self._last.content, passed_over=item.label)
            return
        log.sync(type(log.to_networkx())(), remove=True)
        log.state[RECORD] = {"backup": None, "passed_over": item.label}

    def size(self) -> tuple[int, int]:
        """How many nodes and edges the log's graph has."""
        return (0, 0) if self._log is None else (self._log.number_of_nodes(), self._log.number_of_edges())

    def close(self) -> None:
        """End the session."""
        if self._log is not None:
            self._log.close()


def _write(log: Log, item: Item, content: Content, *, passed_over: str | None = None) -> int:
    log.set_time(item.time)
    # First of all, so that a later import knows whose events these are, should this one be interrupted.
    record: dict[str, Any] = {"backup": item.label, "time_from": item.time_from}
    if passed_over is not None:
        record["passed_over"] = passed_over
    log.state[RECORD] = record
    written = log.sync(content.graph, remove=True).events_written
    write_state(log, content.values, content.maps, keep={RECORD})
    return written
