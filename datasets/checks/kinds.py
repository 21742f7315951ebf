"""The kinds of checks of a cohort."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import PatientFacts
from survbench.findings import Check, Finding, Part

Stage = Literal["table", "rows", "columns", "features", "files", "patients", "voxels"]
"""What of a cohort could be read: its table; rows with an id; every column of the card; the table of features, joined
to the rows; the header of an image; a patient without an error; such a patient's voxels.
"""
SECTIONS: dict[Part, tuple[str, ...]] = {
    "images": ("images",),
    "mask": ("mask",),
    "predictors": ("features", "clinical"),
}
"""The sections of a card, one of which a check of this part needs."""


class InputCheck(Check):
    """A check that ``bench cohort check`` makes of a cohort, or the readers on the way.

    Attributes:
        needs: what must have been read to make it.
        sections: the sections of a card, one of which must be there for it to apply; by default those of its part.
    """

    needs: ClassVar[Stage] = "rows"
    sections: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def applies(cls, card: CohortCard) -> bool:
        """Say whether a cohort of this card has what the check looks at."""
        sections = cls.sections or SECTIONS.get(cls.part, ())
        return not sections or any(getattr(card, section) for section in sections)


class CohortCheck(InputCheck, ABC):
    """A check of a cohort as it was read, before any voxel is. That of a plugin is an entry point of
    ``survbench.checks``, as is a :class:`VoxelCheck`. The subject of a finding is the id of a patient, or empty.
    """

    needs = "patients"

    @abstractmethod
    def find(self, source: SourceCohort) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well.

        Args:
            source: the cohort: the patients without a problem, with every clinical column of the card; never empty.
        """


class VoxelCheck(InputCheck, ABC):
    """A check of what the voxels of a cohort's patients say; the subject of a finding is as in :class:`CohortCheck`."""

    needs = "voxels"

    @abstractmethod
    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well.

        Args:
            source: the cohort: the patients without a problem; never empty.
            facts: of its patients, by id, as far as their files could be read; never empty.
        """


class PatientCheck(VoxelCheck):
    """A check that looks at the facts of one patient at a time."""

    @abstractmethod
    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterable[Finding]:
        """Return what is wrong with a patient; the id is filled in by :meth:`of_patients`."""

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        return self.of_patients(source.card, facts)

    def of_patients(self, card: CohortCard, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """Yield what is wrong with each of some patients, of these facts by id."""
        for name, of_patient in facts.items():
            for found in self.of_patient(card, of_patient):
                yield replace(found, subject=name)
