"""Risks that rank patients the wrong way round."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from survbench.statistics.metrics import fold_mean_concordance
from survbench.statistics.paired_tests import influence, standard_error

FAR_BELOW = 0.45
NORMAL = 1.96
QUESTION = "Are the risks reversed? A predicted time or a probability of survival is not a risk: give its negative."


def turned_round(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> str:
    """Return how far below 0.5 the C-index of risks lies, and what that means; "" where its interval reaches 0.5.

    Args:
        time: months, shape (n,).
        event: shape (n,).
        fold: shape (n,); patients are compared within a fold.
        risk: shape (n,) or (seeds, n).
    """
    c = _c_index(time, event, fold, risk)
    half = NORMAL * standard_error(influence(time, event, fold, risk))
    if not (c <= FAR_BELOW and c + half < 0.5):
        return ""
    return f"C is far below 0.5 ({c:.2f}, 95 % {max(c - half, 0):.2f} to {c + half:.2f}). {QUESTION}"


def _c_index(time: ArrayLike, event: ArrayLike, fold: ArrayLike, risk: ArrayLike) -> float:
    return float(np.mean([fold_mean_concordance(time, event, fold, own) for own in np.atleast_2d(np.asarray(risk))]))
