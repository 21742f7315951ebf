"""Bootstrap of C-indices, for all methods with the same resampled patients. Arrays in, a dataclass out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.checks import outcomes, rows_of_folds, seeds_of
from survbench.statistics.pairs import weighted_counts

BLOCK = 512
"""Replicates that are held in memory at once. The replicates do not depend on it."""

BLOCK_NUMBERS = 2**22
"""Resampled patients that are held in memory at once: 32 MB. Bounds the block of a large cohort."""

ROUNDING = 1e-12
"""Below this two C-indices are equal: sums of the same fractions in another order differ in their last bits."""

Estimand = Literal["fold-mean", "pooled"]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Bootstrap replicates of every method's C, made with the same resampled patients.

    Attributes:
        point: estimates on the data, shape (methods,).
        replicates: shape (methods, kept replicates).
        excluded: replicates in which some fold had no comparable pair; they are dropped for all methods.
        level: of the intervals.
    """

    point: NDArray[np.float64]
    replicates: NDArray[np.float64]
    excluded: int
    level: float

    def interval(self, i: int) -> tuple[float, float]:
        """Return the percentile interval of method ``i``."""
        return self._percentiles(self.replicates[i])

    def difference_interval(self, i: int, j: int) -> tuple[float, float]:
        """Return the percentile interval of C of method ``i`` minus that of method ``j``."""
        return self._percentiles(self.replicates[i] - self.replicates[j])

    def difference_p(self, i: int, j: int) -> float:
        """Return the two-sided p of no difference, at least 2 / (replicates + 1); 1 for identical methods."""
        difference = self.replicates[i] - self.replicates[j]
        count = len(difference)
        if count == 0:
            return float("nan")
        difference[np.abs(difference) < ROUNDING] = 0
        tail = min(int((difference <= 0).sum()), int((difference >= 0).sum()))
        return min(1.0, 2 * (tail + 1) / (count + 1))

    def rank_intervals(self) -> list[tuple[float, float]]:
        """Return the percentile interval of each method's rank among all, 1 being the highest C; ties share ranks."""
        from scipy.stats import rankdata

        # a mean over folds of the same fractions can differ in its last bits
        ranks = rankdata(-np.round(self.replicates, 12), axis=0)
        return [self._percentiles(of_method) for of_method in ranks]

    def _percentiles(self, values: NDArray[np.float64]) -> tuple[float, float]:
        if len(values) == 0:
            return float("nan"), float("nan")
        low, high = np.quantile(values, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


def bootstrap(
    time: ArrayLike,
    event: ArrayLike,
    fold: ArrayLike,
    risks: Sequence[ArrayLike],
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
    estimand: Estimand = "fold-mean",
) -> Bootstrap:
    """Resample patients within folds, with one set of multiplicities for all methods.

    With multiplicities W (replicates x patients of a fold), credit K and comparable pairs M, a fold's C is
    rowsum((W K) o W) / rowsum((W M) o W): exactly Harrell's C of the resampled patients. Credit adds up over seeds
    before the division, because M is common. Large folds are counted in O(n log n) with the same result. Folds are
    drawn in the order in which they appear; another order of patients draws other resamples.

    Args:
        time: months, shape (n,).
        event: shape (n,).
        fold: fold of each patient, shape (n,).
        risks: per method an array of shape (n,) or (seeds, n).
        resamples: replicates.
        seed: of the resampling.
        level: of the intervals.
        estimand: the mean over folds of C, or C over all within-fold pairs together.

    Raises:
        ValueError: the arrays are not survival data; see :mod:`survbench.statistics.checks`.
    """
    t, e = outcomes(time, event)
    per_method = [seeds_of(r, len(t)) for r in risks]
    counted = []
    for number, rows in enumerate(rows_of_folds(fold, len(t))):
        part = [r[:, rows] for r in per_method]
        once = np.ones((1, len(rows)), dtype=np.int32)
        drawn = _multiplicities(len(rows), resamples, np.random.default_rng([seed, number]))
        blocks = [weighted_counts(t[rows], e[rows], part, weights) for weights in chain([once], drawn)]
        counted.append(np.hstack(blocks))
    halves = np.array([2 * len(r) for r in per_method])[:, None]
    if estimand == "pooled":
        counted = [np.sum(counted, axis=0)]
    with np.errstate(invalid="ignore"):
        c = np.mean([count[:-1] / (halves * count[-1]) for count in counted], axis=0)
    replicates = c[:, 1:]
    kept = np.isfinite(replicates).all(axis=0)
    return Bootstrap(c[:, 0], replicates[:, kept], int((~kept).sum()), level)


def _multiplicities(patients: int, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    """Yield blocks of multiplicities (replicates, patients); drawn in order, so blocks of any size give the same."""
    block = max(1, min(BLOCK, BLOCK_NUMBERS // patients))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(0, patients, size=(size, patients))
        drawn += np.arange(size)[:, None] * patients
        yield np.bincount(drawn.ravel(), minlength=size * patients).reshape(size, patients).astype(np.int32)
