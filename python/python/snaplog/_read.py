"""Functions that read a log, or look after it, without a session."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

from . import _native, _types
from ._log import _graph_class, _no_garbage_collection
from ._types import Marker, Origin

if TYPE_CHECKING:
    import networkx as nx

Path = Union[str, "os.PathLike[str]"]


def restore(path: Path, to: str = "latest", *, tier: str | None = None) -> nx.Graph:
    """The graph as it was at a marker, checked against the marker's fingerprint.

    :param path: the log's directory; a session may have it open meanwhile. Or the address of a remote copy, such as
        ``s3://bucket/prefix``.
    :param to: ``"latest"``, ``"latest~2"``, a time (``"2026-01-31T12:00:00Z"``, ``"20260131_120000"``, ``"2026-01-31"``,
        ``"2 hours ago"``), a marker's id (``"m12"``), a label, or ``"seq:4711"`` for the state after a single event.
    :param tier: look only at markers of this tier.
    :returns: a DiGraph, Graph, MultiDiGraph or MultiGraph, as the log's kind is. ``G.graph["snaplog"]`` says what it is
        (see ``Origin``), and ``G.graph["snaplog"].state`` is the collector's state at that point.
    :raises NotFoundError: if there is no log or no such marker.
    :raises DamageError: if it cannot be restored; ``snaplog.verify`` says what can.
    """
    found = _native.Restored(os.fspath(path), str(to), tier)
    graph = _graph_class(found.directed, found.multigraph)()
    with _no_garbage_collection():
        found.fill(graph)
        state = found.state()
    fields = found.marker
    marker = None if fields is None else _types.marker(fields)
    graph.graph["snaplog"] = Origin(
        log_id=found.log_id,
        marker=None if marker is None else marker.id,
        seq=found.seq,
        time=_types.from_microseconds(found.time).isoformat(),
        tiers=[] if marker is None else list(marker.tiers),
        label=None if marker is None else marker.label,
        fingerprint=None if marker is None else marker.fingerprint,
        state=state,
    )
    return graph


def markers(path: Path, *, tier: str | None = None, dropped: bool = False) -> list[Marker]:
    """The markers of a log, oldest first.

    :param tier: only those of this tier.
    :param dropped: also those that retention dropped and that can still be had back.
    """
    found = [_types.marker(fields) for fields in _native.markers(os.fspath(path))]
    return [
        marker
        for marker in found
        if (dropped or marker.expired is None) and (tier is None or tier in marker.tiers)
    ]


def verify(
    path: Path, *, level: str = "replay", expect: Iterable[str] = (), max_duration: float | None = None
) -> dict[str, Any]:
    """Prove that a log restores; changes nothing. Damage is in the report, not raised.

    :param level: ``"quick"`` (headers, sizes), ``"checksums"`` (every byte), ``"replay"`` (every marker's fingerprint).
    :param expect: digests of markers that were kept elsewhere.
    :param max_duration: stop after so many seconds; ``report["complete"]`` is false then.
    :returns: the document of ``snaplog verify --json``: ``sound``, ``faults``, ``good``, ``lost`` and more.
    """
    report: dict[str, Any] = json.loads(_native.verify(os.fspath(path), level, list(expect), max_duration))
    return report


def drill(path: Path, *, markers: str = "random:3", max_duration: float | None = None) -> dict[str, Any]:
    """Restore markers to nowhere and check each; the outcome goes on record for ``stats``.

    :param markers: ``"all"``, ``"random:N"`` (the newest is among them) or ``"tier:NAME"``.
    :param max_duration: the restore that is under way after so many seconds is the last one.
    :returns: the document of ``snaplog drill --json``: ``good``, ``restores`` and more.
    """
    report: dict[str, Any] = json.loads(_native.drill(os.fspath(path), markers, max_duration))
    return report


def stats(path: Path) -> dict[str, Any]:
    """A log in figures: graph, markers by tier, bytes, the last checks."""
    document: dict[str, Any] = json.loads(_native.stats(os.fspath(path)))
    return document


def prune(path: Path, *, dry_run: bool = False, now: bool = False) -> dict[str, Any]:
    """Drop the markers that the log's snaplog.toml does not keep.

    What is dropped can be had back by ``snaplog undelete`` until its grace is over.

    :param dry_run: only say what would be dropped, and why.
    :param now: no grace: remove at once and for good.
    :returns: ``markers`` (each with ``keep`` and ``reasons``), ``would_drop``, ``dropped``, ``reclaimed``, ``bytes_freed``.
    """
    document: dict[str, Any] = json.loads(_native.prune(os.fspath(path), dry_run, now))
    return document


def compact(path: Path, *, now: bool = False) -> dict[str, Any]:
    """Apply retention, fold old events, and remove what has been in the trash for long enough.

    :param now: end the grace of everything that was dropped.
    """
    document: dict[str, Any] = json.loads(_native.compact(os.fspath(path), now))
    return document


def diff(path: Path, a: str, b: str = "latest", *, entities: bool = False) -> dict[str, Any]:
    """What changed from one marker to another.

    :param a: the earlier one, in the words that ``restore`` takes for ``to``.
    :param b: the later one.
    :param entities: also name what changed, not only count it.
    :returns: the document of ``snaplog diff --json``: ``from``, ``to``, and for ``nodes``, ``edges`` and ``state`` how many
        were ``added``, ``removed`` and ``changed``; with ``entities`` a list of them.
    """
    document: dict[str, Any] = json.loads(_native.diff(os.fspath(path), a, b, entities))
    return document
