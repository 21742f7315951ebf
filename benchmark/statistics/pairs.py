"""Pairs of patients whose order in time is known, and how risks order them: what every C-index is made of.

A pair is comparable if the earlier time is an event; at equal times, if exactly one is an event, the censored patient
living longer. Few patients are counted in n x n matrices, many in O(n log n); both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MATRIX_LIMIT = 500
"""Up to this many patients pairs are counted in n x n matrices, above in O(n log n); both give the same numbers."""

BLOCK_CELLS = 2**21
"""Cells of a matrix of pairs that is walked through in blocks of rows: 16 MB."""

LANES = 16
"""Sets of weights that the compiled loop carries at once: one cache line of 4-byte integers."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Pairs by patient: ``earlier`` those in which it has the earlier event, ``later`` those in which it lives longer.

    Each has shape (n,); credit is 1 for a pair whose earlier event has the higher risk, 1/2 for equal risks.
    """

    earlier_credit: Floats
    earlier_pairs: Floats
    later_credit: Floats
    later_pairs: Floats


def comparable_pairs(time: Floats, event: Flags) -> Flags:
    """Return the matrix (n, n) that is true where row's event is known to come before column's time."""
    return _comparable_rows(time, event, np.arange(len(time)))


def any_comparable(time: Floats, event: Flags) -> bool:
    """Return whether there is a comparable pair: an event before the last time, or a censored patient beside it then.

    Args:
        time: shape (n,).
        event: shape (n,).
    """
    last = time == time.max(initial=-np.inf)
    return bool(event[~last].any() or (event[last].any() and not event[last].all()))


def concordant_credit(time: Floats, event: Flags, own: Floats, other: Floats | None = None) -> Floats:
    """Return the matrix (n, n) of credit: 1 for a concordant comparable pair, 1/2 where risks are equal.

    Args:
        time: shape (n,).
        event: shape (n,).
        own: risk of the row's patient, shape (n,).
        other: risk of the column's patient; by default the same.
    """
    credit = (np.sign(own[:, None] - (own if other is None else other)[None, :]) + 1) / 2
    return np.where(comparable_pairs(time, event), credit, 0.0)


def count_by_patient(time: Floats, event: Flags, own: Floats, other: Floats | None = None) -> Counts:
    """Return every patient's pairs; ``own`` and ``other`` as in :func:`concordant_credit`."""
    if len(time) <= MATRIX_LIMIT:
        credit, pairs = concordant_credit(time, event, own, other), comparable_pairs(time, event).astype(np.float64)
        return Counts(credit.sum(axis=1), pairs.sum(axis=1), credit.sum(axis=0), pairs.sum(axis=0))
    from survbench.statistics.pair_trees import count_earlier, count_later

    ranks = _ranks(np.concatenate([own, own if other is None else other])).reshape(2, -1)
    below, tied_below, behind = count_later(*_latest_first(time), event, *ranks)
    above, tied_above, before = count_earlier(*_earliest_first(time), event, *ranks)
    return Counts(below + tied_below / 2, behind.astype(np.float64), above + tied_above / 2, before.astype(np.float64))


def count_pairs(time: Floats, event: Flags, risk: Floats) -> tuple[float, float, float]:
    """Return how many pairs are concordant, comparable but tied in risk, and comparable."""
    if len(time) <= MATRIX_LIMIT:
        comparable = comparable_pairs(time, event)
        difference = np.sign(risk[:, None] - risk[None, :])
        parts = (comparable & (difference > 0)), (comparable & (difference == 0)), comparable
    else:
        from survbench.statistics.pair_trees import count_later

        ranks = _ranks(risk)
        parts = count_later(*_latest_first(time), event, ranks, ranks)
    concordant, tied, total = (float(part.sum()) for part in parts)
    return concordant, tied, total


def weighted_counts(time: Floats, event: Flags, risks: list[Floats], weights: NDArray[np.int32]) -> Integers:
    """Count pairs with the product of their patients' multiplicities, for all methods with the same multiplicities.

    Everything is an integer below 2^53, so the result does not depend on the form, on the order of sums or on threads.

    Args:
        time: shape (n,).
        event: shape (n,).
        risks: per method shape (seeds, n).
        weights: multiplicities, shape (replicates, n).

    Returns:
        Shape (methods + 1, replicates): twice the credit, summed over seeds, of each method; last the comparable pairs.
    """
    return (_by_matrix if len(time) <= MATRIX_LIMIT else _by_tree)(time, event, risks, weights)


def squared_credit_difference(time: Floats, event: Flags, risk_a: Floats, risk_b: Floats) -> float:
    """Return the sum over comparable pairs of (credit of a minus credit of b) squared, credits averaged over seeds.

    O(n^2) in time but not in memory: events are taken in blocks.

    Args:
        time: shape (n,).
        event: shape (n,).
        risk_a: shape (seeds, n).
        risk_b: shape (seeds, n).
    """
    total = 0.0
    events = np.flatnonzero(event)
    size = max(1, BLOCK_CELLS // len(time))
    for start in range(0, len(events), size):
        rows = events[start : start + size]
        credit = np.zeros((len(rows), len(time)))
        for risks, sign in ((risk_a, 0.5), (risk_b, -0.5)):
            for risk in risks:
                credit += sign / len(risks) * np.sign(risk[rows, None] - risk[None, :])
        total += float(((credit**2) * _comparable_rows(time, event, rows)).sum())
    return total


def _comparable_rows(time: Floats, event: Flags, rows: NDArray[np.intp]) -> Flags:
    earlier = time[rows, None] < time[None, :]
    tied = (time[rows, None] == time[None, :]) & ~event[None, :]
    pairs: Flags = event[rows, None] & (earlier | tied)
    return pairs


def _by_matrix(time: Floats, event: Flags, risks: list[Floats], weights: NDArray[np.int32]) -> Integers:
    n, events = len(time), np.flatnonzero(event)
    # only rows of events hold credit
    matrices = [sum(2 * concordant_credit(time, event, r)[events] for r in risk) for risk in risks]
    matrices.append(comparable_pairs(time, event)[events].astype(np.float64))
    # with integers below 2^24 single precision is exact, and twice as fast
    largest = 2 * n * n * max(len(risk) for risk in risks)
    exact: Any = np.float32 if largest < 2**24 else np.float64
    stacked: NDArray[Any] = np.concatenate(matrices).T.astype(exact)
    w: NDArray[Any] = weights.astype(exact)
    products = (w @ stacked).reshape(len(w), len(matrices), len(events))
    result: Integers = np.einsum("bme,be->mb", products, w[:, events]).astype(np.int64)
    return result


def _by_tree(time: Floats, event: Flags, risks: list[Floats], weights: NDArray[np.int32]) -> Integers:
    from survbench.statistics.pair_trees import weigh_pairs

    order, ends = _latest_first(time)
    ranked = [[_ranks(one)[order] for one in risk] for risk in risks]
    result = np.zeros((len(risks) + 1, len(weights)), np.int64)
    for columns, lanes in _lanes(weights, order):
        for m, seeds in enumerate(ranked):
            for ranks in seeds:
                credit, comparable = weigh_pairs(ends, event[order], ranks, lanes)
                result[m, columns] += credit
                result[-1, columns] = comparable
    return result


def _lanes(weights: NDArray[np.int32], order: Integers) -> Iterator[tuple[slice, NDArray[np.int32]]]:
    for start in range(0, len(weights), LANES):
        columns = slice(start, min(start + LANES, len(weights)))
        yield columns, np.ascontiguousarray(weights[columns].T[order])


def _latest_first(time: Floats) -> tuple[Integers, Integers]:
    return _earliest_first(-time)


def _earliest_first(time: Floats) -> tuple[Integers, Integers]:
    order = np.argsort(time, kind="stable")
    ends = np.searchsorted(time[order], time[order], side="right")
    return order.astype(np.int64), ends.astype(np.int64)


def _ranks(values: Floats) -> Integers:
    ranks: Integers = np.unique(values, return_inverse=True)[1].astype(np.int64) + 1
    return ranks
