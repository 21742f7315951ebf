"""Tables as their owners saved them: every cell is text."""

from __future__ import annotations

import csv
import difflib
import gzip
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from survbench.errors import BenchError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TRUTH = {"true": "1", "yes": "1", "false": "0", "no": "0"}


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the line of the file on which it ends, and its cells by column, stripped of outer white space."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in the file's order, and records."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        return [row.cells[name] for row in self.rows]


def read_table(path: Path) -> Table:
    """Read a comma-, semicolon- or tab-separated file in UTF-8, which may be gzipped, or a Parquet file.

    Raises:
        BenchError: no such file, not such a table, two columns of one name, or records with too few or too many cells.
    """
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind not in {".csv", ".tsv", ".txt"} and path.suffix.lower() != ".parquet":
        raise BenchError(f"{path} is no .csv or .tsv (gzipped or not), nor .parquet. Save the table as CSV in UTF-8.")
    if not path.is_file():
        raise BenchError(f"There is no table {path}. Put it there, or correct its name (on a card: 'table').")
    records = _parquet(path) if kind == ".parquet" else _text(path)
    records = [(line, cells) for line, cells in records if any(cells)]
    if len(records) < 2:
        raise BenchError(f"{path} holds no patients: it needs a line of column names and a line per patient.")
    return _table(path, records)


def _text(path: Path) -> list[tuple[int, list[str]]]:
    """Return the records of a text file, the names of columns first, each with the line on which it ends."""
    try:
        with _opened(path) as stream:
            separator = _separator(stream.readline())
            stream.seek(0)
            reader = csv.reader(stream, delimiter=separator, strict=True)
            return [(reader.line_num, [cell.strip() for cell in record]) for record in reader]
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} is not UTF-8 text ({error.reason}). Save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise BenchError(f"{path} is not a table: {error}. Save it again as CSV in UTF-8.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BenchError(f"{path} is damaged: {error}. Copy it again.") from error


def _opened(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _parquet(path: Path) -> list[tuple[int, list[str]]]:
    """Return the records as :func:`_text` does, every value in the spelling that reads back as itself."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BenchError(f"{path} is no Parquet file: {error}. Save it again, or as CSV in UTF-8.") from error
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return [
        (1, list(table.column_names)),
        *((n + 2, list(cells)) for n, cells in enumerate(zip(*columns, strict=True))),
    ]


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _separator(header: str) -> str:
    return max(",;\t", key=header.count)


def _table(path: Path, records: list[tuple[int, list[str]]]) -> Table:
    _, header = records[0]
    names = [name for name in header if name]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BenchError(f"{path} has more than one column {', '.join(map(repr, twice))}. Give each a name of its own.")
    width = len(header)
    ragged = [line for line, cells in records[1:] if len(cells) < width or any(cells[width:])]
    if ragged:
        lines = ", ".join(map(str, ragged[:10])) + (", ..." if len(ragged) > 10 else "")
        raise BenchError(f"{path} has {width} columns, but not in line {lines}. Quote cells that hold a separator.")
    rows = [
        Row(line, {name: cell for name, cell in zip(header, cells, strict=False) if name})
        for line, cells in records[1:]
    ]
    return Table(tuple(names), tuple(rows))


def number(cell: str) -> float | None:
    """Return the cell as a finite number, or None where it is none.

    >>> number("1.50"), number("1,5"), number("nan")
    (1.5, None, None)
    """
    value = float(cell) if _NUMBER.fullmatch(cell) else None
    return value if value is not None and abs(value) < float("inf") else None


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
