"""Put slices of a tilted gantry, or at irregular distances, on the rectangular grid that contains them.

Each slice is shifted within its plane by bilinear interpolation. A grid slice is interpolated linearly between the two
acquired slices around it; a grid slice that coincides with an acquired slice is not mixed with others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SAME = 1e-6
"""Share of a voxel below which two positions count as equal."""
_EDGE = 0.5
"""Distance in pixels from the centre of the outermost pixel to its edge."""


def resampled(
    planes: Iterable[NDArray[np.float64]],
    places: NDArray[np.float64],
    shape: tuple[int, int, int],
    outside: float,
) -> Iterator[NDArray[np.float64]]:
    """Yield the slices of a grid, shape (columns, rows), computed from acquired slices.

    Args:
        planes: voxels of each acquired slice, shape (columns, rows), ascending along the normal; read one at a time.
        places: position of each slice's first pixel in the grid, shape (slices, 3), as fractional array indices.
        shape: shape of the grid; its first and last slices are the first and last acquired ones.
        outside: value of voxels beyond the acquired slices.
    """
    before, below, done = np.zeros(shape[:2]), -1.0, 0
    for plane, (column, row, height) in zip(planes, places, strict=True):
        moved = _moved(plane, (column, row), shape[:2])
        while done < shape[2] and done <= height + _SAME:
            share = (done - below) / (height - below)
            between = moved if share > 1 - _SAME else (1 - share) * before + share * moved
            yield np.where(np.isnan(between), outside, between)
            done += 1
        before, below = moved, height


def _moved(plane: NDArray[np.float64], place: tuple[float, float], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return a slice with its first pixel at a position; NaN beyond its edges, so that pixels do not mix with absent
    ones.
    """
    if plane.shape == shape:
        return plane
    moved: NDArray[np.float64] = ndimage.affine_transform(
        plane, [1.0, 1.0], [-along for along in place], output_shape=shape, order=1, mode="nearest"
    )
    column, row = (np.arange(n) - along for n, along in zip(shape, place, strict=True))
    moved[(column < -_EDGE) | (column > plane.shape[0] - 1 + _EDGE)] = np.nan
    moved[:, (row < -_EDGE) | (row > plane.shape[1] - 1 + _EDGE)] = np.nan
    return moved
