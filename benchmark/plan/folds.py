"""Patients dealt into folds. Rows of one group (``Subject.group``) are dealt together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.io.hashing import digest
from survbench.plan.checks import TRAINING_MIN_EVENTS, TooFewForFolds
from survbench.statistics.pairs import any_comparable

INNER_PARTS = 5
INNER_MIN_EVENTS = 5
"""Inner selection takes an event-stratified fifth of the training fold, and needs this many events in it."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is dealt as one: a patient with all of its rows.

    Attributes:
        name: the id of the row, or the group of several.
        ids: of the rows.
        event: whether one of the rows has an event.
        centre: of the first row.
    """

    name: str
    ids: tuple[str, ...]
    event: bool
    centre: str


def _units(cohort: Cohort) -> list[_Unit]:
    """Return what is dealt as one, in the order of the first rows."""
    rows: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for n, s in enumerate(cohort.subjects):
        rows[s.patient].append(n)
    return [
        _Unit(
            name=name,
            ids=tuple(cohort.subjects[n].id for n in members),
            event=bool(cohort.event[members].any()),
            centre=cohort.subjects[members[0]].centre,
        )
        for (_, name), members in rows.items()
    ]


def stratified_folds(cohort: Cohort, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal patients into folds that can be trained without and tested; see :func:`deal`.

    Raises:
        CohortError: fewer patients with events, or fewer censored patients, than folds; too few events to train on; or
            a fold without two patients whose order is known.
    """
    dealt = deal(cohort, folds)
    found = [TooFewForFolds.finding(f"{what}.") for what in unfit_folds(dealt, cohort)]
    if found:
        raise CohortError("The cohort is too small for this protocol:", found)
    return dealt


def deal(cohort: Cohort, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal patients into folds, by event, and by centre where every cell of event and centre has as many patients as
    folds. The order within a stratum is that of the ids' hashes, so the folds depend on the ids and outcomes alone.
    Rows of one group are one patient, who has an event if one of them has.

    Raises:
        CohortError: fewer patients with events, or fewer censored patients, than folds.
    """
    units = _units(cohort)
    events = sum(unit.event for unit in units)
    for name, count in (("events", events), ("censored patients", len(units) - events)):
        if count < folds and (name == "events" or count > 0):
            finding = TooFewForFolds.finding(f"{count} {name} cannot be divided into {folds} folds.")
            raise CohortError("The cohort is too small for this protocol:", [finding])
    strata = _strata(units, folds)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    position = 0
    for stratum in sorted(strata):
        for unit in sorted(strata[stratum], key=lambda u: digest(["fold", u.name])):
            dealt[position % folds].extend(unit.ids)
            position += 1
    return tuple(tuple(sorted(fold)) for fold in dealt)


def unfit_folds(folds: Sequence[Sequence[str]], cohort: Cohort) -> Iterator[str]:
    """Yield which folds, as ids of the cohort, cannot be tested, or leave too little to train on; in a sentence without
    its full stop.
    """
    row = {subject: n for n, subject in enumerate(cohort.ids)}
    parts = [np.array([row[subject] for subject in ids], dtype=np.intp) for ids in folds]
    events = [int(cohort.event[rows].sum()) for rows in parts]
    ordered = [any_comparable(cohort.time[rows], cohort.event[rows]) for rows in parts]
    left = [int(cohort.event.sum()) - count for count in events]
    for numbers, what in (
        ([n for n, count in enumerate(events) if not count], "no event, so no C-index"),
        ([n for n, fine in enumerate(ordered) if events[n] and not fine], "no two patients whose order is known"),
        ([n for n, count in enumerate(left) if count < TRAINING_MIN_EVENTS], "too few events outside it to train on"),
    ):
        if numbers:
            have = f"Fold {numbers[0]} has" if len(numbers) == 1 else f"Folds {', '.join(map(str, numbers))} have"
            yield f"{have} {what}"


def inner_folds(cohort: Cohort, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal a training fold into inner folds on which hyper-parameters are scored.

    Raises:
        BenchError: too few events, or an inner fold without two patients whose order is known.
    """
    try:
        return stratified_folds(cohort, folds)
    except CohortError as error:
        events = int(cohort.event.sum())
        why = " ".join(f.cause for f in error.findings)
        raise BenchError(
            f"A training fold with {events} events cannot be divided into {folds} inner folds. {why} "
            "Use --tune none or paper, or fewer inner_folds under 'tuning' in a profile of your own."
        ) from error


def _strata(units: Sequence[_Unit], folds: int) -> dict[tuple[bool, str], list[_Unit]]:
    cells: dict[tuple[bool, str], list[_Unit]] = defaultdict(list)
    for unit in units:
        cells[unit.event, unit.centre].append(unit)
    if all(len(cell) >= folds for cell in cells.values()):
        return cells
    merged: dict[tuple[bool, str], list[_Unit]] = defaultdict(list)
    for (event, _), members in cells.items():
        merged[event, ""].extend(members)
    return merged


def inner_split(cohort: Cohort) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows (training part, validation part) of a training fold for ``selection: inner``.

    Raises:
        BenchError: fewer than :data:`INNER_MIN_EVENTS` events would lie in the validation part.
    """
    row = {subject: n for n, subject in enumerate(cohort.ids)}
    rows: list[int] = []
    for event in (True, False):
        members = [unit for unit in _units(cohort) if unit.event == event]
        members.sort(key=lambda unit: digest(["inner", unit.name]))
        rows += [row[i] for unit in members[: round(len(members) / INNER_PARTS)] for i in unit.ids]
    events = int(cohort.event[rows].sum()) if rows else 0
    if events < INNER_MIN_EVENTS:
        raise BenchError(
            f"Selection 'inner' needs {INNER_MIN_EVENTS} events in a fifth of the training fold; there are {events} "
            f"of {int(cohort.event.sum())}. Use --selection last."
        )
    validation = np.array(sorted(rows), dtype=np.intp)
    return np.setdiff1d(np.arange(len(cohort)), validation), validation
