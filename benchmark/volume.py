"""A 3-D image whose header is known and whose voxels are read on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Modality = Literal["PET", "CT", "MR", "MASK"]
"""PET in SUV, CT in HU, MR in arbitrary units, MASK boolean (true inside the tumour)."""
FILL = {"PET": 0.0, "CT": -1000.0, "MR": 0.0, "MASK": 0.0}
"""What stands outside the scanned extent: air."""


NETWORK_MULTIPLE = 16
"""Voxels of which every side of a grid must be a multiple: networks halve it four times and join it again, and fail on
any other, such as 64 x 64 x 56."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Header plus a way to get the voxels.

    Attributes:
        modality: unit and meaning of the voxels.
        shape: voxels along the three array axes.
        affine: 4 x 4, array index to world millimetres (RAS+).
        loader: returns the voxels, shape ``shape``; float32, or bool for a mask. May be a read-only memory map.
        fingerprint: returns the content hash of the voxels' source, without rendering or resampling anything.
    """

    modality: Modality
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    loader: Callable[[], NDArray[Any]]
    fingerprint: Callable[[], str]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between voxel centres along each array axis."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_volume_ml(self) -> float:
        """Millilitres that one voxel covers."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def voxels(self) -> NDArray[Any]:
        """Read the voxels; the caller must not write into them."""
        return self.loader()

    def __repr__(self) -> str:
        size = " x ".join(str(n) for n in self.shape)
        spacing = " x ".join(f"{mm:g}" for mm in self.spacing)
        return f"Volume({self.modality}, {size} voxels of {spacing} mm)"


def zscore(voxels: NDArray[Any]) -> NDArray[np.float32]:
    """Return ``voxels`` with mean 0 and standard deviation 1 over the whole image; a constant image becomes 0.

    The networks' input (DeepMTS, section 4.2: PET and CT separately per patient).

    >>> zscore(np.array([1.0, 3.0])).tolist()
    [-1.0, 1.0]
    """
    values = np.asarray(voxels, dtype=np.float64)
    spread = values.std()
    if spread == 0:
        return np.zeros(values.shape, dtype=np.float32)
    scaled: NDArray[np.float32] = ((values - values.mean()) / spread).astype(np.float32)
    return scaled


def left_right_axis(affine: NDArray[np.float64]) -> int:
    """Return the array axis that runs most nearly along the patient's left-right direction (world x)."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return int(np.argmax(np.abs(directions[0])))
