"""Figures for a paper: the numbers of the board, in files that a journal takes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from survbench.leaderboard.site.charts import Chart, Line, rows, svg
from survbench.leaderboard.site.forest import forest
from survbench.leaderboard.writers.figure_files import DPI, WIDTH, write_figures
from survbench.runs.store import Store
from toy_board import five_methods

KAPLAN_MEIER = Chart(
    title="two curves",
    x_label="months",
    y_label="free of $x_1^ (PFS)",
    lines=(
        Line(label="low", colour=1, x=(0, 5, 9), y=(1, 0.8, 0.7), low=(1, 0.7, 0.5), high=(1, 0.9, 0.9), style="steps"),
        Line(label="high", colour=2, x=(0, 4, 9), y=(1, 0.5, 0.2), style="steps", mark=(4, 0.5)),
    ),
    y_range=(0.0, 1.0),
)
DOTS = Chart(
    title="calibration",
    x_label="predicted",
    y_label="observed",
    lines=(Line(label="12 months", colour=1, x=(0.1, 0.4), y=(0.2, float("nan")), style="dots"),),
    diagonal=True,
)


@pytest.fixture
def board(tmp_path):
    return five_methods(Store(tmp_path))


def test_the_forest_has_the_boards_numbers_in_its_order_from_the_top(board):
    chart = forest(board)
    measured = [row for row in board.rows if row.c_index is not None]
    assert chart.y_names[::-1] == tuple(row.title for row in measured)
    found = [(x, low, high) for label, x, _, low, high in rows(chart) if label == "cross-validation"]
    assert found[::-1] == [(row.c_index, row.c_index_low, row.c_index_high) for row in measured]
    assert "external cohort" not in {line.label for line in chart.lines}, "there is none"


def test_an_interval_is_a_bar_along_x_through_its_dot(board):
    text = str(svg(forest(board)))
    bars = [tuple(map(float, b)) for b in re.findall(r'class="bar c1" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)"', text)]
    dots = [tuple(map(float, d)) for d in re.findall(r'class="dot c1" cx="([\d.]+)" cy="([\d.]+)" r="4"', text)]
    dots = dots[: len(bars)]  # the legend has one, too
    assert len(bars) == sum(row.c_index is not None for row in board.rows)
    assert all(left <= x <= right and at == y for (left, right, at), (x, y) in zip(bars, dots, strict=True))
    assert 'class="band' not in text


def test_figures_are_one_column_wide_with_whole_fonts_and_the_same_bytes_each_time(board, tmp_path):
    drawn = {"board": forest(board), "risk-groups": KAPLAN_MEIER, "calibration": DOTS}
    folder = tmp_path / "figures"
    write_figures(drawn, folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {f"{name}.{kind}" for name in drawn for kind in ("pdf", "png")}
    for name in drawn:
        pdf = first[f"{name}.pdf"]
        assert b"/FontFile2" in pdf, "the font itself is in the file"
        assert b"/Type3" not in pdf
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", pdf)
        assert float(box[1]) == pytest.approx(72 * WIDTH)
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width == WIDTH * DPI
    write_figures(drawn, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    write_figures({"calibration": DOTS}, folder)
    assert {path.stem for path in folder.iterdir()} == {"calibration"}


def test_the_lines_of_a_figure_are_those_of_the_chart():
    from survbench.leaderboard.writers.figure_files import draw

    (axes,) = draw(KAPLAN_MEIER).axes
    for line, wanted in zip(axes.lines, KAPLAN_MEIER.lines, strict=False):
        assert np.array_equal(line.get_xdata(), wanted.x)
        assert np.array_equal(line.get_ydata(), wanted.y)
        assert line.get_drawstyle() == "steps-post"
    assert axes.get_ylim() == (0.0, 1.0)
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["low", "high"]


def test_a_name_beside_a_row_takes_two_lines_at_most():
    from survbench.leaderboard.writers.figure_files import draw

    names = ("one word", "words that take two lines of a figure, not one", "many words of a name without end " * 5)
    dots = Line(label="", colour=1, x=(0.5, 0.6, 0.7), y=(0, 1, 2), style="dots")
    (axes,) = draw(Chart(title="", x_label="C", y_label="", lines=(dots,), y_names=names)).axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown[:2] == ["one word", "words that take two lines of\na figure, not one"]
    assert shown[2].count("\n") == 1
    assert shown[2].endswith(" …")
