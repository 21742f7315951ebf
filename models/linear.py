"""A fitted Cox model over features and clinical columns: linear predictor, survival curves, one readable file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.models.breslow import Baseline

if TYPE_CHECKING:
    from survbench.features.clinical import ClinicalEncoder

FILE = "model.json"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A feature as the training fold scales it; ``fill`` (its median) stands in for a missing value."""

    name: str
    fill: float
    mean: float
    sd: float

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64]) -> Self:
        """Learn from a training fold's values, shape (n,), of which some may be NaN."""
        known = values[np.isfinite(values)]
        if known.size == 0:
            return cls(name, 0.0, 0.0, 1.0)
        fill = float(np.median(known))
        filled = np.where(np.isfinite(values), values, fill)
        return cls(name, fill, float(filled.mean()), float(filled.std()) or 1.0)

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values with mean 0 and standard deviation 1 in the training fold, none missing."""
        filled: NDArray[np.float64] = (np.where(np.isfinite(values), values, self.fill) - self.mean) / self.sd
        return filled


class LinearHazard:
    """h(t | x) = h0(t) exp(beta x), x being scaled features and then encoded clinical columns."""

    def __init__(
        self,
        encoder: ClinicalEncoder | None = None,
        features: Sequence[Scaled] = (),
        coefficients: NDArray[np.float64] | None = None,
        baseline: Baseline | None = None,
    ) -> None:
        self.encoder = encoder
        self.features = tuple(features)
        self.coefficients = coefficients
        self.baseline = baseline

    @classmethod
    def fit(
        cls, encoder: ClinicalEncoder, features: Sequence[Scaled], coefficients: NDArray[np.float64], train: Cohort
    ) -> Self:
        """Return the model with these coefficients and the baseline hazard that belongs to them on ``train``."""
        model = cls(encoder, features, coefficients)
        model.baseline = Baseline.fit(train.time, train.event, model.risk(train))
        return model

    def risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the linear predictor, shape (n,)."""
        if self.encoder is None or self.coefficients is None:
            raise NotFittedError("a model predicts after 'fit' or 'load'")
        columns = [self.encoder.transform(cohort)]
        if self.features:
            if cohort.features is None:
                raise ValueError("this model was fitted on radiomics features, and the cohort has none")
            position = {name: i for i, name in enumerate(cohort.features.names)}
            values = cohort.features.values
            columns = [np.column_stack([f(values[:, position[f.name]]) for f in self.features]), *columns]
        risk: NDArray[np.float64] = np.hstack(columns) @ self.coefficients
        return risk

    def survival(self, cohort: UnlabelledCohort, months: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``months``, shape (n, len(months))."""
        risk = self.risk(cohort)
        if self.baseline is None:
            raise NotFittedError("a model predicts after 'fit' or 'load'")
        return self.baseline.survival(risk, months)

    def save(self, folder: Path) -> None:
        """Write ``model.json``: features with scaling, clinical encoding, coefficients by name, baseline hazard."""
        if self.encoder is None or self.coefficients is None or self.baseline is None:
            raise NotFittedError("a model is saved after 'fit'")
        names = [*(f.name for f in self.features), *self.encoder.columns]
        content = {
            "features": [asdict(f) for f in self.features],
            "encoder": self.encoder.to_json(),
            "coefficients": [[n, float(c)] for n, c in zip(names, self.coefficients, strict=True)],
            "baseline": {"months": self.baseline.times.tolist(), "hazard": self.baseline.cumulative.tolist()},
        }
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Restore what :meth:`save` wrote."""
        from survbench.features.clinical import ClinicalEncoder

        raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        baseline = Baseline(np.array(raw["baseline"]["months"]), np.array(raw["baseline"]["hazard"]))
        coefficients = np.array([c for _, c in raw["coefficients"]], dtype=np.float64)
        features = [Scaled(**f) for f in raw["features"]]
        return cls(ClinicalEncoder.from_json(raw["encoder"]), features, coefficients, baseline)
