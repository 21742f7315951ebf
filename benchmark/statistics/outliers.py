"""Numbers that lie far from those of the other patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST = 8
"""Number of patients below which nobody counts as an outlier."""
FAR = 3.5
"""Modified z-score from which a number is an outlier: Iglewicz and Hoaglin, How to detect and handle outliers, 1993."""
_MAD, _MEAN_DEVIATION = 1.4826, 1.2533
"""Factors that turn the median and the mean absolute deviation of normal numbers into a standard deviation."""


def modified_z(values: ArrayLike) -> NDArray[np.float64]:
    """Return each number's distance from the median in units of the median absolute deviation, or of the mean absolute
    deviation if the former is 0 because most numbers are the same.

    Args:
        values: shape (patients,).

    Returns:
        float64 of the same shape; zeros for fewer than eight numbers, or if all are the same.
    """
    apart = np.asarray(values, dtype=np.float64)
    if len(apart) < FEWEST:
        return np.zeros(len(apart))
    apart = apart - np.median(apart)
    unit = _MAD * np.median(np.abs(apart)) or _MEAN_DEVIATION * np.mean(np.abs(apart))
    return np.asarray(apart / unit) if unit > 0 else np.zeros(len(apart))
