"""Tables as their owners saved them: every cell is text."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survbench.errors import BenchError
from survbench.io.cells import NamedCells, PackedCells
from survbench.io.numerals import ambiguous, decimal_mark, may_be_unsettled, mostly_numerals, with_decimal_points
from survbench.io.table_edges import groups_above, label_row, without_footnotes
from survbench.io.text_records import Note, Record, Records, Room, read_records

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

MOST_PARQUET_BYTES = 2**28
"""What is read of any Parquet file, unpacked; of a large one, more may be."""
LARGEST = 1e30
"""Numbers from this size on are not read: nobody measures them, and their squares come near the end of all numbers."""
_ROWS_AT_ONCE = 1000
"""Rows of a Parquet file that are unpacked together."""
_SHOWN = 5
"""Columns that a message lists."""
_TRUTH = {"true": "1", "yes": "1", "false": "0", "no": "0"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the line of the file on which it ends, and its cells by column, stripped of outer white space."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in the file's order, and records.

    Attributes:
        columns: names of the columns.
        rows: the records below them.
        labels: units or descriptions by column, where a second line of names holds them.
        notes: what reading the file took for granted.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        return [row.cells[name] for row in self.rows]

    def with_columns(self, columns: Mapping[str, Sequence[str]]) -> Table:
        """Return the table with these columns, each a cell per row: in the place of those of the same name, or else
        behind the others.
        """
        return self._rebuilt((*self.columns, *(name for name in columns if name not in self.columns)), columns)

    def without(self, names: Collection[str]) -> Table:
        """Return the table without columns."""
        return self._rebuilt(tuple(name for name in self.columns if name not in names), {})

    def _rebuilt(self, names: tuple[str, ...], columns: Mapping[str, Sequence[str]]) -> Table:
        places = {name: n for n, name in enumerate(names)}
        rows = (
            Row(
                row.line,
                NamedCells(places, PackedCells(columns[c][n] if c in columns else row.cells[c] for c in names)),
            )
            for n, row in enumerate(self.rows)
        )
        return replace(self, columns=names, rows=tuple(rows))


def read_table(path: Path) -> Table:
    """Read a comma-, semicolon- or tab-separated file, which may be gzipped, or a Parquet file.

    Text is UTF-8, UTF-16 or cp1252. Decimal commas in a table of semicolons or tabs and separators of thousands are
    read where the column proves what they mean; other cells stay as they are, and are not numbers. A title above the
    names of columns, footnotes below the patients and a line of units below the names are not among the rows.

    Raises:
        BenchError: no such file, not such a table, two columns of one name, two lines of names, records with too few
            or too many cells, or a column in which 1.234 may mean 1234.
    """
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind not in {".csv", ".tsv", ".txt"} and path.suffix.lower() != ".parquet":
        if kind in {".xls", ".xlsx", ".xlsm", ".ods"}:
            raise BenchError(f"{path} is a spreadsheet. Save it as CSV (UTF-8) first.")
        raise BenchError(f"{path} is not a CSV, TSV or Parquet file. Save the table as CSV (UTF-8).")
    refuse_absent(path)
    if kind == ".parquet":
        return table_of(path, Records(_parquet(path), "", ()))
    found = read_records(path)
    return _with_numbers(path, table_of(path, found), found.separator)


def refuse_absent(path: Path) -> None:
    """Refuse a path at which no file is.

    Raises:
        BenchError: there is nothing, or something else, such as a folder or a pipe.
    """
    if path.is_file():
        return
    if path.exists():
        raise BenchError(f"{path} is a folder, a pipe or a device. Give a file that holds the table.")
    raise BenchError(f"There is no table {path}. Put it there, or correct its name (on a card: 'table').")


def _parquet(path: Path) -> list[Record]:
    """Return the records as :func:`read_records` does, every value in the spelling that reads back as itself."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            held = file.metadata
            _refuse_large(path, held, sum(held.row_group(n).total_byte_size for n in range(held.num_row_groups)))
            records: list[Record] = [(1, file.schema_arrow.names)]
            unpacked = 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
                columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns]
                unpacked += sum(len(cell) for column in columns for cell in column)
                _refuse_large(path, held, unpacked)
                records += [(n, PackedCells(row)) for n, row in enumerate(zip(*columns, strict=True), len(records) + 1)]
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} holds text that is not UTF-8 ({error.reason}). Save it as CSV in UTF-8.") from error
    except (pa.ArrowException, OSError) as error:
        raise BenchError(f"{path} is not a Parquet file: {error}. Save it again, or as CSV in UTF-8.") from error
    return records


def _refuse_large(path: Path, held: FileMetaData, unpacked: int) -> None:
    """Refuse a Parquet file of too many cells, or too many unpacked bytes; the file keeps equal texts once."""
    room = Room.of(path)
    most_bytes = max(room.bytes, MOST_PARQUET_BYTES)
    if held.num_rows * held.num_columns > room.cells or unpacked > most_bytes:
        raise BenchError(
            f"{path} holds {held.num_rows:,} rows of {held.num_columns:,} columns in at least {unpacked:,} bytes. At "
            f"most {room.cells:,} cells in {most_bytes:,} bytes are read of a file of {path.stat().st_size:,} bytes. "
            "Remove what is not needed."
        )


def _cell(value: Any) -> str:
    """Return a value as the text of a cell; some programs write text as bytes without saying that it is text."""
    return "" if value is None else (value.decode() if isinstance(value, bytes) else str(value)).strip()


def table_of(path: Path, content: Records) -> Table:
    """Return the table that records are, the first of them the names of columns; ``path`` is for messages.

    Raises:
        BenchError: no patients, two columns of one name, two lines of names, or records of another width.
    """
    records = [(line, cells) for line, cells in content.records if any(cells)]
    if len(records) < 2:  # names and a patient
        raise BenchError(f"{path} holds no patients: it needs a line of column names and a line per patient.")
    _, header = records[0]
    _refuse_two_lines_of_names(path, records)
    names = [name for name in header if name]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise BenchError(f"{path} has more than one column {', '.join(map(repr, twice))}. Give each a name of its own.")
    body, notes = without_footnotes(records[1:], len(header))
    _refuse_ragged(path, header, body)
    body = [
        (line, PackedCells([*cells, *[""] * (len(header) - len(cells))]) if len(cells) < len(header) else cells)
        for line, cells in body
    ]
    labels = label_row(header, body)
    if labels:
        line = body.pop(0)[0]
        notes.append(Note("A line was read as units or descriptions of the columns, not as a patient.", f"line {line}"))
    nameless = [n for n, name in enumerate(header) if not name and any(cells[n] for _, cells in body)]
    if nameless:
        notes.append(Note("A column without a name was left out.", ", ".join(f"column {n + 1}" for n in nameless)))
    places = {name: n for n, name in enumerate(header) if name}
    rows = tuple(Row(line, NamedCells(places, cells)) for line, cells in body)
    return Table(tuple(names), rows, labels, (*content.notes, *notes))


def _refuse_two_lines_of_names(path: Path, records: Sequence[Record]) -> None:
    """Refuse names whose first line has merged cells, since it is not certain how far each of them reaches."""
    groups = groups_above(records)
    if groups:
        group, name = groups[0]
        raise BenchError(
            f"{path} has two lines of column names (lines {records[0][0]} and {records[1][0]}): {group!r} stands above "
            f"{name!r} in merged cells. Write them in one line, each name once, such as {f'{group}: {name}'!r}."
        )


def _refuse_ragged(path: Path, header: Sequence[str], body: Sequence[Record]) -> None:
    """Refuse records of another width; blank names and blank cells at the end do not count."""
    width = max(n for n, name in enumerate(header) if name) + 1
    ragged = [(line, len(cells)) for line, cells in body if len(cells) < width or any(cells[len(header) :])]
    if ragged:
        shown = ", ".join(f"line {line} has {cells}" for line, cells in ragged[:5])
        more = f", and {len(ragged) - 5} more lines" if len(ragged) > 5 else ""
        raise BenchError(
            f"{path} has {len(header)} names of columns, but {shown}{more}. Quote cells that hold a separator, such as "
            "decimal commas."
        )


def _with_numbers(path: Path, table: Table, separator: str) -> Table:
    """Return the table with decimal points where its columns of numbers prove decimal commas or thousands."""
    numeric = [n for n in table.columns if may_be_unsettled(cells := table.column(n)) and mostly_numerals(cells)]
    commas = separator != "," and any(decimal_mark(table.column(n)) == "," for n in numeric)
    unclear = {n: found for n in numeric if (found := ambiguous(table.column(n), commas_elsewhere=commas))}
    if unclear:
        shown = "; ".join(f"{name}: {', '.join(cells[:3])}" for name, cells in list(unclear.items())[:_SHOWN])
        raise BenchError(
            f"{path} has cells that may be thousands or decimals ({shown}). Export the table without separators of "
            "thousands (1234), and with all decimals (1.2340)."
        )
    changed: dict[str, PackedCells] = {}
    examples: list[str] = []
    for name in numeric:
        cells = table.column(name)
        settled = with_decimal_points(cells, comma=commas, thousands=separator == ",")
        example = next((f"{name} ({a!r} is {b})" for a, b in zip(cells, settled, strict=True) if a != b), None)
        if example is not None:
            changed[name] = PackedCells(settled)
            examples.append(example)
    if not changed:
        return table
    more = f" and {len(changed) - _SHOWN} more columns" if len(changed) > _SHOWN else ""
    where = ", ".join(examples[:_SHOWN]) + more
    note = Note("Decimal commas or separators of thousands were read as numbers.", where)
    return replace(table.with_columns(changed), notes=(*table.notes, note))


def number(cell: str) -> float | None:
    """Return the cell as a number, or None where it is none, or is too large to compute with.

    >>> number("1.50"), number("1,5"), number("nan"), number("1e308")
    (1.5, None, None, None)
    """
    value = float(cell) if _NUMBER.fullmatch(cell) else None
    return value if value is not None and abs(value) < LARGEST else None


def canonical(value: str | float | bool) -> str:  # noqa: FBT001  # codes of a card, which may be booleans
    """Return one spelling for codes that mean the same, so that "1", 1, 1.0, "True" and YAML's yes are equal.

    >>> {canonical(v) for v in ("1", 1, 1.0, "1.0", "True", True, "yes")}
    {'1'}
    """
    text = str(value).strip().casefold()
    numeric = number(text)
    return _TRUTH.get(text, text if numeric is None else f"{numeric:.15g}")


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean ...?`` with the nearest allowed name, or an empty string."""
    by_fold = {name.casefold(): name for name in allowed}
    near = difflib.get_close_matches(given.casefold(), by_fold, n=1, cutoff=0.6)
    return f" Did you mean {by_fold[near[0]]!r}?" if near else ""
