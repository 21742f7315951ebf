"""Checks for images and masks that are another patient's, saved again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.images import enumerated
from survbench.datasets.checks.kinds import VoxelCheck
from survbench.findings import Finding

SIDE = 8
"""Blocks along each axis by whose means images are compared."""
SAME = 0.999
"""Spearman's rho between the blocks of two images from which one is a copy of the other. Copies that were stored in 16
bits have 0.99999, those in 12 bits 0.9993 and more; among the 51 patients of sts51 no two have more than 0.995.
"""
ONE_FOR_ALL = 0.5
"""Share of the patients from which a mask is one for all, such as a region of an atlas, and no copy."""

Pair = tuple[int, int]


class CopiedImage(VoxelCheck):
    """An image or a mask is another patient's, though its file is another: saved again in another type or unit, with
    another header, or mirrored. An image to which noise was added is not found.

    Images are compared by the ranks of the means of 8 x 8 x 8 blocks, in all eight ways to mirror them: two are the
    same if Spearman's rho reaches 0.999. Masks of 50 voxels and more are the same if they mark the same voxels of grids
    of one shape.
    """

    code = "SB430"
    severity = "warning"
    part = "images"
    title = "An image seems to be another patient's"
    remedy = "Keep one of the two; if they are one patient's, name the patient with group on the card."

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        subjects = [s for s in source.cohort.subjects if s.id in facts]
        copies: dict[Pair, list[str]] = {}
        for name in source.cohort.channels:
            for pair in _same_images([facts[s.id].images[name].coarse for s in subjects]):
                copies.setdefault(pair, []).append(name)
        masks = [facts[s.id].mask for s in subjects]
        for pair in _same_masks([mask.content if mask else "" for mask in masks]):
            copies.setdefault(pair, []).append("mask")
        for (first, second), names in sorted(copies.items(), key=lambda item: item[0][::-1]):
            a, b = subjects[first], subjects[second]
            if a.patient != b.patient and not any(_one_file(a, b, name) for name in names):
                are = "is a copy" if len(names) == 1 else "are copies"
                cause = f"{enumerated(names)} {are} of another patient's, saved again."
                yield self.finding(cause, subject=b.id, detail=f"of {a.id}")


def _one_file(a: Subject, b: Subject, name: str) -> bool:
    """Say whether files are equal byte by byte; patients with such images have a finding of their own."""
    return name != "mask" and a.volumes[name].fingerprint() == b.volumes[name].fingerprint()


def _same_images(coarse: list[tuple[float, ...]]) -> list[Pair]:
    """Return the pairs of images, given by the ranks of their blocks, that are the same, mirrored or not."""
    rows = [n for n, ranks in enumerate(coarse) if ranks]
    if len(rows) < 2:
        return []
    ranks = np.array([coarse[n] for n in rows])
    ranks -= ranks.mean(axis=1, keepdims=True)
    ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    blocks = ranks.reshape(-1, SIDE, SIDE, SIDE)
    same = np.zeros((len(rows), len(rows)), dtype=np.bool_)
    for turns in product((False, True), repeat=3):
        axes = tuple(n for n, turned in enumerate(turns, 1) if turned)
        same |= ranks @ np.flip(blocks, axes).reshape(len(rows), -1).T >= SAME
    return _pairs(same, rows)


def _same_masks(contents: list[str]) -> list[Pair]:
    counts = Counter(contents)
    rows = [n for n, held in enumerate(contents) if held and counts[held] <= ONE_FOR_ALL * len(contents)]
    held = np.array([contents[n] for n in rows])
    return _pairs(held[:, None] == held, rows)


def _pairs(same: NDArray[np.bool_], rows: list[int]) -> list[Pair]:
    """Return the pairs that are the same, those of one row with the first alone."""
    later, earlier = np.nonzero(np.tril(same, -1))
    first: dict[int, int] = {}
    for second, other in zip(later.tolist(), earlier.tolist(), strict=True):
        first.setdefault(rows[second], rows[other])
    return [(other, second) for second, other in first.items()]
