#!/usr/bin/env python3
"""Reading a crawl in, getting it out again, and verifying it, each beside something that does less.

    benches/ingest.py --data crawl.ndjson [--snaplog PATH] [--lines N] [--rounds 5] [--dir DIR] [--json FILE]

- ingest: `snaplog ingest` (default tiers; without maintenance at its end; without markers too) against Python's json with
  a NetworkX DiGraph, which keeps nothing, and against bare JSON readers (benches/json_parse.rs), which build nothing;
- restore: the newest marker to NDJSON and to node-link JSON, in bytes of output;
- verify: each level, against a CRC-32 of the same files.

Every run is a process of its own; time and peak memory are taken from outside, round by round in turn. The Python that
runs this needs networkx.
"""

import argparse
import itertools
import json
import shutil
import sys
import tempfile
from pathlib import Path

from common.measure import Lines, add_common_arguments, json_parse, run

HERE = Path(__file__).resolve().parent
NO_TIERS = "[tiers]\n"
READERS = ("sonic-rs", "serde_json")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("--lines", type=int, help="only the first N lines of the file")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        folder = Path(folder)
        data, count = cut(options.data, folder / "crawl.ndjson", options.lines)
        log = ingest(data, count, folder, options)
        restore(log, count, folder, options)
        verify(log, count, options)


def cut(source, target, lines):
    """Copies the first lines of a file, or all; so it is in the page cache too. The copy, and how many they are."""
    count = 0
    with open(source, "rb") as given, open(target, "wb") as taken:
        for line in itertools.islice(given, lines):
            taken.write(line)
            count += 1
    return target, count


def ingest(data, count, folder, options):
    """Reads the file in with everybody in turn. Returns the last log with default tiers."""
    reader = json_parse()
    python = [sys.executable, HERE / "networkx_build.py", data]
    networkx = f"json + NetworkX {json.loads(run(python).output)['networkx']}"
    tiers, other = folder / "tiers", folder / "other"

    def fresh(log, *more, config=None):
        shutil.rmtree(log, ignore_errors=True)
        run([options.snaplog, "init", log])
        if config:
            (log / "snaplog.toml").write_text(config, "utf-8")
        return [options.snaplog, "-d", log, "--quiet", "--no-progress", "ingest", *more, data]

    subjects = {
        "snaplog ingest": lambda: fresh(tiers),
        "snaplog ingest --no-compact": lambda: fresh(other, "--no-compact"),
        "snaplog ingest --no-compact, no tiers": lambda: fresh(other, "--no-compact", config=NO_TIERS),
        networkx: lambda: python,
        **{name: lambda name=name: [reader, name, data] for name in READERS},
    }
    runs = {subject: [] for subject in subjects}
    for _ in range(options.rounds):
        for subject, command in subjects.items():
            runs[subject].append(run(command()))
    lines, size = Lines("ingest", options.json), data.stat().st_size
    for subject, rounds in runs.items():
        note = {networkx: "keeps nothing"}.get(subject, "builds nothing" if subject in READERS else "")
        lines.add("events", subject, count, "events/s", [count / r.seconds for r in rounds], note)
        lines.add("input", subject, count, "MB/s", [size / 1e6 / r.seconds for r in rounds], note)
        lines.add_peaks(subject, count, rounds, note)
    return tiers


def restore(log, count, folder, options):
    """Restores the newest marker in both formats."""
    run([options.snaplog, "-d", log, "--quiet", "mark", "--label", "all of it"])
    lines = Lines("restore", options.json)
    runs = {"ndjson": [], "node-link": []}
    target = folder / "restored"
    for _ in range(options.rounds):
        for form, rounds in runs.items():
            command = [options.snaplog, "-d", log, "--quiet", "restore", "--format", form, "--yes", "-o", target]
            rounds.append((run(command), target.stat().st_size))
    for form, rounds in runs.items():
        subject = f"snaplog restore, {form}"
        lines.add("time", subject, count, "s", [r.seconds for r, _ in rounds])
        lines.add("output", subject, count, "MB/s", [size / 1e6 / r.seconds for r, size in rounds])
        lines.add_peaks(subject, count, [r for r, _ in rounds])


def verify(log, count, options):
    """Verifies the log, and sums the same files up."""
    files = sorted(path for path in log.rglob("*") if path.is_file() and path.name.startswith(("events-", "snapshot-")))
    size = sum(path.stat().st_size for path in files)
    levels = {
        f"snaplog verify --level {level}": [options.snaplog, "-d", log, "--json", "verify", "--level", level]
        for level in ("checksums", "replay")
    }
    subjects = {**levels, "CRC-32 of the files": [json_parse(), "crc32", *files]}
    runs = {subject: [] for subject in subjects}
    for _ in range(options.rounds):
        for subject, command in subjects.items():
            runs[subject].append(run(command))
    lines = Lines("verify", options.json)
    for subject, rounds in runs.items():
        lines.add("time", subject, count, "s", [r.seconds for r in rounds])
        lines.add("files read", subject, count, "MB/s", [size / 1e6 / r.seconds for r in rounds])
        lines.add_peaks(subject, count, rounds)


if __name__ == "__main__":
    main()
