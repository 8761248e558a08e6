"""The session that writes: ``snaplog.open`` and ``Log``."""

from __future__ import annotations

import asyncio
import atexit
import gc
import json
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Union

from . import _types
from ._errors import RefusedError
from ._native import Writer
from ._state import GraphAttributes, State
from ._types import Marker, SyncReport

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    import networkx as nx

NodeId = Union[str, int]
_EDGE = 2
_KEYED_EDGE = 3
_KEYED_EDGE_WITH_DATA = 4

_open_logs: weakref.WeakSet[Log] = weakref.WeakSet()


def open(
    path: str | os.PathLike[str],
    *,
    directed: bool | None = None,
    multigraph: bool | None = None,
    create: bool = True,
    durability: str | dict[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    datetimes: str = "refuse",
    recipients: Sequence[str] = (),
) -> Log:
    """Open a log to write to it: make it, or go on with what an earlier session left.

    :param path: the log's directory.
    :param directed: the kind of graph; a new log is directed unless told otherwise. A log that is there keeps its kind,
        and asking for another one is an error.
    :param multigraph: likewise; a new log is of a graph without parallel edges unless told otherwise.
    :param create: whether a log that is not there is made.
    :param durability: ``"each"``, ``"marker"`` or ``{"events": 1000, "interval": "1s"}``: when events reach the disk
        without a ``commit``.
    :param config: what else snaplog.toml may say, as a dict of the same shape:
        ``{"tiers": {"frequent": {"every_nodes": 25, "keep": 5}}}``. For a new log it becomes its snaplog.toml; for one that
        is there it holds for this session, over the file's.
    :param datetimes: ``"iso"`` stores dates and times as ISO 8601 text; otherwise they are a TypeError.
    :param recipients: a log that is made now is encrypted for these age recipients (``"age1…"``). Whoever opens an
        encrypted log needs an identity of one of them: ``SNAPLOG_IDENTITY`` names its file.
    :raises IdentityError: if the log is encrypted, and what the environment gives does not open it.
    :raises LockedError: if another session has the log open.
    :raises DamageError: if the log cannot be read.
    :raises NotFoundError: if there is no log and ``create`` is false.

    >>> import snaplog, tempfile
    >>> with snaplog.open(tempfile.mkdtemp()) as log:
    ...     log.add_node("12345", name="rain", tags=["field", "wet"])
    ...     log.add_edge("12345", "678", type="similar", weight=0.9)
    ...     log.state["pagination"] = {"page": 7}
    ...     marker = log.mark(label="before the second pass")
    >>> marker.nodes, marker.edges
    (2, 1)
    """
    if datetimes not in ("iso", "refuse"):
        raise ValueError(f'datetimes={datetimes!r}: it is "iso" or "refuse"')
    settings = dict(config or {})
    if durability is not None:
        settings["durability"] = durability
    return Log(
        os.fspath(path),
        directed=directed,
        multigraph=multigraph,
        create=create,
        settings=json.dumps(settings) if settings else None,
        iso=datetimes == "iso",
        recipients=[recipients] if isinstance(recipients, str) else list(recipients),
    )


class Log(Writer):
    """A session that writes to a log; ``snaplog.open`` makes one.

    Threads may share it. What ``commit`` or ``mark`` has returned for survives any crash; everything else is on disk
    within about a second, as the configured durability says. ``add_*`` and ``put_*`` return before the log has worked
    on what they were given; what a log cannot hold they refuse all the same, before anything is kept of it.

    Use it in a ``with`` statement, or call ``close``. When the body of the statement raises, what was added by then is
    kept.
    """

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        super().__init__()
        _open_logs.add(self)

    # Not attributes: the log would hold what holds the log, and a log that nobody holds would stay open for long.
    @property
    def state(self) -> State:
        """The collector's state."""
        return State(self)

    @property
    def graph(self) -> GraphAttributes:
        """The attributes of the graph itself."""
        return GraphAttributes(self)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = ("Multi" if self.multigraph else "") + ("DiGraph" if self.directed else "Graph")
        return f"<snaplog.Log {self.path!r} of a {kind}{', closed' if self.closed else ''}>"

    def add_nodes_from(self, nodes: Iterable[Any], /, **attrs: Any) -> None:
        """Add nodes, or (node, attributes) pairs; ``attrs`` are for all of them, as in networkx."""
        for node in nodes:
            if isinstance(node, tuple):
                node, own = node
                self.put_node(node, {**attrs, **own})
            else:
                self.put_node(node, attrs)

    def add_edges_from(self, edges: Iterable[tuple[Any, ...]], /, **attrs: Any) -> None:
        """Add edges, in the shapes that networkx takes: (u, v), (u, v, data); in a multigraph (u, v, key, data) too."""
        for edge in edges:
            u, v, key, own = self._edge(edge)
            self.put_edge(u, v, {**attrs, **own}, key)

    def _edge(self, edge: tuple[Any, ...]) -> tuple[Any, Any, Any, Mapping[str, Any]]:
        if len(edge) == _EDGE:
            return (edge[0], edge[1], None, {})
        if len(edge) == _KEYED_EDGE:
            u, v, last = edge
            if isinstance(last, Mapping):
                return (u, v, None, last)
            if self.multigraph:
                return (u, v, last, {})
        if len(edge) == _KEYED_EDGE_WITH_DATA and self.multigraph:
            return edge
        raise RefusedError(
            f"{edge!r} is no edge: (u, v), (u, v, data) or, in a multigraph, (u, v, key, data)"
        )

    def remove_nodes_from(self, nodes: Iterable[NodeId], /) -> None:
        """Remove nodes; those that are not there are passed over, as in networkx."""
        for node in nodes:
            if node in self:
                self.remove_node(node)

    def remove_edges_from(self, edges: Iterable[tuple[Any, ...]], /) -> None:
        """Remove edges; those that are not there are passed over, as in networkx."""
        for edge in edges:
            key = (
                edge[2]
                if self.multigraph and len(edge) > _EDGE and not isinstance(edge[2], Mapping)
                else None
            )
            if self.has_edge(edge[0], edge[1], key):
                self.remove_edge(edge[0], edge[1], key)

    def __contains__(self, node: object) -> bool:
        return self.has_node(node)

    def node_attrs(self, node: NodeId) -> dict[str, Any]:
        """The attributes of a node.

        :raises KeyError: if it is not there.
        """
        found = self.find_node(node)
        if found is None:
            raise KeyError(node)
        return found

    def edge_attrs(self, u: NodeId, v: NodeId, key: NodeId | None = None) -> dict[str, Any]:
        """The attributes of an edge; in a multigraph of the one with ``key``, or the newest.

        :raises KeyError: if it is not there.
        """
        found = self.find_edge(u, v, key)
        if found is None:
            raise KeyError((u, v) if key is None else (u, v, key))
        return found

    def to_networkx(self) -> nx.Graph:
        """The graph as it is now, as networkx has it; costs what it takes to build it."""
        graph = _graph_class(self.directed, self.multigraph)()
        with _no_garbage_collection():
            self.fill(graph)
        return graph

    def sync(self, G: nx.Graph, *, remove: bool = False) -> SyncReport:
        """Put whatever ``G`` has that the log has not: nodes, edges, attributes, attributes of the graph.

        With ``remove``, what the log has and ``G`` has not is taken out of the log's graph too (its history stays).
        It looks at all of ``G``: a safety net for now and then. ``G.graph["snaplog"]``, which ``restore`` leaves there, is
        passed over.

        :raises TypeError: if ``G`` holds a value or an id that no log can hold; nothing is written then.
        :raises RefusedError: if ``G`` is another kind of graph than the log's.
        """
        if (G.is_directed(), G.is_multigraph()) != (self.directed, self.multigraph):
            raise RefusedError(f"{G!r} is not of the kind of {self!r}")
        plain = _graph_class(self.directed, self.multigraph)
        if not (isinstance(G._adj, dict) and isinstance(G._node, dict)):
            # A view: what it shows, it computes.
            G = plain(G)
        with _no_garbage_collection():
            return SyncReport(*self.sync_graph(G, remove))

    def mark(
        self,
        *,
        label: str | None = None,
        tier: str | None = None,
        pin: bool = False,
        time: datetime | None = None,
    ) -> Marker:
        """Place a marker, a point to restore to, after the last event. Durable on return.

        :param label: a name for it, to restore by.
        :param tier: a tier that it is to count for.
        :param pin: whether it is kept whatever retention says.
        :param time: when it was, if not now; an earlier time than the last event's is held at that one.
        """
        microseconds = None if time is None else _types.to_microseconds(time)
        return _types.marker(self.place_marker(label, tier, pin, microseconds))

    def set_time(self, time: datetime | None) -> None:
        """From now on stamp events and markers with this time; None goes back to the clock."""
        self.set_time_us(None if time is None else _types.to_microseconds(time))

    async def acommit(self) -> int:
        """As ``commit``, in a thread, so that other tasks run meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(None, self.commit)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Keep all or nothing: what this thread adds in the body is written as one, and a crash keeps all of it or nothing.

        If the body raises, nothing of it is kept. Until the body ends, what it adds is not seen by ``in``, ``state`` and
        the like. Durable after the next ``commit``.

        :raises RefusedError: if the log refuses any of it; nothing is kept then.
        """
        self.begin_batch()
        try:
            yield
        except BaseException:
            self.end_batch(False)
            raise
        self.end_batch(True)

    def markers(self) -> list[Marker]:
        """All markers, oldest first, those that retention dropped included while they can be had back."""
        return [_types.marker(fields) for fields in self.marker_fields()]

    def pin(self, marker: Marker | str) -> None:
        """Keep a marker whatever retention says."""
        self.set_pin(marker if isinstance(marker, str) else marker.id, True)

    def unpin(self, marker: Marker | str) -> None:
        """Let retention decide about a marker again."""
        self.set_pin(marker if isinstance(marker, str) else marker.id, False)


def _graph_class(directed: bool, multigraph: bool) -> type[nx.Graph]:
    try:
        import networkx as nx
    except ImportError as error:
        raise ImportError('this takes networkx: pip install "snaplog[networkx]"') from error
    simple: type[nx.Graph] = nx.DiGraph if directed else nx.Graph
    multi: type[nx.Graph] = nx.MultiDiGraph if directed else nx.MultiGraph
    return multi if multigraph else simple


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A graph is built of millions of dicts, none of them garbage; a collection would look at them over and over."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@atexit.register
def _close_all() -> None:
    for log in list(_open_logs):
        log.close()


def _leave_all() -> None:
    for log in list(_open_logs):
        log.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)
