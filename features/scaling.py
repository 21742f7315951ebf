"""The standard deviation by which a column is divided."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sd_or_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation (divisor n) over patients, 1 where all have the same value.

    Args:
        values: shape (n,) or (n, p), with none missing.

    Returns:
        Shape () or (p,).
    """
    # equal numbers can have a standard deviation of 1e-17, so the range is checked
    sds: NDArray[np.float64] = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)
    return sds
