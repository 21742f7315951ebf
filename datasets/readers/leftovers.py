"""What a cohort's folder holds beside its patients, and what was read otherwise than it stands there."""

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
    """Yield what was corrected on the way, such as decimal commas."""
    for note in table.notes:
        yield ReadOtherwise.finding(f"{file}: {note.what}", detail=note.where)


def of_rows(card: CohortCard, ids: Sequence[str], held: FeatureFile, joined: Joined) -> Iterator[Finding]:
    """Yield a finding of rows of features that belong to no patient, and of ids that are spelled otherwise there.

    Args:
        card: the cohort's card.
        ids: all of the cohort's table, also of the patients whom the card sets aside.
        held: the table of features.
        joined: the ids of the cohort's patients with those of the features.
    """
    theirs = held.table.column(held.key)
    yield from _respelled(f"the rows of {held.name}", ((a, b) for a, b in joined.of.items() if a != b))
    extra = left_over(joined, theirs, ids)
    if extra:
        cause = f"{held.name} has {things(len(extra), 'row')} of no patient of {card.table}."
        yield RowsOfNobody.finding(cause, detail=few(extra))


def _respelled(what: str, pairs: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    seen = [f"{ours} is {theirs}" for ours, theirs in pairs if normalize("NFC", ours) != normalize("NFC", theirs)]
    if seen:
        cause = (
            f"The ids of {things(len(seen), 'patient')} are spelled otherwise in {what}; they were taken for the same."
        )
        yield ReadOtherwise.finding(cause, detail=few(seen), remedy="Nothing is wrong if these are the same patients.")


def of_files(patterns: Collection[PatientFiles]) -> Iterator[Finding]:
    """Yield the files of ids that no patient has, and the ids that names of files spell otherwise."""
    yield from _respelled("the names of files", {pair: None for found in patterns for pair in found.respelled})
    for found in patterns:
        for path in found.strangers if not found.findings else ():
            yield FilesOfNobody.finding("Files belong to no patient of the table.", detail=path)
