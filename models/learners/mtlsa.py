"""Multi-task learning for survival analysis (Li et al., KDD 2016): one linear task for each interval of time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.features.scaling import sd_or_one
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.selection_folds import selection_folds
from survbench.models.learners.shrink_rows import shrink_rows
from survbench.models.learners.table_learner import Columns, TableLearner
from survbench.models.learners.time_edges import time_edges

FILE = "model.json"
INNER_FOLDS = 5
SMALLEST_PENALTY = 0.01
"""The path ends at this share of the penalty that removes all columns, as published."""
RHO = 1.0
"""Weight of the augmented Lagrangian; it changes the number of iterations, not the optimum."""
INNER_STEPS = 20


@dataclass(frozen=True, slots=True)
class Tasks:
    """What is known of patients at the end of each interval, both of shape (n, K).

    Attributes:
        alive: 1 where the patient is free of the event, 0 elsewhere.
        observed: 1 where that is known, 0 after censoring.
    """

    alive: NDArray[np.float64]
    observed: NDArray[np.float64]

    @classmethod
    def of(cls, time: NDArray[np.float64], event: NDArray[np.bool_], edges: NDArray[np.float64]) -> Self:
        """Return the tasks of patients with these outcomes."""
        later = time[:, None] > edges
        alive = later | ((time[:, None] == edges) & ~event[:, None])
        return cls(alive.astype(np.float64), (alive | event[:, None]).astype(np.float64))

    def take(self, rows: NDArray[np.bool_]) -> Self:
        """Return the tasks of these patients."""
        return type(self)(self.alive[rows], self.observed[rows])


@dataclass(frozen=True, slots=True)
class _Fitted:
    design: Design
    edges: NDArray[np.float64]
    coefficients: NDArray[np.float64]


class MTLSA(TableLearner):
    """Drops redundant features, then fits one linear model of being free of the event for each interval of time.

    The models are fitted together: a column is kept for all intervals or for none (L2,1 norm), and what is predicted
    for a patient is not negative and does not rise. Ends of intervals are quantiles of the event times. Inner folds
    choose the penalty by the squared error.

    Args:
        ridge: weight of the squared coefficients, per patient.
        penalties: number of penalties of the path.
        iterations: most iterations of the alternating direction method for each penalty.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self, *, ridge: float = 0.01, penalties: int = 20, iterations: int = 100, **columns: Unpack[Columns]
    ) -> None:
        super().__init__(**columns)
        self.ridge = ridge
        self.penalties = penalties
        self.iterations = iterations
        self._fitted: _Fitted | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features, choose the penalty and fit, on the training fold alone."""
        require_events(train, what="choosing the penalty by inner folds")
        design = self._design(train)
        matrix = design.matrix(train)
        spread = sd_or_one(matrix)
        x = _with_intercept((matrix - matrix.mean(axis=0)) / spread)
        edges = time_edges(train.time, train.event)
        tasks = Tasks.of(train.time, train.event, edges)
        penalties = largest_penalty(x, tasks) * np.geomspace(1.0, SMALLEST_PENALTY, self.penalties)
        folds = selection_folds(train.event, [s.patient for s in train.subjects], most=INNER_FOLDS)
        errors = np.zeros(self.penalties)
        for fold in np.unique(folds):
            held = folds == fold
            left = tasks.take(held)
            for i, coefficients in enumerate(self._path(x[~held], tasks.take(~held), penalties, ctx)):
                errors[i] += (left.observed * (left.alive - monotone(x[held] @ coefficients)) ** 2).sum()
        chosen = self._path(x, tasks, penalties[: int(np.argmin(errors)) + 1], ctx)[-1]
        slopes = chosen[1:] / spread[:, None]
        intercept = chosen[0] - matrix.mean(axis=0) @ slopes
        self._fitted = _Fitted(design, edges, np.vstack([intercept, slopes]))
        return self

    def _path(
        self, x: NDArray[np.float64], tasks: Tasks, penalties: NDArray[np.float64], ctx: Context
    ) -> list[NDArray[np.float64]]:
        """Return the coefficients at each penalty (largest first), each fit starting where the one before ended."""
        solver = Solver(x, tasks, ridge=self.ridge * len(x))
        path = []
        for penalty in penalties:
            ctx.check_deadline()
            path.append(solver.solve(penalty * len(x), iterations=self.iterations))
        return path

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return minus the sum over the intervals of what is predicted, shape (n,)."""
        risk: NDArray[np.float64] = -self._at_edges(cohort).sum(axis=1)
        return risk

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times)): linear between edges, level after the last."""
        edges = np.concatenate([[0.0], self._require().edges])
        curves = np.minimum(self._at_edges(cohort), 1.0)
        rows = [np.interp(times, edges, np.concatenate([[1.0], curve])) for curve in curves]
        return np.array(rows, dtype=np.float64).reshape(len(cohort), len(times))

    def selected(self) -> Mapping[str, float]:
        """Return minus the sum over the intervals of each column's coefficients, by name: positive is a higher risk."""
        fitted = self._require()
        weights = -fitted.coefficients[1:].sum(axis=1)
        return dict(zip(fitted.design.columns, map(float, weights), strict=True))

    def save(self, folder: Path) -> None:
        """Write ``model.json``: design, edges, and coefficients with the intercepts first."""
        fitted = self._require()
        content = {
            "design": fitted.design.to_json(),
            "edges": fitted.edges.tolist(),
            "coefficients": fitted.coefficients.tolist(),
        }
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        edges, coefficients = (np.array(raw[name], dtype=np.float64) for name in ("edges", "coefficients"))
        self._fitted = _Fitted(Design.from_json(raw["design"]), edges, coefficients)
        return self

    def _at_edges(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        fitted = self._require()
        return monotone(_with_intercept(fitted.design.matrix(cohort)) @ fitted.coefficients)

    def _require(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError("MTLSA predicts after 'fit' or 'load'")
        return self._fitted


class Solver:
    """Minimises half the squared error of what is known, the ridge penalty and the L2,1 norm, where the predictions are
    not negative and do not rise: alternating direction method of multipliers, with accelerated proximal steps.

    The first column of ``x`` is the intercept, which is not penalised.
    """

    def __init__(self, x: NDArray[np.float64], tasks: Tasks, *, ridge: float) -> None:
        self._x = x
        self._tasks = tasks
        self._gram = RHO * (x.T @ x) if x.shape[1] <= len(x) else None  # with few patients, two products are cheaper
        self._ridge = np.full((x.shape[1], 1), ridge)
        self._ridge[0] = 0.0
        self._step = 1.0 / (RHO * float(np.linalg.norm(x, 2)) ** 2 + ridge)
        self._coefficients = np.zeros((x.shape[1], tasks.alive.shape[1]))
        self._dual = np.zeros_like(tasks.alive)

    def solve(self, penalty: float, *, iterations: int, tolerance: float = 1e-4) -> NDArray[np.float64]:
        """Return the coefficients, shape (p, K), starting from those of the last call.

        Args:
            penalty: weight of the L2,1 norm.
            iterations: most iterations.
            tolerance: it ends where predictions and their projection differ by less, and change by less, on average.
        """
        known, alive = self._tasks.observed, self._tasks.alive
        predicted = self._x @ self._coefficients
        for _ in range(iterations):
            weights = known + RHO
            allowed = monotone((known * alive + RHO * (predicted + self._dual)) / weights, weights)
            self._coefficients = self._regress(allowed - self._dual, penalty)
            before, predicted = predicted, self._x @ self._coefficients
            self._dual = self._dual + predicted - allowed
            apart = max(float(np.abs(predicted - allowed).mean()), float(np.abs(predicted - before).mean()))
            if apart < tolerance:
                break
        return self._coefficients

    def _regress(self, target: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
        """Return the coefficients of the penalised regression of ``target``, by accelerated proximal gradient."""
        moment = RHO * (self._x.T @ target)
        point = coefficients = self._coefficients
        momentum = 1.0
        for _ in range(INNER_STEPS):
            curved = RHO * (self._x.T @ (self._x @ point)) if self._gram is None else self._gram @ point
            gradient = curved - moment + self._ridge * point
            after = point - self._step * gradient
            after[1:] = shrink_rows(after[1:], self._step * penalty)
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            point = after + (momentum - 1) / following * (after - coefficients)
            coefficients, momentum = after, following
        return coefficients


def monotone(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the nearest rows that are not negative and do not rise, by weighted squared distance, shape (n, K).

    Isotonic regression by its min-max formula: the value at k is the least over starts up to k of the greatest over
    ends from k on of the weighted mean between them.

    Args:
        values: shape (n, K).
        weights: shape (n, K), positive; all equal if None.
    """
    weights = np.ones_like(values) if weights is None else weights
    number = np.arange(values.shape[1])
    ends = np.cumsum(weights * values, axis=1)[:, None, :] - np.cumsum(weights * values, axis=1)[:, :, None]
    masses = np.cumsum(weights, axis=1)[:, None, :] - np.cumsum(weights, axis=1)[:, :, None]
    # from the start a to the end b, both included
    ends, masses = ends + (weights * values)[:, :, None], masses + weights[:, :, None]
    backwards = number[:, None] > number[None, :]
    means = np.where(backwards, -np.inf, ends / np.where(backwards, 1.0, masses))
    greatest = np.maximum.accumulate(means[:, :, ::-1], axis=2)[:, :, ::-1]
    nearest: NDArray[np.float64] = np.where(backwards, np.inf, greatest).min(axis=1)
    return np.maximum(nearest, 0.0)


def largest_penalty(x: NDArray[np.float64], tasks: Tasks) -> float:
    """Return the penalty, per patient, from which on no column is kept."""
    seen = tasks.observed.sum(axis=0)
    mean = np.divide((tasks.observed * tasks.alive).sum(axis=0), seen, out=np.zeros(len(seen)), where=seen > 0)
    gradient = x[:, 1:].T @ (tasks.observed * (tasks.alive - monotone(mean[None], np.maximum(seen, 1e-9)[None])))
    return float(np.linalg.norm(gradient, axis=1).max(initial=0.0)) / len(x)


def _with_intercept(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(matrix)), matrix])
