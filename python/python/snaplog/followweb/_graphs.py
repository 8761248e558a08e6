"""Graphs out of pickles, as NetworkX has them, with nothing in them that a log cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import DamageError, RefusedError
from .._log import _graph_class
from ._names import PickledGraph
from ._values import Plain

if TYPE_CHECKING:
    import networkx as nx

_INT64 = 1 << 63


def build(pickled: Any, plain: Plain, path: str) -> nx.Graph:
    """The graph that a pickle describes.

    :param pickled: what ``_unpickle.loads`` gave.
    :param path: what the pickle is called in messages.
    :raises DamageError: if it is no graph, or one that does not hang together.
    :raises RefusedError: if it holds ids or values that no log can hold.
    """
    if not isinstance(pickled, PickledGraph):
        raise DamageError(
            f"{path}: it holds no graph but a {type(pickled).__name__}", kind="no-graph", path=path
        )
    state = pickled.state
    # NetworkX 1 has other names for the same.
    nodes = _dict(state.get("_node", state.get("node")), "nodes", path)
    adjacency = _dict(state.get("_adj", state.get("_succ", state.get("adj"))), "neighbours", path)
    try:
        graph = _graph_class(pickled.directed, pickled.multigraph)()
        graph.graph.update(plain.attrs(state.get("graph", {}), "the graph"))
        for node, attrs in nodes.items():
            known = _id(node, "a node's id", plain)
            graph.add_node(known)
            graph.nodes[known].update(plain.attrs(attrs, f"node {node!r}"[:200]))
        for u, neighbours in adjacency.items():
            if u not in nodes:
                raise DamageError(
                    f"{path}: it has neighbours of a node that it has not", kind="no-graph", path=path
                )
            for v, edge in _dict(neighbours, "neighbours", path).items():
                _add_edges(
                    graph, _id(u, "a node's id", plain), _id(v, "a node's id", plain), edge, plain, path
                )
    except RefusedError as error:
        error.path = path
        error.message = f"{path}: {error.message}"
        raise
    return graph


def _add_edges(graph: nx.Graph, u: Any, v: Any, edge: Any, plain: Plain, path: str) -> None:
    if u not in graph or v not in graph:
        raise DamageError(f"{path}: it has an edge of a node that it has not", kind="no-graph", path=path)
    if not graph.is_multigraph():
        attrs = _dict(edge, "attributes of an edge", path)
        graph.add_edge(u, v)
        if attrs:
            graph[u][v].update(plain.attrs(attrs, f"edge ({u!r}, {v!r})"[:200]))
        return
    for key, attrs in _dict(edge, "parallel edges", path).items():
        key = graph.add_edge(u, v, key=_id(key, "an edge's key", plain))
        graph[u][v][key].update(plain.attrs(attrs, f"edge ({u!r}, {v!r})"[:200]))


def _dict(value: Any, what: str, path: str) -> dict[Any, Any]:
    if type(value) is not dict:
        raise DamageError(f"{path}: its {what} are a {type(value).__name__}", kind="no-graph", path=path)
    return value


def _id(value: Any, what: str, plain: Plain) -> str | int:
    if type(value) is str:
        return plain.name(value, what)
    if type(value) is int and -_INT64 <= value < _INT64:
        return value
    raise RefusedError(
        f"{what} is a {type(value).__name__}; a log has text and whole numbers of 64 bits", kind="id"
    )
