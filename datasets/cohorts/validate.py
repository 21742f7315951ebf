"""Check everything that can be checked before a run, and report all problems at once, each with a remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import input_checks, of_cohort, of_voxels
from survbench.datasets.checks.facts import PatientFacts, RegistrationFacts
from survbench.datasets.checks.kinds import InputCheck, Stage
from survbench.datasets.cohorts.measure import measure, open_registrar, read_volumes, registered
from survbench.datasets.cohorts.named import PHANTOMS, load_source, locate
from survbench.datasets.readers.folder import inspect_cohort
from survbench.findings import Check, Finding
from survbench.plan.profile import load_profile


@dataclass(frozen=True, slots=True)
class Report:
    """The result of checking a cohort.

    Attributes:
        findings: findings that are not ignored.
        ignored: findings that are ignored.
        passed: checks that found nothing.
        not_run: checks whose input could not be read: voxels if all files are damaged, patients if all have errors.
        judged: number of patients without an error in table, files or headers.
        source: the patients without an error in table, files or headers.
        registrations: how these patients register to the template, by id; empty if the cohort is not registered.
        not_applicable: checks of something the cohort does not have, such as masks, and checks made only by a run.
    """

    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    passed: tuple[type[Check], ...]
    not_applicable: tuple[type[Check], ...]
    judged: int
    source: SourceCohort
    registrations: Mapping[str, RegistrationFacts]
    not_run: tuple[type[Check], ...] = ()

    @property
    def errors(self) -> int:
        """Number of findings that prevent the cohort, or a patient, from being used."""
        return sum(f.severity == "error" for f in self.findings)


def validate_named(cohort: str, *, data: Path | None = None, ignored: Sequence[str] = ()) -> Report:
    """Check a cohort's card, table, files and voxels.

    Args:
        cohort: a name, a folder with ``cohort.yaml``, or a card file.
        data: folder of a named cohort's data.
        ignored: codes of findings to report separately.

    Raises:
        BenchError: the cohort does not exist, its card or table cannot be read, or a code cannot be ignored.
    """
    if cohort in PHANTOMS:
        source = load_source(cohort, profile=load_profile("smoke"))
        of_reading, reached = list(source.findings), frozenset(get_args(Stage))
    else:
        inspection = inspect_cohort(*locate(cohort, data=data))
        source, reached = inspection.source, inspection.reached
        of_reading = [*inspection.findings, *of_cohort(source)]
    facts, unreadable = facts_of(source)
    if facts:
        reached |= {"voxels"}
    found = [*of_reading, *unreadable, *of_voxels(source, facts)]
    tripped = {f.code for f in found}
    silent = [check for check in input_checks() if check.code not in tripped]
    applies = [check for check in silent if issubclass(check, InputCheck) and check.applies(source.card)]
    return Report(
        findings=tuple(f for f in found if f.code not in ignored),
        ignored=tuple(f for f in found if f.code in ignored),
        passed=tuple(check for check in applies if check.needs in reached),
        not_applicable=tuple(check for check in silent if check not in applies),
        judged=len(source.cohort),
        source=source,
        registrations={i: of.registration for i, of in facts.items() if of.registration is not None},
        not_run=tuple(check for check in applies if check.needs not in reached),
    )


def facts_of(source: SourceCohort) -> tuple[dict[str, PatientFacts], list[Finding]]:
    """Read the voxels of all patients; return their facts by id, and findings about files that cannot be read."""
    facts: dict[str, PatientFacts] = {}
    found: list[Finding] = []
    if source.card.images:
        registrar, of_template = open_registrar(source.template)
        found += of_template
        for subject in source.cohort.subjects:
            readings, unreadable = read_volumes(subject)
            found += unreadable
            if not unreadable:
                facts[subject.id] = measure(source.card, subject, readings, registered(registrar, subject, readings))
    return facts, found
