#!/usr/bin/env python3
"""The old way (benches/old_way.py: a pickled graph at every 25th node, copied into tiers) against `snaplog ingest`.

    benches/old_way_compare.py --data debian.ndjson [--patience 600] [--at 50000] [--snaplog PATH] [--dir DIR] [--json FILE]

Both get the first 1,000, 4,000, 16,000 … nodes of the same crawl, and keep the same tiers: each multiple of 25, 100 and 500
nodes (snaplog keeps one marker a day besides). The old way grows with the square of the nodes, so its sizes go only as far
as --patience reaches, in seconds for both of its modes together (the first two always run). Beyond them, up to --at nodes,
a law a·n² + b·n is put through the last two that were measured, and each figure that comes from it says so. snaplog is
measured at every size.

- time: of the whole process, from start to end, reading the events included;
- written: bytes handed to write calls, by wchar of /proc/PID/io; copies by the kernel count in it, the page cache does not
  matter;
- kept: bytes of all files at the end. snaplog's trash counts, where files stay for a day after they were replaced; so a
  second figure is what is left after `snaplog compact --now --thorough`.

One run each: what is compared differs by far more than runs do. The Python that runs this needs networkx.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from common import square_law
from common.measure import Lines, add_common_arguments, run, tree_bytes

HERE = Path(__file__).resolve().parent
FIRST, STEP = 1_000, 4
OURS = "snaplog ingest"
MODES = {"old way, attributes in SQLite": [], "old way, all pickled": ["--whole"]}
UNITS = {"time": "s", "written": "MB", "kept": "MB"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--patience", type=float, default=600, metavar="SECONDS", help="for the old way, in all")
    parser.add_argument("--at", type=int, default=50_000, metavar="NODES", help="extrapolate up to here")
    options = parser.parse_args()
    lines = Lines("old-way", options.json)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        compare(options, Path(folder), lines)


def compare(options, folder, lines):
    """Measures size by size; what patience does not reach comes from the law."""
    left, measured = options.patience, {mode: {} for mode in MODES}
    for size in sizes(options.at):
        data = folder / "crawl.ndjson"
        nodes = cut(options.data, data, size)
        if nodes < size:
            print(f"the crawl has {nodes:,} nodes, so that is where it ends")
        figures, compacted = ours(options.snaplog, data, folder / "log")
        note(lines, OURS, nodes, figures)
        lines.add("kept", f"{OURS}, compacted", nodes, "MB", [compacted], "grace is over, all merged that can be")
        expected = sum(expect(points, nodes) for points in measured.values())
        for mode, points in measured.items():
            if expected <= left or len(points) < 2:
                points[nodes] = old_way(data, folder / "old", MODES[mode])
                left -= points[nodes]["time"]
                note(lines, mode, nodes, points[nodes])
            elif points:
                extrapolate(lines, mode, nodes, points)
        if nodes < size:
            break


def sizes(last):
    """1,000, 4,000, 16,000 … and the last."""
    size = FIRST
    while size < last:
        yield size
        size *= STEP
    yield last


def cut(source, target, nodes):
    """Copies the events up to the one that brings so many nodes, as old_way.py's --upto does; how many nodes there are."""
    ids = set()
    with open(source, "rb") as given, open(target, "wb") as taken:
        for line in given:
            event = json.loads(line)
            ids.update(event[name] for name in ("id", "src", "dst") if name in event)
            taken.write(line)
            if len(ids) >= nodes:
                break
    return len(ids)


def ours(snaplog, data, log):
    """A new log with the default tiers, and maintenance as it comes; and what is left of it when grace is over."""
    run([snaplog, "init", log])
    done = run([snaplog, "-d", log, "--quiet", "--no-progress", "ingest", data])
    figures = taken(done, log)
    # The first drops and folds, the second ends the grace of what the first one dropped.
    for _ in range(2):
        run([snaplog, "-d", log, "--quiet", "compact", "--now", "--thorough"])
    compacted = tree_bytes(log) / 1e6
    shutil.rmtree(log)
    return figures, compacted


def old_way(data, folder, mode):
    """The old way in one of its modes."""
    done = run([sys.executable, HERE / "old_way.py", data, "--dir", folder, *mode])
    figures = taken(done, folder)
    shutil.rmtree(folder)
    return figures


def taken(done, folder):
    """The figures of a run."""
    return {"time": done.seconds, "written": done.written / 1e6, "kept": tree_bytes(folder) / 1e6}


def expect(points, nodes):
    """How long the old way will take, by the square law; nobody knows of the first size."""
    return square_law.at(square_law.fit(column(points, "time")), nodes) if points else 0


def extrapolate(lines, mode, nodes, points):
    """Figures that were not measured, and say so."""
    for case, unit in UNITS.items():
        known = column(points, case)
        came_from = " and ".join(f"{n:,}" for n, _ in known[-2:])
        text = f"extrapolated: a·n² + b·n through {came_from} nodes"
        if (times := square_law.held_out(known)) is not None:
            text += f"; of {known[-1][0]:,} the smaller ones foretold {times:.2f} times what was measured"
        lines.add(case, mode, nodes, unit, [square_law.at(square_law.fit(known), nodes)], text)


def column(points, case):
    """(nodes, figure) of each size that was measured."""
    return [(nodes, figures[case]) for nodes, figures in points.items()]


def note(lines, subject, nodes, figures):
    """Measured figures."""
    for case, unit in UNITS.items():
        lines.add(case, subject, nodes, unit, [figures[case]])


if __name__ == "__main__":
    main()
