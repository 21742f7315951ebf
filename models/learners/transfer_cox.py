"""Transfer-Cox (Li et al., ICDM 2016): a Cox model for a few patients that shares its columns with one for many."""

from __future__ import annotations

from collections import Counter
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context
from survbench.cohort import Cohort
from survbench.errors import BenchError
from survbench.features.scaling import sd_or_one
from survbench.models.events import require_events
from survbench.models.learners.linear import LinearHazardMethod, LinearModel
from survbench.models.learners.selection_folds import selection_folds
from survbench.models.learners.shrink_rows import shrink_rows
from survbench.models.learners.table_learner import Columns

INNER_FOLDS = 10
SMALLEST_PENALTY = 0.05
"""The path ends at this share of the penalty that removes all columns."""


class TransferCox(LinearHazardMethod):
    """Drops redundant features, then fits two Cox models on the others and the clinical columns: one for the patients
    of a source centre, one for those of all other centres, the target. A column is kept in both or in neither (L2,1
    norm).

    The source is the cohort's ``reference_centre``, or the centre with the most training patients if the card names
    none. The model of the target is the one that predicts, whatever a patient's centre. Inner folds of the target's
    patients choose the penalty by the target's partial likelihood.

    Args:
        weight: of the target's likelihood against the source's; both are means over patients.
        ridge: L2 penalty of the coefficients.
        penalties: number of penalties of the path.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        weight: float = 1.0,
        ridge: float = 1e-3,
        penalties: int = 30,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.weight = weight
        self.ridge = ridge
        self.penalties = penalties

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features, choose the penalty and fit, on the training fold alone.

        Raises:
            BenchError: the training fold has no patients of the source, or none of another centre, or fewer than two
                events in one of the two.
        """
        require_events(train, what="Transfer-Cox")
        is_source = _source_rows(train)
        target = train.take(np.flatnonzero(~is_source))
        require_events(train.take(np.flatnonzero(is_source)), what="the Cox model of the source centre")
        require_events(target, what="the Cox model of the target's patients")
        design = self._design(train)
        matrix = design.matrix(train)
        spread = sd_or_one(matrix)
        x = matrix / spread
        source = Likelihood(x[is_source], train.time[is_source], train.event[is_source])
        rows = x[~is_source]
        whole = Likelihood(rows, target.time, target.event)
        pair = Pair(source, whole, weight=self.weight, ridge=self.ridge)
        penalties = pair.largest_penalty() * np.geomspace(1.0, SMALLEST_PENALTY, self.penalties)
        folds = selection_folds(target.event, [s.patient for s in target.subjects], most=INNER_FOLDS)
        gained = np.zeros(self.penalties)
        for fold in np.unique(folds):
            kept = folds != fold
            part = Likelihood(rows[kept], target.time[kept], target.event[kept])
            path = Pair(source, part, weight=self.weight, ridge=self.ridge).path(penalties, ctx)
            for i, coefficients in enumerate(path):
                gained[i] += part.loss(coefficients[:, 1]) * kept.sum() - whole.loss(coefficients[:, 1]) * len(kept)
        chosen = pair.path(penalties[: int(np.argmax(gained)) + 1], ctx)[-1]
        self._model = LinearModel.cox(design, chosen[:, 1] / spread, target)
        return self


def _source_rows(train: Cohort) -> NDArray[np.bool_]:
    """Return which patients are of the source centre, shape (n,); of centres of equal size, the first by name."""
    counted = Counter(s.centre for s in train.subjects)
    centres = sorted(counted, key=lambda centre: (-counted[centre], centre))
    source = train.reference_centre or centres[0]
    if source not in counted or len(centres) == 1:
        listed = ", ".join(f"{centre or 'no name'} ({counted[centre]})" for centre in centres)
        advice = "Correct 'reference_centre' in the cohort's card, or use" if train.reference_centre else "Use"
        raise BenchError(
            f"Transfer needs patients of a source centre ({source or 'no name'}) and of another one; this training "
            f"fold of {len(train)} patients has: {listed}. {advice} a profile with other folds."
        )
    return np.array([s.centre == source for s in train.subjects])


class Likelihood:
    """The partial likelihood of some patients, with Breslow's handling of ties.

    Args:
        x: columns, shape (n, p).
        time: months, shape (n,).
        event: shape (n,).
    """

    def __init__(self, x: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_]) -> None:
        order = np.argsort(-time, kind="stable")
        self._x, self._event = x[order], event[order]
        self._last = (np.searchsorted(-time[order], -time[order], side="right") - 1)[self._event]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self._x.shape[1])

    def loss(self, coefficients: NDArray[np.float64]) -> float:
        """Return the negative log partial likelihood per patient."""
        risk = self._x @ coefficients
        return float((np.logaddexp.accumulate(risk)[self._last] - risk[self._event]).sum()) / len(risk)

    def gradient(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient of :meth:`loss`, shape (p,)."""
        risk = self._x @ coefficients
        at_risk = np.logaddexp.accumulate(risk)[self._last]
        # each patient's share of every risk set that it is in; a risk set is all rows up to its last one
        log_sums = np.full(len(risk), -np.inf)
        np.logaddexp.at(log_sums, self._last, -at_risk)
        share = np.exp(risk + np.logaddexp.accumulate(log_sums[::-1])[::-1])
        slope: NDArray[np.float64] = self._x.T @ (share - self._event) / len(risk)
        return slope


class Pair:
    """The objective of two Cox models whose coefficients, shape (p, 2), share their columns.

    Source's loss + ``weight`` x target's + ``ridge`` / 2 x squared coefficients + penalty x L2,1 norm.
    """

    def __init__(self, source: Likelihood, target: Likelihood, *, weight: float, ridge: float) -> None:
        self._source = source
        self._target = target
        self._weight = weight
        self._ridge = ridge

    def smooth(self, coefficients: NDArray[np.float64]) -> float:
        """Return the objective without the L2,1 norm."""
        likelihood = self._source.loss(coefficients[:, 0]) + self._weight * self._target.loss(coefficients[:, 1])
        return likelihood + self._ridge / 2 * float((coefficients**2).sum())

    def gradient(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient of :meth:`smooth`, shape (p, 2)."""
        both = [self._source.gradient(coefficients[:, 0]), self._weight * self._target.gradient(coefficients[:, 1])]
        return np.column_stack(both) + self._ridge * coefficients

    def largest_penalty(self) -> float:
        """Return the penalty from which on no column is kept."""
        nothing = np.zeros((self._target.columns, 2))
        return float(np.linalg.norm(self.gradient(nothing), axis=1).max(initial=0.0))

    def path(self, penalties: NDArray[np.float64], ctx: Context) -> list[NDArray[np.float64]]:
        """Return the coefficients at each penalty (largest first), each fit starting where the one before ended."""
        path, coefficients = [], np.zeros((self._target.columns, 2))
        for penalty in penalties:
            ctx.check_deadline()
            coefficients = self.solve(float(penalty), start=coefficients)
            path.append(coefficients)
        return path

    def solve(
        self, penalty: float, *, start: NDArray[np.float64], steps: int = 1000, tolerance: float = 1e-4
    ) -> NDArray[np.float64]:
        """Return the coefficients at the minimum, by accelerated proximal gradient with backtracking and restarts.

        Args:
            penalty: weight of the L2,1 norm.
            start: where to begin, shape (p, 2).
            steps: most steps.
            tolerance: it ends where no coefficient moves by more.
        """
        coefficients = point = start
        momentum, length = 1.0, 1.0
        for _ in range(steps):
            value, gradient = self.smooth(point), self.gradient(point)
            while True:
                after = shrink_rows(point - length * gradient, length * penalty)
                moved = after - point
                bound = value + float((gradient * moved).sum()) + float((moved**2).sum()) / (2 * length)
                if self.smooth(after) <= bound + 1e-12:
                    break
                length /= 2
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            change = after - coefficients
            # momentum that points uphill is dropped (O'Donoghue and Candes, Found Comput Math 15(3), 2015)
            if float((moved * change).sum()) < 0:
                following, point = 1.0, after
            else:
                point = after + (momentum - 1) / following * change
            coefficients, momentum = after, following
            if np.abs(change).max(initial=0.0) < tolerance * length:
                break
            length *= 1.1  # backtracking alone can only make steps shorter
        return coefficients
