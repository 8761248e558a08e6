"""The collector's state, written into a log: what is another than it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._log import Log


def write_state(
    log: Log,
    values: Mapping[str, Any],
    maps: Mapping[str, Mapping[str | int, Any]],
    *,
    keep: Collection[str] = (),
) -> None:
    """Make the log's state these values and maps, and nothing else but the values named in ``keep``."""
    known = dict(log.state.items())
    for key, value in values.items():
        if key not in keep and (key not in known or differs(known[key], value)):
            log.state[key] = value
    for key in known.keys() - values.keys() - set(keep):
        del log.state[key]
    for name in {*log.state.maps(), *maps}:
        wanted = maps.get(name, {})
        entries = log.state.map(name)
        there = dict(entries.items())
        for entry, value in wanted.items():
            if entry not in there or differs(there[entry], value):
                entries[entry] = value
        for entry in there.keys() - wanted.keys():
            del entries[entry]


def differs(a: Any, b: Any) -> bool:
    """Whether two values differ for a log: True is 1 for Python."""
    return a is not b and repr(a) != repr(b)
