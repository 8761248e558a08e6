"""When a backup is due: as the log's own schedule has it, asked by somebody who holds the graph elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snaplog

from ._documents import read_time
from .config import OldConfig

if TYPE_CHECKING:
    from .._types import Marker

DAILY = "daily"
# A multiple that no graph passes: retention goes by the tiers of a session, and places no marker by them.
_NEVER = 1 << 62
_FIRST_LINE = "# Written by snaplog.followweb out of FollowWeb's configuration, anew whenever that changes."
_SECOND_LINE = "# Take these two lines out, and the file is yours: it is left as it is then."


def now() -> datetime:
    """What the clock says."""
    return datetime.now(timezone.utc)


def made_at(path: str) -> datetime:
    """When a log was made."""
    created = read_time(snaplog.stats(path)["created"], timezone.utc)
    assert created is not None
    return created


class Schedule:
    """When the tiers of a configuration are due.

    A count tier is due when the number of nodes has passed a multiple of its interval since the last backup of any of them,
    whether or not it stopped there; of those that are due the largest counts. ``daily`` is due with the first checkpoint
    of a day, UTC, on which there is none yet; the day on which the log was made is not one of them.
    """

    def __init__(self, config: OldConfig) -> None:
        self._config = config

    def due(self, nodes: int, markers: Iterable[Marker], made: datetime, now: datetime) -> tuple[str, ...]:
        """The tiers that are due: at most one that counts, and ``daily``.

        :param markers: those that there are.
        :param made: when the log was made.
        """
        if nodes <= 0:
            return ()
        served, day = 0, made
        for marker in markers:
            if any(tier in self._config.intervals for tier in marker.tiers):
                served = max(served, marker.nodes)
            if DAILY in marker.tiers:
                day = max(day, marker.time)
        found = [tier for tier, every in self._config.intervals.items() if nodes // every > served // every][
            :1
        ]
        if self._config.tiered and now.astimezone(timezone.utc).date() > day.astimezone(timezone.utc).date():
            found.append(DAILY)
        return tuple(found)


def session_config(config: OldConfig) -> dict[str, Any]:
    """The configuration of a session whose markers are placed by a ``Schedule`` and not by the log."""
    given = config.to_snaplog()
    keeps = {name: {"every_nodes": _NEVER, "keep": tier["keep"]} for name, tier in given["tiers"].items()}
    return {**given, "tiers": keeps}


def made_log(path: str, config: OldConfig, **kind: bool | None) -> str:
    """Make a log with this configuration, or give one that is there this configuration; its path.

    A snaplog.toml that somebody else wrote is left as it is.

    :param kind: ``directed`` and ``multigraph``, for a new log.
    """
    log = Path(path)
    file = log / "snaplog.toml"
    text = _toml(config.to_snaplog())
    if not file.exists():
        given: Any = kind
        snaplog.open(path, config=config.to_snaplog(), **given).close()
    else:
        there = file.read_text(encoding="utf-8")
        if there == text or not there.startswith(_FIRST_LINE):
            return path
    # Whole or not at all: a log whose configuration cannot be read does not open.
    new = log / "snaplog.toml.new"
    with open(new, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(new, file)
    return path


def _toml(config: dict[str, Any]) -> str:
    lines = [_FIRST_LINE, _SECOND_LINE]
    for name, table in config.items():
        tables = (
            {f"{name}.{tier}": keys for tier, keys in table.items()} if name == "tiers" else {name: table}
        )
        for title, keys in tables.items():
            lines += ["", f"[{title}]"]
            lines += [f"{key} = {_toml_value(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'
