"""Line charts as SVG that follow the reader's light or dark scheme. The same numbers give the same bytes: text stays
text, so no font of the building machine is included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise, repeat
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT, ROW = 360, 225, 20
"""Size of a chart in the pixels of a phone, so that its text is not scaled down there; and height of a named row."""
LEFT, RIGHT, BOTTOM = 54, 14, 42
LEGEND_LINE, LETTER, KEY = 18, 6.6, 28
"""Height of a legend line, approximate width of a letter in it, and width of the line sample before the text."""
COLOURS = 4
"""Number of colours in chart.css, each with its own dash pattern and luminance."""
TICKS = 5
"""Approximate number of intervals between the numbers of an axis."""
NICE = (1.0, 2.0, 2.5, 5.0)
SETTLED = 0.5
"""Share of the training after which a loss has come down from its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve, or dots.

    Attributes:
        colour: 1 to :data:`COLOURS`; solid, dashed, dotted, dash-dotted. Dots of colour 1 are filled, others open.
        low, high: limits of a band around it, or empty; for ``intervals``, their ends along x.
        style: ``plain``, ``thin``, ``steps``, ``dots``, or ``intervals``, which are dots with a bar through each.
        mark: (x, y) of a point to ring, or None.
    """

    label: str
    colour: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    style: str = "plain"
    mark: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines in one frame.

    Attributes:
        x_range, y_range: axis ranges; None to take them from the data.
        x_names, y_names: names shown at 0, 1, 2, ... instead of numbers.
        x_log: put x, which must be above 0, on a logarithmic scale.
        diagonal: draw the line on which y equals x.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_names: tuple[str, ...] = ()
    y_names: tuple[str, ...] = ()
    x_log: bool = False
    diagonal: bool = False


def svg(chart: Chart, *, alone: bool = False) -> Markup:
    """Return a chart as SVG, for a page with chart.css; with ``alone``, for a file that includes its own style."""
    from markupsafe import Markup
    from survbench.leaderboard.site.assets import static, template

    style = static("chart.css") if alone else ""
    return Markup(template("chart.svg.j2").render(chart=chart, frame=_Frame(chart), style=Markup(style)))  # noqa: S704


COLUMNS = ("line", "x", "y", "low", "high")
"""Columns of the table of a chart's numbers."""


def rows(chart: Chart) -> Iterator[tuple[object, ...]]:
    """Yield the numbers of a chart, one row per point; the band is empty if a line has none."""
    for line in chart.lines:
        band = zip(line.low, line.high, strict=True) if line.low else repeat(("", ""))
        for x, y, (low, high) in zip(line.x, line.y, band, strict=False):
            yield line.label, x, y, low, high


class _Frame:
    """The layout of a chart: coordinates, ticks, and legend positions."""

    def __init__(self, chart: Chart) -> None:
        # names need more space than numbers: the frame keeps its width, and the chart grows
        self.left = max(LEFT, int(LETTER * max(map(len, chart.y_names), default=0)) + 12)
        self.width = WIDTH + self.left - LEFT
        self.legend = list(_legend(chart.lines, self.width))
        self.top = 8 + LEGEND_LINE * (1 + max((row for _, _, row in self.legend), default=-1))
        self.height = self.top + (ROW * len(chart.y_names) + BOTTOM if chart.y_names else HEIGHT)
        self.right, self.bottom = self.width - RIGHT, self.height - BOTTOM
        self.scale = math.log10 if chart.x_log else float
        across = {True: ("x", "low", "high"), False: ("x",)}
        along = {True: ("y",), False: ("y", "low", "high")}
        of_x = [
            [self.scale(v) for v in getattr(line, of)]
            for line in chart.lines
            for of in across[line.style == "intervals"]
        ]
        of_y = [getattr(line, of) for line in chart.lines for of in along[line.style == "intervals"]]
        margin = 0.04 if chart.x_log or chart.y_names else 0.0
        self.x_low, self.x_high = chart.x_range or _of_names(chart.x_names) or _span(of_x, margin=margin)
        self.y_low, self.y_high = chart.y_range or _of_names(chart.y_names) or _span(of_y, margin=0.04)
        if chart.x_log:
            ticks = _log_ticks(self.x_low, self.x_high)
        else:
            # counts, such as steps and trials, have no halves
            whole = all(float(x).is_integer() for line in chart.lines for x in line.x)
            ticks = _ticks(self.x_low, self.x_high, whole=whole)
        self.x_ticks = _labels(ticks, chart.x_names, self.x)
        self.y_ticks = _labels(_ticks(self.y_low, self.y_high), chart.y_names, self.y)

    def x(self, value: float) -> str:
        """Return the distance of a value from the left."""
        share = (self.scale(value) - self.x_low) / (self.x_high - self.x_low)
        return f"{self.left + share * (self.right - self.left):.1f}"

    def y(self, value: float) -> str:
        """Return the distance of a value from the top."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return f"{self.bottom - share * (self.bottom - self.top):.1f}"

    def points(self, line: Line) -> list[tuple[str, str]]:
        """Return the coordinates of a line's points."""
        return [(self.x(x), self.y(y)) for x, y in zip(line.x, line.y, strict=True) if np.isfinite(y)]

    def path(self, line: Line) -> str:
        """Return a line as the data of an SVG path, interrupted at missing numbers."""
        parts, gap = [], True
        for x, y in zip(line.x, line.y, strict=True):
            if not np.isfinite(y):
                gap = True
            elif gap:
                parts.append(f"M{self.x(x)} {self.y(y)}")
                gap = False
            else:
                parts.append(f"H{self.x(x)}V{self.y(y)}" if line.style == "steps" else f"L{self.x(x)} {self.y(y)}")
        return "".join(parts)

    def band(self, line: Line) -> str:
        """Return the band around a line as the data of an SVG path, or ""."""
        if line.style == "intervals":
            return ""
        known = [
            (x, low, high)
            for x, low, high in zip(line.x, line.low, line.high, strict=False)
            if np.isfinite(low) and np.isfinite(high)
        ]
        if not known:
            return ""
        there = [(x, high) for x, _, high in known]
        back = [(x, low) for x, low, _ in reversed(known)]
        if line.style == "steps":
            there, back = _stairs(there), _stairs(back[::-1])[::-1]
        return "M" + "L".join(f"{self.x(x)} {self.y(y)}" for x, y in (*there, *back)) + "Z"


def settled_range(lines: Sequence[Line]) -> tuple[float, float]:
    """Return the y range for training curves: the range that they reach after settling, extended by as much on either
    side, so that the first steps of a loss do not flatten the rest.
    """
    end = max(max(line.x) for line in lines)
    points = [
        (x, value)
        for line in lines
        for of_line in (line.y, line.low, line.high)
        for x, value in zip(line.x, of_line, strict=False)
    ]
    low, high = _span([[value for _, value in points]])
    settled_low, settled_high = _span([[value for x, value in points if x >= SETTLED * end]])
    reach = settled_high - settled_low
    return _span([[max(low, settled_low - reach), min(high, settled_high + reach)]], margin=0.04)


def _stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a curve that keeps its value up to the next point."""
    corners = list(points[:1])
    for (_, before), (x, y) in pairwise(points):
        corners += [(x, before), (x, y)]
    return corners


def _legend(lines: Sequence[Line], width: int) -> Iterator[tuple[Line, float, int]]:
    """Yield each labelled line with its position in the legend: distance from the left, and row."""
    x, row, start = 8.0, 0, 8.0
    for line in lines:
        if not line.label:
            continue
        taken = KEY + 14 + LETTER * len(line.label)
        if x > start and x + taken > width:
            x, row = start, row + 1
        yield line, x, row
        x += taken


def _labels(ticks: Sequence[float], names: Sequence[str], place: Callable[[float], str]) -> list[tuple[str, str]]:
    """Return the labels of an axis with their positions: names if there are any, otherwise numbers."""
    if names:
        return [(place(number), name) for number, name in enumerate(names)]
    return [(place(tick), f"{tick:g}".replace("-", "−")) for tick in ticks]


def _of_names(names: Sequence[str]) -> tuple[float, float] | None:
    return (-0.5, len(names) - 0.5) if names else None


def _span(values: Sequence[Sequence[float]], margin: float = 0.0) -> tuple[float, float]:
    known = [v for of_line in values for v in of_line if np.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    wider = margin * (high - low) if high > low else 0.5
    return low - wider, high + wider


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Return the round numbers from ``low`` to ``high``, about :data:`TICKS` of them.

    >>> _ticks(0.0, 100.0)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    >>> _ticks(0.0, 2.0, whole=True)
    [0.0, 1.0, 2.0]
    """
    least = (high - low) / TICKS
    steps = (nice * 10.0**power for power in count(math.floor(math.log10(least))) for nice in NICE)
    step = next(s for s in steps if s >= least * (1 - 1e-9) and (s.is_integer() or not whole))
    places = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    # 3 * 0.1 is not 0.3
    return [float(f"{place * step:.9g}") for place in places]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten, and 3 times them, between two powers of ten; for a short range, any round numbers.

    >>> _log_ticks(-3.0, -1.0)
    [0.001, 0.003, 0.01, 0.03, 0.1]
    """
    decades = high - low
    if decades < 1:
        return _ticks(10.0**low, 10.0**high)
    powers = range(math.floor(low), math.ceil(high) + 1, 1 + int(decades / (TICKS + 1)))
    found = (float(f"{times}e{power}") for power in powers for times in ((1, 3) if decades <= 2 else (1,)))
    return [value for value in found if low - 1e-9 <= math.log10(value) <= high + 1e-9]
