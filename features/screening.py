"""Select features by univariate Cox screening and removal of redundant features. Use only on the training fold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CELLS_AT_ONCE = 2**22
"""Cells of a table that are ranked or tested at once. It takes some ten times the memory of these cells."""


def univariate_cox(
    values: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return each feature's Cox score test statistic (chi-squared with 1 degree of freedom, Breslow's ties).

    For a binary feature this is the log-rank test. No model is fitted, so one pass covers all features.

    Args:
        values: features, shape (n, p), finite.
        time: shape (n,).
        event: shape (n,).

    Returns:
        Shape (p,); 0 for a feature that is constant in every risk set, or without events.
    """
    order = np.argsort(-time, kind="stable")
    t, e = time[order], event[order]
    last = np.searchsorted(-t, -t, side="right") - 1
    return np.concatenate([_score_tests(values[order, block], last, e) for block in _blocks(*values.shape)])


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Yield the columns of a table in blocks of about :data:`CELLS_AT_ONCE`; a small table is one block.

    No block of several has a single column, which numpy would add up in another order.
    """
    count = max(1, min(-(-columns * rows // CELLS_AT_ONCE), columns // 2))
    ends = [columns * n // count for n in range(count + 1)]
    yield from map(slice, ends, ends[1:])


def _score_tests(x: NDArray[np.float64], last: NDArray[np.intp], e: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the statistics of :func:`univariate_cox`.

    Args:
        x: features by falling time, shape (n, p).
        last: row of the last patient who is at risk when a patient's time ends, shape (n,).
        e: events, shape (n,).
    """
    at_risk = (last + 1.0)[:, None]
    # centring on the overall mean preserves precision in the sums of squares
    x = x - x.mean(axis=0)
    mean = np.cumsum(x, axis=0)[last] / at_risk
    variance = np.cumsum(x**2, axis=0)[last] / at_risk - mean**2
    score = (x - mean)[e].sum(axis=0)
    information = variance[e].sum(axis=0)
    usable = information > 1e-10 * np.maximum(1e-300, (x**2).sum(axis=0))
    statistic: NDArray[np.float64] = np.divide(score**2, information, out=np.zeros(x.shape[1]), where=usable)
    return statistic


def screened(statistic: NDArray[np.float64], *, rate: float) -> NDArray[np.intp]:
    """Return the features whose Cox score test passes at a false-discovery rate.

    Benjamini and Hochberg, J R Stat Soc B 57(1), 1995, over all tested features.

    Args:
        statistic: result of :func:`univariate_cox`, shape (p,).
        rate: expected share of features without effect among those that pass.

    Returns:
        Columns that pass, ascending; if none passes, only the strongest, because a learner needs at least one feature.
    """
    from scipy.stats import chi2, false_discovery_control

    passed = np.flatnonzero(false_discovery_control(chi2.sf(statistic, df=1), method="bh") <= rate)
    return passed if passed.size else np.array([np.argmax(statistic)], dtype=np.intp)


def spearman_redundancy(
    values: NDArray[np.float64], strength: NDArray[np.float64], *, threshold: float = 0.7
) -> NDArray[np.intp]:
    """Return the features that remain after dropping the weaker of any two with ``|Spearman's rho| > threshold``.

    Features are visited from the strongest to the weakest (ties in column order) and kept unless their correlation with
    a kept feature exceeds the threshold (DeepMTS, section 4.4: 0.7; the paper does not say which of two is dropped).
    Constant features are dropped first.

    Args:
        values: features, shape (n, p), finite.
        strength: quantity that orders them, shape (p,), for example :func:`univariate_cox`.
        threshold: largest correlation between two kept features.

    Returns:
        Columns that remain, ascending.
    """
    from scipy.stats import rankdata

    varying = np.flatnonzero(np.ptp(values, axis=0) > 0)
    blocks = _blocks(len(values), len(varying))
    ranks = np.concatenate([rankdata(values[:, varying[block]], axis=0) for block in blocks], axis=1)
    ranks -= ranks.mean(axis=0)
    ranks /= np.linalg.norm(ranks, axis=0)
    correlation = np.abs(ranks.T @ ranks)
    kept: list[int] = []
    for candidate in np.argsort(-strength[varying], kind="stable"):
        if not kept or correlation[candidate, kept].max() <= threshold:
            kept.append(int(candidate))
    return np.sort(varying[kept])
