"""What checks of a whole cohort look at, and how one is declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from survbench.cohort import Cohort
from survbench.datasets.cards.card import CohortCard
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
    """

    card: CohortCard
    cohort: Cohort
    table: Table | None = None
    folder: Path | None = None


class CohortCheck(Check, ABC):
    """A check that looks at a cohort as a whole. That of a plugin is an entry point of ``survbench.checks``."""

    @abstractmethod
    def find(self, evidence: Evidence) -> Iterable[Finding]:
        """Return what is wrong; nothing where all is well."""
