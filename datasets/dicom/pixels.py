"""Read the voxels of a volume: stored value x slope + intercept, slice by slice.

DICOM PS3.3, sections C.8.2.1 (CT: Hounsfield units) and C.8.9.4 (PET): the slope of a PET may differ between slices,
and does so with most scanners.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from survbench.datasets.dicom.geometry import Stack
from survbench.datasets.dicom.headers import damage_named, number, packing_of, read_whole, text
from survbench.datasets.dicom.resampling import resampled
from survbench.datasets.dicom.series import Instance
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.intensities import LOWEST_HU
from survbench.datasets.readers.nifti import MAX_BYTES


def read_suv(stack: Stack, factors: Sequence[float]) -> NDArray[np.float32]:
    """Return the voxels of a PET in SUV, shape ``stack.grid.shape``, in Fortran order.

    Args:
        stack: the slices in order.
        factors: for each slice, the factor from rescaled values to SUV.

    Raises:
        ImageError: see :func:`read_hu`.
    """
    refuse_large(stack)
    voxels = np.empty(stack.grid.shape, dtype=np.float32, order="F")
    for place, plane in enumerate(_planes(stack, factors, outside=0.0)):
        voxels[:, :, place] = plane
    return voxels


def read_hu(stack: Stack) -> NDArray[np.int16]:
    """Return the voxels of a CT in whole HU, shape ``stack.grid.shape``, in Fortran order.

    Raises:
        ImageError: too large, truncated, compressed in an unreadable way, not grey values, or without a slope.
    """
    refuse_large(stack)
    voxels = np.empty(stack.grid.shape, dtype=np.int16, order="F")
    for place, plane in enumerate(_planes(stack, [1.0] * len(stack.slices), outside=LOWEST_HU)):
        voxels[:, :, place] = np.clip(np.rint(plane), -32768, 32767)
    return voxels


def _planes(stack: Stack, factors: Sequence[float], *, outside: float) -> Iterator[NDArray[np.float64]]:
    """Yield the grid's slices, shape (columns, rows); ``outside`` fills what a tilted gantry did not scan."""
    planes = ((_slice(one) * factor).T for one, factor in zip(stack.slices, factors, strict=True))
    return planes if stack.places is None else resampled(planes, stack.places, stack.grid.shape, outside)


def refuse_large(stack: Stack) -> None:
    """Refuse a volume that is too large by its headers, before anything of its size is allocated.

    Raises:
        ImageError: too large.
    """
    size = math.prod(stack.grid.shape) * np.dtype(np.float32).itemsize
    if size > MAX_BYTES:
        shape = " x ".join(map(str, stack.grid.shape))
        what = f"The headers declare {shape} voxels, {size:,} bytes; at most {MAX_BYTES:,} are read."
        raise ImageError(what, "Crop the volume, or choose another series.")


def _slice(one: Instance) -> NDArray[np.float64]:
    header = read_whole(one.path)
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0:
        what = "A slice has no slope and intercept to convert its numbers into HU or activity."
        raise ImageError(what, "Export the original series, not a secondary capture.")
    return stored_values(header, one.size) * slope + intercept


def stored_values(header: Dataset, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the numbers stored in a file with one image, shape ``size`` (rows, columns).

    Raises:
        ImageError: truncated, compressed in an unreadable way, of another size than the header says, or in colour.
    """
    if text(header, "SamplesPerPixel") not in {"", "1"}:
        raise ImageError("A slice is in colour, without one number per pixel.", "Export the original series.")
    packed = packing_of(header)
    needed = size[0] * size[1] * int(number(header, "BitsAllocated") or 16) // 8
    with damage_named("The pixels of a slice cannot be read."):
        held = len(header.get("PixelData", b"") or b"")
    if not packed and held < needed:
        what = f"A slice is truncated: it needs {needed:,} bytes of pixels, the file has {held:,}."
        raise ImageError(what, "Copy or export it again.")
    what = f"The pixels of a slice cannot be read{f': they are compressed as {packed}' if packed else ''}."
    remedy = "Install the decoders with: pip install 'survbench[jpeg]'." if packed else "Copy or export it again."
    with damage_named(what, remedy):
        values: NDArray[np.float64] = np.asarray(header.pixel_array, dtype=np.float64)
    if values.shape != size:
        what = f"A slice has {values.shape} pixels, but its header says {size}."
        raise ImageError(what, "Export it again.")
    return values
