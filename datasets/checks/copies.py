"""Checks for images and masks that are another patient's, saved again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.images import enumerated
from survbench.datasets.checks.kinds import VoxelCheck
from survbench.findings import Check, Finding

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
        copies = _copies(source.cohort.channels, [facts[s.id] for s in subjects])
        for (first, second), names in copies.items():
            a, b = subjects[first], subjects[second]
            if a.patient != b.patient and not any(_one_file(a, b, name) for name in names):
                cause = f"{_are_copies(names)} of another patient's, saved again."
                yield self.finding(cause, subject=b.id, detail=f"of {a.id}")


class CopiedAcross(Check):
    """An image or a mask of the external cohort is one of the cohort's, though its file is another: saved again, as
    SB430 finds it within a cohort. A model that has seen the patient is then tested with it. The same file in both is
    SB405, an error.
    """

    code = "SB608"
    severity = "warning"
    part = "external"
    title = "An image of the external cohort seems to be the cohort's"
    remedy = "If they are one patient, leave it out of one of the two (patients.without of the card)."


def of_copies(
    first: SourceCohort, other: SourceCohort, facts: Mapping[str, PatientFacts], of_other: Mapping[str, PatientFacts]
) -> Iterator[Finding]:
    """Yield the images of an external cohort that are the cohort's, saved again.

    Args:
        first: the cohort.
        other: the external one.
        facts: of the patients of the cohort, by id.
        of_other: of those of the external one.
    """
    ids = [i for i in first.cohort.ids if i in facts]
    others = [i for i in other.cohort.ids if i in of_other]
    both = [*(facts[i] for i in ids), *(of_other[i] for i in others)]
    for (a, b), names in _copies(first.cohort.channels, both).items():
        if a < len(ids) <= b:
            cause = f"{_are_copies(names)} of the cohort's, saved again."
            yield CopiedAcross.finding(cause, subject=others[b - len(ids)], detail=f"of {ids[a]}")


def _copies(channels: Sequence[str], facts: Sequence[PatientFacts]) -> dict[Pair, list[str]]:
    """Return the pairs of patients with the same image or mask, by their numbers, and the names of what is the same."""
    copies: dict[Pair, list[str]] = {}
    for name in channels:
        for pair in _same_images([of.images[name].coarse for of in facts]):
            copies.setdefault(pair, []).append(name)
    for pair in _same_masks([of.mask.content if of.mask else "" for of in facts]):
        copies.setdefault(pair, []).append("mask")
    return dict(sorted(copies.items(), key=lambda item: item[0][::-1]))


def _are_copies(names: Sequence[str]) -> str:
    return f"{enumerated(names)} {'is a copy' if len(names) == 1 else 'are copies'}"


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
