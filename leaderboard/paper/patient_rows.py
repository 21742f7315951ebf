"""Rows of the patient table: a study's cohort and external cohort, next to the published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any, TypeVar

import yaml
from survbench.io.config import Strict
from survbench.plan.patient_description import LevelsColumn, NumericColumn, PatientsDescription, Spread, Term

Described = TypeVar("Described")
NO_TERM = Term(level="")
REFERENCE = "reference"
"""Used as the reason of the reference level."""
OF_TERM = ("hazard_ratio", "low", "high", "p", "reason")
"""Values of a Cox model in the table's files."""


class PublishedRow(Strict):
    """A row of the paper's table, as printed."""

    characteristic: str
    level: str = ""
    training: str = ""
    testing: str = ""
    p: float | None = None


class PublishedPatients(Strict):
    """The content of ``published_patients.yaml``."""

    source: str
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientRow:
    """A characteristic, or a level of it.

    Attributes:
        text, external_text: its cells for the cohort and the external cohort, "" if there is none.
        term, external_term: its univariate Cox model in each cohort.
        published: the paper's row, empty if it has none.
    """

    characteristic: str
    level: str
    text: str
    external_text: str
    term: Term
    external_term: Term
    published: PublishedRow

    def values(self) -> dict[str, Any]:
        """Return the row by the columns of the table's CSV and JSON."""
        return {
            "characteristic": self.characteristic,
            "level": self.level,
            "text": self.text,
            "external_text": self.external_text,
            **{key: getattr(self.term, key) for key in OF_TERM},
            **{f"external_{key}": getattr(self.external_term, key) for key in OF_TERM},
            "published": self.published.training,
            "published_external": self.published.testing,
            "published_p": self.published.p,
        }


def patient_rows(patients: Mapping[str, PatientsDescription], endpoint: str) -> Iterator[PatientRow]:
    """Yield a row per characteristic and level.

    Args:
        patients: descriptions by role: ``cohort`` and, if there is one, ``external``; without a cohort nothing is
            yielded.
        endpoint: name of the outcome.
    """
    if "cohort" not in patients:
        return
    ours, other = patients["cohort"], patients.get("external")
    both = (ours, other)
    yield _row("patients", "", _texts(both, lambda d: f"{d.patients:,}"))
    yield _row("events", endpoint, _texts(both, lambda d: _count(d.events, d.patients)))
    yield _row("censored", "", _texts(both, lambda d: _count(d.patients - d.events, d.patients)))
    yield _row("follow-up", "months", _texts(both, lambda d: _spread(d.follow_up)))
    beside = {} if other is None else {column.name: column for column in other.columns}
    for column in ours.columns:
        yield from _of_column(column, beside.get(column.name))


def patients_source() -> str:
    """Return the source of the published rows."""
    return _file().source


def _of_column(
    column: NumericColumn | LevelsColumn, other: NumericColumn | LevelsColumn | None
) -> Iterator[PatientRow]:
    name = column.name
    if isinstance(column, NumericColumn):
        numbers = (column, other if isinstance(other, NumericColumn) else None)
        terms = [NO_TERM if each is None else _term("", each) for each in numbers]
        yield _row(name, "", _texts(numbers, _spread), terms)
    else:
        both = (column, other if isinstance(other, LevelsColumn) else None)
        for level in dict.fromkeys(known.level for each in both if each is not None for known in each.levels):
            terms = [NO_TERM if each is None else _term(level, each) for each in both]
            yield _row(name, level, _texts(both, partial(_of_level, level)), terms)
    if column.missing or (other is not None and other.missing):
        yield _row(name, "(missing)", [f"{column.missing:,}", "" if other is None else f"{other.missing:,}"])


def _row(
    characteristic: str, level: str, texts: Sequence[str], terms: Sequence[Term] = (NO_TERM, NO_TERM)
) -> PatientRow:
    place = (characteristic, "" if characteristic == "events" else level)
    return PatientRow(
        characteristic=characteristic,
        level=level,
        text=texts[0],
        external_text=texts[1],
        term=terms[0],
        external_term=terms[1],
        published=_published().get(place, PublishedRow(characteristic=characteristic)),
    )


def _term(level: str, column: NumericColumn | LevelsColumn) -> Term:
    """Return the Cox model of a level; the reference level has no numbers."""
    if isinstance(column, LevelsColumn) and column.levels and column.levels[0].level == level:
        return Term(level=level, reason=REFERENCE)
    return next((term for term in column.terms if term.level == level), NO_TERM)


def _of_level(level: str, column: LevelsColumn) -> str:
    patients = {known.level: known.patients for known in column.levels}
    return _count(patients.get(level, 0), sum(patients.values()))


def _texts(described: Sequence[Described | None], text: Callable[[Described], str]) -> list[str]:
    """Return a cell for the cohort and one for the external cohort; "" if there is none."""
    return ["" if each is None else text(each) for each in described]


def _count(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)" if of else str(count)


def _spread(described: Spread) -> str:
    """Return a median with the range around it; a value that is not reached is a question mark."""
    known = (described.median, described.low, described.high)
    median, low, high = ("?" if value is None else f"{value:.4g}" for value in known)
    return f"{median} ({low}–{high})"


@cache
def _file() -> PublishedPatients:
    text = (files("survbench.leaderboard.paper") / "published_patients.yaml").read_text(encoding="utf-8")
    return PublishedPatients.model_validate(yaml.safe_load(text))


@cache
def _published() -> dict[tuple[str, str], PublishedRow]:
    return {(row.characteristic, row.level): row for row in _file().rows}
