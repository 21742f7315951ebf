"""Turn the numbers stored in a mask's file into the voxels of the tumour."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.checks.facts import FULL_SCALES, Meaning

FEW_LEVELS = 4
"""Up to this many distinct whole numbers are always labels; more may be grey values, told apart by :data:`ALIKE`."""
MOST_LABELS = 200
ALIKE = 0.75
"""Smallest share of equal neighbours among marked voxels of a label mask; grey values change from voxel to voxel."""
MUCH, MIDDLE = 0.25, 0.4
"""A file with fractions is an image if it marks more than the share ``MUCH`` of all voxels and more than the share
``MIDDLE`` of these lie between a quarter and three quarters of the highest value; otherwise it is a soft mask.
"""
WHOLE = 1e-3
"""Largest distance of a label from a whole number, caused by the rounding of a slope."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskReading:
    """A mask as it is used.

    Attributes:
        voxels: True inside the tumour.
        meaning: what the file's numbers are.
        levels: the distinct nonzero numbers, ascending, shape (k,).
        counts: number of voxels with each level, shape (k,).
        stored: the file's numbers.
        absent: True where the file has NaN that was read as 0; None if it has no NaN.
    """

    voxels: NDArray[np.bool_]
    meaning: Meaning
    levels: NDArray[np.float32]
    counts: NDArray[np.intp]
    stored: NDArray[np.float32]
    absent: NDArray[np.bool_] | None = None

    def marked(self, labels: tuple[int, ...] | None) -> NDArray[np.bool_]:
        """Return the voxels that have one of some labels, or any number above 0; see :func:`read_labels`."""
        if not len(self.levels):
            return np.zeros(self.stored.shape, dtype=bool)
        if labels is None:
            return self._marked(None)
        return np.asarray(np.logical_or.reduce([self._marked(label) for label in labels]))

    def _marked(self, label: int | None) -> NDArray[np.bool_]:
        high = float(self.levels[-1])
        if self.meaning == "soft" and label in {None, 1, round(high)}:
            return np.asarray(self.stored >= high / 2)
        if label is None or (label == 1 and len(self.levels) == 1 and high in FULL_SCALES):
            return np.asarray(self.stored > 0)
        if self.meaning == "soft":
            return np.zeros(self.stored.shape, dtype=bool)
        return np.asarray(np.abs(self.stored - label) < 0.5)


def read_labels(
    stored: NDArray[np.float32], labels: tuple[int, ...] | None, absent: NDArray[np.bool_] | None = None
) -> MaskReading:
    """Return the voxels that a file's numbers mark as tumour.

    Without labels, these are all numbers above 0. Soft masks, whose numbers are fractions of a voxel, are cut at half
    of the highest number, which then counts as label 1. So does a number from :data:`FULL_SCALES` if it is alone.

    Args:
        stored: the file's numbers, finite.
        labels: the numbers that mean tumour, or None for any number above 0.
        absent: True where the file had NaN.
    """
    levels, counts = np.unique(stored[stored != 0], return_counts=True)
    read = MaskReading(np.empty(0, dtype=bool), _meaning(stored, levels, counts), levels, counts, stored, absent)
    return replace(read, voxels=read.marked(labels))


def _meaning(stored: NDArray[np.float32], levels: NDArray[np.float32], counts: NDArray[np.intp]) -> Meaning:
    if len(levels) < 2:
        return "image" if len(levels) and levels[0] < 0 else "labels"
    if levels[0] < 0:
        return "image"
    whole = bool((np.abs(levels - np.round(levels)) < WHOLE).all() and levels[0] >= 0.5)
    high = float(levels[-1])
    middle = counts[(levels > 0.25 * high) & (levels < 0.75 * high)].sum() / counts.sum()
    scaled = high in FULL_SCALES and len(levels) > FEW_LEVELS and middle > 0
    if scaled or (not whole and high <= 1 + WHOLE):
        return "image" if counts.sum() > MUCH * stored.size and middle > MIDDLE else "soft"
    if not whole or len(levels) > MOST_LABELS:
        return "image"
    return "image" if len(levels) > FEW_LEVELS and _alike(stored) < ALIKE else "labels"


def _alike(stored: NDArray[np.float32]) -> float:
    """Return the share of adjacent marked voxels that have the same number."""
    pairs = same = 0
    for axis in range(3):
        a, b = np.delete(stored, -1, axis), np.delete(stored, 0, axis)
        both = (a != 0) & (b != 0)
        pairs += int(np.count_nonzero(both))
        same += int(np.count_nonzero(a[both] == b[both]))
    return same / pairs if pairs else 0.0
