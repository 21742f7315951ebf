"""Checks of an external cohort against the training cohort: whether predictors mean the same in both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.leaks import predictors
from survbench.datasets.checks.predictors import few
from survbench.findings import Check, Finding

FEWEST = 5
"""Smallest number of patients with a known value, in each cohort, for a predictor to be compared."""
MOST = 0.5
"""Share of external patients outside the training range from which a warning is given."""
FITS = 0.8
"""Share of external patients that must be in the training range after a change of unit or sign to suggest that change.
"""
NEAR = 0.2
"""Largest distance from a whole number of the base-10 logarithm of the ratio of two medians."""
CHANCE = 0.1
"""Share of the ids of both cohorts below which equal outcomes are taken for chance."""

Floats = NDArray[np.float64]


class OtherUnit(Check):
    """A predictor differs between the two cohorts: in most external patients it is outside the training range, it is
    about 10, 100 or 1,000 times as large or as small, it has the opposite sign, or it has only one value or none.

    A model fitted on the training cohort would then predict from numbers with another meaning.
    """

    code = "SB604"
    severity = "warning"
    part = "external"
    title = "A predictor differs between the cohort and the external cohort"
    remedy = "Use the same unit for the predictor in both cohorts."


class OtherEndpoint(Check):
    """The cards of the cohort and of the external cohort name different endpoints."""

    code = "SB605"
    severity = "warning"
    part = "external"
    title = "The external cohort has another endpoint"
    remedy = "Interpret the external C-index with care, or use the same endpoint on both cards."


class SamePatients(Check):
    """Ids of the external cohort are ids of the cohort, with the same time and event: it is tested with patients that
    models were trained on. Among patients of different hospitals who happen to have the same ids, an outcome is shared
    by chance; so this is an error where at least a tenth of the ids that both cohorts have come with the same outcome.
    """

    code = "SB609"
    severity = "error"
    ignorable = True
    part = "external"
    title = "Patients of the external cohort are the cohort's"
    remedy = "Leave them out of one of the two (patients.without of the card)."


def of_patients(first: SourceCohort, other: SourceCohort) -> Iterator[Finding]:
    """Yield the patients of an external cohort who are the cohort's, by id and outcome."""
    mine, theirs = _outcomes(first.cohort), _outcomes(other.cohort)
    both = mine.keys() & theirs.keys()
    same = sorted(name for name in both if mine[name] & theirs[name])
    if len(same) >= CHANCE * len(both):
        for name in same:
            yield SamePatients.finding("A patient with this id, time and event is in the cohort.", subject=name)


def _outcomes(cohort: Cohort) -> dict[str, set[tuple[float, bool]]]:
    """Return time, to a thousandth of a month, and event of the rows of each patient, by id or group."""
    found: dict[str, set[tuple[float, bool]]] = defaultdict(set)
    for subject, time, event in zip(cohort.subjects, cohort.time, cohort.event, strict=True):
        found[subject.patient[1]].add((round(float(time), 3), bool(event)))
    return found


def of_predictors(first: SourceCohort, other: SourceCohort) -> Iterator[Finding]:
    """Yield one finding for each way in which predictors of an external cohort differ from the cohort's."""
    mine = {p.key: p.values for p in predictors(first)}
    unlike: dict[tuple[str, str], set[str]] = {}
    for p in predictors(other):
        found = _difference(mine[p.key], p.values) if p.key in mine else None
        if found:
            unlike.setdefault(found, set()).add(p.name)
    for (how, remedy), names in sorted(unlike.items()):
        who = few(sorted(names)) if len(names) == 1 else f"{len(names)} predictors ({few(sorted(names))})"
        yield OtherUnit.finding(f"{who}: {how}.", remedy=remedy)


def _difference(training: Floats, external: Floats) -> tuple[str, str] | None:
    """Return how external values differ from training values, and a remedy; None if they agree."""
    a, b = training[np.isfinite(training)], external[np.isfinite(external)]
    if len(a) < FEWEST or np.ptp(a) == 0 or len(external) < FEWEST:
        return None
    if len(b) == 0:
        return "no patient has a value", "Fill in the values, or leave the predictor out on both cards."
    if len(b) >= FEWEST and np.ptp(b) == 0 and np.mean(a == b[0]) < MOST:
        return "all patients have one value, unlike in training", "Was it filled with a default value?"
    return _range_difference(a, b) if len(b) >= FEWEST else None


def _range_difference(training: Floats, external: Floats) -> tuple[str, str] | None:
    """Return how known values lie outside the training range, and a remedy; None if they do not."""
    power = _power(training, external)
    low, high = np.quantile(training, (0.05, 0.95))
    outside = np.mean((external < low) | (external > high))
    if power and outside > MOST and _inside(training, external / 10.0**power) >= FITS:
        times = f"{10 ** abs(power):,}"
        size = f"about {times} times as large as in training" if power > 0 else f"about 1/{times} as large"
        return f"most values lie outside the training range, {size}", "Is it in another unit? Convert it."
    if 1 - _inside(training, external) <= MOST:
        return None
    if _inside(training, -external) >= FITS:
        return "the values have the opposite sign", "Reverse the sign."
    return "most values lie outside the training range", "Is it in another unit, or measured in another way?"


def _inside(training: Floats, values: Floats) -> float:
    return float(np.mean((values >= training.min()) & (values <= training.max())))


def _power(training: Floats, external: Floats) -> int:
    """Return the power of ten between two medians, or 0 if there is none."""
    sizes = [float(np.median(np.abs(values))) for values in (training, external)]
    if min(sizes) == 0:
        return 0
    exponent = np.log10(sizes[1] / sizes[0])
    return round(exponent) if abs(exponent - round(exponent)) <= NEAR else 0
