"""Two columns of risks from a CSV file, for a comparison without a study."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.errors import BenchError, UnknownNameError

SHOWN = 5
"""Bad rows that an error lists."""


@dataclass(frozen=True, slots=True)
class RiskTable:
    """Outcomes with the risks of two models, named ``a`` and ``b``; ``fold`` is None where no column has folds."""

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    risk_a: NDArray[np.float64]
    risk_b: NDArray[np.float64]
    fold: NDArray[np.str_] | None
    a: str
    b: str


def read_risks(
    path: Path, *, time: str = "time", event: str = "event", a: str | None, b: str | None, fold: str | None
) -> RiskTable:
    """Read a table with one row per patient.

    Args:
        path: CSV with a header.
        time: column of positive times.
        event: column of 1 (event) and 0 (censored).
        a: column of the first risk; by default the first of the two numeric columns that are left.
        b: column of the second risk; by default the other one.
        fold: column of folds; by default ``fold`` if there is one.

    Raises:
        BenchError: the file cannot be read as such a table; every bad row of a column is counted.
    """
    columns = read_columns(path)
    if fold is None and "fold" in columns:
        fold = "fold"
    for option, name in (("--time", time), ("--event", event), ("--a", a), ("--b", b), ("--fold", fold)):
        if name is not None and name not in columns:
            raise UnknownNameError(f"column for {option} in {path}", name, columns, see=f"the first line of {path}")
    a, b = _risk_columns(path, columns, {time, event, fold}, a, b)
    used = [name for name in (time, event, a, b, fold) if name is not None]
    if len(set(used)) < len(used):
        raise BenchError(f"A column of {path} is used twice ({', '.join(used)}). Name each by its option.")
    times, events, risk_a, risk_b = (_numbers(path, columns, name) for name in (time, event, a, b))
    _refuse(path, event, "must be 0 (censored) or 1 (event)", ~np.isin(events, (0, 1)), columns)
    _refuse(path, time, "must be positive", times <= 0, columns)
    if fold is not None:
        _refuse(path, fold, "is empty", np.array([not value for value in columns[fold]]), columns)
    folds = None if fold is None else np.array(columns[fold])
    return RiskTable(times, events.astype(bool), risk_a, risk_b, folds, a, b)


def read_columns(path: Path) -> dict[str, list[str]]:
    """Read a CSV file with a header as text, by column; row ``n`` of a column is line ``n + 2`` of the file.

    Raises:
        BenchError: the file cannot be read, two columns have one name, or a row has another number of cells.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row] or [[]]
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}. Give a CSV file.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BenchError(f"{path} is no CSV file in UTF-8: {error}. Save it as comma-separated text.") from error
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        raise BenchError(f"{path} has two columns of one name ({', '.join(names)}). Rename one.")
    if not rows:
        raise BenchError(f"{path} has no patients. Give a header line and one line for each patient.")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise BenchError(f"{path}, row {number}: {len(row)} cells, but {len(names)} columns. Mend that row.")
    return {name: [row[k].strip() for row in rows] for k, name in enumerate(names)}


def _risk_columns(
    path: Path, columns: dict[str, list[str]], taken: set[str | None], a: str | None, b: str | None
) -> tuple[str, str]:
    """Return the risk columns; those not named are the numeric ones that nothing else uses."""
    free = [n for n in columns if n not in {*taken, a, b} and all(_is_number(value) for value in columns[n])]
    wanted = (a is None) + (b is None)
    if wanted and len(free) != wanted:
        found = ", ".join(free) or "none"
        raise BenchError(
            f"{path} needs {'two risk columns' if wanted == 2 else 'one more risk column'} of numbers; left besides "
            f"time, event and fold: {found} (of {', '.join(columns)}). Name them with --a and --b."
        )
    rest = iter(free)
    return a if a is not None else next(rest), b if b is not None else next(rest)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _numbers(path: Path, columns: dict[str, list[str]], name: str) -> NDArray[np.float64]:
    bad = np.array([not _is_number(value) for value in columns[name]])
    _refuse(path, name, "must be a finite number", bad, columns)
    return np.array([float(value) for value in columns[name]])


def _refuse(path: Path, name: str, rule: str, bad: NDArray[np.bool_], columns: dict[str, list[str]]) -> None:
    if not bad.any():
        return
    rows = np.flatnonzero(bad)
    shown = ", ".join(f"row {i + 2}: {columns[name][i]!r}" for i in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    raise BenchError(f"Column {name!r} of {path} {rule} ({shown}{more}). Mend these rows, or leave the patients out.")
