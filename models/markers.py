"""Markers that need no training: quantities of the tumour that rank patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, MethodInfo, Resources
from survbench.cohort import Cohort, Need, Subject, UnlabelledCohort
from survbench.features.lesions import centroids_mm, largest_distance_mm, volume_ml

Quantity = Literal["volume", "tlg", "suvmax", "lesions", "dmax"]
OF_STRUCTURES: frozenset[Quantity] = frozenset({"lesions", "dmax"})
"""Quantities of lesions, which are counted structure by structure: a node that touches the primary is one of its own.
"""


class Marker:
    """Use one quantity of the masked tumour, or of the lesions of all structures, as the risk.

    Args:
        quantity: ``volume`` (ml), ``tlg`` (total lesion glycolysis: mean SUV x volume), ``suvmax``, ``lesions`` (their
            number) or ``dmax`` (mm); lesions and their distance are defined in :mod:`survbench.features.lesions`.
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
        if self.quantity == "lesions":
            return float(sum(len(centroids_mm(mask)) for mask in subject.structures.values()))
        if self.quantity == "dmax":
            return largest_distance_mm(subject.structures.values())
        mask = subject.volumes["mask"]
        if self.quantity == "volume":
            return volume_ml(mask)
        inside = np.asarray(mask.voxels(), dtype=bool)
        (pet,) = (v for v in subject.volumes.values() if v.modality == "PET")
        uptake = np.asarray(pet.voxels(), dtype=np.float64)[inside]
        return float(uptake.max()) if self.quantity == "suvmax" else float(uptake.sum()) * mask.voxel_volume_ml


def _info(quantity: Quantity, title: str, reference: str) -> MethodInfo:
    of_pet = quantity in {"tlg", "suvmax"}
    needs: set[Need] = {"structures" if quantity in OF_STRUCTURES else "mask", *({"images"} if of_pet else ())}
    details: dict[str, Any] = {"modalities": frozenset({"PET"})} if of_pet else {}
    return MethodInfo(
        name=quantity,
        title=title,
        family="marker",
        group="marker",
        target="survbench.models.markers:Marker",
        params={"quantity": quantity},
        needs_predict=frozenset(needs),
        trains=False,
        resources=Resources(quick_seconds=0.05, model_mb=0.0),
        reference=reference,
        **details,
    )


METHODS = (
    _info("volume", "Tumour volume", "Metabolic tumour volume: Boellaard et al., Eur J Nucl Med Mol Imaging 42, 2015"),
    _info("tlg", "Total lesion glycolysis", "Larson et al., Clin Positron Imaging 2(3), 1999"),
    _info("suvmax", "Maximum SUV", "Boellaard et al., Eur J Nucl Med Mol Imaging 42, 2015"),
    _info("lesions", "Number of lesions", "Cottereau et al., J Nucl Med 61(1), 2020"),
    _info("dmax", "Largest distance between lesions (Dmax)", "Cottereau et al., J Nucl Med 61(1), 2020"),
)
