"""Checks of image files: whether they exist, can be read and prepared, and belong to one patient."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck, InputCheck
from survbench.findings import Check, Finding

MANY_FEATURES = 10
"""Number of identical feature values from which two patients are reported as duplicates."""


class MissingFile(InputCheck):
    """The card's pattern leads to no file for a patient, or leads out of the cohort's folder by ``..``.

    A symbolic link in the folder may lead anywhere; see SB417.
    """

    code = "SB401"
    severity = "error"
    part = "images"
    title = "A file is missing"
    remedy = "Add the file, or correct the pattern in the card."
    counts = "files"


class UnreadableFile(InputCheck):
    """A file is damaged, truncated, in another format, or has an invalid header; or it has infinite voxels, or NaN
    inside the scanned region.
    """

    code = "SB402"
    severity = "error"
    part = "images"
    title = "A file cannot be read"
    remedy = "Export the file again, or leave the patient out."
    needs = "files"
    counts = "files"


class AlteredFile(InputCheck):
    """An image or mask file differs from the file that ``bench cohort ingest`` wrote: its size or its SHA-256 is not
    the one in ``manifest.json``. It was truncated or damaged during transfer, or somebody changed it.

    A manifest that cannot be read is an error of the whole cohort. A cohort without a manifest is not compared.
    """

    code = "SB418"
    severity = "error"
    part = "images"
    title = "A file is not as it was written"
    remedy = "Restore the file, or run 'bench cohort ingest' again to rewrite it."
    needs = "files"
    counts = "files"


class UnlistedFile(InputCheck):
    """The cohort has a manifest, but a file that the card names is not in it, so damage to the file goes unnoticed."""

    code = "SB419"
    severity = "warning"
    part = "images"
    title = "A file is not in the manifest"
    remedy = "Is the file meant to be in the folder? Files that you add yourself are not compared."
    needs = "files"
    counts = "files"


class SameImage(CohortCheck):
    """Two patients have the same image, or the same row of at least ten features: one of them could be used for
    training and the other for testing. ``--skip-bad`` keeps the first of them.
    """

    code = "SB405"
    severity = "error"
    part = "images"
    title = "Two patients have the same data"
    sections = ("images", "features")
    remedy = "Keep one, and name the other under patients.without on the card."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        return same_data([("", source.cohort)])


def same_data(cohorts: Sequence[tuple[str, Cohort]]) -> Iterator[Finding]:
    """Yield findings about patients who share an image, or a row of many features, with another patient.

    Args:
        cohorts: pairs of a name and a cohort; the name is "" if there is only one cohort.
    """
    seen: dict[str, tuple[int, Subject]] = {}
    for number, (_, cohort) in enumerate(cohorts):
        for subject, contents in zip(cohort.subjects, _contents(cohort), strict=True):
            same: dict[str, list[str]] = {}
            for what, content in contents:
                where, first = seen.setdefault(content, (number, subject))
                if (where, first.patient) != (number, subject.patient):
                    name = cohorts[where][0]
                    same.setdefault(f"as {first.id}{f' of {name}' if name else ''}", []).append(what)
            for other, shared in same.items():
                cause = f"Another patient has the same {enumerated(shared)}."
                yield SameImage.finding(cause, subject=subject.id, detail=other)


def enumerated(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: ``pet, ct and mask``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _contents(cohort: Cohort) -> Iterator[list[tuple[str, str]]]:
    """Yield what there is of each patient to compare, each with its hash.

    Features may be in any order. Values that are missing or infinite count as equal.
    """
    table = cohort.features
    order = [] if table is None else sorted(range(len(table.names)), key=table.names.__getitem__)
    names = b"" if table is None else repr([table.names[n] for n in order]).encode()
    for n, subject in enumerate(cohort.subjects):
        contents = [(name, subject.volumes[name].fingerprint()) for name in cohort.channels]
        # rows of a few coarse features may be equal by chance
        if table is not None and len(order) >= MANY_FEATURES:
            row = table.values[n, order]
            known = np.where(np.isfinite(row), row, np.nan)
            contents.append(("features", hashlib.sha256(names + known.tobytes()).hexdigest()))
        yield contents


class NotPrepared(Check):
    """A patient's volumes could not be resampled, or its radiomics could not be extracted."""

    code = "SB410"
    severity = "error"
    part = "images"
    title = "A patient cannot be prepared"
    remedy = "Fix the file, or leave the patient out."


class LinkedFiles(CohortCheck):
    """Files of the cohort are symbolic links that lead out of its folder.

    Links are followed. If the folder is copied or packed, the linked files may be left out.
    """

    code = "SB417"
    severity = "note"
    part = "images"
    title = "Files are links that lead out of the folder"
    remedy = "Links are followed. Copy the folder with 'cp -L' or 'tar -h' to include the linked files."

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        if source.folder is None:
            return
        home = source.folder.resolve()
        loaders = [volume.loader for subject in source.cohort.subjects for volume in subject.volumes.values()]
        files = [path for loader in loaders if isinstance(path := getattr(loader, "path", None), Path)]
        outside = [real for file in files if not (real := file.resolve()).is_relative_to(home)]
        if outside:
            count = f"{len(outside)} of {len(files)} files"
            cause = f"{count} are links that lead out of the cohort's folder."
            yield self.finding(cause, detail=f"the first leads to {outside[0]}")
