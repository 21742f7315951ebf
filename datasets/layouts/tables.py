"""Read the tables of a source as its layout says: one row per patient, columns and codes by the layout's names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from survbench.datasets.ingest.clinical import ID
from survbench.datasets.ingest.hospital_table import plain
from survbench.datasets.layouts.layout import Column, Layout, SourceTable
from survbench.errors import BenchError
from survbench.io.files import files_below
from survbench.io.tables import Row, canonical, nearest
from survbench.io.workbooks import SUFFIXES, read_any_table

_DASHES = re.compile("[\u2010-\u2015\u2212]")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Record:
    """A patient's row of one table: the id as written, and the cells by simplified name of the column."""

    id: str
    cells: dict[str, str]


def simplified(name: str) -> str:
    r"""Return the name of a column in the form for comparison: no spaces, plain dashes, lower case.

    >>> simplified("Time \u2013 diagnosis to last follow-up(days)")
    'time-diagnosistolastfollow-up(days)'
    """
    return _DASHES.sub("-", re.sub(r"\s", "", unicodedata.normalize("NFKC", name))).casefold()


def same_patient(name: str) -> str:
    """Return an id in the form in which files and tables of a source are compared.

    >>> same_patient("CHUM_001") == same_patient("chum-001 ")
    True
    """
    return plain(name).replace("_", "-")


def file_in(source: Path, names: Sequence[str], option: str = "--table") -> Path:
    """Return the file of a name below a folder; of several names the first that exists counts.

    Args:
        source: the folder.
        names: with ``*`` and ``?``, compared without regard to case.
        option: the option that names another file.

    Raises:
        BenchError: there is none, or there are several of one name.
    """
    there = files_below(source)
    for name in names:
        found = [path for path in there if fnmatchcase(path.name.casefold(), name.casefold())]
        if len(found) > 1:
            raise BenchError(
                f"{source} has several files {name}: {', '.join(map(str, found[:_SHOWN]))}. Name one by {option}, or "
                "give the folder with one of them."
            )
        if found:
            return found[0]
    raise BenchError(f"{source} has no file {' or '.join(names)}. Put it there, or name it by {option}.")


def read_rows(layout: Layout, source: Path, table: Path | None = None) -> list[Row]:
    """Return a row per patient with the layout's columns and :data:`ID`, in the order of the first table.

    Args:
        layout: of the source.
        source: its folder, in which the tables are looked for.
        table: in place of the layout's only table.

    Raises:
        BenchError: a table or column is missing, a patient has two rows in a table, or no row is a patient's.
    """
    if table is not None and len(layout.tables) > 1:
        wanted = ", ".join(one.file[0] for one in layout.tables)
        raise BenchError(f"Layout {layout.name} reads {len(layout.tables)} tables ({wanted}). Put them into {source}.")
    joined: dict[str, _Record] = {}
    there: set[str] = set()
    for one in layout.tables:
        path = table or file_in(source, one.file)
        columns, records = _records(path, one)
        there |= columns
        for key, record in records.items():
            joined[key] = _Record(record.id, {**joined[key].cells, **record.cells} if key in joined else record.cells)
    origin = {name: _origin(name, column, there) for name, column in layout.columns.items()}
    return [
        Row(n, {ID: record.id, **{name: _cell(layout.columns[name], own, record) for name, own in origin.items()}})
        for n, record in enumerate(joined.values(), start=2)
    ]


def _records(path: Path, wanted: SourceTable) -> tuple[set[str], dict[str, _Record]]:
    """Return the simplified names of a table's columns, and its records by id in the form for comparison."""
    sheets = wanted.sheets if path.suffix.lower() in SUFFIXES and wanted.sheets else (None,)
    columns: set[str] = set()
    records: dict[str, _Record] = {}
    for sheet in sheets:
        table = read_any_table(path, sheet=sheet, header_row=wanted.header_row)
        names = {simplified(name): name for name in table.columns}
        columns |= {*names}
        ids = [names[simplified(name)] for name in wanted.id if simplified(name) in names]
        if not ids:
            raise BenchError(f"{path} has no column {' or '.join(wanted.id)}.{nearest(wanted.id[0], table.columns)}")
        for row in table.rows:
            name = row.cells[ids[0]].strip()
            if not name or not fnmatchcase(name.casefold(), wanted.rows.casefold()):
                continue
            key = same_patient(name)
            if key in records:
                raise BenchError(f"{path} has two rows of {name}, the second in line {row.line}. Keep one of them.")
            records[key] = _Record(name, {simplified(column): cell for column, cell in row.cells.items()})
    if not records:
        raise BenchError(f"{path} has no row whose {wanted.id[0]} is like {wanted.rows}. Is it the table of patients?")
    return columns, records


def _origin(name: str, column: Column, there: set[str]) -> str:
    """Return the simplified name of the source's column; "" if the cell is taken from the id."""
    if column.of_id is not None:
        return ""
    found = next((own for one in column.names if (own := simplified(one)) in there), None)
    if found is None:
        raise BenchError(
            f"No table has the column {' or '.join(map(repr, column.names))} ({name} of the layout). "
            f"Columns are: {', '.join(sorted(there)[:30])}."
        )
    return found


def _cell(column: Column, own: str, record: _Record) -> str:
    if column.of_id is not None:
        found = re.fullmatch(column.of_id, record.id, re.IGNORECASE)
        return "" if found is None else found[1]
    cell = record.cells.get(own, "")
    codes = {canonical(code): str(value) for code, value in column.codes.items()}
    return codes.get(canonical(cell), cell)
