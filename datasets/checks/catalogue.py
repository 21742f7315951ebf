"""All checks of inputs, ours by module and those of plugins by their entry points; and what they find."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from importlib.metadata import entry_points

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks import (
    copies,
    external,
    geometry,
    images,
    intensities,
    leaks,
    masks,
    missing_codes,
    outcome,
    predictors,
    repeated_patients,
    table,
    time_units,
)
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.kinds import CohortCheck, PatientCheck, VoxelCheck
from survbench.errors import BenchError, UnknownNameError
from survbench.findings import Check, Finding
from survbench.plan import checks as protocol

ENTRY_POINTS = "survbench.checks"


@lru_cache(maxsize=1)
def input_checks() -> tuple[type[Check], ...]:
    """Return the checks of inputs, by code; those of plugins after ours."""
    own = [
        found
        for module in (
            table,
            repeated_patients,
            outcome,
            time_units,
            predictors,
            leaks,
            missing_codes,
            images,
            copies,
            geometry,
            intensities,
            masks,
            external,
            protocol,
        )
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Check) and found.__module__ == module.__name__
    ]
    plugins = [point.load() for point in entry_points(group=ENTRY_POINTS)]
    return (*sorted(own, key=lambda check: check.code), *plugins)


def cohort_codes() -> frozenset[str]:
    """Return the codes of findings that :func:`of_cohort` makes."""
    return frozenset(check.code for check in input_checks() if issubclass(check, CohortCheck))


def of_cohort(source: SourceCohort) -> list[Finding]:
    """Return what the checks find in a cohort as it was read; nothing where nobody is left to look at."""
    checks = [check for check in input_checks() if issubclass(check, CohortCheck) and len(source.cohort)]
    return [f for check in checks for f in _found(check, partial(check().find, source))]


def of_voxels(source: SourceCohort, facts: Mapping[str, PatientFacts]) -> list[Finding]:
    """Return what the checks find in the voxels of a cohort.

    Args:
        source: the cohort.
        facts: of its patients, by id.
    """
    checks = [check for check in input_checks() if issubclass(check, VoxelCheck) and len(source.cohort)]
    return [f for check in checks for f in _found(check, partial(check().find, source, facts))]


def patient_errors(card: CohortCard, name: str, facts: PatientFacts, ignored: Collection[str] = ()) -> list[Finding]:
    """Return what keeps a patient, of these facts, from being used.

    Args:
        card: of the cohort.
        name: id of the patient.
        facts: what its voxels say.
        ignored: codes of findings in spite of which to go on.
    """
    checks = [c for c in input_checks() if issubclass(c, PatientCheck) and c.severity == "error"]
    kept = [check for check in checks if check.code not in ignored]
    return [replace(f, subject=name) for c in kept for f in _found(c, partial(c().of_patient, card, facts))]


def _found(check: type[Check], find: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(find())
    except Exception as error:
        if check.__module__.startswith("survbench."):
            raise
        message = f"The check {check.code} of {check.__module__} failed: {type(error).__name__}: {error}. Correct it."
        raise BenchError(message) from error


def refuse_ignored(codes: Iterable[str]) -> None:
    """Refuse codes that do not exist, or whose findings leave nothing to go on with.

    Raises:
        BenchError: the first of them.
    """
    known = {check.code: check for check in input_checks()}
    for code in codes:
        if code not in known:
            raise UnknownNameError("code of a finding", code, known, see="docs/reference/findings.md")
        if not known[code].ignorable:
            raise BenchError(
                f"{code} ({known[code].title}) cannot be ignored: the data cannot be used as they are. Correct them, "
                "or leave patients out with --skip-bad."
            )
