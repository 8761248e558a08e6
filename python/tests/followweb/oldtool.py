"""Directories as the old tool leaves them, for tests: its names of files, its formats, its habits."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import sqlite3
import tarfile
import zlib
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import networkx as nx

START = datetime(2025, 11, 13, 14, 30, 22, tzinfo=timezone.utc)
BERLIN = timezone(timedelta(hours=1), "Berlin")
TABLE = """CREATE TABLE IF NOT EXISTS metadata (
    sample_id INTEGER PRIMARY KEY, data JSON NOT NULL, last_updated TEXT NOT NULL,
    priority_score REAL, is_dormant INTEGER DEFAULT 0, dormant_since TEXT)"""


def crawl(nodes: int) -> nx.DiGraph:
    """A crawl's graph after so many nodes: a later one has what an earlier one has."""
    graph = nx.DiGraph()
    for number in range(nodes):
        node = str(1000 + number)
        graph.add_node(
            node,
            name=f"sound {number}",
            tags=["field", "wet"][: number % 3],
            duration=number / 4,
            pack=None,
            priority_score=float(number % 7),
        )
        if number:
            graph.add_edge(node, str(1000 + number // 2), type="similar", weight=1 / (number + 1))
        if number % 5 == 4:
            graph.add_edge(str(1000 + number // 3), node, type="same_user", weight=1)
    return graph


def bare(graph: nx.DiGraph) -> nx.DiGraph:
    """What the old tool pickles: edges alone, no attributes."""
    clean = nx.DiGraph()
    clean.add_edges_from(graph.edges())
    return clean


def pickled(graph: Any, protocol: int = 5) -> bytes:
    return pickle.dumps(graph, protocol)


def joblib_dumped(value: Any) -> bytes:
    """What joblib.dump(value, compress=3) writes, where there are no arrays: a pickle in a zlib stream."""
    return zlib.compress(pickle.dumps(value, 4), 3)


def write_table(file: Path, graph: nx.Graph, when: datetime = START) -> None:
    with sqlite3.connect(file) as database:
        put_rows(database, graph, when)
    database.close()


def put_rows(database: sqlite3.Connection, graph: nx.Graph, when: datetime = START) -> None:
    database.execute(TABLE)
    database.executemany(
        "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?, ?, ?)",
        [
            (int(node), json.dumps(attrs), when.isoformat(), attrs.get("priority_score"), int(node) % 2, None)
            for node, attrs in graph.nodes(data=True)
        ],
    )


def expected(graph: nx.DiGraph, when: datetime = START, *, edges: bool = False) -> nx.DiGraph:
    """What a log should have of a backup of that graph, with a database written at that time."""
    made = nx.DiGraph()
    for node, attrs in graph.nodes(data=True):
        made.add_node(node, **attrs, last_updated=when.isoformat(), is_dormant=bool(int(node) % 2))
    made.add_edges_from(graph.edges(data=True) if edges else graph.edges())
    return made


class OldTool:
    """Writes a directory step by step, as FollowWeb does.

    ``zone`` is whose local time the names of files carry.
    """

    def __init__(self, directory: Path, zone: tzinfo = BERLIN) -> None:
        self.directory = directory
        self.zone = zone
        self.manifest: dict[str, Any] = {
            "backups": [],
            "retention_policy": {"frequent": {"interval": 25, "keep": 5}},
            "last_cleanup": None,
        }
        directory.mkdir(parents=True, exist_ok=True)

    def checkpoint(
        self, graph: nx.DiGraph, when: datetime, *, library: bool = True, **more: Any
    ) -> dict[str, Any]:
        """Write the live files."""
        document = {
            "timestamp": when.isoformat(),
            "nodes": len(graph),
            "edges": graph.number_of_edges(),
            "processed_ids": list(graph),
            "pagination_state": {"page": len(graph) // 10, "query": "", "sort": "downloads_desc"},
            "edge_generation": {"user_edges": True},
            "collection_stats": {"failed_requests": 0},
            "validation_history": {"last_full_existence_check": None},
            **more,
        }
        (self.directory / "graph_topology.gpickle").write_bytes(pickled(bare(graph)))
        (self.directory / "metadata_cache.db").unlink(missing_ok=True)
        write_table(self.directory / "metadata_cache.db", graph, when)
        (self.directory / "checkpoint_metadata.json").write_text(json.dumps(document, indent=2))
        if library:
            kept = {
                "graph": graph,
                "processed_ids": set(graph),
                "metadata": document,
                "sound_cache": {"1000": {"name": "sound 0"}},
            }
            (self.directory / "freesound_library.pkl").write_bytes(joblib_dumped(kept))
        return document

    def names(self, nodes: int, when: datetime) -> tuple[str, str]:
        stamp = f"{nodes}nodes_{when.astimezone(self.zone):%Y%m%d_%H%M%S}"
        return f"graph_topology_backup_{stamp}.gpickle", f"metadata_cache_backup_{stamp}.db"

    def backup(
        self,
        when: datetime,
        tier: str | None,
        graph: nx.DiGraph,
        *,
        listed: bool = True,
        compressed: bool = False,
    ) -> tuple[Path, Path]:
        """Copy the live files, which are of ``graph``, into a tier, or to the root if there is none."""
        folder = self.directory if tier is None else self.directory / "backups" / tier
        folder.mkdir(parents=True, exist_ok=True)
        topology, table = (folder / name for name in self.names(len(graph), when))
        shutil.copy2(self.directory / "graph_topology.gpickle", topology)
        shutil.copy2(self.directory / "metadata_cache.db", table)
        if compressed:
            topology, table = gzipped(topology), gzipped(table)
        if listed:
            self.manifest["backups"].append(
                {
                    # It is made after the files, so later than their names by a moment.
                    "timestamp": (when + timedelta(milliseconds=250)).isoformat(),
                    "nodes": len(graph),
                    "edges": graph.number_of_edges(),
                    "tier": tier or "frequent",
                    "files": {
                        "topology": str(topology.relative_to(self.directory)),
                        "metadata": str(table.relative_to(self.directory)),
                    },
                    "compressed": compressed,
                    "size_bytes": topology.stat().st_size + table.stat().st_size,
                }
            )
            self.save_manifest()
        return topology, table

    def save_manifest(self) -> None:
        (self.directory / "backup_manifest.json").write_text(json.dumps(self.manifest, indent=2))

    def archive(self, into: Path, nodes: int, run: str) -> Path:
        """The whole directory as one archive."""
        file = into / f"checkpoint_backup_{nodes}nodes_{run}.tar.gz"
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(self.directory, "freesound_library")
        file.write_bytes(packed.getvalue())
        return file


def gzipped(file: Path) -> Path:
    packed = file.with_name(f"{file.name}.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    return packed


def flip(file: Path, at: int) -> None:
    """Alter one byte."""
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)


def cut(file: Path, by: int) -> None:
    """Take bytes off the end."""
    data = file.read_bytes()
    file.write_bytes(data[:-by])
