"""Support vector regression for censored targets (Shivaswamy et al., ICDM 2007)."""

from __future__ import annotations

import logging
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.errors import BenchError
from survbench.models.events import require_events
from survbench.models.learners.linear import LinearMethod, LinearModel
from survbench.models.learners.table_learner import Columns

TOLERANCE = 1e-7
STEPS = 200_000

log = logging.getLogger(__name__)


class SVCR(LinearMethod):
    """Drops redundant features, then fits a linear support vector regression of log time on the others and the clinical
    columns. A censored patient costs only if predicted earlier than the censoring.

    Args:
        penalty: weight of the sum of the absolute errors against half the squared length of the coefficients.
        epsilon: errors of log time up to this size cost nothing.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(self, *, penalty: float = 1.0, epsilon: float = 0.0, **columns: Unpack[Columns]) -> None:
        super().__init__(**columns)
        self.penalty = penalty
        self.epsilon = epsilon

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and fit, on the training fold alone."""
        require_events(train, what="a support vector regression")
        design = self._design(train)
        ctx.check_deadline()
        weights, _ = censored_regression(
            design.matrix(train), np.log(train.time), train.event, penalty=self.penalty, epsilon=self.epsilon
        )
        # a later time is a lower risk
        self._model = LinearModel(design, -weights)
        return self


def censored_regression(
    x: NDArray[np.float64], target: NDArray[np.float64], event: NDArray[np.bool_], *, penalty: float, epsilon: float
) -> tuple[NDArray[np.float64], float]:
    """Return coefficients, shape (p,), and the intercept of the support vector regression with one-sided errors.

    The quadratic program, with one error ``e >= 0`` a patient: minimise ``|w|^2 / 2 + penalty * sum(e)`` where
    ``x w + b + e >= target - epsilon`` for all, and ``x w + b - e <= target + epsilon`` for patients with an event.

    Args:
        x: columns, shape (n, p).
        target: shape (n,); a lower bound of it for censored patients.
        event: shape (n,).
        penalty: see :class:`SVCR`.
        epsilon: see :class:`SVCR`.

    Raises:
        BenchError: the solver ended without the optimum.
    """
    import osqp
    from scipy import sparse

    n, p = x.shape
    predicted = np.column_stack([x, np.ones(n)])
    errors = sparse.identity(n, format="csc")
    above = np.flatnonzero(event)
    constraints = sparse.vstack(
        [
            sparse.hstack([sparse.csc_matrix(predicted), errors]),
            sparse.hstack([sparse.csc_matrix(predicted[above]), -errors[above]]),
            sparse.hstack([sparse.csc_matrix((n, p + 1)), errors]),
        ],
        format="csc",
    )
    lower = np.concatenate([target - epsilon, np.full(len(above), -np.inf), np.zeros(n)])
    upper = np.concatenate([np.full(n, np.inf), target[above] + epsilon, np.full(n, np.inf)])
    solver = osqp.OSQP()
    solver.setup(
        P=sparse.diags(np.concatenate([np.ones(p), np.zeros(1 + n)]), format="csc"),
        q=np.concatenate([np.zeros(p + 1), np.full(n, penalty)]),
        A=constraints,
        l=lower,
        u=upper,
        eps_abs=TOLERANCE,
        eps_rel=TOLERANCE,
        max_iter=STEPS,
        adaptive_rho_interval=50,  # a count of steps: the solver's clock must not change the result
        polishing=True,
        verbose=False,
    )
    result = solver.solve(raise_error=False)
    if result.info.status not in {"solved", "solved inaccurate"}:
        raise BenchError(
            f"The quadratic program of a support vector regression ended with {result.info.status!r} after "
            f"{result.info.iter} steps. Choose a smaller penalty than {penalty:g}."
        )
    if result.info.status != "solved":
        log.warning("the solver ended near the optimum, not at it: more than %d steps were needed", result.info.iter)
    return np.asarray(result.x[:p], dtype=np.float64), float(result.x[p])
