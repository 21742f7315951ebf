"""The kinds of checks of a cohort."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.facts import PatientFacts
from survbench.findings import Check, Finding


class CohortCheck(Check, ABC):
    """A check of a cohort as it was read, before any voxel is. That of a plugin is an entry point of
    ``survbench.checks``, as is a :class:`VoxelCheck`.
    """

    @abstractmethod
    def find(self, source: SourceCohort) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well.

        Args:
            source: the cohort: the patients without a problem, with every clinical column of the card; never empty.
        """


class VoxelCheck(Check, ABC):
    """A check of what the voxels of a cohort's patients say."""

    @abstractmethod
    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well.

        Args:
            source: the cohort: the patients without a problem; never empty.
            facts: of its patients, by id, as far as their files could be read.
        """


class PatientCheck(VoxelCheck):
    """A check that looks at the facts of one patient at a time."""

    @abstractmethod
    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterable[Finding]:
        """Return what is wrong with a patient; the id is filled in by :meth:`find`."""

    def find(self, source: SourceCohort, facts: Mapping[str, PatientFacts]) -> Iterator[Finding]:
        """See :class:`VoxelCheck`."""
        for name, of_patient in facts.items():
            for found in self.of_patient(source.card, of_patient):
                yield replace(found, subject=name)
