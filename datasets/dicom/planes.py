"""From marks in planes that lie parallel to an image's slices to a mask on its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.dicom.geometry import Grid
from survbench.findings import things

SAME_PLANE = 0.1
"""Planes that lie closer, in slices, are one plane."""
MOST_APART = 3.0
"""Contours are drawn on every slice, every second or third, or on slices of another scan; what lies further apart was
not meant as one body.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """What is marked at one height.

    Attributes:
        height: place along the slices, as an array index with a fraction.
        marks: true inside, shape (columns, rows).
    """

    height: float
    marks: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A region on the grid of an image.

    Attributes:
        voxels: true inside; shape of the grid.
        notes: what was lost or filled in on the way.
    """

    voxels: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def by_height(heights: Sequence[float]) -> list[list[int]]:
    """Return the places of heights that are one plane, from the lowest plane to the highest.

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
    """Return the mask of planes, each of another height, in ascending order.

    A slice takes the plane that is nearest to its centre, if that is not further than half the usual distance of the
    planes. So planes on the slices are copied, planes between slices or of another spacing keep their volume, and a gap
    stays open. Planes that usually lie more than :data:`MOST_APART` slices apart are single slices. All this is counted
    in slices as they were acquired, at whatever distances.
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
        notes.append(f"Marks lie {usual:.3g} slices apart: slices between them took the nearest.")
    if skipped := int(np.count_nonzero((slices >= heights[0]) & (slices <= heights[-1]) & ~filled)):
        notes.append(f"{things(skipped, 'slice')} between the marked ones stayed empty.")
    outside = int(np.count_nonzero((heights < slices[0] - reach) | (heights > slices[-1] + reach)))
    if outside:
        notes.append(f"{things(outside, 'plane')} of {len(planes)} outside of the image.")
    return Mask(voxels, tuple(notes))
