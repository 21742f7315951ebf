"""Checks of image files: whether they are there, can be read and prepared, and are a patient's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.file_pattern import file_of
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck
from survbench.findings import Check, Finding

FEATURES = "all features"
MANY_FEATURES = 10
"""Number of identical feature values from which two patients are reported as duplicates."""


class MissingFile(Check):
    """The card's pattern leads to no file for a patient, or out of the cohort's folder by ``..``.

    A symbolic link in the folder may lead anywhere; see SB417.
    """

    code = "SB401"
    severity = "error"
    part = "images"
    title = "A file is missing"
    remedy = "Add the file, or correct the pattern in the card."
    counts = "files"


class UnreadableFile(Check):
    """A file is damaged, truncated, of another format, or has a header that makes no sense; or its voxels are infinite,
    or NaN inside of what was scanned.
    """

    code = "SB402"
    severity = "error"
    part = "images"
    title = "A file cannot be read"
    counts = "files"


class SameImage(CohortCheck):
    """The same image, or the same row of ten features or more, stands for two patients: one of them would be trained on
    and the other tested with.
    """

    code = "SB405"
    severity = "error"
    part = "images"
    title = "Two patients have the same data"
    remedy = "Keep one."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        return same_data([("", source.cohort)])


def same_data(cohorts: Sequence[tuple[str, Cohort]]) -> Iterator[Finding]:
    """Yield the patients of some cohorts who have an image, or a row of many features, of another patient.

    Args:
        cohorts: each with what stands before its ids.
    """
    seen: dict[str, tuple[int, Subject]] = {}
    for number, (_, cohort) in enumerate(cohorts):
        for row, subject in enumerate(cohort.subjects):
            same: dict[str, list[str]] = {}
            for what, content in _contents(cohort, row):
                where, first = seen.setdefault(content, (number, subject))
                if (where, first.patient) != (number, subject.patient):
                    same.setdefault(f"as {cohorts[where][0]}{first.id}", []).append(what)
            for other, names in same.items():
                yield SameImage.finding(
                    f"{_are_the_same(names)} as another patient's.", subject=subject.id, detail=other
                )


def _are_the_same(names: Sequence[str]) -> str:
    images = [name for name in names if name != FEATURES]
    if len(names) == 1:
        return f"{names[0]} is the same image" if images else "All features are the same"
    return f"{enumerated(names)} are the same{'' if len(images) < len(names) else ' images'}"


def enumerated(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: ``pet, ct and mask``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _contents(cohort: Cohort, row: int) -> Iterator[tuple[str, str]]:
    subject = cohort.subjects[row]
    for name in cohort.channels:
        yield name, subject.volumes[name].fingerprint()
    # rows of a few coarse features may be equal by chance
    if cohort.features is not None and len(cohort.features.names) >= MANY_FEATURES:
        values = cohort.features.values[row].tolist()
        yield FEATURES, repr(sorted(zip(cohort.features.names, values, strict=True)))


class NotPrepared(Check):
    """A patient's volumes could not be resampled or its radiomics not be extracted."""

    code = "SB410"
    severity = "error"
    part = "images"
    title = "A patient cannot be prepared"
    remedy = "Fix the file, or leave the patient out."


class LinkedFiles(CohortCheck):
    """Files of the cohort are symbolic links to places outside of its folder.

    They are followed: a cohort is what its folder names. Whoever copies the folder, or packs it, may leave the files
    behind.
    """

    code = "SB417"
    severity = "note"
    part = "images"
    title = "Files are links that lead out of the folder"
    remedy = "They are followed. Copy the folder with 'cp -L' or 'tar -h' to take the files along."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        if source.folder is None:
            return
        card, home = source.card, source.folder.resolve()
        patterns = [c.file for c in card.images.values()] + ([card.mask.file] if card.mask else [])
        files = [source.folder / file_of(p, i) for i in source.cohort.ids for p in patterns]
        outside = [real for file in files if not (real := file.resolve()).is_relative_to(home)]
        if outside:
            count = f"{len(outside)} of {len(files)} files"
            cause = f"{count} are links that lead out of the cohort's folder."
            yield self.finding(cause, detail=f"the first leads to {outside[0]}")
