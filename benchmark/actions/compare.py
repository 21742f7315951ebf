"""Two methods of stored studies, found by name and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from survbench.actions.find_study import find_study
from survbench.errors import BenchError
from survbench.evaluation.compare import MethodComparison, compare_methods
from survbench.io.packs import opened
from survbench.io.paths import expanded
from survbench.io.study_files import STUDIES
from survbench.plan.study import STUDY, Study, find_studies, latest_study, read_study
from survbench.runs.store import Store


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """Two methods compared, and their study, or both where there are two."""

    result: MethodComparison
    studies: tuple[Study, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A study, the output folder that it is in, and what the user called it."""

    study: Study
    out: Path
    named: str | None


def compare_stored(a: str, b: str, out: Path, study: str | None) -> StoredComparison:
    """Compare two methods of studies, with as many resamples as the profile of the first takes.

    Args:
        a: a method, as ``METHOD`` or ``METHOD@STUDY``: a study's name under ``out``, or the path of a pack, of another
            output folder, of which the latest study is meant, or of a study's folder.
        b: the other one, alike.
        out: the output folder.
        study: the name of the study of a method that names none; None for the latest.

    Raises:
        BenchError: a study or a method is not there, is not complete, or the two cannot be compared.
    """
    (name_a, of_a), (name_b, of_b) = (_named(text, study) for text in (a, b))
    found = {of: _place(of, out) for of in dict.fromkeys((of_a, of_b))}
    in_a, in_b = found[of_a], found[of_b]
    same_study = (in_a.study.name, in_a.out) == (in_b.study.name, in_b.out)
    if name_a == name_b and same_study:
        raise BenchError(f"{name_a} would be compared with itself. Give two methods, or METHOD@STUDY of two studies.")
    _refuse_missing(out, (name_a, in_a), (name_b, in_b))
    told_apart = same_study or in_a.study.name != in_b.study.name
    result = compare_methods(
        in_a.study,
        Store(in_a.out),
        name_a,
        name_b,
        resamples=in_a.study.profile.resamples,
        study_b=in_b.study,
        store_b=Store(in_b.out),
        names=None if told_apart else (in_a.named or str(in_a.out), in_b.named or str(in_b.out)),
    )
    return StoredComparison(result, (in_a.study,) if same_study else (in_a.study, in_b.study))


def _named(text: str, study: str | None) -> tuple[str, str | None]:
    """Return the method and the study that ``METHOD`` or ``METHOD@STUDY`` names, the latter by default ``study``."""
    name, at, of = text.partition("@")
    if not name or (at and not of):
        raise BenchError(f"{text!r} names no method of a study. Give METHOD or METHOD@STUDY; see 'bench status'.")
    return name, of or study


def _place(of: str | None, out: Path) -> _Place:
    path = None if of is None else expanded(of).absolute()
    if of is None or path is None or (out / STUDIES / of / STUDY).is_file() or not path.exists():
        return _Place(find_study(out, of), out, of)
    folder = opened(path)
    if (folder / STUDY).is_file():
        return _Place(read_study(folder), folder.parents[1], of)
    return _Place(latest_study(folder), folder, of)


def _refuse_missing(out: Path, *wanted: tuple[str, _Place]) -> None:
    """Refuse methods that are not in their studies but in others, and say in which."""
    missing = [(name, place.study) for name, place in wanted if name not in _names(place.study)]
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
