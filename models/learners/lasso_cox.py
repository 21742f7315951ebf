"""Lasso-Cox on features and clinical columns (Tibshirani, Stat Med 16(4), 1997; DeepMTS, section 4.4)."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, get_args

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.errors import UnknownNameError
from survbench.features.scaling import sd_or_one
from survbench.models.events import require_events
from survbench.models.learners.linear import LinearHazardMethod, LinearModel
from survbench.models.learners.selection_folds import selection_folds
from survbench.models.learners.table_learner import Columns

if TYPE_CHECKING:
    from sksurv.linear_model import CoxnetSurvivalAnalysis

Rule = Literal["best", "one-standard-error"]
INNER_FOLDS = 10
"""As in cv.glmnet; fewer if fewer patients have an event."""
PENALTIES = 100
SMALLEST_PENALTY = 0.05
"""The path ends at this share of the penalty that removes all features: below it, fits with few events diverge."""
TOLERANCE = 1e-8
"""At scikit-survival's default (1e-7) coefficients differ from glmnet's by up to 2e-3; at 1e-8 by up to 5e-4, at twice
the run time."""


class LassoCox(LinearHazardMethod):
    """Drops redundant features, then fits a Lasso-Cox on the others and the clinical columns.

    The penalty is chosen by the cross-validated partial likelihood (Verweij and van Houwelingen 1993, cv.glmnet's
    deviance).

    Args:
        l1_ratio: share of the L1 norm in the penalty, from above 0 to 1. At 1 the model is the Lasso, below it is the
            elastic net (Simon et al., J Stat Softw 39(5), 2011), which keeps correlated features together.
        rule: ``best`` takes the penalty of the highest likelihood (``lambda.min``), ``one-standard-error`` the largest
            one whose likelihood is within a standard error of it (``lambda.1se``). The latter keeps nothing in most
            fits of ``hn_petct``, ``nsclc_pet``, DESIGN and the phantom's deep features (measured in
            docs/explanation/feature-models.md), so no row uses it by default.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        l1_ratio: float = 1.0,
        rule: Rule = "best",
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.l1_ratio = l1_ratio
        self.rule = rule

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and fit, using only the training fold."""
        if self.rule not in get_args(Rule):
            raise UnknownNameError("rule", self.rule, get_args(Rule), see="the method's page")
        require_events(train, what="choosing the penalty by inner folds")
        design = self._design(train)
        matrix = design.matrix(train)
        spread = sd_or_one(matrix)
        groups = [s.patient for s in train.subjects]
        coefficients = (
            lasso(matrix / spread, train.time, train.event, rule=self.rule, l1_ratio=self.l1_ratio, groups=groups)
            / spread
        )
        # features that the Lasso left out need no place in the model
        count = len(design.features)
        chosen = [n for n in range(count) if coefficients[n] != 0]
        columns = [*chosen, *range(count, len(coefficients))]
        self._model = LinearModel.cox(design.keep(chosen), coefficients[columns], train)
        return self


def lasso(
    design: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    *,
    rule: Rule = "best",
    l1_ratio: float = 1.0,
    groups: Sequence[Hashable] | None = None,
) -> NDArray[np.float64]:
    """Return the Lasso-Cox coefficients at the penalty chosen by cross-validation.

    Args:
        design: standardised columns, shape (n, p).
        time: months, shape (n,).
        event: shape (n,), with at least two events.
        rule: see :class:`LassoCox`.
        l1_ratio: see :class:`LassoCox`.
        groups: of each row; rows of one group stay in one inner fold. None: each row is its own.
    """
    from survbench.statistics.metrics import cox_loss

    varying = np.ptp(design, axis=0) > 0
    x = design[:, varying]
    coefficients = np.zeros(design.shape[1])
    if not varying.any():
        return coefficients
    whole = _path(x, time, event, l1_ratio)
    penalties = whole.alphas_
    folds = selection_folds(event, groups or range(len(event)), most=INNER_FOLDS)
    likelihood = np.zeros((len(np.unique(folds)), len(penalties)))
    for fold in np.unique(folds):
        kept = folds != fold
        for i, beta in enumerate(_coefficients(x[kept], time[kept], event[kept], penalties, l1_ratio).T):
            risk = x @ beta
            on_all = -cox_loss(time, event, risk) * event.sum()
            on_kept = -cox_loss(time[kept], event[kept], risk[kept]) * event[kept].sum()
            likelihood[fold, i] = on_all - on_kept
    coefficients[varying] = whole.coef_[:, _penalty_index(likelihood, rule)]
    return coefficients


def _coefficients(
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    penalties: NDArray[np.float64],
    l1_ratio: float,
) -> NDArray[np.float64]:
    """Return the coefficients at given penalties (largest first), shape (p, penalties).

    scikit-survival stops a path that begins with empty models or explains everything. It therefore gets only penalties
    below the largest relevant one for these patients; if its path ends early, the last model is used for the rest.
    """
    coefficients = np.zeros((x.shape[1], len(penalties)))
    if not np.ptp(x, axis=0).any() or not event.any():
        return coefficients
    largest = _fitted_path(x, time, event, l1_ratio, n_alphas=2, alpha_min_ratio=0.9).alphas_[0]
    below = np.flatnonzero(penalties < largest)
    if below.size:
        found = _path(x, time, event, l1_ratio, penalties[below]).coef_
        coefficients[:, below] = found[:, np.minimum(np.arange(below.size), found.shape[1] - 1)]
    return coefficients


def _penalty_index(likelihood: NDArray[np.float64], rule: Rule) -> int:
    """Return the chosen penalty's position on the path (largest first); likelihood: shape (folds, penalties)."""
    mean = likelihood.mean(axis=0)
    best = int(np.argmax(mean))  # of equal likelihoods, the largest penalty
    if rule == "best":
        return best
    error = float(likelihood[:, best].std(ddof=1) / np.sqrt(len(likelihood)))
    return int(np.flatnonzero(mean >= mean[best] - error)[0])


def _path(
    x: NDArray[np.float64],
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    l1_ratio: float,
    penalties: NDArray[np.float64] | None = None,
) -> CoxnetSurvivalAnalysis:
    if penalties is not None:
        return _fitted_path(x, time, event, l1_ratio, alphas=penalties)
    return _fitted_path(x, time, event, l1_ratio, n_alphas=PENALTIES, alpha_min_ratio=SMALLEST_PENALTY)


def _fitted_path(
    x: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_], l1_ratio: float, **penalties: Any
) -> CoxnetSurvivalAnalysis:
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="all coefficients are zero")  # the path begins there
        path = CoxnetSurvivalAnalysis(l1_ratio=l1_ratio, tol=TOLERANCE, max_iter=1_000_000, **penalties)
        return path.fit(x, Surv.from_arrays(event, time))
