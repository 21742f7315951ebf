"""Patients dealt into folds."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.io.hashing import digest
from survbench.plan.checks import TooFewForFolds
from survbench.statistics.pairs import comparable_pairs

INNER_PARTS = 5
INNER_MIN_EVENTS = 5
"""Inner selection takes an event-stratified fifth of the training fold, and needs this many events in it."""


def stratified_folds(cohort: Cohort, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal patients into folds, by event, and by centre where every cell of event and centre has as many patients as
    folds. The order within a stratum is that of the ids' hashes, so the folds depend on the ids and outcomes alone.

    Raises:
        CohortError: fewer events, or fewer censored patients, than folds.
    """
    for name, count in (("events", int(cohort.event.sum())), ("censored patients", int((~cohort.event).sum()))):
        if count < folds and (name == "events" or count > 0):
            finding = TooFewForFolds.finding(f"{count} {name} cannot be dealt into {folds} folds.")
            raise CohortError("The cohort is too small for this protocol:", [finding])
    strata = _strata(cohort, folds)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    position = 0
    for stratum in sorted(strata):
        for subject in sorted(strata[stratum], key=lambda s: digest(["fold", s])):
            dealt[position % folds].append(subject)
            position += 1
    return tuple(tuple(sorted(fold)) for fold in dealt)


def inner_folds(cohort: Cohort, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal a training fold into inner folds on which hyper-parameters are scored.

    Raises:
        BenchError: too few events, or an inner fold without two patients whose order is known.
    """
    events = int(cohort.event.sum())
    remedy = "Use --tune none or paper, or fewer inner_folds under 'tuning' in a profile of your own."
    try:
        dealt = stratified_folds(cohort, folds)
    except CohortError as error:
        message = f"A training fold with {events} events cannot be dealt into {folds} inner folds. {remedy}"
        raise BenchError(message) from error
    for ids in dealt:
        part = cohort.select(ids)
        if not comparable_pairs(part.time, part.event).any():
            raise BenchError(
                f"Of the {folds} inner folds of a training fold with {events} events one has no two patients whose "
                f"order is known, so nothing can be scored there. {remedy}"
            )
    return dealt


def _strata(cohort: Cohort, folds: int) -> dict[tuple[bool, str], list[str]]:
    cells: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for subject, event in zip(cohort.subjects, cohort.event, strict=True):
        cells[bool(event), subject.centre].append(subject.id)
    if all(len(cell) >= folds for cell in cells.values()):
        return cells
    merged: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for (event, _), members in cells.items():
        merged[event, ""].extend(members)
    return merged


def inner_split(cohort: Cohort) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows (training part, validation part) of a training fold for ``selection: inner``.

    Raises:
        BenchError: fewer than :data:`INNER_MIN_EVENTS` events would lie in the validation part.
    """
    rows: list[int] = []
    for event in (True, False):
        members = [i for i, e in enumerate(cohort.event) if bool(e) == event]
        members.sort(key=lambda i: digest(["inner", cohort.subjects[i].id]))
        rows += members[: round(len(members) / INNER_PARTS)]
    events = int(cohort.event[rows].sum()) if rows else 0
    if events < INNER_MIN_EVENTS:
        raise BenchError(
            f"Selection 'inner' needs {INNER_MIN_EVENTS} events in a fifth of the training fold; there are {events} "
            f"of {int(cohort.event.sum())}. Use --selection last."
        )
    validation = np.array(sorted(rows), dtype=np.intp)
    return np.setdiff1d(np.arange(len(cohort)), validation), validation
