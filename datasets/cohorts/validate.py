"""Everything that can be said about a cohort before a run: all causes at once, with what to do about each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.cohort import Cohort
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import cohort_checks, input_checks, refuse_ignored
from survbench.datasets.checks.evidence import CohortCheck, Evidence
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.images import NotPrepared
from survbench.datasets.checks.predictors import few
from survbench.datasets.checks.table import FilesOfNobody, ReadOtherwise, RowsOfNobody
from survbench.datasets.cohorts.measure import measure, read_volumes
from survbench.datasets.cohorts.named import PHANTOMS, load_source, locate
from survbench.datasets.readers.feature_table import feature_source
from survbench.datasets.readers.folder import inspect_cohort
from survbench.datasets.readers.joining import join
from survbench.datasets.readers.paths import patient_files
from survbench.errors import BenchError
from survbench.findings import Check, Finding
from survbench.io.tables import Table
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
        not_applicable: checks of what the cohort does not have, such as masks, and those that only a run makes.
    """

    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    passed: tuple[type[Check], ...]
    not_applicable: tuple[type[Check], ...]
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
        source, found = load_source(cohort, profile=load_profile("smoke")), list[Finding]()
    else:
        inspection = inspect_cohort(*locate(cohort, data=data))
        source, found = inspection.source, list(inspection.findings)
    facts, unreadable = facts_of(source)
    found = list(dict.fromkeys([*found, *unreadable, *findings_of(source, facts)]))
    card = source.card
    tripped = {f.code for f in found}
    applies = [check for check in input_checks() if _applies(check, card)]
    waiting = [] if len(source.cohort) else [c for c in applies if issubclass(c, CohortCheck) and c.code not in tripped]
    return Report(
        findings=tuple(f for f in found if f.code not in ignored),
        ignored=tuple(f for f in found if f.code in ignored),
        passed=tuple(check for check in applies if check.code not in tripped and check not in waiting),
        not_applicable=tuple(check for check in input_checks() if check not in applies and check.code not in tripped),
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


def findings_of(source: SourceCohort, facts: Mapping[str, PatientFacts]) -> list[Finding]:
    """Return what the checks find in a cohort that was read.

    Args:
        source: the cohort.
        facts: of its patients, by id; empty for a cohort without images.
    """
    card, cohort, folder = source.card, source.cohort, source.folder
    found: list[Finding] = []
    # the findings that left no patient are listed
    if len(cohort):
        evidence = Evidence(card, cohort, source.table, folder, facts)
        found += [f for check in cohort_checks() for f in _found_by(check, evidence)]
    if source.table is not None and folder is not None:
        found += [
            *_of_reading(source.table, card.table),
            *_of_feature_rows(card, folder, source.table, cohort),
            *_of_files(card, folder, source.table),
        ]
    return found


def _of_reading(table: Table, file: str) -> Iterator[Finding]:
    for note in table.notes:
        yield ReadOtherwise.finding(f"{file}: {note.what}", detail=note.where)


def _found_by(check: type[CohortCheck], evidence: Evidence) -> list[Finding]:
    try:
        return list(check().find(evidence))
    except Exception as error:
        if check.__module__.startswith("survbench."):
            raise
        message = f"The check {check.code} of {check.__module__} failed: {type(error).__name__}: {error}. Correct it."
        raise BenchError(message) from error


def _of_feature_rows(card: CohortCard, folder: Path, own: Table, cohort: Cohort) -> Iterator[Finding]:
    if card.features is None or cohort.features is None or not cohort.subjects:
        return
    table, file, key = feature_source(card, card.features, own, folder)
    if file != card.table:
        yield from _of_reading(table, file)
    joined = set(join(own.column(card.id), table.column(key)).of.values())
    extra = [name for name in table.column(key) if name not in joined]
    if extra:
        cause = f"{len(extra)} rows of {file} belong to no patient of {card.table}."
        yield RowsOfNobody.finding(cause, detail=few(extra))


def _of_files(card: CohortCard, folder: Path, table: Table) -> Iterator[Finding]:
    if card.id not in table.columns:
        return  # that is a finding of its own
    for pattern in card.patterns:
        found = patient_files(folder, pattern, table.column(card.id), table=card.table)
        if found.strangers and not found.findings:
            for path in found.strangers:
                yield FilesOfNobody.finding("Files belong to no patient of the table.", detail=path)
