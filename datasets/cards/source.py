"""A cohort as read from its owner's files: native images, complete table, card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from survbench.cohort import Cohort, Need
from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.template import Template
from survbench.findings import Finding
from survbench.io.tables import Table


@dataclass(frozen=True, slots=True)
class SourceCohort:
    """A cohort before preprocessing.

    ``cohort`` has the native volumes and, in ``Subject.clinical``, every column of the card, including those that
    methods never get; ``Cohort.restrict`` drops them. ``cohort.features`` come from the feature table that the card
    declares. ``cohort.truth`` is set only for simulated cohorts. ``left_out`` are the ids of patients left out because
    of problems. ``table`` has the rows selected by ``patients`` of the card, with row numbers if the card asks for
    them, and ``folder`` is the cohort's folder; simulated cohorts have neither. ``findings`` are ignored findings and
    those that do not prevent use; findings about voxels are added during preparation. ``in_folds`` is False for a
    cohort that is not split into folds, such as an external one. ``template`` is set where patients are registered: by
    the cohort's own card, or for an external cohort by that of the cohort that trains.
    """

    card: CohortCard
    cohort: Cohort
    left_out: tuple[str, ...] = ()
    table: Table | None = None
    folder: Path | None = None
    findings: tuple[Finding, ...] = ()
    in_folds: bool = True
    template: Template | None = None


def offers(source: SourceCohort) -> frozenset[Need]:
    """Return the kinds of input that a cohort can give to methods."""
    has: set[Need] = set()
    if source.cohort.channels:
        has.add("images")
    if source.card.mask is not None:
        has.add("mask")
    if source.card.structures and source.cohort.channels:
        has.add("structures")
    if source.card.model_columns:
        has.add("clinical")
    if {"images", "mask"} <= has or source.cohort.features is not None:
        has.add("radiomics")
    if len({s.centre for s in source.cohort.subjects}) > 1:
        has.add("centres")
    if source.cohort.truth is not None:
        has.add("truth")
    return frozenset(has)
