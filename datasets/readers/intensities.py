"""Turn the numbers stored in a file into the voxels that are used: what was not scanned becomes air.

Programs write NaN, or a number that is not a valid HU, where nothing was scanned. Such voxels are read as :data:`FILL`
if they reach the border of the image; NaN elsewhere is damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.readers.errors import ImageError
from survbench.volume import FILL, Modality

LOWEST_HU = -1024.0
"""Scanners store nothing lower; lower numbers (-2000, -3024) are padding."""
CUT_OFF = 0.75
"""A NaN slice counts as missing if both neighbours have at least this share of the usual number of known voxels per
slice. Where a body ends, or two legs part, slices shrink before they vanish."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageReading:
    """An image as it is used.

    Attributes:
        voxels: float32, all finite.
        absent: True where the file has NaN that was read as not scanned; None if it has no NaN.
        lowest: the lowest finite value in the file.
        below: share of the voxels of a CT that are below -1024 HU and were read as not scanned.
    """

    voxels: NDArray[np.float32]
    absent: NDArray[np.bool_] | None
    lowest: float
    below: float = 0.0


def read_intensities(values: NDArray[np.float32], modality: Modality, name: str) -> ImageReading:
    """Return the voxels that a file's values stand for.

    Args:
        values: values as stored, with slope and intercept applied.
        modality: determines the value for air, and which values are possible.
        name: the file's name, for messages.

    Raises:
        ImageError: values are infinite, or NaN inside the scanned region.
    """
    low, high = float(values.min()), float(values.max())  # both are NaN if any value is
    absent = None
    if not np.isfinite([low, high]).all():
        absent = _outside(values, name)
        values = np.where(absent, np.float32(FILL[modality]), values)
        low = float(values[~absent].min())
    below = 0.0
    if modality == "CT" and low < LOWEST_HU:
        padding = values < LOWEST_HU
        below = float(padding.mean())
        values = np.where(padding, np.float32(FILL["CT"]), values)
    return ImageReading(values, absent, low, below)


def _outside(values: NDArray[np.float32], name: str) -> NDArray[np.bool_]:
    """Return where values are NaN, after checking that all of these voxels are outside the scanned region.

    Raises:
        ImageError: a NaN is inside the scanned region, all values are NaN, or a value is infinite.
    """
    absent = np.isnan(values)
    infinite = int(np.count_nonzero(np.isinf(values)))
    if infinite:
        raise ImageError(f"{name} has {_voxels(infinite)} infinite.", "Export it again.")
    if absent.all():
        raise ImageError(f"{name} contains only NaN.", "Export it again.")
    for axis in range(3):
        first = _missing_slice(absent, axis)
        if first is not None:
            what = f"{name} has a slice of NaN between valid slices (index {first} of axis {axis + 1})."
            raise ImageError(what, "Export it again.")
    enclosed = int(np.count_nonzero(absent & ~_joined_to_border(absent)))
    if enclosed:
        what = f"{name} has {_voxels(enclosed)} NaN inside the scanned region."
        raise ImageError(what, "Export it again.")
    return absent


def _voxels(count: int) -> str:
    return f"{count:,} voxels that are" if count > 1 else "1 voxel that is"


def _missing_slice(absent: NDArray[np.bool_], axis: int) -> int | None:
    """Return the first all-NaN slice along an axis that counts as missing (see :data:`CUT_OFF`), or None."""
    others = tuple(a for a in range(3) if a != axis)
    known = np.count_nonzero(~absent, axis=others)
    good = np.flatnonzero(known)
    usual = CUT_OFF * float(np.median(known[good]))
    for before, after in pairwise(good):
        if after - before > 1 and min(known[before], known[after]) >= usual:
            return int(before) + 1
    return None


def _joined_to_border(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of a region that is connected to the border of the image through voxel faces."""
    from scipy.ndimage import label

    parts, count = label(region)
    faces = [np.take(parts, end, axis=axis) for axis in range(3) for end in (0, -1)]
    reached = np.zeros(count + 1, dtype=bool)
    for face in faces:
        reached[face] = True
    reached[0] = False
    joined: NDArray[np.bool_] = reached[parts]
    return joined
