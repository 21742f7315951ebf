"""Least-squares survival support vector machine: ranking and regression (Van Belle et al., Stat Med 29(2), 2010)."""

from __future__ import annotations

from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.models.events import require_events
from survbench.models.learners.linear import LinearMethod, LinearModel
from survbench.models.learners.table_learner import Columns


class SurvivalLSSVM(LinearMethod):
    """Drops redundant features, then fits a linear least-squares support vector machine on the others and the clinical
    columns. It has squared errors of log time for patients with an event, and of the difference of log time between
    each patient and the last one before who had an event.

    The published machine has a kernel; with a linear one it is the linear system in the coefficients that is solved
    here.

    Args:
        ranking: weight of the squared errors of differences against the squared length of the coefficients.
        regression: weight of the squared errors of log time.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(self, *, ranking: float = 1.0, regression: float = 1.0, **columns: Unpack[Columns]) -> None:
        super().__init__(**columns)
        self.ranking = ranking
        self.regression = regression

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and solve the system, on the training fold alone."""
        require_events(train, what="a least-squares support vector machine")
        design = self._design(train)
        ctx.check_deadline()
        weights, _ = ranking_and_regression(
            design.matrix(train), train.time, train.event, ranking=self.ranking, regression=self.regression
        )
        # a later time is a lower risk
        self._model = LinearModel(design, -weights)
        return self


def ranking_and_regression(
    x: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_], *, ranking: float, regression: float
) -> tuple[NDArray[np.float64], float]:
    """Return coefficients, shape (p,), and the intercept: the minimum of ``|w|^2 + ranking * sum of squared errors of
    differences + regression * sum of squared errors of log time``.

    Args:
        x: columns, shape (n, p).
        time: months, shape (n,).
        event: shape (n,), with at least one event.
        ranking: see :class:`SurvivalLSSVM`.
        regression: see :class:`SurvivalLSSVM`; above 0.
    """
    later, earlier = neighbours(time, event)
    target = np.log(time)
    rows = np.vstack(
        [
            np.sqrt(ranking) * np.column_stack([x[later] - x[earlier], np.zeros(len(later))]),
            np.sqrt(regression) * np.column_stack([x[event], np.ones(int(event.sum()))]),
        ]
    )
    wanted = np.concatenate([np.sqrt(ranking) * (target[later] - target[earlier]), np.sqrt(regression) * target[event]])
    length = np.diag([*np.ones(x.shape[1]), 0.0])
    solution = np.linalg.solve(length + rows.T @ rows, rows.T @ wanted)
    return solution[:-1], float(solution[-1])


def neighbours(time: NDArray[np.float64], event: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return two arrays of rows: patients, and for each the last one who had an event at an earlier time.

    Of events at the same time the first row is taken. Patients before the first event have no such neighbour.
    """
    order = np.flatnonzero(event)[np.argsort(time[event], kind="stable")]
    times, first = np.unique(time[order], return_index=True)
    before = np.searchsorted(times, time, side="left") - 1
    later = np.flatnonzero(before >= 0)
    return later, order[first[before[later]]]
