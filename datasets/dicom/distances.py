"""Check the distances between the slices of a volume for missing slices, and choose the distance for its grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.readers.errors import ImageError
from survbench.findings import things

SAME_PLACE_MM = 0.01
IRREGULAR = 0.02
"""Share of the usual distance by which a distance between slices may differ from it."""
ROUNDING_MM = 0.02
"""Additional difference in mm that is allowed for the rounding of positions."""
BESIDE = 0.1
"""Share of the usual distance by which a slice may be off its place."""
LARGEST_GAP = 1.75
"""Gap, as a multiple of the usual distance, from which slices are missing."""
LARGEST_NUMBERED_GAP, _FEWEST_NUMBERED = 2.2, 3
"""The same limit if at least ``_FEWEST_NUMBERED`` gaps are that wide and slice numbers are consecutive across them: the
scan was then made with two distances, such as 2.5 and 5 mm, and no slice is missing.
"""
FINE_SHARE = 0.25
"""Share of the distances between irregular slices that may be smaller than the grid's."""
_NEARLY_WHOLE = 0.1
_SHOWN = 3


def check_distances(label: str, heights: NDArray[np.float64], numbers: NDArray[np.float64]) -> None:
    """Refuse slices in the same place, and gaps where slices are missing.

    Args:
        label: the series in words.
        heights: positions of the slices along their normal, mm, ascending.
        numbers: InstanceNumber of each slice; NaN if missing.

    Raises:
        ImageError: slices are duplicated or missing; the message says where.
    """
    gaps = np.diff(heights)
    same = np.flatnonzero(gaps < SAME_PLACE_MM)
    if len(same):
        what = f"{label} has duplicated slices: {numbered(same)} in the same place as the next one."
        raise ImageError(what, "Remove one of each pair, or export the series again.")
    usual = float(np.median(gaps))
    wide = gaps > LARGEST_GAP * usual + ROUNDING_MM
    acquired_so = wide & (np.abs(np.diff(numbers)) == 1) & (gaps < LARGEST_NUMBERED_GAP * usual)
    if np.count_nonzero(acquired_so) >= _FEWEST_NUMBERED:
        wide &= ~acquired_so
    if not wide.any():
        return
    after, times = np.flatnonzero(wide), gaps[wide] / usual
    whole = np.round(times)
    if (np.abs(times - whole) < _NEARLY_WHOLE).all():
        missing = things(int((whole - 1).sum()), "slice")
        what = f"{label} lacks {missing}, after {numbered(after)} of {len(heights)}."
        raise ImageError(what, "Copy the missing files, or export the series again.")
    what = (
        f"{label} has irregular slices: most are {usual:.3g} mm apart, but up to {gaps.max():.3g} mm after "
        f"{numbered(after)}; gaps of up to {LARGEST_GAP * usual:.3g} mm are interpolated."
    )
    raise ImageError(what, "Copy the missing files, or export the volume with regular slices.")


def regular(heights: NDArray[np.float64]) -> bool:
    """Return whether slices are equally spaced, up to the rounding of positions."""
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    alike = np.abs(gaps - usual) <= IRREGULAR * usual + ROUNDING_MM
    beside = np.abs(heights - np.linspace(heights[0], heights[-1], len(heights)))
    return bool(alike.all() and (beside <= BESIDE * usual).all())


def grid_distance(heights: NDArray[np.float64]) -> float:
    """Return the slice distance in mm of a grid that extends from the first to the last of irregular slices.

    It is close to an actual distance: a quarter of the gaps may be smaller, so that a finely scanned part stays fine
    and a single narrow gap has no effect.

    >>> grid_distance(np.array([0.0, 3.0, 6.0, 9.5, 12.0, 15.0]))
    3.0
    """
    extent = float(heights[-1] - heights[0])
    fine = float(np.quantile(np.diff(heights), FINE_SHARE, method="lower"))
    return extent / max(1, round(extent / fine))


def numbered(places: NDArray[np.intp] | Sequence[int]) -> str:
    """Return slices by their place from the start, counted from 1.

    >>> numbered([0, 4])
    'slices 1, 5'
    """
    shown = ", ".join(str(int(place) + 1) for place in places[:_SHOWN])
    return f"slice{'s' if len(places) > 1 else ''} {shown}{', ...' if len(places) > _SHOWN else ''}"
