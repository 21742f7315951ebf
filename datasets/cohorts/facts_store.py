"""Patients' facts stored in the output folder by the content of their files, so that files are measured only once."""

from __future__ import annotations

import json
from pathlib import Path

from survbench.cohort import Subject
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks.facts import PatientFacts
from survbench.io.files import write_json
from survbench.io.hashing import digest
from survbench.io.layout import CACHE

FACTS_VERSION = 5
"""Part of the key: raise it when the measurements change."""


def facts_key(card: CohortCard, subject: Subject) -> str:
    """Return the content key of a patient's facts, from the files and the card's settings for measuring them."""
    volumes = {name: volume.fingerprint() for name, volume in subject.volumes.items()}
    modalities = {name: channel.modality for name, channel in card.images.items()}
    return digest([FACTS_VERSION, volumes, modalities, card.field_of_view_mm, card.reference])


def read_facts(out: Path, key: str) -> PatientFacts | None:
    """Return the stored facts, or None if they are missing or damaged."""
    try:
        raw = json.loads(_path(out, key).read_text(encoding="utf-8"))
        return PatientFacts.from_json(raw["facts"]) if raw["sha256"] == digest(raw["facts"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_facts(out: Path, key: str, facts: PatientFacts) -> None:
    """Store a patient's facts."""
    path = _path(out, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = facts.to_json()
    write_json(path, {"sha256": digest(content), "facts": content})


def _path(out: Path, key: str) -> Path:
    return out / CACHE / "facts" / key[:2] / f"{key}.json"
