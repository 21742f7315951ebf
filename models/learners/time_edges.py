"""The intervals of time of learners that predict one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def time_edges(time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the ends of the intervals: quantiles (0 to 1) of the event times, as many as the square root of the
    number of events, rounded up.

    Args:
        time: months, shape (n,).
        event: shape (n,), at least one true.
    """
    times = time[event]
    count = math.ceil(math.sqrt(len(times)))
    return np.unique(np.quantile(times, np.linspace(0.0, 1.0, count)))
