"""Combine marks in planes parallel to an image's slices into a mask on the image's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.dicom.geometry import Grid
from survbench.findings import things

SAME_PLANE = 0.1
"""Planes closer than this, in slices, count as one plane."""
MOST_APART = 3.0
"""Largest distance, in slices, between planes of one body. Contours are drawn on every slice, every second or third, or
on slices of another scan.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The marks at one height.

    Attributes:
        height: position along the slices, as a fractional array index.
        marks: True inside, shape (columns, rows).
    """

    height: float
    marks: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A region on the grid of an image.

    Attributes:
        voxels: True inside; shape of the grid.
        notes: parts that were lost or filled in.
    """

    voxels: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def by_height(heights: Sequence[float]) -> list[list[int]]:
    """Group heights that belong to the same plane, by position in the list, from the lowest plane to the highest.

    >>> by_height([2.0, 1.0, 1.01])
    [[1, 2], [0]]
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    planes: list[list[int]] = []
    for place in order:
        if planes and heights[place] - heights[planes[-1][-1]] <= SAME_PLANE:
            planes[-1].append(place)
        else:
            planes.append([place])
    return planes


def stacked(planes: Sequence[Plane], grid: Grid) -> Mask:
    """Return the mask made of planes, each at another height, in ascending order.

    A slice takes the plane nearest to its centre if it is within half the usual distance between planes. Planes on
    slices are therefore copied, planes between slices or with another spacing keep their volume, and gaps stay open.
    Planes that are usually more than :data:`MOST_APART` slices apart are treated as single slices. All distances are in
    slices as acquired, whatever their spacing.
    """
    voxels = np.zeros(grid.shape, dtype=bool)
    heights = np.round(grid.as_acquired([plane.height for plane in planes]), 3)
    slices = grid.as_acquired(np.arange(grid.shape[2]))
    usual = float(np.median(np.diff(heights))) if len(planes) > 1 else 1.0
    if usual > MOST_APART:
        usual = 1.0
    reach = usual / 2
    filled = np.zeros(grid.shape[2], dtype=bool)
    for place, height in enumerate(slices):
        nearest = int(np.argmin(np.abs(height - heights)))
        if -reach < height - heights[nearest] <= reach:
            voxels[:, :, place] = planes[nearest].marks
            filled[place] = True
    notes: list[str] = []
    if usual > 1 + SAME_PLANE:
        notes.append(f"Marks are {usual:.3g} slices apart; slices between them took the nearest mark.")
    if skipped := int(np.count_nonzero((slices >= heights[0]) & (slices <= heights[-1]) & ~filled)):
        notes.append(f"{things(skipped, 'slice')} between marked slices stayed empty.")
    outside = int(np.count_nonzero((heights < slices[0] - reach) | (heights > slices[-1] + reach)))
    if outside:
        notes.append(f"{things(outside, 'plane')} of {len(planes)} outside the image.")
    return Mask(voxels, tuple(notes))
