"""Build the matrix for classical learners from features and clinical columns, learning only from the training fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.features.scaling import sd_or_one

if TYPE_CHECKING:
    from survbench.features.clinical import ClinicalEncoder
    from survbench.features.combat import Combat


@dataclass(frozen=True, slots=True)
class Scaled:
    """A feature as scaled in the training fold; ``fill`` (its median) replaces missing values."""

    name: str
    fill: float
    mean: float
    sd: float

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64]) -> Self:
        """Learn from a training fold's values, shape (n,), some of which may be NaN."""
        known = values[np.isfinite(values)]
        if known.size == 0:
            return cls(name, 0.0, 0.0, 1.0)
        fill = float(np.median(known))
        filled = np.where(np.isfinite(values), values, fill)
        return cls(name, fill, float(filled.mean()), float(sd_or_one(filled)))

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values that have mean 0 and standard deviation 1 in the training fold, with none missing."""
        scaled: NDArray[np.float64] = (np.where(np.isfinite(values), values, self.fill) - self.mean) / self.sd
        return scaled


@dataclass(frozen=True, slots=True)
class Design:
    """Columns: the kept features, scaled, and then the encoded clinical columns.

    Attributes:
        source: name of the source of the columns, one of :data:`survbench.features.sources.SOURCES`.
        features: the kept features.
        encoder: of the clinical columns.
        transform: how the source changes the features before they are scaled, as learned in the training fold.
    """

    source: str
    features: tuple[Scaled, ...]
    encoder: ClinicalEncoder
    transform: Combat | None = None

    @classmethod
    def fit(cls, train: Cohort, *, source: str, redundancy: float, screening: float | None = None) -> Self:
        """Select among the features of a source and learn all scaling.

        The steps are: missing values become the training median; each feature gets a univariate Cox score test;
        features that do not pass at the false-discovery rate are dropped; of any two redundant features the weaker is
        dropped (DeepMTS, section 4.4). Screening comes first because the rate holds for all tests that were made, not
        for tests of features that were selected for their strength.

        Args:
            train: a training fold; without features the design is its clinical columns, which are never selected.
            source: name of the source of the columns.
            redundancy: largest ``|Spearman's rho|`` of two kept features.
            screening: false-discovery rate; None keeps all features for the next step.

        Raises:
            UnknownNameError: there is no such source.
        """
        from survbench.features.clinical import ClinicalEncoder
        from survbench.features.screening import screened, spearman_redundancy, univariate_cox
        from survbench.features.sources import source_named

        transform = source_named(source).learned(train)
        seen = source_named(source).view(train, transform=transform)
        encoder = ClinicalEncoder.fit(seen)
        table = seen.features
        if table is None:
            return cls(source, (), encoder)
        scaled = [Scaled.fit(name, table.values[:, i]) for i, name in enumerate(table.names)]
        values = np.column_stack([scale(table.values[:, i]) for i, scale in enumerate(scaled)])
        strength = univariate_cox(values, train.time, train.event)
        passed = np.arange(len(scaled)) if screening is None else screened(strength, rate=screening)
        kept = passed[spearman_redundancy(values[:, passed], strength[passed], threshold=redundancy)]
        return cls(source, tuple(scaled[i] for i in kept), encoder, transform)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*(f.name for f in self.features), *self.encoder.columns)

    def matrix(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the columns of a cohort, shape (n, len(columns)), with none missing.

        Raises:
            ValueError: the design has features but the cohort has none.
        """
        from survbench.features.sources import source_named

        seen = source_named(self.source).view(cohort, transform=self.transform)
        blocks = [self.encoder.transform(seen)]
        if self.features:
            if seen.features is None:
                raise ValueError("this model was fitted on features, and the cohort has none")
            position = {name: i for i, name in enumerate(seen.features.names)}
            values = seen.features.values
            blocks = [np.column_stack([f(values[:, position[f.name]]) for f in self.features]), *blocks]
        return np.hstack(blocks)

    def keep(self, columns: Sequence[int]) -> Self:
        """Return the design with these of its features; clinical columns stay."""
        return replace(self, features=tuple(self.features[i] for i in columns))

    def to_json(self) -> dict[str, Any]:
        """Return the design as JSON."""
        features = [asdict(f) for f in self.features]
        transform = self.transform and self.transform.to_json()
        return {
            "source": self.source,
            "features": features,
            "encoder": self.encoder.to_json(),
            "transform": transform,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Restore a design from the output of :meth:`to_json`."""
        from survbench.features.clinical import ClinicalEncoder
        from survbench.features.combat import Combat

        features = tuple(Scaled(**f) for f in raw["features"])
        transform = raw["transform"] and Combat.from_json(raw["transform"])
        return cls(raw["source"], features, ClinicalEncoder.from_json(raw["encoder"]), transform)
