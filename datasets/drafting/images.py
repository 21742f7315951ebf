"""The card's lines about images and masks: their files, the box that they fill, and the labels seen in masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from survbench.datasets.cards.card import TODO
from survbench.datasets.drafting.paths import Pattern, Places
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.nifti import Header, read_header, read_image

LOOKED_AT = 5
"""Number of files of one kind that are opened at most."""
MAX_LABELS = 20
"""A file with more distinct values is an image, not a mask."""
_REFERENCE = "reference: image-centre"


@dataclass(frozen=True, slots=True)
class ImageLines:
    """Lines of a card; unreadable files, one sentence each; and what the user has to fill in, one sentence each."""

    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


def image_lines(where: Places | None, folder: Path, patients: int, labels: Mapping[str, int]) -> ImageLines:
    """Return the card's lines for the images in a folder, and the problems met on the way.

    Args:
        where: the files found, or None for a folder without images.
        folder: the cohort's folder.
        patients: number of rows in the table.
        labels: voxel values in the masks of structures whose names are known.
    """
    if where is None or not where.channels:
        lines = ["# No images were recognised; methods that need images are skipped. Declare images as", "# images:",
                 '#   pet: {modality: PET, file: "images/{id}_PET.nii.gz"}']  # fmt: skip
        return ImageLines((*lines, *_other_lines(where.others if where else (), patients)))
    lines = ["images:"]
    for name, modality, pattern in where.channels:
        lines.append(f'  {name}: {{modality: {modality}, file: "{pattern.text}"}}{_count(pattern, patients)}')
    if where.mask is not None:
        lines += _mask_lines(where.mask, folder, patients, labels)
    else:
        lines.append("# mask: no file looks like a tumour mask")
    lines += _other_lines(where.others, patients)
    headers, damaged = _headers(where, folder)
    box = _box(headers)
    if box is None:
        todo = "field_of_view_mm: no image could be read. Give three sides in mm, such as [160, 160, 160]."
        return ImageLines((*lines, f"field_of_view_mm: {TODO}  # TODO: {todo}", _REFERENCE), damaged, (todo,))
    guess = "# GUESS: the extent of one patient's images; one box for all"
    return ImageLines((*lines, f"field_of_view_mm: [{box}]  {guess}", _REFERENCE), damaged)


def _headers(where: Places, folder: Path) -> tuple[list[Header], tuple[str, ...]]:
    """Return the header of the first readable file of each channel, and the damaged files met before it."""
    headers, damaged = [], list[str]()
    for _, _, pattern in where.channels:
        for path in list(pattern.files.values())[:LOOKED_AT]:
            try:
                headers.append(read_header(folder / path))
                break
            except ImageError as error:
                damaged.append(f"{path} cannot be read: {error}")
    return headers, tuple(damaged)


def _box(headers: Sequence[Header]) -> str | None:
    if not headers:
        return None
    extents = [np.abs(h.affine[:3, :3] @ np.array(h.shape)) for h in headers]
    x, y, z = (float(np.round(v)) for v in np.min(extents, axis=0))
    return f"{x:g}, {y:g}, {z:g}"


def _count(pattern: Pattern, patients: int) -> str:
    return "" if len(pattern.files) == patients else f"  # {len(pattern.files)} of {patients} patients have this file"


def _other_lines(others: Sequence[Pattern], patients: int) -> list[str]:
    several = [p for p in others if len(p.files) > 1][:LOOKED_AT]
    lines = [f"#   {p.text} ({len(p.files)} of {patients} patients)" for p in several]
    return ["# Files whose content is not clear from their names:", *lines] if lines else []


def _mask_lines(mask: Pattern, folder: Path, patients: int, known: Mapping[str, int]) -> list[str]:
    """Return the mask's line, and a comment on the numbers in the first masks. Several labels become structures, whose
    names are not guessed.
    """
    line, count = f'mask: {{file: "{mask.text}"', _count(mask, patients)
    if known:
        return [f"{line}, labels: {{{', '.join(f'{name}: {label}' for name, label in known.items())}}}}}{count}"]
    seen: Counter[float] = Counter()
    looked = 0
    for path in list(mask.files.values())[:LOOKED_AT]:
        try:
            voxels = np.unique(read_image(folder / path))
        except ImageError:
            continue  # 'bench cohort check' names damaged files
        looked += 1
        if len(voxels) > MAX_LABELS or (voxels < 0).any():
            odd = f"# {path} has {len(voxels)} distinct values: it looks like an image, not a mask"
            return [f"{line}}}{count}", odd]
        seen.update(float(v) for v in voxels if v)
    if len(seen) < 2 or not all(label >= 1 and label.is_integer() for label in seen):
        return [f"{line}}}{count}"]
    labels = ", ".join(f"label_{label:g}: {label:g}" for label in sorted(seen))
    counts = ", ".join(f"{label:g} (in {holders})" for label, holders in sorted(seen.items()))
    advice = "Name each structure, such as gtvp and gtvn, and remove what is not tumour"
    return [f"{line}, labels: {{{labels}}}}}{count}", f"# Labels in {looked} masks: {counts}. {advice}."]
