"""Linear survival support vector machines of scikit-survival: they rank patients, and give no survival curves."""

from __future__ import annotations

from typing import Literal, Self, Unpack, get_args

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.errors import UnknownNameError
from survbench.models.events import require_events
from survbench.models.learners.linear import LinearMethod, LinearModel
from survbench.models.learners.table_learner import Columns

Objective = Literal["regression", "ranking", "minlip"]


class SurvivalSVM(LinearMethod):
    """Drops redundant features, then fits a linear support vector machine on the others and the clinical columns.

    Args:
        objective: ``regression`` of log time, where a censored patient costs only if predicted too early (squared loss
            in the place of the absolute one of Shivaswamy et al., ICDM 2007; Poelsterl et al., ECML PKDD 2015);
            ``ranking`` of pairs (Van Belle et al., CIMED 2007; Poelsterl et al.); ``minlip``, the smoothest function
            that keeps the order of neighbouring pairs (Van Belle et al., JMLR 12, 2011).
        penalty: weight of the errors against the size of the coefficients.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        objective: Objective = "regression",
        penalty: float = 1.0,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.objective = objective
        self.penalty = penalty

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and fit, on the training fold alone."""
        if self.objective not in get_args(Objective):
            raise UnknownNameError("objective", self.objective, get_args(Objective), see="the method's page")
        require_events(train, what="a survival support vector machine")
        design = self._design(train)
        values = design.matrix(train)
        coefficients = np.zeros(values.shape[1])
        if values.any():
            ctx.check_deadline()
            coefficients = self._coefficients(values, train, seed=ctx.seeds.of("svm"))
        self._model = LinearModel(design, coefficients)
        return self

    def _coefficients(self, values: NDArray[np.float64], train: Cohort, *, seed: int) -> NDArray[np.float64]:
        """Return the coefficients of the risk, shape (p,)."""
        from sksurv.svm import FastSurvivalSVM, MinlipSurvivalAnalysis
        from sksurv.util import Surv

        outcome = Surv.from_arrays(train.event, train.time)
        if self.objective == "minlip":
            minlip = MinlipSurvivalAnalysis(alpha=self.penalty).fit(values, outcome)
            # a linear kernel: the sum over training patients is one vector of coefficients
            risk: NDArray[np.float64] = -(minlip.coef_ @ minlip.X_fit_).ravel()
            return risk
        ranks = self.objective == "ranking"
        machine = FastSurvivalSVM(
            alpha=self.penalty,
            rank_ratio=1.0 if ranks else 0.0,
            fit_intercept=not ranks,
            max_iter=1000,
            tol=1e-6,
            random_state=seed,
        ).fit(values, outcome)
        # both objectives predict a time, or its order: a lower one is a higher risk
        return np.asarray(-machine.coef_, dtype=np.float64)
