"""Write docs/reference/metrics.md from the list of columns: ``metrics_page.py``."""

from __future__ import annotations

from pathlib import Path

from survbench.leaderboard.text.columns import COLUMNS, ELSEWHERE, Column, Place

PAGE = Path(__file__).parents[1] / "reference" / "metrics.md"
HEAD = """# Metrics

What a row of a board holds, and where it is shown. Every key stands in [leaderboard.json](leaderboard-json.md) and in
`leaderboard.csv`; `null` means that the number does not exist. `bench list metrics` lists the numbers,
`bench list uno_c` describes one.

This page is written by `docs/scripts/metrics_page.py` from `leaderboard/text/columns.py`, the one list that pages,
tables, files and MLflow are made from.

| key | what it is | heading | shown in |
|---|---|---|---|
"""
BELOW = """
Numbers that no row of a board holds:

| name | what it is | where |
|---|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    lines = [_line(column) for column in COLUMNS]
    return HEAD + "".join(lines) + BELOW + "".join(f"| `{m.name}` | {m.meaning} | `{m.where}` |\n" for m in ELSEWHERE)


def _line(column: Column) -> str:
    keys = ", ".join(f"`{key}`" for key in column.keys)
    places = ", ".join(place.value for place in Place if place in column.where)
    return f"| {keys} | {' '.join(filter(None, (column.meaning, column.detail)))} | {column.head} | {places} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
