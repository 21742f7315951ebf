"""One slice of the first test patients of a fit, kept with the run so that people can look at predicted masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Subject
from survbench.volume import Volume
from survbench.work.predictions import Predicted
from survbench.work.prepared import PreparedCohort

FILE = "examples.npz"
PATIENTS = 2
"""Patients kept of each fit: the first of its test fold by id."""
BRIGHT = 99.5
"""Percentile of a slice's intensities that is shown white."""
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """The axial slice with the largest manual area, anterior above, the patient's right to the left.

    Attributes:
        id: the patient's.
        image: PET (else the first channel), black to white.
        manual: 255 inside the manual mask.
        probability: predicted, 255 is 1.
    """

    id: str
    image: Pixels
    manual: Pixels
    probability: Pixels


class Examples:
    """Keeps slices while predicted probabilities go by.

    Args:
        subjects: test patients with images, at least the first :data:`PATIENTS`.
        masks: their manual masks.
    """

    def __init__(self, subjects: Sequence[Subject], masks: Sequence[Volume]) -> None:
        self._known = list(zip(subjects[:PATIENTS], masks[:PATIENTS], strict=True))
        self._kept: list[Example] = []

    def watch(self, probability: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield what is given, patient by patient; what the receiver refuses is not kept."""
        for row, predicted in enumerate(probability):
            yield predicted
            if row < len(self._known):
                self._kept.append(_example(*self._known[row], predicted))

    def write(self, folder: Path) -> None:
        """Write :data:`FILE` into a run's folder; nothing where nothing was kept."""
        write_examples(folder, self._kept)


def write_examples(folder: Path, examples: Sequence[Example]) -> None:
    """Write :data:`FILE` into a run's folder; nothing where there are no examples."""
    if not examples:
        return
    arrays = {
        f"{name}_{row}": getattr(example, name)
        for row, example in enumerate(examples)
        for name in ("image", "manual", "probability")
    }
    np.savez_compressed(folder / FILE, ids=np.array([e.id for e in examples], dtype=np.str_), **arrays)


def read_examples(folder: Path) -> tuple[Example, ...]:
    """Return what a run has kept, or nothing."""
    if not (folder / FILE).is_file():
        return ()
    with np.load(folder / FILE, allow_pickle=False) as stored:
        return tuple(
            Example(
                id=str(name),
                image=stored[f"image_{row}"],
                manual=stored[f"manual_{row}"],
                probability=stored[f"probability_{row}"],
            )
            for row, name in enumerate(stored["ids"])
        )


def _example(subject: Subject, mask: Volume, predicted: NDArray[np.float32]) -> Example:
    volumes = list(subject.volumes.values())
    image = next((v for v in volumes if v.modality == "PET"), volumes[0])
    directions = mask.affine[:3, :3] / np.linalg.norm(mask.affine[:3, :3], axis=0)
    axis = int(np.argmax(np.abs(directions[2])))
    manual = np.moveaxis(np.asarray(mask.voxels(), dtype=bool), axis, 2)
    at = int(np.argmax(manual.sum(axis=(0, 1))))
    shown = np.moveaxis(np.asarray(image.voxels(), dtype=np.float64), axis, 2)[:, :, at]
    low, high = shown.min(), np.percentile(shown, BRIGHT)
    return Example(
        id=subject.id,
        image=_pixels((shown - low) / (high - low) if high > low else np.zeros_like(shown)),
        manual=_pixels(manual[:, :, at]),
        probability=_pixels(np.moveaxis(predicted, axis, 2)[:, :, at]),
    )


def _pixels(plane: NDArray[np.generic]) -> Pixels:
    """Return values between 0 and 1, in array order of a grid in RAS, as rows of a picture."""
    rows: Pixels = np.round(np.clip(plane.astype(np.float64), 0, 1) * 255).astype(np.uint8).T[::-1, ::-1]
    return np.ascontiguousarray(rows)


def watched_examples(
    predicted: Predicted, masks: list[Volume] | None, prepared: PreparedCohort, ids: Sequence[str]
) -> Examples:
    """Return what keeps slices of the first patients while their predicted masks are scored; nothing without masks."""
    if masks is None or predicted.probability is None:
        return Examples([], [])
    examples = Examples(prepared.inputs(ids[:PATIENTS], ["images"]).subjects, masks)
    predicted.probability = examples.watch(predicted.probability)
    return examples
