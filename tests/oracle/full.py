"""Restores a whole crawl at many markers, and holds each against NetworkX.

    python3 tests/oracle/full.py debian.ndjson.zst [--markers 12] [--binary target/release/snaplog]

Takes a file of events as NDJSON, plain or compressed with zstd, for a directed graph. It makes a log in a temporary
directory, ingests the file with the default tiers, places a labelled marker at the end, and chooses markers: by latest,
tier, label, timestamp, id and seq, the rest spread over the whole log. For each it restores to node-link and asserts that
nodes, edges, attributes and collector state are what NetworkX makes of the same prefix of the events, in the same order;
which prefix belongs to a seq is found without snaplog (`oracle.follow`). The last one is compared with what the
reference script `nx_oracle.py` prints, too. Prints a table; exits with 1 at the first difference.

Needs networkx >= 3.4, and zstandard for a compressed file. The whole Debian crawl takes a few minutes, most of them
NetworkX's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent)]

from conftest import Snaplog, find_binary  # noqa: E402
from oracle import Follower, ask, compare, node_link  # noqa: E402


def read(path):
    """The bytes of a file, unpacked."""
    data = Path(path).read_bytes()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            data = stream.read()
    return data


def choose(markers, count):
    """(arguments to restore, how, marker): at least `count` different markers, oldest first."""
    chosen = {}

    def add(how, arguments, marker):
        chosen.setdefault(marker["id"], (arguments, how, marker))

    add("label", ["--to", "the end"], markers[-1])
    add("latest~1", ["--to", "latest~1"], markers[-2])
    for tier in dict.fromkeys(tier for marker in markers for tier in marker["tiers"]):
        last = [marker for marker in markers if tier in marker["tiers"]][-1]
        add(f"tier {tier}", ["--to", "latest", "--tier", tier], last)
    for part in (5, 3, 2):
        moment = markers[len(markers) // part]["time"]
        add("time", ["--to", moment], [marker for marker in markers if marker["time"] <= moment][-1])
    step = max(len(markers) // count, 1)
    for number, marker in enumerate(markers[step // 2 :: step]):
        by_seq = number % 3 == 0
        add("seq" if by_seq else "id", ["--to", f"seq:{marker['seq']}" if by_seq else marker["id"]], marker)
    return sorted(chosen.values(), key=lambda choice: choice[2]["seq"])


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events")
    parser.add_argument("--markers", type=int, default=12, help="at least so many (default: 12)")
    parser.add_argument("--binary", default=find_binary(), help="default: SNAPLOG_BIN, else what cargo built last")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        events = Path(directory) / "events.ndjson"
        events.write_bytes(read(options.events))
        snaplog = Snaplog(os.path.abspath(options.binary), Path(directory) / "log")
        run(snaplog, events, options.markers)


def run(snaplog, events, count):
    """Fills the log, compares, prints."""
    snaplog("init", snaplog.log)
    began = time.monotonic()
    report = snaplog.json("ingest", events)
    snaplog("mark", "--label", "the end")
    size = sum(path.stat().st_size for path in snaplog.log.iterdir() if path.is_file())
    seconds = time.monotonic() - began
    print(f"{report['events_written']} of {report['events_read']} events written in {seconds:.1f} s, {size} bytes")
    markers = snaplog.json("list")["markers"]
    chosen = choose(markers, count)
    print(f"{len(markers)} markers, {len(chosen)} restored\n")
    print(f"{'marker':>7} {'chosen by':<16} {'seq':>8} {'line':>8} {'nodes':>7} {'edges':>8} {'restore s':>9}  as NetworkX")

    lines = events.read_text("utf-8").splitlines()
    follower, seq, line = Follower(True, False), 0, 0
    for arguments, how, marker in chosen:
        while seq < marker["seq"]:
            seq += follower.apply(json.loads(lines[line]))
            line += 1
        began = time.monotonic()
        text = snaplog("restore", *arguments, "--format", "node-link", "--quiet")
        seconds = time.monotonic() - began
        expected = node_link(follower.graph)
        state = follower.state
        compare(json.loads(text), expected, state)
        if marker is chosen[-1][2]:
            assert ask(events, line) == expected, "the reference script sees another graph"
        nodes, edges = len(expected["nodes"]), len(expected["edges"])
        assert (nodes, edges) == (marker["nodes"], marker["edges"])
        print(f"{marker['id']:>7} {how:<16} {seq:>8} {line:>8} {nodes:>7} {edges:>8} {seconds:>9.2f}  equal", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as difference:
        print(f"different: {difference}", file=sys.stderr)
        sys.exit(1)
