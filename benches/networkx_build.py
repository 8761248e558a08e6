#!/usr/bin/env python3
"""What a collector without persistence does: json.loads and add_node or add_edge for each line of NDJSON.

    networkx_build.py FILE

Prints the graph's size and NetworkX's version. benches/ingest.py runs it in a process of its own.
"""

import json
import sys

import networkx as nx

graph = nx.DiGraph()
for line in open(sys.argv[1], "rb"):
    event = json.loads(line)
    if event["op"] == "node":
        graph.add_node(event["id"], **event.get("attrs", {}))
    elif event["op"] == "edge":
        graph.add_edge(event["src"], event["dst"], **event.get("attrs", {}))
print(json.dumps({"nodes": len(graph), "edges": graph.number_of_edges(), "networkx": nx.__version__}))
