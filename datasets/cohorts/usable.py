"""Which patients of a cohort can be used: those of whom no error is found, looked at together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import of_cohort
from survbench.datasets.readers.folder import inspect_cohort
from survbench.findings import CohortError, Finding, grouped, things

log = logging.getLogger(__name__)
Judge = Callable[[SourceCohort], Sequence[Finding]]
"""Gives what the checks find in a cohort; nothing in one without patients."""


def read_cohort(
    card: CohortCard, folder: Path, *, in_folds: bool = True, skip_bad: bool = False, ignored: Collection[str] = ()
) -> SourceCohort:
    """Read a cohort's tables and the headers of its images; voxels are read when they are needed.

    Args:
        card: the cohort's card.
        folder: where the table and the images lie.
        in_folds: whether the cohort is to be dealt into folds.
        skip_bad: go on without patients that have problems, each named in a warning.
        ignored: codes of findings in spite of which to go on.

    Raises:
        BenchError: the table cannot be read.
        CohortError: problems; with ``skip_bad`` those of the cohort as a whole, or no patient left.
    """
    inspection = inspect_cohort(card, folder)
    source = replace(inspection.source, in_folds=in_folds)
    return usable(source, inspection.findings, of_cohort, skip_bad=skip_bad, ignored=ignored)


def usable(
    source: SourceCohort, findings: Iterable[Finding], judge: Judge, *, skip_bad: bool, ignored: Collection[str] = ()
) -> SourceCohort:
    """Return a cohort without the patients of whom an error is found, and log who is left out.

    Args:
        source: the cohort.
        findings: what was found in reading or preparing patients, whether they are still in the cohort or not.
        judge: what the checks find.
        skip_bad: go on without patients that have errors.
        ignored: codes of findings in spite of which to go on.

    Raises:
        CohortError: errors; with ``skip_bad`` those of the cohort as a whole, or no patient left.
    """
    left, errors = sifted(source, findings, judge, ignored=ignored)
    name = f"Cohort {source.card.name!r}{f' in {source.folder}' if source.folder else ''}"
    whole = [f for f in errors if not f.subject]
    if errors and (whole or not skip_bad):
        if skip_bad:
            codes = ", ".join(sorted({f.code for f in whole}))
            raise CohortError(f"{name} has problems that --skip-bad does not skip ({codes}):", whole)
        count = len({f.subject for f in errors if f.subject})
        hint = "" if whole or not count else f" in {things(count, 'patient')} (--skip-bad goes on without them)"
        raise CohortError(f"{name} has problems{hint}:", errors)
    if not len(left.cohort):
        raise CohortError(f"{name} has no usable patient:", errors)
    for group in grouped(errors):
        log.warning("left out: %s %s", group.first.code, group.text)
    return left


def sifted(
    source: SourceCohort, findings: Iterable[Finding], judge: Judge, *, ignored: Collection[str] = ()
) -> tuple[SourceCohort, list[Finding]]:
    """Return a cohort without the patients of whom an error is found, and all errors; see :func:`usable`.

    The checks are made again whenever somebody was left out, as they look at patients together. ``findings`` of the
    cohort are then what was found, and what they find in it, but for the errors.
    """

    def is_error(finding: Finding) -> bool:
        return finding.severity == "error" and finding.code not in ignored

    findings = list(findings)
    errors = [f for f in findings if is_error(f)]
    while True:
        left = _without(source, {f.subject for f in errors if f.subject})
        judged = list(judge(left))
        more = [f for f in judged if is_error(f)]
        if not any(f.subject for f in more):
            break
        errors += [f for f in more if f.subject]
    rest = tuple(f for f in (*findings, *judged) if not is_error(f))
    return replace(left, findings=rest), [*errors, *more]


def log_findings(source: SourceCohort, findings: Iterable[Finding], ignored: Collection[str]) -> None:
    """Log what is found in a cohort and not ignored; notes stand on the board."""
    for group in grouped(f for f in findings if f.severity != "note" and f.code not in ignored):
        log.warning("%s: %s %s %s", source.card.name, group.first.code, group.text, group.first.remedy)


def _without(source: SourceCohort, patients: Collection[str]) -> SourceCohort:
    kept = [i for i in source.cohort.ids if i not in patients]
    cohort = source.cohort if len(kept) == len(source.cohort) else source.cohort.select(kept)
    return replace(source, cohort=cohort, left_out=tuple(sorted({*source.left_out, *patients})))
