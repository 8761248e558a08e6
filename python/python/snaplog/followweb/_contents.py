"""What a backup holds, put together from its files: a graph with attributes, and the collector's state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from .._errors import DamageError, Error
from . import _library
from ._layout import BackupFiles, CheckpointFiles, Source
from ._report import Problem
from ._scan import Item, Limits
from ._sqlite import Metadata, read_metadata
from ._values import Plain

if TYPE_CHECKING:
    import networkx as nx

PROCESSED = "processed_ids"
SOUND_CACHE = "sound_cache"

Read = TypeVar("Read")


@dataclass
class Content:
    """A backup, read."""

    graph: nx.Graph
    values: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, dict[str | int, Any]] = field(default_factory=dict)
    damaged: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plain: Plain = field(default_factory=Plain)

    @property
    def nodes_without_attributes(self) -> int:
        """How many nodes there are of which no file says anything."""
        return sum(not attrs for _, attrs in self.graph.nodes(data=True))

    @property
    def edges_without_attributes(self) -> int:
        """How many edges there are of which no file says anything."""
        return sum(not attrs for *_, attrs in self.graph.edges(data=True))


def read_content(item: Item, limits: Limits) -> Content:
    """Read the files of a backup. Of copies the first that can be read counts.

    :raises DamageError: if its graph cannot be read; so RefusedError and OSError.
    """
    plain = Plain()
    damaged = list(item.damaged)
    files = item.files
    graph: nx.Graph
    if isinstance(files, BackupFiles):
        topologies, databases, library = files.topologies, files.databases, None
    else:
        topologies = [files.topology] if files.topology is not None else []
        databases = [files.database] if files.database is not None else []
        library = item.library
    content: Content
    if topologies or library is None:
        graph = _graph(item, topologies, damaged, plain, limits)
        # Where the topology is damaged, the library is the graph, as it was for the old tool.
        content = Content(graph, damaged=damaged, notes=list(item.notes), plain=plain)
        if library is not None and graph is not library.graph:
            _add_attributes(content, library)
    else:
        content = Content(library.graph, damaged=damaged, notes=list(item.notes), plain=plain)
    if library is not None:
        plain.changed += library.plain.changed
    metadata = _metadata(databases, content, limits)
    if metadata is not None:
        _add_rows(content, metadata, item.nodes)
    elif not databases and isinstance(files, (BackupFiles, CheckpointFiles)) and library is None:
        content.notes.append(f"{item.label} has no database: the attributes of its nodes are lost")
    if item.nodes is not None and len(content.graph) != item.nodes:
        content.notes.append(f"{item.label} should have {item.nodes} nodes, and has {len(content.graph)}")
    _add_state(content, item)
    return content


def _graph(
    item: Item, topologies: list[Source], damaged: list[Problem], plain: Plain, limits: Limits
) -> nx.Graph:
    def read(source: Source) -> nx.Graph:
        return _library.read_graph(source, plain, limits.max_bytes, limits.max_objects)

    found, problems = _first(topologies, read)
    if found is not None:
        damaged += problems
        return found
    if item.library is not None:
        damaged += problems
        return item.library.graph
    if not problems:
        raise DamageError("it has no graph, only a database", kind="no-graph")
    raise DamageError("; ".join(f"{each.path}: {each.reason}" for each in problems), kind="unreadable")


def _metadata(databases: list[Source], content: Content, limits: Limits) -> Metadata | None:
    def read(source: Source) -> Metadata:
        return read_metadata(source.file, source.shown, max_bytes=limits.max_bytes)

    found, problems = _first(databases, read)
    content.damaged += problems
    return found


def _first(sources: Iterable[Source], read: Callable[[Source], Read]) -> tuple[Read | None, list[Problem]]:
    """What the first source gives that can be read, and what was wrong with those before it."""
    problems: list[Problem] = []
    for source in sources:
        try:
            return read(source), problems
        except (Error, OSError) as error:
            problems.append(Problem.of(source.shown, error))
    return None, problems


def _add_attributes(content: Content, library: _library.Library) -> None:
    """Attributes of nodes and edges that the library has, for those that the graph has."""
    graph = content.graph
    if (graph.is_directed(), graph.is_multigraph()) != (
        library.graph.is_directed(),
        library.graph.is_multigraph(),
    ):
        content.notes.append(f"{library.shown} holds another kind of graph: its attributes are not used")
        return
    for node, attrs in library.graph.nodes(data=True):
        if node in graph:
            graph.nodes[node].update(attrs)
    if graph.is_multigraph():
        for u, v, key, attrs in library.graph.edges(keys=True, data=True):
            if graph.has_edge(u, v, key):
                graph.edges[u, v, key].update(attrs)
        return
    for u, v, attrs in library.graph.edges(data=True):
        if graph.has_edge(u, v):
            graph.edges[u, v].update(attrs)


def _add_rows(content: Content, metadata: Metadata, nodes: int | None) -> None:
    """The table's rows, as attributes of the nodes.

    A row of a node that the graph has not is a node all the same where the graph has fewer than it should: the old tool
    pickled edges alone, and made the nodes without one out of the table when it resumed. A graph that is complete has no
    use for it: the table was written on after the graph.
    """
    graph, plain = content.graph, content.plain
    ids_are_numbers = len(graph) > 0 and all(type(node) is int for node in graph)
    complete = nodes is not None and len(graph) >= nodes
    left_out = 0
    for name, row in metadata.attrs.items():
        node: str | int = name
        if name not in graph and _is_number(name) and (int(name) in graph or ids_are_numbers):
            node = int(name)
        if node not in graph:
            if complete:
                left_out += 1
                continue
            graph.add_node(node)
        graph.nodes[node].update(plain.attrs(row, f"node {name}"[:200]))
    if left_out:
        content.notes.append(f"{left_out} rows of the database are of nodes that the graph has not: left out")
    if metadata.bad_rows:
        some = ", ".join(metadata.bad_rows[:5]) + (", …" if len(metadata.bad_rows) > 5 else "")
        reason = f"{len(metadata.bad_rows)} rows cannot be read: the attributes of {some} are lost"
        content.damaged.append(Problem("metadata_cache.db", reason))


def _is_number(text: str) -> bool:
    return text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 20


def _add_state(content: Content, item: Item) -> None:
    """What the collector kept beside the graph: each key of its JSON is a value, the ids that it processed are a map."""
    library = None if item.library_is_apart else item.library
    documents: list[Mapping[Any, Any]] = []
    if library is not None:
        documents.append(library.metadata)
        if library.processed_ids is not None:
            documents.append({PROCESSED: library.processed_ids})
        if library.sound_cache:
            _put(content, SOUND_CACHE, library.sound_cache)
    if item.document is not None:
        documents.append(item.document)
    for document in documents:
        for key, value in document.items():
            _put(content, content.plain.name(key, "the checkpoint"), value)


def _put(content: Content, key: str, value: Any) -> None:
    plain = content.plain
    if key == PROCESSED and isinstance(value, (list, tuple, set, frozenset)):
        # In the order of the file, or in one that the next import has too.
        ids = value if isinstance(value, (list, tuple)) else sorted(value, key=str)
        content.maps[key] = {_entry(each, plain): True for each in ids}
    elif key in (PROCESSED, SOUND_CACHE) and isinstance(value, dict):
        what = f"{key} of the checkpoint"
        content.maps[key] = {_entry(each, plain): plain.value(kept, what) for each, kept in value.items()}
    else:
        content.values[key] = plain.value(value, f"{key[:100]} of the checkpoint")


def _entry(entry: Any, plain: Plain) -> str | int:
    if type(entry) is int and -(1 << 63) <= entry < 1 << 63:
        return entry
    return plain.name(entry, "an entry of the checkpoint")
