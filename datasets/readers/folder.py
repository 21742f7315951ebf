"""Read a folder of tables and NIfTI images as its card says. Every problem is reported, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.geometry import Misplaced
from survbench.datasets.checks.images import MissingFile, UnreadableFile
from survbench.datasets.checks.kinds import Stage
from survbench.datasets.checks.table import MissingColumn
from survbench.datasets.readers.axis_order import AS_STORED, corners, difference, order_of
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.feature_table import feature_file, parse_features
from survbench.datasets.readers.leftovers import of_files, of_reading, of_rows
from survbench.datasets.readers.manifest import Manifest, read_manifest
from survbench.datasets.readers.nifti import in_order, nifti_volume, structures_of
from survbench.datasets.readers.paths import PatientFiles, patient_files
from survbench.datasets.readers.patients import Patient, numbered, parse_patients
from survbench.datasets.readers.template import read_template
from survbench.errors import BenchError
from survbench.findings import Finding
from survbench.io.tables import Table, read_table
from survbench.volume import Modality, Volume


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a cohort's folder contains.

    Attributes:
        source: the patients without a problem.
        findings: findings about the tables, the files and their headers, each patient and the whole cohort.
        reached: the stages of reading that were reached.
    """

    source: SourceCohort
    findings: tuple[Finding, ...]
    reached: frozenset[Stage]


def inspect_cohort(card: CohortCard, folder: Path, *, table: Table | None = None, outcomes: bool = True) -> Inspection:
    """Read a cohort and collect every finding about the table, the files and their headers; voxels are not read.

    Args:
        card: the cohort's card.
        folder: the cohort's folder.
        table: in place of the card's table.
        outcomes: False for patients whose outcome is not known yet; their times are NaN.

    Raises:
        BenchError: the table cannot be read at all, or lies outside the folder.
    """
    if Path(card.table).is_absolute() or ".." in Path(card.table).parts:
        raise BenchError(f"table {card.table!r} lies outside the cohort's folder {folder}. Put the file into it.")
    table = numbered(card, read_table(folder / card.table) if table is None else table)
    parsed = parse_patients(card, table, outcomes=outcomes)
    all_ids = table.column(card.id) if card.id in table.columns else []
    findings = [*parsed.findings, *of_reading(table, card.table)]
    features = None
    if card.features is not None:
        held = feature_file(card, card.features, table, folder)
        features = parse_features(card, card.features, held, parsed.ids)
        findings += features.findings
        if held.name != card.table:
            findings += of_reading(held.table, held.name)
        if features.joined is not None:
            findings += of_rows(card, all_ids, held, features.joined)
    patients = {p.id: p for p in parsed.patients}
    kept: list[Patient] = []
    subjects: list[Subject] = []
    # check the files of every patient with a usable id, so that one report names everything that has to be fixed
    files = {
        pattern: patient_files(folder, pattern, parsed.ids, table=card.table, others=all_ids)
        for pattern in card.patterns
    }
    lost = [finding for of_pattern in files.values() for finding in of_pattern.findings]
    findings += [*lost, *of_files(files.values())]
    manifest, of_manifest = read_manifest(folder)
    findings += of_manifest
    names_in = cache(_names_in)
    opened: dict[str, dict[str, Volume]] = {}
    for name in parsed.ids:
        volumes, of_volumes = open_volumes(card, folder, name, files, names_in, manifest)
        findings += of_volumes
        opened[name] = volumes
        patient = patients.get(name)
        wrong = any(f.severity == "error" for f in of_volumes)
        if patient is not None and not wrong and not lost and (features is None or name in features.values):
            kept.append(patient)
            structures = structures_of(volumes["mask"], card.structures) if card.structures else {}
            subjects.append(Subject(name, patient.centre, patient.clinical, volumes, patient.group, structures))
    template, of_template = read_template(card, folder, opened)
    findings += of_template
    cohort = Cohort(
        subjects=tuple(subjects),
        channels=tuple(card.images),
        clinical_columns=card.model_columns,
        features=None if features is None else features.table(p.id for p in kept),
        reference_centre=card.reference_centre,
        time=np.array([p.time for p in kept], dtype=np.float64),
        event=np.array([p.event for p in kept], dtype=bool),
    )
    whole = not any(f.code == MissingColumn.code for f in parsed.findings)
    stages: dict[Stage, bool] = {
        "table": True,
        "rows": bool(all_ids),
        "columns": bool(all_ids) and whole,
        "features": features is not None and features.joined is not None,
        "files": any(opened.values()),
        "patients": bool(kept),
    }
    reached = frozenset(stage for stage, there in stages.items() if there)
    source = SourceCohort(card, cohort, table=parsed.table, folder=folder, template=template)
    return Inspection(source, tuple(findings), reached)


def open_volumes(
    card: CohortCard,
    folder: Path,
    name: str,
    files: Mapping[str, PatientFiles],
    names_in: Callable[[Path], Sequence[str]],
    manifest: Manifest | None,
) -> tuple[dict[str, Volume], list[Finding]]:
    """Open a patient's files; return the volumes by name, and what is wrong with them.

    Args:
        card: the cohort's card.
        folder: the cohort's folder.
        name: the patient's id.
        files: the patients' files by pattern.
        names_in: returns the names of the files in a folder.
        manifest: the cohort's manifest, if it has one.
    """
    wanted: list[tuple[str, Modality, str, tuple[int, ...] | None]] = [
        (channel, c.modality, c.file, None) for channel, c in card.images.items()
    ]
    if card.mask is not None:
        wanted.append(("mask", "MASK", card.mask.file, card.mask.used))
    volumes: dict[str, Volume] = {}
    findings: list[Finding] = []
    for channel, modality, pattern, labels in wanted:
        if files[pattern].findings:
            continue
        relative = files[pattern].paths[name]
        path = folder / relative
        absent = [*_path_findings(path, relative, name, names_in)]
        findings += absent
        if absent:
            continue
        altered = [] if manifest is None else [*manifest.findings(folder, relative, name)]
        findings += altered
        if any(f.severity == "error" for f in altered):
            continue
        try:
            volumes[channel] = nifti_volume(path, modality, labels=labels)
        except ImageError as error:
            findings.append(unreadable(name, error))
    if len(volumes) < len(wanted):
        return volumes, findings
    placed, of_place = place_mask(volumes, card.images, name)
    return placed, [*findings, *of_place]


def unreadable(name: str, error: ImageError) -> Finding:
    """Return the finding for a patient's file that cannot be read."""
    detail = error.what.rstrip(".")
    return UnreadableFile.finding("Files cannot be used.", subject=name, detail=detail, remedy=error.remedy)


def _path_findings(
    path: Path, relative: str, name: str, names_in: Callable[[Path], Sequence[str]]
) -> Iterator[Finding]:
    if Path(relative).is_absolute() or ".." in Path(relative).parts:
        cause = "Patterns lead out of the cohort's folder."
        remedy = "Use a pattern inside the folder; a symbolic link in the folder may lead anywhere."
        yield MissingFile.finding(cause, subject=name, detail=relative, remedy=remedy)
    elif path.is_symlink() and not path.exists():
        cause, remedy = "Links lead to files that do not exist.", "Restore the files, or correct the links."
        yield MissingFile.finding(cause, subject=name, detail=f"{relative} leads to {path.readlink()}", remedy=remedy)
    elif not path.exists():
        near = _similar_names(path.name, name, names_in(path.parent))
        if near and not any(name in other for other in near):
            cause = "Files are missing under the id as spelled; others have nearly the same name."
            detail = f"{relative}; the folder has {', '.join(near)}"
            remedy = "Correct the id in the table, the file's name, or the pattern in the card."
            yield MissingFile.finding(cause, subject=name, detail=detail, remedy=remedy)
        else:
            detail = f"{relative}; the folder has {', '.join(near)}" if near else relative
            yield MissingFile.finding("Files are missing.", subject=name, detail=detail)


def _names_in(folder: Path) -> Sequence[str]:
    """Return the names of the files in a folder, sorted; empty if the folder does not exist."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _similar_names(file: str, name: str, beside: Sequence[str]) -> list[str]:
    """Return up to five files named like ``file`` except for case, or else those that contain the id in any case."""
    near = [other for other in beside if name.casefold() in other.casefold()]
    same = [other for other in near if other.casefold() == file.casefold()]
    return (same or near)[:5]


def place_mask(
    volumes: dict[str, Volume], channels: Collection[str], name: str
) -> tuple[dict[str, Volume], list[Finding]]:
    """Return a patient's volumes, with the mask in the axis order of the image it lies on, and what does not fit.

    A mask must lie on the grid of one of the images; all must share the patient's space.
    """
    images = [volumes[channel] for channel in channels]
    findings = list(_overlap_findings(volumes, list(channels), name))
    mask = volumes.get("mask")
    if mask is None or not images:
        return volumes, findings
    orders = [(order, image) for image in images if (order := order_of(mask, image)) is not None]
    if not orders:
        cause = "The mask is not on the grid of any of the images."
        remedy = "Export the mask on the grid of the image that it was drawn on."
        detail = _apart(mask, {channel: volumes[channel] for channel in channels})
        return volumes, [*findings, Misplaced.finding(cause, subject=name, detail=detail, remedy=remedy)]
    if not any(order == AS_STORED for order, _ in orders):
        order, image = orders[0]
        volumes = {**volumes, "mask": in_order(mask, order, image.affine)}
    return volumes, findings


def _apart(mask: Volume, images: dict[str, Volume]) -> str:
    """Return how a mask's grid differs from the images' grids; images on one grid are named together."""
    names: dict[str, list[str]] = {}
    for channel, image in images.items():
        names.setdefault(difference(mask, image), []).append(channel)
    return "; ".join(f"mask has {what} ({', '.join(channels)})" for what, channels in names.items())


def _overlap_findings(volumes: dict[str, Volume], channels: list[str], name: str) -> Iterator[Finding]:
    for channel in channels[1:]:
        if not _overlap(volumes[channels[0]], volumes[channel]):
            cause = f"{channel} and {channels[0]} do not overlap in space."
            yield Misplaced.finding(cause, subject=name, remedy="Register them, or correct the headers.")


def _overlap(a: Volume, b: Volume) -> bool:
    first, second = corners(a.shape, a.affine), corners(b.shape, b.affine)
    low = np.maximum(first.min(axis=0), second.min(axis=0))
    high = np.minimum(first.max(axis=0), second.max(axis=0))
    return bool((high > low).all())
