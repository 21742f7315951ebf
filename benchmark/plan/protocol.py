"""The protocol: which patients test which fold, how often, and what is compared with what."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from survbench.api import Selection, Tuning
from survbench.cohort import Cohort
from survbench.errors import BenchError
from survbench.findings import CohortError, Finding, things
from survbench.io.config import Stored
from survbench.io.files import write_json
from survbench.io.hashing import digest
from survbench.io.layout import SCHEMA
from survbench.io.tables import read_table
from survbench.plan.checks import SplitsDoNotFit
from survbench.plan.folds import unfit_folds
from survbench.plan.horizons import HORIZONS

REFERENCE_METHOD = "radiomics-lasso-cox"
"""The paper's traditional benchmark, against which every method is tested (Table II)."""
FINGERPRINT = "fingerprint"
"""Key of a file of splits under which the hash of its folds stands; a file without it is read as it is."""
_BLANK = {"", "na", "nan"}
"""Cells of a column of folds that name none, as R and pandas write them."""


class Protocol(Stored):
    """One protocol for all methods.

    Attributes:
        folds: ids of the test patients of each fold; the others of the cohort train.
        seeds: stochastic methods run with seeds 0 to ``seeds - 1``.
        selection: how methods choose a checkpoint.
        tuning: on whom hyper-parameters are chosen: on nobody (``none``, as declared), by inner folds of each training
            fold (``nested``), or by the test folds themselves (``paper``, the published way, optimistic).
        reference: method that the others are tested against.
        tau: months up to which Uno's C and the integrated Brier score look, by
            :func:`survbench.plan.horizons.truncation_time`; None where follow-up is too short.
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

    @property
    def fingerprint(self) -> str:
        """Hash of all of it."""
        return str(self.to_json()["fingerprint"])

    @property
    def seed(self) -> int:
        """Of resamples and permutations, so that a board is the same whenever it is built."""
        return int(self.fingerprint[:8], 16)


def write_splits(path: Path, folds: Sequence[Sequence[str]]) -> None:
    """Write folds to a file that ``--splits`` reads."""
    write_json(path, splits_json(folds))


def splits_json(folds: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return what a file of folds holds."""
    return {"schema": SCHEMA, "folds": [list(fold) for fold in folds], FINGERPRINT: _fingerprint(folds)}


def read_splits(path: Path, cohort: Cohort, *, complete: bool = True) -> tuple[tuple[str, ...], ...]:
    """Read folds from JSON (``{"folds": [[id, ...], ...]}``) or CSV (columns ``id`` and ``fold``).

    Args:
        path: of the file.
        cohort: who is dealt.
        complete: whether each patient must be in a fold; not where some may still be left out of the cohort.

    Raises:
        BenchError: the file is missing, of another form, or has a fingerprint of other folds.
        CohortError: a patient is missing, unknown, or stands in two folds, rows of a group do, or a fold has no event;
            all of them listed.
    """
    if not path.is_file():
        raise BenchError(f"There is no splits file {path}. Give JSON {{'folds': [[id, ...]]}} or CSV with id,fold.")
    folds = _csv_folds(path) if path.suffix == ".csv" else _json_folds(path)
    event = dict(zip(cohort.ids, cohort.event, strict=True))
    listed = [subject for fold in folds for subject in fold]
    findings = [*_of_membership(listed, list(event), complete=complete)]
    known = [[s for s in fold if s in event] for fold in folds]
    remedy = "Every fold needs an event and a patient who lived longer."
    findings += [SplitsDoNotFit.finding(f"{what}.", remedy=remedy) for what in unfit_folds(known, cohort)]
    findings += _of_groups(folds, cohort)
    if len(folds) < 2:
        cause, remedy = f"{len(folds)} fold is given.", "Cross-validation needs at least two."
        findings.append(SplitsDoNotFit.finding(cause, remedy=remedy))
    if findings:
        raise CohortError(f"{path} does not fit the cohort:", findings)
    return tuple(tuple(sorted(fold)) for fold in folds)


def _of_groups(folds: Sequence[Sequence[str]], cohort: Cohort) -> Iterator[Finding]:
    """Yield the groups whose rows stand in several folds."""
    group = {s.id: s.group for s in cohort.subjects if s.group}
    dealt = Counter(name for fold in folds for name in {group[i] for i in fold if i in group})
    for name in sorted(name for name, count in dealt.items() if count > 1):
        cause = "Rows of one patient ('group' on the card) are in several folds."
        yield SplitsDoNotFit.finding(cause, detail=name, remedy="Put all rows of a patient into one fold.")


def _fingerprint(folds: Sequence[Sequence[str]]) -> str:
    """Hash who is in which fold, in whatever order."""
    return digest([sorted(fold) for fold in folds])


def _of_membership(listed: Sequence[str], patients: Sequence[str], *, complete: bool) -> Iterator[Finding]:
    """Yield who is listed and unknown, known and not listed, or listed more than once."""
    known, dealt = set(patients), Counter(listed)
    for cause, remedy, concerned in (
        ("Patients of the splits are not in the cohort.", "Remove them from the splits.", dealt.keys() - known),
        ("Patients are not in any fold.", "Add each to one.", known - dealt.keys() if complete else set()),
        ("Patients are in several folds.", "Keep each in one.", {s for s, n in dealt.items() if n > 1}),
    ):
        for subject in sorted(concerned):
            yield SplitsDoNotFit.finding(cause, subject=subject, remedy=remedy)


def _json_folds(path: Path) -> list[list[str]]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        folds = [[str(subject) for subject in _listed(fold)] for fold in _listed(raw["folds"])]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchError(f"{path} is not of the form {{'folds': [[id, ...], ...]}}: {str(error)[:200]!r}.") from error
    if raw.get(FINGERPRINT, _fingerprint(folds)) != _fingerprint(folds):
        raise BenchError(
            f"{path} was changed: its fingerprint is not that of its folds. Give the file as 'bench run' wrote it, or "
            f"remove {FINGERPRINT!r} from it if the folds are meant to differ."
        )
    return folds


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} where a list is due")
    return value


def _csv_folds(path: Path) -> list[list[str]]:
    table = read_table(path)
    if not {"id", "fold"} <= set(table.columns):
        raise BenchError(f"{path} has columns {', '.join(table.columns)}; it needs 'id' and 'fold'.")
    by_fold: dict[str, list[str]] = defaultdict(list)
    blank = [row.cells["id"] for row in table.rows if row.cells["fold"].casefold() in _BLANK]
    if blank:
        raise BenchError(
            f"{path} has no fold for {things(len(blank), 'patient')}, the first of them {blank[0]!r}. Give each one."
        )
    for row in table.rows:
        by_fold[row.cells["fold"]].append(row.cells["id"])
    return [by_fold[name] for name in sorted(by_fold)]
