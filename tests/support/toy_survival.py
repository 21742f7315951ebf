"""Survival data for tests: small cohorts with every kind of tie, and simulated ones."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


@st.composite
def cohorts(draw, risks=4):
    """Draw (time, event, several risks), with ties in time and in risk."""
    n = draw(st.integers(min_value=2, max_value=25))
    integers = st.lists(st.integers(1, 6), min_size=n, max_size=n)
    time, *columns = (np.array(draw(integers), dtype=float) for _ in range(1 + risks))
    return time, np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))), columns


def simulated(n=60, folds=3, seed=0, strength=1.0):
    """Return (time, event, fold, true log-hazard) with ties in time."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    time = rng.exponential(np.exp(-strength * truth)).round(1) + 0.1
    event = rng.random(n) < 0.6
    return time, event, np.arange(n) % folds, truth
