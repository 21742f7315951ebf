"""Everything that can be said about a cohort before a run: all causes at once, with what to do about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import input_checks, of_voxels, refuse_ignored
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.images import NotPrepared
from survbench.datasets.checks.kinds import CohortCheck, VoxelCheck
from survbench.datasets.cohorts.measure import measure, read_volumes
from survbench.datasets.cohorts.named import PHANTOMS, load_source, locate
from survbench.datasets.readers.folder import inspect_cohort
from survbench.findings import Check, Finding
from survbench.plan.checks import SplitsDoNotFit, TooFewForFolds
from survbench.plan.profile import load_profile

OF_RUNS: tuple[type[Check], ...] = (NotPrepared, SplitsDoNotFit, TooFewForFolds)
"""Checks that only a run makes: they need its profile and its folds."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks say of a cohort.

    Attributes:
        findings: what was found, and is not ignored.
        ignored: what was found, and is.
        passed: checks that found nothing.
        not_run: checks that need patients without errors, where there is none.
        judged: patients without an error of table, files and headers.
        not_applicable: checks of what the cohort does not have, such as masks, and those that only a run makes.
    """

    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    passed: tuple[type[Check], ...]
    not_applicable: tuple[type[Check], ...]
    judged: int
    not_run: tuple[type[Check], ...] = ()

    @property
    def errors(self) -> int:
        """How many findings keep the cohort, or a patient, from being used."""
        return sum(f.severity == "error" for f in self.findings)


def validate_named(cohort: str, *, data: Path | None = None, ignored: Sequence[str] = ()) -> Report:
    """Check a cohort's card, table, files and voxels.

    Args:
        cohort: a name, a folder with ``cohort.yaml``, or a card file.
        data: folder of a named cohort's data.
        ignored: codes of findings to set apart.

    Raises:
        BenchError: there is no such cohort, its card or table cannot be read at all, or a code cannot be ignored.
    """
    refuse_ignored(ignored)
    if cohort in PHANTOMS:
        source = load_source(cohort, profile=load_profile("smoke"))
        of_reading = source.findings
    else:
        inspection = inspect_cohort(*locate(cohort, data=data))
        source, of_reading = inspection.source, inspection.findings
    card = source.card
    facts, unreadable = facts_of(source)
    found = [*of_reading, *unreadable, *of_voxels(source, facts)]
    tripped = {f.code for f in found}
    applies = [check for check in input_checks() if _applies(check, card)]
    of_the_usable = [] if len(source.cohort) else [c for c in applies if issubclass(c, CohortCheck | VoxelCheck)]
    waiting = [check for check in of_the_usable if check.code not in tripped]
    return Report(
        findings=tuple(f for f in found if f.code not in ignored),
        ignored=tuple(f for f in found if f.code in ignored),
        passed=tuple(check for check in applies if check.code not in tripped and check not in waiting),
        not_applicable=tuple(check for check in input_checks() if check not in applies and check.code not in tripped),
        judged=len(source.cohort),
        not_run=tuple(waiting),
    )


def _applies(check: type[Check], card: CohortCard) -> bool:
    has = {
        "external": False,  # two cohorts are needed
        "images": bool(card.images),
        "mask": card.mask is not None,
        "predictors": card.features is not None or bool(card.clinical),
    }
    return check not in OF_RUNS and has.get(check.part, True)


def facts_of(source: SourceCohort) -> tuple[dict[str, PatientFacts], list[Finding]]:
    """Read the voxels of all patients; return their facts by id, and the findings of files that cannot be read."""
    facts: dict[str, PatientFacts] = {}
    found: list[Finding] = []
    if source.card.images:
        for subject in source.cohort.subjects:
            readings, unreadable = read_volumes(subject)
            found += unreadable
            if not unreadable:
                facts[subject.id] = measure(source.card, subject, readings)
    return facts, found
