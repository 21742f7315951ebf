"""What a study keeps of its cohort so that its methods can predict new patients: the card, and hashes by which the
images of a patient on whom models were fitted are recognised. No id and no value of a patient is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survbench.actions.study_template import StudyTemplate
from survbench.datasets.cards.card import CohortCard, Patients
from survbench.datasets.cards.source import SourceCohort
from survbench.errors import BenchError
from survbench.io.files import write_json
from survbench.io.stored import checked, read_stored, with_checksum
from survbench.io.study_files import COHORT
from survbench.plan.study import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCohort:
    """The cohort on which a study's methods were fitted.

    Attributes:
        card: without the patients' ids and notes.
        features: names of the features of a table; empty without one.
        contents: of each fold, what its patients' images and rows of features hash to; empty
            in a pack with pseudonyms.
        template: to which the patients were registered; None where they were not.
        centres: of its patients; None where an earlier version or a pack with pseudonyms does not keep them.
    """

    card: CohortCard
    features: tuple[str, ...]
    contents: tuple[frozenset[str], ...]
    centres: frozenset[str] | None = None
    template: StudyTemplate | None = None

    @property
    def recognises(self) -> bool:
        """Whether a patient can be recognised: a pack with pseudonyms keeps nothing for it."""
        return bool(self.contents)

    def folds_with(self, contents: Sequence[str]) -> tuple[int, ...]:
        """Return the folds in which a patient with one of these contents is."""
        return tuple(n for n, of_fold in enumerate(self.contents) if of_fold & set(contents))


def images_of(row: Mapping[str, Any]) -> list[str]:
    """Return the hashes of a prepared patient's images.

    Args:
        row: of the patient, as in the inputs of a prepared cohort.
    """
    return [key for name, key in row["volumes"].items() if name != "mask"]


def contents_of(row: Mapping[str, Any]) -> list[str]:
    """Return the hashes of a prepared patient's images and of the features: a method may see only the one or the other
    of a new patient.

    Args:
        row: of the patient, as in the inputs of a prepared cohort.
    """
    return [*images_of(row), *filter(None, [row["radiomics"]])]


def write_study_cohort(study: Study, out: Path, source: SourceCohort, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write what a study keeps of its cohort.

    Args:
        study: the study, whose folder exists.
        out: the output folder.
        source: its cohort.
        rows: the prepared row of each patient, by id.
    """
    # the registration may name a patient
    card = source.card.model_copy(update={"patients": Patients(), "notes": "", "registration": None})
    features = source.cohort.features
    content: dict[str, Any] = {
        # as text: keys in this file are sorted, and the order of the channels is that of a network's inputs
        "card": card.model_dump_json(),
        "features": [] if features is None else list(features.names),
        "contents": [sorted(key for i in fold for key in contents_of(rows[i])) for fold in study.protocol.folds],
        "centres": sorted({s.centre for s in source.cohort.subjects}),
    }
    if source.template is not None:
        content["template"] = StudyTemplate.keep(source.template, out).to_json()
    write_json(study.folder(out) / COHORT, with_checksum(content))


def copy_study_cohort(study: Study, out: Path, target: Path, *, contents: bool) -> None:
    """Write what a study keeps of its cohort into another output folder, unless an earlier version kept nothing.

    Args:
        study: the study, which both folders have.
        out: its output folder.
        target: the other output folder.
        contents: whether a patient on whom models were fitted can be recognised there by the images.
    """
    path = study.folder(out) / COHORT
    if path.exists():
        raw = dict(read_stored(path, checked))
        if not contents:
            raw["contents"] = []
            raw.pop("centres", None)
            if "template" in raw:
                raw["template"] = {**raw["template"], "fingerprint": ""}
        write_json(study.folder(target) / COHORT, with_checksum(raw))


def read_study_cohort(study: Study, out: Path) -> StudyCohort:
    """Return what a study keeps of its cohort.

    Raises:
        BenchError: an earlier version of survbench ran the study, or the file is damaged.
    """
    path = study.folder(out) / COHORT
    try:
        return read_stored(path, _study_cohort)
    except FileNotFoundError as error:
        raise BenchError(
            f"Study {study.name} does not say how its patients' images are read: {path} is missing. The same "
            "'bench run' writes it; nothing is fitted again."
        ) from error


def _study_cohort(written: dict[str, Any]) -> StudyCohort:
    raw = checked(written)
    return StudyCohort(
        card=CohortCard.model_validate_json(raw["card"]),
        features=tuple(raw["features"]),
        contents=tuple(frozenset(fold) for fold in raw["contents"]),
        centres=frozenset(raw["centres"]) if "centres" in raw else None,
        template=StudyTemplate.from_json(raw["template"]) if "template" in raw else None,
    )
