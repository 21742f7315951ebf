"""Many comparisons at once: adjusted p values, all pairs of methods, groups that cannot be told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.paired_tests import paired_jackknife

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AllPairs:
    """Every method against every other: matrices (methods, methods), row minus column.

    ``p_holm`` is adjusted over all pairs. The diagonal holds a difference of 0 and p of 1.
    """

    difference: Floats
    se: Floats
    p: Floats
    p_holm: Floats


def holm(p: ArrayLike) -> Floats:
    """Return p values adjusted by Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979), which
    bounds the family-wise error; NaN stays NaN and is not counted.

    >>> holm([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """
    return _in_order(p, lambda rising: np.maximum.accumulate(rising * np.arange(len(rising), 0, -1)))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return p values adjusted by Benjamini and Hochberg (JRSS B 57, 1995), who bound the false discovery rate; NaN
    stays NaN and is not counted.

    >>> benjamini_hochberg([0.01, 0.04, float("nan")]).tolist()
    [0.02, 0.04, nan]
    """

    def from_the_largest(rising: Floats) -> Floats:
        shares = np.arange(1, len(rising) + 1) / len(rising)
        return np.minimum.accumulate((rising / shares)[::-1])[::-1]

    return _in_order(p, from_the_largest)


def adjust_by_group(groups: Sequence[str], p: ArrayLike, adjust: Callable[[ArrayLike], Floats]) -> Floats:
    """Return p values adjusted in each group by itself, so that a p of one group depends on no p of another.

    Args:
        groups: the group of each comparison, n of them.
        p: shape (n,).
        adjust: :func:`holm` or :func:`benjamini_hochberg`.

    >>> adjust_by_group(["a", "b", "a"], [0.01, 0.04, 0.03], holm).tolist()
    [0.02, 0.04, 0.03]
    """
    values, names = np.asarray(p, dtype=np.float64), np.asarray(groups)
    adjusted = np.full(values.shape, np.nan)
    for name in dict.fromkeys(groups):
        adjusted[names == name] = adjust(values[names == name])
    return adjusted


def all_pairs(points: ArrayLike, influences: Sequence[Floats]) -> AllPairs:
    """Test every pair of methods by the paired jackknife.

    Args:
        points: C of each method, shape (methods,).
        influences: of each method, shape (n,), as :func:`survbench.statistics.paired_tests.influence` returns them.
    """
    c = np.asarray(points, dtype=np.float64)
    count = len(c)
    difference, se, p, p_holm = np.zeros((count, count)), np.zeros((count, count)), np.eye(count), np.eye(count)
    upper = np.triu_indices(count, 1)
    pairs = [(int(i), int(j)) for i, j in zip(*upper, strict=True)]
    tests = [paired_jackknife(influences[i], influences[j], float(c[i] - c[j])) for i, j in pairs]
    for matrix, values in ((difference, [t.difference for t in tests]), (se, [t.se for t in tests])):
        matrix[upper] = values
    adjusted = holm([t.p for t in tests])
    p[upper], p_holm[upper] = [t.p for t in tests], adjusted
    return AllPairs(
        difference=difference - difference.T,
        se=se + se.T,
        p=np.triu(p) + np.triu(p, 1).T,
        p_holm=np.triu(p_holm) + np.triu(p_holm, 1).T,
    )


def tie_groups(points: ArrayLike, p: Floats, *, alpha: float = 0.05) -> tuple[tuple[int, ...], ...]:
    """Return the longest runs of the ranking in which no two methods differ with ``p < alpha``.

    What the bars of a critical-difference diagram show (Demšar, JMLR 7, 2006). Groups overlap: not being told apart is
    not transitive. A method that differs from all is a group of its own. A p that is NaN tells nothing apart.

    Args:
        points: C of each method, shape (methods,); methods without a C are left out.
        p: matrix (methods, methods), adjusted over all pairs.
        alpha: level.

    >>> apart = np.array([[1.0, 0.2, 0.01], [0.2, 1.0, 0.3], [0.01, 0.3, 1.0]])
    >>> tie_groups([0.8, 0.7, 0.6], apart)
    ((0, 1), (1, 2))
    """
    c = np.asarray(points, dtype=np.float64)
    order = [int(i) for i in np.argsort(-c, kind="stable") if np.isfinite(c[i])]
    groups: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and not any(p[order[stop], i] < alpha for i in order[start:stop]):
            stop += 1
        if stop > reached:
            groups.append(tuple(order[start:stop]))
            reached = stop
    return tuple(groups)


def _in_order(p: ArrayLike, adjust: Callable[[Floats], Floats]) -> Floats:
    """Adjust the p values that are known, handed over in ascending order; NaN stays NaN, and nothing passes 1."""
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(adjust(values[order]), 1.0)
    return adjusted
