"""All checks: ours by module, those of plugins by their entry points."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks import (
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
)
from survbench.datasets.checks.evidence import CohortCheck, PatientCheck
from survbench.datasets.checks.facts import PatientFacts
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
            predictors,
            leaks,
            missing_codes,
            images,
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


def cohort_checks() -> list[type[CohortCheck]]:
    """Return those that look at a cohort as a whole."""
    return [check for check in input_checks() if issubclass(check, CohortCheck)]


def patient_errors(card: CohortCard, name: str, facts: PatientFacts) -> list[Finding]:
    """Return what keeps a patient, of these facts, from being used."""
    checks = [check() for check in cohort_checks() if issubclass(check, PatientCheck) and check.severity == "error"]
    return [replace(found, subject=name) for check in checks for found in check.of_patient(card, facts)]


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
