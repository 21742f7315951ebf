"""Read patients who are not in a cohort yet, and whose outcome nobody knows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Need, Subject
from survbench.datasets.cards.card import NIFTI, CohortCard, Patients, read_card
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.images import MissingFile
from survbench.datasets.cohorts.named import CARD_FILE
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.folder import inspect_cohort, place_mask, unreadable
from survbench.datasets.readers.nifti import nifti_volume, structures_of
from survbench.datasets.readers.paths import fitting_files
from survbench.datasets.readers.patients import numbered, parse_patients
from survbench.errors import BenchError, UnknownNameError
from survbench.findings import Finding
from survbench.io.tables import Row, Table
from survbench.volume import Modality, Volume

MASK = "mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePatient:
    """One patient, given file by file.

    Attributes:
        id: name in the report.
        files: of the channels by name, and of the tumour mask as ``mask``.
        clinical: values by the column's name on the card, as text; what is absent is missing.
        centre: the value of the card's column of centres; "" where that is not given.
    """

    id: str
    files: Mapping[str, Path] = field(default_factory=dict)
    clinical: Mapping[str, str] = field(default_factory=dict)
    centre: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPatients:
    """Patients without outcomes (times are NaN), and what is wrong with those who cannot be used.

    Attributes:
        source: the patients whose files and cells can be read; voxels are read later.
        errors: what is wrong with the others, or with all of them.
        findings: what does not keep anybody from being predicted.
    """

    source: SourceCohort
    errors: tuple[Finding, ...]
    findings: tuple[Finding, ...]


def needed_part(card: CohortCard, needs: Collection[Need]) -> CohortCard:
    """Return what a card says of the inputs that a method sees of new patients, and nothing else: a file or a column
    that it does not look at may be absent.

    Radiomics are taken from the card's table of features, or else from images and mask. A mask lies on a grid whose
    place an image gives. The template belongs to the study, not to the new patients.
    """
    from_table = "radiomics" in needs and card.features is not None
    extracted = "radiomics" in needs and card.features is None
    masked = bool({MASK, "structures"} & set(needs)) or extracted
    pictured = "images" in needs or masked
    return card.model_copy(
        update={
            "images": card.images if pictured else {},
            "mask": card.mask if masked else None,
            "features": card.features if from_table else None,
            "clinical": tuple(c for c in card.clinical if c.model) if "clinical" in needs else (),
            "centre": card.centre if "centres" in needs else None,
            "group": None,
            "registration": None,
        }
    )


def card_of(folder: Path, card: CohortCard) -> CohortCard:
    """Return the card by which a folder of new patients is read: its own, or else that of the cohort on which the
    method was fitted, of which the choice of patients and the group do not concern it.
    """
    if (folder / CARD_FILE).is_file():
        return read_card(folder / CARD_FILE)
    return card.model_copy(update={"patients": Patients(), "group": None})


def has_layout(card: CohortCard, folder: Path) -> bool:
    """Say whether a folder is laid out as a card describes it: with its table, or with files that fit its patterns."""
    tables = [card.table, *([card.features.table] if card.features and card.features.table else [])]
    return any((folder / name).is_file() for name in tables) or bool(_ids(card, folder))


def read_many(card: CohortCard, folder: Path, table: Path | None = None) -> NewPatients:
    """Read a folder of patients that is laid out as a card describes it, without outcomes.

    Args:
        card: of the folder, reduced by :func:`needed_part`.
        folder: with the images.
        table: the table in place of the card's. Without either, the ids are those of the files, and no clinical value
            is known.

    Raises:
        BenchError: the table cannot be read.
    """
    if table is not None:
        card = card.model_copy(update={"table": table.name})
    made = None
    if not (folder / card.table).is_file():
        columns = (card.id, *dict.fromkeys([*(c.column for c in card.clinical), *filter(None, [card.centre])]))
        cells = [dict.fromkeys(columns, "") | {card.id: name} for name in _ids(card, folder)]
        made = Table(columns, tuple(Row(n, row) for n, row in enumerate(cells, start=2)))
    inspection = inspect_cohort(card, folder, table=made, outcomes=False)
    return _sorted(inspection.source, inspection.findings)


def read_one(card: CohortCard, patient: OnePatient) -> NewPatients:
    """Read one patient from single files.

    Args:
        card: of the cohort on which the method was fitted, reduced by :func:`needed_part`.
        patient: the files and clinical values.

    Raises:
        UnknownNameError: a channel or a clinical column that the card does not have.
        BenchError: the method needs the patient's centre, which is not given; or it does not see the one that is.
    """
    _refuse_unknown(card, patient)
    alone = card.model_copy(update={"patients": Patients(), "group": None, "features": None})
    by_column = {c.column: patient.clinical.get(c.name, "") for c in alone.clinical} | _centre(alone, patient)
    table = numbered(alone, Table((alone.id, *by_column), (Row(1, {alone.id: patient.id, **by_column}),)))
    parsed = parse_patients(alone, table, outcomes=False)
    volumes, found = _volumes(alone, patient)
    findings = [*parsed.findings, *found]
    usable = parsed.patients and not any(f.severity == "error" for f in findings)
    structures = structures_of(volumes[MASK], alone.structures) if usable and alone.structures else {}
    subjects = (
        [Subject(p.id, p.centre, p.clinical, volumes, structures=structures) for p in parsed.patients] if usable else []
    )
    cohort = Cohort(
        subjects=tuple(subjects),
        channels=tuple(alone.images),
        clinical_columns=alone.model_columns,
        time=np.full(len(subjects), np.nan),
        event=np.zeros(len(subjects), dtype=bool),
    )
    return _sorted(SourceCohort(alone, cohort), findings)


def files_in(card: CohortCard, folder: Path) -> dict[str, Path]:
    """Return the NIfTI files of one patient in a folder, by channel and ``mask``: a file is of the channel whose name
    is a word of its own name, as in ``CT.nii.gz`` or ``P7_ct.nii``.

    Raises:
        BenchError: several files could be of one channel.
    """
    there = sorted(p for p in folder.iterdir() if p.name.lower().endswith(NIFTI))
    words = {path: set(re.split(r"[^a-z0-9]+", path.name.lower())) for path in there}
    found: dict[str, Path] = {}
    for name in _wanted(card):
        mine = [path for path in there if name in words[path]]
        if len(mine) > 1:
            names = ", ".join(path.name for path in mine)
            raise BenchError(f"{folder} has several files of {name!r}: {names}. Name each with --image {name}=FILE.")
        if mine:
            found[name] = mine[0]
    return found


def _sorted(source: SourceCohort, findings: Sequence[Finding]) -> NewPatients:
    errors = tuple(f for f in findings if f.severity == "error")
    return NewPatients(source=source, errors=errors, findings=tuple(f for f in findings if f.severity != "error"))


def _ids(card: CohortCard, folder: Path) -> list[str]:
    """Return the ids in the names of the files that fit a card's first pattern, sorted."""
    return sorted(name for name, _ in fitting_files(folder, card.patterns[0])) if card.patterns else []


def _wanted(card: CohortCard) -> dict[str, tuple[Modality, tuple[int, ...] | None]]:
    """Return modality and labels of each file that a card asks for."""
    wanted: dict[str, tuple[Modality, tuple[int, ...] | None]] = {n: (c.modality, None) for n, c in card.images.items()}
    return wanted if card.mask is None else wanted | {MASK: ("MASK", card.mask.used)}


def _refuse_unknown(card: CohortCard, patient: OnePatient) -> None:
    see = "what the method sees of a patient"
    for name in patient.files:
        if name not in _wanted(card):
            raise UnknownNameError("image", name, _wanted(card), see=see)
    columns = [c.name for c in card.clinical]
    for name in patient.clinical:
        if name not in columns:
            raise UnknownNameError("clinical column", name, columns, see=see)


def _centre(card: CohortCard, patient: OnePatient) -> dict[str, str]:
    """Return the cell of the card's column of centres, where the method sees it."""
    if card.centre is None:
        if patient.centre:
            raise BenchError("The method does not look at the patient's centre. Leave out --centre.")
        return {}
    if not patient.centre:
        raise BenchError(
            f"The method needs the patient's centre, as column {card.centre!r} of its cohort names it: --centre NAME."
        )
    return {card.centre: patient.centre}


def _volumes(card: CohortCard, patient: OnePatient) -> tuple[dict[str, Volume], list[Finding]]:
    volumes: dict[str, Volume] = {}
    findings: list[Finding] = []
    for name, (modality, labels) in _wanted(card).items():
        path = patient.files.get(name)
        if path is None or not path.is_file():
            remedy = "Give it with --mask FILE." if name == MASK else f"Give it with --image {name}=FILE."
            detail = f"no {name}" if path is None else str(path)
            findings.append(MissingFile.finding("Files are missing.", subject=patient.id, detail=detail, remedy=remedy))
            continue
        try:
            volumes[name] = nifti_volume(path, modality, labels=labels)
        except ImageError as error:
            findings.append(unreadable(patient.id, error))
    if findings:
        return volumes, findings
    return place_mask(volumes, card.images, patient.id)
