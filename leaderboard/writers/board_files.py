"""Writes a board: a table for terminals, Markdown, CSV, JSON, and the page.

The same board gives the same bytes: keys in order, numbers with six significant digits, no time of writing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.evaluation.all_pairs import PairMatrix
from survbench.findings import Stated
from survbench.io.files import rounded, write_text
from survbench.leaderboard.board.rows import BOARD_SCHEMA, Board, ContrastRow, Row
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.text.cells import bootstrap_floor, comparisons, facts
from survbench.leaderboard.text.columns import Place, cells, csv_cells, of
from survbench.leaderboard.text.csv_text import csv_text
from survbench.leaderboard.text.markdown_text import plain, table_lines

if TYPE_CHECKING:
    from rich.table import Table
    from survbench.evaluation.feature_selection import FeatureSelection

KINDS = ("md", "csv", "json", "html")
WIDEST = 150
"""Characters of a line in which a terminal shows all columns that it can."""
TERMINALS = {Place.TERMINAL: 0, Place.WIDE: 120, Place.WIDEST: WIDEST}
"""Characters of a line from which a terminal shows the columns of a place."""


def write_board(board: Board, folder: Path, chosen: Sequence[FeatureSelection] = ()) -> None:
    """Write ``leaderboard.md``, ``.csv``, ``.json`` and ``.html`` into a folder, each whole or not at all.

    Args:
        board: what is written.
        folder: which exists.
        chosen: what methods kept; the page shows it.
    """
    texts = {"md": markdown(board), "csv": board_csv(board), "json": json_text(board), "html": html(board, chosen)}
    for kind in KINDS:
        write_text(folder / f"leaderboard.{kind}", texts[kind])


def to_json(board: Board) -> dict[str, Any]:
    """Return the board as JSON; see docs/reference/leaderboard-json.md."""
    raw = asdict(board)
    rows = []
    for row in raw.pop("rows"):
        reference = row.pop("is_reference")
        rows.append({**row, "reference": reference})
    content: dict[str, Any] = rounded({"schema": BOARD_SCHEMA, **raw, "rows": rows})
    return content


def read_board(path: Path) -> Board:
    """Return the board that ``leaderboard.json`` holds, numbers as they are rounded there."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del raw["schema"]
    rows = tuple(Row(**{"is_reference": row.pop("reference"), **row}) for row in raw.pop("rows"))
    contrasts = tuple(ContrastRow(**row) for row in raw.pop("contrasts"))
    findings = tuple(Stated(**finding) for finding in raw.pop("findings"))
    return Board(rows=rows, contrasts=contrasts, findings=findings, pairs=PairMatrix(**raw.pop("pairs")), **raw)


def json_text(board: Board) -> str:
    """Return the board as JSON text."""
    return json.dumps(to_json(board), sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def board_csv(board: Board) -> str:
    """Return the rows as CSV."""
    rows = [csv_cells(row) for row in to_json(board)["rows"]]
    # rows without a C-index have no horizons
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["method"]
    return csv_text(names, ([row.get(name) for name in names] for row in rows))


def markdown(board: Board) -> str:
    """Return the board as Markdown."""
    lines = [f"# {plain(board.cohort['title'])}", ""]
    lines += [f"{name}: {plain(value)}  " for name, value in {**facts(board), **comparisons(board)}.items()]
    rows = [cells(row) for row in board.rows]
    if rows:
        lines += ["", *table_lines(rows[0], (row.values() for row in rows))]
    lines += [
        "",
        (
            f"p: paired test against `{board.protocol['reference']}`. Holm p: adjusted within the row's group; rows of "
            "other groups do not change it. Ties: methods that share a letter are not told apart by Holm over all "
            "pairs of ranked methods, whatever their group. "
            "Published C: another cohort and budget, not to be compared with ours."
            + (f" {floor} It stands in the JSON and CSV." if (floor := bootstrap_floor(board)) else "")
        ),
        "",
    ]
    lines += [f"- {plain(note)}" for note in board.notes]
    lines += [f"- `{row.method}` {row.status}: {plain(row.reason)}" for row in board.rows if row.reason]
    lines += [f"- `{row.method}` has no p: {plain(row.reasons['p'])}." for row in board.rows if "p" in row.reasons]
    lines += [
        f"- `{row.method}` is not predicted on the external cohort: {plain(row.reasons['external_c_index'])}."
        for row in board.rows
        if "external_c_index" in row.reasons
    ]
    return "\n".join(lines).rstrip() + "\n"


def terminal_table(board: Board, *, width: int = 140) -> Table:
    """Return the board as a table for a terminal, with the columns that a width of so many characters has room for."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"{board.cohort['title']} · profile {board.profile['name']}"),
        title_justify="left",
        caption=Text("\n".join(f"{name} {value}." for name, value in comparisons(board).items())),
        caption_justify="left",
    )
    columns = of(*(place for place, least in TERMINALS.items() if width >= least))
    for column in columns:
        table.add_column(column.head, overflow="fold", no_wrap=column.key == "method")
    for row in board.rows:
        shown = [row.method if column.key == "method" else column.text(row) for column in columns]
        style = "dim" if row.is_reference else "red" if row.status not in {"ok", "skipped"} else ""
        table.add_row(*map(Text, shown), style=style)
    return table
