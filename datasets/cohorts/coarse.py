"""Summaries of voxels that do not depend on how they are stored, used to recognise copies."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.checks.copies import SIDE
from survbench.volume import Volume

FEWEST_VALUES = 100
"""Smallest number of distinct block means, of 512; images with fewer may be alike by chance."""
FEWEST_VOXELS = 50
"""Smallest number of voxels in a mask; two smaller masks may be alike by chance."""


def coarse_ranks(volume: Volume, voxels: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the ranks of the mean values in 8 x 8 x 8 blocks of an image, with axes towards right, anterior, superior.

    Another data type, unit or axis order, or a finer grid over the same region, changes them little or not at all.

    Returns:
        512 ranks from 0, row by row; empty if an axis has fewer than 8 voxels or too few blocks differ.
    """
    from scipy.stats import rankdata

    sides = [n // SIDE for n in voxels.shape]
    if min(sides) == 0:
        return ()
    starts = [(n - SIDE * side) // 2 for n, side in zip(voxels.shape, sides, strict=True)]
    middle = voxels[tuple(slice(a, a + SIDE * side) for a, side in zip(starts, sides, strict=True))]
    blocks = middle.reshape([n for side in sides for n in (SIDE, side)]).mean(axis=(1, 3, 5), dtype=np.float64)
    if len(np.unique(blocks.round(6))) < FEWEST_VALUES:
        return ()
    return tuple((rankdata(_canonical(volume, blocks)) - 1).tolist())


def content(volume: Volume, marked: NDArray[np.bool_]) -> str:
    """Return a hash of the voxels that a mask marks, with axes in a standard order; "" if the mask is too small."""
    if np.count_nonzero(marked) < FEWEST_VOXELS:
        return ""
    ordered = _canonical(volume, marked)
    return hashlib.sha256(repr(ordered.shape).encode() + np.packbits(ordered).tobytes()).hexdigest()[:32]


def _canonical(volume: Volume, voxels: NDArray[Any]) -> NDArray[Any]:
    """Return voxels with axes towards right, anterior and superior."""
    from nibabel.orientations import apply_orientation, io_orientation

    ordered = apply_orientation(voxels, io_orientation(volume.affine))  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(ordered)
