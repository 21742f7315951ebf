"""All input checks, built-in and from plugins, and the findings that they make."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import entry_points
from typing import get_args

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
    registration,
    repeated_patients,
    stages,
    table,
    time_units,
)
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.kinds import CohortCheck, PatientCheck, VoxelCheck
from survbench.errors import BenchError
from survbench.findings import SEVERITIES, Check, Finding, Part
from survbench.plan import checks as protocol
from survbench.plan.registry import Broken

ENTRY_POINTS = "survbench.checks"
CODE = re.compile("[A-Z]+[0-9]+")
"""The form of a finding code."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """The input checks, built-in ones by code and then those of plugins, and the plugins that are broken."""

    checks: tuple[type[Check], ...]
    broken: tuple[Broken, ...]


@lru_cache(maxsize=1)
def installed() -> Installed:
    """Load all input checks. A broken plugin affects nothing else; a warning and ``bench doctor`` name it."""
    own = [
        found
        for module in (
            table,
            stages,
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
            registration,
            external,
            protocol,
        )
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Check) and found.__module__ == module.__name__
    ]
    checks = sorted(own, key=lambda check: check.code)
    broken: list[Broken] = []
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name):
        try:
            checks.append(_checked_plugin(point.load(), {check.code for check in checks}))
        except Exception as error:  # a plugin is third-party code: any error it raises must affect only itself
            broken.append(Broken(point.name, f"{type(error).__name__}: {error}"))
            log.warning("The check of plugin %s is not loaded: %s. Fix or uninstall it.", point.name, broken[-1].reason)
    return Installed(tuple(checks), tuple(broken))


def input_checks() -> tuple[type[Check], ...]:
    """Return the input checks by code; those of plugins come last."""
    return installed().checks


def _checked_plugin(loaded: object, taken: Collection[str]) -> type[CohortCheck | VoxelCheck]:
    """Return a plugin's check.

    Raises:
        TypeError, ValueError: the object is not a check or does not declare everything that a check must declare.
    """
    if not (isinstance(loaded, type) and issubclass(loaded, CohortCheck | VoxelCheck)):
        raise TypeError(f"{loaded!r} is not a subclass of CohortCheck, VoxelCheck or PatientCheck")
    if inspect.isabstract(loaded):
        raise TypeError(f"{loaded.__name__} does not define {', '.join(sorted(loaded.__abstractmethods__))}()")
    parts = [part for part in get_args(Part) if part != "board"]
    allowed: dict[str, Sequence[str]] = {"severity": SEVERITIES, "part": parts}
    for name in ("code", "title", "severity", "part"):
        value = getattr(loaded, name, None)
        if not isinstance(value, str) or value not in allowed.get(name, [value]):
            raise ValueError(f"{loaded.__name__}.{name} is {value!r}, not {' or '.join(allowed.get(name, ['a text']))}")
    if not CODE.fullmatch(loaded.code) or loaded.code.startswith("SB"):
        raise ValueError(f"{loaded.code!r} is not capital letters and a number such as HX1; SB is survbench's own")
    if loaded.code in taken:
        raise ValueError(f"another check has the code {loaded.code}")
    return loaded


def cohort_codes() -> frozenset[str]:
    """Return the codes of the findings that :func:`of_cohort` can make."""
    return frozenset(check.code for check in input_checks() if issubclass(check, CohortCheck))


def of_cohort(source: SourceCohort) -> list[Finding]:
    """Return what the checks find in a cohort as read; nothing if no patient is left."""
    checks = [check for check in input_checks() if issubclass(check, CohortCheck) and len(source.cohort)]
    return [f for check in checks for f in _run_check(check, partial(check().find, source), source.cohort.ids)]


def of_voxels(source: SourceCohort, facts: Mapping[str, PatientFacts]) -> list[Finding]:
    """Return what the checks find in the voxels of a cohort; nothing if no voxels were read.

    Args:
        source: the cohort.
        facts: the patients' facts by id.
    """
    checks = [check for check in input_checks() if issubclass(check, VoxelCheck) and facts]
    return [f for check in checks for f in _run_check(check, partial(check().find, source, facts), facts)]


def patient_errors(card: CohortCard, name: str, facts: PatientFacts, ignored: Collection[str] = ()) -> list[Finding]:
    """Return the errors that prevent a patient with these facts from being used.

    Args:
        card: the cohort's card.
        name: the patient's id.
        facts: the patient's facts.
        ignored: codes of findings to ignore.
    """
    checks = [c for c in input_checks() if issubclass(c, PatientCheck) and c.severity == "error"]
    kept = [check for check in checks if check.code not in ignored]
    return [f for c in kept for f in _run_check(c, partial(c().of_patients, card, {name: facts}), [name])]


def _run_check(check: type[Check], find: Callable[[], Iterable[Finding]], patients: Collection[str]) -> list[Finding]:
    """Return what a check finds in these patients.

    Raises:
        BenchError: a plugin's check fails or names a patient that is not among them.
    """
    try:
        found = list(find())
        others = {f.subject for f in found} - {"", *patients}
        if others:
            raise ValueError(f"a finding names {min(others)!r}, who is not a patient of the cohort")
    except Exception as error:
        if check.__module__.startswith("survbench."):
            raise
        message = f"The check {check.code} of {check.__module__} failed: {type(error).__name__}: {error}. Fix it."
        raise BenchError(message) from error
    return found
