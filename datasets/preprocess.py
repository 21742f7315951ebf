"""One grid for all patients: isotropic, over the card's field of view, centred on the reference point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.cache import VolumeStore
from survbench.errors import BenchError
from survbench.hashing import digest
from survbench.profile import NETWORK_MULTIPLE
from survbench.volume import FILL, Volume

PREPROCESS_VERSION = 1
Point = tuple[float, float, float]
INDEX_DECIMALS = 6
"""Voxel indices are rounded to this, so that a source that lies on the grid is copied bit for bit."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxels along x, y, z (RAS) and their common size in millimetres."""

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
        BenchError: ``voxels`` is no multiple of 16 or below 32.

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
    """Return the world point on which a patient's grid is centred: the centre of the first channel's image, or the
    card's point.
    """
    if not isinstance(reference, str):
        return reference
    image = subject.volumes[channels[0]]
    x, y, z = (image.affine @ np.array([*(np.array(image.shape) - 1) / 2, 1.0]))[:3]
    return round(float(x), 4), round(float(y), 4), round(float(z), 4)


def volume_key(volume: Volume, grid: Grid, centre: Point) -> str:
    """Return the content key of a preprocessed volume, known before it is computed."""
    place = [list(grid.shape), grid.spacing_mm, list(centre)]
    return digest([PREPROCESS_VERSION, volume.modality, volume.fingerprint(), place])


def preprocess(volume: Volume, grid: Grid, centre: Point) -> NDArray[Any]:
    """Resample a volume to the grid centred on a world point.

    Every target voxel is the mean of linear interpolations at as many points per axis as source voxels fit into it: a
    box filter against aliasing when coarsening, plain linear interpolation otherwise. Outside the scanned extent stands
    air. A mask keeps voxels that are covered by half or more; one that would vanish keeps its most covered voxel.

    Returns:
        float32 of the grid's shape, or bool for a mask.

    Raises:
        BenchError: a voxel is not finite, or a mask is empty or outside the grid.
    """
    source = np.asarray(volume.voxels())
    if not np.isfinite(source).all():
        raise BenchError(f"{volume.modality} has voxels that are not finite")
    is_mask = volume.modality == "MASK"
    if is_mask and not source.any():
        raise BenchError("the mask is empty")
    values = _sample(source.astype(np.float64), volume, grid, centre)
    if not is_mask:
        if values.min() == values.max():
            raise BenchError(f"{volume.modality} is constant ({values.min():g}) over the field of view")
        return values.astype(np.float32)
    if values.max() <= 0:
        raise BenchError("the mask lies outside the field of view")
    return np.asarray(values >= min(0.5, values.max()), dtype=bool)


def prepare_subject(
    subject: Subject, names: Sequence[str], grid: Grid, centre: Point, store: VolumeStore
) -> dict[str, str]:
    """Preprocess a patient's volumes into the store, where they are not there yet, and return their keys by name."""
    keys = {name: volume_key(subject.volumes[name], grid, centre) for name in names}
    for name, key in keys.items():
        if not store.has(key):
            volume = subject.volumes[name]
            store.put(key, preprocess(volume, grid, centre), modality=volume.modality, affine=grid.affine(centre))
    return keys


def _sample(source: NDArray[np.float64], volume: Volume, grid: Grid, centre: Point) -> NDArray[np.float64]:
    """Return the box-filtered linear interpolation of ``source`` on the grid, slice by slice to bound the memory."""
    from scipy.ndimage import map_coordinates

    to_source = np.linalg.inv(volume.affine) @ grid.affine(centre)
    # points per target voxel along each grid axis: how many source voxels one step of the grid spans
    points = [max(1, ceil(float(np.abs(to_source[:3, axis]).max()) - 1e-6)) for axis in range(3)]
    inside = [(np.arange(k) + 0.5) / k - 0.5 for k in points]
    fine = [(np.arange(n)[:, None] + offsets).ravel() for n, offsets in zip(grid.shape, inside, strict=True)]
    limits = np.array(source.shape).reshape(3, 1, 1, 1)
    result = np.empty(grid.shape)
    for x in range(grid.shape[0]):
        rows = fine[0][x * points[0] : (x + 1) * points[0]]
        index = np.stack(np.meshgrid(rows, fine[1], fine[2], indexing="ij"))
        where = np.einsum("ab,bxyz->axyz", to_source[:3, :3], index) + to_source[:3, 3].reshape(3, 1, 1, 1)
        where = np.round(where, INDEX_DECIMALS)
        values = map_coordinates(source, where, order=1, mode="nearest")
        outside = ((where < -0.5) | (where > limits - 0.5)).any(axis=0)
        values[outside] = FILL[volume.modality]
        blocks = values.reshape(points[0], grid.shape[1], points[1], grid.shape[2], points[2])
        result[x] = blocks.mean(axis=(0, 2, 4))
    return result
