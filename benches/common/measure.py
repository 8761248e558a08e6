"""Runs commands and says what they took; writes figures as lines of JSON.

The shape of a line, which the benches in Rust write too (benches/common/lines.rs):

    {"bench": "ingest", "case": "events", "subject": "snaplog", "n": 10000, "unit": "events/s",
     "median": 1.0, "least": 1.0, "most": 1.0, "note": ""}
"""

import json
import os
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20


@dataclass
class Run:
    """What a command took."""

    seconds: float
    peak: int  # bytes of memory; 0 if it was over before anybody could look
    written: int  # bytes handed to write calls: wchar of /proc/PID/io, what it prints included
    output: str


def run(command):
    """Runs a command to its end and keeps its standard output. A command that fails ends the bench."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        watch = Watch(process.pid)
        # It has ended then, but /proc still knows it until somebody waits for it.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.perf_counter() - start
        written = bytes_written(process.pid)
        seen = watch.end()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            said = errors.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{said}")
        return Run(seconds, peak(usage.ru_maxrss * 1024, seen), written, output.read().decode())


def peak(told, seen):
    """The most memory that a process held, from what Linux told at its end and what was seen on the way. Linux counts in
    what the Python that started it held, so what it told is good above that only."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return told if told > own else seen


class Watch(threading.Thread):
    """Looks at a process every few milliseconds, for the most memory it has held since it began (VmHWM)."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status, self.seen, self.over = Path(f"/proc/{pid}/status"), 0, threading.Event()
        self.start()

    def run(self):
        while True:
            found = [line for line in self.status.read_text().splitlines() if line.startswith("VmHWM:")]
            if found:
                self.seen = int(found[0].split()[1]) * 1024
            if self.over.wait(0.003):
                return

    def end(self):
        self.over.set()
        self.join()
        return self.seen


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
        print(f"{subject:<38} {case:<14} {n:>9,} {line['median']:>16,.3f} {unit:<9} {note}", flush=True)
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def add_peaks(self, subject, n, runs, note=""):
        """Notes the memory of some runs, if it is known."""
        known = [run.peak / MIB for run in runs if run.peak]
        if known:
            self.add("peak memory", subject, n, "MiB", known, note)


def add_common_arguments(parser):
    """The options that all benches in Python have."""
    built = ROOT / "target" / "release" / "snaplog"
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help="a crawl as NDJSON, not compressed")
    parser.add_argument("--snaplog", default=built, type=Path, metavar="PATH", help="the release binary")
    parser.add_argument("--dir", default=ROOT / "target", type=Path, help="where the logs are written (their disk counts)")
    parser.add_argument("--json", default=os.environ.get("SNAPLOG_BENCH_JSON"), metavar="FILE", help="append figures to it")
