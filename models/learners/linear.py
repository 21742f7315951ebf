"""Linear models: design, coefficients and, for a Cox model, the baseline hazard; one readable file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.learners.design import Design
from survbench.models.learners.table_learner import TableLearner
from survbench.statistics.baseline_hazard import Baseline

FILE = "model.json"


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A risk that is linear in the columns of a design.

    With a baseline hazard it is a Cox model, ``h(t | x) = h0(t) exp(beta x)``; without one it only ranks patients.
    """

    design: Design
    coefficients: NDArray[np.float64]
    baseline: Baseline | None = None

    @classmethod
    def cox(cls, design: Design, coefficients: NDArray[np.float64], train: Cohort) -> Self:
        """Return the Cox model with these coefficients, and the baseline hazard that belongs to them on ``train``."""
        risk = design.matrix(train) @ coefficients
        return cls(design, coefficients, Baseline.fit(train.time, train.event, risk))

    @property
    def weights(self) -> Mapping[str, float]:
        """Coefficients by column, per unit of the design; log hazard ratios in a Cox model."""
        return {name: float(c) for name, c in zip(self.design.columns, self.coefficients, strict=True)}

    def risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the linear predictor, shape (n,)."""
        risk: NDArray[np.float64] = self.design.matrix(cohort) @ self.coefficients
        return risk

    def survival(self, cohort: UnlabelledCohort, months: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``months``, shape (n, len(months)).

        Raises:
            ValueError: the model has no baseline hazard.
        """
        if self.baseline is None:
            raise ValueError("a model without a baseline hazard predicts no survival curves")
        return self.baseline.survival(self.risk(cohort), months)

    def save(self, folder: Path) -> None:
        """Write ``model.json``: design, coefficients by name, and the baseline hazard or null."""
        content = {
            "design": self.design.to_json(),
            "coefficients": [[n, float(c)] for n, c in zip(self.design.columns, self.coefficients, strict=True)],
            "baseline": self.baseline and self.baseline.to_json(),
        }
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore the file written by :meth:`save`."""
        raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        coefficients = np.array([c for _, c in raw["coefficients"]], dtype=np.float64)
        baseline = raw["baseline"] and Baseline.from_json(raw["baseline"])
        return cls(Design.from_json(raw["design"]), coefficients, baseline)


class LinearMethod(TableLearner):
    """What methods with a linear model share once they are fitted; ``fit`` sets ``_model``."""

    _model: LinearModel | None = None

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the linear predictor, shape (n,)."""
        return self._fitted().risk(cohort)

    def selected(self) -> Mapping[str, float]:
        """Return the coefficients by column: per standard deviation of a feature or number, and from the lowest to the
        highest level of a clinical scale. Those of a Cox model are log hazard ratios.
        """
        return self._fitted().weights

    def save(self, folder: Path) -> None:
        """Write the model, with the chosen columns and their coefficients by name, as JSON."""
        self._fitted().save(folder)

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        self._model = LinearModel.load(folder)
        return self

    def _fitted(self) -> LinearModel:
        if self._model is None:
            raise NotFittedError(f"{type(self).__name__} predicts after 'fit' or 'load'")
        return self._model


class LinearHazardMethod(LinearMethod):
    """A linear method whose model is a Cox model, and so gives survival curves."""

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times))."""
        return self._fitted().survival(cohort, times)
