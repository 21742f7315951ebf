"""Risks of several fold models as one number, and its place among the out-of-fold risks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def standardised(risk: Floats, scale: Floats) -> Floats:
    """Return risks in standard deviations (divisor n) from the mean of ``scale``; NaN if that is one value.

    >>> standardised(np.array([1.0, 2.0]), np.array([1.0, 3.0])).tolist()
    [-1.0, 0.0]

    Args:
        risk: shape (n,).
        scale: the model's risks of the patients it is scaled by, shape (m,).
    """
    # equal numbers can have a standard deviation of 1e-17, so their range is asked
    result: Floats = (risk - scale.mean()) / (scale.std() if np.ptp(scale) > 0 else np.nan)
    return result


def mean_of_models(risks: Sequence[Floats]) -> Floats:
    """Return the mean over models, shape (n,), to which a model that ranks no patients (NaN) adds 0. They are added one
    after the other: one patient alone has the same bits as the same patient among many.

    Args:
        risks: of each model, shape (n,), standardised.
    """
    return reduce(np.add, [np.where(np.isnan(risk), 0.0, risk) for risk in risks]) / len(risks)


def percentile(value: float, among: Floats) -> float:
    """Return the share of numbers below a value, in percent; equal ones count half."""
    return float(100 * (np.mean(among < value) + np.mean(among == value) / 2))
