"""Draw batches of half events and half censored patients (DeepMTS, section 4.7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_rows(event: NDArray[np.bool_], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw the rows of one batch: ``size // 2`` events, the rest censored, each with replacement.

    If all patients or none have an event, the whole batch is drawn from all patients.

    Args:
        event: shape (n,), n > 0.
        size: number of patients in the batch.
        rng: the batch's generator.

    Returns:
        Row numbers, shape (size,), events first.

    >>> balanced_rows(np.array([True, False]), 4, np.random.default_rng(0)).tolist()
    [0, 0, 1, 1]
    """
    events, censored = np.flatnonzero(event), np.flatnonzero(~event)
    if not events.size or not censored.size:
        return rng.choice(len(event), size)
    return np.concatenate([rng.choice(events, size // 2), rng.choice(censored, size - size // 2)])
