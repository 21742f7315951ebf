"""Sheets of Excel workbooks (.xlsx), read as tables whose cells are text."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

from survbench.errors import BenchError
from survbench.io.tables import Table, read_table, table_of
from survbench.io.text_records import Record, Records

SUFFIXES = (".xlsx", ".xlsm")
MOST_CELLS = 5_000_000


def read_any_table(path: Path, *, sheet: str | None = None, header_row: int = 1) -> Table:
    """Read a workbook, or else what :func:`~survbench.io.tables.read_table` reads.

    Args:
        path: of the file.
        sheet: of a workbook; None for all, which then need the same names of columns.
        header_row: row of the names of columns in a sheet, counted from 1; rows above are passed over.

    Raises:
        BenchError: no such file or sheet, no such table, or sheets that differ in their columns.
    """
    if path.suffix.lower() not in SUFFIXES:
        return read_table(path)
    if not path.is_file():
        raise BenchError(f"There is no table {path}. Correct its name.")
    sheets = _sheets(path)
    if sheet is not None and sheet not in sheets:
        raise BenchError(f"{path.name} has no sheet {sheet!r}; there are {', '.join(sheets)}.")
    tables = {
        name: table_of(Path(f"{path.name} [{name}]"), Records(records[header_row - 1 :], "", ()))
        for name, records in sheets.items()
        if (records or sheet) and sheet in {None, name}
    }
    if len({table.columns for table in tables.values()}) != 1:
        raise BenchError(f"The sheets of {path.name} differ in their columns: {', '.join(sheets)}. Name one of them.")
    first = next(iter(tables.values()))
    rows = tuple(row for table in tables.values() for row in table.rows)
    return Table(first.columns, rows, first.labels, tuple(note for table in tables.values() for note in table.notes))


def _sheets(path: Path) -> dict[str, list[Record]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        found: dict[str, list[Record]] = {}
        cells = 0
        for sheet in book.worksheets:
            records: list[Record] = []
            for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                cells += len(row)
                if cells > MOST_CELLS:
                    raise BenchError(f"{path.name} has more than {MOST_CELLS:,} cells. Save the sheet alone.")
                records.append((number, [_text(value) for value in row]))
            found[sheet.title] = _trimmed(records)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise BenchError(f"{path.name} is not a workbook that can be read. Save it again as .xlsx or CSV.") from error
    return found


def _trimmed(records: list[Record]) -> list[Record]:
    """Return the records without blank rows at the end and blank columns at the right."""
    while records and not any(records[-1][1]):
        records.pop()
    width = max((n + 1 for _, cells in records for n, cell in enumerate(cells) if cell), default=0)
    return [(number, (cells + [""] * width)[:width]) for number, cells in records]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return str(value).strip()
