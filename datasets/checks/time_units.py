"""Checks for times in two units: within a cohort, or between the cohort and the external cohort."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck
from survbench.findings import Check, Finding

FACTORS = (7.0, 12.0, 30.4, 52.2, 365.25)
"""Days per week, months per year, days per month, weeks per year, and days per year."""
NEAR = np.log(1.4)
"""Largest distance between the log ratio of two medians and a log factor; twice as large for 90th percentiles."""
FEWEST = 10
"""Smallest number of patients on each side for their times to be compared."""

Floats = NDArray[np.float64]


class CentresInTwoUnits(CohortCheck):
    """The times of one centre are about 7, 12, 30, 52 or 365 times as short or as long as those of the largest centre,
    in both median and 90th percentile, like days and months. Centres with fewer than ten patients are not compared.
    """

    code = "SB230"
    severity = "warning"
    part = "outcome"
    title = "A centre's times may be in another unit"
    remedy = "Are its times in another unit? Convert the times of all centres to one unit."

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
    in both median and 90th percentile.
    """

    code = "SB606"
    severity = "warning"
    part = "external"
    title = "The times of the external cohort may be in another unit"
    remedy = "Is endpoint.unit on its card the unit of its times?"


class ExternalWithoutEvents(Check):
    """The external cohort has fewer than two events, so no C-index can be computed for it."""

    code = "SB607"
    severity = "warning"
    part = "external"
    title = "The external cohort has fewer than two events"
    remedy = "Check endpoint.observed on its card; its C-index cannot be computed."


def of_outcomes(first: SourceCohort, other: SourceCohort) -> Iterator[Finding]:
    """Yield findings about differences in outcome between an external cohort and the cohort."""
    how = times_apart(other.cohort.time, first.cohort.time)
    if how:
        yield ExternalInAnotherUnit.finding(f"The times of the external cohort are {how} than those of the cohort.")
    events = int(other.cohort.event.sum())
    if events < 2:
        had = "One patient" if events else "No patient"
        yield ExternalWithoutEvents.finding(f"{had} of the external cohort had the event.")


def times_apart(times: Floats, others: Floats) -> str:
    """Return in words by what factor times are shorter or longer if this is the ratio of two units; otherwise ""."""
    if min(len(times), len(others)) < FEWEST:
        return ""
    middle, late = (np.log(np.quantile(times, q) / np.quantile(others, q)) for q in (0.5, 0.9))
    for factor in FACTORS:
        for sign, how in ((-1, "shorter"), (1, "longer")):
            if abs(middle - sign * np.log(factor)) <= NEAR and abs(late - sign * np.log(factor)) <= 2 * NEAR:
                return f"about {factor:.0f} times {how}"
    return ""
