"""Cox proportional hazards model on the clinical columns that the card gives to methods."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.linear import LinearHazard

RIDGE = 1e-3
"""Ridge penalty per patient; it keeps coefficients finite if a column separates the events, and barely changes others.
"""


class ClinicalCox:
    """Cox model with Efron's ties and a small ridge penalty."""

    def __init__(self) -> None:
        self._model: LinearHazard | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Fit encoding, coefficients and baseline hazard."""
        from sksurv.linear_model import CoxPHSurvivalAnalysis
        from sksurv.util import Surv

        require_events(train, what="a Cox model")
        design = Design.fit(train, redundancy=1.0)
        values = design.matrix(train)
        # a column that is constant in this fold carries no information; its coefficient is 0
        varying = np.ptp(values, axis=0) > 0
        coefficients = np.zeros(values.shape[1])
        if varying.any():
            cox = CoxPHSurvivalAnalysis(alpha=RIDGE * len(train), ties="efron")
            cox.fit(values[:, varying], Surv.from_arrays(train.event, train.time))
            coefficients[varying] = cox.coef_
        self._model = LinearHazard.fit(design, coefficients, train)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the linear predictor, shape (n,)."""
        return self._fitted().risk(cohort)

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times))."""
        return self._fitted().survival(cohort, times)

    def selected(self) -> Mapping[str, float]:
        """Return the coefficients by column, as :meth:`survbench.models.learners.lasso_cox.LassoCox.selected` does."""
        return self._fitted().weights

    def save(self, folder: Path) -> None:
        """Write the model as JSON."""
        self._fitted().save(folder)

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        self._model = LinearHazard.load(folder)
        return self

    def _fitted(self) -> LinearHazard:
        if self._model is None:
            raise NotFittedError("ClinicalCox predicts only after 'fit' or 'load'")
        return self._model
