"""What a cohort's folder holds beside its patients, and what was read otherwise than it stands there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from unicodedata import normalize

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks.predictors import few
from survbench.datasets.checks.table import FilesOfNobody, ReadOtherwise, RowsOfNobody
from survbench.datasets.readers.joining import join
from survbench.datasets.readers.paths import PatientFiles
from survbench.findings import Finding, things
from survbench.io.tables import Table


def of_reading(table: Table, file: str) -> Iterator[Finding]:
    """Yield what was corrected on the way, such as decimal commas."""
    for note in table.notes:
        yield ReadOtherwise.finding(f"{file}: {note.what}", detail=note.where)


def of_rows(card: CohortCard, ids: Sequence[str], source: tuple[Table, str, str]) -> Iterator[Finding]:
    """Yield a finding of rows of features that belong to no patient.

    Args:
        card: the cohort's card.
        ids: of the cohort's table.
        source: of the features; see ``feature_table.feature_source``.
    """
    table, file, key = source
    if key not in table.columns:
        return  # that is a finding of its own
    of = join(ids, table.column(key)).of
    joined = set(of.values())
    yield from _respelled(f"the rows of {file}", [(ours, theirs) for ours, theirs in of.items() if ours != theirs])
    extra = [name for name in table.column(key) if name not in joined]
    if joined and extra:
        cause = f"{file} has {things(len(extra), 'row')} of no patient of {card.table}."
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
