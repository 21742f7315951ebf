"""Everything that can be said about a cohort before a run: all problems at once, with what to do about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.file_pattern import file_of
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.cohorts.named import PHANTOMS, load_source, locate
from survbench.datasets.preprocessing.grid import plan_grid, reference_point
from survbench.datasets.readers.feature_table import feature_source
from survbench.datasets.readers.folder import inspect_cohort
from survbench.datasets.readers.nifti import ImageError, read_header
from survbench.datasets.readers.patients import numbered
from survbench.errors import BenchError, Problem
from survbench.features.feature_sets import feature_set
from survbench.io.tables import read_table
from survbench.plan.profile import load_profile
from survbench.statistics.metrics import concordance_index
from survbench.volume import FILL, Volume

FEW_EVENTS = 20
MISSING_SHARE = 0.2
OUTSIDE_SHARE = 0.02
"""Share of a tumour outside the field of view from which it is worth a warning."""
LONGEST_MONTHS, SHORTEST_MONTHS = 360.0, 2.0
"""A longest follow-up beyond 30 years or below two months speaks for a wrong unit."""
PADDING_SPREAD = 0.05
COARSE_GRID = 32
"""Voxels of the grid on which padding is looked for."""
AIR, SOFT_TISSUE = -400.0, 100.0
"""HU that a CT reaches at least: down to air, and up to soft tissue."""
MAX_SUV = 200.0


def validate_named(cohort: str, *, data: Path | None = None) -> list[Problem]:
    """Return all findings about a cohort: first errors, then warnings, each by patient.

    Args:
        cohort: a name, a folder with ``cohort.yaml``, or a card file.
        data: folder of a named cohort's data.

    Raises:
        BenchError: there is no such cohort, or its card or table cannot be read at all.
    """
    if cohort in PHANTOMS:
        source = load_source(cohort, profile=load_profile("smoke"))
        return _sorted([*_of_voxels(source), *_of_outcomes(source.cohort)])
    card, folder = locate(cohort, data=data)
    inspection = inspect_cohort(card, folder)
    source = inspection.source
    findings = [
        *inspection.problems,
        *_of_voxels(source),
        *_of_outcomes(source.cohort),
        *_of_columns(card, source.cohort),
        *_of_radiomics(card),
        *_of_features(card, folder, source.cohort),
        *_of_files(card, folder),
        *_of_orientation(card, folder, source.cohort),
    ]
    return _sorted(findings)


def _sorted(findings: list[Problem]) -> list[Problem]:
    return sorted(findings, key=lambda p: (p.severity, p.subject))


def _of_outcomes(cohort: Cohort) -> Iterator[Problem]:
    if not cohort.subjects:
        return  # the problems that left no patient are listed
    longest = float(cohort.time.max())
    if longest > LONGEST_MONTHS or longest < SHORTEST_MONTHS:
        what = f"The longest time is {longest:.3g} months ({longest / 12:.2g} years)."
        yield Problem("", what, "Is endpoint.unit on the card the unit of the table's times?", "warning")
    events = int(cohort.event.sum())
    if events < 2:
        yield Problem("", f"There are {events} events.", "Survival models need events in every fold; at least two.")
    elif events < FEW_EVENTS:
        remedy = "Intervals will be wide; give fewer folds by a profile of your own."
        yield Problem("", f"There are only {events} events.", remedy, "warning")
    centres = Counter(s.centre for s in cohort.subjects)
    if len(centres) < 2 or events < 2:
        return
    label = {centre: float(n) for n, centre in enumerate(sorted(centres))}
    by_centre = np.array([label[s.centre] for s in cohort.subjects])
    c = concordance_index(cohort.time, cohort.event, by_centre).value
    if abs(c - 0.5) > 0.1 and len(centres) == 2:
        what = f"The centre alone ranks patients with C = {max(c, 1 - c):.2f}."
        remedy = "A model may learn the scanner instead of the disease; consider one centre as --external."
        yield Problem("", what, remedy, "warning")


def _of_columns(card: CohortCard, cohort: Cohort) -> Iterator[Problem]:
    for column in card.clinical:
        values = [s.clinical.get(column.name) for s in cohort.subjects]
        known = {v for v in values if v is not None}
        missing = sum(v is None for v in values)
        if values and missing > MISSING_SHARE * len(values):
            what = f"Column {column.column!r} is missing in {missing} of {len(values)} patients."
            yield Problem("", what, "Fill it in, or leave it to imputation in the training fold.", "warning")
        if column.model and len(known) == 1:
            what = f"Column {column.column!r} has one value only ({next(iter(known))!r})."
            yield Problem("", what, "It carries no information; set model: false.", "warning")


def _of_radiomics(card: CohortCard) -> Iterator[Problem]:
    try:
        feature_set(card.radiomics, [channel.modality for channel in card.images.values()])
    except BenchError as error:
        yield Problem("", str(error), "Correct 'radiomics' on the card.")


def _of_features(card: CohortCard, folder: Path, cohort: Cohort) -> Iterator[Problem]:
    if card.features is None or cohort.features is None or not cohort.subjects:
        return
    own = numbered(card, read_table(folder / card.table))
    table, file, key = feature_source(card, card.features, own, folder)
    declared = set(own.column(card.id))
    extra = [name for name in table.column(key) if name not in declared]
    if extra:
        what = f"{len(extra)} rows of {file} belong to no patient of {card.table}: {_few(extra)}."
        yield Problem("", what, "Add the patients, or remove the rows.", "warning")
    missing = ~np.isfinite(cohort.features.values)
    share = missing.mean(axis=0)
    gaps = [name for name, s in zip(cohort.features.names, share, strict=True) if s > MISSING_SHARE]
    if gaps:
        what = f"{len(gaps)} features are missing in more than {MISSING_SHARE:.0%} of patients: {_few(gaps)}."
        yield Problem("", what, "Fill them in, or leave them to imputation in the training fold.", "warning")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _of_files(card: CohortCard, folder: Path) -> Iterator[Problem]:
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
            what = f"{len(extra)} files belong to no patient of the table: {_few(extra)}."
            yield Problem("", what, "Add the rows, or move the files away.", "warning")


def _of_orientation(card: CohortCard, folder: Path, cohort: Cohort) -> Iterator[Problem]:
    patterns = [c.file for c in card.images.values()]
    silent = [i for i in cohort.ids if not all(read_header(folder / file_of(p, i)).oriented for p in patterns)]
    if silent:
        what = (
            f"The files of {len(silent)} patients state no orientation (sform and qform codes are 0): {_few(silent)}."
        )
        yield Problem("", what, "Left and right are guessed; export with an orientation.", "warning")


def _of_voxels(source: SourceCohort) -> list[Problem]:
    """Read every patient's voxels once."""
    card, findings = source.card, []
    scanned: dict[str, float] = {}
    seen: dict[str, str] = {}
    strange: dict[str, list[tuple[str, float, float]]] = {}
    for subject in source.cohort.subjects:
        voxels: dict[str, NDArray[np.float32]] = {}
        for name, volume in subject.volumes.items():
            try:
                voxels[name] = np.asarray(volume.voxels())
            except ImageError as error:
                findings.append(Problem(subject.id, error.what, error.remedy))
        if len(voxels) < len(subject.volumes):
            continue
        for name in card.images:
            first = seen.setdefault(subject.volumes[name].fingerprint(), subject.id)
            if first != subject.id:
                findings.append(Problem(subject.id, f"{name} is the same image as {first}'s.", "Keep one."))
            findings += _of_image(subject, name, voxels[name])
            low, high = float(voxels[name].min()), float(voxels[name].max())
            if card.images[name].modality == "CT" and low < high and (low > AIR or high < SOFT_TISSUE):
                strange.setdefault(name, []).append((subject.id, low, high))
        if card.images and "mask" in voxels:
            findings += _of_mask(source, subject, voxels["mask"])
        if card.images:
            scanned[subject.id] = _scanned_share(source, subject)
    return [*findings, *_of_hounsfield(strange), *_of_padding(source.cohort, scanned)]


def _of_image(subject: Subject, name: str, voxels: NDArray[np.float32]) -> Iterator[Problem]:
    low, high, modality = float(voxels.min()), float(voxels.max()), subject.volumes[name].modality
    if low == high:
        yield Problem(subject.id, f"{name} is constant ({low:g}).", "Export it again.")
        return
    if modality == "PET":
        if low < -1:
            what = f"{name} goes down to {low:.0f}; SUV is not negative. Is it a CT?"
            yield Problem(subject.id, what, "Correct the file pattern, or convert to SUV.")
        elif high > MAX_SUV:
            what = f"{name} goes up to {high:.0f}, which is no SUV; it may be in Bq/ml."
            yield Problem(subject.id, what, "Convert it to SUV by body weight.")


def _of_hounsfield(strange: dict[str, list[tuple[str, float, float]]]) -> Iterator[Problem]:
    """Warn of CTs whose values are unlike HU, once: (patient, lowest, highest) by channel."""
    for channel, found in strange.items():
        name, low, high = found[0]
        others = f"{name}, and of {len(found) - 1} others ({_few([n for n, *_ in found[1:]])})" if found[1:] else name
        what = f"{channel} of {others} is unlike HU ({name}: {low:.0f} to {high:.0f}). Is it a PET?"
        yield Problem("", what, "Correct the file pattern, or rescale to HU.", "warning")


def _of_mask(source: SourceCohort, subject: Subject, mask: NDArray[np.float32]) -> Iterator[Problem]:
    voxels = int(np.count_nonzero(mask))
    if voxels == 0:
        yield Problem(subject.id, "The mask is empty.", "Draw it, correct mask.label, or leave the patient out.")
        return
    if voxels == 1:
        yield Problem(subject.id, "The mask has one voxel.", "Radiomics needs more; check the mask.", "warning")
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
        yield Problem(subject.id, "The mask lies outside the field of view.", "Check reference and field_of_view_mm.")
    elif outside > OUTSIDE_SHARE:
        what = f"{100 * outside:.0f} % of the tumour lie outside the field of view."
        yield Problem(subject.id, what, "A larger field_of_view_mm would hold it.", "warning")


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


def _of_padding(cohort: Cohort, scanned: dict[str, float]) -> list[Problem]:
    """Warn where the share of the field of view that was scanned differs between patients and ranks them."""
    rows = [n for n, i in enumerate(cohort.ids) if i in scanned]
    shares = np.array([scanned[cohort.ids[n]] for n in rows])
    if len(shares) < 2 or np.ptp(shares) < PADDING_SPREAD:
        return []
    c = concordance_index(cohort.time[rows], cohort.event[rows], shares).value
    ranks = "" if np.isnan(c) else f" and alone ranks patients with C = {c:.2f}"
    what = f"The scanned share of the field of view goes from {shares.min():.2f} to {shares.max():.2f}{ranks}."
    return [Problem("", what, "Networks may learn the padding; compare with the reference row 'padding'.", "warning")]
