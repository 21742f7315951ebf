"""Write a board: a table for terminals, Markdown, CSV, JSON, and the page.

The same board gives the same bytes: ordered keys, numbers with six significant digits, no timestamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.evaluation.all_pairs import PairMatrix
from survbench.findings import Stated
from survbench.io.files import rounded, write_text
from survbench.io.layout import Status
from survbench.io.stored import known_fields, read_stored
from survbench.io.study_files import BOARD
from survbench.io.versions import Provenance
from survbench.leaderboard.board.row_json import contrast_json, contrast_of, row_json, row_of
from survbench.leaderboard.board.rows import BOARD_SCHEMA, Board
from survbench.leaderboard.paper.board_table import board_table
from survbench.leaderboard.site.board_page import html
from survbench.leaderboard.text.cells import comparisons
from survbench.leaderboard.text.columns import Place, csv_cells, of
from survbench.leaderboard.writers.table_files import as_json, texts
from survbench.plan.profile import Profile
from survbench.plan.protocol import Protocol
from survbench.plan.study import CohortDescription

if TYPE_CHECKING:
    from rich.table import Table
    from survbench.evaluation.feature_selection import FeatureSelection

WIDEST = 150
"""Number of characters per line from which a terminal shows all its columns."""
TERMINALS = {Place.TERMINAL: 0, Place.WIDE: 120, Place.WIDEST: WIDEST}
"""Number of characters per line from which a terminal shows the columns of a place."""


def write_board(
    board: Board, folder: Path, selections: Sequence[FeatureSelection] = (), *, published: bool = False
) -> None:
    """Write ``leaderboard.md``, ``.csv``, ``.tex``, ``.json`` and ``.html`` into a folder, each of them atomically.

    Args:
        board: the board.
        folder: an existing folder.
        selections: columns that methods kept; the page shows them.
        published: whether LaTeX includes the published values.
    """
    for kind, text in {**board_texts(board, published=published), "html": html(board, selections)}.items():
        write_text(folder / f"{BOARD}.{kind}", text)


def board_texts(board: Board, *, published: bool = False) -> dict[str, str]:
    """Return the board as Markdown, CSV, LaTeX and JSON, by suffix."""
    return {**texts(board_table(board, published=published)), "json": as_json(to_json(board))}


def to_json(board: Board) -> dict[str, Any]:
    """Return the board as JSON; see docs/reference/leaderboard-json.md."""
    parts = {
        "cohort": board.cohort.model_dump(mode="json"),
        "external": None if board.external is None else board.external.model_dump(mode="json"),
        "protocol": board.protocol.to_json(),
        "profile": board.profile.model_dump(mode="json"),
        "provenance": board.provenance.model_dump(mode="json"),
        "pairs": asdict(board.pairs),
        "contrasts": [contrast_json(row) for row in board.contrasts],
        "findings": [asdict(found) for found in board.findings],
        "rows": [row_json(row) for row in board.rows],
    }
    rest = {field.name: getattr(board, field.name) for field in fields(board) if field.name not in parts}
    content: dict[str, Any] = rounded({"schema": BOARD_SCHEMA, **parts, **rest})
    return content


def flat_rows(board: Board) -> list[dict[str, Any]]:
    """Return the rows as in the CSV: values by column, with the same columns in each row; None for missing values."""
    rows = [csv_cells(row) for row in to_json(board)["rows"]]
    # rows without a C-index have no horizons
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def read_board(path: Path) -> Board:
    """Return the board in a ``leaderboard.json``, with numbers as rounded there.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableError: the file is damaged, or was written by another version of survbench.
    """
    return read_stored(path, _board_of)


def _board_of(raw: dict[str, Any]) -> Board:
    if (schema := raw.pop("schema")) != BOARD_SCHEMA:
        raise ValueError(f"it was written by another version of survbench: schema {schema}, not {BOARD_SCHEMA}")
    external, protocol = raw.pop("external"), Protocol.model_validate(raw.pop("protocol"))
    return Board(
        cohort=CohortDescription.model_validate(raw.pop("cohort")),
        external=None if external is None else CohortDescription.model_validate(external),
        protocol=protocol,
        profile=Profile.model_validate(raw.pop("profile")),
        provenance=Provenance.model_validate(raw.pop("provenance")),
        rows=tuple(row_of(row, protocol.reference) for row in raw.pop("rows")),
        contrasts=tuple(map(contrast_of, raw.pop("contrasts"))),
        findings=tuple(Stated(**known_fields(Stated, finding)) for finding in raw.pop("findings")),
        pairs=PairMatrix(**known_fields(PairMatrix, raw.pop("pairs"))),
        **known_fields(Board, raw),
    )


def terminal_table(board: Board, *, width: int = 140) -> Table:
    """Return the board as a table for a terminal, with the columns that fit into ``width`` characters."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"{board.cohort.title} · profile {board.profile.name}"),
        title_justify="left",
        caption=Text("\n".join(f"{name} {value}." for name, value in comparisons(board).items())),
        caption_justify="left",
    )
    columns = of(*(place for place, least in TERMINALS.items() if width >= least))
    for column in columns:
        table.add_column(column.head, overflow="fold", no_wrap=column.key == "method")
    for row in board.rows:
        shown = [row.method if column.key == "method" else column.text(row) for column in columns]
        style = "dim" if row.is_reference else "red" if row.status not in {Status.OK, Status.SKIPPED} else ""
        table.add_row(*map(Text, shown), style=style)
    return table
