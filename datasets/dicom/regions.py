"""Find the tumour's regions in a structure set by name, never by guessing."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np
from survbench.datasets.dicom.contours import read_contours
from survbench.datasets.dicom.geometry import Grid
from survbench.datasets.dicom.planes import Mask
from survbench.datasets.dicom.segments import read_segments
from survbench.datasets.dicom.series import Series
from survbench.datasets.readers.errors import ImageError

ALTERNATIVES = "|"
_SHOWN = 30
_NEAREST = 3


class Region(Protocol):
    """A named drawing that can be put on the grid of an image."""

    @property
    def name(self) -> str:
        """The name in the file."""

    @property
    def empty(self) -> bool:
        """Whether nothing is drawn."""

    def mask(self, grid: Grid) -> Mask:
        """Return the region on the grid of an image."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The regions that make a mask.

    Attributes:
        patterns: names with ``*`` and ``?``, compared as whole names without regard to case; each must match. A pattern
            may list alternatives, ``GTVp|GTV primary``: the first that matches counts. Empty: the only region.
        unite: whether a pattern may match several regions, which are then united.
    """

    patterns: tuple[str, ...] = ()
    unite: bool = False


def read_regions(series: Series) -> tuple[Region, ...]:
    """Return the regions of an RTSTRUCT or SEG series, which may consist of several files.

    Raises:
        ImageError: a file cannot be read.
    """
    read = read_contours if series.modality == "RTSTRUCT" else read_segments
    return tuple(region for one in series.instances for region in read(one.path))


def chosen_names(names: Sequence[str], wish: Wish) -> tuple[str, ...]:
    """Return the names that a wish selects, in the order of its patterns.

    Args:
        names: names of the regions in which something is drawn.
        wish: see :class:`Wish`.

    Raises:
        ImageError: there is no region; there are several and no pattern; a pattern matches none or several; or two
            regions have the same selected name.
    """
    listed = _listed(names)
    if not names:
        raise ImageError("No region is drawn.", "Choose another structure set.")
    if not wish.patterns and len(names) > 1:
        what = f"There are {len(names)} regions, and none was chosen: {listed}."
        raise ImageError(what, "Name the tumour's region with --region.")
    chosen = list(names) if not wish.patterns else []
    for pattern in wish.patterns:
        matched = _matched(names, pattern)
        if not matched:
            near = difflib.get_close_matches(_plain(pattern), [_plain(n) for n in names], _NEAREST, cutoff=0.4)
            nearest = [name for name in names if _plain(name) in near]
            hint = f"the nearest names are {_listed(nearest)}" if nearest else f"there are {listed}"
            raise ImageError(f"No region is named {pattern!r}; {hint}.", "Correct the name or the pattern.")
        if len(set(matched)) > 1 and not wish.unite:
            what = f"{pattern!r} matches {len(matched)} regions: {_listed(matched)}."
            raise ImageError(what, "Name one of them, or ask for their union.")
        chosen += [name for name in matched if name not in chosen]
    twice = [name for name, count in Counter(names).items() if count > 1 and name in chosen]
    if twice and not wish.unite:
        raise ImageError(f"Two regions are named {twice[0]!r}.", "Rename one, or ask for their union.")
    return tuple(dict.fromkeys(chosen))


def asked_for(names: Sequence[str], wish: Wish) -> tuple[str, ...]:
    """Return the user's own patterns for the selected regions, because region names may contain a patient's name.

    >>> asked_for(["GTV Doe 1", "gtvn"], Wish(("GTVp|GTV*", "GTVn", "ctv"), unite=True))
    ('GTV*', 'GTVn')
    """
    asked = [a for pattern in wish.patterns for a in pattern.split(ALTERNATIVES)]
    return tuple(a for a in asked if _matched(names, a))


def mask_of(regions: Sequence[Region], names: Sequence[str], grid: Grid) -> Mask:
    """Return the union of the named regions on the grid of an image.

    Raises:
        ImageError: a region is not on the image.
    """
    masks = [region.mask(grid) for region in regions if region.name in names and not region.empty]
    voxels = np.logical_or.reduce([mask.voxels for mask in masks])
    return Mask(voxels, tuple(dict.fromkeys(note for mask in masks for note in mask.notes)))


def _matched(names: Sequence[str], pattern: str) -> list[str]:
    for alternative in pattern.split(ALTERNATIVES):
        plain = _plain(alternative)
        matched = [n for n in names if _plain(n) == plain] or [n for n in names if fnmatchcase(_plain(n), plain)]
        if matched:
            return matched
    return []


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", name.strip()).casefold()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
