"""Dictionaries of attributes that tell a log of what is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOTHING: Any = object()


class Attributes(dict):  # type: ignore[type-arg]
    """A dictionary that says what it is about to do before it does it.

    What the log refuses is raised then, and the dictionary is as it was: it never differs from the log. Copies of it are
    plain dictionaries.
    """

    __slots__ = ()

    def _put(self, new: dict[Any, Any]) -> None:
        raise NotImplementedError

    def _unset(self, names: list[Any]) -> None:
        raise NotImplementedError

    def __setitem__(self, name: Any, value: Any) -> None:
        self._put({name: value})
        dict.__setitem__(self, name, value)

    def __delitem__(self, name: Any) -> None:
        if name in self:
            self._unset([name])
        dict.__delitem__(self, name)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As ``dict.update``, told as one change."""
        new = dict(*args, **kwargs)
        self._put(new)
        dict.update(self, new)

    def __ior__(self, other: Any) -> Attributes:  # type: ignore[misc]
        self.update(other)
        return self

    def setdefault(self, name: Any, default: Any = None) -> Any:
        """As ``dict.setdefault``."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: Any, default: Any = _NOTHING) -> Any:
        """As ``dict.pop``."""
        if name in self:
            self._unset([name])
            return dict.pop(self, name)
        if default is _NOTHING:
            raise KeyError(name)
        return default

    def popitem(self) -> tuple[Any, Any]:
        """As ``dict.popitem``."""
        if self:
            self._unset([next(reversed(self))])
        return dict.popitem(self)

    def clear(self) -> None:
        """As ``dict.clear``."""
        if self:
            self._unset(list(self))
        dict.clear(self)

    def copy(self) -> dict[Any, Any]:
        """A plain dictionary."""
        return dict(self)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        # Pickles and deep copies are of the values, not of the log.
        return (dict, (dict(self),))


class NodeAttributes(Attributes):
    """The attributes of a node."""

    __slots__ = ("_graph", "_node")

    _graph: Any
    _node: Any

    def _log(self) -> Any:
        graph = self._graph
        # Somebody may still hold the attributes of a node that was removed.
        return graph._log if graph._node.get(self._node) is self else None

    def _put(self, new: dict[Any, Any]) -> None:
        log = self._log()
        if log is not None:
            log.put_node(self._node, new)

    def _unset(self, names: Iterable[Any]) -> None:
        log = self._log()
        if log is not None:
            log.unset_node(self._node, names)


class EdgeAttributes(Attributes):
    """The attributes of an edge of a graph without parallel edges."""

    __slots__ = ("_graph", "_u", "_v")

    _graph: Any
    _u: Any
    _v: Any

    def _log(self) -> Any:
        graph = self._graph
        neighbours = graph._adj.get(self._u)
        return graph._log if neighbours is not None and neighbours.get(self._v) is self else None

    def _put(self, new: dict[Any, Any]) -> None:
        log = self._log()
        if log is not None:
            log.put_edge(self._u, self._v, new)

    def _unset(self, names: Iterable[Any]) -> None:
        log = self._log()
        if log is not None:
            log.unset_edge(self._u, self._v, names)


class ParallelEdgeAttributes(Attributes):
    """The attributes of one of several edges between two nodes."""

    __slots__ = ("_graph", "_key", "_u", "_v")

    _graph: Any
    _u: Any
    _v: Any
    _key: Any

    def _log(self) -> Any:
        graph = self._graph
        parallel = graph._adj.get(self._u, {}).get(self._v)
        return graph._log if parallel is not None and parallel.get(self._key) is self else None

    def _put(self, new: dict[Any, Any]) -> None:
        log = self._log()
        if log is not None:
            log.put_edge(self._u, self._v, new, self._key)

    def _unset(self, names: Iterable[Any]) -> None:
        log = self._log()
        if log is not None:
            log.unset_edge(self._u, self._v, names, self._key)


class OwnAttributes(Attributes):
    """The attributes of the graph itself."""

    __slots__ = ("_graph",)

    _graph: Any

    def _log(self) -> Any:
        graph = self._graph
        return graph._log if graph.graph is self else None

    def _put(self, new: dict[Any, Any]) -> None:
        log = self._log()
        if log is not None:
            log.update_graph(new)

    def _unset(self, names: Iterable[Any]) -> None:
        log = self._log()
        if log is not None:
            log.unset_graph(names)
