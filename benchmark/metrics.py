"""Metrics from arrays: discrimination, the Cox loss, overlap of masks. Imports nothing of ours.

Everywhere ``time`` has shape (n,), ``event`` is boolean (n,), and ``risk`` is higher for an earlier event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MATRIX_LIMIT = 500
"""Up to this many patients pairs are counted in an n x n matrix, above in O(n log n); both give the same numbers."""


@dataclass(frozen=True, slots=True)
class Concordance:
    """Harrell's C and the pairs behind it; ``value`` is NaN without a comparable pair, and ``reason`` says so."""

    value: float
    concordant: float
    discordant: float
    tied_risk: float
    reason: str = ""

    @property
    def comparable(self) -> float:
        """Pairs whose order in time is known."""
        return self.concordant + self.discordant + self.tied_risk


def concordance_index(time: ArrayLike, event: ArrayLike, risk: ArrayLike) -> Concordance:
    """Return Harrell's C-index (Harrell et al., JAMA 1982).

    A pair is comparable if the earlier time is an event; at equal times, if exactly one is an event, the censored
    patient living longer. Equal risks count one half. Near ties are not merged.

    >>> concordance_index([1, 2, 3], [True, True, False], [3.0, 1.0, 2.0]).value
    0.6666666666666666
    """
    t, e, r = _arrays(time, event, risk)
    if len(t) <= MATRIX_LIMIT:
        comparable = comparable_pairs(t, e)
        difference = np.sign(r[:, None] - r[None, :])
        concordant = float((comparable & (difference > 0)).sum())
        tied = float((comparable & (difference == 0)).sum())
        total = float(comparable.sum())
    else:
        order, ends, ranks = sorted_pairs(t, r)
        concordant, tied, total = weighted_pairs()(order, ends, e, ranks, np.ones(len(t)))
    if total == 0:
        return Concordance(float("nan"), 0.0, 0.0, 0.0, "no comparable pair: no event before another patient's time")
    return Concordance((concordant + tied / 2) / total, concordant, total - concordant - tied, tied)


def fold_mean_concordance(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> float:
    """Return the mean over folds of the C-index within each fold; NaN if a fold has no comparable pair.

    Risks of different folds come from different models and are never compared.
    """
    parts = [c.value for c in _by_fold(time, event, fold, risk)]
    return float(np.mean(parts))


def pooled_concordance(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> float:
    """Return the C-index over all within-fold pairs together; NaN without one."""
    parts = _by_fold(time, event, fold, risk)
    total = sum(c.comparable for c in parts)
    return sum(c.concordant + c.tied_risk / 2 for c in parts) / total if total else float("nan")


def comparable_pairs(time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the matrix (n, n) that is true where row's event is known to come before column's time."""
    earlier = time[:, None] < time[None, :]
    tied = (time[:, None] == time[None, :]) & ~event[None, :]
    pairs: NDArray[np.bool_] = event[:, None] & (earlier | tied)
    return pairs


def concordant_credit(
    time: NDArray[np.float64], event: NDArray[np.bool_], risk: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the matrix (n, n) of credit: 1 for a concordant comparable pair, 1/2 where risks are equal."""
    credit = (np.sign(risk[:, None] - risk[None, :]) + 1) / 2
    return np.where(comparable_pairs(time, event), credit, 0.0)


def cox_loss(time: ArrayLike, event: ArrayLike, risk: ArrayLike) -> float:
    """Return the negative log partial likelihood per event, with Breslow's handling of ties; NaN without events.

    DeepMTS, equation of L_sur. Finite for any finite risk.

    >>> round(cox_loss([1.0, 2.0], [True, True], [0.0, 0.0]), 6)
    0.346574
    """
    t, e, r = _arrays(time, event, risk)
    if not e.any():
        return float("nan")
    order = np.argsort(-t, kind="stable")
    t, e, r = t[order], e[order], r[order]
    at_risk = np.logaddexp.accumulate(r)
    last = np.searchsorted(-t, -t, side="right") - 1
    return float(np.mean((at_risk[last] - r)[e]))


def soft_dice_loss(probability: NDArray[Any], mask: NDArray[Any]) -> float:
    """Return -2 sum(p g) / (sum p^2 + sum g^2), the segmentation loss of DeepMTS; -1 is perfect."""
    p, g = np.asarray(probability, dtype=np.float64), np.asarray(mask, dtype=np.float64)
    return float(-2 * (p * g).sum() / max(float((p * p).sum() + (g * g).sum()), 1e-5))


def dice(predicted: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    """Return the Dice overlap of two masks; two empty ones agree (1).

    >>> dice(np.array([True, True]), np.array([True, False]))
    0.6666666666666666
    """
    total = int(predicted.sum()) + int(mask.sum())
    return 2 * int((predicted & mask).sum()) / total if total else 1.0


def hd95(predicted: NDArray[np.bool_], mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> float:
    """Return the 95th percentile of the distances between two masks' surfaces, in millimetres.

    The surface is the voxels with a neighbour outside (6-neighbourhood); distances of both directions are taken
    together. NaN where exactly one mask is empty, 0 where both are.

    Args:
        predicted: shape (X, Y, Z).
        mask: same shape.
        spacing: millimetres per voxel.
    """
    from scipy.ndimage import binary_erosion, distance_transform_edt

    if not predicted.any() or not mask.any():
        return 0.0 if predicted.any() == mask.any() else float("nan")
    surfaces = [m & ~binary_erosion(m) for m in (predicted, mask)]
    far = [distance_transform_edt(~s, sampling=spacing) for s in surfaces]
    return float(np.percentile(np.concatenate([far[1][surfaces[0]], far[0][surfaces[1]]]), 95))


def sorted_pairs(
    time: NDArray[np.float64], risk: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return what :func:`weighted_pairs` walks over.

    Patients from the latest time to the earliest, the end of each patient's group of equal times in that order, and
    the ranks of risks from 1.
    """
    order = np.argsort(-time, kind="stable")
    later_first = -time[order]
    ends = np.searchsorted(later_first, later_first, side="right")
    ranks = np.unique(risk, return_inverse=True)[1].astype(np.intp) + 1
    return order, ends, ranks


@cache
def weighted_pairs() -> Callable[..., tuple[float, float, float]]:
    """Return the compiled function (order, ends, event, ranks, weights) -> (concordant, tied risk, comparable).

    A pair of patients counts with the product of their weights. A Fenwick tree over ranks of risk holds the weights of
    all patients known to live longer. Compiled on first use, because numba takes seconds to import.
    """
    from numba import njit

    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = njit

    @compiled
    def add(tree: NDArray[np.float64], rank: int, weight: float) -> None:
        while rank < len(tree):
            tree[rank] += weight
            rank += rank & (-rank)

    @compiled
    def below(tree: NDArray[np.float64], rank: int) -> float:
        total = 0.0
        while rank > 0:
            total += tree[rank]
            rank -= rank & (-rank)
        return total

    @compiled
    def count(
        order: NDArray[np.intp],
        ends: NDArray[np.intp],
        event: NDArray[np.bool_],
        ranks: NDArray[np.intp],
        weights: NDArray[np.float64],
    ) -> tuple[float, float, float]:
        n = len(order)
        tree, at_rank = np.zeros(n + 1), np.zeros(n + 1)
        inside = concordant = tied = comparable = 0.0
        start = 0
        while start < n:
            group = order[start : ends[start]]
            # within a group of equal times the censored live longer, and events are not comparable with each other
            for i in group[~event[group]]:
                add(tree, ranks[i], weights[i])
                at_rank[ranks[i]] += weights[i]
                inside += weights[i]
            events = group[event[group]]
            for i in events:
                concordant += weights[i] * below(tree, ranks[i] - 1)
                tied += weights[i] * at_rank[ranks[i]]
                comparable += weights[i] * inside
            for i in events:
                add(tree, ranks[i], weights[i])
                at_rank[ranks[i]] += weights[i]
                inside += weights[i]
            start = ends[start]
        return concordant, tied, comparable

    return count


def _by_fold(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> list[Concordance]:
    t, e, r = _arrays(time, event, risk)
    folds = np.asarray(fold)
    return [concordance_index(t[folds == k], e[folds == k], r[folds == k]) for k in np.unique(folds)]


def _arrays(
    time: ArrayLike, event: ArrayLike, risk: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    t, r = np.asarray(time, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    e = np.asarray(event, dtype=bool)
    if not t.shape == e.shape == r.shape or t.ndim != 1:
        raise ValueError(f"time, event and risk need one common length, got {t.shape}, {e.shape}, {r.shape}")
    if not (np.isfinite(t).all() and np.isfinite(r).all()):
        raise ValueError("time and risk must be finite")
    return t, e, r
