"""Ingests a whole crawl with the default tiers and maintenance on, and checks what is retained, marker by marker.

    python3 tests/oracle/retained.py debian.ndjson.zst [--binary target/release/snaplog] [--every 1]

Where the markers have to stand, and which of them the default rules keep at the end (the last 5 frequent, the last 10
moderate, every milestone, 30 dailies, always the newest 3), is worked out here, from the events alone. The log is then
compacted, with grace at its end, and verified by replay; each retained marker (or each n-th: --every n) is restored to
node-link and compared with what NetworkX makes of the same prefix of the events, in the same order. Prints the list;
exits with 1 at the first difference.

Needs networkx >= 3.4, and zstandard for a compressed file. The Debian crawl takes some minutes, most of them NetworkX's.
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
from full import read  # noqa: E402
from oracle import Follower, compare, node_link  # noqa: E402

COUNT_TIERS = {"milestone": 500, "moderate": 100, "frequent": 25}
KEEP = {"milestone": None, "moderate": 10, "frequent": 5, "daily": 30}


def schedule(lines):
    """(seq, tiers) of each marker that the default tiers place."""
    follower, seq, served, day, markers = Follower(True, False), 0, 0, "", []
    high_water = 0
    for line in lines:
        event = json.loads(line)
        written = follower.apply(event)
        seq += written
        if not written:
            continue
        high_water = max(high_water, len(follower.graph))
        crossed = [tier for tier, every in COUNT_TIERS.items() if high_water // every > served // every]
        tiers = crossed[:1]
        # The crawl's times are in UTC and ascend.
        if event["ts"][:10] != day:
            day = event["ts"][:10]
            tiers = [*tiers, "daily"]
        if tiers:
            served = high_water
            markers.append((seq, tiers))
    return markers


def retained(markers):
    """Those of them that the default rules keep."""
    keep = {seq for seq, _ in markers[-3:]}
    for tier, count in KEEP.items():
        of_tier = [seq for seq, tiers in markers if tier in tiers]
        keep.update(of_tier if count is None else of_tier[-count:])
    return sorted(keep)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events")
    parser.add_argument("--every", type=int, default=1, help="restore each n-th retained marker (default: all)")
    parser.add_argument("--binary", default=find_binary(), help="default: SNAPLOG_BIN, else what cargo built last")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        events = Path(directory) / "events.ndjson"
        events.write_bytes(read(options.events))
        snaplog = Snaplog(os.path.abspath(options.binary), Path(directory) / "log")
        run(snaplog, events, options.every)


def run(snaplog, events, every):
    """Fills the log, compares, prints."""
    snaplog("init", snaplog.log)
    began = time.monotonic()
    snaplog.json("ingest", events)
    snaplog("compact")
    snaplog("compact", "--now", "--thorough")
    size = sum(path.stat().st_size for path in snaplog.log.rglob("*") if path.is_file())
    print(f"ingested and compacted in {time.monotonic() - began:.1f} s, {size} bytes")

    lines = events.read_text("utf-8").splitlines()
    placed = schedule(lines)
    expected = retained(placed)
    markers = snaplog.json("list")["markers"]
    found = [marker["seq"] for marker in markers if marker["expired"] is None]
    assert found == expected, f"retained are {found}, the rules say {expected}"
    report = snaplog.json("verify", "--level", "replay")
    assert report["sound"] and report["markers_good"] == len(markers), report
    print(f"{len(placed)} markers were placed, {len(found)} are retained, as the rules say; verify finds all of them good\n")

    follower, seq, line = Follower(True, False), 0, 0
    for number, marker in enumerate(markers):
        while seq < marker["seq"]:
            seq += follower.apply(json.loads(lines[line]))
            line += 1
        compared = number % every == 0 or marker is markers[-1]
        if compared:
            text = snaplog("restore", "--to", marker["id"], "--format", "node-link", "--quiet")
            compare(json.loads(text), node_link(follower.graph), follower.state)
        tiers, word = ",".join(marker["tiers"]), "equal" if compared else "-"
        print(f"{marker['id']:>7} {tiers:<20} {marker['time']:<28} {marker['nodes']:>7} nodes {word}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as difference:
        print(f"different: {difference}", file=sys.stderr)
        sys.exit(1)
