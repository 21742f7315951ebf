"""Functions shared by all hospital tables: finding columns by name, and joining rows by id."""

from __future__ import annotations

from collections.abc import Iterable

from survbench.errors import BenchError
from survbench.io.tables import Row, Table, nearest


def plain(text: str) -> str:
    """Return an id or a word in the form used for comparison: lower case, without spaces at the ends."""
    return text.strip().casefold()


def require_columns(table: Table, names: Iterable[str], *, called: str) -> None:
    """Refuse a table that lacks a column.

    Args:
        table: the table.
        names: names of the required columns.
        called: what messages call the table, at the start of a sentence.

    Raises:
        BenchError: a column is missing; the message suggests the nearest name.
    """
    for name in names:
        if name not in table.columns:
            raise BenchError(f"{called} has no column {name!r}.{nearest(name, table.columns)}")


def rows_by_patient(table: Table, id_column: str, *, called: str) -> dict[str, Row]:
    """Return the rows of a table by :func:`plain` id; rows without an id are left out.

    Args:
        table: one row per patient.
        id_column: the column with the ids used in the images.
        called: what messages call the table, at the start of a sentence.

    Raises:
        BenchError: there is no such column, or a patient has two rows; their lines are named.
    """
    require_columns(table, [id_column], called=called)
    rows: dict[str, Row] = {}
    for row in table.rows:
        own = plain(row.cells[id_column])
        if own in rows:
            raise BenchError(
                f"{called} has two rows for one patient, lines {rows[own].line} and {row.line}. Keep one of them."
            )
        if own:
            rows[own] = row
    return rows
