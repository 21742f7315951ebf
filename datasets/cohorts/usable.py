"""Select a cohort's usable patients: those without an error, judged together."""

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
"""Returns the findings of the checks on a cohort; it finds nothing in a cohort without patients."""


def read_cohort(
    card: CohortCard, folder: Path, *, in_folds: bool = True, skip_bad: bool = False, ignored: Collection[str] = ()
) -> SourceCohort:
    """Read a cohort's tables and the headers of its images; voxels are read later, when they are needed.

    Args:
        card: the cohort's card.
        folder: folder of the table and the images.
        in_folds: whether the cohort will be split into folds.
        skip_bad: leave out patients with problems, naming each in a warning, instead of failing.
        ignored: codes of findings to ignore.

    Raises:
        BenchError: the table cannot be read.
        CohortError: there are problems. With ``skip_bad``: problems of the cohort as a whole, or no patient is left.
    """
    inspection = inspect_cohort(card, folder)
    source = replace(inspection.source, in_folds=in_folds)
    return usable(source, inspection.findings, of_cohort, skip_bad=skip_bad, ignored=ignored)


def usable(
    source: SourceCohort, findings: Iterable[Finding], judge: Judge, *, skip_bad: bool, ignored: Collection[str] = ()
) -> SourceCohort:
    """Return a cohort without the patients who have an error, and log who is left out.

    Args:
        source: the cohort.
        findings: findings from reading or preparing patients, including patients no longer in the cohort.
        judge: runs the checks.
        skip_bad: leave out patients with errors instead of failing.
        ignored: codes of findings to ignore.

    Raises:
        CohortError: there are errors. With ``skip_bad``: errors of the cohort as a whole, or no patient is left.
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
    """Return a cohort without the patients who have an error, and all errors; see :func:`usable`.

    The checks run again whenever a patient was left out, because they compare patients. ``findings`` of the returned
    cohort are the given findings and those of the last run, without the errors.
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
    """Log findings that are neither ignored nor notes; notes are shown on the board."""
    for group in grouped(f for f in findings if f.severity != "note" and f.code not in ignored):
        log.warning("%s: %s %s %s", source.card.name, group.first.code, group.text, group.first.remedy)


def _without(source: SourceCohort, patients: Collection[str]) -> SourceCohort:
    kept = [i for i in source.cohort.ids if i not in patients]
    cohort = source.cohort if len(kept) == len(source.cohort) else source.cohort.select(kept)
    return replace(source, cohort=cohort, left_out=tuple(sorted({*source.left_out, *patients})))
