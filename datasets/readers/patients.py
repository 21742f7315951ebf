"""Read patients from a table, as described by the card."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from survbench.datasets.cards.card import MONTHS_PER_UNIT, ROW_NUMBER, Clinical, CohortCard, Endpoint
from survbench.datasets.checks.outcome import (
    AmbiguousEventCode,
    BlankEvent,
    OutcomesLost,
    UnknownEventCode,
    UnusableTime,
)
from survbench.datasets.checks.predictors import UnusableClinicalCell
from survbench.datasets.checks.table import (
    BlankCentre,
    BlankGroup,
    MissingColumn,
    NoId,
    RepeatedId,
    UnknownChoice,
    UnusableId,
)
from survbench.datasets.readers.missing_cells import blank_missing
from survbench.datasets.readers.stages import select_by_stage, with_stage_column
from survbench.datasets.vocabulary.words import BLANK, is_date
from survbench.findings import Finding, things
from survbench.io.tables import Row, Table, canonical, nearest, number

MAX_ID_LENGTH = 100
_ONE_COLUMN = (
    "Make one column of times (to the event, or to last contact if there was none), and name it under endpoint.time."
)
_WHOLE = re.compile(r"\d{1,15}(\.0+)?", re.ASCII)
SHOWN_CODES, SHOWN_ROWS = 5, 3
_UNKNOWN = "Leave unknown values blank, write NA, or declare the word in the card (missing: [...])."


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient's data in the table; ``time`` is in months, NaN if outcomes were not asked for."""

    id: str
    centre: str
    clinical: Mapping[str, float | str | None]
    time: float
    event: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The patients that a card describes in a table.

    Attributes:
        ids: the usable ids, sorted.
        patients: the patients without a problem, sorted by id.
        findings: findings about columns and rows.
        table: the rows that the card selects.
    """

    ids: tuple[str, ...]
    patients: tuple[Patient, ...]
    findings: tuple[Finding, ...]
    table: Table


def parse_patients(card: CohortCard, table: Table, *, outcomes: bool = True) -> Parsed:
    """Read the patients that the card describes, and collect every finding about columns and rows.

    Args:
        card: the cohort's card.
        table: its table, with row numbers if the card asks for them.
        outcomes: False for patients whose outcome is not known yet; the columns of the endpoint are then not read.
    """
    if not outcomes:
        table = _without_outcomes(card, table)
    if card.stage is not None:
        table = with_stage_column(card.stage, table)
    findings = [*_column_findings(card, table, outcomes=outcomes), *_code_findings(card.endpoint)]
    if card.id not in table.columns:
        return Parsed((), (), tuple(findings), table)
    table, of_choice = _select_rows(card, table)
    findings += of_choice
    findings += _unknown_codes(card.endpoint, table, card.id)
    no_times = _missing_times(card.endpoint, table)
    findings += no_times.findings
    usable = all(f.severity != "error" for f in findings)
    ids: list[str] = []
    patients: list[Patient] = []
    similar = _similar_ids(table.column(card.id))
    for row in table.rows:
        name = row.cells[card.id]
        shown = _printable(name) or f"line {row.line}"
        of_id, of_row = (
            _id_findings(name, shown, similar),
            _row_findings(card, row, shown, time=row.line not in no_times.lines),
        )
        findings += of_id + of_row
        if not of_id:
            ids.append(name)
        if usable and not of_id and not of_row:
            patients.append(_patient(card, row))
    return Parsed(tuple(sorted(ids)), tuple(sorted(patients, key=lambda p: p.id)), tuple(findings), table)


def numbered(card: CohortCard, table: Table) -> Table:
    """Return the table with the card's missing values blanked, and with row numbers if the card uses them as ids."""
    table = blank_missing(card, table, card.id)
    if card.id != ROW_NUMBER or ROW_NUMBER in table.columns:
        return table
    numbers = [str(n) for n in range(len(table.rows))]
    return replace(table.with_columns({ROW_NUMBER: numbers}), columns=(ROW_NUMBER, *table.columns))


def _select_rows(card: CohortCard, table: Table) -> tuple[Table, list[Finding]]:
    """Return the rows that the card's ``patients`` section selects, and findings about codes and ids without a row."""
    rows = list(table.rows)
    findings: list[Finding] = []
    for column, codes in card.patients.where.items():
        if column not in table.columns:
            continue
        wanted = {canonical(code): code for code in codes}
        absent = wanted.keys() - {canonical(row.cells[column]) for row in table.rows}
        findings += [
            UnknownChoice.finding(f"No row has {wanted[a]!r} in column {column!r} (patients.where).")
            for a in sorted(absent)
        ]
        rows = [row for row in rows if canonical(row.cells[column]) in wanted]
    stage = card.stage
    if stage is not None and {*stage.columns.values()} <= {*table.columns}:
        rows, of_stage = select_by_stage(stage, rows, card.id)
        findings += of_stage
    without = set(card.patients.without)
    absent = without - {row.cells[card.id] for row in table.rows}
    findings += [
        UnknownChoice.finding(f"No row has the id {_printable(a)!r} (patients.without).") for a in sorted(absent)
    ]
    return Table(table.columns, tuple(r for r in rows if r.cells[card.id] not in without)), findings


def _without_outcomes(card: CohortCard, table: Table) -> Table:
    return table.without({card.endpoint.time, card.endpoint.event})


def _column_findings(card: CohortCard, table: Table, *, outcomes: bool) -> list[Finding]:
    wanted = {"id": card.id}
    if outcomes:
        wanted |= {"endpoint.time": card.endpoint.time, "endpoint.event": card.endpoint.event}
    if card.centre is not None:
        wanted["centre"] = card.centre
    if card.group is not None:
        wanted["group"] = card.group
    wanted |= {f"patients.where.{column}": column for column in card.patients.where}
    if card.stage is not None:
        wanted |= {f"patients.stage.{key}": column for key, column in card.stage.columns.items()}
    wanted |= {f"clinical.{c.name}": c.column for c in card.clinical}
    return [
        MissingColumn.finding(
            f"{card.table} has no column {column!r} ({key} in the card).{nearest(column, table.columns)}",
            remedy=f"Columns are: {', '.join(table.columns[:30])}.",
        )
        for key, column in wanted.items()
        if column not in table.columns
    ]


def _code_findings(endpoint: Endpoint) -> list[Finding]:
    both = sorted({canonical(v) for v in endpoint.observed} & {canonical(v) for v in endpoint.censored})
    return [AmbiguousEventCode.finding(f"Code {', '.join(both)} means both an event and censoring.")] if both else []


def _unknown_codes(endpoint: Endpoint, table: Table, id_column: str) -> list[Finding]:
    """Return one finding for all codes in the event column that the card does not list."""
    if endpoint.event not in table.columns:
        return []
    codes = {canonical(v) for v in (*endpoint.observed, *endpoint.censored)}
    cells = [cell for cell in table.column(endpoint.event) if not _is_blank_event(endpoint, cell)]
    counts = Counter(cell for cell in cells if canonical(cell) not in codes)
    if not counts:
        return []
    rows: dict[str, list[str]] = {code: [] for code in counts}
    for row in table.rows:
        if (code := row.cells[endpoint.event]) in rows:
            rows[code].append(_printable(row.cells.get(id_column, "")) or f"line {row.line}")
    shown = ", ".join(f"{code!r} ({_rows(rows[code])})" for code, _ in counts.most_common(SHOWN_CODES))
    more = f", and {len(counts) - SHOWN_CODES} more" if len(counts) > SHOWN_CODES else ""
    cause = f"Column {endpoint.event!r} holds {shown}{more}; the card lists {_codes(endpoint)}."
    return [UnknownEventCode.finding(cause, remedy=_code_remedy(Counter(map(canonical, cells))))]


@dataclass(frozen=True, slots=True)
class _NoTimes:
    """Findings about a kind of outcome (event or censoring) without any time, and the lines of its patients."""

    findings: tuple[Finding, ...] = ()
    lines: frozenset[int] = frozenset()


def _missing_times(endpoint: Endpoint, table: Table) -> _NoTimes:
    """Return one finding if all censored patients, or all patients with the event, have blank times but others do not.

    Removing these rows would leave only one kind of outcome, so their cells are not reported one by one.
    """
    if not {endpoint.time, endpoint.event} <= set(table.columns):
        return _NoTimes()
    blank = frozenset(row.line for row in table.rows if row.cells[endpoint.time].casefold() in BLANK)
    for who, codes in (("who are censored", endpoint.censored), ("who had the event", endpoint.observed)):
        known = {canonical(code) for code in codes}
        kind = frozenset(row.line for row in table.rows if canonical(row.cells[endpoint.event]) in known)
        if len(kind) > 1 and kind <= blank < {row.line for row in table.rows}:
            only = ", and only these," if kind == blank else ""
            cause = f"All {len(kind)} patients {who}{only} have no time in column {endpoint.time!r}."
            return _NoTimes((OutcomesLost.finding(cause, remedy=_ONE_COLUMN),), kind)
    return _NoTimes()


def _rows(names: Sequence[str]) -> str:
    """Return the number of rows, and their patients if there are few."""
    few = f": {', '.join(names)}" if len(names) <= SHOWN_ROWS else ""
    return f"{things(len(names), 'row')}{few}"


def _code_remedy(counts: Counter[str]) -> str:
    """Return a remedy for unknown event codes, judged by how often each code occurs."""
    name = "List each code under endpoint.observed or endpoint.censored in the card."
    if set(counts) == {"1", "2"}:
        return (
            f"{counts['2']} cells are 2, {counts['1']} are 1 and none is 0. Probably 1 is censored and 2 is the event, "
            "as in R. If so, write observed: [2] and censored: [1] under endpoint in the card."
        )
    if {"0", "1"} < set(counts):
        return (
            f"{name} Another code may stand for a competing event, such as death from another cause. patients.without "
            "leaves out rows."
        )
    return f"{name} 'bench cohort init' reads codes by their meaning."


def _is_blank_event(endpoint: Endpoint, cell: str) -> bool:
    codes = {canonical(v) for v in (*endpoint.observed, *endpoint.censored)}
    return cell.casefold() in BLANK and canonical(cell) not in codes


def _similar_ids(names: list[str]) -> dict[str, list[str]]:
    """Group ids that look the same after Unicode normalisation."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_normal_form(name), []).append(name)
    return groups


def _normal_form(name: str) -> str:
    """Return the form of an id in which ids that may mean the same patient agree: normalised, whole numbers as such."""
    plain = unicodedata.normalize("NFKC", name)
    return str(int(float(plain))) if _WHOLE.fullmatch(plain) else plain


def _id_findings(name: str, shown: str, similar: Mapping[str, list[str]]) -> list[Finding]:
    if not name:
        return [NoId.finding("A row has no id.", subject=shown)]
    found = []
    if len(name) > MAX_ID_LENGTH:
        cause = f"An id has more than {MAX_ID_LENGTH} characters."
        found.append(UnusableId.finding(cause, subject=shown, remedy="Shorten it."))
    if any(unicodedata.category(c).startswith("C") for c in name):
        cause = "An id contains control or invisible characters."
        found.append(UnusableId.finding(cause, subject=shown, remedy="Remove them."))
    if any(c in name for c in "/\\") or name.startswith("."):
        cause, remedy = "An id could lead to another folder.", "Use ids without '/', '\\' or a leading '.'."
        found.append(UnusableId.finding(cause, subject=shown, remedy=remedy))
    if unicodedata.normalize("NFKC", name).startswith(("=", "+", "-", "@")):
        cause = f"An id starts with {name[0]!r}, which spreadsheets read as a formula."
        found.append(UnusableId.finding(cause, subject=shown, remedy="Start ids with a letter or digit."))
    same = similar[_normal_form(name)]
    if same.count(name) > 1:
        found.append(RepeatedId.finding(f"An id occurs in {same.count(name)} rows.", subject=shown))
    elif len(same) > 1:
        cause = "Another id looks the same: it is the same number, or is spelled with other Unicode characters."
        found.append(RepeatedId.finding(cause, subject=shown, remedy="Give one of them another id."))
    return found


def _row_findings(card: CohortCard, row: Row, shown: str, *, time: bool) -> list[Finding]:
    """Return the findings about a row's cells; pass ``time=False`` if its time is reported elsewhere."""
    end, cells = card.endpoint, row.cells
    found: list[Finding] = []
    if time and end.time in cells:
        months = number(cells[end.time])
        if months is None or months <= 0:
            found.append(_unusable_time(end.time, cells[end.time], shown))
    if end.event in cells and _is_blank_event(end, cells[end.event]):
        cause = f"The event is not known (blank, or a word for missing) in column {end.event!r}."
        found.append(BlankEvent.finding(cause, subject=shown))
    if card.centre is not None and cells.get(card.centre) == "":
        found.append(BlankCentre.finding(f"The centre is blank in column {card.centre!r}.", subject=shown))
    if card.group is not None and cells.get(card.group) == "":
        found.append(BlankGroup.finding(f"The group is blank in column {card.group!r}.", subject=shown))
    for column in card.clinical:
        if column.column in cells:
            found += _clinical_findings(column, cells[column.column], shown)
    return found


def _codes(endpoint: Endpoint) -> str:
    observed, censored = (" or ".join(map(str, v)) for v in (endpoint.observed, endpoint.censored))
    return f"{observed} (observed) and {censored} (censored)"


def _unusable_time(column: str, cell: str, shown: str) -> Finding:
    if is_date(cell):
        cause = f"Column {column!r} holds dates; a time is a duration."
        remedy = "Make a column of days from the start of follow-up to these dates, and name it under endpoint.time."
        return UnusableTime.finding(cause, subject=shown, detail=repr(cell), remedy=remedy)
    if not cell:
        remedy = "Fill in the cell, or leave the patient out (patients.without)."
        return UnusableTime.finding(f"No time in column {column!r}.", subject=shown, remedy=remedy)
    return UnusableTime.finding(
        f"Times in column {column!r} must be numbers above 0.", subject=shown, detail=repr(cell)
    )


def _clinical_findings(column: Clinical, cell: str, shown: str) -> list[Finding]:
    if _level(column, cell) is not None or cell.casefold() in BLANK:
        return []
    if column.kind == "numeric":
        if number(cell) is not None:
            return []
        cause, remedy = f"Column {column.column!r} must hold numbers.", f"Correct the cells. {_UNKNOWN}"
        if is_date(cell):
            cause = f"Column {column.column!r} must hold numbers, but holds dates."
            remedy = "A date cannot be a predictor: remove the column from the card, or make a column of durations."
    else:
        cause = f"Column {column.column!r} must hold one of its levels ({', '.join(column.levels)})."
        remedy = f"Correct the cells, or add the level to the card. {_UNKNOWN}"
    detail = f"{cell!r}{nearest(cell, column.levels).replace(' Did', ', did')}"
    return [UnusableClinicalCell.finding(cause, subject=shown, detail=detail, remedy=remedy)]


def _level(column: Clinical, cell: str) -> str | None:
    """Return the declared level that a cell means; "2.0", as spreadsheets write it, means level "2"."""
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
        time=float(cells[end.time]) * MONTHS_PER_UNIT[end.unit] if end.time in cells else float("nan"),
        event=canonical(cells.get(end.event, "")) in {canonical(v) for v in end.observed},
        group="" if card.group is None else cells[card.group],
    )


def _printable(name: str) -> str:
    """Return an id as printable text: control characters escaped, at most 40 characters."""
    text = repr(name)[1:-1]
    return text if len(text) <= 40 else text[:37] + "..."
