"""Checks for images and masks that are copies of another patient's."""

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
"""Number of blocks along each axis whose means are compared between images."""
SAME = 0.999
"""Spearman's rho between the blocks of two images from which one counts as a copy of the other. Copies stored in 16
bits reach 0.99999, copies in 12 bits at least 0.9993; among the 51 patients of sts51 no pair exceeds 0.995.
"""
ONE_FOR_ALL = 0.5
"""A mask shared by more than this share of the patients is common to all, such as an atlas region, and not a copy."""

Pair = tuple[int, int]


class CopiedImage(VoxelCheck):
    """An image or a mask is a copy of another patient's in a different file: saved again in another data type or unit,
    with another header, or mirrored. An image with added noise is not recognised.

    Images are compared by the ranks of the means of 8 x 8 x 8 blocks, in all eight mirrorings: two are the same if
    Spearman's rho reaches 0.999. Masks of at least 50 voxels are the same if they mark the same voxels on grids of the
    same shape.
    """

    code = "SB430"
    severity = "warning"
    part = "images"
    title = "An image seems to be another patient's"
    remedy = "Keep one of the two. If both belong to one patient, name the patient column under group on the card."

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
    """An image or a mask of the external cohort is a copy of the cohort's in a different file; SB430 is the same check
    within a cohort. The model would be tested on a patient it was trained on. The same file in both cohorts is an
    error, SB405.
    """

    code = "SB608"
    severity = "warning"
    part = "external"
    title = "An image of the external cohort seems to be the cohort's"
    remedy = "If they are the same patient, leave the patient out of one cohort (patients.without on its card)."


def of_copies(
    first: SourceCohort, other: SourceCohort, facts: Mapping[str, PatientFacts], of_other: Mapping[str, PatientFacts]
) -> Iterator[Finding]:
    """Yield findings about images of an external cohort that are copies of the cohort's.

    Args:
        first: the cohort.
        other: the external cohort.
        facts: facts of the cohort's patients by id.
        of_other: facts of the external cohort's patients by id.
    """
    ids = [i for i in first.cohort.ids if i in facts]
    others = [i for i in other.cohort.ids if i in of_other]
    both = [*(facts[i] for i in ids), *(of_other[i] for i in others)]
    for (a, b), names in _copies(first.cohort.channels, both).items():
        if a < len(ids) <= b:
            cause = f"{_are_copies(names)} of the cohort's, saved again."
            yield CopiedAcross.finding(cause, subject=others[b - len(ids)], detail=f"of {ids[a]}")


def _copies(channels: Sequence[str], facts: Sequence[PatientFacts]) -> dict[Pair, list[str]]:
    """Return the pairs of patients (by number) with the same image or mask, and the names of the shared volumes."""
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
    """Return whether files are identical byte by byte; SB405 reports patients with identical images."""
    return name != "mask" and a.volumes[name].fingerprint() == b.volumes[name].fingerprint()


def _same_images(coarse: list[tuple[float, ...]]) -> list[Pair]:
    """Return the pairs of images, given by the ranks of their blocks, that are equal, mirrored or not."""
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
    """Return each row that equals an earlier one, paired with the first row that it equals."""
    later, earlier = np.nonzero(np.tril(same, -1))
    first: dict[int, int] = {}
    for second, other in zip(later.tolist(), earlier.tolist(), strict=True):
        first.setdefault(rows[second], rows[other])
    return [(other, second) for second, other in first.items()]
