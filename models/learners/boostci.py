"""Boosting of the C-index (Mayr and Schmid, PLoS ONE 9(1), 2014)."""

from __future__ import annotations

from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.models.events import require_events
from survbench.models.learners.censoring import uno_weights
from survbench.models.learners.linear import LinearMethod, LinearModel
from survbench.models.learners.selection_folds import selection_folds
from survbench.models.learners.table_learner import Columns

INNER_FOLDS = 5


class BoostCI(LinearMethod):
    """Drops redundant features, then boosts the smoothed C-index by one column at a time: a linear model.

    The C-index is Uno's, and a sigmoid takes the place of the comparison of two risks. The number of steps is the one
    whose smoothed C-index is best on patients of inner folds.

    Args:
        steps: largest number of steps; each updates one column.
        learning_rate: factor by which each step is shrunk.
        sigma: width of the sigmoid, in units of the risk.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self, *, steps: int = 500, learning_rate: float = 0.1, sigma: float = 0.1, **columns: Unpack[Columns]
    ) -> None:
        super().__init__(**columns)
        self.steps = steps
        self.learning_rate = learning_rate
        self.sigma = sigma

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features, choose the number of steps and boost, on the training fold alone."""
        require_events(train, what="choosing the number of steps by inner folds")
        design = self._design(train)
        x = design.matrix(train)
        weights = uno_weights(train.time, train.event)
        folds = selection_folds(train.event, [s.patient for s in train.subjects], most=INNER_FOLDS)
        scores = np.zeros(self.steps + 1)
        for fold in np.unique(folds):
            kept, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            pairs = weights[np.ix_(held, held)]
            for step, coefficients in enumerate(self._path(x[kept], weights[np.ix_(kept, kept)], ctx)):
                scores[step] += smoothed_concordance(x[held] @ coefficients, pairs, sigma=self.sigma)
        self._model = LinearModel(design, self._path(x, weights, ctx)[int(np.argmax(scores))])
        return self

    def _path(self, x: NDArray[np.float64], weights: NDArray[np.float64], ctx: Context) -> NDArray[np.float64]:
        """Return the coefficients after each step, the first before any, shape (steps + 1, p)."""
        centred = x - x.mean(axis=0)
        squares, varying = (centred**2).sum(axis=0), np.ptp(x, axis=0) > 0
        coefficients, risk = np.zeros(x.shape[1]), np.zeros(len(x))
        path = [coefficients]
        for _ in range(self.steps):
            ctx.check_deadline()
            # per patient and in units of sigma, so that a step is as long whatever the number of patients
            ascent = len(x) * self.sigma * concordance_gradient(risk, weights, sigma=self.sigma)
            slopes = np.divide(centred.T @ ascent, squares, out=np.zeros(len(squares)), where=varying)
            best = int(np.argmax(slopes**2 * squares)) if len(squares) else 0
            coefficients = coefficients.copy()
            coefficients[best : best + 1] += self.learning_rate * slopes[best : best + 1]
            risk = centred @ coefficients
            path.append(coefficients)
        return np.array(path)


def smoothed_concordance(risk: NDArray[np.float64], weights: NDArray[np.float64], *, sigma: float) -> float:
    """Return the smoothed C-index times the sum of the weights: Uno's as sigma goes to 0.

    Args:
        risk: shape (n,).
        weights: of pairs whose row has the earlier event, shape (n, n).
        sigma: width of the sigmoid.
    """
    from scipy.special import expit

    rows = np.flatnonzero(weights.any(axis=1))
    return float((weights[rows] * expit((risk[rows, None] - risk[None, :]) / sigma)).sum())


def concordance_gradient(
    risk: NDArray[np.float64], weights: NDArray[np.float64], *, sigma: float
) -> NDArray[np.float64]:
    """Return the gradient by the risks of :func:`smoothed_concordance` over the sum of the weights, shape (n,)."""
    from scipy.special import expit

    rows = np.flatnonzero(weights.any(axis=1))
    share = expit((risk[rows, None] - risk[None, :]) / sigma)
    slope = weights[rows] * share * (1 - share) / sigma
    gradient = -slope.sum(axis=0)
    gradient[rows] += slope.sum(axis=1)
    return np.asarray(gradient / max(float(weights.sum()), np.finfo(float).tiny), dtype=np.float64)
