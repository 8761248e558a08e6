"""What the functions of snaplog return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def from_microseconds(microseconds: int) -> datetime:
    """A point in time as the log counts it."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(time: datetime) -> int:
    """The log's count of a point in time; a naive one is refused, since nobody knows whose it is."""
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone: say datetime(..., tzinfo=timezone.utc)")
    return (time - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Marker:
    """A restorable point of a log.

    ``seq`` is the event after which it stands, ``time`` is in UTC, ``expired`` is when retention dropped it (until its
    grace is over it can be had back), ``nodes`` and ``edges`` are what was alive there.
    """

    id: str
    seq: int
    time: datetime
    tiers: tuple[str, ...]
    label: str | None
    pinned: bool
    expired: datetime | None
    nodes: int
    edges: int
    fingerprint: str


def marker(fields: dict[str, Any]) -> Marker:
    """The marker with the fields that the native half gives."""
    expired = fields["expired"]
    return Marker(
        id=fields["id"],
        seq=fields["seq"],
        time=from_microseconds(fields["time"]),
        tiers=tuple(fields["tiers"]),
        label=fields["label"],
        pinned=fields["pinned"],
        expired=None if expired is None else from_microseconds(expired),
        nodes=fields["nodes"],
        edges=fields["edges"],
        fingerprint=fields["fingerprint"],
    )


@dataclass(frozen=True)
class SyncReport:
    """What ``Log.sync`` did: events that changed the log, and those that told it nothing new."""

    events_written: int
    events_unchanged: int


class RestoredState(Mapping[str, Any]):
    """The collector's state as it was at a marker: a mapping of its values, and ``map(name)`` for its maps.

    It reads as ``Log.state`` does.
    """

    def __init__(self, document: dict[str, dict[str, Any]]) -> None:
        self._values = document["values"]
        self._maps = document["maps"]

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def map(self, name: str) -> dict[int | str, Any]:
        """The entries of a map; an empty one if it has none."""
        return dict(self._maps.get(name, {}))

    def maps(self) -> list[str]:
        """The names of the maps that have entries."""
        return list(self._maps)

    def __repr__(self) -> str:
        sizes = {name: len(entries) for name, entries in self._maps.items()}
        return f"RestoredState(values={self._values!r}, entries of maps={sizes!r})"


class Origin(dict[str, Any]):
    """Where a restored graph comes from: ``G.graph["snaplog"]``.

    A dict that JSON can hold, with ``log_id``, ``marker`` (None if no marker stands there), ``seq``, ``time``, ``tiers``,
    ``label``, ``fingerprint`` and ``state``.
    """

    @property
    def state(self) -> RestoredState:
        """The collector's state at that point."""
        return RestoredState(self["state"])
