"""The sections of the report, one for each bench: what is in its tables, what stands beside what, and the plots."""

import textwrap

from . import svg
from .figures import best, distinct, more_is_better, shown, table, times, times_as_good

ORDER = ["append", "log", "growth", "ingest", "restore", "verify", "old-way", "memory", "space", "remote"]

TITLES = {
    "append": "Appending, against other logs and stores",
    "log": "Appending, against a bare file; replay; a marker",
    "growth": "As the log grows",
    "ingest": "Reading a crawl in",
    "restore": "Getting a crawl out again",
    "verify": "Verifying",
    "old-way": "Against the old way",
    "memory": "Memory of a writer",
    "space": "Room on disk",
    "remote": "Off the machine",
}

INTROS = {
    "append": "The same events through each, with `benches/peers/run`. Below are snaplog's ratios, column by column, against the "
    "best of the others and against a bare file, which has neither graph nor index.",
    "log": "`cargo bench --bench log`. The bare file holds the same payloads, each behind a length and a checksum.",
    "growth": "`cargo bench --bench growth`. A fifth of the events are nodes with about 300 bytes of attributes, the rest edges "
    "with a weight; one sync at the end. The last column is the largest of a row through its smallest: 1 would be a flat line.",
    "ingest": "`benches/ingest.py`. The same file of NDJSON, each in a process of its own. NetworkX keeps nothing on disk, the "
    "bare readers build nothing either: they parse each line and drop it.",
    "restore": "`benches/ingest.py`. The newest marker to a file, in bytes of that file.",
    "verify": "`benches/ingest.py`. Beside it a CRC-32 of the same files, which proves nothing about the graph.",
    "old-way": "`benches/old_way_compare.py`. The old way pickles the graph at every 25th node and copies it into tiers; snaplog "
    "places the same markers. Both read the same events of a crawl of Debian's packages. What is written is what was "
    "handed to write calls. The old way grows with the square of the nodes, so the larger sizes are extrapolated.",
    "memory": "`cargo bench --bench memory`. Bytes for each node or edge that a writer holds.",
    "space": "`cargo bench --bench space`. The log with all its markers, beside the crawl and the graph at its end.",
    "remote": "`cargo bench --bench remote`. Into a directory, or a store that `SNAPLOG_BENCH_REMOTE` names; beside it a plain copy "
    "of the same bytes by the crate object_store, which checks and hashes nothing.",
}

# What the rows of a bench are compared with: subjects that begin so.
REFERENCES = {"ingest": ["json + NetworkX", "sonic-rs"], "verify": ["CRC-32"]}
OURS = "snaplog"
BARE = "bare file"


def section(bench, figures):
    """The Markdown of one bench."""
    parts = [f"\n## {TITLES.get(bench, bench)}\n\n"]
    if bench in INTROS:
        parts.append(textwrap.fill(INTROS[bench], 120) + "\n\n")
    if bench == "append":
        parts.append(append(figures))
    elif bench == "growth":
        parts.append("![Figures by number of events](growth.svg)\n\n" + growth(figures))
    elif bench == "old-way":
        parts.append("![Time and bytes by number of nodes](old-way.svg)\n\n" + old_way(figures))
    elif bench == "log":
        parts.append(by_case(figures))
    else:
        parts.append(plain(figures, REFERENCES.get(bench, [])))
    return "".join(parts) + notes(figures)


def columns(figures):
    """The cases and their headings, with n where it is the same all the way down."""
    heads = {}
    for case, unit in distinct((figure.case, figure.unit) for figure in figures):
        counts = {figure.n for figure in figures if figure.case == case}
        heads[case] = f"{case}, {unit}" + (f" (n = {counts.pop():,})" if len(counts) == 1 else "")
    return heads


def plain(figures, references=()):
    """Rows are subjects, columns are cases; then ratios against each of the references that is there."""
    heads = columns(figures)
    cells = {(figure.subject, figure.case): figure for figure in figures}
    subjects = distinct(figure.subject for figure in figures)
    rows = [[who, *(shown(cells.get((who, case))) for case in heads)] for who in subjects]
    parts = [table(["", *heads.values()], rows)]
    for reference in references:
        found = next((who for who in subjects if who.startswith(reference)), None)
        if found and any(who.startswith(OURS) for who in subjects):
            parts.append(ratios(f"against {found}", figures, {case: cells.get((found, case)) for case in heads}))
    return "\n".join(parts)


def append(figures):
    """Everybody in one table; then snaplog against the best of the others, and against the bare file."""
    peers, bare = {}, {}
    for case in columns(figures):
        here = [figure for figure in figures if figure.case == case]
        peers[case] = best(f for f in here if not f.subject.startswith((OURS, BARE)))
        bare[case] = next((f for f in here if f.subject.startswith(BARE)), None)
    named = [f"{case}: {peer.subject}" for case, peer in peers.items() if peer]
    return "\n".join(
        [
            plain(figures),
            ratios("against the best of the others", figures, peers),
            f"The best of the others: {'; '.join(named)}.\n" if named else "",
            ratios("against the bare file", figures, bare),
        ]
    )


def ratios(title, figures, against):
    """How many times as good each row of snaplog is as what it is compared with, case by case."""
    cells = {(figure.subject, figure.case): figure for figure in figures}
    rows = []
    for who in distinct(figure.subject for figure in figures if figure.subject.startswith(OURS)):
        pairs = [(cells.get((who, case)), reference) for case, reference in against.items()]
        rows.append([who, *(times(times_as_good(*pair)) if all(pair) else "–" for pair in pairs)])
    return table([title, *against], rows)


def by_case(figures):
    """Rows are cases at each n, columns are subjects; then how many times as good the first is as the others."""
    first, *others = subjects = distinct(figure.subject for figure in figures)
    rows = []
    for case, unit, n in distinct((figure.case, figure.unit, figure.n) for figure in figures):
        row = {figure.subject: figure for figure in figures if (figure.case, figure.n) == (case, n)}
        pairs = [(row.get(first), row.get(who)) for who in others]
        better = [times(times_as_good(*pair)) if all(pair) else "–" for pair in pairs]
        rows.append([f"{case}, {unit} (n = {n:,})", *(shown(row.get(who)) for who in subjects), *better])
    return table(["", *subjects, *(f"against {who}" for who in others)], rows)


def growth(figures):
    """Rows are cases, columns are numbers of events."""
    sizes = sorted({figure.n for figure in figures})
    rows = []
    for case, unit in distinct((figure.case, figure.unit) for figure in figures):
        row = {figure.n: figure for figure in figures if figure.case == case}
        medians = [figure.median for figure in row.values()]
        spread = times(max(medians) / min(medians)) if min(medians) else "–"
        rows.append([f"{case}, {unit}", *(shown(row.get(n)) for n in sizes), spread])
    return table(["", *(f"{n:,}" for n in sizes), "spread"], rows)


def old_way(figures):
    """A table for each case: rows are numbers of nodes, columns are who, and how many times as good snaplog is."""
    parts = []
    for case, unit in distinct((figure.case, figure.unit) for figure in figures):
        here = {(figure.subject, figure.n): figure for figure in figures if figure.case == case}
        subjects = distinct(who for who, _ in here)
        ours = next((who for who in subjects if who.startswith(OURS)), None)
        theirs = [who for who in subjects if not who.startswith(OURS)]
        rows = []
        for n in sorted({n for _, n in here}):
            ratio = [(here.get((ours, n)), here.get((who, n))) for who in theirs]
            better = [
                ("≈ " if pair[1].extrapolated else "") + times(times_as_good(*pair)) if all(pair) else "–" for pair in ratio
            ]
            rows.append([f"{n:,}", *(shown(here.get((who, n))) for who in subjects), *better])
        parts.append(table([f"{case}, {unit}; nodes", *subjects, *(f"snaplog against {who}" for who in theirs)], rows))
    return "\n".join(parts)


def notes(figures):
    """What the figures' lines remarked, each remark once."""
    told = distinct((figure.subject, figure.case if figure.extrapolated else "", figure.note) for figure in figures if figure.note)
    lines = [f"- {who}{', ' + case if case else ''}: {note}" for who, case, note in told]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def plots(figures):
    """The files of plots: name and text of each that has figures."""
    found = {}
    growing = [figure for figure in figures if figure.bench == "growth"]
    if growing:
        found["growth.svg"] = svg.draw("Figures by number of events", growth_panels(growing))
    old = [figure for figure in figures if figure.bench == "old-way"]
    if old:
        found["old-way.svg"] = svg.draw("The old way and snaplog, by number of nodes", old_way_panels(old), columns=3)
    return found


def growth_panels(figures):
    """A panel for each kind of unit, from zero: a flat line is what is promised."""
    kinds = {}
    for figure in figures:
        kind = "each second" if more_is_better(figure.unit) else figure.unit
        of_case = kinds.setdefault(kind, {}).setdefault(f"{figure.case}, {figure.unit}", [])
        of_case.append((figure.n, figure.median, True))
    return [svg.Panel(kind, "events", lines(by_case)) for kind, by_case in kinds.items()]


def old_way_panels(figures):
    """A panel for each case, both axes logarithmic; dashed where nothing was measured."""
    subjects = distinct(figure.subject for figure in figures)
    panels = []
    for case, unit in distinct((figure.case, figure.unit) for figure in figures):
        by_subject = {}
        for figure in figures:
            if figure.case == case and figure.median > 0:
                by_subject.setdefault(figure.subject, []).append((figure.n, figure.median, not figure.extrapolated))
        panels.append(svg.Panel(f"{case}, {unit}", "nodes", lines(by_subject, subjects), log_y=True))
    return panels


def lines(points, names=None):
    """A line for each name, in the colour that the name has in all panels."""
    names = list(names or points)
    return [svg.Series(name, found, names.index(name)) for name, found in points.items()]
