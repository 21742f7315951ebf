"""Read segments of a DICOM SEG, binary or fractional, and find an image's voxels inside them.

DICOM PS3.3, section C.8.20: each frame is one segment in one plane, and frames without a mark may be left out, so a
frame's place is known only from its position. Fractions count from half of MaximumFractionalValue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from survbench.datasets.dicom.geometry import Grid, affine_of
from survbench.datasets.dicom.headers import (
    damage_named,
    items,
    number,
    numbers,
    packing_of,
    read_header,
    read_whole,
    text,
)
from survbench.datasets.dicom.planes import Mask, Plane, by_height, stacked
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.nifti import MAX_BYTES

KINDS = ("BINARY", "FRACTIONAL")
_PARALLEL = 1e-3
_AGAIN = "Copy or export the segmentation again."


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The marks of a segment in one plane.

    Attributes:
        marks: True inside, shape (rows, columns).
        affine: 4 x 4, from (column, row, 0) to world millimetres (RAS+); its third axis is the normal.
    """

    marks: NDArray[np.bool_]
    affine: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedRegion:
    """A segment of a SEG.

    Attributes:
        name: SegmentLabel.
        frames: its planes, in the file's order.
    """

    name: str
    frames: tuple[Frame, ...]

    @property
    def empty(self) -> bool:
        """Whether the segment marks nothing."""
        return not any(frame.marks.any() for frame in self.frames)

    def mask(self, grid: Grid) -> Mask:
        """Return the region on the grid of an image: each voxel takes the mark of the pixel that contains its centre.

        Raises:
            ImageError: the frames are not parallel to the slices, or are outside the image.
        """
        # from image indices to each frame's pixels; the third coordinate is the distance of a slice from the frame
        to_frame = [np.linalg.inv(frame.affine) @ grid.affine for frame in self.frames]
        if any(np.abs(one[2, :2]).max() > _PARALLEL * np.abs(one[2, 2]) for one in to_frame):
            what = f"The frames of segment {self.name!r} are not parallel to the slices of the image."
            raise ImageError(what, "Choose the image on which it was drawn.")
        heights = [float(-one[2, 3] / one[2, 2]) for one in to_frame]
        planes: list[Plane] = []
        for together in by_height(heights):
            marks = np.zeros(grid.shape[:2], dtype=bool)
            for place in together:
                marks |= _sampled(self.frames[place].marks, to_frame[place], heights[place], grid)
            planes.append(Plane(heights[together[0]], marks))
        mask = stacked(planes, grid)
        if not mask.voxels.any():
            what = f"Segment {self.name!r} marks no voxel of the image."
            raise ImageError(what, "Choose the image on which it was drawn.")
        return mask


def read_segments(path: Path) -> tuple[SegmentedRegion, ...]:
    """Return the segments of a SEG in file order, including segments that mark nothing.

    Raises:
        ImageError: not binary or fractional, too large, truncated, or with a frame without position.
    """
    header = read_header(path)
    kind = text(header, "SegmentationType")
    if kind not in KINDS:
        raise ImageError(f"A segmentation has type {kind!r}.", "Export it as BINARY or FRACTIONAL.")
    size = tuple(int(number(header, keyword) or 1) for keyword in ("NumberOfFrames", "Rows", "Columns"))
    if math.prod(size) > MAX_BYTES:
        what = f"A segmentation declares {' x '.join(map(str, size))} pixels; at most {MAX_BYTES:,} are read."
        raise ImageError(what, "Crop the segmentation.")
    bits = int(number(header, "BitsAllocated") or 8)
    if math.prod(size) * bits // 8 > path.stat().st_size and not packing_of(header):
        raise ImageError(
            "A segmentation is truncated: its file is smaller than its pixels.", "Copy or export it again."
        )
    header = read_whole(path)
    frames = _frames(header, _marks(header, kind, size))
    return tuple(
        SegmentedRegion(text(one, "SegmentLabel"), tuple(frames.get(text(one, "SegmentNumber"), ())))
        for one in items(header, "SegmentSequence")
    )


def _marks(header: Dataset, kind: str, size: tuple[int, ...]) -> NDArray[np.bool_]:
    with damage_named("The pixels of a segmentation cannot be read.", _AGAIN):
        values = np.asarray(header.pixel_array).reshape(size)
    if kind == "BINARY":
        return values > 0
    marks: NDArray[np.bool_] = values >= (number(header, "MaximumFractionalValue") or 255) / 2
    return marks


def _frames(header: Dataset, marks: NDArray[np.bool_]) -> dict[str, list[Frame]]:
    shared = next(iter(items(header, "SharedFunctionalGroupsSequence")), Dataset())
    own = items(header, "PerFrameFunctionalGroupsSequence")
    if len(own) != len(marks):
        raise ImageError(f"A segmentation has {len(marks)} frames, but describes {len(own)} of them.", _AGAIN)
    frames: dict[str, list[Frame]] = {}
    for group, marked in zip(own, marks, strict=True):

        def of(sequence: str, group: Dataset = group) -> Dataset:
            return next(iter((*items(group, sequence), *items(shared, sequence))), Dataset())

        segment = text(of("SegmentIdentificationSequence"), "ReferencedSegmentNumber")
        frames.setdefault(segment, []).append(
            Frame(
                marked,
                _affine(
                    numbers(of("PlanePositionSequence"), "ImagePositionPatient", 3),
                    numbers(of("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
                    numbers(of("PixelMeasuresSequence"), "PixelSpacing", 2),
                ),
            )
        )
    return frames


def _affine(
    position: tuple[float, ...] | None, orientation: tuple[float, ...] | None, spacing: tuple[float, ...] | None
) -> NDArray[np.float64]:
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        raise ImageError("A frame of a segmentation has no position, orientation or pixel spacing.", _AGAIN)
    rows, columns = np.reshape(orientation, (2, 3))
    affine = affine_of(position, rows, columns, spacing, np.cross(rows, columns))
    if abs(np.linalg.det(affine)) < 1e-9:
        raise ImageError("A frame of a segmentation has rows and columns in the same direction.", _AGAIN)
    return affine


def _sampled(marks: NDArray[np.bool_], to_frame: NDArray[np.float64], height: float, grid: Grid) -> NDArray[np.bool_]:
    column, row = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    centres = np.stack([column, row, np.full(column.shape, height), np.ones(column.shape)])
    x, y = np.floor(np.tensordot(to_frame[:2], centres, axes=1) + 0.5 + 1e-6).astype(np.intp)
    within = (x >= 0) & (y >= 0) & (x < marks.shape[1]) & (y < marks.shape[0])
    sampled = np.zeros(within.shape, dtype=bool)
    sampled[within] = marks[y[within], x[within]]
    return sampled
