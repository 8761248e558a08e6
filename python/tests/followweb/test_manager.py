"""The drop-in for FollowWeb's BackupManager, and its configuration."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import snaplog
from snaplog.followweb import BackupManager, import_directory, snaplog_config

from .oldtool import BERLIN, OldTool, crawl, cut, expected
from .test_import import same

# The log's clock is the machine's: times to come are refused, and the day it was made is not a day of `daily`.
NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def old(tmp_path: Path) -> OldTool:
    return OldTool(tmp_path / "freesound_library")


def manager(old: OldTool, clock: Clock, **config: Any) -> BackupManager:
    return BackupManager(str(old.directory), config, logging.getLogger("test"), clock=clock)


def back_up(old: OldTool, manager: BackupManager, nodes: int, **more: Any) -> None:
    """A checkpoint of the collector's, and a backup of it."""
    checkpoint = old.checkpoint(crawl(nodes), manager._clock(), **more)
    made = manager.create_backup(
        topology_path=old.directory / "graph_topology.gpickle",
        metadata_db_path=old.directory / "metadata_cache.db",
        checkpoint_metadata=checkpoint,
    )
    assert made is True


def test_it_fires_when_a_multiple_is_crossed_and_stays_due_until_it_is_made(
    old: OldTool, clock: Clock
) -> None:
    m = manager(old, clock)
    for nodes, due in ((0, None), (1, None), (24, None), (25, "frequent"), (26, "frequent"), (49, "frequent"),
                       (99, "frequent"), (101, "moderate"), (130, "moderate"), (501, "milestone")):  # fmt: skip
        assert m.should_create_backup_with_tier(nodes) == (due is not None, due), nodes
        assert m.should_create_backup(nodes) is (due is not None)
    back_up(old, m, 27)
    assert not m.should_create_backup(27)
    assert not m.should_create_backup(49)
    assert m.should_create_backup_with_tier(53) == (True, "frequent")
    assert m.should_create_backup_with_tier(103) == (True, "moderate")
    back_up(old, m, 103)
    assert not m.should_create_backup(124)
    # A collector that is begun anew finds what was served.
    assert not manager(old, clock).should_create_backup(124)
    assert manager(old, clock).should_create_backup(126)


def test_daily_is_real(old: OldTool, clock: Clock, tmp_path: Path) -> None:
    m = manager(old, clock)
    back_up(old, m, 30)
    assert m.should_create_backup_with_tier(31) == (False, None)
    clock.time += DAY
    midnight = clock.time.replace(hour=0, minute=0, second=0)
    clock.time = midnight - timedelta(seconds=1)
    assert m.should_create_backup_with_tier(31) == (False, None)
    clock.time = midnight
    assert m.should_create_backup_with_tier(31) == (True, "daily")
    back_up(old, m, 31)
    assert [b["tier"] for b in m.list_backups()] == ["daily", "frequent"]
    assert not m.should_create_backup(32)
    assert m.list_backups("daily")[0]["timestamp"] == midnight.isoformat()


def test_daily_and_a_count_are_both_marked(old: OldTool, clock: Clock) -> None:
    m = manager(old, clock)
    back_up(old, m, 30)
    clock.time = (clock.time + DAY).replace(hour=0, minute=0, second=0)
    assert m.should_create_backup_with_tier(55) == (True, "frequent")
    back_up(old, m, 55)
    assert [b["tier"] for b in m.list_backups()] == ["frequent", "daily", "frequent"]
    assert snaplog.restore(m.log_path, tier="daily").number_of_nodes() == 55


def test_a_backup_is_what_the_checkpoint_was(old: OldTool, clock: Clock) -> None:
    m = manager(old, clock)
    back_up(old, m, 30)
    G = snaplog.restore(m.log_path)
    same(G, expected(crawl(30), clock.time, edges=True))
    state = G.graph["snaplog"].state
    assert state["pagination_state"] == {"page": 3, "query": "", "sort": "downloads_desc"}
    assert set(state.map("processed_ids")) == set(crawl(30))
    # Without a library of the same time there are no attributes of edges, and a broken one is no reason not to.
    cut(old.directory / "freesound_library.pkl", 10)
    back_up(old, m, 35, library=False)
    same(snaplog.restore(m.log_path), expected(crawl(35), clock.time))


def test_failures_raise_and_say_why(old: OldTool, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    m = manager(old, clock)
    checkpoint = old.checkpoint(crawl(30), clock.time)
    topology, table = old.directory / "graph_topology.gpickle", old.directory / "metadata_cache.db"
    with pytest.raises(snaplog.NotFoundError, match=r"elsewhere\.gpickle is not there"):
        m.create_backup(old.directory / "elsewhere.gpickle", table, checkpoint)
    with pytest.raises(snaplog.NotFoundError, match=r"elsewhere\.db is not there"):
        m.create_backup(topology, old.directory / "elsewhere.db", checkpoint)
    with pytest.raises(snaplog.DamageError, match="the checkpoint says 31"):
        m.create_backup(topology, table, {**checkpoint, "nodes": 31})
    whole = table.read_bytes()
    cut(table, 5000)
    with pytest.raises(snaplog.DamageError, match="damaged|SQLite"):
        m.create_backup(topology, table, checkpoint)
    table.write_bytes(whole)
    cut(topology, 3)
    with pytest.raises(snaplog.DamageError, match="ends"):
        m.create_backup(topology, table, checkpoint)
    assert m.list_backups() == []
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 5
    with snaplog.open(m.log_path), pytest.raises(snaplog.LockedError):
        back_up(old, m, 60)
    back_up(old, m, 30)
    assert [b["nodes"] for b in m.list_backups()] == [30]


def test_the_limits_of_all_tiers_are_applied(old: OldTool, clock: Clock) -> None:
    m = manager(old, clock, backup_interval_nodes=2)
    for nodes in range(2, 100, 2):
        back_up(old, m, nodes, library=False)
    tiers = m.get_backup_stats()["by_tier"]
    assert tiers == {"frequent": 5, "moderate": 10, "milestone": 2}


def test_without_tiers_so_many_are_kept_as_are_configured(old: OldTool, clock: Clock) -> None:
    m = manager(old, clock, backup_interval_nodes=2, tiered_backups=False, backup_retention_count=4)
    for nodes in range(2, 40, 2):
        assert m.should_create_backup_with_tier(nodes) == (True, "frequent")
        back_up(old, m, nodes, library=False)
    clock.time += DAY
    assert not m.should_create_backup(39), "there is no `daily` without tiers"
    assert [b["nodes"] for b in m.list_backups()] == [38, 36, 34, 32]


def test_listing_and_figures(old: OldTool, clock: Clock) -> None:
    m = manager(old, clock)
    assert m.list_backups() == [] and m.get_backup_stats()["total_backups"] == 0 and m.last_cleanup is None
    for nodes in (30, 110, 130):
        back_up(old, m, nodes, library=False)
    entries = m.list_backups()
    assert [(b["nodes"], b["tier"]) for b in entries] == [
        (130, "frequent"),
        (110, "moderate"),
        (30, "frequent"),
    ]
    assert {"timestamp", "nodes", "edges", "tier", "files", "compressed", "size_bytes"} <= set(entries[0])
    assert m.list_backups("moderate") == [entries[1]]
    assert datetime.fromisoformat(entries[0]["timestamp"]).utcoffset() == timedelta(0)
    assert entries[0]["edges"] == crawl(130).number_of_edges()
    figures = m.get_backup_stats()
    assert figures["total_backups"] == 3 and figures["by_tier"] == {"frequent": 2, "moderate": 1}
    assert sum(b["size_bytes"] for b in entries) <= figures["total_size_mb"] * (1 << 20)
    assert min(b["size_bytes"] for b in entries) > 0
    assert m.backups == entries[::-1] == m.manifest["backups"]
    assert m.manifest["last_cleanup"] == m.last_cleanup == figures["last_cleanup"] is not None
    assert m.retention_policy["milestone"] == {"interval": 500, "keep": -1, "description": "Every 500 nodes"}
    assert nx.utils.graphs_equal(
        snaplog.restore(m.log_path, entries[1]["id"]), snaplog.restore(m.log_path, "m2")
    )


def test_backups_of_the_old_tool_are_pointed_to(
    old: OldTool, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    old.checkpoint(crawl(25), NOW)
    old.backup(NOW, "frequent", crawl(25))
    with caplog.at_level(logging.INFO):
        m = manager(old, clock)
    assert "python -m snaplog.followweb import" in caplog.text
    assert m.list_backups() == []


def test_it_goes_on_with_an_imported_log(old: OldTool, clock: Clock) -> None:
    for nodes in (25, 100):
        old.checkpoint(crawl(nodes), NOW - DAY)
        old.backup(NOW - DAY + timedelta(seconds=nodes), "frequent", crawl(nodes))
    import_directory(old.directory, old.directory / "backups.snaplog", time_zone=BERLIN)
    m = manager(old, clock)
    assert not m.should_create_backup(110)
    assert m.should_create_backup(126)
    assert [b["nodes"] for b in m.list_backups("frequent")] == [100, 25]


class TestConfig:
    def test_the_defaults_are_the_old_tools(self) -> None:
        assert snaplog_config({}) == {
            "tiers": {
                "frequent": {"every_nodes": 25, "keep": 5},
                "moderate": {"every_nodes": 100, "keep": 10},
                "milestone": {"every_nodes": 500, "keep": "all"},
                "daily": {"every": "day", "keep": 30},
            },
            "retention": {"tiered": True, "keep": 10, "keep_newest": 3},
            "compression": {"enabled": True, "age": "604800s"},
        }

    @pytest.mark.parametrize(
        "names", [("backup_compression", "tiered_backups"), ("enable_compression", "enable_tiered_backups")]
    )
    def test_every_key_counts_by_either_name(self, names: tuple[str, str], tmp_path: Path) -> None:
        given = {
            "backup_interval_nodes": 10,
            "backup_retention_count": 7,
            names[0]: False,
            names[1]: False,
            "compression_age_days": 0.5,
            "api_key": "of no interest here",
        }
        config = snaplog_config(given)
        assert config == {
            "tiers": {"frequent": {"every_nodes": 10, "keep": 5}},
            "retention": {"tiered": False, "keep": 7, "keep_newest": 3},
            "compression": {"enabled": False, "age": "43200s"},
        }
        # The log takes it.
        snaplog.open(tmp_path / "log", config=config).close()

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("backup_interval_nodes", 0),
            ("backup_interval_nodes", "25"),
            ("backup_interval_nodes", True),
            ("backup_retention_count", -1),
            ("backup_compression", "yes"),
            ("tiered_backups", 1),
            ("compression_age_days", -1),
            ("compression_age_days", "7"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, key: str, value: Any) -> None:
        with pytest.raises(ValueError, match=key):
            snaplog_config({key: value})

    def test_a_change_of_it_reaches_the_log_and_no_file_of_somebody_else(
        self, old: OldTool, clock: Clock
    ) -> None:
        file = old.directory / "backups.snaplog" / "snaplog.toml"
        manager(old, clock)
        assert "every_nodes = 25" in file.read_text()
        manager(old, clock, backup_interval_nodes=50)
        assert "every_nodes = 1000" in file.read_text()
        file.write_text("[retention]\nkeep_newest = 9\n")
        manager(old, clock, backup_interval_nodes=75)
        assert file.read_text() == "[retention]\nkeep_newest = 9\n"
