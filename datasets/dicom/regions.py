"""Find the tumour's regions in a structure set by name, never by guessing."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.dicom.contours import read_contours
from survbench.datasets.dicom.geometry import Grid
from survbench.datasets.dicom.planes import Mask
from survbench.datasets.dicom.segments import read_segments
from survbench.datasets.dicom.series import Series
from survbench.datasets.readers.errors import ImageError
from survbench.errors import BenchError
from survbench.findings import things

ALTERNATIVES = "|"
STRUCTURE = "[a-z][a-z0-9_]*"
"""What a structure may be called, as on a card."""
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
        of: the structure that each pattern belongs to, in the order of the patterns; empty for a mask of one structure.
        structures: name of each structure, and its number in the mask. A patient may have no pattern of one.
        may_lack: whether a pattern may match nothing, if another one matches.
    """

    patterns: tuple[str, ...] = ()
    unite: bool = False
    of: tuple[str, ...] = ()
    structures: tuple[tuple[str, int], ...] = ()
    may_lack: bool = False

    def of_structure(self, name: str) -> Wish:
        """Return what makes one structure."""
        own = tuple(p for p, structure in zip(self.patterns, self.of, strict=True) if structure == name)
        return Wish(own, self.unite, may_lack=self.may_lack)


def by_structure(given: Sequence[str], option: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a user names, and the structure that stands before the equals sign of each; none if none has one.

    >>> by_structure(["gtvp=GTV", "gtvn=GTVn*"], "--region")
    (('GTV', 'GTVn*'), ('gtvp', 'gtvn'))

    Raises:
        BenchError: some have a structure, and others have none.
    """
    split = [re.fullmatch(f"({STRUCTURE})=(.+)", one) for one in given]
    named = [one for one in split if one]
    if not named:
        return tuple(given), ()
    if len(named) < len(given):
        bare = ", ".join(one for one, found in zip(given, split, strict=True) if not found)
        raise BenchError(f"{option} {bare} has no structure. Give each one, as in gtvn={bare}, or none.")
    return tuple(one[2] for one in named), tuple(one[1] for one in named)


def numbered(structures: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return structures with their numbers in a mask, in the order in which they are first named."""
    return tuple((name, number) for number, name in enumerate(dict.fromkeys(structures), start=1))


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
    present = [p for p in wish.patterns if _matched(names, p)] if wish.may_lack else []
    for pattern in present or wish.patterns:
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


def found_in(names: Sequence[str], wish: Wish) -> int:
    """Return how many patterns of a wish match a region."""
    return sum(bool(_matched(names, pattern)) for pattern in wish.patterns)


def labelled_mask(regions: Sequence[Region], wish: Wish, grid: Grid) -> tuple[NDArray[np.unsignedinteger], Mask]:
    """Return the number of the structure of each voxel (0: none), and the union of all structures with its notes.

    A mask of one structure has the number 1. A voxel in two structures belongs to the one that is named later, as
    nodes overwrite the primary in the masks of HECKTOR.

    Args:
        regions: the regions of a structure set.
        wish: which of them, and the structures that they are.
        grid: of an image.

    Raises:
        ImageError: see :func:`chosen_names`; or a region is not on the image.
    """
    names = [region.name for region in regions if not region.empty]
    if not wish.structures:
        mask = mask_of(regions, chosen_names(names, wish), grid)
        return mask.voxels.astype(np.uint8), mask
    numbers = np.zeros(grid.shape, dtype=np.min_scalar_type(max(number for _, number in wish.structures)))
    notes: list[str] = []
    for structure, number in wish.structures:
        own = wish.of_structure(structure)
        if not own.patterns or (wish.may_lack and not asked_for(names, own)):
            notes.append(f"No region of {structure}: taken as absent.")
            continue
        mask = mask_of(regions, chosen_names(names, own), grid)
        both = int(np.count_nonzero(mask.voxels & (numbers > 0)))
        notes += [
            *mask.notes,
            *([f"{things(both, 'voxel')} of {structure} also in another structure."] if both else []),
        ]
        numbers[mask.voxels] = number
    return numbers, Mask(numbers > 0, tuple(dict.fromkeys(notes)))


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
