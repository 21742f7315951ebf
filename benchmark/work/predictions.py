"""What a method predicts, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS
from survbench.cohort import UnlabelledCohort
from survbench.work.process_limits import foreign_code


class BadPredictionError(Exception):
    """What a method predicted is not a risk, a survival curve or a mask."""


class Predicted:
    """What a method said about some patients, checked; arrays are None for what it does not give."""

    def __init__(
        self,
        risk: NDArray[np.float64] | None,
        survival: NDArray[np.float64] | None,
        probability: Iterator[NDArray[np.float32]] | None,
    ) -> None:
        self.risk = risk
        self.survival = survival
        self.probability = probability


def predict(method: Any, cohort: UnlabelledCohort, gives: Sequence[str]) -> Predicted:
    """Ask a method for everything it gives, and check it.

    Raises:
        BadPredictionError: not real numbers, wrong shape, not finite, survival outside [0, 1] or increasing.
    """
    n = len(cohort)
    risk = survival = None
    if "risk" in gives:
        with foreign_code():
            risk = _real(method.predict_risk(cohort), "predict_risk")
        if risk.shape != (n,):
            raise BadPredictionError(f"predict_risk gave shape {risk.shape}, expected ({n},)")
        if not np.isfinite(risk).all():
            bad = ", ".join(s.id for s, ok in zip(cohort.subjects, np.isfinite(risk), strict=True) if not ok)
            raise BadPredictionError(f"predict_risk gave a risk that is not finite for {bad[:200]}")
    if "survival" in gives:
        with foreign_code():
            survival = _real(method.predict_survival(cohort, SURVIVAL_MONTHS), "predict_survival")
        if survival.shape != (n, len(SURVIVAL_MONTHS)):
            raise BadPredictionError(f"predict_survival gave shape {survival.shape}")
        inside = np.isfinite(survival).all() and survival.min() >= 0 and survival.max() <= 1
        if not inside or np.diff(survival, axis=1).max() > 1e-9:
            raise BadPredictionError("predict_survival must lie in [0, 1] and never increase with time")
    return Predicted(risk, survival, method.segment(cohort) if "segmentation" in gives else None)


def _real(said: Any, of: str) -> NDArray[np.float64]:
    """Return what a method said as numbers. Numpy would turn a complex number, a date or a text into one in silence,
    and give a number for a masked value.
    """
    if np.ma.is_masked(said):
        raise BadPredictionError(f"{of} gave masked values; give a number for each patient")
    values = np.asarray(said)
    if values.dtype.kind not in "biufO":
        raise BadPredictionError(f"{of} gave values of type {values.dtype}; give real numbers")
    return values.astype(np.float64)
