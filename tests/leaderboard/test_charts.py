"""Charts: what they draw, their axes and colours."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from survbench.leaderboard.site import charts
from survbench.leaderboard.site.charts import Chart, Line


def test_a_chart_draws_what_it_is_given():
    line = Line(label="a & b", colour=1, x=(0, 1, 2, 3), y=(0.0, 1.0, np.nan, 0.5), mark=(1, 1.0))
    drawn = str(charts.svg(Chart(title="t", x_label="x", y_label="y", lines=(line,), y_range=(0.0, 1.0))))
    path = next(p for p in drawn.splitlines() if 'class="line c1 plain" d=' in p)
    assert path.count("M") == 2, "a gap where there is no number"
    assert "a &amp; b" in drawn
    frame = charts._Frame(Chart(title="t", x_label="x", y_label="y", lines=(line,), y_range=(0.0, 1.0)))
    assert (frame.x(0), frame.x(3)) == (f"{frame.left:.1f}", f"{frame.right:.1f}")
    assert (frame.y(0), frame.y(1)) == (f"{frame.bottom:.1f}", f"{frame.top:.1f}")


def test_the_first_steps_of_a_loss_do_not_flatten_the_rest():
    line = Line(label="", colour=1, x=tuple(range(1, 11)), y=(500.0, 4.0, 3.0, 2.0, 2.0, 2.0, 2.5, 3.0, 3.0, 3.0))
    low, high = charts.settled_range([line])
    assert 1.8 < low < 2, "there is nothing below"
    assert 4 <= high <= 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_lines_differ_in_luminance(scheme):
    """3 to 1 between the first two, and of all against the ground (WCAG 2.2, 1.4.11): they differ in grey too."""
    style = (Path(charts.__file__).parent / "static" / "chart.css").read_text(encoding="utf-8")
    block = style.split("dark)")[scheme == "dark"]
    colours = dict(re.findall(r"--(ground|c\d): (#[0-9a-f]{6})", block))
    light = {name: luminance(colour) for name, colour in colours.items()}
    assert set(light) == {"ground", *(f"c{n}" for n in range(1, charts.COLOURS + 1))}
    ratio = {
        frozenset(p): (max(light[n] for n in p) + 0.05) / (min(light[n] for n in p) + 0.05)
        for p in combinations(light, 2)
    }
    assert all(value >= 3 for pair, value in ratio.items() if "ground" in pair)
    assert ratio[frozenset({"c1", "c2"})] >= 3
    assert min(ratio.values()) >= 1.4


def luminance(colour):
    """Return the relative luminance of #rrggbb (WCAG 2.2)."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_what_is_counted_has_whole_numbers_on_its_axis():
    line = Line(label="", colour=1, x=(1, 2, 3), y=(0.1, 0.2, 0.4))
    frame = charts._Frame(Chart(title="t", x_label="step", y_label="y", lines=(line,)))
    assert [label for _, label in frame.x_ticks] == ["1", "2", "3"]
    assert [label for _, label in frame.y_ticks] == ["0.1", "0.2", "0.3", "0.4"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.97, 0.04, [-0.75, -0.5, -0.25, 0]),
        (3, 117, [25, 50, 75, 100]),
        (0.123, 0.1234, [0.123, 0.1231, 0.1232, 0.1233, 0.1234]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(low, high, expected):
    assert charts._ticks(low, high) == expected


def test_a_logarithmic_axis_has_numbers_at_equal_ratios():
    line = Line(label="", colour=1, x=(0.0001, 0.01, 1.0), y=(0.0, 1.0, 2.0), style="dots")
    frame = charts._Frame(Chart(title="t", x_label="x", y_label="y", lines=(line,), x_log=True))
    first, middle, last = (float(frame.x(x)) for x in line.x)
    assert middle == pytest.approx((first + last) / 2, abs=0.1)
    assert [label for _, label in frame.x_ticks] == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert len(charts._log_ticks(0.1, 0.2)) >= 3
