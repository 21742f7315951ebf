"""Cohorts on their common grid: content keys of everything to be prepared, and the preparing of what is not there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

from survbench.cohort import Need, Subject
from survbench.datasets.named import load_source
from survbench.datasets.preprocess import Grid, Point, plan_grid, reference_point, volume_key
from survbench.datasets.source import SourceCohort
from survbench.errors import BenchError, CohortError, Problem
from survbench.executor import Ended, Task, execute
from survbench.features.feature_sets import FeatureSet, feature_set, settings_fingerprint
from survbench.features.radiomics import Extraction
from survbench.hashing import digest
from survbench.prepared import FeatureRow, feature_rows, read_radiomics, volume_store, write_radiomics
from survbench.profile import Profile
from survbench.worker import prepare

MAX_CHUNK = 8
TASKS_PER_WORKER = 4
"""Patients per preparing task: few enough that all workers end together, at most so many that progress shows."""

MANY_FEATURES = 10
"""From so many on, two patients with the same values are one patient."""

log = logging.getLogger(__name__)


class PreparationWatcher(Interface):
    """Is told how far preparing is."""

    def preparing(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` patients of a cohort are prepared."""

    def poll(self) -> None:
        """About twice a second."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What preparing a cohort gave: features by patient, what is wrong with others, and how many were there before."""

    extractions: Mapping[str, Extraction]
    problems: Mapping[str, str]
    cached: int


@dataclass(slots=True)
class Cohorts:
    """A cohort, and where there is one its external cohort, on their common grid.

    Attributes:
        sources: the cohorts as their owners gave them.
        grid: None for cohorts without images.
        features: the radiomics to extract; None where nobody asks for any.
    """

    sources: list[SourceCohort]
    grid: Grid | None
    features: FeatureSet | None = None

    def ask_for_radiomics(self, name: str | None = None) -> FeatureSet:
        """Have radiomics extracted, of the named set or of the cards', and return the set.

        Raises:
            BenchError: no such set, the cards name different ones, or it has no grey levels for a modality.
        """
        first, *others = self.sources
        for other in others:
            if name is None and other.card.radiomics != first.card.radiomics:
                raise BenchError(
                    f"Cohort {first.card.name!r} has radiomics of set {first.card.radiomics!r}, external cohort "
                    f"{other.card.name!r} of set {other.card.radiomics!r}. Set the same on both cards."
                )
        modalities = [channel.modality for channel in first.card.images.values()]
        self.features = feature_set(name or first.card.radiomics, modalities)
        return self.features

    def refuse_duplicates(self) -> None:
        """Refuse the same image or row of features in two patients: one would be trained on, and tested with the other.

        Raises:
            CohortError: all pairs.
        """
        seen: dict[str, tuple[int, str]] = {}
        problems: list[Problem] = []
        for number, source in enumerate(self.sources):
            rows = table_rows(source)
            for subject in source.cohort.subjects:
                for what, content in _contents(source, subject, rows):
                    first = seen.setdefault(content, (number, subject.id))
                    if first != (number, subject.id):
                        owner = f"{self.sources[first[0]].card.name}/{first[1]}"
                        problems.append(Problem(subject.id, f"{what} as {owner}'s.", "Keep one."))
        if problems:
            raise CohortError("The same data stand for two patients:", problems)

    def volume_keys(self, source: SourceCohort, subject: Subject) -> dict[str, str]:
        """Return the cache keys of a patient's volumes."""
        if self.grid is None:
            return {}
        centre = centre_of(source, subject)
        return {name: volume_key(subject.volumes[name], self.grid, centre) for name in volume_names(source)}

    def radiomics_key(self, source: SourceCohort, keys: Mapping[str, str]) -> str | None:
        """Return the cache key under which to extract a patient's features; None where nobody asks for them, or the
        cohort has a table of its own.
        """
        if self.features is None or source.cohort.features is not None or "radiomics" not in offers(source):
            return None
        return digest(["radiomics", settings_fingerprint(self.features), dict(keys)])


def open_cohorts(names: Sequence[tuple[str, Path | None]], *, profile: Profile, skip_bad: bool = False) -> Cohorts:
    """Open a cohort, and after it an external one, given as names or paths with the folder of their data.

    Raises:
        BenchError: a cohort cannot be used, or the two do not fit each other.
    """
    sources = [load_source(name, profile=profile, data=data, skip_bad=skip_bad) for name, data in names]
    for other in sources[1:]:
        _refuse_different(sources[0], other)
    card = sources[0].card
    grid = None
    if card.images and card.field_of_view_mm is not None:
        grid = plan_grid(card.field_of_view_mm, profile.voxels)
    return Cohorts(sources, grid)


def table_rows(source: SourceCohort) -> Mapping[str, FeatureRow]:
    """Return the features of each patient of a cohort with a table of its own; else nothing."""
    features = source.cohort.features
    return {} if features is None else feature_rows(features, source.cohort.ids)


def _contents(source: SourceCohort, subject: Subject, rows: Mapping[str, FeatureRow]) -> Iterator[tuple[str, str]]:
    for name in source.cohort.channels:
        yield f"{name} is the same image", subject.volumes[name].fingerprint()
    # rows of a few coarse features may be equal by chance
    if subject.id in rows and len(rows[subject.id].values) >= MANY_FEATURES:
        yield "All features are the same", rows[subject.id].key


def offers(source: SourceCohort) -> frozenset[Need]:
    """Return what methods can be given of a cohort."""
    has: set[Need] = set()
    if source.cohort.channels:
        has.add("images")
    if source.card.mask is not None:
        has.add("mask")
    if source.card.model_columns:
        has.add("clinical")
    if {"images", "mask"} <= has or source.cohort.features is not None:
        has.add("radiomics")
    if source.cohort.truth is not None:
        has.add("truth")
    return frozenset(has)


def volume_names(source: SourceCohort) -> list[str]:
    """Return the volumes that are prepared of each patient."""
    return [*source.cohort.channels, *(["mask"] if source.card.mask is not None else [])]


def centre_of(source: SourceCohort, subject: Subject) -> Point:
    """Return the point on which a patient's grid is centred."""
    return reference_point(subject, source.cohort.channels, source.card.reference)


def prepare_source(
    cohorts: Cohorts, source: SourceCohort, *, out: Path, workers: int, timeout_s: float, watcher: PreparationWatcher
) -> Preparation:
    """Prepare what is not in the cache of one of the cohorts, in parallel over patients.

    A patient that cannot be prepared is among the problems; the others are prepared.

    Raises:
        BenchError: a process died or took too long; what is done is kept.
    """
    for row in table_rows(source).values():
        if read_radiomics(out, row.key) is None:
            write_radiomics(out, row.key, Extraction(row.values, {}, (), 0))
    grid = cohorts.grid
    if grid is None:
        return Preparation({}, {}, len(source.cohort))
    keys = {s.id: cohorts.volume_keys(source, s) for s in source.cohort.subjects}
    features = {i: key for i in keys if (key := cohorts.radiomics_key(source, keys[i])) is not None}
    store = volume_store(out)
    known = {i: found for i, key in features.items() if (found := read_radiomics(out, key)) is not None}
    work = [
        s
        for s in source.cohort.subjects
        if not all(store.has(k) for k in keys[s.id].values()) or (s.id in features and s.id not in known)
    ]
    size = max(1, min(MAX_CHUNK, len(work) // (TASKS_PER_WORKER * workers)))
    tasks = [
        Task(
            key=f"prepare-{start}",
            function=prepare,
            arguments=(
                [(s, centre_of(source, s)) for s in chunk],
                volume_names(source),
                grid,
                cohorts.features,
                {s.id: features[s.id] for s in chunk if s.id in features},
                str(out),
            ),
            timeout_s=timeout_s,
        )
        for start in range(0, len(work), size)
        for chunk in [work[start : start + size]]
    ]
    problems: dict[str, str] = {}
    cached = done = len(source.cohort) - len(work)
    watcher.preparing(source.card.name, done, len(source.cohort))
    for ended in execute(tasks, workers=workers, on_start=lambda _: None, on_poll=watcher.poll):
        problems |= _problems(ended)
        done += len(ended.task.arguments[0])
        watcher.preparing(source.card.name, done, len(source.cohort))
    made = {s.id: read_radiomics(out, features[s.id]) for s in work if s.id in features and s.id not in problems}
    known |= {i: found for i, found in made.items() if found is not None}
    in_order = {i: known[i] for i in source.cohort.ids if i in known and i not in problems}
    return Preparation(in_order, problems, cached)


def _problems(ended: Ended) -> dict[str, str]:
    """Return what a preparing task found wrong, by patient."""
    if ended.status != "ok":
        # not the patients' fault: to leave them out would lose good ones
        names = ", ".join(subject.id for subject, _ in ended.task.arguments[0])
        raise BenchError(
            f"Preparing {names} ended as {ended.status} ({ended.error and ended.error['message']}). "
            "What is done is kept; run the same command again, with fewer --workers if memory is short."
        )
    found: dict[str, str] = ended.value
    return found


def without(source: SourceCohort, problems: Mapping[str, str], *, skip_bad: bool) -> SourceCohort:
    """Return a cohort without the patients that could not be prepared.

    Raises:
        CohortError: all of them, unless ``skip_bad``.
    """
    listed = [Problem(i, what, "Mend the file, or leave the patient out.") for i, what in sorted(problems.items())]
    if not skip_bad:
        title = f"{len(listed)} patients of {source.card.name} cannot be prepared (--skip-bad goes on without them):"
        raise CohortError(title, listed)
    for problem in listed:
        log.warning("%s is left out: %s", problem.subject, problem.what)
    kept = [i for i in source.cohort.ids if i not in problems]
    return SourceCohort(source.card, source.cohort.select(kept), tuple(sorted({*source.left_out, *problems})))


def _refuse_different(first: SourceCohort, other: SourceCohort) -> None:
    if other.cohort.channels != first.cohort.channels:
        raise BenchError(
            f"Cohort {first.card.name!r} has channels {first.cohort.channels}, external cohort "
            f"{other.card.name!r} has {other.cohort.channels}. Both need the same ones in the same order."
        )
    kinds = [{n: c.modality for n, c in source.card.images.items()} for source in (first, other)]
    if kinds[0] != kinds[1]:
        raise BenchError(
            f"Cohort {first.card.name!r} has modalities {kinds[0]}, external cohort {other.card.name!r} has "
            f"{kinds[1]}. Both need the same ones."
        )
    if first.card.endpoint.name.casefold() != other.card.endpoint.name.casefold():
        log.warning(
            "the external cohort's endpoint is %s, the cohort's %s",
            other.card.endpoint.name,
            first.card.endpoint.name,
        )
    names = [set(s.cohort.features.names) if s.cohort.features else set() for s in (first, other)]
    if names[0] != names[1] and all("radiomics" in offers(s) for s in (first, other)):
        only = sorted(names[0] ^ names[1])
        raise BenchError(
            f"Cohort {first.card.name!r} and external cohort {other.card.name!r} do not give the same features to "
            f"methods: {', '.join(only[:5])}{', ...' if len(only) > 5 else ''} ({len(only)}) only one of them has. "
            "Declare the same columns under 'features' on both cards, or on none."
        )
    mine = {(c.name, c.kind, c.levels) for c in first.cohort.clinical_columns}
    theirs = {(c.name, c.kind, c.levels) for c in other.cohort.clinical_columns}
    if mine != theirs:
        sides = [
            f"{card.name!r}: {', '.join(_declared(c) for c in sorted(only)) or 'none more'}"
            for card, only in ((first.card, mine - theirs), (other.card, theirs - mine))
        ]
        raise BenchError(
            "The cohort and the external cohort give different clinical columns to methods; only "
            f"{' and only '.join(sides)}. Declare the same columns with model: true, of the same kind and levels, on "
            "both cards."
        )


def _declared(column: tuple[str, str, tuple[str, ...]]) -> str:
    name, kind, levels = column
    return f"{name} ({kind}{': ' if levels else ''}{', '.join(levels)})"
