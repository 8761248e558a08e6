"""Line plots as SVG by hand: panels side by side, each with axes, ticks, a grid and a legend; light and dark."""

import itertools
import math
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 400, 300  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 66, 24, 34, 44  # around its plot
LEGEND = 17  # a line of the legend

LIGHT = {"ink": "#1f2328", "page": "#ffffff", "grid": "#d8dee4", "axis": "#57606a"}
DARK = {"ink": "#e6edf3", "page": "#0d1117", "grid": "#30363d", "axis": "#9198a1"}
COLOURS = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700", "#bf3989"]
DARK_COLOURS = ["#4493f8", "#f0883e", "#3fb950", "#ab7df8", "#d29922", "#f778ba"]


def rules(theme, colours):
    """What has another colour in the dark; no CSS variables, which not every viewer of SVG knows."""
    yield f"text {{ fill: {theme['ink']} }}"
    yield f".page, .open {{ fill: {theme['page']} }}"
    yield f".grid {{ stroke: {theme['grid']} }}"
    yield f".axis {{ stroke: {theme['axis']} }}"
    for at, colour in enumerate(colours):
        yield f".line{at}, .mark{at}, .open{at} {{ stroke: {colour} }}"
        yield f".mark{at} {{ fill: {colour} }}"


STYLE = f"""
text {{ font: 12px system-ui, sans-serif }}
.title {{ font-weight: 600; font-size: 13px }}
.line {{ fill: none; stroke-width: 2 }}
.guess {{ stroke-dasharray: 6 4 }}
{chr(10).join(rules(LIGHT, COLOURS))}
@media (prefers-color-scheme: dark) {{
{chr(10).join(rules(DARK, DARK_COLOURS))}
}}
"""


@dataclass
class Series:
    """A line: points (x, y, whether it was measured)."""

    name: str
    points: list
    colour: int = 0


@dataclass
class Panel:
    """A plot: what is drawn and how. The x axis is logarithmic."""

    title: str
    x_label: str
    series: list = field(default_factory=list)
    log_y: bool = False


def draw(title, panels, columns=2):
    """The panels as the text of one SVG file."""
    legends = max(len(legend(panel)) for panel in panels) * LEGEND + 6
    columns, height = min(columns, len(panels)), HEIGHT + legends
    rows = -(-len(panels) // columns)
    width, whole = columns * WIDTH, rows * height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {whole}" width="{width}" height="{whole}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{whole}"/>',
    ]
    for at, panel in enumerate(panels):
        parts.append(f'<g transform="translate({at % columns * WIDTH} {at // columns * height})">')
        parts += panel_parts(panel)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def panel_parts(panel):
    """The elements of one panel."""
    points = [point for series in panel.series for point in series.points]
    x_axis = Axis([x for x, *_ in points], True, LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for _, y, _ in points], panel.log_y, HEIGHT - BOTTOM, TOP)
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    yield f'<text class="title" x="{left}" y="{top - 14}">{escape(panel.title)}</text>'
    for value in y_axis.ticks:
        y = y_axis.place(value)
        yield f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>'
    for value in x_axis.ticks:
        x = x_axis.place(value)
        yield f'<line class="axis" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{short(value)}</text>'
    yield f'<path class="axis" fill="none" d="M{left} {top}V{bottom}H{right}"/>'
    yield f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">{escape(panel.x_label)}</text>'
    for series in panel.series:
        yield from series_parts(series, x_axis, y_axis)
    for at, (kind, name) in enumerate(legend(panel)):
        y = HEIGHT + 6 + at * LEGEND
        yield f'<path class="{kind}" d="M{left} {y}h22"/>'
        yield f'<text x="{left + 30}" y="{y + 4}">{escape(name)}</text>'


def legend(panel):
    """The lines of a panel's legend: how it is drawn, and what it is."""
    told = [(f"line line{colour(series)}", series.name) for series in panel.series]
    guessed = any(not sure for series in panel.series for *_, sure in series.points)
    return told + [("axis guess", "extrapolated")] * guessed


def series_parts(series, x_axis, y_axis):
    """A line with a mark at each point; dashed and open where a point was not measured."""
    points = sorted(series.points)
    placed = [(x_axis.place(x), y_axis.place(y), sure) for x, y, sure in points]
    for (x1, y1, _), (x2, y2, sure) in itertools.pairwise(placed):
        kind = f"line line{colour(series)}" + ("" if sure else " guess")
        yield f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'
    for (x, y, sure), (n, value, _) in zip(placed, points, strict=True):
        told = f"{series.name}: {value:,.6g} at {n:,}" + ("" if sure else ", extrapolated")
        kind = f"mark{colour(series)}" if sure else f"open open{colour(series)}"
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(told)}</title></circle>'


def colour(series):
    """The number of its colour."""
    return series.colour % len(COLOURS)


class Axis:
    """Where values stand between two ends of an axis, and which of them get a tick."""

    def __init__(self, values, log, start, end):
        self.log, self.start, self.end = log, start, end
        self.ticks = log_ticks(values) if log else linear_ticks(max(values))
        self.low, self.high = min([*values, *self.ticks]), max([*values, *self.ticks])

    def place(self, value):
        scale = math.log10 if self.log else float
        low, high = scale(self.low), scale(self.high)
        share = (scale(value) - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def log_ticks(values):
    """The powers of ten that the values lie between."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10**power if power >= 0 else 10.0**power for power in range(low, high + 1)]


def linear_ticks(most):
    """From 0 in steps of 1, 2 or 5 times a power of ten until nothing is above: 4 to 8 of them."""
    if most <= 0:
        return [0, 1]
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * m for m in (1, 2, 5, 10) if most / (power * m) <= 6)
    return [step * n for n in range(math.ceil(most / step - 1e-9) + 1)]


def short(value):
    """A tick's label: 1 k, 20 M, 1.5 G, 0.01."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"
