"""Metrics from arrays: Harrell's C, the Cox loss, overlap of masks. Imports nothing of ours but pairs and checks.

Everywhere ``time`` has shape (n,), ``event`` is boolean (n,), and ``risk`` is higher for an earlier event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.checks import one_risk, outcomes, rows_of_folds
from survbench.statistics.pairs import count_pairs


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
    t, e = outcomes(time, event)
    r = one_risk(risk, len(t))
    concordant, tied, total = count_pairs(t, e, r)
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


def cox_loss(time: ArrayLike, event: ArrayLike, risk: ArrayLike) -> float:
    """Return the negative log partial likelihood per event, with Breslow's handling of ties; NaN without events.

    DeepMTS, equation of L_sur. Finite for any finite risk.

    >>> round(cox_loss([1.0, 2.0], [True, True], [0.0, 0.0]), 6)
    0.346574
    """
    t, e = outcomes(time, event)
    r = one_risk(risk, len(t))
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


def _by_fold(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> list[Concordance]:
    t, e = outcomes(time, event)
    r = one_risk(risk, len(t))
    return [concordance_index(t[rows], e[rows], r[rows]) for rows in rows_of_folds(fold, len(t))]
