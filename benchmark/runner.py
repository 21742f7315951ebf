"""One run: load the cohorts, prepare them, plan, execute what is not done, build the board, project it into MLflow."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from survbench.api import MethodInfo, Selection
from survbench.cohort import Need, Subject
from survbench.datasets.named import default_external, load_source
from survbench.datasets.preprocess import Grid, Point, plan_grid, reference_point, volume_key
from survbench.datasets.source import SourceCohort
from survbench.errors import BenchError, CohortError, Problem
from survbench.executor import Ended, Task, execute
from survbench.hashing import digest
from survbench.job import Job
from survbench.planner import Plan, PlannedCohort, plan
from survbench.prepared import read_radiomics, subject_rows, volume_store, write_prepared
from survbench.profile import Profile
from survbench.protocol import Protocol, read_splits, stratified_folds, write_splits
from survbench.provenance import provenance
from survbench.registry import registry
from survbench.store import SCHEMA, Store
from survbench.study import Study, read_study
from survbench.worker import log_tail, prepare, run_fit, run_predict

if TYPE_CHECKING:
    from survbench.leaderboard.board import Board

PREPARE_CHUNK = 8
"""Patients per preparing task: small enough to share the work, large enough to be worth a process."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for; see ``bench run --help``."""

    profile: Profile
    methods: str = "all"
    cohort: str = "phantom"
    data: Path | None = None
    external: str | None = None
    splits: Path | None = None
    selection: Selection = "last"
    seeds: int = 1
    workers: int = 2
    out: Path = Path("bench-results")
    device: str = "cpu"
    fresh: bool = False
    skip_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A study ready to run: what is done already, and what is to do."""

    study: Study
    plan: Plan
    cached: frozenset[str]
    infos: Mapping[str, MethodInfo]
    grid: Grid | None

    @property
    def to_do(self) -> tuple[Job, ...]:
        """Jobs that have to run."""
        return tuple(j for j in self.plan.jobs if j["key"] not in self.cached)


class Watcher(Interface):
    """Is told what happens during a run; the CLI shows it."""

    def preparing(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` patients of a cohort are prepared."""

    def planned(self, planned: Planned) -> None:
        """The plan stands."""

    def started(self, job: Job) -> None:
        """A job has been handed to a process."""

    def poll(self) -> None:
        """About twice a second while jobs run."""

    def ended(self, job: Job, ended: Ended) -> None:
        """A job has ended."""


class Silent:
    """A watcher that shows nothing."""

    def preparing(self, name: str, done: int, total: int) -> None:
        """Show nothing."""

    def planned(self, planned: Planned) -> None:
        """Show nothing."""

    def started(self, job: Job) -> None:
        """Show nothing."""

    def poll(self) -> None:
        """Show nothing."""

    def ended(self, job: Job, ended: Ended) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished run."""

    study: Study
    board: Board
    failed: tuple[Job, ...]


@dataclass(slots=True)
class _Cohorts:
    """The cohorts of a request on their common grid, with the content keys of everything to be prepared."""

    request: Request
    infos: Sequence[MethodInfo]
    sources: list[SourceCohort] = field(default_factory=list)
    grid: Grid | None = None

    def load(self) -> None:
        request = self.request
        names = [(request.cohort, request.data)]
        outside = request.external or default_external(request.cohort)
        if outside is not None:
            names.append((outside, request.data if outside == default_external(request.cohort) else None))
        self.sources = [
            load_source(name, profile=request.profile, data=data, skip_bad=request.skip_bad) for name, data in names
        ]
        self._refuse_different_images()
        card = self.sources[0].card
        if card.images and card.field_of_view_mm is not None:
            self.grid = plan_grid(card.field_of_view_mm, request.profile.voxels)

    def _refuse_different_images(self) -> None:
        first, *others = self.sources
        for other in others:
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
            mine = {(c.name, c.kind, c.levels) for c in first.cohort.clinical_columns}
            if mine != {(c.name, c.kind, c.levels) for c in other.cohort.clinical_columns}:
                raise BenchError(
                    f"Cohorts {first.card.name!r} and {other.card.name!r} give different clinical columns to methods. "
                    "Declare the same columns with model: true, of the same kind and levels, on both cards."
                )

    def refuse_duplicates(self) -> None:
        """Refuse the same image in two patients: one of them would be trained on and tested with.

        Raises:
            CohortError: all pairs.
        """
        seen: dict[str, tuple[int, str]] = {}
        problems: list[Problem] = []
        for number, source in enumerate(self.sources):
            for subject in source.cohort.subjects:
                for name in source.cohort.channels:
                    first = seen.setdefault(subject.volumes[name].fingerprint(), (number, subject.id))
                    if first != (number, subject.id):
                        owner = f"{self.sources[first[0]].card.name}/{first[1]}"
                        problems.append(Problem(subject.id, f"{name} is the same image as {owner}'s.", "Keep one."))
        if problems:
            raise CohortError("The same image stands for two patients:", problems)

    def offers(self, source: SourceCohort) -> frozenset[Need]:
        """Return what methods can be given of a cohort."""
        has: set[Need] = set()
        if source.cohort.channels:
            has.add("images")
        if source.card.mask is not None:
            has.add("mask")
        if source.card.model_columns:
            has.add("clinical")
        if {"images", "mask"} <= has:
            has.add("radiomics")
        if source.cohort.truth is not None:
            has.add("truth")
        return frozenset(has)

    def names(self, source: SourceCohort) -> list[str]:
        """Return the volumes that are prepared of each patient."""
        return [*source.cohort.channels, *(["mask"] if source.card.mask is not None else [])]

    def volume_keys(self, source: SourceCohort, subject: Subject) -> dict[str, str]:
        """Return the cache keys of a patient's volumes."""
        if self.grid is None:
            return {}
        centre = self.centre(source, subject)
        return {name: volume_key(subject.volumes[name], self.grid, centre) for name in self.names(source)}

    def centre(self, source: SourceCohort, subject: Subject) -> Point:
        """Return the point on which a patient's grid is centred."""
        return reference_point(subject, source.cohort.channels, source.card.reference)

    def radiomics_key(self, source: SourceCohort, keys: Mapping[str, str]) -> str | None:
        """Return the cache key of a patient's features, or None where no method asks for them."""
        wanted = any("radiomics" in i.needs_fit | i.needs_predict for i in self.infos)
        if not wanted or "radiomics" not in self.offers(source):
            return None
        from survbench.features.radiomics import settings_fingerprint

        return digest(["radiomics", settings_fingerprint(), dict(keys)])


def run(request: Request, watcher: Watcher) -> Result:
    """Run everything that is not done and return the board.

    Raises:
        BenchError: something that the user gave cannot be used; nothing has been lost.
    """
    store = Store(request.out)
    with store.lock():
        store.clear_leftovers()
        cohorts = _open(request)
        _prepare(cohorts, watcher)
        planned = _plan(cohorts, store)
        folder = planned.study.folder(request.out)
        earlier = read_study(folder) if (folder / "study.json").is_file() else None
        study = planned.study.merged_with(earlier)
        study.write(request.out)
        write_splits(folder / "splits.json", study.protocol["folds"])
        watcher.planned(planned)
        failed = _execute(planned, store, request, watcher)
        return Result(study=study, board=build_and_write(study, store), failed=tuple(failed))


def prepare_cohort(request: Request) -> PlannedCohort:
    """Prepare a request's cohort, without the external one, and return what the planner must know of it."""
    store = Store(request.out)
    with store.lock():
        cohorts = _open(request)
        _prepare(cohorts, Silent())
        return _prepared(cohorts, cohorts.sources[0])


def dry_run(request: Request) -> Planned:
    """Return the plan without running or preparing anything."""
    return _plan(_open(request), Store(request.out), write=False)


def build_and_write(study: Study, store: Store) -> Board:
    """Build a study's board and tables of kept features from its runs, and write them into the study's folder."""
    from survbench.leaderboard.build import build_board
    from survbench.leaderboard.render import write_board
    from survbench.leaderboard.selection import selections
    from survbench.leaderboard.selection_files import write_selections

    board, chosen, folder = build_board(study, store), selections(study, store), study.folder(store.root)
    write_board(board, folder, chosen)
    write_selections(chosen, folder / "selection")
    return board


def _open(request: Request) -> _Cohorts:
    cohorts = _Cohorts(request, registry().select(request.methods))
    cohorts.load()
    cohorts.refuse_duplicates()
    return cohorts


def _prepare(cohorts: _Cohorts, watcher: Watcher) -> None:
    """Prepare what is not in the cache.

    Raises:
        CohortError: patients that cannot be prepared, unless the request skips bad ones (they are then dropped).
    """
    if cohorts.grid is None:
        return
    request = cohorts.request
    store = volume_store(request.out)
    for number, source in enumerate(cohorts.sources):
        work: list[tuple[Subject, str | None]] = []
        for subject in source.cohort.subjects:
            keys = cohorts.volume_keys(source, subject)
            features = cohorts.radiomics_key(source, keys)
            ready = all(store.has(k) for k in keys.values())
            if not ready or (features is not None and read_radiomics(request.out, features) is None):
                work.append((subject, features))
        problems: dict[str, str] = {}
        tasks = [
            Task(
                key=f"prepare-{start}",
                function=prepare,
                arguments=(
                    [(s, cohorts.centre(source, s)) for s, _ in work[start : start + PREPARE_CHUNK]],
                    cohorts.names(source),
                    cohorts.grid,
                    {s.id: key for s, key in work[start : start + PREPARE_CHUNK] if key is not None},
                    str(request.out),
                ),
                timeout_s=request.profile.job_timeout_s,
            )
            for start in range(0, len(work), PREPARE_CHUNK)
        ]
        done = len(source.cohort) - len(work)
        watcher.preparing(source.card.name, done, len(source.cohort))
        for ended in execute(tasks, workers=request.workers, on_start=_nothing, on_poll=watcher.poll):
            subjects = [subject for subject, _ in ended.task.arguments[0]]
            if ended.status != "ok":
                # not the patients' fault: to leave them out would lose good ones
                names = ", ".join(s.id for s in subjects)
                raise BenchError(
                    f"Preparing {names} ended as {ended.status} ({ended.error and ended.error['message']}). "
                    "What is done is kept; run the same command again, with fewer --workers if memory is short."
                )
            problems.update(ended.value)
            done += len(subjects)
            watcher.preparing(source.card.name, done, len(source.cohort))
        if problems:
            cohorts.sources[number] = _without(source, problems, skip_bad=request.skip_bad)


def _nothing(_: Task) -> None:
    pass


def _without(source: SourceCohort, problems: Mapping[str, str], *, skip_bad: bool) -> SourceCohort:
    listed = [Problem(i, what, "Mend the file, or leave the patient out.") for i, what in sorted(problems.items())]
    if not skip_bad:
        title = f"{len(listed)} patients of {source.card.name} cannot be prepared (--skip-bad goes on without them):"
        raise CohortError(title, listed)
    for problem in listed:
        log.warning("%s is left out: %s", problem.subject, problem.what)
    kept = [i for i in source.cohort.ids if i not in problems]
    return SourceCohort(source.card, source.cohort.select(kept))


def _plan(cohorts: _Cohorts, store: Store, *, write: bool = True) -> Planned:
    request = cohorts.request
    planned = [_prepared(cohorts, source, write=write) for source in cohorts.sources]
    train, external = planned[0], planned[1] if len(planned) > 1 else None
    if request.splits is not None:
        folds = read_splits(request.splits, train.cohort)
    else:
        folds = stratified_folds(train.cohort, request.profile.folds)
    protocol = Protocol(folds=folds, seeds=request.seeds, selection=request.selection)
    upstreams = upstreams_of(cohorts.infos)
    made = plan(cohorts.infos, train, external, protocol, request.profile, device=request.device, upstreams=upstreams)
    cached = _cached(made, store) if not request.fresh else frozenset()
    study = _study(cohorts, planned, protocol, made)
    infos = {i.name: i for i in (*upstreams.values(), *cohorts.infos)}
    return Planned(study=study, plan=made, cached=cached, infos=infos, grid=cohorts.grid)


def _cached(made: Plan, store: Store) -> frozenset[str]:
    """Return the jobs that are done; a fit whose model another job needs must have it intact."""
    done = {j["key"] for j in made.jobs if store.is_done(j["key"])}
    needed = {key for j in made.jobs if j["key"] not in done for key in _above(j)}
    return frozenset(done - {key for key in needed & done if not store.is_done(key, with_model=True)})


def _prepared(cohorts: _Cohorts, source: SourceCohort, *, write: bool = True) -> PlannedCohort:
    volumes = {s.id: cohorts.volume_keys(source, s) for s in source.cohort.subjects}
    features = {i: cohorts.radiomics_key(source, keys) for i, keys in volumes.items()}
    rows = subject_rows(source, volumes, {i: key for i, key in features.items() if key is not None})
    prepared = write_prepared(cohorts.request.out, source, rows, write=write)
    truth = source.cohort.truth
    by_id: dict[str, Mapping[str, Any]] = {
        row["id"]: {**row, "truth": None if truth is None else float(truth[n])} for n, row in enumerate(rows)
    }
    return PlannedCohort(
        name=source.card.name,
        fingerprint=prepared.fingerprint,
        rows=by_id,
        cohort=source.cohort,
        offers=cohorts.offers(source),
        declared={
            "channels": list(source.cohort.channels),
            "clinical_columns": [[c.name, c.kind, list(c.levels)] for c in source.card.model_columns],
        },
        grid=cohorts.grid.shape if cohorts.grid else None,
    )


def _study(cohorts: _Cohorts, planned: Sequence[PlannedCohort], protocol: Protocol, made: Plan) -> Study:
    described = [_describe(s, p) for s, p in zip(cohorts.sources, planned, strict=True)]
    profile = cohorts.request.profile.model_dump(mode="json")
    external = described[1] if len(described) > 1 else None
    content = digest([SCHEMA, described[0], external, protocol.to_json(), profile])
    return Study(
        name=f"{planned[0].name}-{profile['name']}-{content[:8]}",
        cohort=described[0],
        external=external,
        protocol=protocol.to_json(),
        profile=profile,
        provenance=provenance(),
        entries=made.entries,
    )


def _describe(source: SourceCohort, planned: PlannedCohort) -> dict[str, Any]:
    card, cohort = source.card, source.cohort
    return {
        "name": card.name,
        "title": card.title,
        "endpoint": card.endpoint.name,
        "patients": len(cohort),
        "events": int(cohort.event.sum()),
        "centres": len({s.centre for s in cohort.subjects}),
        "channels": list(cohort.channels),
        "grid": list(planned.grid) if planned.grid else None,
        "licence": card.licence,
        "citation": card.citation,
        # without radiomics: a study is the same whichever methods were asked for first
        "fingerprint": digest(
            [
                {i: {k: v for k, v in row.items() if k != "radiomics"} for i, row in planned.rows.items()},
                planned.declared,
                sorted(map(list, _sorted_outcomes(cohort))),
            ]
        ),
    }


def _sorted_outcomes(cohort: Any) -> list[tuple[str, float, bool]]:
    return sorted((i, float(t), bool(e)) for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True))


def _execute(planned: Planned, store: Store, request: Request, watcher: Watcher) -> list[Job]:
    to_do = {j["key"]: j for j in planned.to_do}
    functions: Mapping[str, Callable[..., Any]] = {"fit": run_fit, "predict": run_predict}
    tasks = [
        Task(
            key=job["key"],
            function=functions[job["kind"]],
            arguments=(dict(job), str(request.out)),
            requires=frozenset(_above(job) & to_do.keys()),
            gpu=planned.infos[job["method"]].resources.gpu and request.device != "cpu",
            timeout_s=job["timeout_s"],
        )
        for job in to_do.values()
    ]
    failed: list[Job] = []
    for ended in execute(
        tasks, workers=request.workers, on_start=lambda t: watcher.started(to_do[t.key]), on_poll=watcher.poll
    ):
        job = to_do[ended.task.key]
        if ended.status != "ok":
            failed.append(job)
            record = {
                "schema": SCHEMA,
                "status": ended.status,
                "error": ended.error,
                "description": {},
                "provenance": provenance(),
            }
            store.record_failure(job["key"], job, record, log_tail(store.root / "scratch" / job["key"] / "log.txt"))
        watcher.ended(job, ended)
    return failed


def _above(job: Job) -> set[str]:
    """Return the keys of the jobs whose models a job takes."""
    upstream = {job["upstream"]["key"]} if job["upstream"] else set()
    return upstream | ({job["fit"]["key"]} if job["kind"] == "predict" else set())


def upstreams_of(infos: Sequence[MethodInfo]) -> dict[str, MethodInfo]:
    """Return the methods that others build on, by name."""
    return {i.upstream: registry().get(i.upstream) for i in infos if i.upstream}


def available_workers() -> int:
    """Return how many processes this machine has room for: one per core that we may use."""
    return len(os.sched_getaffinity(0))
