"""Two methods of stored studies, found by name and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from survbench.actions.find_study import find_study
from survbench.errors import BenchError
from survbench.evaluation.compare import MethodComparison, compare_methods
from survbench.plan.study import Study, find_studies
from survbench.runs.store import Store


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """Two methods compared, and their study, or both where there are two."""

    result: MethodComparison
    studies: tuple[Study, ...]


def compare_stored(a: str, b: str, out: Path, study: str | None) -> StoredComparison:
    """Compare two methods of studies under an output folder, with as many resamples as the profile of the first takes.

    Args:
        a: a method, as ``METHOD`` or ``METHOD@STUDY``.
        b: the other one, alike.
        out: the output folder.
        study: the name of the study of a method that names none; None for the latest.

    Raises:
        BenchError: a study or a method is not there, is not complete, or the two cannot be compared.
    """
    (name_a, of_a), (name_b, of_b) = (_named(text, study) for text in (a, b))
    found = {of: find_study(out, of) for of in dict.fromkeys((of_a, of_b))}
    study_a, study_b = found[of_a], found[of_b]
    if (name_a, study_a.name) == (name_b, study_b.name):
        raise BenchError(f"{name_a} would be compared with itself. Give two methods, or METHOD@STUDY of two studies.")
    _refuse_missing(out, (name_a, study_a), (name_b, study_b))
    resamples = study_a.profile.resamples
    result = compare_methods(study_a, Store(out), name_a, name_b, resamples=resamples, study_b=study_b)
    return StoredComparison(result, tuple({of.name: of for of in (study_a, study_b)}.values()))


def _named(text: str, study: str | None) -> tuple[str, str | None]:
    """Return the method and the study that ``METHOD`` or ``METHOD@STUDY`` names, the latter by default ``study``."""
    name, at, of = text.partition("@")
    if not name or (at and not of):
        raise BenchError(f"{text!r} names no method of a study. Give METHOD or METHOD@STUDY; see 'bench status'.")
    return name, of or study


def _refuse_missing(out: Path, *wanted: tuple[str, Study]) -> None:
    """Refuse methods that are not in their studies but in others, and say in which."""
    missing = [(name, study) for name, study in wanted if name not in _names(study)]
    if not missing:
        return
    studies = find_studies(out)
    both = [s.name for s in studies if {name for name, _ in wanted} <= _names(s)]
    places = [
        f"{name}@{s.name}" for name in dict.fromkeys(name for name, _ in missing) for s in studies if name in _names(s)
    ]
    what = " and ".join(dict.fromkeys(f"{name} is not in {study.name}" for name, study in missing))
    if both:
        raise BenchError(f"{what}. Choose a study of both with --study: {', '.join(both)}.")
    if places:
        raise BenchError(f"{what}. Name its study: {', '.join(places)}.")


def _names(study: Study) -> set[str]:
    return {entry.name for entry in study.entries}
