"""All checks of inputs, ours by module and those of plugins by their entry points; and what they find."""

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
    repeated_patients,
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
"""What a code looks like."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Installed:
    """The checks of inputs, ours by code and then those of plugins, and the plugins that are broken."""

    checks: tuple[type[Check], ...]
    broken: tuple[Broken, ...]


@lru_cache(maxsize=1)
def installed() -> Installed:
    """Load all checks of inputs. A broken plugin takes nothing else down; a warning and ``bench doctor`` name it."""
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
    checks = sorted(own, key=lambda check: check.code)
    broken: list[Broken] = []
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda p: p.name):
        try:
            checks.append(_of_plugin(point.load(), {check.code for check in checks}))
        except Exception as error:  # a plugin is foreign code: whatever it raises concerns it alone
            broken.append(Broken(point.name, f"{type(error).__name__}: {error}"))
            log.warning("The check of plugin %s is not made: %s. Fix or uninstall it.", point.name, broken[-1].reason)
    return Installed(tuple(checks), tuple(broken))


def input_checks() -> tuple[type[Check], ...]:
    """Return the checks of inputs, by code; those of plugins after ours."""
    return installed().checks


def _of_plugin(loaded: object, taken: Collection[str]) -> type[CohortCheck | VoxelCheck]:
    """Return the check of a plugin.

    Raises:
        TypeError, ValueError: it is not a check, or does not declare what a check declares.
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
        raise ValueError(f"{loaded.code!r} is not capitals and a number such as HX1; SB is survbench's own")
    if loaded.code in taken:
        raise ValueError(f"there is another check of code {loaded.code}")
    return loaded


def cohort_codes() -> frozenset[str]:
    """Return the codes of findings that :func:`of_cohort` makes."""
    return frozenset(check.code for check in input_checks() if issubclass(check, CohortCheck))


def of_cohort(source: SourceCohort) -> list[Finding]:
    """Return what the checks find in a cohort as it was read; nothing where nobody is left to look at."""
    checks = [check for check in input_checks() if issubclass(check, CohortCheck) and len(source.cohort)]
    return [f for check in checks for f in _found(check, partial(check().find, source), source.cohort.ids)]


def of_voxels(source: SourceCohort, facts: Mapping[str, PatientFacts]) -> list[Finding]:
    """Return what the checks find in the voxels of a cohort; nothing where none were read.

    Args:
        source: the cohort.
        facts: of its patients, by id.
    """
    checks = [check for check in input_checks() if issubclass(check, VoxelCheck) and facts]
    return [f for check in checks for f in _found(check, partial(check().find, source, facts), facts)]


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
    return [f for c in kept for f in _found(c, partial(c().of_patients, card, {name: facts}), [name])]


def _found(check: type[Check], find: Callable[[], Iterable[Finding]], patients: Collection[str]) -> list[Finding]:
    """Return what a check finds in these patients.

    Raises:
        BenchError: the check of a plugin fails, or names somebody else.
    """
    try:
        found = list(find())
        others = {f.subject for f in found} - {"", *patients}
        if others:
            raise ValueError(f"the subject {min(others)!r} of a finding is not a patient of the cohort")
    except Exception as error:
        if check.__module__.startswith("survbench."):
            raise
        message = f"The check {check.code} of {check.__module__} failed: {type(error).__name__}: {error}. Correct it."
        raise BenchError(message) from error
    return found
