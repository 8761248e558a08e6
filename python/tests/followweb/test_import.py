"""The import of what the old tool left: every shape of it, and what each marker then restores to."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import networkx as nx
import pytest
import snaplog
from snaplog.followweb import Report, _sqlite, import_directory

from .oldtool import BERLIN, START, OldTool, bare, crawl, expected, gzipped, pickled, put_rows, write_table

HOUR = timedelta(hours=1)


def same(restored: nx.Graph, wanted: nx.Graph) -> None:
    assert {u: dict(attrs) for u, attrs in restored.nodes(data=True)} == {
        u: dict(attrs) for u, attrs in wanted.nodes(data=True)
    }
    assert {(u, v): dict(attrs) for u, v, attrs in restored.edges(data=True)} == {
        (u, v): dict(attrs) for u, v, attrs in wanted.edges(data=True)
    }


def run(old: OldTool, log: Path) -> Report:
    return import_directory(old.directory, log, time_zone=BERLIN)


@pytest.fixture
def old(tmp_path: Path) -> OldTool:
    return OldTool(tmp_path / "freesound_library")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "crawl.snaplog"


def test_every_shape_becomes_a_marker_that_restores_to_it(old: OldTool, log: Path, tmp_path: Path) -> None:
    shapes = [
        # nodes, tier, in the manifest, gzipped
        (25, "frequent", True, True),
        (50, None, False, False),
        (75, None, False, True),
        (100, "moderate", True, True),
        (125, "frequent", False, False),
        (500, "milestone", True, False),
    ]
    for number, (nodes, tier, listed, compressed) in enumerate(shapes):
        when = START + number * HOUR
        old.checkpoint(crawl(nodes), when)
        old.backup(when, tier, crawl(nodes), listed=listed, compressed=compressed)
    older = OldTool(tmp_path / "earlier" / "freesound_library")
    before = START - 24 * HOUR
    older.checkpoint(crawl(20), before)
    older.backup(before, "frequent", crawl(20))
    older.archive(old.directory, 20, "19283746")
    live = START + 10 * HOUR
    old.checkpoint(crawl(510), live)

    report = run(old, log)

    assert report.passed_over == [] and report.damaged == []
    assert report.exit_code == 0
    stamps = [(START + number * HOUR).astimezone(BERLIN) for number in range(len(shapes))]
    labels = [
        "checkpoint_backup_20nodes_19283746",
        f"backup_20nodes_{before.astimezone(BERLIN):%Y%m%d_%H%M%S}",
        *(f"backup_{n}nodes_{stamp:%Y%m%d_%H%M%S}" for (n, *_), stamp in zip(shapes, stamps)),
        f"live_{live:%Y%m%d_%H%M%S}_UTC",
    ]
    markers = snaplog.markers(log)
    assert [marker.label for marker in markers] == labels
    assert report.backups_found == report.markers_placed == len(labels)

    moment = timedelta(milliseconds=250)
    times = [before, before + moment]
    times += [
        START + number * HOUR + (moment if shape[2] else 0 * moment) for number, shape in enumerate(shapes)
    ]
    assert [marker.time for marker in markers] == [*times, live]
    tiers: list[tuple[str, ...]] = [(), ("frequent",), ("frequent",), (), (), ("moderate",), ("frequent",)]
    assert [marker.tiers for marker in markers] == [*tiers, ("milestone",), ()]

    for number, (nodes, *_) in enumerate(shapes):
        same(snaplog.restore(log, labels[number + 2]), expected(crawl(nodes), START + number * HOUR))
    same(snaplog.restore(log, labels[0]), expected(crawl(20), before, edges=True))
    same(snaplog.restore(log, labels[1]), expected(crawl(20), before))
    G = snaplog.restore(log)
    same(G, expected(crawl(510), live, edges=True))
    state = G.graph["snaplog"].state
    assert state["pagination_state"] == {"page": 51, "query": "", "sort": "downloads_desc"}
    assert state["edge_generation"] == {"user_edges": True}
    assert set(state.map("processed_ids")) == set(crawl(510))
    assert state.map("sound_cache") == {"1000": {"name": "sound 0"}}
    assert snaplog.verify(log)["sound"]


def test_what_a_backup_has_not_its_marker_has_not(old: OldTool, log: Path) -> None:
    old.checkpoint(crawl(25), START)
    old.backup(START, "frequent", crawl(25))
    report = run(old, log)
    state = snaplog.restore(log, report.imported[0].label).graph["snaplog"].state
    assert list(state) == ["followweb_import"] and state.maps() == []
    lost = report.attributes_lost
    assert lost == {"nodes": [], "edges": [report.imported[0].label]}
    assert any("attributes of edges are lost in 1 backups" in line for line in report.lines())


def test_only_differences_are_written(old: OldTool, log: Path) -> None:
    for number, nodes in enumerate((100, 101)):
        old.checkpoint(crawl(nodes), START, library=False)
        old.backup(START + number * HOUR, "frequent", crawl(nodes))
    report = run(old, log)
    first, second, live = report.imported
    assert first.events_written > 200
    assert second.events_written == 2, "one node, with its attributes, and its edge"
    assert live.events_written == 0


def test_removed_nodes_edges_and_attributes_are_removed(old: OldTool, log: Path) -> None:
    graph = crawl(30)
    old.checkpoint(graph, START)
    old.backup(START, "frequent", graph)
    graph.remove_node("1010")
    graph.remove_edge("1007", "1003")
    del graph.nodes["1004"]["name"]
    old.checkpoint(graph, START + HOUR)
    old.backup(START + HOUR, "frequent", graph)
    report = run(old, log)
    same(snaplog.restore(log, report.imported[1].label), expected(graph, START + HOUR))


def test_the_write_ahead_log_is_read_and_nothing_is_written_beside_it(old: OldTool, log: Path) -> None:
    graph = crawl(30)
    old.checkpoint(graph, START, library=False)
    file = old.directory / "metadata_cache.db"
    file.unlink()
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    put_rows(database, graph)
    database.commit()
    # The collector was killed: the rows are in the -wal alone.
    wal = old.directory / "metadata_cache.db-wal"
    kept = {each.name: each.read_bytes() for each in (file, wal)}
    database.close()
    for name, data in kept.items():
        (old.directory / name).write_bytes(data)
    (old.directory / "metadata_cache.db-shm").unlink(missing_ok=True)
    before = {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in old.directory.iterdir()}
    assert b"sound 29" not in kept["metadata_cache.db"] and b"sound 29" in kept["metadata_cache.db-wal"]

    report = run(old, log)

    assert report.exit_code == 0
    same(snaplog.restore(log), expected(graph, START))
    after = {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in old.directory.iterdir()}
    assert after == before


def test_a_collector_at_work_is_read_as_it_is(old: OldTool, log: Path) -> None:
    graph = crawl(30)
    old.checkpoint(graph, START, library=False)
    (old.directory / "metadata_cache.db").unlink()
    database = sqlite3.connect(old.directory / "metadata_cache.db")
    database.execute("PRAGMA journal_mode = WAL")
    put_rows(database, graph)
    database.commit()
    run(old, log)
    database.close()
    same(snaplog.restore(log), expected(graph, START))


def test_a_database_that_is_written_to_meanwhile_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "metadata_cache.db"
    write_table(file, crawl(10))
    copy = shutil.copyfile
    copies = []

    def written_to_meanwhile(source: Path, target: Path) -> None:
        copy(source, target)
        copies.append(source)
        if len(copies) == 1:
            file.unlink()
            write_table(file, crawl(12))

    monkeypatch.setattr(shutil, "copyfile", written_to_meanwhile)
    assert set(_sqlite.read_metadata(file, "db").attrs) == set(crawl(12))
    assert len(copies) == 2

    def always_written_to(source: Path, target: Path) -> None:
        copy(source, target)
        os.utime(file, ns=(len(copies), len(copies)))
        copies.append(source)

    monkeypatch.setattr(shutil, "copyfile", always_written_to)
    monkeypatch.setattr(_sqlite, "_PAUSE", 0)
    with pytest.raises(snaplog.Error, match="written to all the time"):
        _sqlite.read_metadata(file, "db")


def test_nodes_without_an_edge_come_out_of_the_database(old: OldTool, log: Path) -> None:
    graph = crawl(10)
    graph.add_node("7", name="alone")
    assert "7" not in bare(graph)
    old.checkpoint(graph, START, library=False)
    old.backup(START, "frequent", graph)
    report = run(old, log)
    for imported in report.imported:
        same(snaplog.restore(log, imported.label), expected(graph, START))


def test_rows_of_nodes_that_a_complete_graph_has_not_are_left_out(old: OldTool, log: Path) -> None:
    old.checkpoint(crawl(12), START, library=False)
    (old.directory / "graph_topology.gpickle").write_bytes(pickled(bare(crawl(10))))
    topology, table = old.names(10, START)
    (old.directory / topology).write_bytes(pickled(bare(crawl(10))))
    (old.directory / table).write_bytes((old.directory / "metadata_cache.db").read_bytes())
    report = run(old, log)
    same(snaplog.restore(log, report.imported[0].label), expected(crawl(10), START))
    assert any("2 rows of the database are of nodes that the graph has not" in note for note in report.notes)


def test_a_library_of_another_time_is_a_marker_of_its_own(old: OldTool, log: Path) -> None:
    old.checkpoint(crawl(20), START)
    old.checkpoint(crawl(25), START + HOUR, library=False)
    report = run(old, log)
    assert [each.label[:5] for each in report.imported] == ["libra", "live_"]
    same(snaplog.restore(log, report.imported[0].label), crawl(20))
    live = snaplog.restore(log)
    assert live.edges["1019", "1009"]["type"] == "similar"
    assert live.edges["1024", "1012"] == {}
    assert (
        report.imported[1].edges_without_attributes
        == crawl(25).number_of_edges() - crawl(20).number_of_edges()
    )


def test_the_library_alone_is_a_checkpoint(old: OldTool, log: Path) -> None:
    old.checkpoint(crawl(20), START)
    for name in ("graph_topology.gpickle", "metadata_cache.db", "checkpoint_metadata.json"):
        (old.directory / name).unlink()
    report = run(old, log)
    assert report.exit_code == 0
    G = snaplog.restore(log)
    same(G, crawl(20))
    assert G.graph["snaplog"].state["pagination_state"]["page"] == 2
    assert snaplog.markers(log)[0].time == START


def test_a_file_compressed_and_not_is_one_backup(old: OldTool, log: Path) -> None:
    old.checkpoint(crawl(25), START, library=False)
    topology, _ = old.backup(START, "frequent", crawl(25))
    data = topology.read_bytes()
    gzipped(topology)
    # The old tool died while it compressed: the second is cut off.
    topology.write_bytes(data)
    packed = topology.with_name(f"{topology.name}.gz")
    packed.write_bytes(packed.read_bytes()[:50])
    report = run(old, log)
    assert report.exit_code == 0 and report.markers_placed == 2


def test_times_of_names_are_local_and_it_is_said(old: OldTool, log: Path) -> None:
    old.checkpoint(crawl(25), START, library=False)
    old.backup(START, "frequent", crawl(25), listed=False)
    report = run(old, log)
    assert snaplog.markers(log)[0].time == START
    assert report.imported[0].time_from == "file name"
    assert any("the times of 1 are from the names of files" in line for line in report.lines())


def test_the_log_has_the_tiers_that_the_manifest_tells(old: OldTool, log: Path) -> None:
    old.manifest["retention_policy"]["frequent"]["interval"] = 50
    old.checkpoint(crawl(50), START)
    old.backup(START, "frequent", crawl(50))
    run(old, log)
    assert "every_nodes = 1000" in (log / "snaplog.toml").read_text()


def test_graphs_with_their_attributes_pickled_keep_them(old: OldTool, log: Path) -> None:
    graph = crawl(30)
    old.checkpoint(graph, START, library=False)
    (old.directory / "graph_topology.gpickle").write_bytes(pickled(graph))
    (old.directory / "metadata_cache.db").unlink()
    report = run(old, log)
    same(snaplog.restore(log), graph)
    assert report.attributes_lost == {"nodes": [], "edges": []}


@pytest.mark.parametrize("kind", [nx.Graph, nx.MultiGraph, nx.MultiDiGraph])
def test_other_kinds_of_graphs(tmp_path: Path, kind: type[nx.Graph]) -> None:
    graph = kind(crawl(30))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "graph_topology.gpickle").write_bytes(pickled(graph))
    import_directory(tmp_path / "old", tmp_path / "log")
    restored = snaplog.restore(tmp_path / "log")
    assert type(restored) is kind
    assert nx.utils.graphs_equal(restored, graph) or dict(restored.adj) == dict(graph.adj)


def test_values_that_no_log_holds_become_others_and_it_is_said(tmp_path: Path) -> None:
    graph = nx.DiGraph()
    graph.add_node(
        "1", t=(1, 2), s={3, 1}, when=datetime(2025, 1, 2, 3), big=2**80, odd={1: "x"}, broken="a\ud800"
    )
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "graph_topology.gpickle").write_bytes(pickled(graph))
    report = import_directory(tmp_path / "old", tmp_path / "log")
    assert snaplog.restore(tmp_path / "log").nodes["1"] == {
        "t": [1, 2],
        "s": [1, 3],
        "when": "2025-01-02T03:00:00",
        "big": hex(2**80),
        "odd": {"1": "x"},
        "broken": "a\ufffd",
    }
    assert sum(report.values_changed.values()) == 6
