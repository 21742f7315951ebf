"""Boosted Cox models of scikit-survival: with trees, or with one column at a time."""

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
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.linear import LinearHazardMethod, LinearModel
from survbench.models.learners.table_learner import Columns, TableLearner
from survbench.models.learners.trees import Trees
from survbench.statistics.baseline_hazard import Baseline


@dataclass(frozen=True, slots=True)
class _Boosted:
    """A fitted ensemble: ``value`` is what a leaf adds to the log hazard."""

    design: Design
    trees: Trees
    value: NDArray[np.float64]
    baseline: Baseline


class GradientBoostingCox(TableLearner):
    """Drops redundant features, then boosts regression trees with the Cox loss on the others and the clinical columns.

    Friedman, Ann Stat 29(5), 2001; the Cox loss is Ridgeway's (1999). The number of trees is fixed: no patient is set
    aside to stop early.

    Args:
        trees: number of trees.
        learning_rate: factor by which each tree's contribution is shrunk.
        depth: largest depth of a tree.
        subsample: share of the patients that each tree sees.
        leaf: fewest patients of a leaf.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        trees: int = 100,
        learning_rate: float = 0.05,
        depth: int = 2,
        subsample: float = 0.5,
        leaf: int = 5,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.trees = trees
        self.learning_rate = learning_rate
        self.depth = depth
        self.subsample = subsample
        self.leaf = leaf
        self._model: _Boosted | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and grow the trees, on the training fold alone."""
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis
        from sksurv.util import Surv

        require_events(train, what="a boosted Cox model")
        design = self._design(train)
        matrix = design.matrix(train)
        boosted = GradientBoostingSurvivalAnalysis(
            n_estimators=self.trees,
            learning_rate=self.learning_rate,
            max_depth=self.depth,
            subsample=self.subsample,
            min_samples_leaf=self.leaf,
            max_features="sqrt",
            random_state=ctx.seeds.of("boosting"),
        )
        boosted.fit(matrix, Surv.from_arrays(train.event, train.time), monitor=lambda *_: ctx.check_deadline())
        estimators = [tree.tree_ for tree in boosted.estimators_[:, 0]]
        trees = Trees.of(estimators)
        value = self.learning_rate * np.concatenate([np.asarray(tree.value)[:, 0, 0] for tree in estimators])
        baseline = Baseline.fit(train.time, train.event, trees.sum_of(value, matrix))
        self._model = _Boosted(design, trees, value, baseline)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the log hazard ratio, shape (n,)."""
        model = self._fitted()
        return model.trees.sum_of(model.value, model.design.matrix(cohort))

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months) by Breslow's baseline, shape (n, len(times))."""
        return self._fitted().baseline.survival(self.predict_risk(cohort), times)

    def selected(self) -> Mapping[str, float]:
        """Return the share of all splits that each column makes, by name. It has no sign."""
        model = self._fitted()
        return dict(zip(model.design.columns, model.trees.split_shares(len(model.design.columns)), strict=True))

    def save(self, folder: Path) -> None:
        """Write ``model.json`` (design, baseline) and the trees as plain arrays."""
        model = self._fitted()
        content = {"design": model.design.to_json(), "baseline": model.baseline.to_json()}
        (folder / "model.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        np.savez_compressed(folder / "trees.npz", **{**model.trees.arrays(), "value": model.value})

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        raw: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        with np.load(folder / "trees.npz", allow_pickle=False) as arrays:
            trees = Trees.from_arrays(arrays)
            value = arrays["value"]
        self._model = _Boosted(Design.from_json(raw["design"]), trees, value, Baseline.from_json(raw["baseline"]))
        return self

    def _fitted(self) -> _Boosted:
        if self._model is None:
            raise NotFittedError("GradientBoostingCox predicts after 'fit' or 'load'")
        return self._model


class ComponentwiseBoosting(LinearHazardMethod):
    """Drops redundant features, then boosts a Cox model by one column at a time: a linear model of few columns.

    Hothorn et al., Biostatistics 7(3), 2006.

    Args:
        steps: number of steps; each updates one column.
        learning_rate: factor by which each step is shrunk.
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        steps: int = 100,
        learning_rate: float = 0.1,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.steps = steps
        self.learning_rate = learning_rate

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and boost, on the training fold alone."""
        from sksurv.ensemble import ComponentwiseGradientBoostingSurvivalAnalysis
        from sksurv.util import Surv

        require_events(train, what="a boosted Cox model")
        design = self._design(train)
        matrix = design.matrix(train)
        varying = np.ptp(matrix, axis=0) > 0
        coefficients = np.zeros(matrix.shape[1])
        if varying.any():
            boosted = ComponentwiseGradientBoostingSurvivalAnalysis(
                n_estimators=self.steps,
                learning_rate=self.learning_rate,
                random_state=ctx.seeds.of("boosting"),
            )
            ctx.check_deadline()
            boosted.fit(matrix[:, varying], Surv.from_arrays(train.event, train.time))
            coefficients[varying] = boosted.coef_[1:]  # the first is the intercept
        self._model = LinearModel.cox(design, coefficients, train)
        return self
