"""Sheets of Excel workbooks (.xlsx), read as tables whose cells are text."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

from survbench.errors import BenchError
from survbench.io.cells import PackedCells
from survbench.io.tables import Table, read_table, refuse_absent, table_of
from survbench.io.text_records import Record, Records
from survbench.io.zip_entries import DAMAGE

SUFFIXES = (".xlsx", ".xlsm")
MOST_CELLS = 5_000_000
MOST_ROWS = 250_000
MOST_BYTES = 2**28
MOST_RATIO = 200
"""Bytes that a workbook may unpack to for one of its own: sheets pack about 1 : 10, a bomb 1 : 1000."""
MOST_PARTS = 2_000
MOST_ELEMENTS = 500_000
"""Elements of a part, or of a row of a sheet, at most: 16,384 cells of a few elements."""
_SMALL_BYTES = 2**23
_PIECE = 2**20
_DAMAGE = (*DAMAGE, AttributeError, LookupError, TypeError, OSError)
"""What a damaged or encrypted workbook makes zipfile and openpyxl raise."""


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
    refuse_absent(path)
    sheets = _sheets(path)
    if sheet is not None and sheet not in sheets:
        raise BenchError(f"{path.name} has no sheet {sheet!r}; there are {', '.join(sheets)}.")
    tables = {
        name: table_of(Path(f"{path.name} [{name}]"), Records([r for r in records if r[0] >= header_row], "", ()))
        for name, records in sheets.items()
        if (records or sheet) and sheet in {None, name}
    }
    if not tables:
        raise BenchError(f"{path.name} holds no table: its sheets are blank.")
    if len({table.columns for table in tables.values()}) != 1:
        raise BenchError(f"The sheets of {path.name} differ in their columns: {', '.join(sheets)}. Name one of them.")
    first = next(iter(tables.values()))
    rows = tuple(row for table in tables.values() for row in table.rows)
    return Table(first.columns, rows, first.labels, tuple(note for table in tables.values() for note in table.notes))


def _sheets(path: Path) -> dict[str, list[Record]]:
    from xml.etree.ElementTree import ParseError

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        _refuse_bombs(path)
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        found: dict[str, list[Record]] = {}
        cells = characters = 0
        for sheet in book.worksheets:
            records: list[Record] = []
            for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                filled = [_text(value) for value in row]
                records += [(number, PackedCells(filled))] if any(filled) else []
                cells += len(filled)
                characters += sum(map(len, filled))
                _refuse_many(path, cells, number, characters)
            width = _width(records)
            _refuse_many(path, width * len(records))
            found[sheet.title] = [(number, PackedCells([*row, *[""] * width][:width])) for number, row in records]
    except (InvalidFileException, ParseError, *_DAMAGE) as error:
        raise BenchError(f"{path.name} is not a workbook that can be read. Save it again as .xlsx or CSV.") from error
    return found


def _refuse_bombs(path: Path) -> None:
    """Refuse a workbook that unpacks to more than a table of patients; openpyxl would hold much of it in memory.

    Raises:
        BenchError: it has too many or too large parts, or too many elements in one piece.
        zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        size, packed = sum(part.file_size for part in parts), path.stat().st_size
        large = size > MOST_BYTES or size > max(_SMALL_BYTES, MOST_RATIO * packed) or len(parts) > MOST_PARTS
        if large or any(_elements(archive, part) > MOST_ELEMENTS for part in parts if _is_xml(part.filename)):
            raise BenchError(
                f"{path.name} unpacks to more than {MOST_BYTES // 2**20} MB, {MOST_RATIO} times its size, or "
                f"{MOST_ELEMENTS:,} elements in a row. Save the table alone, without formats, or as CSV."
            )


def _is_xml(name: str) -> bool:
    return name.lower().endswith((".xml", ".rels"))


def _elements(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Return how many elements openpyxl has to hold at once: those of a part, of a sheet those of its longest row."""
    sheet = part.filename.startswith("xl/worksheets/")
    most = here = 0
    with archive.open(part) as stream:
        while piece := stream.read(_PIECE):
            rows = piece.split(b"<row") if sheet else [piece]
            for number, row in enumerate(rows):
                here = row.count(b"<") + (0 if number else here)
                most = max(most, here)
    return most


def _refuse_many(path: Path, cells: int, rows: int = 0, characters: int = 0) -> None:
    """Refuse more cells, rows or text than a table has; a workbook keeps equal texts once, in however many cells."""
    if cells > MOST_CELLS or rows > MOST_ROWS or characters > MOST_BYTES:
        raise BenchError(
            f"{path.name} has more than {MOST_CELLS:,} cells, {MOST_ROWS:,} rows or {MOST_BYTES // 2**20} MB of text. "
            "Save the table alone."
        )


def _width(records: list[Record]) -> int:
    """Return how many columns there are without the blank ones at the right."""
    return max((n + 1 for _, cells in records for n, cell in enumerate(cells) if cell), default=0)


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
