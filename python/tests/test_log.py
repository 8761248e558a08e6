"""The session that writes, and the functions that read."""

import datetime
import json
import pickle
import subprocess
import sys
import threading
import warnings

import networkx as nx
import numpy as np
import pytest
import snaplog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "crawl.snaplog"


def same(a, b):
    """Equal with order: nodes, neighbours, keys, attributes."""
    assert list(a.nodes(data=True)) == list(b.nodes(data=True))
    for u in b:
        assert list(a.adj[u].items()) == list(b.adj[u].items())
        if b.is_directed():
            assert list(a.pred[u].items()) == list(b.pred[u].items())


def test_what_was_added_is_restored(path):
    with snaplog.open(path) as log:
        log.add_node("12345", name="rain", tags=["field", "wet"])
        log.add_edge("12345", "678", type="similar", weight=0.9)
        log.add_node(1)
        log.remove_node(1)
        log.state["pagination"] = {"page": 7}
        log.state.map("processed_ids")["12345"] = True
        marker = log.mark(label="before the second pass", pin=True)
        log.add_edge("678", "9")
        log.unset_node("12345", ["tags"])
        log.mark()
    G = snaplog.restore(path, "before the second pass")
    assert type(G) is nx.DiGraph
    assert dict(G.nodes(data=True)) == {"12345": {"name": "rain", "tags": ["field", "wet"]}, "678": {}}
    assert G.edges["12345", "678"] == {"type": "similar", "weight": 0.9}
    origin = G.graph["snaplog"]
    assert (origin["marker"], origin["label"], origin["seq"]) == (marker.id, marker.label, marker.seq)
    assert origin.state["pagination"] == {"page": 7}
    assert origin.state.map("processed_ids") == {"12345": True}
    assert json.loads(json.dumps(origin))["label"] == "before the second pass"
    assert snaplog.restore(path).nodes["12345"] == {"name": "rain"}
    assert marker.pinned
    assert marker.time.tzinfo is datetime.timezone.utc


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
def test_each_kind_of_graph_comes_back_as_it_was_with_its_order(path, kind):
    G = nx.gnm_random_graph(60, 300, seed=1, directed=kind().is_directed())
    G = kind(G)
    G.add_edges_from([(3, 1), (1, 3), (3, 1)], text="twice")
    G.add_edge("loop", "loop")
    if G.is_multigraph():
        G.add_edge(3, 1, key="named", x=1)
        G.remove_edge(3, 1, key=0)
    G.graph["name"] = "sounds"
    with snaplog.open(path, directed=G.is_directed(), multigraph=G.is_multigraph()) as log:
        log.graph["name"] = "sounds"
        log.add_nodes_from(G.nodes(data=True))
        log.add_edges_from(G.edges(keys=True, data=True) if G.is_multigraph() else G.edges(data=True))
        live = log.to_networkx()
        log.mark()
    restored = snaplog.restore(path)
    assert restored.graph.pop("snaplog")["log_id"] == log.log_id
    assert type(restored) is kind
    assert restored.graph == G.graph
    same(live, restored)
    assert dict(restored.nodes(data=True)) == dict(G.nodes(data=True))
    assert nx.utils.graphs_equal(restored, G)


def test_a_multigraph_chooses_keys_as_networkx_does(path):
    with snaplog.open(path, multigraph=True) as log:
        G = nx.MultiDiGraph()
        for key in (None, None, "a", None, 7, None):
            assert log.add_edge("u", "v", key=key) == G.add_edge("u", "v", key=key)
        log.remove_edge("u", "v")
        G.remove_edge("u", "v")
        assert nx.utils.graphs_equal(log.to_networkx(), G)


VALUES = {
    "none": None,
    "true": True,
    "int": -(2**63),
    "float": float("inf"),
    "minus zero": -0.0,
    "text": "ünï ☂",
    "bytes": b"\x00\xff",
    "list": [1, [2.0, None], {"a": "b"}],
    "dict": {"z": 1, "a": {"b": []}},
}


def test_values_keep_their_type_and_bits(path):
    with snaplog.open(path) as log:
        log.add_node("n", **VALUES)
        log.mark()
    restored = snaplog.restore(path).nodes["n"]
    assert restored == VALUES
    assert {name: type(value) for name, value in restored.items()} == {n: type(v) for n, v in VALUES.items()}
    assert str(restored["minus zero"]) == "-0.0"


def test_what_numpy_calls_a_number_is_one(path):
    with snaplog.open(path) as log:
        log.add_node(
            np.int64(5), i=np.int32(7), f=np.float32(0.5), b=np.bool_(True), s=np.str_("x"), d=np.float64(2)
        )
        attrs = log.node_attrs(5)
    assert attrs == {"i": 7, "f": 0.5, "b": True, "s": "x", "d": 2.0}
    assert [type(value) for value in attrs.values()] == [int, float, bool, str, float]


@pytest.mark.parametrize(
    "value",
    [np.datetime64("2026-01-01"), np.datetime64("2026-01-01T00:00:00.000000001"), np.timedelta64(3, "s")],
)
def test_a_time_of_numpy_is_no_number(path, value):
    with snaplog.open(path) as log, pytest.raises(TypeError, match="64"):
        log.add_node(1, x=value)
    iso = path.with_name("iso")
    with snaplog.open(iso, datetimes="iso") as log:
        if isinstance(value, np.timedelta64):
            with pytest.raises(TypeError, match="timedelta64"):
                log.add_node(1, x=value)
        else:
            log.add_node(1, x=value)
            assert log.to_networkx().nodes[1] == {"x": str(value)}
        with pytest.raises(TypeError, match="no time"):
            log.add_node(1, x=np.datetime64("NaT"))


def test_a_subclass_of_datetime_is_one(path):
    class Moment(datetime.datetime):
        pass

    moment = Moment(2026, 1, 1, 12)
    with snaplog.open(path, datetimes="iso") as log:
        log.add_node(1, x=moment)
        assert log.to_networkx().nodes[1] == {"x": "2026-01-01T12:00:00"}
    with snaplog.open(path) as log, pytest.raises(TypeError, match="datetimes="):
        log.add_node(1, x=moment)


def run_alone(script, path):
    """Runs a script in a process of its own: one that hangs is told from one that fails."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("method", ["__hash__", "__eq__"])
def test_a_method_of_an_id_that_uses_the_log_hears_that_it_cannot(path, method):
    script = """
import sys, networkx as nx, snaplog
log = snaplog.open(sys.argv[1])
heard = []
class Id(str):
    armed = False
    def __hash__(self):
        self.use("__hash__")
        return str.__hash__(self)
    def __eq__(self, other):
        self.use("__eq__")
        return str.__eq__(self, other)
    def use(self, method):
        if Id.armed and method == METHOD:
            Id.armed = False
            for use in (log.number_of_nodes, lambda: log.mark(), lambda: log.sync(nx.DiGraph()), log.close):
                try:
                    use()
                except snaplog.Error as error:
                    heard.append(str(error))
            log.add_node("told in the middle")
G = nx.DiGraph()
ids = [Id(f"n{i}") for i in range(5)] + [Id("x"), "x"]
G.add_edges_from(zip(ids, ids[1:]))
Id.armed = True
log.sync(G)
assert METHOD == "__eq__" or len(heard) == 4, heard
assert all("in the middle" in one for one in heard), heard
log.sync(G)
log.mark()
log.close()
print(sorted(snaplog.restore(sys.argv[1])))
"""
    out = run_alone(script.replace("METHOD", repr(method)), path)
    assert "'n4'" in out


def test_a_finalizer_that_uses_the_log_while_a_graph_is_filled(path):
    script = """
import gc, sys, networkx as nx, snaplog
gc.disable()
with snaplog.open(sys.argv[1]) as log:
    for n in range(3000):
        log.add_edge(n, n + 1, w=[n])
log = snaplog.open(sys.argv[1])
heard = []
class Rubbish:
    def __init__(self):
        self.me = self
    def __del__(self):
        try:
            log.number_of_nodes()
        except snaplog.Error as error:
            heard.append(str(error))
for _ in range(50):
    Rubbish()
gc.set_threshold(10)
gc.enable()
G = log.to_networkx()
assert len(G) == 3001, len(G)
log.sync(G)
log.close()
"""
    run_alone(script, path)


def test_a_graph_that_changes_while_it_is_synced_is_told(path):
    """By a thread, and by what is in it: an exception, and the log goes on."""

    class Growing(str):
        def __hash__(self):
            if Growing.graph is not None:
                graph, Growing.graph = Growing.graph, None
                graph._node["sudden"] = {}
            return str.__hash__(self)

    Growing.graph = None
    with snaplog.open(path) as log:
        G = nx.DiGraph()
        G.add_nodes_from([Growing("a"), "b", "c"])
        Growing.graph = G
        with pytest.raises(RuntimeError, match="changed while it was read"):
            log.sync(G)
        del G._node["sudden"]
        log.sync(G)
        assert set(log.to_networkx()) == {"a", "b", "c"}

        big = nx.gnm_random_graph(2000, 8000, seed=1, directed=True)
        stop, told = threading.Event(), set()

        def change():
            n = 10_000
            while not stop.is_set():
                big.add_edge(n % 2000, n)
                n += 1

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for _ in range(20):
                try:
                    log.sync(big)
                except RuntimeError as error:
                    told.add(str(error))
        finally:
            stop.set()
            thread.join()
        assert all("changed while it was read" in one for one in told)
        log.sync(big, remove=True)
        assert nx.utils.graphs_equal(log.to_networkx(), big)


def test_a_tuple_becomes_a_list_and_that_is_said_once(path):
    with snaplog.open(path) as log:
        with pytest.warns(snaplog.ConversionWarning, match="lists"):
            log.add_node("n", t=(1, (2,)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            log.add_node("m", t=(1,))
        assert log.node_attrs("n") == {"t": [1, [2]]}


DAY = datetime.date(2026, 1, 31)


def test_dates_are_text_by_choice_only(path):
    with snaplog.open(path) as log, pytest.raises(TypeError, match=r"node 'n', \"d\".*datetimes=\"iso\""):
        log.add_node("n", d=DAY)
    with snaplog.open(path, datetimes="iso") as log:
        log.add_node("n", d=DAY, t=datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc))
        assert log.node_attrs("n") == {"d": "2026-01-31", "t": "2026-01-31T12:00:00+00:00"}
    with pytest.raises(ValueError, match="datetimes"):
        snaplog.open(path, datetimes="ISO")


def knot():
    knot = []
    knot.append(knot)
    return knot


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, {"a": {1: 2}}, 2**63, 1j, [print], "\ud800", np.zeros(2), knot()],
    ids=lambda value: type(value).__name__,
)
def test_what_a_log_cannot_hold_is_refused_by_name_before_anything_is_written(path, value):
    with snaplog.open(path) as log:
        log.add_node("before")
        for call in (
            lambda: log.add_node("n", fine=1, bad=value),
            lambda: log.add_edge("n", "m", fine=1, bad=value),
            lambda: log.sync(nx.DiGraph([("n", "m", {"bad": value})])),
        ):
            with pytest.raises(TypeError, match=r"'n'.*bad") as caught:
                call()
            assert "\n" not in str(caught.value)
        with pytest.raises(TypeError, match="page"):
            log.state["page"] = value
        log.commit()
        assert log.number_of_nodes() == 1
        assert "page" not in log.state


@pytest.mark.parametrize("node", [None, 1.5, (1, 2), True, b"x", 2**64], ids=repr)
def test_ids_are_text_or_integers(path, node):
    with snaplog.open(path) as log:
        for call in (lambda: log.add_node(node), lambda: log.add_edge("a", node)):
            with pytest.raises(TypeError, match="a node's id is|does not fit"):
                call()
        assert node not in log
        assert log.number_of_nodes() == 0


def test_what_is_too_large_is_told_by_the_call_itself(path):
    with snaplog.open(path) as log:
        with pytest.raises(snaplog.RefusedError, match="at most"):
            log.add_node("x" * 20_000)
        with pytest.raises(snaplog.RefusedError, match="at most"):
            log.add_node("n", text="x" * 5_000_000)
        with pytest.raises(snaplog.RefusedError, match="at most"):
            log.add_node("n", **{"x" * 5000: 1})
        assert log.number_of_nodes() == 0


def test_what_is_not_there_cannot_be_removed(path):
    with snaplog.open(path) as log:
        log.add_edge("a", "b")
        for call in (lambda: log.remove_node("x"), lambda: log.remove_edge("b", "a")):
            with pytest.raises(snaplog.RefusedError, match="not in the graph"):
                call()
        with pytest.raises(KeyError):
            log.node_attrs("x")
        with pytest.raises(KeyError):
            log.edge_attrs("b", "a")
        log.remove_nodes_from(["x", "b"])
        log.remove_edges_from([("a", "b")])
        assert (log.number_of_nodes(), log.number_of_edges()) == (1, 0)


def test_state_reads_as_it_was_written(path):
    with snaplog.open(path) as log:
        log.state["page"] = 1
        log.state["page"] = 2
        queue = log.state.map("queue")
        queue.update({"a": 1, 7: {"depth": 2}})
        assert dict(log.state) == {"page": 2}
        assert dict(queue) == {"a": 1, 7: {"depth": 2}}
        assert ("a" in queue, "7" in queue, 7 in queue, len(queue)) == (True, False, True, 2)
        del queue["a"]
        with pytest.raises(KeyError):
            del queue["a"]
        with pytest.raises(KeyError):
            log.state["nothing"]
        with pytest.raises(snaplog.RefusedError, match="map"):
            log.state["queue"] = 1
        assert log.state.maps() == ["queue"]
        assert log.state.get("nothing", 5) == 5
    with snaplog.open(path) as log:
        assert dict(log.state.map("queue")) == {7: {"depth": 2}}


def test_sync_writes_what_is_new_and_with_remove_what_is_gone(path):
    G = nx.DiGraph()
    G.add_edges_from([("a", "b", {"w": 1}), ("b", "c"), ("c", "a")])
    G.graph["name"] = "g"
    with snaplog.open(path) as log:
        assert log.sync(G) == snaplog.SyncReport(7, 0)
        assert log.sync(G) == snaplog.SyncReport(0, 7)
        G.add_edge("a", "d", w=2)
        G.edges["a", "b"]["w"] = 3
        del G.graph["name"]
        G.remove_node("c")
        assert log.sync(G).events_written == 3
        assert "c" in log
        assert log.sync(G, remove=True).events_written == 2
        assert nx.utils.graphs_equal(log.to_networkx(), G)
        del G.edges["a", "b"]["w"]
        G.nodes["a"]["x"] = 1
        log.sync(G)
        del G.nodes["a"]["x"]
        log.sync(G, remove=True)
        assert nx.utils.graphs_equal(log.to_networkx(), G)
        with pytest.raises(snaplog.RefusedError, match="kind"):
            log.sync(nx.Graph())
        view = G.subgraph(["a", "b"])
        log.sync(view, remove=True)
        assert nx.utils.graphs_equal(log.to_networkx(), nx.DiGraph(view))


@pytest.mark.parametrize("kind", [nx.Graph, nx.MultiGraph, nx.MultiDiGraph])
def test_sync_of_the_other_kinds(path, kind):
    G = kind(nx.gnm_random_graph(40, 200, seed=3, directed=kind().is_directed()))
    G.add_edge(1, 1, x=1)
    with snaplog.open(path, directed=G.is_directed(), multigraph=G.is_multigraph()) as log:
        written = log.sync(G)
        assert written == snaplog.SyncReport(len(G) + G.size(), 0)
        G.remove_edges_from(list(G.edges)[::3])
        G.remove_node(5)
        log.sync(G, remove=True)
        assert nx.utils.graphs_equal(log.to_networkx(), G)


def test_a_restored_graph_can_be_synced_again(path):
    with snaplog.open(path) as log:
        log.add_edge("a", "b")
        log.mark()
    G = snaplog.restore(path)
    with snaplog.open(path) as log:
        assert log.sync(G, remove=True) == snaplog.SyncReport(0, 3)


def test_a_batch_is_kept_whole_or_not_at_all(path):
    with snaplog.open(path) as log:
        with log.batch():
            log.add_edge("a", "b")
            log.state["page"] = 1
            assert "a" not in log
            with pytest.raises(snaplog.RefusedError, match="batch"):
                log.commit()
        assert log.state["page"] == 1
        with pytest.raises(ZeroDivisionError), log.batch():
            log.add_node("c")
            raise ZeroDivisionError
        with pytest.raises(snaplog.RefusedError, match="not in the graph"), log.batch():
            log.add_node("d")
            log.remove_node("nobody")
        with log.batch(), pytest.raises(snaplog.RefusedError, match="already"):
            log.begin_batch()
        assert list(log.to_networkx()) == ["a", "b"]


def test_threads_share_a_log(path):
    def work(thread):
        for n in range(2000):
            log.add_edge(f"{thread}", f"{thread}-{n}", n=n)
            if n % 500 == 0:
                log.commit()
                with log.batch():
                    log.add_node(f"{thread} batch {n}")
                    log.state.map("seen")[f"{thread}-{n}"] = True

    with snaplog.open(path, config={"tiers": {}}) as log:
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.mark()
    G = snaplog.restore(path)
    assert (len(G), G.size()) == (4 * (1 + 2000 + 4), 8000)
    assert len(G.graph["snaplog"].state.map("seen")) == 16
    assert snaplog.verify(path)["sound"]


def test_threads_that_look_at_graph_and_log_at_once_take_turns(path):
    """A thread that waits for the writer with the interpreter's lock in its hands would stop everything."""
    program = f"""
import threading, time, networkx as nx, snaplog

class Slow:
    def __repr__(self):
        time.sleep(0.05)  # lets the other threads run, in the middle of a sync
        return "Slow()"

log = snaplog.open({str(path)!r})
log.add_edge("a", "b")

def sync():
    for _ in range(5):
        try:
            log.sync(nx.DiGraph([("a", "b", {{"slow": Slow()}})]))
        except TypeError:
            continue
        raise SystemExit("a value that no log can hold")

def look():
    for _ in range(20):
        log.to_networkx()
        log.commit()
        time.sleep(0.01)

threads = [threading.Thread(target=work) for work in (sync, look, sync, look)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
log.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_acommit(path):
    import asyncio

    async def crawl():
        with snaplog.open(path) as log:
            log.add_node("a")
            return await log.acommit()

    assert asyncio.run(crawl()) == 1


def test_a_log_is_resumed_and_keeps_its_kind(path):
    with snaplog.open(path, directed=False) as log:
        log.add_edge("a", "b", w=1)
        log_id = log.log_id
    with snaplog.open(path) as log:
        assert (log.directed, log.multigraph, log.log_id) == (False, False, log_id)
        assert log.edge_attrs("b", "a") == {"w": 1}
    with pytest.raises(snaplog.RefusedError, match="Graph"):
        snaplog.open(path, directed=True)
    with snaplog.open(path):
        pass


def test_errors_say_what_where_and_what_next(path, tmp_path):
    with pytest.raises(snaplog.NotFoundError) as caught:
        snaplog.restore(path)
    assert caught.value.path == str(path)
    with pytest.raises(snaplog.NotFoundError):
        snaplog.open(path, create=False)
    log = snaplog.open(path)
    with pytest.raises(snaplog.LockedError, match="locked"):
        snaplog.open(path)
    log.add_edge("rain", "storm")
    log.mark(label="x")
    with pytest.raises(snaplog.NotFoundError):
        snaplog.restore(path, "no such label")
    log.close()
    log.close()
    with pytest.raises(snaplog.ClosedError, match="closed"):
        log.add_node("c")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), error.path, error.kind) == (snaplog.NotFoundError, str(path), "not-a-log")
    segment = path / "events-000001"
    data = bytearray(segment.read_bytes())
    data[data.index(b"storm")] ^= 1
    segment.write_bytes(data)
    with pytest.raises(snaplog.DamageError) as caught:
        snaplog.restore(path)
    assert caught.value.path == str(segment)
    assert caught.value.offset
    report = snaplog.verify(path)
    assert not report["sound"]
    assert report["faults"][0]["file"] == "events-000001"
    (tmp_path / "something").write_text("x")
    with pytest.raises(snaplog.Error, match="not empty"):
        snaplog.open(tmp_path)


def test_configuration_goes_into_a_new_log_and_over_an_old_one(path):
    tiers = {"tiers": {"often": {"every_nodes": 2, "keep": 3}}}
    with snaplog.open(path, durability="each", config=tiers) as log:
        for n in range(10):
            log.add_node(n)
        assert [marker.tiers for marker in log.markers()] == [("often",)] * 5
    assert "every_nodes = 2" in (path / "snaplog.toml").read_text()
    assert 'durability = "each"' in (path / "snaplog.toml").read_text()
    with snaplog.open(path, config={"tiers": {"rarely": {"every_nodes": 1000}}}) as log:
        log.add_nodes_from(range(10, 20))
        assert len(log.markers()) == 5
    assert "rarely" not in (path / "snaplog.toml").read_text()
    with pytest.raises(snaplog.Error, match="every_node"):
        snaplog.open(path, config={"tiers": {"rarely": {"every_node": 1000}}})


def test_looking_after_a_log(path):
    with snaplog.open(path, config={"tiers": {"often": {"every_nodes": 2, "keep": 3}}}) as log:
        for n in range(20):
            log.add_node(n)
        pinned = log.markers()[0]
        log.pin(pinned)
    assert len(snaplog.markers(path)) == 10
    plan = snaplog.prune(path, dry_run=True)
    assert plan["would_drop"] == ["m2", "m3", "m4", "m5", "m6", "m7"]
    assert plan["dropped"] == []
    assert snaplog.prune(path)["dropped"] == plan["would_drop"]
    assert [marker.id for marker in snaplog.markers(path, tier="often")] == ["m1", "m8", "m9", "m10"]
    assert len(snaplog.markers(path, dropped=True)) == 10
    assert snaplog.compact(path, now=True)["reclaimed"] == plan["would_drop"]
    assert snaplog.drill(path, markers="all")["good"]
    stats = snaplog.stats(path)
    assert (stats["nodes"], stats["markers"]["total"], stats["last_drill_good"]) == (20, 4, True)
    diff = snaplog.diff(path, "m1", "m8", entities=True)
    assert diff["nodes"] == {"added": 14, "removed": 0, "changed": 0}
    assert diff["entities"][0]["id"] == [2]


def test_times_of_events_and_markers_may_be_given(path):
    then = datetime.datetime(2025, 11, 13, 14, 30, 22, tzinfo=datetime.timezone.utc)
    with snaplog.open(path, config={"tiers": {}}) as log:
        log.set_time(then)
        log.add_node("a")
        log.mark(label="old")
        log.mark(label="newer", time=then + datetime.timedelta(hours=1))
        with pytest.raises(ValueError, match="time zone"):
            log.mark(time=datetime.datetime(2025, 1, 1))
    assert [marker.time for marker in snaplog.markers(path)] == [then, then + datetime.timedelta(hours=1)]
    assert snaplog.restore(path, "20251113_143022").graph["snaplog"]["label"] == "old"
