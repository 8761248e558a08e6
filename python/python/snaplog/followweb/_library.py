"""``freesound_library.pkl``: a whole checkpoint in one file, the only one with attributes of edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._errors import DamageError
from . import _bytes, _graphs, _unpickle
from ._layout import Source
from ._names import PickledGraph
from ._values import Plain

if TYPE_CHECKING:
    import networkx as nx


@dataclass
class Library:
    """What the file holds. Of the dicts only the graph has been turned into what a log can hold."""

    shown: str
    graph: nx.Graph
    metadata: dict[Any, Any]
    processed_ids: Any
    sound_cache: Any
    plain: Plain = field(default_factory=Plain)

    @property
    def nodes(self) -> int:
        """How many nodes its graph has."""
        return len(self.graph)


def read_graph(source: Source, plain: Plain, max_bytes: int, max_objects: int) -> nx.Graph:
    """A pickled graph, compressed or not."""
    data = _bytes.read(source.file, source.shown, max_bytes)
    return _graphs.build(
        _unpickle.loads(data, path=source.shown, max_objects=max_objects), plain, source.shown
    )


def read_library(source: Source, max_bytes: int, max_objects: int) -> Library:
    """Read the file. joblib wrote it, and is not needed: it is a pickle, compressed.

    :raises DamageError: if it is not what it should be.
    :raises RefusedError: if it names what is not plain data.
    """
    shown = source.shown
    data = _bytes.read(source.file, shown, max_bytes)
    document = _unpickle.loads(data, path=shown, max_objects=max_objects)
    if isinstance(document, PickledGraph):
        document = {"graph": document}
    if not isinstance(document, dict) or not isinstance(document.get("graph"), PickledGraph):
        raise DamageError(f"{shown}: there is no graph in it", kind="no-graph", path=shown)
    plain = Plain()
    metadata = document.get("metadata")
    return Library(
        shown=shown,
        graph=_graphs.build(document["graph"], plain, shown),
        metadata=metadata if isinstance(metadata, dict) else {},
        processed_ids=document.get("processed_ids"),
        sound_cache=document.get("sound_cache"),
        plain=plain,
    )
