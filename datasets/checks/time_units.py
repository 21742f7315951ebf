"""Checks of times that may be in two units: those of one centre, or of the external cohort."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck
from survbench.findings import Check, Finding

FACTORS = (7.0, 12.0, 30.4, 52.2, 365.25)
"""Days of a week, months of a year, days of a month, weeks and days of a year."""
NEAR = np.log(1.4)
"""How far the logarithm of the ratio of two medians may lie from a factor's; that of 90th percentiles twice as far."""
FEWEST = 10
"""Patients of each side without whom their times are not compared."""

Floats = NDArray[np.float64]


class CentresInTwoUnits(CohortCheck):
    """The times of one centre are about 7, 12, 30, 52 or 365 times as short or as long as those of the largest centre,
    both in their median and in their 90th percentile, as days are beside months. Centres with fewer than ten patients
    are not compared.
    """

    code = "SB230"
    severity = "warning"
    part = "outcome"
    title = "The times of a centre may have another unit"
    remedy = "Is its unit another? Convert the times of all centres to one unit."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        cohort = source.cohort
        centres = np.array([s.centre for s in cohort.subjects])
        names, sizes = np.unique(centres, return_counts=True)
        largest = names[np.argmax(sizes)]
        for name in names:
            how = times_apart(cohort.time[centres == name], cohort.time[centres == largest])
            if how:
                yield self.finding(f"The times of centre {name} are {how} than those of centre {largest}.")


class ExternalInAnotherUnit(Check):
    """The times of the external cohort are about 7, 12, 30, 52 or 365 times as short or as long as those of the cohort,
    both in their median and in their 90th percentile.
    """

    code = "SB606"
    severity = "warning"
    part = "external"
    title = "The times of the external cohort may have another unit"
    remedy = "Does endpoint.unit of its card say the unit of its times?"


class ExternalWithoutEvents(Check):
    """The external cohort has fewer than two events, so no C-index can be given for it."""

    code = "SB607"
    severity = "warning"
    part = "external"
    title = "The external cohort has fewer than two events"
    remedy = "Check endpoint.observed of its card; its C-index cannot be given."


def of_outcomes(first: SourceCohort, other: SourceCohort) -> Iterator[Finding]:
    """Yield how the outcomes of an external cohort differ from the cohort's."""
    how = times_apart(other.cohort.time, first.cohort.time)
    if how:
        yield ExternalInAnotherUnit.finding(f"The times of the external cohort are {how} than those of the cohort.")
    events = int(other.cohort.event.sum())
    if events < 2:
        had = "One patient" if events else "No patient"
        yield ExternalWithoutEvents.finding(f"{had} of the external cohort had the event.")


def times_apart(times: Floats, others: Floats) -> str:
    """Return how many times shorter or longer times are, where that is the ratio of two units; "" where it is not."""
    if min(len(times), len(others)) < FEWEST:
        return ""
    middle, late = (np.log(np.quantile(times, q) / np.quantile(others, q)) for q in (0.5, 0.9))
    for factor in FACTORS:
        for sign, how in ((-1, "shorter"), (1, "longer")):
            if abs(middle - sign * np.log(factor)) <= NEAR and abs(late - sign * np.log(factor)) <= 2 * NEAR:
                return f"about {factor:.0f} times {how}"
    return ""
