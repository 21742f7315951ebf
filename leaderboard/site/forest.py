"""The board as a chart: C of every method with its interval."""

from __future__ import annotations

from survbench.leaderboard.board.rows import Board
from survbench.leaderboard.site.charts import Chart, Line

APART = 0.16
"""Distance in rows of a method's two intervals from the middle of its row."""


def forest(board: Board) -> Chart | None:
    """Return C of all methods with 95 % intervals, with the board's first row on top and cross-validation above the
    external cohort; None if no method has a C.
    """
    rows = [row for row in board.rows if row.c_index is not None][::-1]
    if not rows:
        return None
    inside = [(n + APART, r.c_index, r.c_index_low, r.c_index_high) for n, r in enumerate(rows)]
    outside = [
        (n - APART, r.external_c_index, r.external_c_index_low, r.external_c_index_high) for n, r in enumerate(rows)
    ]
    lines = [Line(label="", colour=3, x=(0.5, 0.5), y=(-0.5, len(rows) - 0.5), style="thin")]
    for label, colour, found in (("cross-validation", 1, inside), ("external cohort", 2, outside)):
        known = [(y, x, low, high) for y, x, low, high in found if None not in {x, low, high}]
        if known:
            y, x, low, high = zip(*known, strict=True)
            lines.append(Line(label=label, colour=colour, x=x, y=y, low=low, high=high, style="intervals"))
    return Chart(
        title=f"C-index of methods on {board.cohort.title}, with 95 % intervals",
        x_label="C-index (95 % CI)",
        y_label="",
        lines=tuple(lines),
        y_names=tuple(row.title for row in rows),
    )
