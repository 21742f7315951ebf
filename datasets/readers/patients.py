"""Patients from a table, as the card describes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from survbench.datasets.cards.card import MONTHS_PER_UNIT, ROW_NUMBER, Clinical, CohortCard, Endpoint
from survbench.datasets.readers.missing_cells import blank_missing
from survbench.errors import Problem
from survbench.io.tables import Row, Table, canonical, nearest, number

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "."})
"""Cells (in any case) that mean that a value is not known; a declared level of the same name goes first."""
MAX_ID_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Patient:
    """What the table says about a patient; ``time`` in months."""

    id: str
    centre: str
    clinical: Mapping[str, float | str | None]
    time: float
    event: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a card finds in a table: the ids that can be used, patients without a problem (both sorted), problems."""

    ids: tuple[str, ...]
    patients: tuple[Patient, ...]
    problems: tuple[Problem, ...]


def parse_patients(card: CohortCard, table: Table) -> Parsed:
    """Read the patients that the card describes, and collect every problem of columns and rows."""
    problems = [*_column_problems(card, table), *_code_problems(card.endpoint)]
    if card.id not in table.columns:
        return Parsed((), (), tuple(problems))
    table, of_choice = _chosen(card, table)
    problems += of_choice
    usable = not problems
    ids: list[str] = []
    patients: list[Patient] = []
    twins = _twins(table.column(card.id))
    for row in table.rows:
        name = row.cells[card.id]
        of_id, of_row = _id_problems(name, twins), _row_problems(card, row)
        shown = _shown(name) or f"line {row.line}"
        problems += [Problem(shown, what, remedy) for what, remedy in of_id + of_row]
        if not of_id:
            ids.append(name)
        if usable and not of_id and not of_row:
            patients.append(_patient(card, row))
    return Parsed(tuple(sorted(ids)), tuple(sorted(patients, key=lambda p: p.id)), tuple(problems))


def numbered(card: CohortCard, table: Table) -> Table:
    """Return the table with a column of row numbers, where the card asks for one as ids, and without the cells that the
    card declares to be missing.
    """
    table = blank_missing(card, table, card.id)
    if card.id != ROW_NUMBER or ROW_NUMBER in table.columns:
        return table
    rows = tuple(Row(row.line, {ROW_NUMBER: str(n), **row.cells}) for n, row in enumerate(table.rows))
    return Table((ROW_NUMBER, *table.columns), rows, table.labels, table.notes)


def _chosen(card: CohortCard, table: Table) -> tuple[Table, list[Problem]]:
    """Return the rows that ``patients`` of the card declares to be the cohort, and codes and ids that no row has."""
    rows = list(table.rows)
    remedy = "Correct 'patients' in the card."
    problems: list[Problem] = []
    for column, codes in card.patients.where.items():
        if column not in table.columns:
            continue
        wanted = {canonical(code): code for code in codes}
        absent = wanted.keys() - {canonical(row.cells[column]) for row in table.rows}
        problems += [Problem("", f"No row has {wanted[a]!r} in column {column!r}.", remedy) for a in sorted(absent)]
        rows = [row for row in rows if canonical(row.cells[column]) in wanted]
    without = set(card.patients.without)
    absent = without - {row.cells[card.id] for row in table.rows}
    problems += [Problem("", f"No row has the id {_shown(a)!r} (patients.without).", remedy) for a in sorted(absent)]
    return Table(table.columns, tuple(r for r in rows if r.cells[card.id] not in without)), problems


def _column_problems(card: CohortCard, table: Table) -> list[Problem]:
    wanted = {"id": card.id, "endpoint.time": card.endpoint.time, "endpoint.event": card.endpoint.event}
    if card.centre is not None:
        wanted["centre"] = card.centre
    wanted |= {f"patients.where.{column}": column for column in card.patients.where}
    wanted |= {f"clinical.{c.name}": c.column for c in card.clinical}
    return [
        Problem(
            "",
            f"{card.table} has no column {column!r} ({key} in the card).{nearest(column, table.columns)}",
            f"Columns are: {', '.join(table.columns[:30])}.",
        )
        for key, column in wanted.items()
        if column not in table.columns
    ]


def _code_problems(endpoint: Endpoint) -> list[Problem]:
    both = sorted({canonical(v) for v in endpoint.observed} & {canonical(v) for v in endpoint.censored})
    if not both:
        return []
    what = f"Code {', '.join(both)} means both an event and censoring."
    return [Problem("", what, "Correct endpoint.observed and endpoint.censored in the card.")]


def _twins(names: list[str]) -> dict[str, list[str]]:
    """Group ids that look the same once Unicode is normalised."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(unicodedata.normalize("NFKC", name), []).append(name)
    return groups


def _id_problems(name: str, twins: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    if not name:
        return [("The row has no id.", "Fill in the id, or remove the row.")]
    found = []
    if len(name) > MAX_ID_LENGTH:
        found.append((f"The id has {len(name)} characters.", f"Use at most {MAX_ID_LENGTH}."))
    if any(unicodedata.category(c).startswith("C") for c in name):
        found.append(("The id holds control or invisible characters.", "Remove them."))
    if any(c in name for c in "/\\") or name.startswith("."):
        found.append(("The id could lead to another folder.", "Use ids without '/', '\\' and a leading '.'."))
    if name[0] in "=+-@":
        found.append(
            (f"The id starts with {name[0]!r}, a formula to spreadsheets.", "Start ids with a letter or digit.")
        )
    same = twins[unicodedata.normalize("NFKC", name)]
    if same.count(name) > 1:
        found.append((f"The id stands in {same.count(name)} rows.", "Keep one row per patient."))
    elif len(same) > 1:
        found.append(("Another id looks the same but is spelt with other Unicode characters.", "Give one another id."))
    return found


def _row_problems(card: CohortCard, row: Row) -> list[tuple[str, str]]:
    end, cells, found = card.endpoint, row.cells, []
    if end.time in cells:
        months = number(cells[end.time])
        if months is None or months <= 0:
            what = f"Time is {cells[end.time]!r} in column {end.time!r}, but must be a number above 0."
            found.append((what, "Correct the cell (decimal point, not comma), or remove the row."))
    if end.event in cells:
        codes = {canonical(v) for v in (*end.observed, *end.censored)}
        if not cells[end.event] or canonical(cells[end.event]) not in codes:
            what = f"Event is {cells[end.event]!r} in column {end.event!r}; the card knows {_codes(end)}."
            found.append((what, "Correct the cell, or add the code to endpoint.observed or endpoint.censored."))
    if card.centre is not None and cells.get(card.centre) == "":
        found.append(
            (f"The centre is blank in column {card.centre!r}.", "Fill it in, or remove 'centre' from the card.")
        )
    for column in card.clinical:
        if column.column in cells:
            found += _clinical_problems(column, cells[column.column])
    return found


def _codes(endpoint: Endpoint) -> str:
    observed, censored = (" or ".join(map(str, v)) for v in (endpoint.observed, endpoint.censored))
    return f"{observed} (observed) and {censored} (censored)"


def _clinical_problems(column: Clinical, cell: str) -> list[tuple[str, str]]:
    if _level(column, cell) is not None or cell.casefold() in MISSING:
        return []
    if column.kind == "numeric":
        if number(cell) is not None:
            return []
        return [(f"{column.column} is {cell!r}, but must be a number.", "Correct the cell; leave it blank if unknown.")]
    allowed = ", ".join(column.levels)
    what = f"{column.column} is {cell!r}, which is none of its levels ({allowed}).{nearest(cell, column.levels)}"
    return [(what, "Correct the cell, leave it blank if unknown, or add the level to the card.")]


def _level(column: Clinical, cell: str) -> str | None:
    """Return the declared level that the cell means; "2.0", as spreadsheets write it, means level "2"."""
    if cell in column.levels:
        return cell
    value = number(cell)
    return next((v for v in column.levels if value is not None and number(v) == value), None)


def _patient(card: CohortCard, row: Row) -> Patient:
    cells, end = row.cells, card.endpoint
    clinical = {
        c.name: number(cells[c.column]) if c.kind == "numeric" else _level(c, cells[c.column]) for c in card.clinical
    }
    return Patient(
        id=cells[card.id],
        centre=card.name if card.centre is None else cells[card.centre],
        clinical=clinical,
        time=float(cells[end.time]) * MONTHS_PER_UNIT[end.unit],
        event=canonical(cells[end.event]) in {canonical(v) for v in end.observed},
    )


def _shown(name: str) -> str:
    """Return an id that is safe to print: control characters escaped, at most 40 characters."""
    text = repr(name)[1:-1]
    return text if len(text) <= 40 else text[:37] + "..."
