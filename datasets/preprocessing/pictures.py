"""Small grey pictures of slices through images, in radiological convention."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SUV = (0.0, 7.0)
"""Window of the PET in SUV, from white to black."""
HU = (-160.0, 240.0)
"""Window of the CT in HU, from black to white."""
ON_PET, ON_CT = (208, 2, 27), (255, 210, 77)
"""Colours of outlines."""
_BESIDE = (176, 196, 212)
"""Colour of regions that were not scanned."""
_GAP = 4
_QUALITY = 80

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


def view(values: Floats, window: tuple[float, float], edge: NDArray[np.bool_], colour: tuple[int, ...]) -> Picture:
    """Return grey values with an outline; a window given from high to low shows high values dark.

    Args:
        values: of a slice, shape (rows, columns); NaN where nothing was scanned.
        window: the values shown black and white.
        edge: pixels of the outline, of the same shape.
        colour: of the outline.

    Returns:
        uint8, shape (rows, columns, 3).
    """
    grey = 255 * np.clip((np.nan_to_num(values) - window[0]) / (window[1] - window[0]), 0, 1)
    picture = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)
    picture[np.isnan(values)] = _BESIDE
    picture[edge] = colour
    return picture


def outline(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels that surround the marked ones."""
    from scipy.ndimage import binary_dilation

    around: NDArray[np.bool_] = binary_dilation(marked) & ~marked
    return around


def strip(views: Sequence[Picture]) -> bytes:
    """Return views of one height side by side, as JPEG."""
    from PIL import Image

    gap = np.full((len(views[0]), _GAP, 3), 255, dtype=np.uint8)
    parts = [part for one in views for part in (one, gap)][:-1]
    stream = io.BytesIO()
    Image.fromarray(np.hstack(parts)).save(stream, format="JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
