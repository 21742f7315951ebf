"""The protocol: which patients test which fold, how often, and what is compared with what."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.api import Selection, Tuning
from survbench.cohort import Cohort
from survbench.datasets.table import read_table
from survbench.errors import BenchError, CohortError, Problem
from survbench.files import write_json
from survbench.hashing import digest
from survbench.horizons import HORIZONS
from survbench.pairs import comparable_pairs
from survbench.store import SCHEMA

REFERENCE_METHOD = "radiomics-lasso-cox"
"""The paper's traditional benchmark, against which every method is tested (Table II)."""
INNER_PARTS = 5
INNER_MIN_EVENTS = 5
"""Inner selection takes an event-stratified fifth of the training fold, and needs this many events in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One protocol for all methods.

    Attributes:
        folds: ids of the test patients of each fold; the others of the cohort train.
        seeds: stochastic methods run with seeds 0 to ``seeds - 1``.
        selection: how methods choose a checkpoint.
        tuning: on whom hyper-parameters are chosen: on nobody (``none``, as declared), by inner folds of each training
            fold (``nested``), or by the test folds themselves (``paper``, the published way, optimistic).
        reference: method that the others are tested against.
        tau: months up to which Uno's C and the integrated Brier score look, by
            :func:`survbench.horizons.truncation_time`; None where follow-up is too short.
        horizons: months at which AUC and Brier score are given.
    """

    folds: tuple[tuple[str, ...], ...]
    seeds: int = 1
    selection: Selection = "last"
    tuning: Tuning = "none"
    reference: str = REFERENCE_METHOD
    tau: float | None = None
    horizons: tuple[float, ...] = HORIZONS

    @property
    def standardisation(self) -> str:
        """Whose mean and standard deviation scale a fold model's external risks before they are averaged: those of
        its own out-of-fold risks, or, in the published way, those of the external cohort.
        """
        return "external" if self.selection == "paper" else "out-of-fold"

    def to_json(self) -> dict[str, Any]:
        """Return the protocol as it stands in ``study.json`` and on the board."""
        fields = {
            "folds": [list(fold) for fold in self.folds],
            "seeds": self.seeds,
            "selection": self.selection,
            "tuning": self.tuning,
            "reference": self.reference,
            "standardisation": self.standardisation,
            "tau": self.tau,
            "horizons": list(self.horizons),
        }
        return {**fields, "fingerprint": digest(fields)}


def stratified_folds(cohort: Cohort, folds: int) -> tuple[tuple[str, ...], ...]:
    """Deal patients into folds, by event, and by centre where every cell of event and centre has as many patients as
    folds. The order within a stratum is that of the ids' hashes, so the folds depend on the ids and outcomes alone.

    Raises:
        CohortError: fewer events, or fewer censored patients, than folds.
    """
    for name, count in (("events", int(cohort.event.sum())), ("censored patients", int((~cohort.event).sum()))):
        if count < folds and (name == "events" or count > 0):
            remedy = "Choose a profile with fewer folds, or give your own folds with --splits."
            what = f"{count} {name} cannot be dealt into {folds} folds."
            raise CohortError("The cohort is too small for this protocol:", [Problem("", what, remedy)])
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


def write_splits(path: Path, folds: Sequence[Sequence[str]]) -> None:
    """Write folds to a file that ``--splits`` reads."""
    content = [list(fold) for fold in folds]
    write_json(path, {"schema": SCHEMA, "folds": content, "fingerprint": digest([sorted(f) for f in content])})


def read_splits(path: Path, cohort: Cohort) -> tuple[tuple[str, ...], ...]:
    """Read folds from JSON (``{"folds": [[id, ...], ...]}``) or CSV (columns ``id`` and ``fold``).

    Raises:
        BenchError: the file is missing or of another form.
        CohortError: a patient is missing, unknown, or stands in two folds, or a fold has no event; all of them listed.
    """
    if not path.is_file():
        raise BenchError(f"There is no splits file {path}. Give JSON {{'folds': [[id, ...]]}} or CSV with id,fold.")
    folds = _csv_folds(path) if path.suffix == ".csv" else _json_folds(path)
    event = dict(zip(cohort.ids, cohort.event, strict=True))
    listed = [subject for fold in folds for subject in fold]
    problems = [Problem(s, "is not in the cohort.", "Remove it from the splits.") for s in listed if s not in event]
    problems += [Problem(s, "stands in no fold.", "Add it to one.") for s in event if s not in set(listed)]
    problems += [Problem(s, "stands in several folds.", "Keep it in one.") for s in set(listed) if listed.count(s) > 1]
    row = {subject: n for n, subject in enumerate(cohort.ids)}
    for number, fold in enumerate(folds):
        rows = [row[s] for s in fold if s in row]
        if not comparable_pairs(cohort.time[rows], cohort.event[rows]).any():
            what = f"fold {number} has no two patients whose order is known, so no C-index."
            problems.append(Problem("", what, "Every fold needs an event and a patient who lived longer."))
    if len(folds) < 2:
        problems.append(Problem("", f"{len(folds)} fold is given.", "Cross-validation needs at least two."))
    if problems:
        raise CohortError(f"{path} does not fit the cohort:", problems)
    return tuple(tuple(sorted(fold)) for fold in folds)


def _json_folds(path: Path) -> list[list[str]]:
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))["folds"]
        return [[str(subject) for subject in fold] for fold in folds]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise BenchError(f"{path} is not of the form {{'folds': [[id, ...], ...]}}: {error!r}.") from error


def _csv_folds(path: Path) -> list[list[str]]:
    table = read_table(path)
    if not {"id", "fold"} <= set(table.columns):
        raise BenchError(f"{path} has columns {', '.join(table.columns)}; it needs 'id' and 'fold'.")
    by_fold: dict[str, list[str]] = defaultdict(list)
    for row in table.rows:
        by_fold[row.cells["fold"]].append(row.cells["id"])
    return [by_fold[name] for name in sorted(by_fold)]
