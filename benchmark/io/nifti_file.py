"""Voxels as the bytes of a packed NIfTI file."""

from __future__ import annotations

import gzip
import io
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

_COMPRESSION = 1
"""Of gzip: 1 is the fastest, 9 the smallest. By 4, files shrink by 1 to 8 % in 1.6 times the time."""


def nifti_bytes(voxels: NDArray[Any], affine: NDArray[np.float64]) -> bytes:
    """Return the content of a ``.nii.gz``, the same for the same voxels. They are packed slice by slice.

    Args:
        voxels: an array in Fortran's order is written without a copy.
        affine: 4 x 4, array index to world millimetres (RAS+); of the scanner's space.
    """
    image = nib.Nifti1Image(voxels, affine)  # type: ignore[no-untyped-call]
    image.set_sform(affine, code="scanner")  # type: ignore[no-untyped-call]
    image.set_qform(affine, code="scanner")  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    content = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=content, mtime=0) as stream:
        image.to_stream(stream)
    return content.getvalue()
