"""The collector's own state, kept in the log beside the graph."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from ._native import Writer

Entry = Union[str, int]


class State(MutableMapping[str, Any]):
    """Named values, and named maps of entries, which restore together with the graph.

    A value is written whole each time it is set. What grows (ids that were seen, a queue) belongs into a map, where each
    entry is written for itself: ``state.map("seen")["12345"] = True``.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __getitem__(self, key: str) -> Any:
        found, value = self._writer.get_state(key)
        if not found:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._writer.put_state(key, value)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._writer.delete_state(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._writer.state_items())

    def __len__(self) -> int:
        return len(self._writer.state_items())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._writer.get_state(key)[0]

    def map(self, name: str) -> StateMap:
        """The map of that name. There is one for every name: it may be empty."""
        return StateMap(self._writer, name)

    def maps(self) -> list[str]:
        """The names of the maps that have entries."""
        return self._writer.state_maps()

    def __repr__(self) -> str:
        return f"State(values={self._writer.state_items()!r}, maps={self.maps()!r})"


class StateMap(MutableMapping[Entry, Any]):
    """A map of the collector's state: entries are str or int, each is written for itself."""

    def __init__(self, writer: Writer, name: str) -> None:
        self._writer = writer
        self._name = name

    def __getitem__(self, entry: Entry) -> Any:
        found, value = self._writer.get_state(self._name, entry)
        if not found:
            raise KeyError(entry)
        return value

    def __setitem__(self, entry: Entry, value: Any) -> None:
        self._writer.put_state(self._name, value, entry)

    def __delitem__(self, entry: Entry) -> None:
        if entry not in self:
            raise KeyError(entry)
        self._writer.delete_state(self._name, entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._writer.state_items(self._name))

    def __len__(self) -> int:
        return len(self._writer.state_items(self._name))

    def __contains__(self, entry: object) -> bool:
        return isinstance(entry, (str, int)) and self._writer.get_state(self._name, entry)[0]

    def items(self) -> Any:
        """Entries and values, as they are now."""
        return self._writer.state_items(self._name).items()

    def values(self) -> Any:
        """The values, as they are now."""
        return self._writer.state_items(self._name).values()

    def __repr__(self) -> str:
        return f"StateMap({self._name!r}, {len(self)} entries)"


class GraphAttributes(MutableMapping[str, Any]):
    """The attributes of the graph itself, as the log has them."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __getitem__(self, name: str) -> Any:
        return self._writer.graph_attrs()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._writer.update_graph({name: value})

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._writer.unset_graph([name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._writer.graph_attrs())

    def __len__(self) -> int:
        return len(self._writer.graph_attrs())

    def __repr__(self) -> str:
        return f"GraphAttributes({self._writer.graph_attrs()!r})"
