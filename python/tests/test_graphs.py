"""The logged graphs: every change is in the log, in its order."""

import copy
import pickle
import random
import subprocess
import sys

import networkx as nx
import pytest
import snaplog

KINDS = {
    nx.Graph: snaplog.LoggedGraph,
    nx.DiGraph: snaplog.LoggedDiGraph,
    nx.MultiGraph: snaplog.LoggedMultiGraph,
    nx.MultiDiGraph: snaplog.LoggedMultiDiGraph,
}


def opened(path, kind):
    graph = kind()
    return snaplog.open(
        path, directed=graph.is_directed(), multigraph=graph.is_multigraph(), config={"tiers": {}}
    )


def same(a, b):
    """Equal, and in the same order."""
    assert list(a.nodes(data=True)) == list(b.nodes(data=True))
    assert a.graph == b.graph
    for node in b:
        assert [(v, dict(d)) for v, d in a.adj[node].items()] == [
            (v, dict(d)) for v, d in b.adj[node].items()
        ]
        if b.is_directed():
            assert list(a.pred[node]) == list(b.pred[node])


def check(G, log):
    same(log.to_networkx(), G)


def steps(dice, multigraph):
    """Names of changes, and what does each of them to a graph; the same dice, the same changes."""
    node = lambda: dice.choice([0, 1, 2, 3, "0", "1", "a", "b"])  # noqa: E731
    value = lambda: dice.choice([1, 1.0, True, None, "x", [1, [2]], {"k": []}])  # noqa: E731
    name = lambda: dice.choice(["p", "q", "r"])  # noqa: E731

    def some_edge(G):
        edges = list(G.edges(keys=True) if multigraph else G.edges)
        return dice.choice(edges) if edges else None

    def on_edge(change):
        def work(G):
            edge = some_edge(G)
            if edge is not None:
                change(G.edges[edge])

        return work

    def on_node(change):
        def work(G):
            if len(G):
                change(G.nodes[dice.choice(list(G))])

        return work

    def change(attrs):
        way, key, new = dice.randrange(8), name(), value()
        if way == 0:
            attrs[key] = new
        elif way == 1:
            attrs.update({key: new}, s=new)
        elif way == 2:
            attrs.pop(key, None)
        elif way == 3:
            attrs.setdefault(key, new)
        elif way == 4:
            attrs |= {key: new}
        elif way == 5 and attrs:
            attrs.popitem()
        elif way == 6 and key in attrs:
            del attrs[key]
        elif dice.random() < 0.2:
            attrs.clear()

    def edge_data(G):
        u, v = node(), node()
        if multigraph and dice.random() < 0.5:
            return (u, v, dice.choice([0, 1, "k"]), {name(): value()})
        return (u, v, {name(): value()})

    def remove_edge(G):
        edge = some_edge(G)
        if edge is not None:
            G.remove_edge(*edge[: 2 + (multigraph and dice.random() < 0.5)])

    def relabel(G):
        if len(G):
            nx.relabel_nodes(G, {dice.choice(list(G)): f"new {dice.randrange(5)}"}, copy=False)

    return {
        "add_node": lambda G: G.add_node(node(), **{name(): value()}),
        "add_nodes_from": lambda G: G.add_nodes_from([node(), (node(), {name(): value()})], t=value()),
        "add_edge": lambda G: G.add_edge(node(), node(), **{name(): value()}),
        "add_edges_from": lambda G: G.add_edges_from([edge_data(G) for _ in range(3)], t=value()),
        "add_weighted_edges_from": lambda G: G.add_weighted_edges_from([(node(), node(), 0.5)]),
        "add_path": lambda G: nx.add_path(G, [node(), node(), node()]),
        "update": lambda G: G.update(edges=[(node(), node())], nodes=[node()]),
        "remove_node": lambda G: G.remove_node(dice.choice(list(G))) if len(G) > 3 else None,
        "remove_nodes_from": lambda G: G.remove_nodes_from([node(), "nobody"]),
        "remove_edge": remove_edge,
        "remove_edges_from": lambda G: G.remove_edges_from([(node(), node()), (node(), node())]),
        "node attributes": on_node(change),
        "edge attributes": on_edge(change),
        "graph attributes": lambda G: change(G.graph),
        "set_node_attributes": lambda G: nx.set_node_attributes(G, dice.random(), name()),
        "set_edge_attributes": lambda G: nx.set_edge_attributes(G, dice.random(), name()),
        "relabel_nodes": relabel,
        "clear_edges": lambda G: G.clear_edges() if dice.random() < 0.1 else None,
        "clear": lambda G: G.clear() if dice.random() < 0.1 else None,
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_changes_leave_log_and_graph_the_same(tmp_path, kind, seed):
    path, plain = tmp_path / "log", kind()
    dice = random.Random(seed)
    for session in range(3):
        with opened(path, kind) as log:
            G = KINDS[kind](log=log)
            same(G, plain)
            for _ in range(60):
                state = dice.getstate()
                choice = random.Random(dice.random()).randrange(10**9)
                for graph in (G, plain):
                    # Both graphs see the same dice.
                    own = random.Random(choice)
                    every = steps(own, graph.is_multigraph())
                    every[own.choice(list(every))](graph)
                dice.setstate(state)
                dice.random()
            same(G, plain)
            check(G, log)
            # What no hook missed, sync does not find.
            assert G.sync().events_written == 0
            if session == 2:
                log.mark()
    restored = snaplog.restore(path)
    del restored.graph["snaplog"]
    assert type(restored) is kind
    # An entity's attributes come in the order in which their names first came up in the log.
    assert dict(restored.nodes(data=True)) == dict(plain.nodes(data=True))
    same(restored, plain)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_the_log_refuses_does_not_reach_the_graph(tmp_path, kind):
    with opened(tmp_path / "log", kind) as log:
        G = KINDS[kind](log=log)
        edge = ("a", "b", G.add_edge("a", "b", w=1))[: 3 if G.is_multigraph() else 2]
        before = copy.deepcopy(G)
        for call in (
            lambda: G.add_node("c", x=object()),
            lambda: G.add_node((1, 2)),
            lambda: G.add_nodes_from([((1, 2), {"x": 1})]),
            lambda: G.add_edge("a", 1.5),
            lambda: G.add_edge("a", "b", w={1}),
            lambda: G.nodes["a"].update(x=1, y=print),
            lambda: G.edges[edge].__setitem__("w", {1}),
            lambda: G.edges[edge].__setitem__(1, 1),
            lambda: G.graph.setdefault("x", object()),
        ):
            with pytest.raises(TypeError):
                call()
        for call in (lambda: G.add_node(None), lambda: G.add_edge("a", None)):
            with pytest.raises(ValueError, match="None"):
                call()
        for call in (lambda: G.remove_node("nobody"), lambda: G.remove_edge("b", "nobody")):
            with pytest.raises(nx.NetworkXError):
                call()
        same(G, before)
        check(G, log)
    with pytest.raises(snaplog.ClosedError):
        G.add_node("too late")
    assert "too late" not in G


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_copies_are_not_logged(tmp_path, kind):
    with opened(tmp_path / "log", kind) as log:
        G = KINDS[kind](nx.path_graph(4, create_using=kind), log=log, name="g")
        check(G, log)
        made = [
            G.copy(),
            copy.copy(G),
            copy.deepcopy(G),
            pickle.loads(pickle.dumps(G)),
            G.subgraph([0, 1]).copy(),
            G.edge_subgraph(list(G.edges)[:1]).copy(),
            G.to_directed(),
            G.to_undirected(),
            nx.relabel_nodes(G, str),
            *([G.reverse()] if G.is_directed() else []),
        ]
        for other in made:
            if other is made[1]:
                continue
            other.add_edge("x", "y")
            for data in other.nodes.values():
                data["seen"] = True
            other.graph["mine"] = True
        assert "x" not in log
        assert not any(G.nodes[n] for n in G)
        check(G, log)
        # A view is a window.
        G.subgraph([0, 1]).nodes[0]["through the view"] = 1
        assert log.node_attrs(0) == {"through the view": 1}
        with pytest.raises(nx.NetworkXError):
            nx.freeze(G.copy()).add_node(5)


def test_what_no_hook_sees_sync_finds(tmp_path):
    with opened(tmp_path / "log", nx.DiGraph) as log:
        G = snaplog.LoggedDiGraph(log=log)
        G.add_edge("a", "b", path=[1])
        G.edges["a", "b"]["path"].append(2)
        assert log.edge_attrs("a", "b") == {"path": [1]}
        assert G.sync() == snaplog.SyncReport(1, 2)
        check(G, log)
    with pytest.raises(snaplog.RefusedError, match="no log"):
        snaplog.LoggedDiGraph().sync()


def test_attributes_of_what_was_removed_tell_nobody(tmp_path):
    with opened(tmp_path / "log", nx.DiGraph) as log:
        G = snaplog.LoggedDiGraph(log=log)
        G.add_edge("a", "b")
        node, edge = G.nodes["a"], G.edges["a", "b"]
        G.remove_node("a")
        node["x"] = 1
        edge["x"] = 1
        G.add_node("a")
        node["x"] = 2
        check(G, log)


def test_a_graph_of_another_kind_is_refused(tmp_path):
    with (
        opened(tmp_path / "log", nx.DiGraph) as log,
        pytest.raises(snaplog.RefusedError, match="LoggedGraph"),
    ):
        snaplog.LoggedGraph(log=log)


def test_a_crawl_that_is_killed_goes_on_with_its_graph(tmp_path):
    program = f"""
import os, snaplog
log = snaplog.open({str(tmp_path / "log")!r})
G = snaplog.LoggedDiGraph(log=log)
for n in range(len(G), len(G) + 40):
    G.add_edge(n, n + 1, weight=n / 2)
    G.nodes[n]["seen"] = True
log.commit()
os._exit(9)
"""
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    with snaplog.open(tmp_path / "log") as log:
        G = snaplog.LoggedDiGraph(log=log)
        assert list(G) == list(range(41)) + list(range(42, 83)) + list(range(84, 125)) or len(G) >= 121
        assert all(G.nodes[n].get("seen") for n, out in G.out_degree if out)
    assert snaplog.verify(tmp_path / "log")["sound"]


def test_the_module_needs_networkx_only_for_graphs():
    program = """
import sys
sys.modules["networkx"] = None
import snaplog, tempfile
path = tempfile.mkdtemp()
with snaplog.open(path) as log:
    log.add_edge("a", "b")
    log.mark()
assert snaplog.verify(path)["sound"]
try:
    snaplog.restore(path)
except ImportError as error:
    assert "pip install" in str(error)
else:
    raise SystemExit("networkx is not there")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_ctrl_c_came_between_the_next_call_makes_whole(tmp_path, kind):
    """Stopped at every line of a put, a graph is whole after the same put once more."""
    at = 0
    stopped = True
    while stopped:
        at += 1
        stopped = False
        with opened(tmp_path / f"log-{at}", kind) as log:
            G = KINDS[kind](log=log)
            lines = 0

            def stop(frame, event, _, at=at):
                nonlocal lines, stopped
                if "graphs.py" not in frame.f_code.co_filename:
                    return None
                if event == "line":
                    lines += 1
                    if lines == at:
                        stopped = True
                        raise KeyboardInterrupt
                return stop

            more = {"key": 0} if G.is_multigraph() else {}
            sys.settrace(stop)
            try:
                G.add_edge("a", "b", w=1, **more)
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(None)
            G.add_edge("a", "b", w=1, **more)
            expected = kind()
            expected.add_edge("a", "b", w=1, **more)
            same(G, expected)
            check(G, log)
    assert at > 5
