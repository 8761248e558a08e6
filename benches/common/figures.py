"""Figures as the benches wrote them: read, compared, and put into Markdown."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of JSON."""

    bench: str
    case: str
    subject: str
    n: int
    unit: str
    median: float
    least: float
    most: float
    note: str = ""

    @property
    def extrapolated(self):
        """Whether it was worked out rather than measured."""
        return self.note.startswith("extrapolated")


def read(paths):
    """The figures of some files. Of two about the same the later one counts."""
    found = {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    figure = Figure(**json.loads(line))
                except (ValueError, TypeError) as error:
                    raise SystemExit(f"{path}:{number}: no figure: {error}") from error
                found[figure.bench, figure.case, figure.subject, figure.n] = figure
    return list(found.values())


def distinct(values):
    """Each value once, in the order of the first."""
    return list(dict.fromkeys(values))


def more_is_better(unit):
    """Whether the unit is one of speed; all others are of cost."""
    return unit.endswith("/s")


def times_as_good(figure, reference):
    """How many times as good a figure is as the reference: 2 is twice the speed, or half the cost."""
    better, worse = figure.median, reference.median
    if not more_is_better(figure.unit):
        better, worse = worse, better
    return better / worse if worse else float("inf")


def best(figures):
    """The best of some figures of one unit; None of none."""
    figures = list(figures)
    if not figures:
        return None
    pick = max if more_is_better(figures[0].unit) else min
    return pick(figures, key=lambda figure: figure.median)


def number(value):
    """Three digits that count, with commas between thousands: 1,230,000, 12.3, 0.123."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def times(ratio):
    """A ratio as it stands in a table."""
    return f"{number(ratio)} ×"


def shown(figure):
    """A figure as it stands in a table: the median, the range if there is one, ≈ if it was not measured."""
    if figure is None:
        return "–"
    text = ("≈ " if figure.extrapolated else "") + number(figure.median)
    low, high = number(figure.least), number(figure.most)
    return text if low == high else f"{text} ({low}–{high})"


def table(head, rows):
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
