"""Report doubts about extracted features, per patient and feature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from survbench.features.extraction import WAVELET_REACH, Extraction, structure_column

FEW_GREY_LEVELS = 8
"""With fewer levels in a mask, a texture matrix contains hardly more information than the histogram."""

Kind = Literal["few-grey-levels", "constant", "non-finite", "border", "absent"]
KINDS: Mapping[Kind, str] = {
    "few-grey-levels": f"textures of images with fewer than {FEW_GREY_LEVELS} grey levels",
    "constant": "features constant over the cohort",
    "non-finite": "values that do not exist",
    "absent": "structures that patients do not have",
    "border": f"masks less than {WAVELET_REACH} voxels from the border of the grid",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """One line of the report.

    kind: one of :data:`KINDS`.
    subject: a patient's id; "" for the whole cohort.
    feature: a feature's name; an image (``pet_wavelet-HHH``) for all its textures; a structure; "" for the mask.
    detail: the doubt in words.
    """

    kind: Kind
    subject: str
    feature: str
    detail: str


def report(
    extractions: Mapping[str, Extraction], structures: Mapping[str, Mapping[str, Extraction]] | None = None
) -> list[Doubt]:
    """Return all doubts about a cohort's features, by kind, those about the tumour mask first.

    Args:
        extractions: extractions with one feature set, by patient id.
        structures: those of each structure, by its name.
    """
    doubts = _report(extractions)
    for name, of_structure in (structures or {}).items():
        own = _report({subject: e for subject, e in of_structure.items() if not e.absent})
        doubts += [replace(one, feature=structure_column(name, one.feature) if one.feature else name) for one in own]
        lacking = [subject for subject, e in of_structure.items() if e.absent]
        doubts += [Doubt("absent", subject, name, "no features; learners impute them") for subject in lacking]
    return doubts


def _report(extractions: Mapping[str, Extraction]) -> list[Doubt]:
    return [
        *(finding for subject, e in extractions.items() for finding in _few_grey_levels(subject, e)),
        *_value_doubts(extractions),
        *(finding for subject, e in extractions.items() for finding in _near_border(subject, e)),
    ]


def summary(findings: Sequence[Doubt]) -> str:
    """Return the number of doubts of each kind in one line, or "" if there are none."""
    counts = Counter(f.kind for f in findings)
    return ", ".join(f"{counts[kind]} {what}" for kind, what in KINDS.items() if counts[kind])


def _few_grey_levels(subject: str, extraction: Extraction) -> Iterator[Doubt]:
    for image, levels in extraction.grey_levels.items():
        if levels < FEW_GREY_LEVELS:
            detail = "constant in the mask" if image in extraction.constant else f"{levels} grey levels"
            yield Doubt("few-grey-levels", subject, image, detail)


def _near_border(subject: str, extraction: Extraction) -> Iterator[Doubt]:
    if extraction.margin < WAVELET_REACH:
        where = "touches the border" if extraction.margin == 0 else f"is {extraction.margin} voxels from the border"
        yield Doubt("border", subject, "", f"the mask {where}; wavelets wrap around there")


def _value_doubts(extractions: Mapping[str, Extraction]) -> Iterator[Doubt]:
    """Yield doubts about features that are constant over the cohort, and values that do not exist."""
    subjects = list(extractions)
    if not subjects:
        return
    names = list(extractions[subjects[0]].values)
    values = np.array([[e.values[name] for name in names] for e in extractions.values()])
    known = np.isfinite(values)
    low, high = (pick(np.where(known, values, fill), axis=0) for pick, fill in ((np.min, np.inf), (np.max, -np.inf)))
    if len(subjects) > 1:
        for column in np.flatnonzero(low == high):
            yield Doubt("constant", "", names[column], f"{low[column]:.6g} in every patient")
    for row, column in np.argwhere(~known):
        yield Doubt("non-finite", subjects[row], names[column], "does not exist")
