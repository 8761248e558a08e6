"""An import that is interrupted, run again, or run on a log that is not its own; and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import snaplog
from snaplog.followweb import Report, _write, import_directory, importer
from snaplog.followweb.__main__ import main

from .oldtool import BERLIN, START, OldTool, crawl, cut, expected
from .test_import import HOUR, same

BACKUPS = 6


@pytest.fixture
def old(tmp_path: Path) -> OldTool:
    old = OldTool(tmp_path / "freesound_library")
    for number in range(BACKUPS):
        graph = crawl(25 * (number + 1))
        old.checkpoint(graph, START + number * HOUR)
        old.backup(START + number * HOUR, "frequent", graph)
    return old


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "crawl.snaplog"


def run(old: OldTool, log: Path, **more: Any) -> Report:
    return import_directory(old.directory, log, time_zone=BERLIN, **more)


def check(log: Path) -> None:
    """The log has every backup once, in its place."""
    markers = [marker for marker in snaplog.markers(log) if marker.label is not None]
    assert [marker.nodes for marker in markers] == [25 * (n + 1) for n in range(BACKUPS)] + [25 * BACKUPS]
    assert len({marker.label for marker in markers}) == BACKUPS + 1
    for number, marker in enumerate(markers[:-1]):
        same(
            snaplog.restore(log, marker.label or ""),
            expected(crawl(25 * (number + 1)), START + number * HOUR),
        )
    assert snaplog.verify(log)["sound"]


def test_a_second_run_finds_nothing_to_do(old: OldTool, log: Path) -> None:
    run(old, log)
    before = [marker.id for marker in snaplog.markers(log)]
    report = run(old, log)
    assert (report.already_there, report.markers_placed, report.exit_code) == (BACKUPS + 1, 0, 0)
    assert (report.nodes, report.edges) == (150, crawl(150).number_of_edges())
    assert [marker.id for marker in snaplog.markers(log)] == before
    check(log)


@pytest.mark.parametrize("at", range(BACKUPS + 1))
def test_an_import_that_is_interrupted_goes_on(
    at: int, old: OldTool, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = _write.write_state
    calls = []

    def interrupted(*args: Any, **more: Any) -> None:
        calls.append(args)
        if len(calls) > at:
            raise KeyboardInterrupt
        put(*args, **more)

    # The events of a backup are in the log, its marker is not.
    monkeypatch.setattr(importer, "write_state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(old, log)
    monkeypatch.undo()
    report = run(old, log)
    assert (report.already_there, report.markers_placed) == (at, BACKUPS + 1 - at)
    check(log)


def test_an_import_that_is_interrupted_among_the_events_of_a_backup_goes_on(
    old: OldTool, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = snaplog.Log.sync
    calls = []

    def interrupted(self: snaplog.Log, graph: Any, *, remove: bool = False) -> Any:
        calls.append(graph)
        if len(calls) > 3:
            self.add_node("of the fourth")
            self.commit()
            raise KeyboardInterrupt
        return sync(self, graph, remove=remove)

    monkeypatch.setattr(snaplog.Log, "sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(old, log)
    monkeypatch.undo()
    report = run(old, log)
    assert (report.already_there, report.markers_placed) == (3, BACKUPS - 2)
    check(log)


def test_a_backup_that_the_log_refuses_leaves_nothing_of_itself(old: OldTool, log: Path) -> None:
    # The graph would do; what stands beside it is too large, and is looked at last.
    old.checkpoint(crawl(170), START + 20 * HOUR, collection_stats="x" * (5 << 20))
    report = run(old, log)
    assert [problem.path[:5] for problem in report.passed_over] == ["live_"]
    assert report.nodes == 150
    with snaplog.open(log, config={"tiers": {}}) as session:
        same(session.to_networkx(), expected(crawl(150), START + 5 * HOUR))
        assert list(session.state) == ["followweb_import"]
    # Nor is it taken for somebody else's.
    old.checkpoint(crawl(175), START + 21 * HOUR)
    assert [each.nodes for each in run(old, log).imported] == [175]


def test_a_first_backup_that_the_log_refuses_leaves_it_empty(tmp_path: Path, log: Path) -> None:
    old = OldTool(tmp_path / "alone")
    old.checkpoint(crawl(20), START, collection_stats="x" * (5 << 20))
    report = run(old, log)
    assert (report.nodes, report.markers_placed, report.exit_code) == (0, 0, 4)
    old.checkpoint(crawl(20), START)
    assert run(old, log).markers_placed == 1


def test_an_import_that_is_killed_goes_on(old: OldTool, log: Path) -> None:
    command = [sys.executable, "-m", "snaplog.followweb", "import", str(old.directory), "-o", str(log)]
    kills = 0
    for round_ in range(40):
        process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # Later and later, so that every run gets further than the one before, until one is through.
        time.sleep(0.15 + 0.02 * round_)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
    assert kills > 0
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TZ": "UTC"})
    check(log)


def test_backups_made_since_the_import_are_added(old: OldTool, log: Path) -> None:
    run(old, log)
    old.checkpoint(crawl(175), START + 20 * HOUR)
    old.backup(START + 20 * HOUR, "moderate", crawl(175))
    old.checkpoint(crawl(180), START + 21 * HOUR)
    report = run(old, log)
    assert [each.nodes for each in report.imported] == [175, 180]
    assert report.exit_code == 0
    same(snaplog.restore(log), expected(crawl(180), START + 21 * HOUR, edges=True))


def test_what_was_mended_since_cannot_go_behind_what_is_newer(old: OldTool, log: Path) -> None:
    topology = next(iter(sorted((old.directory / "backups").rglob("*_50nodes_*.gpickle"))))
    data = topology.read_bytes()
    cut(topology, 20)
    assert len(run(old, log).passed_over) == 1
    assert "ends in the middle" in run(old, log).passed_over[0].reason
    topology.write_bytes(data)
    report = run(old, log)
    assert "has newer ones already" in report.passed_over[0].reason
    assert report.markers_placed == 0 and report.exit_code == 4


def test_a_log_that_was_crawled_into_is_not_touched(old: OldTool, log: Path) -> None:
    run(old, log)
    with snaplog.open(log) as crawl_goes_on:
        crawl_goes_on.add_node("a new one")
    # Nothing to import: nothing to refuse.
    assert run(old, log).exit_code == 0
    old.checkpoint(crawl(175), START + 20 * HOUR)
    with pytest.raises(snaplog.RefusedError, match="written to since its import"):
        run(old, log)
    assert "a new one" in snaplog.restore(log)


def test_opening_the_log_meanwhile_does_no_harm(old: OldTool, log: Path) -> None:
    run(old, log)
    # A session places the markers that its tiers find due.
    snaplog.open(log).close()
    old.checkpoint(crawl(175), START + 20 * HOUR)
    assert run(old, log).markers_placed == 1


def test_a_log_of_something_else_is_refused(old: OldTool, log: Path) -> None:
    with snaplog.open(log) as other:
        other.add_node("1")
        before = other.mark(label="mine")
    with pytest.raises(snaplog.RefusedError, match="was not made by an import"):
        run(old, log)
    assert snaplog.markers(log)[-1] == before
    assert set(snaplog.restore(log)) == {"1"}


def test_an_empty_log_is_taken(old: OldTool, log: Path) -> None:
    snaplog.open(log).close()
    run(old, log)
    check(log)


def test_a_log_that_is_open_elsewhere_is_not_waited_for(old: OldTool, log: Path) -> None:
    with snaplog.open(log), pytest.raises(snaplog.LockedError):
        run(old, log)


class TestCommandLine:
    def call(self, capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
        status = main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return status, out, err

    def test_it_tells_people(self, old: OldTool, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
        status, out, err = self.call(
            capsys, "import", old.directory, "-o", log, "--time-zone", "Europe/Berlin"
        )
        assert status == 0
        assert out.startswith(f"{log}: 7 markers placed, of 7 backups found; now 150 nodes, ")
        assert "attributes of edges are lost in 6 backups" in out
        assert err.splitlines()[0] == "1 of 7: backup_25nodes_20251113_153022"

    def test_it_tells_programs(self, old: OldTool, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
        cut(old.directory / "graph_topology.gpickle", 10)
        status, out, err = self.call(capsys, "import", old.directory, "-o", log, "--json", "--quiet")
        document = json.loads(out)
        assert status == document["exit"] == 4 and err == ""
        assert document["markers_placed"] == 7 and document["backups_found"] == 7
        assert document["damaged"][0]["path"] == "graph_topology.gpickle"
        assert document["imported"][0]["time"] == "2025-11-13T14:30:22.250000+00:00"
        assert document["imported"][0]["tier"] == "frequent"
        assert len(document["attributes_lost"]["edges"]) == 6

    def test_statuses(
        self, old: OldTool, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "empty").mkdir()
        status, out, _ = self.call(capsys, "import", tmp_path / "empty", "-o", log)
        assert status == 3 and "holds nothing of the old tool's" in out and not log.exists()
        status, _, err = self.call(capsys, "import", tmp_path / "not there", "-o", log)
        assert status == 3 and "is no directory" in err
        with snaplog.open(log):
            status, _, err = self.call(capsys, "import", old.directory, "-o", log, "--json", "-q")
            assert status == 5 and json.loads(err)["error"]["kind"] == "locked"
        (tmp_path / "file").write_text("x")
        status, _, err = self.call(capsys, "import", old.directory, "-o", tmp_path / "file", "-q")
        assert status == 1 and err.startswith("error: ")

    @pytest.mark.parametrize(
        "args",
        [
            [],
            ["import"],
            ["import", "x"],
            ["import", "x", "-o", "y", "--time-zone", "Mars/Base"],
            ["import", "x", "-o", "y", "--max-bytes", "0"],
        ],
    )
    def test_usage(self, args: list[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(args)
        assert ended.value.code == 2

    def test_an_interrupt_says_how_to_go_on(
        self, old: OldTool, log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(importer, "read_content", interrupt)
        status, _, err = self.call(capsys, "import", old.directory, "-o", log)
        assert status == 130 and "run it again" in err
