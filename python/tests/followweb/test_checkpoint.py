"""CheckpointLog: a collector's checkpoints, at the cost of what changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import snaplog
from snaplog.followweb import CheckpointLog, import_directory

from .oldtool import BERLIN, START, OldTool, crawl, expected
from .test_import import same

NOW = datetime.now(timezone.utc).replace(microsecond=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crawl.snaplog"


def events(checkpoints: CheckpointLog) -> int:
    return checkpoints.log.commit()


def test_a_new_log_is_an_empty_checkpoint(path: Path) -> None:
    with CheckpointLog(path) as checkpoints:
        state = checkpoints.load()
        assert state.is_new and len(state.graph) == 0
        assert (state.processed_ids, state.pagination_state, state.pending_edges) == (set(), {}, {})
        assert (state.metadata, state.sound_cache) == ({}, {})
        checkpoints.save(state.graph, pagination_state={"page": 1})
    with CheckpointLog(path) as checkpoints:
        assert not checkpoints.load().is_new


@pytest.mark.parametrize("how", ["logged", "named", "compared"])
def test_everything_comes_back(how: str, path: Path) -> None:
    whole = crawl(60)
    pending = {"1001": [("1050", 0.5), ("1051", 0.25)], "1002": [("7", 1.0)]}
    with CheckpointLog(path) as checkpoints:
        graph = checkpoints.load(logged=how == "logged").graph
        for nodes in (20, 40, 60):
            part = crawl(nodes)
            new_nodes = [(u, a) for u, a in part.nodes(data=True) if u not in graph]
            new_edges = [(u, v, a) for u, v, a in part.edges(data=True) if not graph.has_edge(u, v)]
            graph.add_nodes_from(new_nodes)
            graph.add_edges_from(new_edges)
            changed: dict[str, Any] = {}
            if how == "named":
                changed["changed_nodes"] = [u for u, _ in new_nodes]
                changed["changed_edges"] = [(u, v) for u, v, _ in new_edges]
            checkpoints.save(
                graph,
                processed_ids=set(part),
                pagination_state={"page": nodes, "query": "", "sort": "downloads_desc"},
                pending_edges=pending,
                metadata={"completed": nodes == 60, "api_stats": {"failed_requests": nodes}},
                sound_cache={1000: {"name": "x"}},
                **changed,
            )
    with CheckpointLog(path) as checkpoints:
        for logged in (True, False):
            state = checkpoints.load(logged=logged)
            assert type(state.graph) is (snaplog.LoggedDiGraph if logged else nx.DiGraph)
            same(state.graph, whole)
            assert state.processed_ids == set(whole)
            assert state.pagination_state == {"page": 60, "query": "", "sort": "downloads_desc"}
            assert state.pending_edges == {
                key: [list(each) for each in edges] for key, edges in pending.items()
            }
            assert state.metadata == {"completed": True, "api_stats": {"failed_requests": 60}}
            assert state.sound_cache == {1000: {"name": "x"}}
    assert [(m.nodes, m.tiers) for m in snaplog.markers(path)] == [(40, ("frequent",)), (60, ("frequent",))]
    G = snaplog.restore(path, tier="frequent")
    same(G, whole)
    assert G.graph["snaplog"].state["pagination_state"]["page"] == 60, "a marker stands behind its state"


def test_a_checkpoint_costs_what_changed(path: Path) -> None:
    graph = crawl(500)
    with CheckpointLog(path) as checkpoints:
        state: dict[str, Any] = {
            "processed_ids": set(graph),
            "pagination_state": {"page": 1},
            "pending_edges": {str(n): [[n, 0.5]] for n in range(100)},
            "metadata": {"a": 1, "b": {"c": [1, 2]}},
            "sound_cache": {str(n): {"name": n} for n in range(100)},
        }
        checkpoints.save(graph, **state)
        before = events(checkpoints)
        checkpoints.save(graph, **state)
        assert events(checkpoints) == before
        graph.add_node("new", name="x")
        state["processed_ids"].add("new")
        state["pagination_state"] = {"page": 2}
        del state["pending_edges"]["7"]
        checkpoints.save(graph, changed_nodes=["new"], **state)
        assert events(checkpoints) == before + 4


def test_the_graph_is_not_looked_at_where_that_can_be_avoided(path: Path) -> None:
    with CheckpointLog(path) as checkpoints:
        calls: list[Any] = []
        checkpoints.log.sync = lambda *args, **more: calls.append(args)  # type: ignore[method-assign, assignment]
        logged = checkpoints.load().graph
        logged.add_edge("1", "2", w=1)
        checkpoints.save(logged)
        plain = nx.DiGraph(logged)
        plain.add_edge("2", "3", w=2)
        checkpoints.save(plain, changed_edges=[("2", "3")])
        assert calls == []
        checkpoints.save(plain)
        assert len(calls) == 1
        assert set(checkpoints.log.to_networkx().edges) == {("1", "2"), ("2", "3")}


def test_named_changes_remove_too(path: Path) -> None:
    graph = crawl(20)
    with CheckpointLog(path) as checkpoints:
        checkpoints.save(graph)
        graph.remove_node("1003")
        graph.remove_edge("1008", "1004")
        del graph.nodes["1005"]["name"]
        del graph.edges["1010", "1005"]["weight"]
        graph.add_edge("1001", "1019", type="new")
        checkpoints.save(
            graph,
            changed_nodes=["1003", "1005", "never there"],
            changed_edges=[("1008", "1004"), ("1010", "1005"), ("1001", "1019"), ("never", "there")],
        )
        same(checkpoints.load(logged=False).graph, graph)


def test_a_change_inside_a_value_is_named(path: Path) -> None:
    with CheckpointLog(path) as checkpoints:
        graph = checkpoints.load().graph
        graph.add_node("1", tags=["wet"])
        graph.nodes["1"]["tags"].append("field")
        checkpoints.save(graph, changed_nodes=["1"])
        assert checkpoints.log.node_attrs("1") == {"tags": ["wet", "field"]}


def test_parallel_edges_are_named_together_or_by_key(path: Path) -> None:
    graph = nx.MultiDiGraph()
    graph.add_edge("1", "2", key="a", w=1)
    with CheckpointLog(path, multigraph=True) as checkpoints:
        checkpoints.save(graph)
        graph.add_edge("1", "2", key="b", w=2)
        graph.edges["1", "2", "a"]["w"] = 5
        checkpoints.save(graph, changed_edges=[("1", "2")])
        graph.remove_edge("1", "2", "a")
        checkpoints.save(graph, changed_edges=[("1", "2", "a")])
        assert dict(checkpoints.load(logged=False).graph["1"]["2"]) == {"b": {"w": 2}}


def test_pending_edges_may_be_a_queue(path: Path) -> None:
    queue = [("1", "2"), ("1", "3", {"score": 0.5}), (4, 5, "pack"), (4, 5, "user")]
    with CheckpointLog(path) as checkpoints:
        checkpoints.save(nx.DiGraph(), pending_edges=queue)
    with CheckpointLog(path) as checkpoints:
        assert checkpoints.load().pending_edges == queue
        checkpoints.save(nx.DiGraph(), pending_edges=[*queue[1:], ("9", "9")])
        assert checkpoints.load().pending_edges == [*queue[1:], ("9", "9")]
        checkpoints.save(nx.DiGraph(), pending_edges={"1": ["2"]})
        assert checkpoints.load().pending_edges == {"1": ["2"]}


def test_what_is_not_given_stays_and_metadata_is_replaced(path: Path) -> None:
    with CheckpointLog(path) as checkpoints:
        graph = checkpoints.load().graph
        checkpoints.save(graph, processed_ids={"1"}, metadata={"pass2_progress": 5, "stats": 1})
        checkpoints.save(
            graph, metadata={"stats": 2, "processed_ids": ["1", "2"], "pagination_state": {"page": 3}}
        )
        checkpoints.save(graph)
        state = checkpoints.load()
        assert state.metadata == {"stats": 2}
        assert state.processed_ids == {"1", "2"} and state.pagination_state == {"page": 3}


def test_processed_ids_may_be_told_as_they_come_and_may_go(path: Path) -> None:
    with CheckpointLog(path) as checkpoints:
        graph = checkpoints.load().graph
        checkpoints.save(graph, newly_processed=["1", 2, "1"])
        checkpoints.save(graph, newly_processed=iter(["1", "3"]))
        assert checkpoints.load().processed_ids == {"1", 2, "3"}
        checkpoints.save(graph, processed_ids=["3", "4"])
    with CheckpointLog(path) as checkpoints:
        assert checkpoints.load().processed_ids == {"3", "4"}


def test_tiers_by_crossing_and_by_day(path: Path) -> None:
    clock = [NOW]
    with CheckpointLog(path, clock=lambda: clock[0]) as checkpoints:
        graph = checkpoints.load().graph

        def save(nodes: int, **more: Any) -> list[tuple[int, str]]:
            before = len(checkpoints.log.markers())
            graph.add_nodes_from(crawl(nodes))
            checkpoints.save(graph, **more)
            return [(m.nodes, ",".join(m.tiers)) for m in checkpoints.log.markers()[before:]]

        assert save(20) == []
        assert save(27) == [(27, "frequent")]
        assert save(49) == []
        assert save(130) == [(130, "moderate")]
        assert save(520) == [(520, "milestone")]
        assert save(521, label="by hand") == [(521, "")]
        clock[0] = (NOW + timedelta(days=1)).replace(hour=0, minute=0, second=0)
        assert save(530) == [(530, "daily"), (530, "frequent")]
        assert save(531) == []
    assert snaplog.restore(path, "by hand").number_of_nodes() == 521


def test_retention_is_applied(path: Path) -> None:
    with CheckpointLog(path, {"backup_interval_nodes": 2}) as checkpoints:
        graph = checkpoints.load().graph
        for nodes in range(2, 60, 2):
            graph.add_nodes_from(crawl(nodes))
            checkpoints.save(graph)
    kept = [tier for marker in snaplog.markers(path) for tier in marker.tiers]
    assert (kept.count("frequent"), kept.count("moderate"), kept.count("milestone")) == (5, 6, 1)


def test_an_imported_log_is_gone_on_with(tmp_path: Path, path: Path) -> None:
    old = OldTool(tmp_path / "freesound_library")
    old.checkpoint(crawl(30), START)
    import_directory(old.directory, path, time_zone=BERLIN)
    with CheckpointLog(path) as checkpoints:
        state = checkpoints.load()
        same(state.graph, expected(crawl(30), START, edges=True))
        assert state.processed_ids == set(crawl(30)) and state.pagination_state["page"] == 3
        assert state.metadata["validation_history"] == {"last_full_existence_check": None}
        assert "followweb_import" not in state.metadata and state.sound_cache == {"1000": {"name": "sound 0"}}
        state.graph.add_edge("1001", "1002", type="new")
        checkpoints.save(state.graph, metadata={"nodes": 30})
        assert checkpoints.load().graph.edges["1001", "1002"] == {"type": "new"}


def test_what_no_log_holds_is_refused_before_anything_is_written(path: Path) -> None:
    with CheckpointLog(path) as checkpoints:
        graph = crawl(20)
        graph.nodes["1007"]["bad"] = object()
        with pytest.raises(TypeError, match="1007"):
            checkpoints.save(graph)
        assert checkpoints.log.number_of_nodes() == 0


def test_one_collector_at_a_time(path: Path) -> None:
    with CheckpointLog(path), pytest.raises(snaplog.LockedError):
        CheckpointLog(path)


COLLECTOR = """
import sys
from snaplog.followweb import CheckpointLog
with CheckpointLog(sys.argv[1], {"backup_interval_nodes": 10}) as checkpoints:
    state = checkpoints.load(logged=sys.argv[2] == "logged")
    graph = state.graph
    for number in range(len(state.processed_ids), 1_000_000):
        node = str(number)
        graph.add_node(node, name=f"sound {number}")
        graph.add_edge(node, str(number // 2), weight=number)
        state.processed_ids.add(node)
        named = {} if sys.argv[2] == "logged" else {"changed_nodes": [node], "changed_edges": [(node, str(number // 2))]}
        checkpoints.save(graph, processed_ids=state.processed_ids, pagination_state={"page": number}, **named)
        print(number, flush=True)
"""


@pytest.mark.parametrize("how", ["logged", "named"])
def test_a_collector_that_is_killed_has_all_that_was_acknowledged(how: str, path: Path) -> None:
    last = -1
    for round_ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", COLLECTOR, str(path), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first and int(first) <= last + 2, "nothing is skipped"
        time.sleep(0.05 * round_)
        os.kill(process.pid, signal.SIGKILL)
        out, _ = process.communicate()
        lines = [line for line in (first + out).splitlines() if line]
        last = int(lines[-2] if len(lines) > 1 and not out.endswith("\n") else lines[-1])
        assert snaplog.verify(path)["sound"]
        G = snaplog.restore(path, f"seq:{snaplog.stats(path)['last_seq']}")
        state = G.graph["snaplog"].state
        assert set(state.map("processed_ids")) >= {str(number) for number in range(last + 1)}
        for number in range(last + 1):
            assert G.nodes[str(number)] == {"name": f"sound {number}"}
            assert G.edges[str(number), str(number // 2)] == {"weight": number}
        assert set(state.map("processed_ids")) <= set(G), "the graph is never behind its state"
        assert state["pagination_state"]["page"] >= last


@pytest.mark.parametrize(
    "named",
    [
        {"processed_ids": "12345"},
        {"newly_processed": "12345"},
        {"changed_nodes": "a"},
        {"changed_edges": b"ab"},
    ],
)
def test_one_id_where_ids_are_to_stand_is_refused(path: Path, named: dict[str, Any]) -> None:
    with CheckpointLog(path) as log:
        graph = nx.DiGraph()
        graph.add_edge("a", "b")
        with pytest.raises(TypeError, match="collection of ids"):
            log.save(graph, **named)
        assert log.log.number_of_nodes() == 0
