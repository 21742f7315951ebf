"""Find the template that a card names: the image of a patient, or a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from survbench.datasets.cards.card import CohortCard, Registration
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.registration import NoTemplate
from survbench.datasets.readers.errors import ImageError
from survbench.datasets.readers.nifti import nifti_volume
from survbench.findings import Finding
from survbench.io.tables import nearest
from survbench.volume import Volume


def read_template(
    card: CohortCard, folder: Path, volumes: Mapping[str, Mapping[str, Volume]]
) -> tuple[Template | None, list[Finding]]:
    """Return the template of a card, and what is wrong with it.

    Args:
        card: the cohort's card.
        folder: the cohort's folder.
        volumes: of all patients of the table whose files could be opened, by id and name.
    """
    registration = card.registration
    if registration is None:
        return None, []
    if registration.file is not None:
        return _of_file(card, registration, folder, registration.file)
    name = str(registration.template)
    volume = volumes.get(name, {}).get(registration.channel)
    if volume is not None:
        return Template.of(card, volume), []
    if name in volumes:
        cause = f"The template's file cannot be used: {registration.channel} of patient {name}."
        return None, [NoTemplate.finding(cause)]
    cause = f"The template {name!r} is neither a patient of the cohort nor a NIfTI file.{nearest(name, volumes)}"
    return None, [NoTemplate.finding(cause)]


def _of_file(
    card: CohortCard, registration: Registration, folder: Path, file: str
) -> tuple[Template | None, list[Finding]]:
    if Path(file).is_absolute() or ".." in Path(file).parts:
        return None, [NoTemplate.finding("The template's path leads out of the cohort's folder.", detail=file)]
    if not (folder / file).is_file():
        return None, [NoTemplate.finding("The template's file is missing.", detail=file)]
    try:
        volume = nifti_volume(folder / file, card.images[registration.channel].modality)
    except ImageError as error:
        return None, [unusable(error)]
    return Template.of(card, volume), []


def unusable(error: ImageError) -> Finding:
    """Return the finding about a template whose file cannot be read."""
    cause = "The template's file cannot be used."
    return NoTemplate.finding(cause, detail=error.what.rstrip("."), remedy=error.remedy)
