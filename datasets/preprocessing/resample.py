"""Resample all patients to one grid: isotropic, over the card's field of view, centred on the reference point.

In a registered cohort the grid lies in the template's world and is moved into each patient's world, so that resampling,
registration and crop are one interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, floor
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


@dataclass(frozen=True, slots=True)
class Pose:
    """How a registered patient lies to the template.

    Attributes:
        key: what the keys of the patient's volumes hold of it; see :meth:`Template.placement_key`.
        to_patient: rigid transform from the template's world to the patient's, shape (4, 4).
        twice: whether the volumes are resampled to 1 mm first.
    """

    key: str
    to_patient: NDArray[np.float64]
    twice: bool = False


def volume_key(volume: Volume, grid: Grid, centre: Point, pose_key: str = "") -> str:
    """Return the content key of a preprocessed volume, which is known before the volume is computed.

    Args:
        volume: the patient's volume.
        grid: the common grid.
        centre: the world point on which it is centred, of the template in a registered cohort.
        pose_key: key of the patient's pose; "" in a cohort that is not registered.
    """
    place = [list(grid.shape), grid.spacing_mm, list(centre), *([pose_key] if pose_key else [])]
    return digest([PREPROCESS_VERSION, volume.modality, volume.fingerprint(), place])


def preprocess(
    volume: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64], *, may_be_absent: bool = False
) -> NDArray[Any]:
    """Resample a volume to a grid, which may lie obliquely.

    Each target voxel is the mean of linear interpolations at as many points per axis as source voxels fit into it: a
    box filter against aliasing when the grid is coarser, plain linear interpolation otherwise. Voxels outside the
    scanned extent become air. A mask keeps voxels that are at least half covered; if none is, it keeps its most covered
    voxels.

    Args:
        volume: the volume.
        shape: of the grid.
        affine: of the grid, in the volume's world.
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
            return np.zeros(shape, dtype=bool)
        raise BenchError("the mask is empty")
    values = sampled(source.astype(np.float64), volume, shape, affine)
    if not is_mask:
        if values.min() == values.max():
            raise BenchError(f"{volume.modality} is constant ({values.min():g}) over the field of view")
        return values.astype(np.float32)
    if values.max() <= 0:
        if may_be_absent:
            return np.zeros(shape, dtype=bool)
        raise BenchError("the mask lies outside the field of view")
    return np.asarray(values >= min(0.5, values.max()), dtype=bool)


def prepare_subject(
    subject: Subject, names: Sequence[str], grid: Grid, centre: Point, store: VolumeStore, pose: Pose | None = None
) -> dict[str, str]:
    """Preprocess a patient's volumes that are not yet in the store, and return all their keys by name.

    Args:
        subject: the patient.
        names: of the volumes.
        grid: the common grid.
        centre: the world point on which it is centred, of the template in a registered cohort.
        store: gets the volumes on the grid, which lies in the patient's world.
        pose: None in a cohort that is not registered.
    """
    return {name: _put(subject.volumes[name], grid, centre, store, pose) for name in names}


def prepare_structures(
    subject: Subject, grid: Grid, centre: Point, store: VolumeStore, pose: Pose | None = None
) -> dict[str, str]:
    """Preprocess the masks of a patient's structures that are not yet in the store, and return all their keys by
    name; a structure may be absent. The rest is as in :func:`prepare_subject`.
    """
    return {
        name: _put(volume, grid, centre, store, pose, may_be_absent=True) for name, volume in subject.structures.items()
    }


def _put(
    volume: Volume, grid: Grid, centre: Point, store: VolumeStore, pose: Pose | None, *, may_be_absent: bool = False
) -> str:
    key = volume_key(volume, grid, centre, "" if pose is None else pose.key)
    if not store.has(key):
        affine = grid.affine(centre) if pose is None else pose.to_patient @ grid.affine(centre)
        if pose is not None and pose.twice and not (may_be_absent and not volume.voxels().any()):
            volume = isotropic(volume)
        voxels = preprocess(volume, grid.shape, affine, may_be_absent=may_be_absent)
        store.put(key, voxels, modality=volume.modality, affine=affine)
    return key


def isotropic(volume: Volume) -> Volume:
    """Return a volume resampled to voxels of 1 mm, with the same first voxel and the same directions."""
    steps = np.asarray(volume.spacing)
    x, y, z = (max(1, floor((n - 1) * mm + 1e-6) + 1) for n, mm in zip(volume.shape, steps, strict=True))
    affine = volume.affine.copy()
    affine[:3, :3] /= steps
    voxels = preprocess(volume, (x, y, z), affine)
    return replace(volume, shape=(x, y, z), affine=affine, loader=partial(np.asarray, voxels))


def sampled(
    source: NDArray[np.float64], volume: Volume, shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the box-filtered linear interpolation of a volume's voxels on a grid, slice by slice to limit memory.

    Args:
        source: the voxels.
        volume: where they lie and what they are.
        shape: of the grid.
        affine: of the grid, in the volume's world.
    """
    from scipy.ndimage import map_coordinates

    to_source = np.linalg.inv(volume.affine) @ affine
    # points per target voxel along each grid axis: the number of source voxels that one grid step spans
    points = [max(1, ceil(float(np.abs(to_source[:3, axis]).max()) - 1e-6)) for axis in range(3)]
    inside = [(np.arange(k) + 0.5) / k - 0.5 for k in points]
    fine = [(np.arange(n)[:, None] + offsets).ravel() for n, offsets in zip(shape, inside, strict=True)]
    limits = np.array(source.shape).reshape(3, 1, 1, 1)
    result = np.empty(shape)
    for x in range(shape[0]):
        rows = fine[0][x * points[0] : (x + 1) * points[0]]
        index = np.stack(np.meshgrid(rows, fine[1], fine[2], indexing="ij"))
        where = np.einsum("ab,bxyz->axyz", to_source[:3, :3], index) + to_source[:3, 3].reshape(3, 1, 1, 1)
        where = np.round(where, INDEX_DECIMALS)
        values = map_coordinates(source, where, order=1, mode="nearest")
        outside = ((where < -0.5) | (where > limits - 0.5)).any(axis=0)
        values[outside] = FILL[volume.modality]
        blocks = values.reshape(points[0], shape[1], points[1], shape[2], points[2])
        result[x] = blocks.mean(axis=(0, 2, 4))
    return result
