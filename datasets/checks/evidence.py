"""What checks of a whole cohort look at, and how one is declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from survbench.cohort import Cohort
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks.facts import PatientFacts
from survbench.findings import Check, Finding
from survbench.io.tables import Table


@dataclass(frozen=True, slots=True)
class Evidence:
    """A cohort as it was read.

    Attributes:
        card: as its owner wrote it.
        cohort: the patients without a problem, with native volumes and every clinical column of the card; never empty.
        table: the cohort's own table, with row numbers where the card asks for them; None for simulated patients.
        folder: where tables and images lie; None for simulated patients.
        facts: what the voxels of the patients say, by id; of cohorts with images, and as far as they could be read.
    """

    card: CohortCard
    cohort: Cohort
    table: Table | None = None
    folder: Path | None = None
    facts: Mapping[str, PatientFacts] = field(default_factory=dict)


class CohortCheck(Check, ABC):
    """A check that looks at a cohort as a whole. That of a plugin is an entry point of ``survbench.checks``."""

    @abstractmethod
    def find(self, evidence: Evidence) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well."""


class PatientCheck(CohortCheck):
    """A check that looks at the facts of one patient at a time."""

    @abstractmethod
    def of_patient(self, card: CohortCard, facts: PatientFacts) -> Iterable[Finding]:
        """Return what is wrong with a patient; the id is filled in by :meth:`find`."""

    def find(self, evidence: Evidence) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        for name, facts in evidence.facts.items():
            for found in self.of_patient(evidence.card, facts):
                yield replace(found, subject=name)
