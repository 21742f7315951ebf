"""Find the NIfTI files of each patient in a tree, by the ends of their paths."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.layouts.layout import Nifti
from survbench.datasets.layouts.tables import same_patient
from survbench.io.files import files_below

KINDS = ("PET", "CT", "mask")


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a source.

    Attributes:
        files: by patient in the form for comparison, and by kind (``PET``, ``CT``, ``mask``).
        wrong: why the files of other patients cannot be used, likewise.
        others: number of files that match no pattern.
    """

    files: Mapping[str, Mapping[str, Path]]
    wrong: Mapping[str, str]
    others: int


def tree_of(source: Path, nifti: Nifti) -> Tree:
    """Return the files of each patient below a folder.

    Args:
        source: the folder.
        nifti: the patterns.
    """
    there = [path.relative_to(source) for path in files_below(source)]
    patterns = dict(zip(KINDS, (nifti.pet, nifti.ct, nifti.mask), strict=True))
    found = {kind: _by_patient(there, own, nifti.id) for kind, own in patterns.items()}
    files: dict[str, dict[str, Path]] = {}
    wrong: dict[str, str] = {}
    for patient in sorted({patient for of_kind in found.values() for patient in of_kind}):
        of_patient = {kind: found[kind].get(patient, []) for kind in KINDS}
        absent = [kind for kind, paths in of_patient.items() if not paths]
        several = [paths for paths in of_patient.values() if len(paths) > 1]
        if absent:
            wrong[patient] = f"There is no {' and no '.join(absent)}."
        elif several:
            wrong[patient] = f"There are {' and '.join(map(str, several[0]))}. Give the folder with one of them."
        else:
            files[patient] = {kind: source / paths[0] for kind, paths in of_patient.items()}
    used = {path for of_kind in found.values() for paths in of_kind.values() for path in paths}
    return Tree(files, wrong, len(there) - len(used))


def _by_patient(paths: Sequence[Path], patterns: Sequence[str], name: str) -> dict[str, list[Path]]:
    """Return the files of one kind by patient; each patient has those of the first pattern that has any."""
    found: dict[str, list[Path]] = {}
    for pattern in patterns:
        own: dict[str, list[Path]] = {}
        end = _expression(pattern, name)
        for path in paths:
            matched = end.search(path.as_posix())
            if matched and "/" not in matched["id"]:
                own.setdefault(same_patient(matched["id"]), []).append(path)
        found |= {patient: of_patient for patient, of_patient in own.items() if patient not in found}
    return found


def _expression(pattern: str, name: str) -> re.Pattern[str]:
    """Return what the end of a path has to match; an id that stands in it twice must be the same."""
    parts = [re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split("{id}")]
    first, *others = parts
    return re.compile(f"(?:^|/){first}(?P<id>{name}){'(?P=id)'.join(others)}$")
