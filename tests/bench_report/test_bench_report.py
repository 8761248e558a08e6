"""The helpers that turn figures of the benches into docs/benchmarks.md.

    pytest tests/bench_report
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benches"))

from common import figures, machine, sections, square_law, svg  # noqa: E402


def figure(case="append", subject="snaplog", n=10, unit="events/s", median=2.0, bench="log", note=""):
    return figures.Figure(bench, case, subject, n, unit, median, median, median, note)


def test_a_square_law_is_found_again():
    points = [(n, 3 * n * n + 500 * n) for n in (1_000, 4_000)]
    assert square_law.fit(points) == pytest.approx((3, 500))
    assert square_law.at(square_law.fit(points), 50_000) == pytest.approx(3 * 50_000**2 + 500 * 50_000)
    assert square_law.held_out([*points, (16_000, 3 * 16_000**2 + 500 * 16_000)]) == pytest.approx(1)


def test_a_law_never_falls_below_zero():
    assert square_law.fit([(10, 100)]) == (1, 0)
    assert square_law.fit([(10, 100), (20, 1_600)]) == (4, 0)  # steeper than a square: through the last
    assert square_law.fit([(10, 100), (20, 150)]) == (0, 7.5)  # flatter than a line: a line through the last
    assert square_law.held_out([(10, 100)]) is None


def test_twice_as_good_is_twice_the_speed_or_half_the_cost():
    assert figures.times_as_good(figure(median=4), figure(median=2)) == 2
    assert figures.times_as_good(figure(unit="s", median=1), figure(unit="s", median=2)) == 2
    assert figures.best([figure(median=4), figure(median=2)]).median == 4
    assert figures.best([figure(unit="bytes", median=4), figure(unit="bytes", median=2)]).median == 2
    assert figures.best([]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.12345, "0.123"), (12.345, "12.3"), (999.9, "1,000"), (1_234_567, "1,230,000"), (70, "70")],
)
def test_three_digits_count(value, text):
    assert figures.number(value) == text


def test_the_later_of_two_lines_counts(tmp_path):
    path = tmp_path / "figures.jsonl"
    path.write_text("".join(json.dumps(vars(figure(median=median))) + "\n" for median in (1, 2)), "utf-8")
    assert [found.median for found in figures.read([path])] == [2]
    path.write_text('{"bench":"log"}\n', "utf-8")
    with pytest.raises(SystemExit, match="figures.jsonl:1"):
        figures.read([path])


def test_snaplog_stands_beside_the_best_peer_and_the_bare_file():
    speed = {"bare file": 100, "snaplog, by id": 50, "okaywal 0.3.1": 20, "redb 2": 25}
    size = {"bare file": 40, "snaplog, by id": 20, "okaywal 0.3.1": 60, "redb 2": 80}
    found = [figure(bench="append", case="sync each", subject=who, median=m) for who, m in speed.items()]
    found += [figure("bytes per event", who, unit="bytes", bench="append", median=m) for who, m in size.items()]
    text = sections.section("append", found)
    assert "| against the best of the others | sync each | bytes per event |\n| --- | ---: | ---: |\n" in text
    assert "| snaplog, by id | 2 × | 3 × |" in text
    assert "The best of the others: sync each: redb 2; bytes per event: okaywal 0.3.1." in text
    assert text.rstrip().endswith("| snaplog, by id | 0.5 × | 2 × |")


def test_what_is_extrapolated_shows():
    found = [figure("time", "snaplog ingest", unit="s", bench="old-way", median=2.0)]
    found += [figure("time", "old way", unit="s", bench="old-way", median=8.0, note="extrapolated: by a law")]
    text = sections.section("old-way", found)
    assert "| 10 | 2 | ≈ 8 | ≈ 4 × |" in text
    assert "- old way, time: extrapolated: by a law" in text


def test_ticks():
    assert svg.log_ticks([1_000, 50_000]) == [1_000, 10_000, 100_000]
    assert svg.log_ticks([0.03, 2]) == pytest.approx([0.01, 0.1, 1, 10])
    assert svg.linear_ticks(1_060_000) == pytest.approx([n * 200_000 for n in range(7)])
    assert svg.linear_ticks(0) == [0, 1]
    assert [svg.short(value) for value in (0.1, 20, 1_000, 2_500_000)] == ["0.1", "20", "1 k", "2.5 M"]


def test_a_plot_is_xml_with_a_mark_for_each_point_and_dashes_where_it_guesses():
    series = [svg.Series("a < b", [(1_000, 1.0, True), (4_000, 8.0, True), (16_000, 100.0, False)])]
    text = svg.draw("title", [svg.Panel("time", "nodes", series, log_y=True)])
    root = ElementTree.fromstring(text)
    marks = [e for e in root.iter("{http://www.w3.org/2000/svg}circle")]
    dashed = [e for e in root.iter("{http://www.w3.org/2000/svg}path") if "guess" in e.get("class")]
    assert (len(marks), len(dashed)) == (3, 2)  # the second is the legend's
    assert "prefers-color-scheme: dark" in text


def test_the_file_system_is_that_of_the_nearest_mount():
    mounts = "/dev/a / ext4 rw 0 0\n/dev/b /mnt xfs rw 0 0\ntmpfs /mnt/fast tmpfs rw 0 0\n"
    assert machine.file_system(mounts, "/home/x") == "ext4"
    assert machine.file_system(mounts, "/mnt/slow") == "xfs"
    assert machine.file_system(mounts, "/mnt/fast/log") == "tmpfs"
    assert machine.file_system(mounts, "/mntx") == "ext4"
