"""Derive the outcome of each patient: the first of several events, or the end of follow-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from survbench.datasets.ingest.clinical import ID
from survbench.datasets.layouts.layout import Event, Layout, Outcome
from survbench.datasets.vocabulary.words import BLANK
from survbench.errors import BenchError
from survbench.io.tables import Row, Table, canonical, number

NO_OUTCOME = "The source gives no outcome."


@dataclass(frozen=True, slots=True)
class LaidOut:
    """The clinical table of a layout.

    Attributes:
        table: a row per patient with an outcome: the id, the layout's columns, event (0, 1) and time.
        without_outcome: ids of patients whose cells of the outcome are all blank.
        wrong: why the outcome of other patients cannot be derived, by id.
    """

    table: Table
    without_outcome: tuple[str, ...]
    wrong: Mapping[str, str]


def with_outcome(layout: Layout, rows: Iterable[Row]) -> LaidOut:
    """Return the table of the patients whose outcome is known, and the others.

    Args:
        layout: says how the outcome is derived.
        rows: of :func:`~survbench.datasets.layouts.tables.read_rows`.

    Raises:
        BenchError: no patient has an outcome.
    """
    outcome = layout.outcome
    blank = BLANK | {canonical(cell) for cell in layout.missing}
    kept: list[Row] = []
    without: list[str] = []
    wrong: dict[str, str] = {}
    for row in rows:
        cells = {n: "" if canonical(row.cells[n]) in blank else row.cells[n] for n in outcome.columns}
        if not any(cells.values()):
            without.append(row.cells[ID])
            continue
        try:
            time, observed = _outcome(outcome, cells)
        except ValueError as error:
            wrong[row.cells[ID]] = str(error)
        else:
            written = {outcome.name: str(int(observed)), outcome.time: f"{time:.15g}"}
            kept.append(Row(row.line, {**row.cells, **written}))
    if not kept:
        first = f" {next(iter(wrong))}: {next(iter(wrong.values()))}" if wrong else ""
        raise BenchError(
            f"No patient has an outcome by the layout {layout.name}.{first} Is it the layout of the table?"
        )
    columns = dict.fromkeys([ID, *layout.columns, outcome.name, outcome.time])
    return LaidOut(Table(tuple(columns), tuple(kept)), tuple(without), wrong)


def _outcome(outcome: Outcome, cells: Mapping[str, str]) -> tuple[float, bool]:
    """Return a patient's time, and whether an event was observed.

    Raises:
        ValueError: a cell is blank or cannot be read. The message names the column, not the cell: it is shown on the
            page of a cohort, which may be passed on.
    """
    start = 0.0 if outcome.start is None else _time(outcome.start, cells)
    times = [_time(event.time, cells) for event in outcome.first_of if _observed(event, cells)]
    return (min(times) if times else _time(outcome.follow_up, cells)) - start, bool(times)


def _observed(event: Event, cells: Mapping[str, str]) -> bool:
    if event.event is None:
        return cells[event.time] != ""
    cell = cells[event.event]
    if canonical(cell) in {canonical(code) for code in event.observed}:
        return True
    if canonical(cell) in {canonical(code) for code in event.censored}:
        return False
    codes = ", ".join(map(str, (*event.observed, *event.censored)))
    raise ValueError(f"{event.event} is not one of {codes}." if cell else f"{event.event} is blank.")


def _time(column: str, cells: Mapping[str, str]) -> float:
    found = number(cells[column])
    if found is None:
        raise ValueError(f"{column} is not a number." if cells[column] else f"{column} is blank.")
    return found
