"""Base classes of the checks of a cohort."""

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
"""The parts of a cohort that can be read: its table; rows with an id; every column of the card; the feature table,
joined to the rows; the header of an image; a patient without an error; and such a patient's voxels.
"""
SECTIONS: dict[Part, tuple[str, ...]] = {
    "images": ("images",),
    "mask": ("mask",),
    "predictors": ("features", "clinical"),
}
"""Sections of a card by part; a check of this part applies if the card has at least one of them."""


class InputCheck(Check):
    """A check made by ``bench cohort check``, or by the readers while they read a cohort.

    Attributes:
        needs: the stage that must have been reached for the check to run.
        sections: the check applies if the card has one of these sections; by default those of its part.
    """

    needs: ClassVar[Stage] = "rows"
    sections: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def applies(cls, card: CohortCard) -> bool:
        """Return whether a cohort with this card has what the check examines."""
        sections = cls.sections or SECTIONS.get(cls.part, ())
        return not sections or any(getattr(card, section) for section in sections)


class CohortCheck(InputCheck, ABC):
    """A check of a cohort as read, before any voxel is read. A plugin registers it, like a :class:`VoxelCheck`, under
    the entry point ``survbench.checks``. The subject of a finding is a patient's id, or empty for the whole cohort.
    """

    needs = "patients"

    @abstractmethod
    def find(self, source: SourceCohort) -> Iterable[Finding]:
        """Return what is wrong; nothing if all is well.

        Args:
            source: the patients without a problem, with every clinical column of the card; never empty.
        """


class VoxelCheck(InputCheck, ABC):
    """A check of the voxels of a cohort's patients; a finding's subject is as in :class:`CohortCheck`."""

    needs = "voxels"

    @abstractmethod
    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterable[Finding]:
        """Return what is wrong; nothing if all is well.

        Args:
            source: the patients without a problem; never empty.
            facts: the patients' facts by id, for patients whose files could be read; never empty.
        """


class PatientCheck(VoxelCheck):
    """A check of the facts of one patient at a time."""

    @abstractmethod
    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterable[Finding]:
        """Return what is wrong with a patient; :meth:`of_patients` fills in the id."""

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        return self.of_patients(source.card, facts)

    def of_patients(self, card: CohortCard, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """Yield what is wrong with each patient, given the facts by id."""
        for name, of_patient in facts.items():
            for found in self.of_patient(card, of_patient):
                yield replace(found, subject=name)
