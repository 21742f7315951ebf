"""Everything that can be said about a cohort before a run: all causes at once, with what to do about each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks import images, masks
from survbench.datasets.checks.catalogue import cohort_checks, input_checks, refuse_ignored
from survbench.datasets.checks.evidence import Evidence
from survbench.datasets.checks.predictors import few
from survbench.datasets.checks.table import FilesOfNobody, RowsOfNobody
from survbench.datasets.cohorts.named import PHANTOMS, load_source, locate
from survbench.datasets.preprocessing.grid import plan_grid, reference_point
from survbench.datasets.readers.feature_table import feature_source
from survbench.datasets.readers.folder import inspect_cohort, unreadable
from survbench.datasets.readers.nifti import ImageError, read_header
from survbench.datasets.readers.patients import numbered
from survbench.findings import Check, Finding
from survbench.io.tables import read_table
from survbench.plan.profile import load_profile
from survbench.statistics.metrics import concordance_index
from survbench.volume import FILL, Volume

OUTSIDE_SHARE = 0.02
"""Share of a tumour outside the field of view from which it is worth a warning."""
PADDING_SPREAD = 0.05
COARSE_GRID = 32
"""Voxels of the grid on which padding is looked for."""
AIR, SOFT_TISSUE = -400.0, 100.0
"""HU that a CT reaches at least: down to air, and up to soft tissue."""
MAX_SUV = 200.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks say of a cohort.

    Attributes:
        findings: what was found, and is not ignored.
        ignored: what was found, and is.
        passed: checks that found nothing.
        not_applicable: checks of what the cohort does not have, such as masks.
    """

    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...]
    passed: tuple[type[Check], ...]
    not_applicable: tuple[type[Check], ...]

    @property
    def errors(self) -> int:
        """How many findings keep the cohort, or a patient, from being used."""
        return sum(f.severity == "error" for f in self.findings)


def validate_named(cohort: str, *, data: Path | None = None, ignored: Sequence[str] = ()) -> Report:
    """Check a cohort's card, table, files and voxels.

    Args:
        cohort: a name, a folder with ``cohort.yaml``, or a card file.
        data: folder of a named cohort's data.
        ignored: codes of findings to set apart.

    Raises:
        BenchError: there is no such cohort, its card or table cannot be read at all, or a code cannot be ignored.
    """
    refuse_ignored(ignored)
    if cohort in PHANTOMS:
        source = load_source(cohort, profile=load_profile("smoke"))
        card = source.card
        found = [*_of_voxels(source), *_of_cohort(Evidence(card, source.cohort))]
    else:
        card, folder = locate(cohort, data=data)
        found = _of_folder(card, folder)
    found = list(dict.fromkeys(found))
    tripped = {f.code for f in found}
    applies = [check for check in input_checks() if _applies(check, card)]
    return Report(
        findings=tuple(f for f in found if f.code not in ignored),
        ignored=tuple(f for f in found if f.code in ignored),
        passed=tuple(check for check in applies if check.code not in tripped),
        not_applicable=tuple(check for check in input_checks() if check not in applies and check.code not in tripped),
    )


def _applies(check: type[Check], card: CohortCard) -> bool:
    has = {
        "images": bool(card.images),
        "mask": card.mask is not None,
        "predictors": card.features is not None or bool(card.clinical),
    }
    return has.get(check.part, True)


def _of_folder(card: CohortCard, folder: Path) -> list[Finding]:
    inspection = inspect_cohort(card, folder)
    source = inspection.source
    table = numbered(card, read_table(folder / card.table))
    return [
        *inspection.findings,
        *_of_voxels(source),
        *_of_cohort(Evidence(card, source.cohort, table, folder)),
        *_of_feature_rows(card, folder, source.cohort),
        *_of_files(card, folder),
        *_of_orientation(card, folder, source.cohort),
    ]


def _of_cohort(evidence: Evidence) -> Iterator[Finding]:
    # the findings that left no patient are listed
    if len(evidence.cohort):
        for check in cohort_checks():
            yield from check().find(evidence)


def _of_feature_rows(card: CohortCard, folder: Path, cohort: Cohort) -> Iterator[Finding]:
    if card.features is None or cohort.features is None or not cohort.subjects:
        return
    own = numbered(card, read_table(folder / card.table))
    table, file, key = feature_source(card, card.features, own, folder)
    declared = set(own.column(card.id))
    extra = [name for name in table.column(key) if name not in declared]
    if extra:
        yield RowsOfNobody.finding(f"{len(extra)} rows of {file} belong to no patient of {card.table}: {few(extra)}.")


def _of_files(card: CohortCard, folder: Path) -> Iterator[Finding]:
    patterns = [c.file for c in card.images.values()] + ([card.mask.file] if card.mask else [])
    table = numbered(card, read_table(folder / card.table))
    if card.id not in table.columns:
        return  # that is a finding of its own
    known = set(table.column(card.id))
    for pattern in patterns:
        before, after = Path(pattern).name.split("{id}")[0], Path(pattern).name.split("{id}")[-1]
        if "{id}" in str(Path(pattern).parent):
            continue
        names = [p.name for p in (folder / Path(pattern).parent).glob(f"{before}*{after}")]
        extra = sorted(n for n in names if n[len(before) : len(n) - len(after)] not in known)
        if extra:
            yield FilesOfNobody.finding(f"{len(extra)} files belong to no patient of the table: {few(extra)}.")


def _of_orientation(card: CohortCard, folder: Path, cohort: Cohort) -> Iterator[Finding]:
    patterns = [c.file for c in card.images.values()]
    for i in cohort.ids:
        if not all(read_header(folder / p.replace("{id}", i)).oriented for p in patterns):
            cause = "Files state no orientation (sform and qform codes are 0)."
            yield images.NoOrientation.finding(cause, subject=i)


def _of_voxels(source: SourceCohort) -> list[Finding]:
    """Read every patient's voxels once."""
    card, found = source.card, list[Finding]()
    scanned: dict[str, float] = {}
    seen: dict[str, str] = {}
    for subject in source.cohort.subjects:
        voxels: dict[str, NDArray[np.float32]] = {}
        for name, volume in subject.volumes.items():
            try:
                voxels[name] = np.asarray(volume.voxels())
            except ImageError as error:
                found.append(unreadable(subject.id, error))
        if len(voxels) < len(subject.volumes):
            continue
        for name in card.images:
            first = seen.setdefault(subject.volumes[name].fingerprint(), subject.id)
            if first != subject.id:
                cause = f"{name} is the same image as another patient's."
                found.append(images.SameImage.finding(cause, subject=subject.id, detail=f"as {first}"))
            found += _of_image(subject, name, voxels[name])
        if card.images and "mask" in voxels:
            found += _of_mask(source, subject, voxels["mask"])
        if card.images:
            scanned[subject.id] = _scanned_share(source, subject)
    return [*found, *_of_padding(source.cohort, scanned)]


def _of_image(subject: Subject, name: str, voxels: NDArray[np.float32]) -> Iterator[Finding]:
    low, high, modality = float(voxels.min()), float(voxels.max()), subject.volumes[name].modality
    if low == high:
        yield images.ConstantImage.finding(f"{name} is constant.", subject=subject.id, detail=f"{low:g}")
    elif modality == "PET" and low < -1:
        cause, remedy = f"{name} goes below -1; SUV is not negative. Is it a CT?", "Correct the pattern, or give SUV."
        yield images.NotSuv.finding(cause, subject=subject.id, detail=f"down to {low:.0f}", remedy=remedy)
    elif modality == "PET" and high > MAX_SUV:
        cause, remedy = f"{name} is no SUV; it may be in Bq/ml.", "Convert it to SUV by body weight."
        yield images.NotSuv.finding(cause, subject=subject.id, detail=f"up to {high:.0f}", remedy=remedy)
    elif modality == "CT" and (low > AIR or high < SOFT_TISSUE):
        cause, detail = f"{name} is unlike HU. Is it a PET?", f"{low:.0f} to {high:.0f}"
        yield images.NotHounsfield.finding(cause, subject=subject.id, detail=detail)


def _of_mask(source: SourceCohort, subject: Subject, mask: NDArray[np.float32]) -> Iterator[Finding]:
    voxels = int(np.count_nonzero(mask))
    if voxels == 0:
        yield masks.EmptyMask.finding("The mask is empty.", subject=subject.id)
        return
    if voxels == 1:
        yield masks.TinyMask.finding("The mask has one voxel.", subject=subject.id)
    volume = subject.volumes["mask"]
    index = np.argwhere(mask)
    world = (np.column_stack([index, np.ones(len(index))]) @ volume.affine.T)[:, :3]
    field = source.card.field_of_view_mm
    if field is None:
        return
    centre = np.asarray(reference_point(subject, source.cohort.channels, source.card.reference))
    inside = (np.abs(world - centre) <= np.asarray(field) / 2).all(axis=1)
    outside = 1 - float(inside.mean())
    if outside == 1:
        yield masks.MaskOutside.finding("The mask lies outside the field of view.", subject=subject.id)
    elif outside > OUTSIDE_SHARE:
        cause = "The field of view cuts the tumour."
        yield masks.MaskCut.finding(cause, subject=subject.id, detail=f"{100 * outside:.0f} % of it lie outside")


def _scanned_share(source: SourceCohort, subject: Subject) -> float:
    """Return the share of a coarse grid over the field of view that was scanned."""
    field = source.card.field_of_view_mm
    if field is None:
        return 1.0
    grid = plan_grid(field, COARSE_GRID)
    affine = grid.affine(reference_point(subject, source.cohort.channels, source.card.reference))
    points = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1).reshape(-1, 3)
    world = points @ affine[:3, :3].T + affine[:3, 3]
    scanned = np.zeros(len(points), dtype=bool)
    for name in source.cohort.channels:
        scanned |= _is_scanned(subject.volumes[name], world)
    return float(scanned.mean())


def _is_scanned(volume: Volume, world: NDArray[np.float64]) -> NDArray[np.bool_]:
    inverse = np.linalg.inv(volume.affine)
    index = np.round(world @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.intp)
    inside = ((index >= 0) & (index < np.array(volume.shape))).all(axis=1)
    scanned = np.zeros(len(world), dtype=bool)
    i, j, k = index[inside].T
    scanned[inside] = np.asarray(volume.voxels())[i, j, k] != FILL[volume.modality]
    return scanned


def _of_padding(cohort: Cohort, scanned: dict[str, float]) -> list[Finding]:
    """Warn where the share of the field of view that was scanned differs between patients and ranks them."""
    rows = [n for n, i in enumerate(cohort.ids) if i in scanned]
    shares = np.array([scanned[cohort.ids[n]] for n in rows])
    if len(shares) < 2 or np.ptp(shares) < PADDING_SPREAD:
        return []
    c = concordance_index(cohort.time[rows], cohort.event[rows], shares).value
    ranks = "" if np.isnan(c) else f" and alone ranks patients with C = {c:.2f}"
    what = f"The scanned share of the field of view goes from {shares.min():.2f} to {shares.max():.2f}{ranks}."
    return [images.PaddingRanksPatients.finding(what)]
