"""The cards of a cohort that was read by a layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from survbench.datasets.cards.card import Channel, Clinical, CohortCard, Endpoint, Mask, Patients
from survbench.datasets.ingest.clinical import CLINICAL, ID
from survbench.datasets.layouts.layout import Layout
from survbench.datasets.layouts.tree import KINDS
from survbench.io.files import write_text

IMAGE = "images/{id}_%s%s"


def cards_of(layout: Layout) -> dict[str, CohortCard]:
    """Return the card of the cohort as ``cohort``, and one by the name of each selection."""
    cards = {"cohort": _card(layout, layout.name, layout.title, Patients(), layout.clinical)}
    for name, chosen in layout.selections.items():
        clinical = chosen.clinical or layout.clinical
        cards[name] = _card(layout, f"{layout.name}-{name}", chosen.title, chosen.patients, clinical)
    return cards


def write_cards(out: Path, cards: Mapping[str, CohortCard], labels: Mapping[str, int] = MappingProxyType({})) -> None:
    """Write the cards of a cohort that are not there yet.

    Args:
        out: the cohort's folder.
        cards: by name of the file.
        labels: structures of the masks that were written, in the place of those on the cards.
    """
    for name, card in cards.items():
        path = out / f"{name}.yaml"
        mask = card.mask
        if mask is not None and labels:
            mask = mask.model_copy(update={"labels": dict(labels)})
        if not path.exists():
            write_text(path, card_text(card.model_copy(update={"mask": mask})))


def card_text(card: CohortCard) -> str:
    """Return a card as YAML, without what is not set."""
    held = card.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(held, sort_keys=False, allow_unicode=True, width=120)


def image_pattern(layout: Layout, kind: str) -> str:
    """Return the pattern of the cohort's files of a kind, see :data:`~survbench.datasets.layouts.tree.KINDS`."""
    if layout.nifti is None:
        return IMAGE % (kind, ".nii.gz")
    patterns = dict(zip(KINDS, (layout.nifti.pet, layout.nifti.ct, layout.nifti.mask), strict=True))
    return IMAGE % (kind, ".nii.gz" if patterns[kind][0].endswith(".gz") else ".nii")


def _card(layout: Layout, name: str, title: str, patients: Patients, clinical: tuple[Clinical, ...]) -> CohortCard:
    outcome = layout.outcome
    labels = {} if layout.nifti is None else layout.nifti.labels
    held: dict[str, Any] = {
        "name": name,
        "title": title,
        "table": CLINICAL,
        "id": ID,
        "centre": layout.centre,
        "patients": patients,
        "endpoint": Endpoint(name=outcome.name, time=outcome.time, event=outcome.name, unit=outcome.unit),
        "missing": layout.missing,
        "images": {
            "pet": Channel(modality="PET", file=image_pattern(layout, "PET")),
            "ct": Channel(modality="CT", file=image_pattern(layout, "CT")),
        },
        "mask": Mask(file=image_pattern(layout, "mask"), labels=labels),
        "field_of_view_mm": layout.field_of_view_mm,
        "clinical": clinical,
        "licence": layout.licence,
        "citation": layout.citation,
        "notes": layout.notes,
    }
    return CohortCard.model_validate({key: value for key, value in held.items() if value and value != Patients()})
