"""Two columns of risks from a table, for a comparison without a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.vocabulary.events import Coding
from survbench.errors import BenchError, UnknownNameError
from survbench.evaluation.event_codes import event_codes
from survbench.io.tables import Table, canonical, number, read_table

SHOWN = 5
"""Bad rows that an error lists."""
ID_COLUMNS = frozenset({"id", "patient", "patient_id", "patientid", "subject", "case"})
"""Names (in any case) of columns that are not risks, whatever they hold."""
MOSTLY = 0.5
"""A column counts as a risk column if more than this share of its cells are numbers; its other cells are errors."""


@dataclass(frozen=True, slots=True)
class RiskTable:
    """Outcomes with the risks of two models, named ``a`` and ``b``; ``fold`` is None where no column has folds.

    ``codes`` says which codes of the column ``event_column`` were taken as the event.
    """

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    risk_a: NDArray[np.float64]
    risk_b: NDArray[np.float64]
    fold: NDArray[np.str_] | None
    a: str
    b: str
    event_column: str
    codes: Coding

    @property
    def event_sentence(self) -> str:
        """Which code was taken as the event, of how many patients, and why."""
        observed, censored = (" or ".join(map(repr, side)) for side in (self.codes.observed, self.codes.censored))
        return (
            f"Event: {observed or 'nothing'} in column {self.event_column!r} ({int(self.event.sum())} of "
            f"{len(self.event)} patients); censored: {censored or 'nobody'}"
            f"{f' ({self.codes.reason})' if self.codes.reason else ''}"
        )


def read_risks(
    path: Path,
    *,
    time: str = "time",
    event: str = "event",
    event_code: str | None = None,
    a: str | None,
    b: str | None,
    fold: str | None,
) -> RiskTable:
    """Read a table with one row per patient, in any form that :func:`~survbench.io.tables.read_table` reads.

    Args:
        path: with a line of column names.
        time: column of positive times.
        event: column of events; see :func:`~survbench.evaluation.event_codes.event_codes`.
        event_code: the code of the event in it, where it cannot be known otherwise.
        a: column of the first risk; by default the first of the two columns of numbers that are left.
        b: column of the second risk; by default the other one.
        fold: column of folds; by default ``fold`` if there is one.

    Raises:
        BenchError: the file cannot be read as such a table; every bad row of a column is counted.
    """
    table = read_table(path)
    if fold is None and "fold" in table.columns:
        fold = "fold"
    for option, name in (("--time", time), ("--event", event), ("--a", a), ("--b", b), ("--fold", fold)):
        if name is not None and name not in table.columns:
            raise UnknownNameError(
                f"column for {option} in {path}", name, table.columns, see=f"the first line of {path}"
            )
    ids = [name for name in table.columns if name.casefold() in ID_COLUMNS]
    a, b = _risk_columns(path, table, {time, event, fold, *ids}, a, b)
    used = [name for name in (time, event, a, b, fold) if name is not None]
    if len(set(used)) < len(used):
        raise BenchError(f"A column of {path} is used twice ({', '.join(used)}). Name each by its option.")
    for name in (name for name in ids if name not in used):
        seen = Counter(table.column(name))
        again = [seen[cell] > 1 for cell in table.column(name)]
        _refuse(path, table, name, "names a patient twice; the rows would count as independent", again)
    times, risk_a, risk_b = (_numbers(path, table, name) for name in (time, a, b))
    cells = table.column(event)
    _refuse(path, table, event, "is empty", [not cell for cell in cells])
    codes = event_codes(event, cells, event_code)
    _refuse(path, table, time, "must be positive", times <= 0)
    if fold is not None:
        _refuse(path, table, fold, "is empty", [not cell for cell in table.column(fold)])
    folds = None if fold is None else np.array([canonical(cell) for cell in table.column(fold)])
    return RiskTable(times, np.isin(cells, codes.observed), risk_a, risk_b, folds, a, b, event, codes)


def _risk_columns(path: Path, table: Table, taken: set[str | None], a: str | None, b: str | None) -> tuple[str, str]:
    """Return the risk columns; those not named are the ones of numbers that nothing else uses."""
    free = [name for name in table.columns if name not in {*taken, a, b} and _holds_numbers(table.column(name))]
    wanted = (a is None) + (b is None)
    if wanted and len(free) != wanted:
        found = ", ".join(free) or "none"
        raise BenchError(
            f"{path} needs {'two risk columns' if wanted == 2 else 'one more risk column'} of numbers; besides time, "
            f"event and fold there is: {found} (of {', '.join(table.columns)}). Name them with --a and --b."
        )
    rest = iter(free)
    return a if a is not None else next(rest), b if b is not None else next(rest)


def _holds_numbers(cells: Sequence[str]) -> bool:
    return sum(number(cell) is not None for cell in cells) > MOSTLY * len(cells)


def _numbers(path: Path, table: Table, name: str) -> NDArray[np.float64]:
    values = [number(cell) for cell in table.column(name)]
    _refuse(path, table, name, "must be a finite number", [value is None for value in values])
    return np.array(values, dtype=np.float64)


def _refuse(path: Path, table: Table, name: str, rule: str, bad: Sequence[bool] | NDArray[np.bool_]) -> None:
    rows = [row for row, wrong in zip(table.rows, bad, strict=True) if wrong]
    if not rows:
        return
    shown = ", ".join(f"line {row.line}: {row.cells[name]!r}" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    raise BenchError(f"Column {name!r} of {path} {rule} ({shown}{more}). Fix these rows, or leave the patients out.")
