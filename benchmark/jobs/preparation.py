"""Prepares what is not in the cache of a cohort, in parallel over patients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from survbench.cohort import Subject
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import cohort_codes, of_cohort, of_voxels
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.cohorts.facts_store import facts_key, read_facts
from survbench.datasets.cohorts.opened import Cohorts, centre_of, volume_names
from survbench.datasets.cohorts.usable import usable
from survbench.datasets.preprocessing.cache import volume_store
from survbench.errors import BenchError
from survbench.features.extraction import Extraction, radiomics_path, read_radiomics
from survbench.findings import Finding
from survbench.io.files import tells_of_full_disk
from survbench.io.layout import Status
from survbench.jobs.executor import execute
from survbench.jobs.task import Ended, Task
from survbench.jobs.this_machine import ThisMachine
from survbench.work.prepare import prepare

MAX_CHUNK = 8
TASKS_PER_WORKER = 4
"""Patients per preparing task: few enough that all workers end together, at most so many that progress shows."""


class PreparationWatcher(Interface):
    """Is told how far preparing is."""

    def preparing(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` patients of a cohort are prepared."""

    def poll(self) -> None:
        """About twice a second."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What preparing a cohort gave.

    Attributes:
        extractions: features, by patient.
        structures: features of each structure by patient, by the structure's name; empty unless they were asked for.
        problems: what is wrong with patients that could not be prepared.
        facts: what the voxels say, by patient; see ``datasets.checks.catalogue.of_voxels``.
        cached: how many patients were there before.
    """

    extractions: Mapping[str, Extraction]
    problems: tuple[Finding, ...]
    facts: Mapping[str, PatientFacts]
    cached: int
    structures: Mapping[str, Mapping[str, Extraction]] = field(default_factory=dict)

    def facts_of(self, source: SourceCohort) -> dict[str, PatientFacts]:
        """Return the facts of the patients of a cohort."""
        return {i: self.facts[i] for i in source.cohort.ids if i in self.facts}


def prepare_source(
    cohorts: Cohorts,
    source: SourceCohort,
    *,
    out: Path,
    workers: int,
    timeout_s: float,
    watcher: PreparationWatcher,
    ignored: Collection[str] = (),
) -> Preparation:
    """Prepare what is not in the cache of one of the cohorts, in parallel over patients.

    A patient that cannot be prepared is among the problems; the others are prepared.

    Args:
        cohorts: both cohorts.
        source: one of them.
        out: the output folder.
        workers: processes at once.
        timeout_s: for a task of some patients.
        watcher: is told the progress.
        ignored: codes of findings in spite of which to go on.

    Raises:
        BenchError: a process died or took too long; what is done is kept.
    """
    grid = cohorts.grid
    if grid is None:
        return Preparation({}, (), {}, len(source.cohort))
    features = {s.id: cohorts.keys(source, s).radiomics for s in source.cohort.subjects}
    known = {i: _stored(out, keys) for i, keys in features.items()}
    damaged = {i for i, found in known.items() if found.keys() != features[i].keys()}
    absent = {s.id for s in unprepared(cohorts, source, out)} | damaged
    work = [s for s in source.cohort.subjects if s.id in absent]
    size = max(1, min(MAX_CHUNK, len(work) // (TASKS_PER_WORKER * workers)))
    tasks = [
        Task(
            key=f"prepare-{start}",
            function=prepare,
            arguments=(
                source.card,
                [(s, centre_of(source, s)) for s in chunk],
                volume_names(source),
                grid,
                cohorts.features,
                {s.id: features[s.id] for s in chunk},
                tuple(ignored),
                str(out),
                source.template,
            ),
            timeout_s=timeout_s,
        )
        for start in range(0, len(work), size)
        for chunk in [work[start : start + size]]
    ]
    problems: list[Finding] = []
    cached = done = len(source.cohort) - len(work)
    watcher.preparing(source.card.name, done, len(source.cohort))
    for ended in execute(tasks, place=ThisMachine(workers), on_poll=watcher.poll):
        problems += _problems(ended)
        done += len(ended.task.arguments[1])
        watcher.preparing(source.card.name, done, len(source.cohort))
    known |= {s.id: _stored(out, features[s.id]) for s in work}
    failed = {f.subject for f in problems}
    of_regions: dict[str, dict[str, Extraction]] = {}
    for patient, found in known.items():
        for region, extraction in found.items():
            if patient not in failed:
                of_regions.setdefault(region, {})[patient] = extraction
    of_mask = of_regions.pop("mask", {})
    return Preparation(of_mask, tuple(problems), stored_facts(source, out), cached, of_regions)


def _stored(out: Path, keys: Mapping[str, str]) -> dict[str, Extraction]:
    """Return the stored features of a patient by region; what is absent or damaged is left out."""
    return {region: found for region, key in keys.items() if (found := read_radiomics(out, key)) is not None}


def stored_facts(source: SourceCohort, out: Path) -> dict[str, PatientFacts]:
    """Return the facts of the patients whose voxels were measured before, by id."""
    stored = {s.id: read_facts(out, facts_key(source.card, s, source.template)) for s in source.cohort.subjects}
    return {i: facts for i, facts in stored.items() if facts is not None}


def unprepared(cohorts: Cohorts, source: SourceCohort, out: Path) -> list[Subject]:
    """Return the patients of one of the cohorts of whom something is not in the cache; what is there may be damaged."""
    if cohorts.grid is None:
        return []
    store, absent = volume_store(out), []
    for subject in source.cohort.subjects:
        keys = cohorts.keys(source, subject)
        volumes = [*keys.volumes.values(), *keys.structures.values()]
        facts = read_facts(out, facts_key(source.card, subject, source.template))
        whole = all(map(store.has, volumes)) and facts is not None
        if not whole or not all(radiomics_path(out, key).is_file() for key in keys.radiomics.values()):
            absent.append(subject)
    return absent


def _problems(ended: Ended) -> list[Finding]:
    """Return what a preparing task found wrong with patients."""
    if ended.status != Status.OK:
        # not the patients' fault: to leave them out would lose good ones
        names = ", ".join(subject.id for subject, _ in ended.task.arguments[1])
        message = ended.error.message if ended.error else ""
        raise BenchError(
            f"Preparing {names} ended as {ended.status} ({message}). What is done is kept; {_remedy(ended, message)}."
        )
    found: list[Finding] = ended.value
    return found


def _remedy(ended: Ended, message: str) -> str:
    if tells_of_full_disk(message):
        return "free space on that disk, then run the same command again"
    if ended.status == Status.OOM:
        return "run the same command again with fewer --workers, which takes less memory"
    return "fix this, then run the same command again"


def usable_of(
    source: SourceCohort, prepared: Preparation, *, skip_bad: bool, ignored: Collection[str] = ()
) -> SourceCohort:
    """Return a prepared cohort without the patients of whom an error is found, and with what the checks say of it.

    Raises:
        CohortError: see ``datasets.cohorts.usable.usable``.
    """
    of_cohort_before = [f for f in source.findings if f.code in cohort_codes()]

    def judge(left: SourceCohort) -> list[Finding]:
        again = len(left.cohort) < len(source.cohort)
        return [*(of_cohort(left) if again else of_cohort_before), *of_voxels(left, prepared.facts_of(left))]

    before = [f for f in source.findings if f.code not in cohort_codes()]
    return usable(source, [*before, *prepared.problems], judge, skip_bad=skip_bad, ignored=ignored)
