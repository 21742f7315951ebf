"""What tables of a hospital have in common, whatever they say of its patients: columns by name, and ids."""

from __future__ import annotations

from collections.abc import Iterable

from survbench.errors import BenchError
from survbench.io.tables import Row, Table, nearest


def plain(text: str) -> str:
    """Return an id or a word as it is compared: without blanks at its ends, and in lower case."""
    return text.strip().casefold()


def require_columns(table: Table, names: Iterable[str], *, called: str) -> None:
    """Refuse a table without a column.

    Args:
        table: any.
        names: of the columns that it needs.
        called: how the table is called at the start of a sentence.

    Raises:
        BenchError: a column is missing; the nearest name is given.
    """
    for name in names:
        if name not in table.columns:
            raise BenchError(f"{called} has no column {name!r}.{nearest(name, table.columns)}")


def rows_by_patient(table: Table, id_column: str, *, called: str) -> dict[str, Row]:
    """Return the rows of a table by :func:`plain` id; rows without an id are left out.

    Args:
        table: a row per patient.
        id_column: the column of the ids that the images have.
        called: how the table is called at the start of a sentence.

    Raises:
        BenchError: no such column, or two rows of one patient, which are named by their lines.
    """
    require_columns(table, [id_column], called=called)
    rows: dict[str, Row] = {}
    for row in table.rows:
        own = plain(row.cells[id_column])
        if own in rows:
            raise BenchError(
                f"{called} has two rows of one patient, lines {rows[own].line} and {row.line}. Keep one of them."
            )
        if own:
            rows[own] = row
    return rows
