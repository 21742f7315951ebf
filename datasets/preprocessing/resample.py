"""Resample all patients to one grid: isotropic, over the card's field of view, centred on the reference point."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.preprocessing.cache import VolumeStore
from survbench.datasets.preprocessing.grid import Grid, Point
from survbench.errors import BenchError
from survbench.io.hashing import digest
from survbench.volume import FILL, Volume

PREPROCESS_VERSION = 1
INDEX_DECIMALS = 6
"""Decimals to which voxel indices are rounded, so that a source already on the grid is copied exactly."""


def volume_key(volume: Volume, grid: Grid, centre: Point) -> str:
    """Return the content key of a preprocessed volume, which is known before the volume is computed."""
    place = [list(grid.shape), grid.spacing_mm, list(centre)]
    return digest([PREPROCESS_VERSION, volume.modality, volume.fingerprint(), place])


def preprocess(volume: Volume, grid: Grid, centre: Point, *, may_be_absent: bool = False) -> NDArray[Any]:
    """Resample a volume to the grid centred on a world point.

    Each target voxel is the mean of linear interpolations at as many points per axis as source voxels fit into it: a
    box filter against aliasing when the grid is coarser, plain linear interpolation otherwise. Voxels outside the
    scanned extent become air. A mask keeps voxels that are at least half covered; if none is, it keeps its most covered
    voxels.

    Args:
        volume: an image or a mask on its own grid.
        grid: the common grid.
        centre: the world point.
        may_be_absent: whether a mask may have no voxel on the grid, as that of a structure that a patient lacks.

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
        if may_be_absent:
            return np.zeros(grid.shape, dtype=bool)
        raise BenchError("the mask is empty")
    values = _sample(source.astype(np.float64), volume, grid, centre)
    if not is_mask:
        if values.min() == values.max():
            raise BenchError(f"{volume.modality} is constant ({values.min():g}) over the field of view")
        return values.astype(np.float32)
    if values.max() <= 0:
        if may_be_absent:
            return np.zeros(grid.shape, dtype=bool)
        raise BenchError("the mask lies outside the field of view")
    return np.asarray(values >= min(0.5, values.max()), dtype=bool)


def prepare_subject(
    subject: Subject, names: Sequence[str], grid: Grid, centre: Point, store: VolumeStore
) -> dict[str, str]:
    """Preprocess a patient's volumes that are not yet in the store, and return all their keys by name."""
    return {name: _put(subject.volumes[name], grid, centre, store, may_be_absent=False) for name in names}


def prepare_structures(subject: Subject, grid: Grid, centre: Point, store: VolumeStore) -> dict[str, str]:
    """Preprocess the masks of a patient's structures that are not yet in the store, and return all their keys by
    name; a structure may be absent.
    """
    return {name: _put(volume, grid, centre, store, may_be_absent=True) for name, volume in subject.structures.items()}


def _put(volume: Volume, grid: Grid, centre: Point, store: VolumeStore, *, may_be_absent: bool) -> str:
    key = volume_key(volume, grid, centre)
    if not store.has(key):
        voxels = preprocess(volume, grid, centre, may_be_absent=may_be_absent)
        store.put(key, voxels, modality=volume.modality, affine=grid.affine(centre))
    return key


def _sample(source: NDArray[np.float64], volume: Volume, grid: Grid, centre: Point) -> NDArray[np.float64]:
    """Return the box-filtered linear interpolation of ``source`` on the grid, slice by slice to limit memory."""
    from scipy.ndimage import map_coordinates

    to_source = np.linalg.inv(volume.affine) @ grid.affine(centre)
    # points per target voxel along each grid axis: the number of source voxels that one grid step spans
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
