"""A folder with tables and NIfTI images, read as its card says. Every problem is listed, never only the first."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.file_pattern import file_of
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.readers.feature_table import feature_source, outcome_copies, parse_features
from survbench.datasets.readers.nifti import ImageError, nifti_volume
from survbench.datasets.readers.patients import Patient, numbered, parse_patients
from survbench.errors import CohortError, Problem
from survbench.io.tables import read_table
from survbench.volume import Modality, Volume

AFFINE_TOLERANCE_MM = 0.1
"""How far the same corner may lie apart in a mask and the image that it was drawn on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What lies in a folder: the patients without a problem, and the problems."""

    source: SourceCohort
    problems: tuple[Problem, ...]


def read_cohort(card: CohortCard, folder: Path, *, skip_bad: bool = False) -> SourceCohort:
    """Read a cohort's tables and the headers of its images; voxels are read when they are needed.

    Args:
        card: the cohort's card.
        folder: where the table and the images lie.
        skip_bad: go on without patients that have problems, each named in a warning.

    Raises:
        BenchError: the table cannot be read.
        CohortError: problems; with ``skip_bad`` those of the cohort as a whole, or no patient left.
    """
    found = inspect_cohort(card, folder)
    whole = [p for p in found.problems if not p.subject]
    if found.problems and (whole or not skip_bad):
        count = len({p.subject for p in found.problems if p.subject})
        hint = "" if whole or not count else f" in {count} patients (--skip-bad goes on without them)"
        raise CohortError(f"Cohort {card.name!r} in {folder} has problems{hint}:", found.problems)
    for problem in found.problems:
        log.warning("%s is left out: %s", problem.subject, problem.what)
    if not len(found.source.cohort):
        raise CohortError(f"Cohort {card.name!r} in {folder} has no usable patient:", found.problems)
    return replace(found.source, left_out=tuple(sorted({p.subject for p in found.problems})))


def inspect_cohort(card: CohortCard, folder: Path) -> Inspection:
    """Read what can be read and collect every problem of the table, the files and their headers.

    Raises:
        BenchError: the table cannot be read at all.
    """
    table = numbered(card, read_table(folder / card.table))
    parsed = parse_patients(card, table)
    problems = list(parsed.problems)
    features = None
    if card.features is not None:
        source = feature_source(card, card.features, table, folder)
        features = parse_features(card, card.features, source, parsed.ids)
        problems += features.problems
    patients = {p.id: p for p in parsed.patients}
    kept: list[Patient] = []
    subjects: list[Subject] = []
    # files are looked at for every patient with a usable id, so that one report names all that has to be fixed
    for name in parsed.ids:
        volumes, of_files = _volumes(card, folder, name)
        problems += [Problem(name, p.what, p.remedy) for p in of_files]
        patient = patients.get(name)
        if patient is not None and not of_files and (features is None or name in features.values):
            kept.append(patient)
            subjects.append(Subject(name, patient.centre, patient.clinical, volumes))
    cohort = Cohort(
        subjects=tuple(subjects),
        channels=tuple(card.images),
        clinical_columns=card.model_columns,
        features=None if features is None else features.table(p.id for p in kept),
        time=np.array([p.time for p in kept], dtype=np.float64),
        event=np.array([p.event for p in kept], dtype=bool),
    )
    if cohort.features is not None:
        problems += outcome_copies(cohort.features, cohort.time, cohort.event)
    return Inspection(SourceCohort(card, cohort), tuple(problems))


def _volumes(card: CohortCard, folder: Path, name: str) -> tuple[dict[str, Volume], list[ImageError]]:
    """Open a patient's files; return the volumes by name, and what is wrong with them."""
    wanted: list[tuple[str, Modality, str, int | None]] = [
        (channel, c.modality, c.file, None) for channel, c in card.images.items()
    ]
    if card.mask is not None:
        wanted.append(("mask", "MASK", card.mask.file, card.mask.label))
    volumes: dict[str, Volume] = {}
    problems: list[ImageError] = []
    for channel, modality, pattern, label in wanted:
        try:
            volumes[channel] = nifti_volume(_path(folder, pattern, name), modality, label=label)
        except ImageError as error:
            problems.append(error)
    if not problems:
        problems = _geometry_problems(card, volumes)
    return volumes, problems


def _path(folder: Path, pattern: str, name: str) -> Path:
    relative = file_of(pattern, name)
    path = folder / relative
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob(f"*{name}*"))[:5] if path.parent.is_dir() else []
        hint = f" There is: {', '.join(near)}." if near else ""
        raise ImageError(f"There is no file {relative}.{hint}", "Add it, or correct the pattern in the card.")
    if not path.resolve().is_relative_to(folder.resolve()):
        what = f"{relative} leads out of the cohort's folder, to {path.resolve()}."
        raise ImageError(what, "Copy the file into the folder: a cohort is what lies in it.")
    return path


def _geometry_problems(card: CohortCard, volumes: dict[str, Volume]) -> list[ImageError]:
    """A mask must lie on the grid of one of the images; all must share the patient's space."""
    problems: list[ImageError] = []
    images = {channel: volumes[channel] for channel in card.images}
    mask = volumes.get("mask")
    if mask is not None and images and not any(_same_grid(mask, image) for image in images.values()):
        grids = ", ".join(f"{channel} {_grid(image)}" for channel, image in images.items())
        what = f"The mask has the grid {_grid(mask)}, which is none of the images' ({grids})."
        problems.append(ImageError(what, "Export the mask on the grid of the image that it was drawn on."))
    for channel in list(images)[1:]:
        first = next(iter(images))
        if not _overlap(images[first], images[channel]):
            what = f"{channel} and {first} do not overlap in space."
            problems.append(ImageError(what, "Register the images, or correct the headers."))
    return problems


def _grid(volume: Volume) -> str:
    spacing = " x ".join(f"{mm:.3g}" for mm in volume.spacing)
    return f"{' x '.join(map(str, volume.shape))} of {spacing} mm"


def _corners(volume: Volume) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    index = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    index[:, :3] *= np.array(volume.shape) - 1
    corners: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (index @ volume.affine.T)[:, :3]
    return corners


def _same_grid(a: Volume, b: Volume) -> bool:
    return a.shape == b.shape and bool(np.abs(_corners(a) - _corners(b)).max() <= AFFINE_TOLERANCE_MM)


def _overlap(a: Volume, b: Volume) -> bool:
    low = np.maximum(_corners(a).min(axis=0), _corners(b).min(axis=0))
    high = np.minimum(_corners(a).max(axis=0), _corners(b).max(axis=0))
    return bool((high > low).all())
