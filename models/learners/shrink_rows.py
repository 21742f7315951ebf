"""The proximal step of the L2,1 norm, which keeps or drops a row of coefficients as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shrink_rows(coefficients: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
    """Return rows whose length is smaller by ``amount``, 0 where they are shorter."""
    length = np.linalg.norm(coefficients, axis=1, keepdims=True)
    shrunk: NDArray[np.float64] = coefficients * np.maximum(0.0, 1.0 - amount / np.maximum(length, 1e-300))
    return shrunk
