"""What the figures were taken on: machine and versions, as (what, value)."""

import datetime
import os
import platform
import subprocess
from pathlib import Path


def describe(folder, snaplog):
    """The rows that stand on top of a report; `folder` is where the logs were written."""
    return [
        ("processor", processor()),
        ("cores", str(os.cpu_count())),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("file system", file_system(Path("/proc/self/mounts").read_text("utf-8"), str(Path(folder).resolve()))),
        ("rustc", first_line(["rustc", "--version"])),
        ("snaplog", f"{first_line([snaplog, '--version'])}, commit {first_line(['git', 'rev-parse', '--short', 'HEAD'])}"),
        ("Python", platform.python_version()),
        ("date", datetime.datetime.now(datetime.UTC).date().isoformat()),
    ]


def processor():
    """The model's name, as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "not known"


def file_system(mounts, path):
    """The kind of file system that a path lies on, from the text of /proc/self/mounts."""
    found = ("", "not known")
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def first_line(command):
    """The first line that a command prints."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not known"
    return done.stdout.splitlines()[0] if done.stdout else "not known"
