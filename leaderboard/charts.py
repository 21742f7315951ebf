"""Line charts as SVG that follow the reader's light or dark scheme. The same numbers give the same bytes: text stays
text, so no font of the building machine is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 430, 260
LEFT, RIGHT, BOTTOM = 54, 14, 42
LEGEND_LINE, LETTER = 17, 6.3
"""Height of a line of the legend, and about the width of one of its letters."""
COLOURS = 4
"""Colours that chart.css names."""
TICKS = 5
SETTLED = 0.33
"""Share of the training after which a loss has come down from where it started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve, or dots.

    Attributes:
        colour: 1 to :data:`COLOURS`.
        low, high: of a band around it, or empty.
        style: ``solid``, ``dashed``, ``steps`` or ``dots``.
        mark: (x, y) of a point that is ringed, or None.
    """

    label: str
    colour: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    style: str = "solid"
    mark: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines in one frame. ``x_range`` and ``y_range`` are taken from the data where they are None."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False


def svg(chart: Chart, *, alone: bool = False) -> Markup:
    """Return a chart as SVG, for a page with chart.css; with ``alone`` as a file that carries its own style."""
    from markupsafe import Markup
    from survbench.leaderboard.page import template

    style = (Path(__file__).parent / "chart.css").read_text(encoding="utf-8") if alone else ""
    return Markup(template("chart.svg.j2").render(chart=chart, frame=_Frame(chart), style=Markup(style)))  # noqa: S704


COLUMNS = ("line", "x", "y", "low", "high")
"""Of the table of a chart's numbers."""


def rows(chart: Chart) -> Iterator[tuple[object, ...]]:
    """Yield the numbers behind a chart, a row per point; the band is empty where a line has none."""
    for line in chart.lines:
        band = zip(line.low, line.high, strict=True) if line.low else repeat(("", ""))
        for x, y, (low, high) in zip(line.x, line.y, band, strict=False):
            yield line.label, x, y, low, high


class _Frame:
    """Where things lie: data to coordinates, ticks, the legend's places."""

    def __init__(self, chart: Chart) -> None:
        self.legend = list(_legend(chart.lines))
        self.top = 8 + LEGEND_LINE * (1 + max((row for _, _, row in self.legend), default=0))
        self.width, self.height, self.left = WIDTH, HEIGHT + self.top, LEFT
        self.right, self.bottom = WIDTH - RIGHT, self.height - BOTTOM
        self.x_low, self.x_high = chart.x_range or _span([line.x for line in chart.lines])
        of_y = [v for line in chart.lines for v in (line.y, line.low, line.high)]
        self.y_low, self.y_high = chart.y_range or _span(of_y, margin=0.04)
        self.x_ticks = [(self.x(t), f"{t:g}") for t in _ticks(self.x_low, self.x_high)]
        self.y_ticks = [(self.y(t), f"{t:g}".replace("-", "−")) for t in _ticks(self.y_low, self.y_high)]

    def x(self, value: float) -> str:
        """Return where a value lies from the left."""
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return f"{self.left + share * (self.right - self.left):.1f}"

    def y(self, value: float) -> str:
        """Return where a value lies from the top."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return f"{self.bottom - share * (self.bottom - self.top):.1f}"

    def points(self, line: Line) -> list[tuple[str, str]]:
        """Return the places of a line's points."""
        return [(self.x(x), self.y(y)) for x, y in zip(line.x, line.y, strict=True) if np.isfinite(y)]

    def path(self, line: Line) -> str:
        """Return a line as the data of an SVG path; it is interrupted where there is no number."""
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
    """Return the range of y in which curves of a training are read: what they reach once they have settled, and as much
    again on either side, so that the first steps of a loss do not flatten the rest.
    """
    end = max(max(line.x) for line in lines)
    late = [
        value
        for line in lines
        for of_line in (line.y, line.low, line.high)
        for x, value in zip(line.x, of_line, strict=False)
        if x >= SETTLED * end
    ]
    low, high = _span([line.y for line in lines] + [of for line in lines for of in (line.low, line.high)], margin=0.04)
    settled_low, settled_high = _span([late])
    reach = settled_high - settled_low
    return max(low, settled_low - reach), min(high, settled_high + reach)


def _stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a curve that keeps its value up to the next point."""
    corners = list(points[:1])
    for (_, before), (x, y) in pairwise(points):
        corners += [(x, before), (x, y)]
    return corners


def _legend(lines: Sequence[Line]) -> Iterator[tuple[Line, float, int]]:
    """Yield each labelled line with its place in the legend: from the left, and the row."""
    x, row = float(LEFT), 0
    for line in lines:
        if not line.label:
            continue
        width = 30 + LETTER * len(line.label)
        if x > LEFT and x + width > WIDTH:
            x, row = float(LEFT), row + 1
        yield line, x, row
        x += width


def _span(values: Sequence[Sequence[float]], margin: float = 0.0) -> tuple[float, float]:
    known = [v for of_line in values for v in of_line if np.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    wider = margin * (high - low) if high > low else 0.5
    return low - wider, high + wider


def _ticks(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    margin = 1e-9 * (high - low)
    found = (float(t) for t in MaxNLocator(TICKS).tick_values(low, high))
    # a number next to 0 would be printed with its error
    return [round(t, 9) + 0.0 for t in found if low - margin <= t <= high + margin]
