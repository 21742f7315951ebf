"""Render the leaderboard as one HTML page that needs no network; all text from plugins and cards is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from survbench.evaluation.feature_selection import TOP, FeatureSelection
from survbench.leaderboard.board.row_json import row_json
from survbench.leaderboard.board.rows import ORACLE, Board, Row
from survbench.leaderboard.site.assets import static, template
from survbench.leaderboard.site.pages import Site, method_file
from survbench.leaderboard.text.cells import bootstrap_floor, comparisons, facts, interval
from survbench.leaderboard.text.columns import Place, cells, of
from survbench.leaderboard.text.notes import notes

CROWDED = 0.35
"""Width of the C-index axis above which only every second tick has a number."""


def html(board: Board, selections: Sequence[FeatureSelection] = (), site: Site | None = None) -> str:
    """Return the page, with a section on the features that methods kept, if any.

    Args:
        board: the board.
        selections: the features that methods kept.
        site: the site that the page belongs to, with links to its other pages and with style and script in files;
            without a site the page is a single self-contained file.
    """
    from markupsafe import Markup

    page: str = template("board.html.j2").render(
        board=board,
        columns=of(Place.PAGE),
        rows=[_view(board, row) for row in board.rows],
        facts={**facts(board), **comparisons(board)},
        floor=bootstrap_floor(board),
        scale=_Scale(board),
        selections=[kept_view(s) for s in selections],
        site=site,
        style=Markup(static("board.css")),  # noqa: S704  # ours
        script=Markup(static("board.js")),  # noqa: S704  # ours
    )
    return page


class _Scale:
    """One axis for all intervals, from C-index to per cent of the width."""

    def __init__(self, board: Board) -> None:
        known = [
            v
            for r in board.rows
            for v in (r.c_index_low, r.c_index_high, r.external_c_index_low, r.external_c_index_high)
            if v is not None
        ]
        self.low = min([0.45, *(v - 0.01 for v in known)])
        self.high = max([0.85, *(v + 0.01 for v in known)])
        self.ticks = [t / 10 for t in range(11) if self.low <= t / 10 <= self.high]
        crowded = self.high - self.low > CROWDED
        self.numbers = [t for t in self.ticks if not crowded or round(10 * t) % 2]
        self.oracle = next((r.c_index for r in board.rows if r.method == ORACLE), None)

    def at(self, value: float) -> str:
        """Return the position of a C-index, in per cent from the left."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}"


def kept_view(selection: FeatureSelection) -> dict[str, Any]:
    """Return the variables of the template for kept features."""
    return {"of": selection, "columns": selection.columns[:TOP], "at": _weight_scale(selection)}


def _weight_scale(selection: FeatureSelection) -> Callable[[float], str]:
    """Return a function from a weight to per cent of the width; the axis includes 0."""
    known = [0.0, *(w for c in selection.columns[:TOP] for w in c.weights)]
    low, high = min(known), max(known)
    return lambda weight: f"{2 + 96 * (weight - low) / ((high - low) or 1.0):.2f}"


def _view(board: Board, row: Row) -> dict[str, Any]:
    """Return what the page shows for a row, in addition to its numbers."""
    return {
        "row": row,
        "values": row_json(row),
        "cell": cells(row),
        "page": method_file(row.method),
        "notes": [*notes(row), *_pooled(row)],
        "is_baseline": row.method == board.protocol.reference and row.c_index is not None,
        "source": row.published.source if row.published else "",
    }


def _pooled(row: Row) -> list[str]:
    if row.c_index_pooled is None or row.is_reference:
        return []
    pooled = interval(row.c_index_pooled, row.c_index_pooled_low, row.c_index_pooled_high)
    return [f"C over all within-fold pairs together: {pooled}."]
