"""A fitted Cox model: design, coefficients and baseline hazard, stored in one readable file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.learners.design import Design
from survbench.statistics.baseline_hazard import Baseline

FILE = "model.json"


@dataclass(frozen=True, slots=True)
class LinearHazard:
    """h(t | x) = h0(t) exp(beta x), where x are the columns of the design."""

    design: Design
    coefficients: NDArray[np.float64]
    baseline: Baseline

    @classmethod
    def fit(cls, design: Design, coefficients: NDArray[np.float64], train: Cohort) -> Self:
        """Return the model with these coefficients and the matching baseline hazard on ``train``."""
        risk = design.matrix(train) @ coefficients
        return cls(design, coefficients, Baseline.fit(train.time, train.event, risk))

    @property
    def weights(self) -> Mapping[str, float]:
        """Coefficients by column: log hazard ratios per unit of the design."""
        return {name: float(c) for name, c in zip(self.design.columns, self.coefficients, strict=True)}

    def risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the linear predictor, shape (n,)."""
        risk: NDArray[np.float64] = self.design.matrix(cohort) @ self.coefficients
        return risk

    def survival(self, cohort: UnlabelledCohort, months: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``months``, shape (n, len(months))."""
        return self.baseline.survival(self.risk(cohort), months)

    def save(self, folder: Path) -> None:
        """Write ``model.json``: design, coefficients by name, baseline hazard."""
        content = {
            "design": self.design.to_json(),
            "coefficients": [[n, float(c)] for n, c in zip(self.design.columns, self.coefficients, strict=True)],
            "baseline": self.baseline.to_json(),
        }
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore the file written by :meth:`save`."""
        raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        coefficients = np.array([c for _, c in raw["coefficients"]], dtype=np.float64)
        return cls(Design.from_json(raw["design"]), coefficients, Baseline.from_json(raw["baseline"]))
