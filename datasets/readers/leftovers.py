"""Findings about what a cohort's folder contains besides its patients, and what was not read literally."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from unicodedata import normalize

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks.predictors import few
from survbench.datasets.checks.table import FilesOfNobody, ReadOtherwise, RowsOfNobody
from survbench.datasets.readers.feature_table import FeatureFile
from survbench.datasets.readers.joining import Joined, left_over
from survbench.datasets.readers.paths import PatientFiles
from survbench.findings import Finding, things
from survbench.io.tables import Table


def of_reading(table: Table, file: str) -> Iterator[Finding]:
    """Yield what was corrected while reading a table, such as decimal commas."""
    for note in table.notes:
        yield ReadOtherwise.finding(f"{file}: {note.what}", detail=note.where)


def of_rows(card: CohortCard, ids: Sequence[str], held: FeatureFile, joined: Joined) -> Iterator[Finding]:
    """Yield findings about feature rows that belong to no patient, and about ids that are spelled differently there.

    Args:
        card: the cohort's card.
        ids: all ids of the cohort's table, including patients whom the card excludes.
        held: the feature table.
        joined: the cohort's patients' ids joined with those of the feature table.
    """
    theirs = held.table.column(held.key)
    yield from _respelled(f"the rows of {held.name}", ((a, b) for a, b in joined.of.items() if a != b))
    extra = left_over(joined, theirs, ids)
    if extra:
        cause = f"{held.name} has {things(len(extra), 'row')} without a patient in {card.table}."
        yield RowsOfNobody.finding(cause, detail=few(extra))


def _respelled(what: str, pairs: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    seen = [f"{ours} is {theirs}" for ours, theirs in pairs if normalize("NFC", ours) != normalize("NFC", theirs)]
    if seen:
        cause = (
            f"The ids of {things(len(seen), 'patient')} are spelled differently in {what} and were treated as the same."
        )
        yield ReadOtherwise.finding(cause, detail=few(seen), remedy="This is fine if they are the same patients.")


def of_files(patterns: Collection[PatientFiles]) -> Iterator[Finding]:
    """Yield findings about files whose ids belong to no patient, and about ids that file names spell differently."""
    yield from _respelled("file names", {pair: None for found in patterns for pair in found.respelled})
    for found in patterns:
        for path in found.strangers if not found.findings else ():
            yield FilesOfNobody.finding("Files belong to no patient in the table.", detail=path)
