#!/usr/bin/env python3
"""Writes docs/benchmarks.md, docs/growth.svg and docs/old-way.svg from the figures of the benches.

    benches/report.py target/bench/*.jsonl [--docs docs] [--dir DIR] [--snaplog PATH] [--quick]

Each bench that has figures gets its section; what was not measured is left out. benches/notes.md, written by hand, stands at
the end. Only Python's own library is needed.
"""

import argparse
import shlex
from pathlib import Path

from common import machine, sections
from common.figures import read, table

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Benchmarks

This file is written by `benches/run`; a hand that changes it works for nothing. Absolute figures hold for one machine on
one day. What is meant to last are the ratios, each taken within one run against something real.

- A figure is the median of the rounds, with the least and the most in brackets where they differ.
- A ratio says how many times as good: 2 × is twice the speed, or half the time, memory or room. Above 1 is better than
  what it is compared with.
- ≈ stands before what was extrapolated, not measured.
"""
QUICK = "\n**These are from `benches/run --quick`: small sizes, to show the shape. They are not results.**\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="figures, as lines of JSON")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the report goes")
    parser.add_argument("--dir", type=Path, default=ROOT / "target", help="where the logs were, to tell the file system")
    parser.add_argument("--snaplog", type=Path, default=ROOT / "target" / "release" / "snaplog", help="whose version is told")
    parser.add_argument("--quick", action="store_true", help="say that the figures are from small sizes")
    options = parser.parse_args()
    figures = read(options.files)
    parts = [HEAD, QUICK if options.quick else "", "\n## Machine and versions\n\n"]
    parts.append(table(["", ""], [list(row) for row in machine.describe(options.dir, options.snaplog)]))
    for bench in dict.fromkeys([*sections.ORDER, *(figure.bench for figure in figures)]):
        of_bench = [figure for figure in figures if figure.bench == bench]
        if of_bench:
            parts.append(sections.section(bench, of_bench))
    parts.append((ROOT / "benches" / "notes.md").read_text("utf-8"))
    options.docs.mkdir(exist_ok=True)
    (options.docs / "benchmarks.md").write_text("".join(parts), "utf-8")
    for name, text in sections.plots(figures).items():
        (options.docs / name).write_text(text, "utf-8")
    print(f"wrote {shlex.quote(str(options.docs / 'benchmarks.md'))}")


if __name__ == "__main__":
    main()
