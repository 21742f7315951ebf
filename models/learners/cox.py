"""Cox proportional hazards on the columns of a source."""

from __future__ import annotations

from typing import Self, Unpack

import numpy as np
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.models.events import require_events
from survbench.models.learners.linear import LinearHazardMethod, LinearModel
from survbench.models.learners.table_learner import Columns

RIDGE = 1e-3
"""Per patient; it keeps coefficients finite where a column separates patients with events from the others, and moves
no other coefficient much."""


class Cox(LinearHazardMethod):
    """Drops redundant features, then fits a Cox model with Efron's ties and a trace of ridge penalty.

    Args:
        ridge: L2 penalty per patient.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        ridge: float = RIDGE,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.ridge = ridge

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Fit encoding, coefficients and baseline hazard."""
        from sksurv.linear_model import CoxPHSurvivalAnalysis
        from sksurv.util import Surv

        require_events(train, what="a Cox model")
        design = self._design(train)
        values = design.matrix(train)
        # a column that is constant in this fold carries no information; its coefficient is 0
        varying = np.ptp(values, axis=0) > 0
        coefficients = np.zeros(values.shape[1])
        if varying.any():
            cox = CoxPHSurvivalAnalysis(alpha=self.ridge * len(train), ties="efron")
            # where columns separate the events, the library's own baseline overflows, which is not used
            with np.errstate(over="ignore"):
                cox.fit(values[:, varying], Surv.from_arrays(train.event, train.time))
            coefficients[varying] = cox.coef_
        self._model = LinearModel.cox(design, coefficients, train)
        return self
