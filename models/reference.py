"""Reference rows of the board: the best possible, chance, and what the image's border alone reveals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, MethodInfo, NotFittedError, Resources
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.io.hashing import digest
from survbench.volume import FILL


class Oracle:
    """The true log hazard of simulated patients: no method ranks them better except by luck."""

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Learn nothing."""
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the true log hazard, shape (n,)."""
        if cohort.truth is None:
            raise ValueError("the oracle needs a simulated cohort with its true log hazard")
        return cohort.truth

    def save(self, folder: Path) -> None:
        """Write nothing: there is no state."""

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Read nothing."""
        return self


class Chance:
    """A random risk that depends only on the seed and the patient's id."""

    def __init__(self) -> None:
        self._seed: int | None = None

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Keep the seed."""
        self._seed = ctx.seeds.of("risk")
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return numbers between 0 and 1, shape (n,)."""
        if self._seed is None:
            raise NotFittedError("Chance predicts only after 'fit' or 'load'")
        return np.array([int(digest([self._seed, i])[:12], 16) / 16**12 for i in cohort.ids], dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the seed."""
        (folder / "seed.json").write_text(json.dumps(self._seed), encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Read the seed."""
        self._seed = json.loads((folder / "seed.json").read_text(encoding="utf-8"))
        return self


class Padding:
    """The share of the grid that was scanned. It contains no information on the disease, so a C-index far from 0.5
    means that the crop or the padding of the images follows the tumour, and that networks may use it to rank patients.
    """

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Learn nothing."""
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the share of voxels in which at least one image differs from its fill value for air, shape (n,)."""
        shares = []
        for subject in cohort.subjects:
            images = [subject.volumes[name] for name in cohort.channels]
            scanned = np.any([np.asarray(v.voxels()) != FILL[v.modality] for v in images], axis=0)
            shares.append(float(np.mean(scanned)))
        return np.array(shares, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write nothing: there is no state."""

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Read nothing."""
        return self


METHODS = (
    MethodInfo(
        name="oracle",
        title="Oracle (true hazard)",
        family="reference",
        group="reference",
        target="survbench.models.reference:Oracle",
        needs_predict=frozenset({"truth"}),
        trains=False,
        resources=Resources(quick_seconds=0.05, model_mb=0.0),
        reference="The simulation's own log hazard; docs/explanation/phantom.md",
    ),
    MethodInfo(
        name="random",
        title="Random",
        family="reference",
        group="reference",
        target="survbench.models.reference:Chance",
        stochastic=True,
        trains=False,
        resources=Resources(quick_seconds=0.05, model_mb=0.0),
        reference="Chance",
    ),
    MethodInfo(
        name="padding",
        title="Padded extent",
        family="reference",
        group="reference",
        target="survbench.models.reference:Padding",
        needs_predict=frozenset({"images"}),
        trains=False,
        resources=Resources(quick_seconds=0.05, model_mb=0.0),
        reference="docs/explanation/traps.md",
    ),
)
