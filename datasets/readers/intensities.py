"""From the numbers that a file stores to the voxels that are used: what was not scanned becomes air.

Programs write NaN, or a number that is not HU, where nothing was scanned. At the border of an image such voxels are
read as :data:`FILL`; NaN elsewhere is damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.readers.errors import ImageError
from survbench.volume import FILL, Modality

LOWEST_HU = -1024.0
"""Scanners store nothing lower; what is (-2000, -3024) is padding."""
CUT_OFF = 0.75
"""A missing slice cuts the image off: its neighbours hold at least this share of what a slice usually holds. Where a
body ends, or two legs part, its slices dwindle before they vanish."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageReading:
    """An image as it is used.

    Attributes:
        voxels: float32, all finite.
        absent: true where the file holds NaN that was read as not scanned; None where it holds none.
        lowest: the lowest of the file's finite values.
        below: share of the voxels below -1024 in a CT, read as not scanned.
    """

    voxels: NDArray[np.float32]
    absent: NDArray[np.bool_] | None
    lowest: float
    below: float = 0.0


def read_intensities(values: NDArray[np.float32], modality: Modality, name: str) -> ImageReading:
    """Return the voxels that a file's values stand for.

    Args:
        values: as the file stores them, with slope and intercept applied.
        modality: tells what stands for air, and which values there can be.
        name: of the file, for messages.

    Raises:
        ImageError: values are infinite, or NaN inside of what was scanned.
    """
    low, high = float(values.min()), float(values.max())  # either is NaN where a value is
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
    """Return where values are NaN, all of them outside of what was scanned.

    Raises:
        ImageError: some are not, or values are infinite.
    """
    absent = np.isnan(values)
    infinite = int(np.count_nonzero(np.isinf(values)))
    if infinite:
        raise ImageError(f"{name} has {_voxels(infinite)} infinite.", "Export it again.")
    if absent.all():
        raise ImageError(f"{name} holds NaN and nothing else.", "Export it again.")
    for axis in range(3):
        first = _missing_slice(absent, axis)
        if first is not None:
            what = f"{name} has a slice of NaN between good ones (index {first} of axis {axis + 1})."
            raise ImageError(what, "Export it again.")
    enclosed = int(np.count_nonzero(absent & ~_joined_to_border(absent)))
    if enclosed:
        what = f"{name} has {_voxels(enclosed)} NaN inside of what was scanned."
        raise ImageError(what, "Export it again.")
    return absent


def _voxels(count: int) -> str:
    return f"{count:,} voxels that are" if count > 1 else "1 voxel that is"


def _missing_slice(absent: NDArray[np.bool_], axis: int) -> int | None:
    """Return the first slice along an axis that is NaN as a whole and cuts the image off."""
    others = tuple(a for a in range(3) if a != axis)
    known = np.count_nonzero(~absent, axis=others)
    good = np.flatnonzero(known)
    usual = CUT_OFF * float(np.median(known[good]))
    for before, after in pairwise(good):
        if after - before > 1 and min(known[before], known[after]) >= usual:
            return int(before) + 1
    return None


def _joined_to_border(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of a region that reaches the border of the image, over faces of voxels."""
    from scipy.ndimage import label

    parts, count = label(region)
    faces = [np.take(parts, end, axis=axis) for axis in range(3) for end in (0, -1)]
    reached = np.zeros(count + 1, dtype=bool)
    for face in faces:
        reached[face] = True
    reached[0] = False
    joined: NDArray[np.bool_] = reached[parts]
    return joined
