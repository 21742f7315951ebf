"""What a model makes of the patients that it was fitted on, free of the scale of its predictions.

Regularisation shrinks risks, so the loss of a model that orders its patients well can lie close to that of a model that
says nothing. At the slope that suits the predictions best the loss shows what their order and spacing are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.statistics.checks import one_risk, outcomes
from survbench.statistics.metrics import cox_loss
from survbench.statistics.pairs import count_by_patient

Floats = NDArray[np.float64]
STEEPEST = 30.0
"""Log hazard ratio per unit of spread of the predictions up to which slopes are tried. Predictions that order the
patients without a mistake have no best slope; the loss at this one is as good as its limit.
"""
IQR_OF_NORMAL = 1.349
"""Standard deviations between the quartiles of a normal distribution."""
SMALLEST = 1e-7
"""Conditional survival stays this far from 0 and 1: its logit would be infinite."""
HALVINGS = 50
"""Of the range in which the intercept of an interval is searched for, which is as wide as the predictions differ."""


@dataclass(frozen=True, slots=True)
class BestSlope:
    """Predictions times the one number that suits them best; NaN throughout without events.

    Attributes:
        slope: that number, per unit of the predictions; 0 for predictions that are all equal.
        loss: negative log likelihood at ``slope``, divided by the number of events.
        uninformed: the same at slope 0.
    """

    slope: float
    loss: float
    uninformed: float


NOTHING = BestSlope(float("nan"), float("nan"), float("nan"))


def chance_sd(time: ArrayLike, event: ArrayLike) -> float:
    """Return the standard deviation of Harrell's C over all orders in which risks without ties can put the patients.

    The mean over these orders is 0.5. NaN without a comparable pair.

    Two comparable pairs that share a patient have a covariance of 1/12 if it lives longer, or shorter, in both, and of
    -1/12 otherwise; so the variance of M pairs is (M + sum of (pairs in which a patient is the earlier one - those in
    which it is the later one)^2) / (12 M^2).

    Args:
        time: months, shape (n,).
        event: shape (n,).

    >>> round(chance_sd([1.0, 2.0, 3.0], [True, True, True]), 6)
    0.319142
    """
    t, e = outcomes(time, event)
    counts = count_by_patient(t, e, np.zeros(len(t)))
    pairs = float(counts.earlier_pairs.sum())
    if pairs == 0:
        return float("nan")
    uneven = float(((counts.earlier_pairs - counts.later_pairs) ** 2).sum())
    return float(np.sqrt((pairs + uneven) / 12)) / pairs


def cox_best_slope(time: ArrayLike, event: ArrayLike, risk: ArrayLike) -> BestSlope:
    """Maximise the Cox partial likelihood (Breslow's handling of ties) of slope * risk.

    Args:
        time: months, shape (n,).
        event: shape (n,).
        risk: shape (n,).
    """
    t, e = outcomes(time, event)
    values = one_risk(risk, len(t))
    if not e.any():
        return NOTHING
    return _best_slope(values - values.mean(), lambda scaled: cox_loss(t, e, scaled))


def discrete_time_best_slope(time: ArrayLike, event: ArrayLike, survival: ArrayLike, breaks: ArrayLike) -> BestSlope:
    """Maximise the likelihood of intervals (Gensheimer and Narasimhan, PeerJ 7, 2019) of hazards with
    logit h_ij = a_j + slope * d_ij: d_ij is how far the predicted logit hazard of patient i in interval j lies from its
    mean over patients, and the intercept a_j of each interval is the best for the slope. At slope 0 the hazards are
    those over all patients.

    A censored patient counts as having survived an interval from its middle on. An interval in which nobody has an
    event, or nobody survives, says the same at every slope.

    Args:
        time: months, shape (n,).
        event: shape (n,).
        survival: predicted at ``breaks``, shape (n, intervals), in [0, 1] and never increasing with time.
        breaks: months at which the intervals end, increasing; the first starts at 0.
    """
    t, e = outcomes(time, event)
    upper = np.asarray(breaks, dtype=np.float64)
    curves = np.asarray(survival, dtype=np.float64)
    if not e.any():
        return NOTHING
    lower = np.concatenate([[0.0], upper[:-1]])
    survived = np.where(e[:, None], t[:, None] >= upper, t[:, None] >= (lower + upper) / 2)
    failed = e[:, None] & (t[:, None] >= lower) & (t[:, None] < upper)
    telling = survived.any(axis=0) & failed.any(axis=0)
    survived, failed = survived[:, telling], failed[:, telling]
    before = np.hstack([np.ones((len(t), 1)), curves[:, :-1]])
    # nobody is left where the curve has come down to 0, and 0 / 0 is not a number
    conditional = np.divide(curves, before, out=np.zeros_like(curves), where=before > 0)
    conditional = np.clip(conditional[:, telling], SMALLEST, 1 - SMALLEST)
    logits = np.log((1 - conditional) / conditional)
    events = int(e.sum())

    def loss(deviation: Floats) -> float:
        logit = _intercepts(survived, failed, deviation) + deviation
        parts = survived * np.logaddexp(0, logit) + failed * np.logaddexp(0, -logit)
        return float(parts.sum()) / events

    return _best_slope(logits - logits.mean(axis=0), loss)


def constant_mask_dice(masks: Sequence[NDArray[np.bool_]]) -> float:
    """Return the mean Dice of the best mask that is the same for all patients: the voxels that are inside in at least
    k of them, with the k for which the mean over these same patients is the highest.

    Args:
        masks: of the patients, all of one shape.
    """
    count = np.zeros(masks[0].shape, dtype=np.int64)
    for mask in masks:
        count += mask
    sizes = _at_least(count.ravel(), len(masks))
    total = np.zeros(len(masks))
    for mask in masks:
        both, either = 2 * _at_least(count[mask], len(masks)), sizes + int(mask.sum())
        total += np.divide(both, either, out=np.ones(len(masks)), where=either > 0)
    return float(total.max() / len(masks))


def _at_least(counts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return how many of some counts are at least 1, 2, ..., ``most``."""
    exactly = np.bincount(counts, minlength=most + 1)
    above: NDArray[np.int64] = exactly[::-1].cumsum()[::-1]
    return above[1:]


def _intercepts(survived: NDArray[np.bool_], failed: NDArray[np.bool_], deviation: Floats) -> Floats:
    """Return the intercept of each interval that maximises its likelihood: as many events are expected as there are.

    It is searched for by halving. Newton's method does not end where predictions tell all patients apart: the expected
    events are flat there.

    Args:
        survived: who survives which interval, shape (n, intervals); in each somebody does.
        failed: who has its event in which, alike.
        deviation: what is added to the intercept, in logits, same shape.

    Returns:
        Shape (intervals,).
    """
    from scipy.special import expit

    at_risk, events = survived | failed, failed.sum(axis=0)
    marginal = np.log(events / survived.sum(axis=0))
    low, high = marginal - deviation.max(axis=0), marginal - deviation.min(axis=0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_low = (expit(middle + deviation) * at_risk).sum(axis=0) < events
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    found: Floats = (low + high) / 2
    return found


def _best_slope(values: Floats, loss: Callable[[Floats], float]) -> BestSlope:
    """Minimise the loss, a convex function, of slope * values; those have mean 0."""
    from scipy.optimize import minimize_scalar

    uninformed = loss(np.zeros_like(values))
    # equal numbers can have a standard deviation of 1e-17, so their range is asked
    if values.size == 0 or float(np.ptp(values)) == 0:
        return BestSlope(0.0, uninformed, uninformed)
    low, high = np.quantile(values, [0.25, 0.75])
    # one prediction far from the others would hold the slope of the others down by its part in the standard deviation
    spread = float(high - low) / IQR_OF_NORMAL or float(values.std())
    found = minimize_scalar(lambda slope: loss(slope * values / spread), bounds=(-STEEPEST, STEEPEST), method="bounded")
    return BestSlope(float(found.x) / spread, min(float(found.fun), uninformed), uninformed)
