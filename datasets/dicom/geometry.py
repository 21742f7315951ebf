"""Where the slices of a volume lie: sorted along their normal, with the spacing that their positions have.

DICOM PS3.3, section C.7.6.2.1.1: ImagePositionPatient is the centre of the first pixel, ImageOrientationPatient the
direction of the rows and of the columns, PixelSpacing first the distance between rows. SliceThickness is not used: it
is the thickness of what a slice sums up, not the distance to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from survbench.datasets.dicom.series import Instance, Series
from survbench.datasets.readers.errors import ImageError
from survbench.findings import things

SAME_PLACE_MM = 0.01
IRREGULAR = 0.02
"""Share of the spacing by which a distance between slices may differ from it."""
ROUNDING_MM = 0.02
"""What the rounding of positions may add to that."""
LARGEST_TILT_DEGREES = 0.5
BESIDE = 0.1
"""Share of the spacing by which a slice may lie beside its place on the straight, regular grid."""
_SHOWN = 3
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A volume's place in space.

    Attributes:
        shape: columns, rows, slices; the order of the array's axes.
        affine: 4 x 4, array index to world millimetres (RAS+).
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def indices(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points lie, as array indices with fractions.

        Args:
            points: shape (n, 3), mm, in DICOM's directions (LPS).

        Returns:
            Shape (n, 3).
        """
        inverse = np.linalg.inv(self.affine) @ LPS_TO_RAS
        indices: NDArray[np.float64] = points @ inverse[:3, :3].T + inverse[:3, 3]
        return indices


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """The slices of a volume in the order of the array.

    Attributes:
        grid: where they lie.
        slices: the files, along the normal.
    """

    grid: Grid
    slices: tuple[Instance, ...]


def stack_of(volume: Series) -> Stack:
    """Return the slices of a volume in order, and where they lie.

    Args:
        volume: one of those of :func:`~survbench.datasets.dicom.series.volumes_of`.

    Raises:
        ImageError: several images in one file, no position, orientation or spacing, one slice, duplicated or missing
            slices, irregular distances, a tilted gantry, or slices of several orientations or sizes.
    """
    slices = volume.instances
    _check_headers(volume)
    first = slices[0]
    rows, columns = np.reshape(np.array(first.orientation, dtype=np.float64), (2, 3))
    positions = np.array([one.position for one in slices], dtype=np.float64)
    normal = np.cross(rows, columns)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    positions, along = positions[order], along[order]
    _check_distances(volume, along)
    step = (positions[-1] - positions[0]) / (len(slices) - 1)
    _check_straight(volume, positions, step, normal)
    affine = affine_of(positions[0], rows, columns, first.spacing or (0.0, 0.0), step)
    grid = Grid((first.size[1], first.size[0], len(slices)), affine)
    return Stack(grid, tuple(slices[i] for i in order))


def affine_of(
    position: ArrayLike,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    spacing: Sequence[float],
    step: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the matrix, 4 x 4, from (column, row, slice) to world millimetres (RAS+).

    Args:
        position: centre of the first pixel, shape (3,), mm (LPS).
        rows: direction of the rows, shape (3,).
        columns: direction of the columns, shape (3,).
        spacing: mm between rows, then between columns.
        step: from slice to slice, shape (3,), mm.
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
        what = f"{volume.label} has several images in one file (enhanced DICOM), which are not read."
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
            what = f"{volume.label} has slices of {len(values)} {name}."
            raise ImageError(what, "Choose one of the volumes in it.")
    if len(slices) < 2:
        raise ImageError(f"{volume.label} has one slice.", "Give the whole volume.")
    if min(slices[0].size) < 2 or min(slices[0].spacing or (0,)) <= 0:
        raise ImageError(f"{volume.label} has no pixels, or no spacing above 0.", "Export it again.")
    cosines = np.reshape(slices[0].orientation or (), (2, 3))
    if np.abs(cosines @ cosines.T - np.eye(2)).max() > 1e-3:
        raise ImageError(f"{volume.label} has rows and columns that are not at right angles.", "Export it again.")


def _check_distances(volume: Series, along: NDArray[np.float64]) -> None:
    gaps = np.diff(along)
    same = np.flatnonzero(gaps < SAME_PLACE_MM)
    if len(same):
        what = f"{volume.label} has duplicated slices: {_numbered(same)} lie where the next one lies."
        raise ImageError(what, "Remove one of each pair, or export the series again.")
    usual = float(np.median(gaps))
    allowed = IRREGULAR * usual + ROUNDING_MM
    odd = np.flatnonzero(np.abs(gaps - usual) > allowed)
    if not len(odd):
        return
    times = gaps[odd] / usual
    whole = np.round(times)
    if (whole >= 2).all() and (np.abs(times - whole) < 0.1).all():
        missing = int((whole - 1).sum())
        what = f"{volume.label} lacks {things(missing, 'slice')}, after {_numbered(odd)} of {len(along)}."
        raise ImageError(what, "Copy the missing files, or export the series again.")
    what = (
        f"{volume.label} has irregular slices: most lie {usual:.3g} mm apart, but from {gaps.min():.3g} to "
        f"{gaps.max():.3g} mm after {_numbered(odd)}."
    )
    raise ImageError(what, "Export the volume with regular slices.")


def _check_straight(
    volume: Series, positions: NDArray[np.float64], step: NDArray[np.float64], normal: NDArray[np.float64]
) -> None:
    forward = float(step @ normal)
    tilt = float(np.degrees(np.arctan2(np.linalg.norm(step - forward * normal), forward)))
    if tilt > LARGEST_TILT_DEGREES:
        what = f"{volume.label} was acquired with a tilted gantry ({tilt:.1f} degrees): its slices shift sideways."
        raise ImageError(what, "Resample it to a straight grid, for example with dcm2niix.")
    expected = positions[0] + np.arange(len(positions))[:, None] * step
    off = np.linalg.norm(positions - expected, axis=1)
    wrong = np.flatnonzero(off > BESIDE * forward)
    if len(wrong):
        what = f"{volume.label} has slices beside its axis, by up to {off.max():.3g} mm: {_numbered(wrong)}."
        raise ImageError(what, "Export the volume with regular slices.")


def _numbered(places: NDArray[np.intp] | Sequence[int]) -> str:
    """Name slices by their place from the start, counted from 1."""
    shown = ", ".join(str(int(place) + 1) for place in places[:_SHOWN])
    return f"slice{'s' if len(places) > 1 else ''} {shown}{', ...' if len(places) > _SHOWN else ''}"
