"""Paired tests of the difference of two C-indices, from arrays.

The estimand is the headline: mean over seeds of the mean over folds of Harrell's C. Risks have the shape (n,) or
(seeds, n); pairs are compared within a fold only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.bootstrap import BLOCK_NUMBERS, ROUNDING
from survbench.statistics.checks import outcomes, rows_of_folds, seeds_of
from survbench.statistics.pairs import (
    MATRIX_LIMIT,
    comparable_pairs,
    count_by_patient,
    squared_credit_difference,
)

POWER = 0.80
"""Of the smallest detectable difference."""

Floats = NDArray[np.float64]
NAN = float("nan")
DRAWN, PAIRS = 512, 1024
"""Permutations, and pairs of methods, that are held in memory at once. The first belongs to what a seed gives."""
NO_PAIR = "a fold has no comparable pair"


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Difference of two C-indices with its standard error, two-sided p and interval.

    Where there is no test, ``z`` and ``p`` are NaN and ``reason`` says why.
    """

    difference: float
    se: float
    z: float
    p: float
    low: float
    high: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """Difference of two C-indices and its two-sided permutation p; NaN with a ``reason`` where there is none."""

    difference: float
    p: float
    permutations: int
    reason: str = ""


def influence(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> Floats:
    """Return each patient's infinitesimal-jackknife influence on the mean over folds of C, shape (n,).

    The derivative of C with respect to the patient's weight; the variance of C is the sum of squares (as in R's
    ``survival::concordance``), with K folds the sum of the folds' variances over K squared. Influences of several
    seeds are averaged. All NaN where a fold has no comparable pair.
    """
    t, e = outcomes(time, event)
    seeds, folds = seeds_of(risk, len(t)), rows_of_folds(fold, len(t))
    result = np.zeros(len(t))
    for rows in folds:
        counts = [count_by_patient(t[rows], e[rows], r[rows]) for r in seeds]
        total = counts[0].earlier_pairs.sum()
        if total == 0:
            return np.full(len(t), np.nan)
        of_pairs = counts[0].earlier_pairs + counts[0].later_pairs
        of_seeds = [
            (c.earlier_credit + c.later_credit - c.earlier_credit.sum() / total * of_pairs) / total for c in counts
        ]
        result[rows] = np.mean(of_seeds, axis=0) / len(folds)
    return result


def standard_error(influences: Floats) -> float:
    """Return the standard error that belongs to influences."""
    return float(np.sqrt(np.sum(influences**2)))


def paired_jackknife(influence_a: Floats, influence_b: Floats, difference: float, *, level: float = 0.95) -> PairedTest:
    """Test C of a minus C of b against 0 by the infinitesimal jackknife; identical methods give p = 1. p is NaN where
    no patient has influence on either index, but they differ.
    """
    return _normal_test(difference, standard_error(influence_a - influence_b), level)


def compare_c(
    time: ArrayLike,
    event: ArrayLike,
    fold: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    *,
    level: float = 0.95,
) -> PairedTest:
    """Test C of a minus C of b against 0 with the one-shot variance of Kang et al., Statistics in Medicine 34, 2015.

    Their variance is the delta method on unbiased variances of U-statistics of degree two (Daniels and Kendall, 1947).
    The kernel of the ratio is linear, so all their terms add up to

        n (n - 1) / ((n - 2) (n - 3)) * (sum of squared influences - (sum of c^2 - D^2 P) / P^2)

    with c the difference of credit in each of the P comparable pairs and D the difference of C. Folds as in the
    jackknife. NaN with a reason where the estimate is not positive, which unbiased variances of few patients can be.

    Args:
        time: shape (n,).
        event: shape (n,).
        fold: shape (n,).
        risk_a: shape (n,) or (seeds, n).
        risk_b: alike.
        level: of the interval.
    """
    t, e = outcomes(time, event)
    a, b = seeds_of(risk_a, len(t)), seeds_of(risk_b, len(t))
    differences, variances = [], []
    for rows in rows_of_folds(fold, len(t)):
        found = _one_shot(t[rows], e[rows], a[:, rows], b[:, rows])
        if isinstance(found, str):
            return PairedTest(NAN, NAN, NAN, NAN, NAN, NAN, found)
        differences.append(found[0])
        variances.append(found[1])
    variance = sum(variances) / len(variances) ** 2
    difference = float(np.mean(differences))
    if variance < 0:
        return PairedTest(difference, NAN, NAN, NAN, NAN, NAN, "the unbiased variance is negative: too few patients")
    return _normal_test(difference, float(np.sqrt(variance)), level)


def rank_swap_test(
    time: ArrayLike,
    event: ArrayLike,
    fold: ArrayLike,
    risk_a: ArrayLike,
    risk_b: ArrayLike,
    *,
    permutations: int,
    seed: int,
) -> PermutationTest:
    """Test C of a minus C of b by exchanging the two ranks of randomly chosen patients; for small cohorts.

    Under the null hypothesis it does not matter which of its two ranks within the fold a patient got from which method
    (Bandos et al., Statistics in Medicine 24, 2005, for the area under the ROC curve). The difference of C after an
    exchange is linear in the signs of the patients, so all permutations are one product of matrices. p counts the
    data as one of the permutations and has the floor 1 / (permutations + 1).

    Args:
        time: shape (n,).
        event: shape (n,).
        fold: shape (n,).
        risk_a: shape (n,) or (seeds, n); every seed of a is compared with every seed of b.
        risk_b: alike.
        permutations: how many exchanges are drawn.
        seed: of the exchanges.
    """
    (test,) = rank_swap_tests(time, event, fold, (risk_a, risk_b), ((0, 1),), permutations=permutations, seed=seed)
    return test


def rank_swap_tests(
    time: ArrayLike,
    event: ArrayLike,
    fold: ArrayLike,
    risks: Sequence[ArrayLike],
    pairs: Sequence[tuple[int, int]],
    *,
    permutations: int,
    seed: int,
) -> tuple[PermutationTest, ...]:
    """Test several pairs of methods as :func:`rank_swap_test` does each, with the same exchanges for all of them.

    Args:
        time: shape (n,).
        event: shape (n,).
        fold: shape (n,).
        risks: per method an array of shape (n,) or (seeds, n).
        pairs: places of the two methods in ``risks``.
        permutations: how many exchanges are drawn.
        seed: of the exchanges.
    """
    t, e = outcomes(time, event)
    seeds, folds = [seeds_of(r, len(t)) for r in risks], rows_of_folds(fold, len(t))
    exchanges = [_Exchange(t[rows], e[rows], [risk[:, rows] for risk in seeds]) for rows in folds]
    tests: list[PermutationTest] = []
    at_once = max(1, min(PAIRS, BLOCK_NUMBERS // len(t)))
    for start in range(0, len(pairs), at_once):
        parts = np.empty((len(pairs[start : start + at_once]), len(t)))
        for part, (a, b) in zip(parts, pairs[start : start + at_once], strict=True):
            for rows, exchange in zip(folds, exchanges, strict=True):
                part[rows] = exchange.parts(a, b) / len(folds)
        tests += _exchanged(parts, permutations, seed)
    return tuple(tests)


def _exchanged(parts: Floats, permutations: int, seed: int) -> Iterator[PermutationTest]:
    """Yield the test of each difference, the sum of a row of ``parts`` (pairs, n), whose terms exchanges turn."""
    observed = np.array([part.sum() for part in parts])
    as_extreme = np.zeros(len(parts), dtype=np.int64)
    rng = np.random.default_rng(seed)
    block = max(1, min(DRAWN, BLOCK_NUMBERS // parts.shape[1]))
    for start in range(0, permutations, block):
        size = (min(block, permutations - start), parts.shape[1])
        signs = rng.integers(0, 2, size=size, dtype=np.int8) * 2.0 - 1.0
        # sums of the same numbers in another order differ in their last bits
        as_extreme += (np.abs(signs @ parts.T) >= np.abs(observed) - ROUNDING).sum(axis=0)
    for difference, count in zip(observed.tolist(), as_extreme.tolist(), strict=True):
        if np.isfinite(difference):
            yield PermutationTest(difference, (count + 1) / (permutations + 1), permutations)
        else:
            yield PermutationTest(NAN, NAN, permutations, NO_PAIR)


def smallest_detectable_difference(se: float, *, level: float = 0.95, power: float = POWER) -> float:
    """Return the true difference that a two-sided test with this standard error finds with the given power.

    NaN for a standard error of 0, which only says that no patient moves either index.

    >>> round(smallest_detectable_difference(0.02), 4)
    0.056
    """
    from scipy.stats import norm

    return float((norm.ppf((1 + level) / 2) + norm.ppf(power)) * se) if se >= ROUNDING else NAN


def corrected_resampled_t(differences: ArrayLike, *, test_share: float, level: float = 0.95) -> PairedTest:
    """Test the mean difference over repeated cross-validation (Nadeau and Bengio, Machine Learning 52, 2003).

    Another question than the other tests answer: whether the *ways of fitting* differ, the training patients being
    random too. Training sets overlap, so the variance of a fold counts 1/J + test/train instead of 1/J: a correction by
    rule of thumb. Show it under its name.

    Args:
        differences: C of a minus C of b in each fold of each repeat, shape (J,).
        test_share: test patients over training patients, 1 / (folds - 1).
        level: of the interval.
    """
    from scipy.stats import t as student

    d = np.asarray(differences, dtype=np.float64).ravel()
    if len(d) < 2 or not np.isfinite(d).all():
        reason = "needs the differences of at least two folds, none of them missing"
        return PairedTest(NAN, NAN, NAN, NAN, NAN, NAN, reason)
    mean = float(d.mean())
    se = float(np.sqrt((1 / len(d) + test_share) * d.var(ddof=1)))
    if se < ROUNDING:
        return _without_spread(mean, "all folds have the same difference, so there is no spread to test it by")
    half = float(student.ppf((1 + level) / 2, len(d) - 1)) * se
    p = float(2 * student.sf(abs(mean / se), len(d) - 1))
    return PairedTest(mean, se, mean / se, p, mean - half, mean + half)


def _normal_test(difference: float, se: float, level: float) -> PairedTest:
    from scipy.stats import norm

    if not np.isfinite(difference):
        return PairedTest(NAN, NAN, NAN, NAN, NAN, NAN, NO_PAIR)
    if se < ROUNDING:
        reason = "neither index changes with the weight of any patient, so the standard error is 0"
        return _without_spread(difference, reason)
    z = difference / se
    half = float(norm.ppf((1 + level) / 2)) * se
    return PairedTest(difference, se, z, float(2 * norm.sf(abs(z))), difference - half, difference + half)


def _without_spread(difference: float, reason: str) -> PairedTest:
    """Return what can be said without a standard error: there is a test only of no difference at all."""
    if abs(difference) < ROUNDING:
        return PairedTest(difference, 0.0, 0.0, 1.0, difference, difference)
    return PairedTest(difference, 0.0, NAN, NAN, difference, difference, reason)


def _one_shot(time: Floats, event: NDArray[np.bool_], a: Floats, b: Floats) -> tuple[float, float] | str:
    """Return a fold's difference and its variance, or why there is none."""
    n, one = len(time), np.zeros(len(time))
    if n < 4:
        return "a fold has fewer than 4 patients"
    of_a, of_b = influence(time, event, one, a), influence(time, event, one, b)
    if not np.isfinite(of_a).all():
        return NO_PAIR
    counts = [count_by_patient(time, event, r) for r in (*a, *b)]
    pairs = counts[0].earlier_pairs.sum()
    each = [c.earlier_credit.sum() / pairs for c in counts]
    difference = float(np.mean(each[: len(a)]) - np.mean(each[len(a) :]))
    within = squared_credit_difference(time, event, a, b) - difference**2 * pairs
    correction = n * (n - 1) / ((n - 2) * (n - 3))
    squares, within = float(np.sum((of_a - of_b) ** 2)), float(within / pairs**2)
    # what is equal but for the last bits has no variance
    return difference, correction * (squares - within) if abs(squares - within) > 1e-12 * squares else 0.0


class _Exchange:
    """The patients of a fold, each of whom may exchange the ranks that two methods gave it.

    With K_ab the credit of a pair whose earlier patient is ranked by a and later one by b, exchanges give a pair the
    difference K_aa - K_bb, K_ab - K_ba or their negatives. As a function of two signs that is a sum of one term for
    each patient, half the sum and half the difference of the two.

    Args:
        time: shape (n,).
        event: shape (n,).
        risks: per method an array of shape (seeds, n).
    """

    def __init__(self, time: Floats, event: NDArray[np.bool_], risks: Sequence[Floats]) -> None:
        from scipy.stats import rankdata

        self._time, self._event = time, event
        self._ranks: list[Floats] = [rankdata(risk, axis=1) for risk in risks]
        self._comparable = comparable_pairs(time, event) if len(time) <= MATRIX_LIMIT else None
        self._pairs = 0.0
        self._own: list[Floats] = []
        for ranks in self._ranks:
            counts = [count_by_patient(time, event, rank) for rank in ranks]
            self._pairs = float(counts[0].earlier_pairs.sum())
            self._own.append(np.mean([c.earlier_credit + c.later_credit for c in counts], axis=0))

    def parts(self, a: int, b: int) -> Floats:
        """Return what each patient adds to the difference of C of methods a and b, the mean over every seed of a with
        every seed of b, shape (n,); an exchange of its two ranks turns the sign. NaN where the fold has no pair.
        """
        if self._pairs == 0:
            return np.full(len(self._time), np.nan)
        parts: Floats = (self._own[a] - self._own[b] + self._crossed(self._ranks[a], self._ranks[b])) / 2 / self._pairs
        return parts

    def _crossed(self, a: Floats, b: Floats) -> Floats:
        """Return each patient's K_ab - K_ba, summed over the pairs in which it has the earlier event, less that over
        the pairs in which it lives longer.
        """
        if self._comparable is not None:
            order = np.sum([np.sign(rank[:, None] - b[:, None, :]).sum(axis=0) for rank in a], axis=0)
            twice = np.where(self._comparable, order + order.T, 0.0)  # of K_ba, row and column are exchanged
            crossed: Floats = (twice.sum(axis=1) - twice.sum(axis=0)) / 2 / (len(a) * len(b))
            return crossed
        total: Floats = np.zeros(len(self._time))
        for x, y in product(a, b):
            ab, ba = (count_by_patient(self._time, self._event, *ranks) for ranks in ((x, y), (y, x)))
            total += ab.earlier_credit - ab.later_credit - ba.earlier_credit + ba.later_credit
        return total / (len(a) * len(b))
