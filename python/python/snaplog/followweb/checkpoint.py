"""The better way: a collector's checkpoints in a log, each at the cost of what changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Union

import snaplog

from ._contents import PROCESSED, SOUND_CACHE
from ._schedule import Schedule, made_at, made_log, now, session_config
from ._values import Plain
from ._write import differs
from .config import OldConfig
from .importer import RECORD

if TYPE_CHECKING:
    from types import TracebackType

    import networkx as nx

    from .._types import Marker

PAGINATION = "pagination_state"
PENDING = "pending_edges"
PENDING_LIST = "pending_edge_list"
_OWN = (PAGINATION, RECORD)

NodeId = Union[str, int]
PendingEdges = Union[Mapping[Any, Any], Iterable[tuple[Any, ...]]]


@dataclass
class Checkpoint:
    """What a collector goes on from.

    ``is_new`` is true if there is nothing in the log yet. ``pending_edges`` is a dict or a list, as it was saved; what was a
    tuple or a set in it is a list.
    """

    graph: nx.Graph
    processed_ids: set[NodeId] = field(default_factory=set)
    pagination_state: dict[str, Any] = field(default_factory=dict)
    pending_edges: dict[NodeId, Any] | list[tuple[Any, ...]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    sound_cache: dict[NodeId, Any] = field(default_factory=dict)
    is_new: bool = False


class CheckpointLog:
    """One call in a collector's ``_save_checkpoint`` and one in its ``_load_checkpoint``.

    >>> import tempfile, networkx as nx
    >>> path = tempfile.mkdtemp() + "/crawl.snaplog"
    >>> with CheckpointLog(path, {"backup_interval_nodes": 25}) as checkpoints:
    ...     state = checkpoints.load()
    ...     state.graph.add_edge("12345", "678", type="similar", weight=0.9)
    ...     _ = checkpoints.save(state.graph, processed_ids={"12345"}, pagination_state={"page": 2})
    >>> with CheckpointLog(path) as checkpoints:
    ...     state = checkpoints.load()
    >>> state.graph.edges["12345", "678"]["weight"], state.processed_ids, state.pagination_state
    (0.9, {'12345'}, {'page': 2})

    Each ``save`` is durable on return, and places a marker where a tier is due. A crash in the middle of one leaves a
    graph that may be ahead of the state beside it, never behind: what is fetched again is put again, and nothing is lost.

    A log that ``python -m snaplog.followweb import`` made is gone on with.

    :param path: the log's directory; it is made if it is not there.
    :param config: FollowWeb's configuration; see ``snaplog_config`` for the keys that count.
    :param logger: told of markers, if there is one.
    :param directed: the kind of graph, for a new log.
    :param multigraph: likewise.
    :param clock: what the time is, for tests; it has a time zone.
    :raises ValueError: if a value of the configuration cannot be used.
    :raises LockedError: if somebody else has the log open.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Mapping[str, Any] | None = None,
        logger: Any = None,
        *,
        directed: bool | None = None,
        multigraph: bool | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        old = OldConfig.of(config)
        self.path = made_log(os.fspath(path), old, directed=directed, multigraph=multigraph)
        self.logger = logger
        self._clock = clock
        self._schedule = Schedule(old)
        self._made = made_at(self.path)
        self.log = snaplog.open(
            self.path,
            directed=directed,
            multigraph=multigraph,
            config=session_config(old),
            durability="marker",
        )
        self._markers = self.log.markers()
        # What the log has, so that a checkpoint compares with it in memory.
        self._processed: set[NodeId] = set(self.log.state.map(PROCESSED))
        self._values = dict(self.log.state.items())
        self._maps = {
            name: dict(self.log.state.map(name).items()) for name in (PENDING, PENDING_LIST, SOUND_CACHE)
        }

    def __enter__(self) -> CheckpointLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, and apply retention."""
        if not self.log.closed:
            self.log.close()
            snaplog.prune(self.path)

    def load(self, *, logged: bool = True) -> Checkpoint:
        """What the last session left: everything that reached the log, be there a marker after it or not.

        :param logged: the graph is a ``LoggedDiGraph`` (or its sibling): what is done to it is in the log at once, and
            ``save`` need not look at it. Otherwise it is one of NetworkX's own.
        """
        graph: nx.Graph = self._logged_graph() if logged else self.log.to_networkx()
        state = {key: value for key, value in self._values.items() if key not in _OWN}
        pending = self._maps[PENDING_LIST]
        return Checkpoint(
            graph=graph,
            processed_ids=set(self._processed),
            pagination_state=dict(self._values.get(PAGINATION) or {}),
            pending_edges=[tuple(json.loads(str(edge))) for edge in pending]
            if pending
            else dict(self._maps[PENDING]),
            metadata=state,
            sound_cache=dict(self._maps[SOUND_CACHE]),
            is_new=not len(graph) and not self._values and not self._processed,
        )

    def _logged_graph(self) -> nx.Graph:
        name = f"Logged{'Multi' if self.log.multigraph else ''}{'DiGraph' if self.log.directed else 'Graph'}"
        graph: nx.Graph = getattr(snaplog, name)(log=self.log)
        return graph

    def save(
        self,
        graph: nx.Graph,
        *,
        processed_ids: Collection[NodeId] | None = None,
        newly_processed: Iterable[NodeId] | None = None,
        pagination_state: Mapping[str, Any] | None = None,
        pending_edges: PendingEdges | None = None,
        metadata: Mapping[str, Any] | None = None,
        sound_cache: Mapping[Any, Any] | None = None,
        changed_nodes: Iterable[NodeId] | None = None,
        changed_edges: Iterable[tuple[Any, ...]] | None = None,
        label: str | None = None,
        pin: bool = False,
    ) -> Marker | None:
        """Record what changed; durable on return.

        What of the graph changed is told by the graph itself, if ``load`` gave it; else by ``changed_nodes`` and
        ``changed_edges``; else all of the graph is compared with the log. What is not given of the rest stays as it is.
        A logged graph does not see what happens inside a value (``G.nodes[n]["tags"].append(…)``): name such a node, or
        call ``graph.sync()`` now and then.

        :param graph: the graph, with attributes.
        :param processed_ids: all ids that were processed; they are compared with those that the log has.
        :param newly_processed: instead: those that were processed since the last call, which takes no comparing.
        :param pagination_state: where the search is.
        :param pending_edges: all edges that are still to be added: by the node that they go out of, or (u, v, …) tuples of
            what JSON holds; of tuples that are the same one is kept.
        :param metadata: what else FollowWeb writes into ``checkpoint_metadata.json``, whole: what an earlier call gave and
            this one does not is gone.
        :param sound_cache: the sounds that are known, by id, all of them.
        :param changed_nodes: nodes that were added, removed, or have other attributes.
        :param changed_edges: edges, (u, v) or (u, v, key), likewise. Edges of a node that is removed need not be named.
        :param label: a name for this checkpoint, to restore by. With it, or with ``pin``, a marker is placed in any case.
        :param pin: whether that marker is kept whatever retention says.
        :returns: the marker, if one was placed.
        :raises TypeError: if one id stands where ids are to, or there is a value that no log can hold.
        """
        named = {
            "processed_ids": processed_ids,
            "newly_processed": newly_processed,
            "changed_nodes": changed_nodes,
            "changed_edges": changed_edges,
        }
        for name, ids in named.items():
            if isinstance(ids, (str, bytes)):
                raise TypeError(f"{name} is a collection of ids, and not one id: {ids!r}")
        self.log.set_time(self._clock())
        if changed_nodes is not None or changed_edges is not None:
            self._put_nodes(graph, changed_nodes or ())
            self._put_edges(graph, changed_edges or ())
        elif getattr(graph, "log", None) is not self.log:
            self.log.sync(graph, remove=True)
        # From here on each names what stands before it: so a crash in between repeats work, and loses none.
        if pending_edges is not None:
            self._put_pending(pending_edges)
        if sound_cache is not None:
            self._put_map(SOUND_CACHE, sound_cache)
        if metadata is not None:
            metadata = dict(metadata)
            processed_ids = metadata.pop(PROCESSED, None) if processed_ids is None else processed_ids
            pagination_state = (
                metadata.pop(PAGINATION, None) if pagination_state is None else pagination_state
            )
            self._put_metadata(
                {key: value for key, value in metadata.items() if key not in (PROCESSED, *_OWN)}
            )
        if newly_processed is not None:
            self._put_newly_processed(newly_processed)
        if processed_ids is not None:
            self._put_processed(processed_ids)
        if pagination_state is not None:
            self._put_value(PAGINATION, dict(pagination_state))
        return self._mark(label, pin)

    def _mark(self, label: str | None, pin: bool) -> Marker | None:
        time = self._clock()
        tiers = self._schedule.due(self.log.number_of_nodes(), self._markers, self._made, time)
        marker = None
        # The one that counts is the newest: it is what `latest` means.
        for tier in reversed(tiers):
            marker = self.log.mark(tier=tier, label=label, pin=pin, time=time)
            self._markers.append(marker)
        if marker is None and (label is not None or pin):
            marker = self.log.mark(label=label, pin=pin, time=time)
            self._markers.append(marker)
        if marker is None:
            self.log.commit()
        elif self.logger is not None:
            self.logger.info(f"marker {marker.id} {list(tiers)}: {marker.nodes} nodes, {marker.edges} edges")
        self.log.set_time(None)
        return marker

    def _put_nodes(self, graph: nx.Graph, nodes: Iterable[NodeId]) -> None:
        log = self.log
        for node in nodes:
            if node in graph:
                attrs = dict(graph.nodes[node])
                gone = log.node_attrs(node).keys() - attrs.keys() if node in log else ()
                if gone:
                    log.unset_node(node, sorted(gone))
                log.put_node(node, attrs)
            elif node in log:
                log.remove_node(node)

    def _put_edges(self, graph: nx.Graph, edges: Iterable[tuple[Any, ...]]) -> None:
        log = self.log
        for u, v, *keys in edges:
            key = keys[0] if keys and log.multigraph else None
            if graph.has_edge(u, v, *keys) if log.multigraph else graph.has_edge(u, v):
                if log.multigraph and key is None:
                    # Parallel edges that are named together.
                    self._put_edges(graph, [(u, v, each) for each in graph[u][v]])
                    continue
                attrs = dict(graph.edges[(u, v, key) if log.multigraph else (u, v)])
                known = log.edge_attrs(u, v, key) if log.has_edge(u, v, key) else {}
                if known.keys() - attrs.keys():
                    log.unset_edge(u, v, sorted(known.keys() - attrs.keys()), key)
                log.put_edge(u, v, attrs, key)
            elif log.has_edge(u, v, key):
                log.remove_edge(u, v, key)

    def _put_pending(self, pending: PendingEdges) -> None:
        if isinstance(pending, Mapping):
            self._put_map(PENDING, pending)
            self._put_map(PENDING_LIST, {})
        else:
            self._put_map(PENDING, {})
            self._put_map(PENDING_LIST, {json.dumps(list(edge)): True for edge in pending})

    def _put_map(self, name: str, entries: Mapping[Any, Any]) -> None:
        known, there = self.log.state.map(name), self._maps[name]
        plain = Plain()
        for entry, value in entries.items():
            wanted = plain.value(value, f"{name}[{entry!r}]"[:200])
            if entry not in there or differs(there[entry], wanted):
                known[entry] = there[entry] = wanted
        for entry in there.keys() - entries.keys():
            del known[entry], there[entry]

    def _put_metadata(self, metadata: Mapping[str, Any]) -> None:
        for key in self._values.keys() - metadata.keys() - set(_OWN):
            del self.log.state[key], self._values[key]
        for key, value in metadata.items():
            self._put_value(key, value)

    def _put_value(self, key: str, value: Any) -> None:
        wanted = Plain().value(value, key)
        if key not in self._values or differs(self._values[key], wanted):
            self.log.state[key] = self._values[key] = wanted

    def _put_processed(self, processed_ids: Collection[NodeId]) -> None:
        wanted = processed_ids if isinstance(processed_ids, (set, frozenset)) else set(processed_ids)
        self._put_newly_processed(sorted(wanted - self._processed, key=str))
        # What is wanted is there by now, so the sizes say whether anything else is.
        if len(wanted) < len(self._processed):
            known = self.log.state.map(PROCESSED)
            for entry in self._processed - wanted:
                del known[entry]
                self._processed.discard(entry)

    def _put_newly_processed(self, ids: Iterable[NodeId]) -> None:
        known = self.log.state.map(PROCESSED)
        for entry in ids:
            if entry not in self._processed:
                known[entry] = True
                self._processed.add(entry)
