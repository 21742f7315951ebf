"""The method under test, its patients, and one fitted model that several checks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, MethodInfo, Seeds
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.plan.profile import load_profile
from survbench.testing.demand import demand
from survbench.testing.patients import strong_cohort
from survbench.testing.shared_state import Watched, settings
from survbench.work.construct import construct

PATIENTS, TESTED = 12, 6
"""Patients that the checks fit and predict."""
STEPS, FULL_STEPS = 2, 40
TOLERANCE = 1e-4
MONTHS = np.arange(6.0, 61.0, 6.0)


class Skip(Exception):  # noqa: N818  # no error: a check that does not apply
    """A check does not apply, and why."""


class Bench:
    """The method under test, the patients, and one fitted model that several checks share."""

    def __init__(self, info: MethodInfo, folder: Path, *, full: bool) -> None:
        self.info = info
        self.folder = folder
        self.full = full
        self._fitted: Any = None
        self._scratch = 0
        self.make()  # imports what the method needs, before the settings that it must not change are looked at
        self.settings = dict(settings())

    def watched(self) -> Watched:
        """Return a block after which what processes share must be as it was before the method did anything."""
        return Watched(self.settings)

    def patients(self, patients: int, *, seed: int) -> Cohort:
        """Return patients with the modalities that the method cannot do without."""
        return strong_cohort(patients, seed=seed, modalities=self.info.modalities)

    def train(self, patients: int = PATIENTS) -> Cohort:
        """Return patients with outcomes, and what the method needs to fit."""
        return self.patients(patients, seed=0).restrict(self.info.needs_fit)

    def test(self, patients: int = TESTED) -> UnlabelledCohort:
        """Return other patients with what the method needs to predict."""
        return self.patients(patients, seed=1).unlabelled(self.info.needs_predict)

    def context(self, *, deadline: float | None = None, steps: int = STEPS) -> Context:
        """Return a context with an empty scratch folder of its own."""
        self._scratch += 1
        scratch = self.folder / f"scratch-{self._scratch}"
        scratch.mkdir()
        training = load_profile("quick").training.model_copy(update={"steps": steps})
        return Context(
            seeds=Seeds(0, 0, self.info.name), training=training, scratch=scratch, deadline=deadline, selection="last"
        )

    def make(self) -> Any:
        """Return a new instance, as declared and with the params that make a fit quick."""
        return construct(self.info.target, {**self.info.params, **self.info.smoke_params})

    def fit(self, train: Cohort, **context: Any) -> Any:
        """Return a new instance, fitted."""
        return self.make().fit(train, validation=None, ctx=self.context(**context))

    @property
    def fitted(self) -> Any:
        """The fitted instance that several checks share."""
        if self._fitted is None:
            self._fitted = self.fit(self.train())
        return self._fitted

    def everything(self, method: Any, cohort: UnlabelledCohort) -> dict[str, NDArray[np.float64]]:
        """Return all that a method predicts, patients first."""
        found: dict[str, Any] = {}
        if "risk" in self.info.gives:
            found["risk"] = method.predict_risk(cohort)
        if "survival" in self.info.gives:
            found["survival"] = method.predict_survival(cohort, MONTHS)
        if "segmentation" in self.info.gives:
            found["segmentation"] = np.stack(list(method.segment(cohort)))
        if "embedding" in self.info.gives:
            found["embedding"] = method.embed(cohort)
        return {name: np.asarray(value) for name, value in found.items()}

    def same(self, first: dict[str, Any], second: dict[str, Any], why: str) -> None:
        """Raise if two predictions differ by more than the tolerance."""
        for name, value in first.items():
            scale = max(float(np.abs(value).max()), 1e-8)
            worst = float(np.abs(value - second[name]).max()) / scale
            demand(worst <= TOLERANCE, f"{name} differs by {worst:.2g} of its size {why}")
