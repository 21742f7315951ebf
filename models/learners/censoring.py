"""Pairs of patients weighed by the inverse probability of not being censored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def uncensored(time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the probability not to be censored before one's own time, shape (n,), by Kaplan and Meier; above 0.

    Of an event and a censoring at the same time, the event comes first.
    """
    times, at, patients = np.unique(time, return_inverse=True, return_counts=True)
    censored = np.bincount(at, weights=~event)
    at_risk = len(time) - np.cumsum(patients) + censored
    kept = 1.0 - np.divide(censored, at_risk, out=np.zeros(len(times)), where=at_risk > 0)
    before = np.concatenate([[1.0], np.cumprod(kept)[:-1]])
    weight: NDArray[np.float64] = before[at]
    return weight


def uno_weights(time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weight of each pair in Uno's C, shape (n, n): row's event is known to come before column's time.

    Uno et al., Stat Med 30(10), 2011: one over the squared probability that row's patient is not censored before.
    """
    from survbench.statistics.pairs import comparable_pairs

    weights: NDArray[np.float64] = comparable_pairs(time, event) / uncensored(time, event)[:, None] ** 2
    return weights
