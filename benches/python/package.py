#!/usr/bin/env python3
"""What the Python package costs, beside what its users do now; each pair in one run, as ratios.

    benches/python/package.py [--nodes 100000] [--edges 500000] [--events FILE.ndjson] [--crawl 5000] [--json FILE]

The graph is synthetic (ten attributes a node, two an edge), or the end of a crawl that FILE holds. Needs the package
itself, networkx and joblib. Best of three runs; peak memory in a process of its own for each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import networkx as nx
import snaplog

HERE = Path(__file__).resolve().parent
NO_TIERS: dict[str, Any] = {"tiers": {}}
RUNS = 3


def synthetic(nodes: int, edges: int) -> nx.DiGraph:
    """A graph as a collector of sounds has it."""
    dice = random.Random(1)
    G = nx.DiGraph()
    for n in range(nodes):
        G.add_node(
            str(n),
            name=f"sound {n}",
            username=f"user {n % 1000}",
            duration=n * 0.37,
            license="by",
            pack=n % 977,
            avg_rating=4.5,
            num_downloads=n % 10007,
            created="2026-01-01T00:00:00",
            tags=["field-recording", "wet"],
            is_remix=False,
        )
    for _ in range(edges):
        G.add_edge(
            str(dice.randrange(nodes)), str(dice.randrange(nodes)), type="similar", weight=dice.random()
        )
    return G


def crawled(file: str) -> nx.DiGraph:
    """The graph at the end of a crawl's events."""
    G = nx.DiGraph()
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["op"] == "node":
                G.add_node(event["id"], **event.get("attrs", {}))
            elif event["op"] == "edge":
                G.add_edge(event["src"], event["dst"], **event.get("attrs", {}))
    return G


@contextmanager
def directory() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="snaplog-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def best(work: Callable[[], Any], runs: int = RUNS) -> float:
    """The seconds that the fastest run took."""
    times = []
    for _ in range(runs):
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return min(times)


class Table:
    """Rows: what, our seconds, theirs, theirs over ours."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def row(self, what: str, ours: float, than: str, theirs: float) -> None:
        """Keeps and shows a row."""
        ratio = theirs / ours
        self.rows.append({"what": what, "ours": ours, "than": than, "theirs": theirs, "ratio": ratio})
        print(f"{what:42} {ours:10.4f} s   {than:34} {theirs:10.4f} s   {ratio:9.2f} x", flush=True)


def adding(G: nx.DiGraph, table: Table) -> None:
    """add_node and add_edge, through the log, through a logged graph, and without either."""
    nodes, edges = list(G.nodes(data=True)), list(G.edges(data=True))

    def fill(graph: Any) -> Callable[[], tuple[float, float]]:
        def work() -> tuple[float, float]:
            a = time.perf_counter()
            for node, attrs in nodes:
                graph.add_node(node, **attrs)
            b = time.perf_counter()
            for u, v, attrs in edges:
                graph.add_edge(u, v, **attrs)
            return b - a, time.perf_counter() - b

        return work

    plain = [fill(nx.DiGraph())() for _ in range(RUNS)]
    kinds: dict[str, list[tuple[float, float]]] = {"Log": [], "LoggedDiGraph": []}
    for _ in range(RUNS):
        for name, runs in kinds.items():
            with directory() as path, snaplog.open(path / "log", config=NO_TIERS) as log:
                graph = log if name == "Log" else snaplog.LoggedDiGraph(log=log)
                runs.append(fill(graph)())
                log.flush()
    for name, runs in kinds.items():
        for at, call in enumerate(("add_node", "add_edge")):
            theirs = min(run[at] for run in plain)
            table.row(f"{name}.{call}, all", min(run[at] for run in runs), f"networkx {call}", theirs)


def dumps(G: nx.DiGraph, path: Path) -> dict[str, Callable[[], Any]]:
    """The ways in which whole graphs are saved."""

    def pickled() -> None:
        with open(path / "p", "wb") as file:
            pickle.dump(G, file, 5)

    def zipped() -> None:
        with gzip.open(path / "p.gz", "wb") as file:
            pickle.dump(G, file, 5)

    def node_link() -> None:
        with open(path / "nl.json", "w", encoding="utf-8") as file:
            json.dump(nx.node_link_data(G, edges="edges"), file)

    return {
        "pickle.dump": pickled,
        "pickle + gzip": zipped,
        "joblib compress=3": lambda: joblib.dump(G, path / "j", compress=3),
        "node-link JSON": node_link,
    }


def saving(G: nx.DiGraph, table: Table) -> None:
    """Sync and marks against saving the whole graph; restore against loading it."""
    with directory() as path, snaplog.open(path / "log", config=NO_TIERS) as log:
        theirs = {
            name: best(work, RUNS if name == "pickle.dump" else 1) for name, work in dumps(G, path).items()
        }
        log.sync(G)
        log.commit()
        some = list(G)[:: max(1, len(G) // 1000)]
        count = 0

        def changed(changes: int) -> Callable[[], None]:
            def work() -> None:
                nonlocal count
                for node in some[:changes]:
                    count += 1
                    G.nodes[node]["seen"] = count
                log.sync(G)
                log.commit()

            return work

        for changes in (0, 25, 1000):
            seconds = best(changed(changes))
            for name, other in theirs.items():
                table.row(f"sync(G), {changes} changes", seconds, name, other)

        def explicit() -> None:
            nonlocal count
            for node in some[:25]:
                count += 1
                log.put_node(node, {"seen": count})
            log.mark()

        table.row("25 puts and a mark", best(explicit, 10), "pickle.dump", theirs["pickle.dump"])
        logged = snaplog.LoggedDiGraph(log=log)

        def through_the_graph() -> None:
            nonlocal count
            for node in some[:25]:
                count += 1
                logged.nodes[node]["seen"] = count
            log.mark()

        table.row(
            "25 changes of a logged graph and a mark",
            best(through_the_graph, 10),
            "pickle.dump",
            theirs["pickle.dump"],
        )
        log.mark()
        log.close()

        def load() -> None:
            with open(path / "p", "rb") as file:
                pickle.load(file)

        table.row("restore", best(lambda: snaplog.restore(path / "log")), "pickle.load", best(load))


def memory(table: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """The most memory that each way takes beyond what is there before it, in a process of its own."""
    print()
    for what in ("pickle.dump", "joblib compress=3", "sync", "pickle.load", "restore"):
        command = [
            sys.executable,
            __file__,
            "--peak",
            what,
            "--nodes",
            str(args.nodes),
            "--edges",
            str(args.edges),
        ]
        if args.events:
            command += ["--events", args.events]
        peak = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        table.append({"what": what, "peak_bytes": peak})
        print(f"peak memory, {what:20} {peak / 1e6:10.1f} MB", flush=True)


# Linux: the most that a process held since it began, or since `5` was written to clear_refs (proc(5)).
PEAK = """
import pathlib, pickle, snaplog, networkx
def of(what):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = of("VmRSS")
"""


def peak(what: str, G: nx.DiGraph) -> None:
    """Does one thing and says what memory it took at most."""
    with directory() as path:
        ways = dumps(G, path)
        log = snaplog.open(path / "log", config=NO_TIERS)
        known: dict[str, Any] = {"path": path}
        if what in ("restore", "pickle.load"):
            ways["pickle.dump"]()
            log.sync(G)
            log.mark()
            log.close()
            work = {
                "restore": f"made = snaplog.restore({str(path / 'log')!r})",
                "pickle.load": f"made = pickle.load(open({str(path / 'p')!r}, 'rb'))",
            }[what]
            code = f"{PEAK}\n{work}\nprint(of('VmHWM') - before)"
            subprocess.run([sys.executable, "-c", code], check=True)
            return
        exec(PEAK, known)
        if what == "sync":
            log.sync(G)
        else:
            ways[what]()
        print(known["of"]("VmHWM") - known["before"])
        log.close()


def crawl(events: str | None, nodes: int, G: nx.DiGraph, table: Table) -> None:
    """All checkpoints of a crawl: ours at each tier's marker, and the old way in both of its modes."""
    print()
    with directory() as path:
        lines = path / "events.ndjson"
        if events:
            shutil.copy(events, lines)
        else:
            write_events(G, lines, nodes)
        before = time.perf_counter()
        ours(lines, path / "log", nodes)
        seconds = time.perf_counter() - before
        kept = sum(file.stat().st_size for file in (path / "log").rglob("*") if file.is_file())
        print(f"{nodes} nodes, our checkpoints: {seconds:.2f} s with reading the events, {kept / 1e6:.2f} MB")
        for mode in ([], ["--whole"]):
            command = [sys.executable, str(HERE.parent / "old_way.py"), str(lines), "--upto", str(nodes)]
            command += ["--dir", str(path / f"old{len(mode)}"), *mode]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            old = json.loads(done.stdout)
            name = "old way, all pickled" if mode else "old way, attributes in SQLite"
            table.row("the whole crawl", seconds, name, sum(old["seconds"].values()))
            print(
                f"{'':42} {kept / 1e6:10.2f} MB  {name:34} {old['bytes_written_total'] / 1e6:10.2f} MB written"
            )


def write_events(G: nx.DiGraph, file: Path, nodes: int) -> None:
    """The graph as a crawl would have found it: each node, then its edges to those that are there."""
    with open(file, "w", encoding="utf-8") as out:
        for n, (node, attrs) in enumerate(G.nodes(data=True)):
            if n > nodes:
                break
            ts = f"2026-01-{1 + n * 20 // nodes:02}T00:00:00+00:00"
            print(json.dumps({"op": "node", "id": node, "attrs": attrs, "ts": ts}), file=out)
            for _, v, data in G.out_edges(node, data=True):
                if int(v) < n:
                    print(
                        json.dumps({"op": "edge", "src": node, "dst": v, "attrs": data, "ts": ts}), file=out
                    )


def ours(events: Path, path: Path, nodes: int) -> None:
    """What a collector does: a logged graph, and markers as the tiers say."""
    with snaplog.open(path) as log, open(events, encoding="utf-8") as lines:
        G = snaplog.LoggedDiGraph(log=log)
        for line in lines:
            event = json.loads(line)
            if event["op"] == "node":
                G.add_node(event["id"], **event.get("attrs", {}))
            else:
                G.add_edge(event["src"], event["dst"], **event.get("attrs", {}))
            if len(G) >= nodes:
                break


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--edges", type=int, default=500_000)
    parser.add_argument("--events", help="an NDJSON file of a crawl, in place of the synthetic graph")
    parser.add_argument(
        "--crawl", type=int, default=5000, help="nodes of the crawl whose checkpoints are compared"
    )
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    args = parser.parse_args()
    G = crawled(args.events) if args.events else synthetic(args.nodes, args.edges)
    if args.peak:
        peak(args.peak, G)
        return
    print(
        f"{len(G)} nodes, {G.number_of_edges()} edges; Python {sys.version.split()[0]}, {os.cpu_count()} processors\n"
    )
    table, peaks = Table(), []
    adding(G, table)
    saving(G, table)
    memory(peaks, args)
    crawl(args.events, args.crawl, G, table)
    if args.json:
        Path(args.json).write_text(
            json.dumps({"times": table.rows, "memory": peaks}, indent=2), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
