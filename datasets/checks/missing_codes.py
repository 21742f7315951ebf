"""Checks for values that mean "not known" but would be read as numbers or levels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.cards.card import MONTHS_PER_UNIT
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck
from survbench.datasets.vocabulary.words import is_sentinel, means_missing
from survbench.findings import Finding

REPEATED, OFTEN = 2, 3
"""Numbers of occurrences from which a separate number is less likely to be a measurement."""
APART_ONCE, APART_REPEATED, APART_OFTEN = 3.0, 1.0, 0.2
"""Smallest distance of a code from the other values, in units of their range, if it occurs once, twice, or more often.
"""
FEWEST = 5
"""Smallest number of other values needed to say what is far outside them."""
_HINT = "If it means that a value is missing, leave the cells blank, or declare it on the card: missing: [{}]."

Floats = NDArray[np.float64]


def codes_for_missing(values: Floats) -> dict[float, int]:
    """Return the numbers in a column that are common codes for missing and far outside the others, with their counts.

    Args:
        values: column values, shape (n,); some may be NaN.
    """
    distinct, often = (a.tolist() for a in np.unique(values[np.isfinite(values)], return_counts=True))
    counts = dict(zip(distinct, often, strict=True))
    suspects = {v for v in distinct if _may_be_code(v) and is_sentinel(v, among_codes=False)}
    while suspects:
        usual = [v for v in distinct if v not in suspects]
        others = np.repeat(usual, [counts[v] for v in usual])
        if len(others) < FEWEST:
            return {}
        innocent = {v for v in suspects if not _stands_apart(v, counts[v], others)}
        if not innocent:
            return {v: counts[v] for v in sorted(suspects)}
        suspects -= innocent
    return {}


def _may_be_code(value: float) -> bool:
    """Return whether a number needs a closer look: codes are whole numbers, or 99 and more with a fraction."""
    return abs(value) > 98 or abs(value - round(value)) < 1e-9


def _stands_apart(code: float, count: int, others: Floats) -> bool:
    low, high = float(others.min()), float(others.max())
    whole = bool((others == np.round(others)).all())
    gap = max(low - code, code - high)
    if gap <= 0:
        return False
    if code < 0 <= low:
        # among values up to 1, a negative value may be an ordinary one of an index from -1 to 1
        return whole or code <= -9 or high > 1
    apart = APART_OFTEN if count >= OFTEN else APART_REPEATED if count >= REPEATED else APART_ONCE
    if abs(code) < 10:
        return False  # among numbers of both signs, -1 and -9 are ordinary numbers
    return gap > apart * (high - low)


class CodesForMissing(CohortCheck):
    """A feature or a numeric clinical column has a number such as -999 or 9999 far outside its other values. Such
    numbers are common codes for missing values, which methods would take as measurements.

    A code is far outside if its distance from the other values exceeds three times their range (once their range if it
    occurs twice, a fifth of it if it occurs more often), or if it is negative and no other value is.
    """

    code = "SB311"
    severity = "warning"
    part = "predictors"
    title = "A number looks like a code for missing"
    remedy = "If it means that a value is missing, leave the cells blank, or list it under missing on the card."
    counts = "columns"

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        cohort = source.cohort
        columns: list[tuple[str, Floats]] = []
        for c in source.card.clinical:
            if c.kind == "numeric":
                cells = [s.clinical.get(c.name) for s in cohort.subjects]
                columns.append((c.column, np.array([np.nan if v is None else v for v in cells], dtype=np.float64)))
        if cohort.features is not None:
            columns += zip(cohort.features.names, cohort.features.values.T, strict=True)
        for name, values in columns:
            for code, count in codes_for_missing(values).items():
                times = "once" if count == 1 else f"{count} times"
                yield self.finding(
                    f"{code:g} is far outside the other values and is a common code for missing.",
                    detail=f"{name} ({times})",
                    remedy=_HINT.format(f"{code:g}"),
                )


class CodeForMissingTime(CohortCheck):
    """A time is a number such as 999 or 9999 that is far beyond all others and is a common code for an unknown time."""

    code = "SB208"
    severity = "warning"
    part = "outcome"
    title = "A time looks like a code for missing"
    remedy = "If the time is not known, leave these patients out (patients.without on the card)."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        cohort, end = source.cohort, source.card.endpoint
        times = np.round(cohort.time / MONTHS_PER_UNIT[end.unit], 6)
        for code in codes_for_missing(times):
            for subject, time in zip(cohort.ids, times, strict=True):
                if time == code:
                    yield self.finding(
                        f"Times of {code:g} {end.unit} are far beyond the others; this is a common code for missing.",
                        subject=subject,
                    )


class WordsForMissing(CohortCheck):
    """A level of an ordinal or categorical column means that the value is not known. Methods would treat it as a
    category of its own, or as a step of the scale.
    """

    code = "SB313"
    severity = "warning"
    part = "predictors"
    title = "A level means that a value is missing"
    remedy = "Remove it from the levels, and list it under missing on the card."
    sections = ("clinical",)

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        for column in source.card.clinical:
            # where plus is a level, minus means negative
            minus = {"-", "--"} if any(set(level) == {"+"} for level in column.levels) else set[str]()
            words = [level for level in column.levels if means_missing(level) and level not in minus]
            if words:
                listed = ", ".join(f'"{word}"' for word in words)
                yield self.finding(
                    f"Column {column.column!r} has levels that mean a missing value: {listed}.",
                    remedy=f"Remove them from its levels, and declare them on the card: missing: [{listed}].",
                )
