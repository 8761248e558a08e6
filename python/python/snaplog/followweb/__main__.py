"""``python -m snaplog.followweb import DIR -o LOG``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .._errors import DamageError, Error, LockedError, NotFoundError
from ._bytes import MAX_BYTES
from ._report import Report
from ._unpickle import MAX_OBJECTS
from .importer import import_directory

FAILED = 1
NOTHING = 3
DAMAGED = 4
LOCKED = 5
INTERRUPTED = 130

_EPILOG = """\
exit status: 0 done, 1 failed, 2 the command line cannot be used, 3 nothing to import, 4 some backups or files were
damaged and passed over, 5 the log is locked by another writer, 130 interrupted (run it again: it goes on)

example:
  python -m snaplog.followweb import data/freesound_library -o crawl.snaplog --time-zone Europe/Berlin
"""


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(
            f"no time zone is called {name!r}; try one like Europe/Berlin"
        ) from None


def _bound(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m snaplog.followweb", description="FollowWeb's backups and snaplog."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "import",
        help="make a log of a directory of FollowWeb's backups",
        description="Make a log of what FollowWeb left in a directory: one marker for each backup, oldest first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("directory", metavar="DIR", help="FollowWeb's checkpoint_dir; it is only read")
    command.add_argument(
        "-o", "--output", metavar="LOG", required=True, help="the log to make, or to go on with"
    )
    command.add_argument(
        "--time-zone",
        type=_zone,
        metavar="NAME",
        help="whose local time the names of files carry (default: this machine's); the manifest's times are UTC",
    )
    command.add_argument(
        "--max-bytes", type=_bound, default=MAX_BYTES, metavar="N", help="bound on a file, unpacked"
    )
    command.add_argument(
        "--max-objects", type=_bound, default=MAX_OBJECTS, metavar="N", help="bound on a pickle"
    )
    command.add_argument("--json", action="store_true", help="print the report as one JSON document")
    command.add_argument("-q", "--quiet", action="store_true", help="do not tell how it goes")
    return parser


def _tell(number: int, count: int, label: str) -> None:
    print(f"{number + 1} of {count}: {label}", file=sys.stderr)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**report.to_dict(), "exit": report.exit_code}, separators=(",", ":")))
    else:
        print("\n".join(report.lines()))


def _status(error: Error) -> int:
    for kind, status in ((NotFoundError, NOTHING), (DamageError, DAMAGED), (LockedError, LOCKED)):
        if isinstance(error, kind):
            return status
    return FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    args = _parser().parse_args(argv)
    try:
        report = import_directory(
            args.directory,
            args.output,
            time_zone=args.time_zone,
            max_bytes=args.max_bytes,
            max_objects=args.max_objects,
            progress=None if args.quiet else _tell,
        )
    except Error as error:
        status = _status(error)
        _fail(args.json, status, error.kind, error.message, error.path, error.hint)
    except (OSError, ImportError) as error:
        status = FAILED
        _fail(args.json, status, "failed", str(error), getattr(error, "filename", None), None)
    except KeyboardInterrupt:
        status = INTERRUPTED
        _fail(args.json, status, "interrupted", "interrupted", None, "run it again: it goes on where it was")
    else:
        _print(report, args.json)
        status = report.exit_code
    return status


def _fail(as_json: bool, status: int, kind: str, message: str, path: object, hint: str | None) -> None:
    if as_json:
        said = {"kind": kind, "message": message, "path": None if path is None else str(path), "hint": hint}
        print(json.dumps({"error": said, "exit": status}, separators=(",", ":")), file=sys.stderr)
        return
    print(f"error: {message}", file=sys.stderr)
    if hint is not None:
        print(f"hint: {hint}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
