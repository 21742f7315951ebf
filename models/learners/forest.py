"""Random survival forest (Ishwaran et al., Ann Appl Stat 2(3), 2008) on features and clinical columns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.table_learner import Columns, TableLearner
from survbench.models.learners.trees import LEAF, Trees

if TYPE_CHECKING:
    from sksurv.ensemble import RandomSurvivalForest


@dataclass(frozen=True, slots=True)
class _Forest:
    """A fitted forest.

    Attributes:
        trees: their splits.
        hazard: cumulative hazard of the leaves' patients, shape (nodes, len(times)); 0 at inner nodes.
        times: months of the events.
    """

    trees: Trees
    hazard: NDArray[np.float64]
    times: NDArray[np.float64]

    @classmethod
    def of(cls, forest: RandomSurvivalForest) -> Self:
        """Take the trees out of scikit-survival's forest."""
        estimators = [estimator.tree_ for estimator in forest.estimators_]
        trees = Trees.of(estimators)
        # mortality sums over the times of events
        hazard = np.concatenate([np.asarray(tree.value)[:, forest.is_event_time_, 0] for tree in estimators])
        return cls(
            trees,
            hazard=np.where((trees.left == LEAF)[:, None], hazard, 0.0),
            times=np.asarray(forest.unique_times_[forest.is_event_time_], dtype=np.float64),
        )

    def cumulative_hazard(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over trees of the leaves' hazard, shape (n, len(times))."""
        return np.stack([self.hazard[leaves].mean(axis=0) for leaves in self.trees.leaves(matrix)])


class SurvivalForest(TableLearner):
    """Drop redundant features, then grow a forest on the others and the clinical columns.

    As in randomForestSRC: log-rank splitting, 1000 trees (the default when DeepMTS was published), ceil(sqrt(p))
    columns tried per split, leaves of at least 15 patients, and mortality as the risk. scikit-survival differs in two
    respects. It tries every cut of a column, while randomForestSRC tries ten at random (nsplit). It draws patients with
    replacement, while randomForestSRC draws 63.2 % of them without; a full bootstrap has as many distinct patients on
    average, and scikit-survival counts each patient in a leaf once however often drawn.

    Args:
        trees: number of trees (ntree).
        leaf: smallest number of patients in a leaf (nodesize).
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    def __init__(
        self,
        *,
        trees: int = 1000,
        leaf: int = 15,
        **columns: Unpack[Columns],
    ) -> None:
        super().__init__(**columns)
        self.trees = trees
        self.leaf = leaf
        self._fitted: tuple[Design, _Forest] | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and grow the trees, using only the training fold."""
        from sksurv.ensemble import RandomSurvivalForest
        from sksurv.util import Surv

        require_events(train, what="a survival forest")
        design = self._design(train)
        matrix = design.matrix(train)
        forest = RandomSurvivalForest(
            n_estimators=self.trees,
            min_samples_leaf=self.leaf,
            max_features=math.ceil(math.sqrt(matrix.shape[1])),
            random_state=ctx.seeds.of("forest"),
            n_jobs=1,
        )
        forest.fit(matrix, Surv.from_arrays(train.event, train.time))
        self._fitted = design, _Forest.of(forest)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the ensemble mortality: the sum of the cumulative hazard over event times, shape (n,)."""
        design, forest = self._require()
        risk: NDArray[np.float64] = forest.cumulative_hazard(design.matrix(cohort)).sum(axis=1)
        return risk

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return exp(-cumulative hazard) at ``times`` (months), shape (n, len(times))."""
        design, forest = self._require()
        hazard = np.hstack([np.zeros((len(cohort), 1)), forest.cumulative_hazard(design.matrix(cohort))])
        survival: NDArray[np.float64] = np.exp(-hazard[:, np.searchsorted(forest.times, times, side="right")])
        return survival

    def selected(self) -> Mapping[str, float]:
        """Return the share of all splits made on each column, by name (variable inclusion proportions: Bleich et al.,
        Ann Appl Stat 8(3), 2014). It has no sign and favours columns with many values.
        """
        design, forest = self._require()
        return dict(zip(design.columns, forest.trees.split_shares(len(design.columns)), strict=True))

    def save(self, folder: Path) -> None:
        """Write ``design.json`` and the trees as plain arrays."""
        design, forest = self._require()
        (folder / "design.json").write_text(json.dumps(design.to_json(), indent=1) + "\n", encoding="utf-8")
        trees = forest.trees.arrays()
        np.savez_compressed(folder / "forest.npz", hazard=forest.hazard, times=forest.times, **trees)

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore the files written by :meth:`save`."""
        design = Design.from_json(json.loads((folder / "design.json").read_text(encoding="utf-8")))
        with np.load(folder / "forest.npz", allow_pickle=False) as arrays:
            trees = Trees.from_arrays(arrays)
            self._fitted = design, _Forest(trees, arrays["hazard"], arrays["times"])
        return self

    def _require(self) -> tuple[Design, _Forest]:
        if self._fitted is None:
            raise NotFittedError("SurvivalForest predicts only after 'fit' or 'load'")
        return self._fitted
