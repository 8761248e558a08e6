"""What NetworkX makes of events, and how a restore is compared with it. Knows nothing of snaplog's code.

`nx_oracle.py` is asked for the graph after a number of lines of input. A log counts the events that it wrote: an event
that changes nothing has no seq. Which ones those are, `follow` finds out by itself, on NetworkX graphs.
"""

import json
import subprocess
import sys
from pathlib import Path

import networkx as nx

SCRIPT = Path(__file__).parent / "nx_oracle.py"
OWN = ("snaplog", "snaplog_state", "snaplog_state_maps")


def canonical(value):
    """A text that is the same for equal values: 1, 1.0 and true differ, the order of attributes does not count."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def new_graph(directed, multigraph):
    """An empty graph of a kind."""
    kinds = {(True, False): nx.DiGraph, (False, False): nx.Graph, (True, True): nx.MultiDiGraph, (False, True): nx.MultiGraph}
    return kinds[directed, multigraph]()


def merges(attributes, more):
    """Whether merging `more` changes `attributes`."""
    return any(name not in attributes or canonical(attributes[name]) != canonical(more[name]) for name in more)


class Follower:
    """Applies events, and says of each whether it changes anything."""

    def __init__(self, directed, multigraph):
        self.graph, self.multigraph, self.state = new_graph(directed, multigraph), multigraph, {}

    def edge(self, event):
        """The edge that an event speaks of: the arguments to NetworkX, and its attributes if it is there."""
        key = {"key": event["key"]} if self.multigraph and event.get("key") is not None else {}
        ends = event["src"], event["dst"]
        there = self.graph.has_edge(*ends, **key) and (key or not self.multigraph)
        return ends, key, self.graph.edges[(*ends, *key.values())] if there else None

    def apply(self, event):
        """Applies an event. True if it changes anything."""
        return getattr(self, "op_" + event["op"])(event)

    def op_node(self, event):
        more, node = event.get("attrs", {}), event["id"]
        changes = node not in self.graph or merges(self.graph.nodes[node], more)
        self.graph.add_node(node, **more)
        return changes

    def op_edge(self, event):
        more = event.get("attrs", {})
        ends, key, there = self.edge(event)
        changes = there is None or merges(there, more)
        self.graph.add_edge(*ends, **key, **more)
        return changes

    def op_del_node(self, event):
        self.graph.remove_node(event["id"])
        return True

    def op_del_edge(self, event):
        ends, key, _ = self.edge(event)
        self.graph.remove_edge(*ends, **key)
        return True

    def op_unset(self, event):
        attributes = self.graph.nodes[event["id"]] if "id" in event else self.edge(event)[2]
        there = [name for name in event["keys"] if name in attributes]
        for name in there:
            del attributes[name]
        return bool(there)

    def op_graph(self, event):
        changes = merges(self.graph.graph, event.get("attrs", {}))
        self.graph.graph.update(event.get("attrs", {}))
        return changes

    def op_state(self, event):
        changes = merges(self.state, {event["key"]: event["value"]})
        # A new dict, so that whoever has the old one keeps it.
        self.state = self.state | {event["key"]: event["value"]}
        return changes

    def op_mark(self, event):
        return False


def replay(lines, directed=True, multigraph=False):
    """The graph after lines."""
    follower = Follower(directed, multigraph)
    for line in lines:
        follower.apply(json.loads(line))
    return follower.graph


def follow(lines, directed=True, multigraph=False):
    """For each seq from 0 on: how many lines lead there, and the collector's state there. And the seq of each label."""
    follower = Follower(directed, multigraph)
    at, marks = [(0, {})], {}
    for number, line in enumerate(lines, 1):
        event = json.loads(line)
        if event["op"] == "mark":
            marks[event["label"]] = len(at) - 1
        if follower.apply(event):
            at.append((number, follower.state))
    return at, marks


def node_link(graph):
    """The document that NetworkX makes of a graph, as it looks after a file."""
    return json.loads(json.dumps(nx.node_link_data(graph, edges="edges")))


def ask(path, upto, directed=True, multigraph=False):
    """What the reference script makes of the first `upto` lines of a file."""
    options = ["--multigraph"] * multigraph + ["--undirected"] * (not directed)
    command = [sys.executable, SCRIPT, path, "--upto", str(upto), *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout)


def orders(document):
    """Nodes, and each node's neighbours with keys, in NetworkX's order, as a restored graph has them."""
    graph = nx.node_link_graph(document, edges="edges")
    return list(graph), {node: canonical_neighbours(graph, node) for node in graph}


def canonical_neighbours(graph, node):
    """A node's neighbours in order; in a multigraph with the keys of its edges."""
    return [(other, list(edges) if graph.is_multigraph() else None) for other, edges in graph.adj[node].items()]


def compare(restored, expected, state):
    """Asserts that a restored node-link document is NetworkX's: order included, but for that of attributes."""
    own = {name: restored["graph"].pop(name, None) for name in OWN}
    assert canonical(own["snaplog_state"] or {}) == canonical(state)
    assert own["snaplog_state_maps"] is None
    assert restored.keys() == expected.keys()
    for part in ("directed", "multigraph", "graph"):
        assert canonical(restored[part]) == canonical(expected[part]), part
    for part in ("nodes", "edges"):
        assert len(restored[part]) == len(expected[part]), part
        for at, (ours, theirs) in enumerate(zip(restored[part], expected[part], strict=True)):
            assert canonical(ours) == canonical(theirs), f"{part}[{at}]"
    if expected["directed"]:
        assert orders(restored) == orders(expected)


def compare_orders(found, expected):
    """Asserts that a graph has the other's order, that of predecessors too."""
    assert list(found) == list(expected)
    for node in expected:
        assert canonical_neighbours(found, node) == canonical_neighbours(expected, node), node
        if expected.is_directed():
            assert list(found.pred[node]) == list(expected.pred[node]), node
    assert canonical(node_link(found)) == canonical(node_link(expected))
