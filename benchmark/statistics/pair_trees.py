"""Pairs of patients counted in O(n log n) by compiled loops over Fenwick trees; imported where many patients need it.

Patients are walked through in order of time, and a tree over the ranks of risk holds those who may be compared with
the next ones. Within a group of equal times the censored live longer, and events are not compared with each other.
All counts are integers, so they are exact and equal those of the matrices in :mod:`survbench.statistics.pairs`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit


@compiled
def _add(tree: Integers, rank: int) -> None:
    while rank < len(tree):
        tree[rank] += 1
        rank += rank & (-rank)


@compiled
def _up_to(tree: Integers, rank: int) -> int:
    total = 0
    while rank > 0:
        total += tree[rank]
        rank -= rank & (-rank)
    return total


@compiled
def count_later(
    order: Integers, ends: Integers, event: NDArray[np.bool_], own: Integers, other: Integers
) -> tuple[Integers, Integers, Integers]:
    """Count for every event the patients known to live longer: (lower risk, equal risk, all), each of shape (n,).

    Args:
        order: patients from the latest time to the earliest.
        ends: for each position of ``order`` where its group of equal times ends.
        event: by patient.
        own: rank, from 1, of the risk with which a patient enters as the earlier one of a pair.
        other: rank of the risk with which it enters as the later one.
    """
    n = len(order)
    size = max(own.max(), other.max()) + 1
    tree, at_rank = np.zeros(size, np.int64), np.zeros(size, np.int64)
    below, equal, inside = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    seen = start = 0
    while start < n:
        group = order[start : ends[start]]
        for i in group:
            if not event[i]:
                _add(tree, other[i])
                at_rank[other[i]] += 1
                seen += 1
        for i in group:
            if event[i]:
                below[i], equal[i], inside[i] = _up_to(tree, own[i] - 1), at_rank[own[i]], seen
        for i in group:
            if event[i]:
                _add(tree, other[i])
                at_rank[other[i]] += 1
                seen += 1
        start = ends[start]
    return below, equal, inside


@compiled
def count_earlier(
    order: Integers, ends: Integers, event: NDArray[np.bool_], own: Integers, other: Integers
) -> tuple[Integers, Integers, Integers]:
    """Count for every patient the events known to come earlier: (higher risk, equal risk, all), each of shape (n,).

    Args are those of :func:`count_later`, but ``order`` and ``ends`` go from the earliest time to the latest.
    """
    n = len(order)
    size = max(own.max(), other.max()) + 1
    tree, at_rank = np.zeros(size, np.int64), np.zeros(size, np.int64)
    above, equal, inside = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    seen = start = 0
    while start < n:
        group = order[start : ends[start]]
        for i in group:
            if event[i]:
                above[i], equal[i], inside[i] = seen - _up_to(tree, other[i]), at_rank[other[i]], seen
        for i in group:
            if event[i]:
                _add(tree, own[i])
                at_rank[own[i]] += 1
                seen += 1
        for i in group:
            if not event[i]:
                above[i], equal[i], inside[i] = seen - _up_to(tree, other[i]), at_rank[other[i]], seen
        start = ends[start]
    return above, equal, inside


@compiled
def _add_row(
    tree: NDArray[np.int32], at_rank: NDArray[np.int32], seen: NDArray[np.int32], rank: int, row: NDArray[np.int32]
) -> None:
    for s in range(len(row)):
        at_rank[rank, s] += row[s]
        seen[s] += row[s]
    while rank < len(tree):
        for s in range(len(row)):
            tree[rank, s] += row[s]
        rank += rank & (-rank)


@compiled
def _twice_up_to(tree: NDArray[np.int32], at_rank: NDArray[np.int32], rank: int, found: NDArray[np.int32]) -> None:
    """Put twice the weight below a rank plus the weight at it into ``found``."""
    for s in range(len(found)):
        found[s] = at_rank[rank, s]
    rank -= 1
    while rank > 0:
        for s in range(len(found)):
            found[s] += 2 * tree[rank, s]
        rank -= rank & (-rank)


@compiled
def weigh_pairs(
    ends: Integers, event: NDArray[np.bool_], ranks: Integers, weights: NDArray[np.int32]
) -> tuple[Integers, Integers]:
    """Count pairs, each with the product of its patients' weights, for several sets of weights at once.

    The walk over the tree is the same for all sets, so each node holds a row with one number per set, and the inner
    loops run over neighbours in memory.

    Args:
        ends: as in :func:`count_later`.
        event: from the latest time to the earliest, as are ranks and weights.
        ranks: of risk, from 1.
        weights: shape (n, sets).

    Returns:
        (twice the concordant pairs plus those of equal risk, all comparable pairs), each of shape (sets,).
    """
    n, sets = weights.shape
    size = ranks.max() + 1
    tree, at_rank = np.zeros((size, sets), np.int32), np.zeros((size, sets), np.int32)
    seen, found = np.zeros(sets, np.int32), np.zeros(sets, np.int32)
    credit, comparable = np.zeros(sets, np.int64), np.zeros(sets, np.int64)
    start = 0
    while start < n:
        stop = ends[start]
        for i in range(start, stop):
            if not event[i]:
                _add_row(tree, at_rank, seen, ranks[i], weights[i])
        for i in range(start, stop):
            if event[i]:
                _twice_up_to(tree, at_rank, ranks[i], found)
                for s in range(sets):
                    credit[s] += np.int64(weights[i, s]) * found[s]
                    comparable[s] += np.int64(weights[i, s]) * seen[s]
        for i in range(start, stop):
            if event[i]:
                _add_row(tree, at_rank, seen, ranks[i], weights[i])
        start = stop
    return credit, comparable
