"""Patients' facts stored in the output folder by the content of their files, so that files are measured only once."""

from __future__ import annotations

from pathlib import Path

from survbench.cohort import Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.template import Template
from survbench.datasets.checks.facts import PatientFacts
from survbench.io.files import write_json
from survbench.io.hashing import digest
from survbench.io.layout import CACHE
from survbench.io.stored import UnreadableError, matching, read_stored

FACTS = "facts"
"""Folder of the cache."""
FACTS_VERSION = 6
"""Part of the key: raise it when the measurements change."""


def facts_key(card: CohortCard, subject: Subject, template: Template | None = None) -> str:
    """Return the content key of a patient's facts, from the files and the settings for measuring them.

    Args:
        card: the card of the patient's cohort.
        subject: the patient.
        template: to which the patient is registered; None in a cohort that is not registered.
    """
    volumes = {name: volume.fingerprint() for name, volume in subject.volumes.items()}
    labels = sorted(card.structures.values())
    modalities = {name: channel.modality for name, channel in card.images.items()}
    # only where there is one: the keys of other cohorts stay
    registered = [] if template is None else [template.registration_key(subject.volumes[template.channel])]
    return digest([FACTS_VERSION, volumes, labels, modalities, card.field_of_view_mm, card.reference, *registered])


def read_facts(out: Path, key: str) -> PatientFacts | None:
    """Return the stored facts, or None if they are missing or damaged."""
    try:
        return read_stored(_path(out, key), lambda raw: PatientFacts.from_json(matching(raw, "facts")))
    except (FileNotFoundError, UnreadableError):
        return None


def write_facts(out: Path, key: str, facts: PatientFacts) -> None:
    """Store a patient's facts."""
    path = _path(out, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = facts.to_json()
    write_json(path, {"sha256": digest(content), "facts": content})


def _path(out: Path, key: str) -> Path:
    return out / CACHE / FACTS / key[:2] / f"{key}.json"
