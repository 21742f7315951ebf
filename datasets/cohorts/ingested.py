"""Check the images of an ingested cohort before there is a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import MAX_SIDE_MM, Channel, CohortCard, Endpoint, Mask
from survbench.datasets.cards.file_pattern import file_of
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import of_voxels
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.images import same_data
from survbench.datasets.cohorts.measure import measure, read_volumes
from survbench.datasets.ingest.patient_files import IMAGES
from survbench.datasets.readers.folder import open_volumes
from survbench.datasets.readers.manifest import Manifest, read_manifest
from survbench.datasets.readers.paths import PatientFiles
from survbench.findings import Finding
from survbench.volume import Modality, Volume

KINDS: dict[str, Modality] = {"pet": "PET", "ct": "CT"}


def inspect_patient(cohort: Path, patient: str) -> tuple[PatientFacts | None, list[Finding]]:
    """Read a patient's files back; return their facts (None if a file has an error), and what is wrong with them.

    Args:
        cohort: the cohort's folder.
        patient: the patient's id in the cohort.
    """
    subject, found = _open_patient(cohort, patient, read_manifest(cohort)[0])
    if any(f.severity == "error" for f in found):
        return None, found
    readings, unreadable = read_volumes(subject)
    if unreadable:
        return None, [*found, *unreadable]
    # the field of view here is the whole image, and the card will choose another: its scanned share means nothing
    return replace(measure(_card(subject.volumes), subject, readings), scanned=1.0), found


def findings_of(cohort: Path, facts: Mapping[str, PatientFacts]) -> list[Finding]:
    """Return what the image and mask checks find in patients whose files were read.

    Args:
        cohort: the cohort's folder.
        facts: the patients' facts by id.
    """
    found: list[Finding] = []
    alike: dict[tuple[str, ...], list[str]] = {}
    for patient, of in facts.items():
        alike.setdefault(tuple(of.images), []).append(patient)
    for patients in alike.values():  # patients with the same images: checks compare them image by image
        source = _source([_open_patient(cohort, patient, None)[0] for patient in patients])
        found += of_voxels(source, {patient: facts[patient] for patient in patients})
        found += same_data([("", source.cohort)])
    return found


def _open_patient(cohort: Path, patient: str, manifest: Manifest | None) -> tuple[Subject, list[Finding]]:
    card = _card({name: None for name, kind in KINDS.items() if (cohort / file_of(_pattern(kind), patient)).exists()})
    files = {pattern: PatientFiles({patient: file_of(pattern, patient)}) for pattern in card.patterns}
    volumes, found = open_volumes(card, cohort, patient, files, lambda _: (), manifest)
    return Subject(patient, "", {}, volumes), found


def _card(volumes: Mapping[str, Volume | None]) -> CohortCard:
    """Return a card of the existing images; its field of view is the first image's."""
    first = next((volume for volume in volumes.values() if volume is not None), None)
    sides = (1.0, 1.0, 1.0)
    if first is not None:
        x, y, z = np.minimum(np.abs(first.affine[:3, :3]) @ np.array(first.shape), MAX_SIDE_MM - 1)
        sides = (float(x), float(y), float(z))
    return CohortCard(
        name="ingested",
        title="",
        endpoint=Endpoint(name="", time="time", event="event", unit="months"),
        images={n: Channel(modality=KINDS[n], file=_pattern(KINDS[n])) for n in KINDS if n in volumes},  # type: ignore[arg-type]
        mask=Mask(file=_pattern("mask")),
        field_of_view_mm=sides,
        licence="",
        citation="",
    )


def _source(subjects: Sequence[Subject]) -> SourceCohort:
    card = _card(subjects[0].volumes)
    nothing = np.zeros(len(subjects))
    cohort = Cohort(subjects=tuple(subjects), channels=tuple(card.images), time=nothing, event=nothing > 0)
    return SourceCohort(card, cohort)


def _pattern(kind: str) -> str:
    return f"{IMAGES}/{{id}}_{kind}.nii.gz"
