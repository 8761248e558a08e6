"""The old tool's configuration, in snaplog's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODERATE = 4
MILESTONE = 20
_SECONDS_OF_DAY = 86_400


@dataclass(frozen=True)
class OldConfig:
    """The old tool's keys, with its defaults for those that are missing."""

    interval: int = 25
    retention_count: int = 10
    compression: bool = True
    tiered: bool = True
    compression_age_days: float = 7

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> OldConfig:
        """Read a configuration. Keys of FollowWeb that are not about backups are passed over.

        ``backup_compression`` and ``tiered_backups`` are what users write; FollowWeb's own loader hands them on as
        ``enable_compression`` and ``enable_tiered_backups``, so either is read.

        :raises ValueError: if a value cannot be used; it names the key.
        """
        given = dict(config or {})
        default = cls()
        return cls(
            interval=_whole(given, "backup_interval_nodes", default.interval, 1),
            retention_count=_whole(given, "backup_retention_count", default.retention_count, 0),
            compression=_truth(given, ("backup_compression", "enable_compression"), default.compression),
            tiered=_truth(given, ("tiered_backups", "enable_tiered_backups"), default.tiered),
            compression_age_days=_days(given, "compression_age_days", default.compression_age_days),
        )

    @property
    def intervals(self) -> dict[str, int]:
        """After how many nodes each count tier is due, the largest first."""
        if not self.tiered:
            return {"frequent": self.interval}
        return {
            "milestone": self.interval * MILESTONE,
            "moderate": self.interval * MODERATE,
            "frequent": self.interval,
        }

    def to_snaplog(self) -> dict[str, Any]:
        """The same as ``snaplog.open(config=…)`` takes it."""
        tiers: dict[str, Any] = {"frequent": {"every_nodes": self.interval, "keep": 5}}
        if self.tiered:
            tiers["moderate"] = {"every_nodes": self.interval * MODERATE, "keep": 10}
            tiers["milestone"] = {"every_nodes": self.interval * MILESTONE, "keep": "all"}
            tiers["daily"] = {"every": "day", "keep": 30}
        return {
            "tiers": tiers,
            "retention": {"tiered": self.tiered, "keep": self.retention_count, "keep_newest": 3},
            "compression": {
                "enabled": self.compression,
                "age": f"{round(self.compression_age_days * _SECONDS_OF_DAY)}s",
            },
        }


def snaplog_config(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A configuration of the old tool as ``snaplog.open(config=…)`` takes it.

    ===========================  =====================================================================
    ``backup_interval_nodes``    tiers: frequent after so many nodes, moderate 4 times, milestone 20 times
    ``backup_retention_count``   ``retention.keep``: how many are kept if there are no tiers
    ``backup_compression``       ``compression.enabled``
    ``tiered_backups``           ``retention.tiered``; if false, there is no tier but ``frequent``
    ``compression_age_days``     ``compression.age``
    ===========================  =====================================================================

    :raises ValueError: if a value cannot be used; it names the key.

    >>> snaplog_config({"backup_interval_nodes": 50})["tiers"]["milestone"]
    {'every_nodes': 1000, 'keep': 'all'}
    """
    return OldConfig.of(config).to_snaplog()


def config_of_policy(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that a manifest's ``retention_policy`` comes from, as far as it tells."""
    frequent = policy.get("frequent")
    interval = frequent.get("interval") if isinstance(frequent, Mapping) else None
    if type(interval) is not int or interval < 1:
        return snaplog_config({})
    return snaplog_config({"backup_interval_nodes": interval})


def _whole(given: dict[str, Any], key: str, default: int, least: int) -> int:
    value = given.get(key)
    if value is None:
        return default
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or value < least:
        raise ValueError(f"{key} is {value!r}: it is a whole number of at least {least}")
    return value


def _truth(given: dict[str, Any], keys: tuple[str, ...], default: bool) -> bool:
    for key in keys:
        value = given.get(key)
        if value is not None:
            if type(value) is not bool:
                raise ValueError(f"{key} is {value!r}: it is True or False")
            return value
    return default


def _days(given: dict[str, Any], key: str, default: float) -> float:
    value = given.get(key)
    if value is None:
        return default
    if type(value) not in (int, float) or not 0 <= value <= 36_500:
        raise ValueError(f"{key} is {value!r}: it is a number of days")
    return float(value)
