"""Draw figures for a paper with matplotlib from the charts of the site, as PDF and PNG of one page column's width."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from survbench.evaluation.curves import curves
from survbench.evaluation.sample import Measured
from survbench.leaderboard.board.rows import Board
from survbench.leaderboard.site import paper_figures
from survbench.leaderboard.site.charts import Chart, Line
from survbench.leaderboard.site.forest import forest
from survbench.leaderboard.site.method_page import method_page
from survbench.leaderboard.site.pages import method_folder
from survbench.plan.study import Study
from survbench.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, ROW = 3.5, 2.5, 0.18
"""Size of a figure in inches, for one column of a page; and the height of a named row."""
DPI = 300
COLOURS = {1: "#073c3c", 2: "#d26f28", 3: "#7457b7", 4: "#1f5090"}
DASHES = {1: "-", 2: (0, (5, 2)), 3: (0, (1, 2)), 4: (0, (6, 2, 1, 2))}
"""Colours and dashes as in chart.css, on white."""
NAME = 28
"""Number of letters after which a row's name is wrapped."""
STYLE: dict[Any, Any] = {
    "pdf.fonttype": 42,  # embeds whole fonts, as journals require
    "text.parse_math": False,  # a dollar sign in a name is not a formula
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def paper_charts(study: Study, store: Store, board: Board, measured: Measured) -> dict[str, Chart]:
    """Return the charts for a paper by file name: C of all methods, the convergence in the paper's figures, and for
    each method risk groups, calibration and convergence.
    """
    results = measured.results
    known = {name: curves(method.runs) for name, method in results.methods.items()}
    titles = {name: method.entry.title for name, method in results.methods.items()}
    whole = forest(board)
    found = {} if whole is None else {"board": whole}
    for figure in paper_figures.FIGURES:
        for drawn in paper_figures.draw(figure, known, titles):
            found |= {} if drawn.chart is None else {drawn.panel.name: drawn.chart}
    for row in board.rows:
        if row.method in results.methods:
            result = results.methods[row.method]
            page = method_page(study, store, row, result, results.outcomes, known[row.method])
            found |= {f"{method_folder(row.method)}-{name}": chart for name, chart in page.charts().items()}
    return found


def write_figures(charts: Mapping[str, Chart], folder: Path) -> None:
    """Write every chart as PDF and PNG into a folder, and remove figures that no longer exist."""
    import matplotlib as mpl

    names = {f"{name}.{kind}" for name in charts for kind in ("pdf", "png")}
    for path in (*folder.glob("*.pdf"), *folder.glob("*.png")):
        if path.name not in names:
            path.unlink()
    folder.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, chart in charts.items():
            figure = draw(chart)
            # without timestamps, the same numbers give the same bytes
            figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
            figure.savefig(folder / f"{name}.png", dpi=DPI)


def draw(chart: Chart) -> Figure:
    """Return a chart as a figure, without its title, which belongs in a caption."""
    from matplotlib.figure import Figure

    height = ROW * len(chart.y_names) + 0.9 if chart.y_names else HEIGHT
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=True, color="#e2dfd8", linewidth=0.5)
    axes.set_axisbelow(True)
    if chart.x_log:
        axes.set_xscale("log")
    for line in chart.lines:
        _line(axes, line)
    if chart.diagonal:
        axes.axline((0, 0), slope=1, color="#5c636b", linewidth=0.7, linestyle=(0, (1, 3)))
    _frame(axes, chart)
    labelled = sum(bool(line.label) for line in chart.lines)
    if labelled:
        figure.legend(loc="outside upper left", ncols=min(labelled, 2), frameon=False)
    return figure


def _frame(axes: Axes, chart: Chart) -> None:
    """Set labels, ranges and names of the axes."""
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    if chart.x_names:
        axes.set_xticks(range(len(chart.x_names)), chart.x_names)
    if chart.y_names:
        axes.set_yticks(range(len(chart.y_names)), list(map(_name, chart.y_names)))
        axes.tick_params(axis="y", labelsize=6)
        axes.set_ylim(-0.5, len(chart.y_names) - 0.5)
    if chart.x_range:
        axes.set_xlim(*chart.x_range)
    if chart.y_range:
        axes.set_ylim(*chart.y_range)


def _name(name: str) -> str:
    """Return a row's name in at most two lines; a longer name is cut."""
    return "\n".join(textwrap.wrap(name, NAME, max_lines=2, placeholder=" …"))


def _line(axes: Axes, line: Line) -> None:
    x, y = np.asarray(line.x, dtype=np.float64), np.asarray(line.y, dtype=np.float64)
    colour, label = COLOURS[line.colour], line.label or None
    full = colour if line.colour == 1 else "white"
    if line.style == "intervals":
        ends = np.abs(np.array([line.low, line.high], dtype=np.float64) - x)
        axes.errorbar(x, y, xerr=ends, fmt="o", color=colour, mfc=full, ms=2.5, mew=0.7, lw=0.9, label=label)
    elif line.style == "dots":
        axes.plot(x, y, "o", color=colour, mfc=full, ms=3.5, label=label)
    else:
        steps = "steps-post" if line.style == "steps" else "default"
        width = 0.7 if line.style == "thin" else 1.2
        axes.plot(x, y, color=colour, linestyle=DASHES[line.colour], lw=width, drawstyle=steps, label=label)
        if line.low:
            axes.fill_between(
                x,
                line.low,
                line.high,
                color=colour,
                alpha=0.14,
                linewidth=0,
                step="post" if line.style == "steps" else None,
            )
    if line.mark:
        axes.plot(*line.mark, "o", ms=7, mfc="none", color=colour)
