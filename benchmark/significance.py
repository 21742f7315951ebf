"""Uncertainty of C-indices and of their differences, from arrays. Imports nothing of ours but the metrics.

The estimand is always the headline: mean over seeds of the mean over folds of Harrell's C. All methods see the same
patients in the same folds, so every comparison is paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.metrics import MATRIX_LIMIT, comparable_pairs, concordant_credit, sorted_pairs, weighted_pairs

BLOCK = 512
"""Replicates that are held in memory at once. The replicates do not depend on it."""


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
        tail = min(int((difference <= 0).sum()), int((difference >= 0).sum()))
        return min(1.0, 2 * (tail + 1) / (count + 1))

    def _percentiles(self, values: NDArray[np.float64]) -> tuple[float, float]:
        if len(values) == 0:
            return float("nan"), float("nan")
        low, high = np.quantile(values, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Difference of two C-indices with its standard error, two-sided p and interval."""

    difference: float
    se: float
    z: float
    p: float
    low: float
    high: float


def bootstrap(
    time: ArrayLike,
    event: ArrayLike,
    fold: ArrayLike,
    risks: Sequence[ArrayLike],
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> Bootstrap:
    """Resample patients within folds, with one set of weights for all methods.

    With multiplicities W (replicates x patients of a fold), credit K and comparable pairs M, a fold's C is
    rowsum((W K) o W) / rowsum((W M) o W): exactly Harrell's C of the resampled patients. Averaging K over seeds
    averages C, because M is common. Large folds are counted in O(n log n) with the same result.

    Args:
        time: months, shape (n,).
        event: shape (n,).
        fold: fold of each patient, shape (n,).
        risks: per method an array of shape (seeds, n).
        resamples: replicates.
        seed: of the resampling.
        level: of the intervals.
    """
    t, e = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool)
    folds, per_method = np.asarray(fold), [np.atleast_2d(np.asarray(r, dtype=np.float64)) for r in risks]
    point = np.zeros(len(per_method))
    replicates = np.zeros((len(per_method), resamples))
    names = np.unique(folds)
    for number, name in enumerate(names):
        rows = np.flatnonzero(folds == name)
        part = [r[:, rows] for r in per_method]
        count = _by_matrix if len(rows) <= MATRIX_LIMIT else _by_tree
        weights = _weights(len(rows), resamples, np.random.default_rng([seed, number]))
        point += count(t[rows], e[rows], part, np.ones((1, len(rows))))[:, 0]
        start = 0
        for block in weights:
            replicates[:, start : start + len(block)] += count(t[rows], e[rows], part, block)
            start += len(block)
    replicates /= len(names)
    kept = np.isfinite(replicates).all(axis=0)
    return Bootstrap(point / len(names), replicates[:, kept], int((~kept).sum()), level)


def influence(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> NDArray[np.float64]:
    """Return each patient's infinitesimal-jackknife influence on the mean over folds of C, shape (n,).

    The derivative of C with respect to the patient's weight; the variance of C is the sum of squares (as in R's
    ``survival::concordance``), with K folds the sum of the folds' variances over K squared. Average the influences of
    several seeds for the mean over seeds.
    """
    t, e, r = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool), np.asarray(risk, dtype=np.float64)
    folds = np.asarray(fold)
    names = np.unique(folds)
    result = np.zeros(len(t))
    for name in names:
        rows = np.flatnonzero(folds == name)
        credit, comparable = concordant_credit(t[rows], e[rows], r[rows]), comparable_pairs(t[rows], e[rows])
        total = comparable.sum()
        if total == 0:
            return np.full(len(t), np.nan)
        of_credit = credit.sum(axis=0) + credit.sum(axis=1)
        of_pairs = comparable.sum(axis=0) + comparable.sum(axis=1)
        result[rows] = (of_credit - credit.sum() / total * of_pairs) / total / len(names)
    return result


def standard_error(influences: NDArray[np.float64]) -> float:
    """Return the standard error that belongs to influences."""
    return float(np.sqrt(np.sum(influences**2)))


def paired_jackknife(
    influence_a: NDArray[np.float64], influence_b: NDArray[np.float64], difference: float, *, level: float = 0.95
) -> PairedTest:
    """Test C of a minus C of b against 0 by the infinitesimal jackknife; identical methods give p = 1. p is NaN where
    no patient has influence on either index, but they differ.
    """
    from scipy.stats import norm

    se = standard_error(influence_a - influence_b)
    if se == 0:
        # no patient moves either index (a perfect or a constant ranking): there is a test only of no difference at all
        nothing = difference == 0
        nan = float("nan")
        return PairedTest(difference, 0.0, 0.0 if nothing else nan, 1.0 if nothing else nan, difference, difference)
    z = difference / se
    half = float(norm.ppf((1 + level) / 2)) * se
    return PairedTest(difference, se, z, float(2 * norm.sf(abs(z))), difference - half, difference + half)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p values adjusted by Holm's step-down procedure; NaN stays NaN and is not counted.

    >>> holm([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * values[order]))
    return adjusted


def _weights(patients: int, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield blocks of multiplicities (replicates, patients); drawn in order, so blocks of any size give the same."""
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        drawn = rng.integers(0, patients, size=(size, patients))
        drawn += np.arange(size)[:, None] * patients
        yield np.bincount(drawn.ravel(), minlength=size * patients).reshape(size, patients).astype(np.float64)


def _by_matrix(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risks: Sequence[NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    n = len(time)
    matrices = [np.mean([concordant_credit(time, event, r) for r in risk], axis=0) for risk in risks]
    matrices.append(comparable_pairs(time, event).astype(np.float64))
    products = (weights @ np.hstack(matrices)).reshape(len(weights), len(matrices), n)
    sums = np.einsum("bmn,bn->mb", products, weights)
    with np.errstate(invalid="ignore"):
        ratio: NDArray[np.float64] = sums[:-1] / sums[-1]
    return ratio


def _by_tree(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    risks: Sequence[NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    count = weighted_pairs()
    result = np.zeros((len(risks), len(weights)))
    for m, risk in enumerate(risks):
        for one in risk:
            order, ends, ranks = sorted_pairs(time, one)
            for b, weight in enumerate(weights):
                concordant, tied, comparable = count(order, ends, event, ranks, weight)
                result[m, b] += (concordant + tied / 2) / comparable / len(risk) if comparable else np.nan
    return result
