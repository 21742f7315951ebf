"""Draw a small picture of a patient: PET and CT, axial and coronal, through the middle of the mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.dicom.geometry import Grid
from survbench.datasets.dicom.patient import PatientImages
from survbench.datasets.preprocessing.pictures import HU, ON_CT, ON_PET, SUV, outline, strip, view

SIDE, FIELD_MM = 176, 320.0
"""Side of a view in pixels, and the length in mm that it shows."""

Floats = NDArray[np.float64]


def montage(images: PatientImages, mask_grid: Grid) -> bytes:
    """Return a picture of a patient as JPEG: PET axial, PET coronal, CT axial, CT coronal, from left to right.

    Views follow radiological convention, with the patient's right on the left, along the patient's axes even if slices
    are oblique. An outline surrounds the mask; regions that were not scanned are bluish.

    Args:
        images: the patient's images.
        mask_grid: the grid of the mask.
    """
    places = np.argwhere(images.mask.voxels)
    middle = mask_grid.affine[:3, :3] @ places.mean(axis=0) + mask_grid.affine[:3, 3]
    views = []
    for points in _planes(middle):
        marked = np.nan_to_num(_sampled(images.mask.voxels, mask_grid, points, order=0)) > 0
        pet = _sampled(images.pet.voxels, images.pet.grid, points)
        views.append(view(pet, SUV[::-1], outline(marked), ON_PET))
        if images.ct is not None:
            ct = _sampled(images.ct.voxels, images.ct.grid, points)
            views.append(view(ct, HU, outline(marked), ON_CT))
    return strip(views[::2] + views[1::2] if images.ct is not None else views)


def _planes(middle: Floats) -> Iterator[Floats]:
    """Yield the world points of the axial and coronal views, shape (rows, columns, 3)."""
    steps = (np.arange(SIDE) - (SIDE - 1) / 2) * FIELD_MM / SIDE
    down, left = np.meshgrid(-steps, -steps, indexing="ij")  # anterior and superior at the top, right on the left
    none = np.zeros_like(down)
    yield middle + np.stack([left, down, none], axis=-1)
    yield middle + np.stack([left, none, down], axis=-1)


def _sampled(voxels: NDArray[np.generic], grid: Grid, points: Floats, *, order: Literal[0, 1] = 1) -> Floats:
    """Return the values at world points; NaN outside the image."""
    from scipy.ndimage import map_coordinates

    inverse = np.linalg.inv(grid.affine)
    index = np.moveaxis(points @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    limits = np.array(grid.shape).reshape(3, 1, 1)
    outside = ((index < -0.5) | (index > limits - 0.5)).any(axis=0)
    low = np.clip(np.floor(index).reshape(3, -1).min(axis=1).astype(int) - 1, 0, np.array(grid.shape) - 1)
    high = np.clip(np.ceil(index).reshape(3, -1).max(axis=1).astype(int) + 2, low + 1, grid.shape)
    part = voxels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)  # not a whole CT
    values: Floats = map_coordinates(part, index - low.reshape(3, 1, 1), order=order, mode="nearest").astype(np.float64)
    values[outside] = np.nan
    return values
