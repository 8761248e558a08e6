"""The import of directories that are damaged: what can be read is imported, the rest is told and counted."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import re
import sqlite3
import struct
import tarfile
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import snaplog
from snaplog.followweb import Report, import_directory

from .oldtool import (
    BERLIN,
    START,
    OldTool,
    bare,
    crawl,
    cut,
    expected,
    flip,
    gzipped,
    joblib_dumped,
    pickled,
    put_rows,
)
from .test_import import HOUR, same


@pytest.fixture
def old(tmp_path: Path) -> OldTool:
    """Three backups, and a live directory."""
    old = OldTool(tmp_path / "freesound_library")
    for number in range(3):
        graph = crawl(25 * (number + 1))
        old.checkpoint(graph, START + number * HOUR)
        old.backup(START + number * HOUR, "frequent", graph)
    old.checkpoint(crawl(80), START + 5 * HOUR)
    return old


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "crawl.snaplog"


def run(old: OldTool, log: Path, **more: Any) -> Report:
    return import_directory(old.directory, log, time_zone=BERLIN, **more)


def files(old: OldTool, number: int) -> tuple[Path, Path]:
    """The files of a backup."""
    nodes = 25 * (number + 1)
    topology, table = old.names(nodes, START + number * HOUR)
    folder = old.directory / "backups" / "frequent"
    return folder / topology, folder / table


class Touches:
    def __reduce__(self) -> Any:
        return (os.system, ("touch the-pickle-was-run",))


def cut_gzip(file: Path) -> None:
    cut(gzipped(file), 20)


def flip_gzip(file: Path) -> None:
    flip(gzipped(file), -6)


def hostile(file: Path) -> None:
    file.write_bytes(pickle.dumps(Touches()))


def bomb(file: Path) -> None:
    file.write_bytes(zlib.compress(b"\0" * (1 << 24)))


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut off": (lambda file: cut(file, 9), "ends in the middle|ends before its end"),
    "cut off, gzipped": (cut_gzip, "middle of the compressed data"),
    "altered, gzipped": (flip_gzip, "does not unpack"),
    "empty": (lambda file: file.write_bytes(b""), "ends before its end"),
    "a text": (lambda file: file.write_text("<html>not found</html>"), "no opcode|does not make sense"),
    "hostile": (hostile, "posix.system"),
    "a bomb": (bomb, "more than 4194304 bytes come out of it"),
    "no graph": (lambda file: file.write_bytes(pickle.dumps({"a": 1})), "it holds no graph but a dict"),
    "another kind of graph": (
        lambda file: file.write_bytes(pickle.dumps(nx.Graph([("1", "2")]))),
        "it is a Graph",
    ),
    "an id that no log has": (
        lambda file: file.write_bytes(pickle.dumps(nx.DiGraph([((1, 2), "3")]))),
        "id is a tuple",
    ),
    "too large a value": (lambda file: huge_value(file), "too large|at most"),
    "gone": (lambda file: file.unlink(), "no graph, only a database"),
}


def huge_value(file: Path) -> None:
    graph = nx.DiGraph([("1", "2")])
    graph.nodes["1"]["x"] = "x" * (5 << 20)
    # Packed: unpacked it is within the bound on bytes of this test, plus one.
    file.write_bytes(pickled(graph))


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_backup_that_cannot_be_read_is_passed_over_and_counted(
    kind: str, old: OldTool, log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    damage, said = DAMAGE[kind]
    damage(files(old, 1)[0])
    report = run(old, log, max_bytes=(1 << 24) if kind == "too large a value" else (1 << 22))
    assert not (tmp_path / "the-pickle-was-run").exists()
    assert (report.backups_found, report.markers_placed) == (4, 3)
    (problem,) = report.passed_over
    assert "50nodes" in problem.path
    assert re.search(said, problem.reason), problem.reason
    assert report.exit_code == 4
    assert any(line.startswith(f"passed over {problem.path}: ") for line in report.lines())
    # Those beside it are what they are.
    same(snaplog.restore(log, report.imported[0].label), expected(crawl(25), START))
    same(snaplog.restore(log, report.imported[1].label), expected(crawl(75), START + 2 * HOUR))
    same(snaplog.restore(log), expected(crawl(80), START + 5 * HOUR, edges=True))


def no_table(file: Path) -> None:
    file.unlink()
    sqlite3.connect(file).executescript("CREATE TABLE other(x); VACUUM;")


def view(file: Path) -> None:
    file.unlink()
    sqlite3.connect(file).executescript("CREATE VIEW metadata AS SELECT 1 AS sample_id, '{}' AS data;")


def copied_without_its_log(file: Path) -> None:
    """As the old tool did: the main file alone, while everything was in the -wal."""
    file.unlink()
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("CREATE TABLE metadata(sample_id INTEGER PRIMARY KEY, data JSON)")
    database.commit()
    data = file.read_bytes()
    database.close()
    file.write_bytes(data)


DAMAGED_TABLES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no table": (no_table, "no table `metadata`"),
    "a view": (view, "no table `metadata`"),
    "copied without its log": (copied_without_its_log, "no table `metadata`"),
    "cut off": (lambda file: cut(file, 5000), "SQLite|database is damaged"),
    "no database": (lambda file: file.write_bytes(b"x" * 5000), "SQLite cannot read it"),
    "empty": (lambda file: file.write_bytes(b""), "no table `metadata`"),
    "cut off, gzipped": (cut_gzip, "middle of the compressed data"),
}


@pytest.mark.parametrize("kind", DAMAGED_TABLES)
def test_a_database_that_cannot_be_read_is_told_and_its_graph_imported(
    kind: str, old: OldTool, log: Path
) -> None:
    damage, said = DAMAGED_TABLES[kind]
    damage(files(old, 1)[1])
    report = run(old, log)
    assert report.markers_placed == 4 and report.passed_over == []
    (problem,) = report.damaged
    assert re.search(said, problem.reason), problem.reason
    assert report.exit_code == 4
    label = report.imported[1].label
    same(snaplog.restore(log, label), bare(crawl(50)))
    assert report.attributes_lost["nodes"] == [label]
    assert any("attributes of nodes are lost in 1 backups (50 nodes" in line for line in report.lines())
    same(snaplog.restore(log, report.imported[2].label), expected(crawl(75), START + 2 * HOUR))


def test_rows_that_cannot_be_read_are_told_by_name(old: OldTool, log: Path) -> None:
    table = files(old, 0)[1]
    with sqlite3.connect(table) as database:
        database.execute("UPDATE metadata SET data = '{\"cut' WHERE sample_id = 1003")
        database.execute("UPDATE metadata SET data = '[1]' WHERE sample_id = 1004")
        database.execute("UPDATE metadata SET data = CAST(x'ff22' AS TEXT) WHERE sample_id = 1005")
        nested = "[" * 100_000
        database.execute("UPDATE metadata SET data = ? WHERE sample_id = 1006", (nested,))
    database.close()
    report = run(old, log)
    (problem,) = report.damaged
    assert "4 rows cannot be read: the attributes of 1003, 1004, 1005, 1006 are lost" in problem.reason
    restored = snaplog.restore(log, report.imported[0].label)
    assert restored.nodes["1003"] == {} and restored.nodes["1002"] == expected(crawl(25)).nodes["1002"]


def test_a_table_of_another_shape_is_read_as_far_as_it_is_known(old: OldTool, log: Path) -> None:
    table = files(old, 0)[1]
    table.unlink()
    with sqlite3.connect(table) as database:
        database.execute("CREATE TABLE metadata(sample_id TEXT PRIMARY KEY, data JSON)")
        database.executemany(
            "INSERT INTO metadata VALUES (?, ?)", [(u, json.dumps(a)) for u, a in crawl(25).nodes(data=True)]
        )
    database.close()
    report = run(old, log)
    wanted = crawl(25)
    nx.set_edge_attributes(wanted, {})
    restored = snaplog.restore(log, report.imported[0].label)
    assert dict(restored.nodes(data=True)) == dict(wanted.nodes(data=True))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"backups": 5}', b"\xff\xfe", b"[" * 100_000])
def test_an_unreadable_manifest_is_told_and_not_taken_for_an_empty_one(
    content: bytes, old: OldTool, log: Path
) -> None:
    (old.directory / "backup_manifest.json").write_bytes(content)
    report = run(old, log)
    assert [problem.path for problem in report.damaged] == ["backup_manifest.json"]
    assert report.exit_code == 4 and report.markers_placed == 4
    # Times by the names then, tiers by the folders.
    assert [marker.time for marker in snaplog.markers(log)][:3] == [START + n * HOUR for n in range(3)]
    assert snaplog.markers(log)[0].tiers == ("frequent",)


def test_entries_of_the_manifest_that_cannot_be_read_are_counted(old: OldTool, log: Path) -> None:
    old.manifest["backups"][0]["timestamp"] = "yesterday"
    old.manifest["backups"][1]["files"] = None
    old.manifest["backups"].append("what is this")
    old.save_manifest()
    report = run(old, log)
    assert [problem.reason for problem in report.damaged] == ["3 of its entries cannot be read"]
    assert report.markers_placed == 4


def test_backups_that_the_manifest_lists_and_that_are_gone_are_counted(old: OldTool, log: Path) -> None:
    for file in files(old, 1):
        file.unlink()
    report = run(old, log)
    assert report.backups_found == 4 and report.markers_placed == 3
    assert "its files are not there" in report.passed_over[0].reason


def test_windows_paths_in_the_manifest_are_read(old: OldTool, log: Path) -> None:
    for backup in old.manifest["backups"]:
        backup["files"] = {key: path.replace("/", "\\") for key, path in backup["files"].items()}
        backup["timestamp"] = backup["timestamp"].replace("+00:00", "Z")
    old.save_manifest()
    report = run(old, log)
    assert [each.time_from for each in report.imported] == ["manifest"] * 3 + ["checkpoint"]
    assert report.exit_code == 0


def test_a_name_whose_time_is_none_needs_the_manifest(old: OldTool, log: Path) -> None:
    for file in files(old, 1):
        file.rename(file.with_name(file.name.replace("20251113_", "20251399_")))
    report = run(old, log)
    reasons = [problem.reason for problem in report.passed_over]
    assert len(reasons) == 2
    assert "20251399_163022 in its name is no time" in reasons[0]


def test_a_live_directory_that_is_damaged(old: OldTool, log: Path) -> None:
    live = old.directory
    (live / "checkpoint_metadata.json").write_text('{"nodes": 80, ')
    cut(live / "freesound_library.pkl", 30)
    no_table(live / "metadata_cache.db")
    report = run(old, log)
    assert sorted(problem.path for problem in report.damaged) == [
        "checkpoint_metadata.json",
        "freesound_library.pkl",
        "metadata_cache.db",
    ]
    assert report.imported[-1].time_from == "date of the file"
    same(snaplog.restore(log), bare(crawl(80)))


def test_a_damaged_topology_is_made_good_by_the_library(old: OldTool, log: Path) -> None:
    cut(old.directory / "graph_topology.gpickle", 30)
    report = run(old, log)
    assert [problem.path for problem in report.damaged] == ["graph_topology.gpickle"]
    same(snaplog.restore(log), expected(crawl(80), START + 5 * HOUR, edges=True))


def test_a_live_directory_without_its_files_is_no_checkpoint(old: OldTool, log: Path) -> None:
    for name in ("graph_topology.gpickle", "freesound_library.pkl"):
        (old.directory / name).unlink()
    report = run(old, log)
    assert [each.label[:6] for each in report.imported] == ["backup"] * 3


@pytest.mark.parametrize(
    "harm", [lambda file: cut(file, 40), lambda file: flip(file, 3000), lambda file: cut(file, 4)]
)
def test_a_damaged_archive_is_passed_over(harm: Callable[[Path], None], old: OldTool, log: Path) -> None:
    older = OldTool(old.directory.parent / "older" / "freesound_library")
    older.checkpoint(crawl(20), START - HOUR)
    harm(older.archive(old.directory, 20, "777"))
    report = run(old, log)
    (problem,) = report.passed_over
    assert (
        problem.path == "checkpoint_backup_20nodes_777.tar.gz" and "the archive is damaged" in problem.reason
    )
    assert report.backups_found == 5 and report.markers_placed == 4 and report.exit_code == 4


def archive(file: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(file, "w:gz") as packed:
        for member, content in members:
            member.size = len(content) if member.isreg() else 0
            packed.addfile(member, io.BytesIO(content))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def test_an_archive_cannot_reach_outside_of_itself(old: OldTool, log: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.gpickle"
    secret.write_bytes(pickled(crawl(5)))
    graph = pickled(bare(crawl(7)))
    name = "graph_topology.gpickle"
    archive(
        old.directory / "checkpoint_backup_7nodes_1.tar.gz",
        [
            (member(f"../../{name}"), graph),
            (member(f"/tmp/freesound_library/{name}"), graph),
            (member(f"freesound_library/../{name}"), graph),
            (member(f"elsewhere/{name}"), graph),
            (member(f"freesound_library/{name}", tarfile.SYMTYPE, str(secret)), b""),
            (member(f"freesound_library/{name}", tarfile.LNKTYPE, str(secret)), b""),
            (member("freesound_library/freesound_library.pkl", tarfile.FIFOTYPE), b""),
        ],
    )
    before = sorted(tmp_path.rglob("*"))
    report = run(old, log)
    assert "holds no graph" in report.passed_over[0].reason
    assert [path for path in sorted(tmp_path.rglob("*")) if log not in (path, *path.parents)] == before


def test_archives_are_bounded(old: OldTool, log: Path) -> None:
    zeros = b"\0" * (1 << 24)
    target = old.directory / "checkpoint_backup_7nodes_1.tar.gz"
    archive(target, [(member("freesound_library/graph_topology.gpickle"), zeros)])
    assert "come out of a file in it" in run(old, log, max_bytes=1 << 22).passed_over[0].reason
    # A header that says of itself that it is a gigabyte.
    header = bytearray(member("x", tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % (1 << 30)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    target.write_bytes(gzip.compress(bytes(header) + b"\0" * 10240))
    assert "the archive is damaged" in run(old, log).passed_over[0].reason


def test_the_files_of_an_archive_are_read_with_their_write_ahead_log(old: OldTool, log: Path) -> None:
    older = OldTool(old.directory.parent / "older" / "freesound_library")
    older.checkpoint(crawl(20), START - HOUR, library=False)
    table = older.directory / "metadata_cache.db"
    table.unlink()
    database = sqlite3.connect(table)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    put_rows(database, crawl(20), START - HOUR)
    database.commit()
    for order in (1, -1):
        file = old.directory / f"checkpoint_backup_20nodes_{order + 2}.tar.gz"
        with tarfile.open(file, "w:gz") as packed:
            for each in sorted(older.directory.iterdir(), key=lambda path: path.name)[::order]:
                packed.add(each, f"freesound_library/{each.name}")
    database.close()
    report = run(old, log)
    assert report.exit_code == 0
    for label in ("checkpoint_backup_20nodes_1", "checkpoint_backup_20nodes_3"):
        same(snaplog.restore(log, label), expected(crawl(20), START - HOUR))


def test_a_time_to_come_is_passed_over_and_the_log_stays_as_it_was(old: OldTool, log: Path) -> None:
    later = datetime.now(timezone.utc) + timedelta(days=400)
    old.backup(later, "frequent", crawl(80))
    report = run(old, log)
    assert "80nodes" in report.passed_over[0].path
    assert report.markers_placed == 4
    same(snaplog.restore(log), expected(crawl(80), START + 5 * HOUR, edges=True))


def test_a_pickle_that_says_how_large_it_is_and_lies(old: OldTool, log: Path) -> None:
    files(old, 0)[0].write_bytes(b"\x80\x05\x95" + struct.pack("<Q", 1 << 60) + b"}.")
    files(old, 1)[0].write_bytes(joblib_dumped({"graph": "none"}))
    report = run(old, log)
    assert [problem.path for problem in report.passed_over] == [f"backup_{n}nodes_{s}" for n, s in (
        (25, "20251113_153022"), (50, "20251113_163022"))]  # fmt: skip
