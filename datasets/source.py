"""A cohort as its owner gave it: native images, complete table, card."""

from __future__ import annotations

from dataclasses import dataclass

from survbench.card import CohortCard
from survbench.cohort import Cohort


@dataclass(frozen=True, slots=True)
class SourceCohort:
    """A cohort before preprocessing.

    ``cohort`` holds native volumes and, in ``Subject.clinical``, every column of the card, also those that methods
    never get; ``Cohort.restrict`` drops them. ``cohort.features`` are those of the table that the card declares, and
    ``cohort.truth`` is set for simulated cohorts alone. ``left_out`` are the ids of patients with problems, without
    whom the user goes on.
    """

    card: CohortCard
    cohort: Cohort
    left_out: tuple[str, ...] = ()
