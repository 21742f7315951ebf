"""A folder with tables and NIfTI images, read as its card says. Every problem is listed, never only the first."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.evidence import Evidence
from survbench.datasets.checks.images import Misplaced, MissingFile, UnreadableFile
from survbench.datasets.checks.leaks import TellsOutcome
from survbench.datasets.readers.feature_table import feature_source, parse_features
from survbench.datasets.readers.nifti import ImageError, nifti_volume
from survbench.datasets.readers.patients import Patient, numbered, parse_patients
from survbench.findings import CohortError, Finding, grouped
from survbench.io.tables import read_table
from survbench.volume import Modality, Volume

AFFINE_TOLERANCE_MM = 0.1
"""How far the same corner may lie apart in a mask and the image that it was drawn on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What lies in a folder: the patients without a problem, and what is wrong with the others and with the whole."""

    source: SourceCohort
    findings: tuple[Finding, ...]


def read_cohort(
    card: CohortCard, folder: Path, *, skip_bad: bool = False, ignored: Collection[str] = ()
) -> SourceCohort:
    """Read a cohort's tables and the headers of its images; voxels are read when they are needed.

    Args:
        card: the cohort's card.
        folder: where the table and the images lie.
        skip_bad: go on without patients that have problems, each named in a warning.
        ignored: codes of findings in spite of which to go on.

    Raises:
        BenchError: the table cannot be read.
        CohortError: problems; with ``skip_bad`` those of the cohort as a whole, or no patient left.
    """
    inspection = inspect_cohort(card, folder)
    found = [f for f in inspection.findings if f.code not in ignored]
    whole = [f for f in found if not f.subject]
    if found and (whole or not skip_bad):
        count = len({f.subject for f in found if f.subject})
        hint = "" if whole or not count else f" in {count} patients (--skip-bad goes on without them)"
        raise CohortError(f"Cohort {card.name!r} in {folder} has problems{hint}:", found)
    for group in grouped(found):
        log.warning("left out: %s", group.text)
    if not len(inspection.source.cohort):
        raise CohortError(f"Cohort {card.name!r} in {folder} has no usable patient:", found)
    return replace(inspection.source, left_out=tuple(sorted({f.subject for f in found})))


def inspect_cohort(card: CohortCard, folder: Path) -> Inspection:
    """Read what can be read and collect every finding of the table, the files and their headers.

    Raises:
        BenchError: the table cannot be read at all.
    """
    table = numbered(card, read_table(folder / card.table))
    parsed = parse_patients(card, table)
    findings = list(parsed.findings)
    features = None
    if card.features is not None:
        source = feature_source(card, card.features, table, folder)
        features = parse_features(card, card.features, source, parsed.ids)
        findings += features.findings
    patients = {p.id: p for p in parsed.patients}
    kept: list[Patient] = []
    subjects: list[Subject] = []
    # files are looked at for every patient with a usable id, so that one report names all that has to be fixed
    for name in parsed.ids:
        volumes, of_files = _volumes(card, folder, name)
        findings += of_files
        patient = patients.get(name)
        if patient is not None and not of_files and (features is None or name in features.values):
            kept.append(patient)
            subjects.append(Subject(name, patient.centre, patient.clinical, volumes, patient.group))
    cohort = Cohort(
        subjects=tuple(subjects),
        channels=tuple(card.images),
        clinical_columns=card.model_columns,
        features=None if features is None else features.table(p.id for p in kept),
        time=np.array([p.time for p in kept], dtype=np.float64),
        event=np.array([p.event for p in kept], dtype=bool),
    )
    if len(cohort):
        findings += TellsOutcome().find(Evidence(card, cohort, table, folder))
    return Inspection(SourceCohort(card, cohort), tuple(findings))


def _volumes(card: CohortCard, folder: Path, name: str) -> tuple[dict[str, Volume], list[Finding]]:
    """Open a patient's files; return the volumes by name, and what is wrong with them."""
    wanted: list[tuple[str, Modality, str, int | None]] = [
        (channel, c.modality, c.file, None) for channel, c in card.images.items()
    ]
    if card.mask is not None:
        wanted.append(("mask", "MASK", card.mask.file, card.mask.label))
    volumes: dict[str, Volume] = {}
    findings: list[Finding] = []
    for channel, modality, pattern, label in wanted:
        path = folder / pattern.replace("{id}", name)
        absent = [*_of_path(path, folder, pattern, name)]
        findings += absent
        if absent:
            continue
        try:
            volumes[channel] = nifti_volume(path, modality, label=label)
        except ImageError as error:
            findings.append(unreadable(name, error))
    if not findings:
        findings = [*_of_geometry(card, volumes, name)]
    return volumes, findings


def unreadable(name: str, error: ImageError) -> Finding:
    """Return the finding of a patient's file that cannot be read."""
    detail = error.what.rstrip(".")
    return UnreadableFile.finding("Files cannot be used.", subject=name, detail=detail, remedy=error.remedy)


def _of_path(path: Path, folder: Path, pattern: str, name: str) -> Iterator[Finding]:
    relative = pattern.replace("{id}", name)
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob(f"*{name}*"))[:5] if path.parent.is_dir() else []
        detail = f"{relative}; there is {', '.join(near)}" if near else relative
        yield MissingFile.finding("Files are missing.", subject=name, detail=detail)
    elif not path.resolve().is_relative_to(folder.resolve()):
        cause, remedy = "Files lead out of the cohort's folder.", "Copy them into it: a cohort is what lies in it."
        yield MissingFile.finding(cause, subject=name, detail=f"{relative} leads to {path.resolve()}", remedy=remedy)


def _of_geometry(card: CohortCard, volumes: dict[str, Volume], name: str) -> Iterator[Finding]:
    """A mask must lie on the grid of one of the images; all must share the patient's space."""
    images = {channel: volumes[channel] for channel in card.images}
    mask = volumes.get("mask")
    if mask is not None and images and not any(_same_grid(mask, image) for image in images.values()):
        grids = ", ".join(f"{channel} {_grid(image)}" for channel, image in images.items())
        cause = "The mask lies on the grid of none of the images."
        remedy = "Export the mask on the grid of the image that it was drawn on."
        yield Misplaced.finding(cause, subject=name, detail=f"mask {_grid(mask)}, {grids}", remedy=remedy)
    for channel in list(images)[1:]:
        first = next(iter(images))
        if not _overlap(images[first], images[channel]):
            cause, remedy = f"{channel} and {first} do not overlap in space.", "Register them, or correct the headers."
            yield Misplaced.finding(cause, subject=name, remedy=remedy)


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
