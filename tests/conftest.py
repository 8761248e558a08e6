"""What the tests in Python share: the binary, and a stream of random events.

    pip install -r tests/requirements.txt
    cargo build && pytest tests
"""

import json
import os
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DEBIAN = TESTS / "data" / "debian-2000.ndjson.zst"
KINDS = [(True, False), (False, False), (True, True), (False, True)]
NAMES = {(True, False): "digraph", (False, False): "graph", (True, True): "multidigraph", (False, True): "multigraph"}

sys.path += [str(TESTS / "format"), str(TESTS / "oracle")]


class Snaplog:
    """The binary, on one log."""

    def __init__(self, binary, log):
        self.binary, self.log = binary, log

    def __call__(self, *arguments, input=None):
        """Runs a command; its standard output."""
        command = [self.binary, "-d", self.log, *map(str, arguments)]
        done = subprocess.run(command, input=input, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def json(self, *arguments, input=None):
        """Runs a command with --json; its document."""
        return json.loads(self(*arguments, "--json", input=input))

    def ingest(self, lines):
        """Appends events, given as objects."""
        return self.json("ingest", input="".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    def node_link(self, to):
        """The text of the graph at a marker or seq."""
        return self("restore", "--to", to, "--format", "node-link", "--quiet")


def find_binary():
    """SNAPLOG_BIN, else what cargo built last."""
    if "SNAPLOG_BIN" in os.environ:
        return os.environ["SNAPLOG_BIN"]
    built = [TESTS.parent / "target" / profile / "snaplog" for profile in ("debug", "release")]
    built = [path for path in built if path.exists()]
    return str(max(built, key=lambda path: path.stat().st_mtime)) if built else None


@pytest.fixture(scope="session")
def binary():
    """The binary, if it can do what these tests ask for."""
    found = find_binary()
    if found is None:
        pytest.skip("no snaplog binary: run `cargo build`, or set SNAPLOG_BIN")
    for command in ("init", "ingest", "list", "restore", "mark"):
        if subprocess.run([found, command, "--help"], capture_output=True).returncode:
            pytest.skip(f"{found} has no command {command!r}")
    return found


@pytest.fixture(scope="session")
def make_log(binary, tmp_path_factory):
    """Makes an empty log of a kind: (directed, multigraph)."""

    def make(directed=True, multigraph=False):
        log = tmp_path_factory.mktemp("log") / "log"
        options = ["--directed" if directed else "--undirected"] + ["--multigraph"] * multigraph
        subprocess.run([binary, "init", *options, log], check=True, capture_output=True)
        # What is not about retention keeps everything: each marker, and each event by itself.
        config = re.sub(r"(?m)^keep = \d+", 'keep = "all"', (log / "snaplog.toml").read_text("utf-8"))
        config = config.replace('keep_events = "1 day"', 'keep_events = "all"')
        (log / "snaplog.toml").write_text(config, "utf-8")
        return Snaplog(binary, log)

    return make


@pytest.fixture(scope="session")
def debian(make_log):
    """The log of a crawl of 2000 packages, with a labelled marker at its end."""
    snaplog = make_log()
    snaplog("ingest", DEBIAN)
    snaplog("mark", "--label", "all 2000")
    return snaplog


class Stream:
    """Random events that a graph of the kind takes, deletes and re-puts among them."""

    def __init__(self, seed, directed, multigraph, everything=False):
        """`everything`: also what only snaplog knows: entries of state, bytes, unset of the graph."""
        self.random = random.Random(seed)
        self.directed, self.multigraph, self.everything = directed, multigraph, everything
        self.ids = [*range(-3, 12), *(str(n) for n in range(12)), "ä", "緑 🟢", ""]
        self.names = ["x", "y", "weight", "größe", "", *(f"name {n}" for n in range(5))]
        self.alive, self.keys = [], {}  # nodes; pair -> keys, oldest first

    def value(self, depth=0):
        r = self.random
        plain = [None, True, False, 0, 1, -1, 250, 251, 2**40, -(2**63), 2**63 - 1, 0.5, -0.0, 1e300, "", "ü" * 90]
        kind = r.randrange(12 if depth < 3 else 9)
        if kind < 6:
            return r.choice(plain)
        if kind < 9:
            return r.choice([r.randrange(-1000, 1000), r.random(), f"text {r.randrange(100)}"])
        if kind == 9:
            return {r.choice(self.names): self.value(depth + 1) for _ in range(r.randrange(3))}
        if kind == 10 and self.everything:
            return r.choice([{"$bytes": "AAH/"}, {"$$bytes": 1}, float("nan"), float("inf")])
        return [self.value(depth + 1) for _ in range(r.randrange(4))]

    def attrs(self):
        return {self.random.choice(self.names): self.value() for _ in range(self.random.choice([0, 1, 1, 2, 4]))}

    def pair(self, src, dst):
        return (src, dst) if self.directed else tuple(sorted((src, dst), key=repr))

    def events(self, count):
        """`count` events; some change nothing, and about every 40th line asks for a marker."""
        choices = ["node"] * 6 + ["edge"] * 12 + ["del_node"] + ["del_edge"] * 4 + ["unset"] * 3 + ["graph", "state"]
        done, time = 0, datetime(2026, 1, 1, tzinfo=UTC)
        while done < count:
            event = getattr(self, self.random.choice(choices))()
            if event is None:
                continue
            done += 1
            time += timedelta(seconds=self.random.choice([0, 0, 1, 1000]))
            yield event | {"ts": time.isoformat()}
            if self.random.randrange(40) == 0:
                yield {"op": "mark", "label": f"mark {done}"}

    def born(self, *nodes):
        self.alive += [node for node in dict.fromkeys(nodes) if node not in self.alive]

    def graph(self):
        if self.everything and self.random.randrange(2):
            return {"op": "unset", "graph": True, "keys": self.random.sample(self.names, 3)}
        return {"op": "graph", "attrs": self.attrs()}

    def state(self):
        if self.everything and self.random.randrange(2):
            entry = self.random.choice(self.ids)
            return {"op": "state", "key": self.random.choice("pq"), "entry": entry, "value": self.value()}
        return {"op": "state", "key": self.random.choice("abc"), "value": self.random.choice([1, 1.0, "x", [None]])}

    def edges(self):
        return [(*pair, key) for pair, keys in self.keys.items() for key in keys]

    def pick_edge(self):
        edges = self.edges()
        if not edges:
            return None
        src, dst, key = self.random.choice(edges)
        # In an undirected graph either way round means the same edge.
        if not self.directed and self.random.randrange(2):
            src, dst = dst, src
        return src, dst, key

    def node(self):
        node = self.random.choice(self.ids)
        self.born(node)
        return {"op": "node", "id": node, "attrs": self.attrs()}

    def edge(self):
        edge = self.pick_edge() if self.random.randrange(3) == 0 else None
        src, dst = edge[:2] if edge else (self.random.choice(self.ids), self.random.choice(self.ids))
        self.born(src, dst)
        keys = self.keys.setdefault(self.pair(src, dst), [])
        event = {"op": "edge", "src": src, "dst": dst, "attrs": self.attrs()}
        if not self.multigraph:
            keys[:] = [0]
            return event
        key = self.random.choice([None, None, 0, 1, 2, "a", "1"])
        if key is not None:
            event["key"] = key
        else:
            key = len(keys)
            while key in keys:
                key += 1
        if key not in keys:
            keys.append(key)
        return event

    def del_node(self):
        if not self.alive:
            return None
        node = self.random.choice(self.alive)
        self.alive.remove(node)
        self.keys = {pair: keys for pair, keys in self.keys.items() if node not in pair}
        return {"op": "del_node", "id": node}

    def del_edge(self):
        edge = self.pick_edge()
        if edge is None:
            return None
        src, dst, key = edge
        event = {"op": "del_edge", "src": src, "dst": dst}
        keys = self.keys[self.pair(src, dst)]
        if self.multigraph and self.random.randrange(2):
            event["key"] = key
            keys.remove(key)
        else:
            keys.pop()
        if not keys:
            del self.keys[self.pair(src, dst)]
        return event

    def unset(self):
        names = self.random.sample(self.names, 4)
        edge = self.pick_edge()
        if edge and self.random.randrange(2):
            src, dst, key = edge
            event = {"op": "unset", "src": src, "dst": dst, "keys": names}
            return event | {"key": key} if self.multigraph else event
        return {"op": "unset", "id": self.random.choice(self.alive), "keys": names} if self.alive else None
