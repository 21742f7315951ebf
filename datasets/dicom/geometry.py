"""Order the slices of a volume along their normal, and derive its grid from their positions.

DICOM PS3.3, section C.7.6.2.1.1: ImagePositionPatient is the centre of the first pixel; ImageOrientationPatient is the
direction of the rows and then of the columns; PixelSpacing is the distance between rows and then between columns.
SliceThickness is not used: it is the thickness that a slice represents, not the distance to the next slice.

Slices of a tilted gantry, and slices at irregular distances, get a rectangular grid that contains all of them. It is
parallel to them, so that contours drawn on a slice still lie in a plane of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.datasets.dicom.distances import BESIDE, check_distances, grid_distance, numbered, regular
from survbench.datasets.dicom.series import Instance, Series
from survbench.datasets.readers.errors import ImageError
from survbench.findings import things

STRAIGHT_DEGREES = 0.5
"""If the gantry is tilted by less, slices stay as they are, on a grid that is not quite rectangular."""
LARGEST_TILT_DEGREES = 45.0
_WHOLE = 1e-3
"""Share of a pixel that may be cut off at a grid's edge."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A volume's place in space.

    Attributes:
        shape: columns, rows, slices; the order of the array's axes.
        affine: 4 x 4, from array index to world millimetres (RAS+).
        acquired: positions of the acquired slices along the third axis, ascending, as fractional array indices; None
            if the acquired slices are the grid's own.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    acquired: NDArray[np.float64] | None = None

    def indices(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points as fractional array indices.

        Args:
            points: shape (n, 3), mm, in DICOM's directions (LPS).

        Returns:
            Shape (n, 3).
        """
        inverse = np.linalg.inv(self.affine) @ LPS_TO_RAS
        indices: NDArray[np.float64] = points @ inverse[:3, :3].T + inverse[:3, 3]
        return indices

    def as_acquired(self, heights: ArrayLike) -> NDArray[np.float64]:
        """Convert heights from fractional array indices to fractional numbers of acquired slices.

        >>> Grid((4, 4, 3), np.eye(4), np.array([0.0, 1.2, 2.0])).as_acquired([-1, 0.6, 2.5]).tolist()
        [-1.0, 0.5, 2.5]
        """
        places = np.asarray(heights, dtype=np.float64)
        if self.acquired is None:
            return places
        numbers = np.arange(len(self.acquired))
        beyond = np.minimum(places - self.acquired[0], 0) + np.maximum(places - self.acquired[-1], 0)
        within: NDArray[np.float64] = np.interp(places, self.acquired, numbers) + beyond
        return within


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The slices of a volume in array order.

    Attributes:
        grid: grid of the volume.
        slices: the files, ordered along the normal.
        places: position of each slice's first pixel in the grid, shape (slices, 3), as fractional array indices; None
            if the slices are the grid's.
        notes: how the grid differs from the slices, in words.
    """

    grid: Grid
    slices: tuple[Instance, ...]
    places: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


def stack_of(volume: Series) -> Stack:
    """Return the slices of a volume in order, and their grid.

    Args:
        volume: one of the results of :func:`~survbench.datasets.dicom.series.volumes_of`.

    Raises:
        ImageError: a file has several images; position, orientation or spacing is missing; there is only one slice;
            slices are duplicated, missing, or off the straight line of the others; or slices differ in orientation or
            size.
    """
    slices = volume.instances
    _check_headers(volume)
    rows, columns = np.reshape(np.array(slices[0].orientation, dtype=np.float64), (2, 3))
    positions = np.array([one.position for one in slices], dtype=np.float64)
    normal = np.cross(rows, columns)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    heights = (positions - positions[0]) @ normal
    ordered = tuple(slices[place] for place in order)
    check_distances(volume.label, heights, np.array([one.number for one in ordered], dtype=np.float64))
    axis = (positions[-1] - positions[0]) / heights[-1]  # mm per mm along the normal
    _check_straight(volume, positions, heights, axis)
    tilt, even = _tilt(volume, axis), regular(heights)
    spacing = float(heights[-1]) / (len(slices) - 1) if even else grid_distance(heights)
    along = np.arange(len(slices), dtype=np.float64) if even else heights / spacing
    tilted = tilt > STRAIGHT_DEGREES
    plane, pixel = np.stack([rows, columns]), np.array(ordered[0].spacing)
    aside = heights[:, None] * (plane @ axis) / pixel[::-1] * tilted
    first, more = aside.min(axis=0), np.ceil(np.ptp(aside, axis=0) - _WHOLE).astype(int)
    corner = positions[0] + (first * pixel[::-1]) @ plane
    affine = affine_of(corner, rows, columns, pixel.tolist(), spacing * (normal if tilted else axis))
    size = ordered[0].size
    shape = size[1] + int(more[0]), size[0] + int(more[1]), round(heights[-1] / spacing) + 1
    notes = []
    if tilted:
        notes.append(f"the gantry was tilted by {tilt:.1f} degrees: resampled to a rectangular grid.")
    if not even:
        gaps = np.diff(heights)
        notes.append(f"slices are {gaps.min():.3g} to {gaps.max():.3g} mm apart: interpolated to {spacing:.3g} mm.")
    places = np.column_stack([aside - first, along]) if notes else None
    return Stack(Grid(shape, affine, None if even else along), ordered, places, tuple(notes))


def affine_of(
    position: ArrayLike,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    spacing: Sequence[float],
    step: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the 4 x 4 matrix from (column, row, slice) to world millimetres (RAS+).

    Args:
        position: centre of the first pixel, shape (3,), mm (LPS).
        rows: direction of the rows, shape (3,).
        columns: direction of the columns, shape (3,).
        spacing: mm between rows, then between columns.
        step: step from slice to slice, shape (3,), mm.
    """
    affine = np.eye(4)
    affine[:3, 0] = rows * spacing[1]
    affine[:3, 1] = columns * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = position
    placed: NDArray[np.float64] = LPS_TO_RAS @ affine
    return placed


def _check_headers(volume: Series) -> None:
    slices = volume.instances
    if any(one.frames > 1 for one in slices):
        what = f"{volume.label} has several images in one file (enhanced DICOM), which cannot be read."
        raise ImageError(what, "Export it as classic DICOM, one file per slice.")
    bare = sum(one.position is None or one.orientation is None or one.spacing is None for one in slices)
    if bare:
        what = f"{volume.label}: {things(bare, 'file')} without position, orientation or pixel spacing."
        raise ImageError(what, "Export the original slices, not screen captures.")
    for name, values in (
        ("orientations", {np.round(one.orientation or (), 3).tobytes() for one in slices}),
        ("sizes", {one.size for one in slices}),
        ("pixel spacings", {np.round(one.spacing or (), 3).tobytes() for one in slices}),
    ):
        if len(values) > 1:
            what = f"{volume.label} has slices with {len(values)} different {name}."
            raise ImageError(what, "Choose one of the volumes in it.")
    if len(slices) < 2:
        raise ImageError(f"{volume.label} has only one slice.", "Provide the whole volume.")
    if min(slices[0].size) < 2 or min(slices[0].spacing or (0,)) <= 0:
        raise ImageError(f"{volume.label} has no pixels, or no spacing above 0.", "Export it again.")
    cosines = np.reshape(slices[0].orientation or (), (2, 3))
    if np.abs(cosines @ cosines.T - np.eye(2)).max() > 1e-3:
        raise ImageError(f"{volume.label} has rows and columns that are not at right angles.", "Export it again.")


def _check_straight(
    volume: Series, positions: NDArray[np.float64], heights: NDArray[np.float64], axis: NDArray[np.float64]
) -> None:
    off = np.linalg.norm(positions - positions[0] - heights[:, None] * axis, axis=1)
    wrong = np.flatnonzero(off > BESIDE * np.median(np.diff(heights)))
    if len(wrong):
        what = f"{volume.label} has slices up to {off.max():.3g} mm off its axis: {numbered(wrong)}."
        raise ImageError(what, "Export the volume with regular slices.")


def _tilt(volume: Series, axis: NDArray[np.float64]) -> float:
    """Return the angle in degrees between the normal of the slices and the line on which they lie."""
    tilt = math.degrees(math.acos(min(1.0, 1 / float(np.linalg.norm(axis)))))
    if tilt > LARGEST_TILT_DEGREES:
        what = f"{volume.label} has slices that shift sideways by {tilt:.0f} degrees; no gantry tilts that far."
        raise ImageError(what, "Check the positions and orientations of its slices.")
    return tilt
