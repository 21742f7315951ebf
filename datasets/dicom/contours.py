"""Read contours from an RTSTRUCT, and find the voxels inside them.

DICOM PS3.3, section C.8.8.6: points are in mm in patient space (LPS), with one closed contour per item. A voxel belongs
to a region if its centre is inside an odd number of the region's contours in its plane. A contour inside another one is
therefore a hole, whether it is drawn as a contour of its own or joined to the outer one by a keyhole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from survbench.datasets.dicom.geometry import Grid
from survbench.datasets.dicom.headers import items, read_whole, text
from survbench.datasets.dicom.planes import Mask, Plane, by_height, stacked
from survbench.datasets.readers.errors import ImageError
from survbench.findings import things

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_PARALLEL = 0.2
"""Largest difference, in slices, between a contour's points along the slice axis."""
_CONTOUR_DATA = (0x3006, 0x0050)


@dataclass(frozen=True, slots=True, eq=False)
class ContouredRegion:
    """A region of an RTSTRUCT.

    Attributes:
        name: ROIName.
        contours: points of each closed contour, shape (n, 3), mm (LPS).
        open: number of contours that are not closed and therefore enclose nothing.
    """

    name: str
    contours: tuple[NDArray[np.float64], ...]
    open: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is drawn in the region."""
        return not self.contours

    def mask(self, grid: Grid) -> Mask:
        """Return the region on the grid of an image.

        Raises:
            ImageError: the contours are not parallel to the slices, or are outside the image.
        """
        points = [grid.indices(contour) for contour in self.contours]
        if any(np.ptp(one[:, 2]) > _PARALLEL for one in points):
            what = f"The contours of {self.name!r} are not parallel to the slices of the image."
            raise ImageError(what, "Choose the image on which they were drawn.")
        planes: list[Plane] = []
        heights = [float(one[:, 2].mean()) for one in points]
        for together in by_height(heights):
            height = float(np.mean([heights[place] for place in together]))
            planes.append(Plane(height, inside([points[place][:, :2] for place in together], grid.shape[:2])))
        mask = stacked(planes, grid)
        if not mask.voxels.any():
            what = f"The contours of {self.name!r} contain no voxel centre of the image."
            raise ImageError(what, "Choose the image on which they were drawn.")
        notes = [f"{things(self.open, 'contour')} not closed and therefore left out."] if self.open else []
        return Mask(mask.voxels, (*mask.notes, *notes))


def read_contours(path: Path) -> tuple[ContouredRegion, ...]:
    """Return the regions of an RTSTRUCT in file order, including regions without contours.

    Raises:
        ImageError: the file or a contour cannot be read.
    """
    header = read_whole(path)
    drawn = {text(one, "ReferencedROINumber"): one for one in items(header, "ROIContourSequence")}
    regions: list[ContouredRegion] = []
    for declared in items(header, "StructureSetROISequence"):
        region = drawn.get(text(declared, "ROINumber"), Dataset())
        contours = [(text(c, "ContourGeometricType"), c) for c in items(region, "ContourSequence")]
        closed = tuple(_closed([c for kind, c in contours if kind in CLOSED]))
        regions.append(ContouredRegion(text(declared, "ROIName"), closed, sum(k not in CLOSED for k, _ in contours)))
    return tuple(regions)


def inside(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centres are inside an odd number of closed polygons.

    Args:
        polygons: corners of each polygon, shape (n, 2): column and row as fractional indices.
        shape: numbers of columns and rows.

    Returns:
        Shape (columns, rows). A centre on a left or upper edge is inside, one on a right or lower edge is outside.
    """
    columns, rows = shape
    crossings = np.zeros((columns + 1, rows), dtype=np.int32)
    for corners in polygons:
        (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
        first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.intp)
        count = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.intp) - first
        edge = np.repeat(np.arange(len(corners)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        x = x0[edge] + (row - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        np.add.at(crossings, (np.clip(np.ceil(x), 0, columns).astype(np.intp), row), 1)
    odd: NDArray[np.bool_] = np.cumsum(crossings[:columns], axis=0) % 2 == 1
    return odd


def _closed(contours: Sequence[Dataset]) -> Iterator[NDArray[np.float64]]:
    for contour in contours:
        element = contour.get_item(_CONTOUR_DATA)
        raw = None if element is None else element.value
        try:
            # decoding each number as a DS value would be many times slower
            values = raw.decode("ascii").strip("\0 ").split("\\") if isinstance(raw, bytes) else (raw or [])
            points = np.array(values, dtype=np.float64).reshape(-1, 3)
        except (UnicodeDecodeError, ValueError) as error:
            raise ImageError("A contour does not have three numbers per point.", "Export it again.") from error
        if not np.isfinite(points).all():
            raise ImageError("A contour has points that are not finite.", "Export it again.")
        if len(points) >= 3:
            yield points
