"""A folder with tables and NIfTI images, read as its card says. Every problem is listed, never only the first."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import of_cohort
from survbench.datasets.checks.geometry import Misplaced
from survbench.datasets.checks.images import MissingFile, UnreadableFile
from survbench.datasets.checks.outcome import NobodyCensored, NoEvents
from survbench.datasets.readers.axis_order import AS_STORED, corners, difference, order_of
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.feature_table import feature_source, parse_features
from survbench.datasets.readers.leftovers import of_files, of_reading, of_rows
from survbench.datasets.readers.nifti import in_order, nifti_volume
from survbench.datasets.readers.paths import PatientFiles, patient_files
from survbench.datasets.readers.patients import Patient, numbered, outcomes_lost, parse_patients
from survbench.findings import CohortError, Finding, grouped
from survbench.io.tables import read_table
from survbench.volume import Modality, Volume

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What lies in a folder: the patients without a problem, and all findings of them, of others and of the whole."""

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
    found = [f for f in inspection.findings if f.severity == "error" and f.code not in ignored]
    whole = [f for f in found if not f.subject]
    if found and (whole or not skip_bad):
        count = len({f.subject for f in found if f.subject})
        hint = "" if whole or not count else f" in {count} patients (--skip-bad goes on without them)"
        raise CohortError(f"Cohort {card.name!r} in {folder} has problems{hint}:", found)
    for group in grouped(found):
        log.warning("left out: %s", group.text)
    if not len(inspection.source.cohort):
        raise CohortError(f"Cohort {card.name!r} in {folder} has no usable patient:", found)
    kept = tuple(f for f in inspection.findings if f not in set(found))
    return replace(inspection.source, left_out=tuple(sorted({f.subject for f in found})), findings=kept)


def inspect_cohort(card: CohortCard, folder: Path) -> Inspection:
    """Read what can be read and collect every finding of the table, the files and their headers; voxels are not read.

    Raises:
        BenchError: the table cannot be read at all.
    """
    table = numbered(card, read_table(folder / card.table))
    parsed = parse_patients(card, table)
    findings = [*parsed.findings, *of_reading(table, card.table)]
    features = None
    if card.features is not None:
        source = feature_source(card, card.features, table, folder)
        features = parse_features(card, card.features, source, parsed.ids)
        findings += features.findings
        if source[1] != card.table:
            findings += of_reading(*source[:2])
        if card.id in table.columns:
            findings += of_rows(card, table.column(card.id), source)
    patients = {p.id: p for p in parsed.patients}
    kept: list[Patient] = []
    subjects: list[Subject] = []
    # files are looked at for every patient with a usable id, so that one report names all that has to be fixed
    files = {pattern: patient_files(folder, pattern, parsed.ids, table=card.table) for pattern in card.patterns}
    lost = [finding for of_pattern in files.values() for finding in of_pattern.findings]
    findings += [*lost, *of_files(files.values())]
    for name in parsed.ids:
        volumes, of_volumes = _volumes(card, folder, name, files)
        findings += of_volumes
        patient = patients.get(name)
        if patient is not None and not of_volumes and not lost and (features is None or name in features.values):
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
    found = SourceCohort(card, cohort, table=table, folder=folder)
    return Inspection(found, (*findings, *findings_of(found)))


def findings_of(source: SourceCohort) -> list[Finding]:
    """Return what the checks find in a cohort as it was read, of the patients that are left of it."""
    events = source.cohort.event.tolist()
    lost = [] if source.table is None else outcomes_lost(source.card, source.table, events)
    implied = {NoEvents.code, NobodyCensored.code} if lost else set()
    return [*lost, *(f for f in of_cohort(source) if f.code not in implied)]


def _volumes(
    card: CohortCard, folder: Path, name: str, files: Mapping[str, PatientFiles]
) -> tuple[dict[str, Volume], list[Finding]]:
    """Open a patient's files; return the volumes by name, and what is wrong with them."""
    wanted: list[tuple[str, Modality, str, int | None]] = [
        (channel, c.modality, c.file, None) for channel, c in card.images.items()
    ]
    if card.mask is not None:
        wanted.append(("mask", "MASK", card.mask.file, card.mask.label))
    volumes: dict[str, Volume] = {}
    findings: list[Finding] = []
    for channel, modality, pattern, label in wanted:
        if files[pattern].findings:
            continue
        relative = files[pattern].paths[name]
        path = folder / relative
        absent = [*_of_path(path, relative, name)]
        findings += absent
        if absent:
            continue
        try:
            volumes[channel] = nifti_volume(path, modality, label=label)
        except ImageError as error:
            findings.append(unreadable(name, error))
    whole = len(volumes) == len(wanted)
    return _placed(volumes, card.images, name) if whole else (volumes, findings)


def unreadable(name: str, error: ImageError) -> Finding:
    """Return the finding of a patient's file that cannot be read."""
    detail = error.what.rstrip(".")
    return UnreadableFile.finding("Files cannot be used.", subject=name, detail=detail, remedy=error.remedy)


def _of_path(path: Path, relative: str, name: str) -> Iterator[Finding]:
    if Path(relative).is_absolute() or ".." in Path(relative).parts:
        cause = "Patterns lead out of the cohort's folder."
        remedy = "Give a pattern below the folder; a link in it may lead anywhere."
        yield MissingFile.finding(cause, subject=name, detail=relative, remedy=remedy)
    elif path.is_symlink() and not path.exists():
        cause, remedy = "Links lead to files that do not exist.", "Restore the files, or correct the links."
        yield MissingFile.finding(cause, subject=name, detail=f"{relative} leads to {path.readlink()}", remedy=remedy)
    elif not path.exists():
        near = _called_alike(path, name)
        if near and not any(name in other for other in near):
            cause = "Files are missing under the id's spelling; there are others of nearly the same name."
            detail = f"{relative}; the folder has {', '.join(near)}"
            remedy = "Correct the id in the table, the file's name, or the pattern in the card."
            yield MissingFile.finding(cause, subject=name, detail=detail, remedy=remedy)
        else:
            detail = f"{relative}; the folder has {', '.join(near)}" if near else relative
            yield MissingFile.finding("Files are missing.", subject=name, detail=detail)


def _called_alike(path: Path, name: str) -> list[str]:
    """Return the files beside a path that are called alike but for case, or else some that have the id in their names
    in whatever case.
    """
    if not path.parent.is_dir():
        return []
    near = sorted(p.name for p in path.parent.iterdir() if name.casefold() in p.name.casefold())
    same = [other for other in near if other.casefold() == path.name.casefold()]
    return (same or near)[:5]


def _placed(
    volumes: dict[str, Volume], channels: Collection[str], name: str
) -> tuple[dict[str, Volume], list[Finding]]:
    """Return a patient's volumes with the mask in the order of the image that it lies on, and what does not fit.

    A mask must lie on the grid of one of the images; all must share the patient's space.
    """
    images = [volumes[channel] for channel in channels]
    findings = list(_of_overlap(volumes, list(channels), name))
    mask = volumes.get("mask")
    if mask is None or not images:
        return volumes, findings
    orders = [(order, image) for image in images if (order := order_of(mask, image)) is not None]
    if not orders:
        cause = "The mask lies on the grid of none of the images."
        remedy = "Export the mask on the grid of the image that it was drawn on."
        detail = _apart(mask, {channel: volumes[channel] for channel in channels})
        return volumes, [*findings, Misplaced.finding(cause, subject=name, detail=detail, remedy=remedy)]
    if not any(order == AS_STORED for order, _ in orders):
        order, image = orders[0]
        volumes = {**volumes, "mask": in_order(mask, order, image.affine)}
    return volumes, findings


def _apart(mask: Volume, images: dict[str, Volume]) -> str:
    """Return how a mask's grid differs from those of the images; images of one grid are named together."""
    names: dict[str, list[str]] = {}
    for channel, image in images.items():
        names.setdefault(difference(mask, image), []).append(channel)
    return "; ".join(f"mask has {what} ({', '.join(channels)})" for what, channels in names.items())


def _of_overlap(volumes: dict[str, Volume], channels: list[str], name: str) -> Iterator[Finding]:
    for channel in channels[1:]:
        if not _overlap(volumes[channels[0]], volumes[channel]):
            cause = f"{channel} and {channels[0]} do not overlap in space."
            yield Misplaced.finding(cause, subject=name, remedy="Register them, or correct the headers.")


def _overlap(a: Volume, b: Volume) -> bool:
    first, second = corners(a.shape, a.affine), corners(b.shape, b.affine)
    low = np.maximum(first.min(axis=0), second.min(axis=0))
    high = np.minimum(first.max(axis=0), second.max(axis=0))
    return bool((high > low).all())
