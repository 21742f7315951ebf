"""Times at which a cohort's predictions are judged. A board is made with them; no fit depends on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS

HORIZONS = (12.0, 36.0, 60.0)
"""Months; the board has AUC, Brier score and calibration at each that the follow-up reaches, and a reason at others."""
FOLLOWED = 0.1
"""Share of a fold's patients that must be followed beyond the truncation time."""


def truncation_time(follow_up: Sequence[NDArray[np.float64]]) -> float | None:
    """Return tau, one for all methods of a cohort: the last stored month (3, 6, ..., 120) beyond which at least a tenth
    of the patients of every fold are followed. None where that is before the first of them.

    Args:
        follow_up: months to event or censoring of each fold's patients, whatever they ended in.

    >>> truncation_time([np.array([5.0, 20.0]), np.array([2.0, 13.0])])
    12.0
    """
    reached = [month for month in SURVIVAL_MONTHS if all(np.mean(t > month) >= FOLLOWED for t in follow_up)]
    return float(reached[-1]) if reached else None
