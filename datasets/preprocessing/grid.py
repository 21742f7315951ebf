"""The common grid of all patients, and the point on which each patient's grid is centred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.cards.template import image_centre
from survbench.errors import BenchError
from survbench.volume import NETWORK_MULTIPLE

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """Numbers of voxels along x, y, z (RAS) and the voxel size in millimetres, equal along all axes."""

    shape: tuple[int, int, int]
    spacing_mm: float

    def affine(self, centre: Point) -> NDArray[np.float64]:
        """Return the affine of the grid centred on a world point."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = np.asarray(centre) - self.spacing_mm * (np.asarray(self.shape) - 1) / 2
        return affine


def plan_grid(field_of_view_mm: Sequence[float], voxels: int) -> Grid:
    """Return the grid with ``voxels`` along the longest side; shorter sides cover the field of view and are padded to
    a multiple of 16, at least 32.

    Raises:
        BenchError: ``voxels`` is not a multiple of 16 or is below 32.

    >>> plan_grid((128, 128, 112), 32)
    Grid(shape=(32, 32, 32), spacing_mm=4.0)
    >>> plan_grid((128, 128, 112), 128)
    Grid(shape=(128, 128, 112), spacing_mm=1.0)
    """
    if voxels % NETWORK_MULTIPLE or voxels < 2 * NETWORK_MULTIPLE:
        raise BenchError(
            f"A grid of {voxels} voxels does not fit the networks, which halve it four times and join it again. "
            f"Choose a multiple of {NETWORK_MULTIPLE}, at least {2 * NETWORK_MULTIPLE}."
        )
    spacing = max(field_of_view_mm) / voxels
    x, y, z = (
        max(2, ceil(ceil(side / spacing - 1e-9) / NETWORK_MULTIPLE)) * NETWORK_MULTIPLE for side in field_of_view_mm
    )
    return Grid((x, y, z), spacing)


def reference_point(subject: Subject, channels: Sequence[str], reference: str | Point) -> Point:
    """Return the world point on which a patient's grid is centred: the card's point, or the centre of the first
    channel's image.
    """
    if not isinstance(reference, str):
        return reference
    return image_centre(subject.volumes[channels[0]])
