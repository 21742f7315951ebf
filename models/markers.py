"""Markers that need no training: quantities of the tumour that rank patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, MethodInfo, Resources
from survbench.cohort import Cohort, Need, Subject, UnlabelledCohort
from survbench.features.sources import tumour_volume_ml

Quantity = Literal["volume", "tlg", "suvmax"]


class Marker:
    """Use one quantity of the masked tumour as the risk.

    Args:
        quantity: ``volume`` (ml), ``tlg`` (total lesion glycolysis: mean SUV x volume) or ``suvmax``.
    """

    def __init__(self, quantity: Quantity) -> None:
        self.quantity = quantity

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Learn nothing."""
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the marker, shape (n,)."""
        return np.array([self._measure(subject) for subject in cohort.subjects], dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write nothing: there is no state."""

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Read nothing."""
        return self

    def _measure(self, subject: Subject) -> float:
        if self.quantity == "volume":
            return tumour_volume_ml(subject)
        mask = subject.volumes["mask"]
        inside = np.asarray(mask.voxels(), dtype=bool)
        (pet,) = (v for v in subject.volumes.values() if v.modality == "PET")
        uptake = np.asarray(pet.voxels(), dtype=np.float64)[inside]
        return float(uptake.max()) if self.quantity == "suvmax" else float(uptake.sum()) * mask.voxel_volume_ml


def _info(quantity: Quantity, title: str, reference: str) -> MethodInfo:
    needs: frozenset[Need] = frozenset({"mask"} if quantity == "volume" else {"images", "mask"})
    details: dict[str, Any] = {} if quantity == "volume" else {"modalities": frozenset({"PET"})}
    return MethodInfo(
        name=quantity,
        title=title,
        family="marker",
        group="marker",
        target="survbench.models.markers:Marker",
        params={"quantity": quantity},
        needs_predict=needs,
        trains=False,
        resources=Resources(quick_seconds=0.05),
        reference=reference,
        **details,
    )


METHODS = (
    _info("volume", "Tumour volume", "Metabolic tumour volume: Boellaard et al., Eur J Nucl Med Mol Imaging 42, 2015"),
    _info("tlg", "Total lesion glycolysis", "Larson et al., Clin Positron Imaging 2(3), 1999"),
    _info("suvmax", "Maximum SUV", "Boellaard et al., Eur J Nucl Med Mol Imaging 42, 2015"),
)
