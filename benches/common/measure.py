"""Runs commands and says what they took; writes figures as lines of JSON.

The shape of a line, which the benches in Rust write too (benches/common/lines.rs):

    {"bench": "ingest", "case": "events", "subject": "snaplog", "n": 10000, "unit": "events/s",
     "median": 1.0, "least": 1.0, "most": 1.0, "note": ""}
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20


@dataclass
class Run:
    """What a command took."""

    seconds: float
    peak: int  # bytes of memory; never less than the measuring Python had itself, which Linux counts in
    written: int  # bytes handed to write calls: wchar of /proc/PID/io
    output: str


def run(command):
    """Runs a command to its end and keeps its standard output. A command that fails ends the bench."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        with process.stdout:
            output = process.stdout.read()
        # It has ended, but /proc still knows it until somebody waits for it.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.perf_counter() - start
        written = bytes_written(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{said}")
    return Run(seconds, usage.ru_maxrss * 1024, written, output.decode())


def bytes_written(pid):
    """The bytes that a process has handed to write calls, page cache or not."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "wchar":
            return int(value)
    return 0


def tree_bytes(folder):
    """The bytes of all files in a folder and below it."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def json_parse():
    """The path of the bare reader, benches/json_parse.rs, built if it was not."""
    command = ["cargo", "bench", "--locked", "--bench", "json_parse", "--no-run", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "json_parse")


class Lines:
    """Figures of one bench: shown, and appended to a file if there is one."""

    def __init__(self, bench, path):
        self.bench, self.path = bench, path

    def add(self, case, subject, n, unit, rounds, note=""):
        """Notes the rounds of one figure."""
        line = {"bench": self.bench, "case": case, "subject": subject, "n": n, "unit": unit}
        line |= {"median": statistics.median(rounds), "least": min(rounds), "most": max(rounds), "note": note}
        print(f"{subject:<34} {case:<28} {n:>9,} {line['median']:>16,.3f} {unit:<9} {note}", flush=True)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def add_common_arguments(parser):
    """The options that all benches in Python have."""
    built = ROOT / "target" / "release" / "snaplog"
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help="a crawl as NDJSON, not compressed")
    parser.add_argument("--snaplog", default=built, type=Path, metavar="PATH", help="the release binary")
    parser.add_argument("--dir", default=ROOT / "target", type=Path, help="where the logs are written (their disk counts)")
    parser.add_argument("--json", default=os.environ.get("SNAPLOG_BENCH_JSON"), metavar="FILE", help="append figures to it")
