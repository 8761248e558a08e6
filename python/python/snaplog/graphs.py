"""NetworkX graphs whose changes go into a log as they happen.

>>> import snaplog, tempfile
>>> path = tempfile.mkdtemp()
>>> with snaplog.open(path) as log:
...     G = snaplog.LoggedDiGraph(log=log)
...     G.add_edge("rain", "storm", weight=0.9)
...     G.nodes["rain"]["tags"] = ["wet"]
...     G.remove_node("storm")
>>> with snaplog.open(path) as log:
...     snaplog.LoggedDiGraph(log=log).nodes(data=True)
NodeDataView({'rain': {'tags': ['wet']}})

Seen are all methods that change a graph, and every change of a dictionary of attributes:
``G.nodes[n]["x"] = 1``, ``G.edges[u, v].update(w=2)``, ``G[u][v].pop("w")``, ``G.graph["name"] = "sounds"``. The log is told
first: what it refuses is raised, and the graph is as it was.

Not seen is what happens inside a value, as ``G.nodes[n]["tags"].append("dry")``, and what is written into ``G._adj`` by
hand: ``G.sync()`` finds it.

Copies, subgraphs that are copied, reversed graphs, pickles and deep copies are not logged. A subgraph view is a window on
the logged graph itself: attributes that are written through it are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import networkx as nx

from ._attributes import EdgeAttributes, NodeAttributes, OwnAttributes, ParallelEdgeAttributes
from ._errors import RefusedError

if TYPE_CHECKING:
    from ._log import Log
    from ._types import SyncReport

# Newer releases keep what they computed of a graph, and must be told when it changes.
_clear_cache: Any = getattr(nx, "_clear_cache", lambda _graph: None)
_EDGE = 2
_KEYED = 3


class _Logged:
    """What the four kinds share.

    :param incoming_graph_data: as in networkx; it is added to what the log has.
    :param log: the log, of the same kind of graph. The graph begins as the log's is. Without a log it is a graph like any
        other.
    :param attr: attributes of the graph.
    """

    _log: Log | None
    _node: dict[Any, Any]
    _adj: dict[Any, Any]
    graph: dict[Any, Any]

    def __init__(
        self, incoming_graph_data: Any = None, *args: Any, log: Log | None = None, **attr: Any
    ) -> None:
        self._log = None
        if log is None:
            super().__init__(incoming_graph_data, *args, **attr)  # type: ignore[call-arg]
            return
        super().__init__()
        if (self.is_directed(), self.is_multigraph()) != (log.directed, log.multigraph):  # type: ignore[attr-defined]
            raise RefusedError(f"a {type(self).__name__} cannot be logged in {log!r}")
        log.fill(self)
        self._watch()
        self._log = log
        if incoming_graph_data is not None:
            plain = self._plain()(incoming_graph_data, *args)
            plain.graph.pop("snaplog", None)
            self.add_nodes_from(plain.nodes(data=True))
            more = {"keys": True} if plain.is_multigraph() else {}
            self.add_edges_from(plain.edges(data=True, **more))  # type: ignore[attr-defined]
            self.graph.update(plain.graph)
        self.graph.update(attr)

    @property
    def log(self) -> Log | None:
        """The log, if there is one."""
        return self._log

    def sync(self) -> SyncReport:
        """Tell the log of what no hook has seen; see ``Log.sync``.

        :raises RefusedError: if there is no log.
        """
        if self._log is None:
            raise RefusedError("this graph has no log")
        return self._log.sync(self, remove=True)

    def _plain(self) -> Any:
        """The class of networkx that this one is derived from."""
        return type(self).__mro__[
            [cls.__module__.startswith("networkx.") for cls in type(self).__mro__].index(True)
        ]

    def _watch(self) -> None:
        """Put dictionaries that tell the log in the place of plain ones."""
        for node, data in self._node.items():
            self._node[node] = self._node_attributes(node, data)
        own = OwnAttributes(self.graph)
        own._graph = self
        self.graph = own
        self._watch_edges()

    def _watch_edges(self) -> None:
        raise NotImplementedError

    def _node_attributes(self, node: Any, data: Any) -> NodeAttributes:
        made = NodeAttributes(data)
        made._graph = self
        made._node = node
        return made

    def __getstate__(self) -> dict[str, Any]:
        # A copy has no log.
        return {**self.__dict__, "_log": None}

    def _born(self, node: Any) -> None:
        """A node that the log knows of by now.

        Its attributes come last: a node that lacks them after a Ctrl-C is born again by the next call.
        """
        raise NotImplementedError

    def _put_node(self, node: Any, attr: dict[Any, Any]) -> None:
        if node is None:
            raise ValueError("None cannot be a node")
        self._log.put_node(node, attr)  # type: ignore[union-attr]
        if node not in self._node:
            self._born(node)
        dict.update(self._node[node], attr)
        _clear_cache(self)

    def add_node(self, node_for_adding: Any, **attr: Any) -> None:
        """As in networkx."""
        if self._log is None:
            super().add_node(node_for_adding, **attr)  # type: ignore[misc]
        else:
            self._put_node(node_for_adding, attr)

    def add_nodes_from(self, nodes_for_adding: Iterable[Any], **attr: Any) -> None:
        """As in networkx."""
        if self._log is None:
            super().add_nodes_from(nodes_for_adding, **attr)  # type: ignore[misc]
            return
        for node in nodes_for_adding:
            try:
                known = node in self._node
            except TypeError:
                known = False
                node, own = node
                self._put_node(node, {**attr, **own})
                continue
            if not known and isinstance(node, tuple):
                # networkx takes a tuple that can be hashed for a node; a log cannot hold it, and says so.
                self._log.put_node(node, attr)  # type: ignore[arg-type]
            self._put_node(node, attr)

    def remove_node(self, n: Any) -> None:
        """As in networkx."""
        if self._log is not None and n in self._node:
            self._log.remove_node(n)
        super().remove_node(n)  # type: ignore[misc]

    def remove_nodes_from(self, nodes: Iterable[Any]) -> None:
        """As in networkx."""
        if self._log is None:
            super().remove_nodes_from(nodes)  # type: ignore[misc]
            return
        for node in nodes:
            if node in self._node:
                self.remove_node(node)

    def clear(self) -> None:
        """As in networkx; the log's history stays."""
        if self._log is not None:
            for node in list(self._node):
                self._log.remove_node(node)
        super().clear()  # type: ignore[misc]

    def clear_edges(self) -> None:
        """As in networkx."""
        if self._log is not None:
            more = {"keys": True} if self.is_multigraph() else {}  # type: ignore[attr-defined]
            for edge in list(self.edges(**more)):  # type: ignore[attr-defined]
                self._log.remove_edge(*edge)
        super().clear_edges()  # type: ignore[misc]


class _Simple(_Logged):
    """Graphs without parallel edges."""

    def _watch_edges(self) -> None:
        directed = self.is_directed()  # type: ignore[attr-defined]
        into = self._pred if directed else self._adj  # type: ignore[attr-defined]
        for u, neighbours in self._adj.items():
            for v, data in neighbours.items():
                if not isinstance(data, EdgeAttributes):
                    made = self._edge_attributes(u, v, data)
                    neighbours[v] = made
                    into[v][u] = made

    def _edge_attributes(self, u: Any, v: Any, data: Any) -> EdgeAttributes:
        made = EdgeAttributes(data)
        made._graph = self
        made._u = u
        made._v = v
        return made

    def _put_edge(self, u: Any, v: Any, attr: dict[Any, Any]) -> None:
        raise NotImplementedError

    def add_edge(self, u_of_edge: Any, v_of_edge: Any, **attr: Any) -> None:
        """As in networkx."""
        if self._log is None:
            super().add_edge(u_of_edge, v_of_edge, **attr)  # type: ignore[misc]
        else:
            self._put_edge(u_of_edge, v_of_edge, attr)

    def add_edges_from(self, ebunch_to_add: Iterable[Any], **attr: Any) -> None:
        """As in networkx."""
        if self._log is None:
            super().add_edges_from(ebunch_to_add, **attr)  # type: ignore[misc]
            return
        for edge in ebunch_to_add:
            if len(edge) == _KEYED:
                u, v, own = edge
            elif len(edge) == _EDGE:
                (u, v), own = edge, {}
            else:
                raise nx.NetworkXError(f"Edge tuple {edge} must be a 2-tuple or 3-tuple.")
            self._put_edge(u, v, {**attr, **own})

    def remove_edge(self, u: Any, v: Any) -> None:
        """As in networkx."""
        if self._log is not None and self.has_edge(u, v):  # type: ignore[attr-defined]
            self._log.remove_edge(u, v)
        super().remove_edge(u, v)  # type: ignore[misc]

    def remove_edges_from(self, ebunch: Iterable[Any]) -> None:
        """As in networkx."""
        if self._log is None:
            super().remove_edges_from(ebunch)  # type: ignore[misc]
            return
        for edge in ebunch:
            u, v = edge[:2]
            if self.has_edge(u, v):  # type: ignore[attr-defined]
                self.remove_edge(u, v)


class LoggedGraph(_Simple, nx.Graph):  # type: ignore[misc]
    """An ``nx.Graph`` whose changes go into a log; see the module."""

    def _born(self, node: Any) -> None:
        self._adj[node] = {}
        self._node[node] = self._node_attributes(node, {})

    def _put_edge(self, u: Any, v: Any, attr: dict[Any, Any]) -> None:
        if u is None or v is None:
            raise ValueError("None cannot be a node")
        self._log.put_edge(u, v, attr)  # type: ignore[union-attr]
        adj = self._adj
        nodes = self._node
        if u not in nodes:
            self._born(u)
        if v not in nodes:
            self._born(v)
        data = adj[u].get(v)
        if data is None:
            data = EdgeAttributes(attr)
            data._graph = self
            data._u = u
            data._v = v
        else:
            dict.update(data, attr)
        # What a Ctrl-C came between is made whole by the next call.
        adj[u][v] = data
        adj[v][u] = data
        _clear_cache(self)


class LoggedDiGraph(_Simple, nx.DiGraph):  # type: ignore[misc]
    """An ``nx.DiGraph`` whose changes go into a log; see the module."""

    def _born(self, node: Any) -> None:
        self._adj[node] = {}
        self._pred[node] = {}
        self._node[node] = self._node_attributes(node, {})

    def _put_edge(self, u: Any, v: Any, attr: dict[Any, Any]) -> None:
        if u is None or v is None:
            raise ValueError("None cannot be a node")
        self._log.put_edge(u, v, attr)  # type: ignore[union-attr]
        nodes = self._node
        if u not in nodes:
            self._born(u)
        if v not in nodes:
            self._born(v)
        neighbours = self._adj[u]
        data = neighbours.get(v)
        if data is None:
            data = EdgeAttributes(attr)
            data._graph = self
            data._u = u
            data._v = v
            # Last what is asked first: what a Ctrl-C came between is made whole by the next call.
            self._pred[v][u] = data
            neighbours[v] = data
        else:
            dict.update(data, attr)
        _clear_cache(self)


class _Multi(_Logged):
    """Graphs with parallel edges."""

    def __init__(
        self,
        incoming_graph_data: Any = None,
        multigraph_input: bool | None = None,
        *,
        log: Log | None = None,
        **attr: Any,
    ) -> None:
        super().__init__(incoming_graph_data, multigraph_input, log=log, **attr)

    def _watch_edges(self) -> None:
        for u, neighbours in self._adj.items():
            for v, parallel in neighbours.items():
                for key, data in parallel.items():
                    if not isinstance(data, ParallelEdgeAttributes):
                        parallel[key] = self._edge_attributes(u, v, key, data)

    def _edge_attributes(self, u: Any, v: Any, key: Any, data: Any) -> ParallelEdgeAttributes:
        made = ParallelEdgeAttributes(data)
        made._graph = self
        made._u = u
        made._v = v
        made._key = key
        return made

    def _put_edge(self, u: Any, v: Any, key: Any, attr: dict[Any, Any]) -> Any:
        if u is None or v is None:
            raise ValueError("None cannot be a node")
        if key is None:
            key = self.new_edge_key(u, v)  # type: ignore[attr-defined]
        self._log.put_edge(u, v, attr, key)  # type: ignore[union-attr]
        adj = self._adj
        nodes = self._node
        if u not in nodes:
            self._born(u)
        if v not in nodes:
            self._born(v)
        parallel = adj[u].get(v)
        if parallel is None:
            parallel = {}
        into = self._pred if self.is_directed() else adj  # type: ignore[attr-defined]
        # What a Ctrl-C came between is made whole by the next call.
        adj[u][v] = parallel
        into[v][u] = parallel
        data = parallel.get(key)
        if data is None:
            parallel[key] = self._edge_attributes(u, v, key, attr)
        else:
            dict.update(data, attr)
        _clear_cache(self)
        return key

    def add_edge(self, u_for_edge: Any, v_for_edge: Any, key: Any = None, **attr: Any) -> Any:
        """As in networkx."""
        if self._log is None:
            return super().add_edge(u_for_edge, v_for_edge, key, **attr)  # type: ignore[misc]
        return self._put_edge(u_for_edge, v_for_edge, key, attr)

    def add_edges_from(self, ebunch_to_add: Iterable[Any], **attr: Any) -> Any:
        """As in networkx."""
        if self._log is None:
            return super().add_edges_from(ebunch_to_add, **attr)  # type: ignore[misc]
        keys = []
        for edge in ebunch_to_add:
            key, own = None, {}
            if len(edge) == _KEYED + 1:
                u, v, key, own = edge
            elif len(edge) == _KEYED:
                u, v, own = edge
            elif len(edge) == _EDGE:
                u, v = edge
            else:
                raise nx.NetworkXError(f"Edge tuple {edge} must be a 2-tuple, 3-tuple or 4-tuple.")
            data = dict(attr)
            try:
                data.update(own)
            except (TypeError, ValueError):
                if len(edge) != _KEYED:
                    raise
                # What stands third is a key.
                key = own
            keys.append(self._put_edge(u, v, key, data))
        return keys

    def remove_edge(self, u: Any, v: Any, key: Any = None) -> None:
        """As in networkx."""
        if self._log is not None and self.has_edge(u, v, key):  # type: ignore[attr-defined]
            if key is None:
                key = next(reversed(self._adj[u][v]))
            self._log.remove_edge(u, v, key)
        super().remove_edge(u, v, key)  # type: ignore[misc]

    def remove_edges_from(self, ebunch: Iterable[Any]) -> None:
        """As in networkx."""
        if self._log is None:
            super().remove_edges_from(ebunch)  # type: ignore[misc]
            return
        for edge in ebunch:
            u, v, *key = edge[:_KEYED]
            if self.has_edge(u, v, *key):  # type: ignore[attr-defined]
                self.remove_edge(u, v, *key)


class LoggedMultiGraph(_Multi, nx.MultiGraph):  # type: ignore[misc]
    """An ``nx.MultiGraph`` whose changes go into a log; see the module."""

    def _born(self, node: Any) -> None:
        self._adj[node] = {}
        self._node[node] = self._node_attributes(node, {})


class LoggedMultiDiGraph(_Multi, nx.MultiDiGraph):  # type: ignore[misc]
    """An ``nx.MultiDiGraph`` whose changes go into a log; see the module."""

    def _born(self, node: Any) -> None:
        self._adj[node] = {}
        self._pred[node] = {}
        self._node[node] = self._node_attributes(node, {})
