#!/usr/bin/env python3
# Origin: the project's reference script `nx-oracle`, copied as it was handed to the project, this comment aside. It is what a
# restore is held against, so it is not changed to fit: what it does not know (entries of state; unset of the graph, or of one of parallel edges)
# the streams of events for it leave out.
"""What NetworkX makes of a stream of graph events: the independent oracle for every restore.

    nx-oracle events.ndjson [--upto N] [--multigraph] [--undirected] [-o graph.json]

Replays the first N events (all if left out) into a NetworkX graph by add_node, add_edge, remove_node, remove_edge and prints, or writes to -o, its
node-link JSON (edges under "edges"), nodes and neighbours in NetworkX's own order. The counts go to standard error. Needs networkx >= 3.4.
Operations: node, edge, del_node, del_edge, unset (drop attributes: {"op":"unset","id"|"src","dst","keys":[…]}), graph, state, mark.
"""
import argparse, json, sys
import networkx as nx

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("file", help="NDJSON events, - for standard input")
p.add_argument("--upto", type=int)
p.add_argument("--multigraph", action="store_true")
p.add_argument("--undirected", action="store_true")
p.add_argument("-o", "--output")
o = p.parse_args()
kind = {(False, False): nx.DiGraph, (True, False): nx.MultiDiGraph, (False, True): nx.Graph, (True, True): nx.MultiGraph}
g = kind[o.multigraph, o.undirected]()
state = {}
for n, line in enumerate(sys.stdin if o.file == "-" else open(o.file, encoding="utf-8")):
    if o.upto is not None and n >= o.upto:
        break
    e = json.loads(line)
    op, a = e["op"], e.get("attrs", {})
    key = {"key": e["key"]} if o.multigraph and "key" in e and op in ("edge", "del_edge") else {}
    if op == "node":
        g.add_node(e["id"], **a)
    elif op == "edge":
        g.add_edge(e["src"], e["dst"], **key, **a)
    elif op == "del_node":
        g.remove_node(e["id"])
    elif op == "del_edge":
        g.remove_edge(e["src"], e["dst"], **key)
    elif op == "unset":
        d = g.nodes[e["id"]] if "id" in e else g.edges[(e["src"], e["dst"], *key.values())]
        for k in e["keys"]:
            d.pop(k, None)
    elif op == "graph":
        g.graph.update(a)
    elif op == "state":
        state[e["key"]] = e["value"]
print(f"{g.number_of_nodes()} nodes, {g.number_of_edges()} edges", file=sys.stderr)
out = open(o.output, "w", encoding="utf-8") if o.output else sys.stdout
json.dump(nx.node_link_data(g, edges="edges"), out, ensure_ascii=False)
