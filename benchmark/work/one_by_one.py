"""Predict patients of another cohort one by one, so that what is predicted for a patient does not depend on who else
is predicted, down to the last bit: sums over many rows at once are rounded differently from those over one.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from survbench.cohort import UnlabelledCohort
from survbench.io.layout import CurveSource
from survbench.work.predictions import Predicted, predict
from survbench.work.survival_curves import with_curves


def predict_one_by_one(
    method: Any, patients: Iterable[UnlabelledCohort], gives: tuple[str, ...], fit: Path
) -> tuple[Predicted, CurveSource]:
    """Return what a fitted method says of patients, and where their survival curves are from.

    Args:
        method: the fitted method.
        patients: a cohort of one patient each, at least one.
        gives: what the method predicts.
        fit: folder of its fit, which may keep how risks become curves.

    Raises:
        BadPredictionError: see :func:`survbench.work.predictions.predict`.
    """
    told = [predict(method, patient, gives) for patient in patients]
    sources = [with_curves(one, fit) for one in told]  # all the same: there is one fit
    risks = [one.risk for one in told if one.risk is not None]
    survival = [one.survival for one in told if one.survival is not None]
    probabilities = [one.probability for one in told if one.probability is not None]
    together = Predicted(
        np.concatenate(risks) if risks else None,
        np.concatenate(survival) if survival else None,
        chain.from_iterable(probabilities) if probabilities else None,
    )
    return together, sources[0]
