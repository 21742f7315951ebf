"""Cox proportional hazards on the columns of a source."""

from __future__ import annotations

from typing import Self

import numpy as np
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.linear import LinearHazardMethod, LinearModel

RIDGE = 1e-3
"""Per patient; it keeps coefficients finite where a column separates patients with events from the others, and moves
no other coefficient much."""


class Cox(LinearHazardMethod):
    """Drops redundant features, then fits a Cox model with Efron's ties and a trace of ridge penalty.

    Args:
        source: name of the source of the columns, one of :data:`survbench.features.sources.SOURCES`.
        redundancy: largest ``|Spearman's rho|`` that two features may have; clinical columns are exempt.
        screening: false-discovery rate (Benjamini and Hochberg) of a univariate Cox test before that; None for no test.
        ridge: L2 penalty per patient.
    """

    def __init__(
        self,
        *,
        source: str = "clinical",
        redundancy: float = 0.7,
        screening: float | None = None,
        ridge: float = RIDGE,
    ) -> None:
        self.source = source
        self.redundancy = redundancy
        self.screening = screening
        self.ridge = ridge

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Fit encoding, coefficients and baseline hazard."""
        from sksurv.linear_model import CoxPHSurvivalAnalysis
        from sksurv.util import Surv

        require_events(train, what="a Cox model")
        design = Design.fit(train, source=self.source, redundancy=self.redundancy, screening=self.screening)
        values = design.matrix(train)
        # a column that is constant in this fold carries no information; its coefficient is 0
        varying = np.ptp(values, axis=0) > 0
        coefficients = np.zeros(values.shape[1])
        if varying.any():
            cox = CoxPHSurvivalAnalysis(alpha=self.ridge * len(train), ties="efron")
            with np.errstate(
                over="ignore"
            ):  # in its own baseline, which is not used, where columns separate the events
                cox.fit(values[:, varying], Surv.from_arrays(train.event, train.time))
            coefficients[varying] = cox.coef_
        self._model = LinearModel.cox(design, coefficients, train)
        return self
