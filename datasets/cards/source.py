"""A cohort as its owner gave it: native images, complete table, card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from survbench.cohort import Cohort, Need
from survbench.datasets.cards.card import CohortCard
from survbench.findings import Finding
from survbench.io.tables import Table


@dataclass(frozen=True, slots=True)
class SourceCohort:
    """A cohort before preprocessing.

    ``cohort`` holds native volumes and, in ``Subject.clinical``, every column of the card, also those that methods
    never get; ``Cohort.restrict`` drops them. ``cohort.features`` are those of the table that the card declares, and
    ``cohort.truth`` is set for simulated cohorts alone. ``left_out`` are the ids of patients with problems, without
    whom the user goes on. ``table`` holds the rows that ``patients`` of the card chooses, with row numbers where the
    card asks for them, and ``folder`` is where the cohort was read; simulated cohorts have neither. ``findings`` are
    what the checks say of it that does not keep it from being used, or is ignored; what they say of its voxels comes
    with preparing. ``in_folds`` is false for a cohort that is not dealt into folds, such as an external one.
    """

    card: CohortCard
    cohort: Cohort
    left_out: tuple[str, ...] = ()
    table: Table | None = None
    folder: Path | None = None
    findings: tuple[Finding, ...] = ()
    in_folds: bool = True


def offers(source: SourceCohort) -> frozenset[Need]:
    """Return what methods can be given of a cohort."""
    has: set[Need] = set()
    if source.cohort.channels:
        has.add("images")
    if source.card.mask is not None:
        has.add("mask")
    if source.card.model_columns:
        has.add("clinical")
    if {"images", "mask"} <= has or source.cohort.features is not None:
        has.add("radiomics")
    if source.cohort.truth is not None:
        has.add("truth")
    return frozenset(has)
