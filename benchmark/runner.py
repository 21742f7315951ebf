"""One run: load the cohorts, prepare them, plan, execute what is not done, build the board, project it into MLflow."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from survbench.api import MethodInfo, Selection, Tuning
from survbench.datasets.named import default_external
from survbench.datasets.preprocess import Grid
from survbench.datasets.source import SourceCohort
from survbench.description import describe_patients
from survbench.executor import Ended, Task, execute
from survbench.features.report import report, summary
from survbench.files import write_text
from survbench.hashing import digest, file_digest
from survbench.horizons import truncation_time
from survbench.job import Job, required_keys
from survbench.planner import Plan, PlannedCohort, plan
from survbench.preparation import Cohorts, PreparationWatcher, offers, open_cohorts, prepare_source, table_rows, without
from survbench.prepared import subject_rows, write_prepared
from survbench.profile import Profile
from survbench.protocol import Protocol, read_splits, stratified_folds, write_splits
from survbench.provenance import code_fingerprint, provenance
from survbench.registry import registry
from survbench.store import SCHEMA, Store
from survbench.study import Entry, Study, read_study
from survbench.tune_worker import run_tune
from survbench.worker import log_tail, run_fit, run_predict

if TYPE_CHECKING:
    from survbench.leaderboard.board import Board

BUILT = "built.sha256"
"""Beside a board: what it was built of, so that a run that changes nothing builds nothing."""

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
    tuning: Tuning = "none"
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
    protocol: Protocol

    @property
    def to_do(self) -> tuple[Job, ...]:
        """Jobs that have to run."""
        return tuple(j for j in self.plan.jobs if j["key"] not in self.cached)


class Watcher(PreparationWatcher, Interface):
    """Is told what happens during a run; the CLI shows it."""

    def planned(self, planned: Planned) -> None:
        """The plan stands."""

    def started(self, job: Job) -> None:
        """A job has been handed to a process."""

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


def run(request: Request, watcher: Watcher) -> Result:
    """Run everything that is not done and return the board.

    Raises:
        BenchError: something that the user gave cannot be used; nothing has been lost.
    """
    store = Store(request.out)
    with store.lock():
        store.clear_leftovers()
        cohorts, infos = _open(request)
        _prepare(cohorts, request, watcher)
        planned = _plan(cohorts, infos, request, store)
        folder = planned.study.folder(request.out)
        earlier = read_study(folder) if (folder / "study.json").is_file() else None
        study = replace(
            planned.study,
            entries=(
                *planned.study.entries,
                *_still_valid(cohorts, request, planned, earlier.entries if earlier else ()),
            ),
            patients=_patients(cohorts, earlier),
        )
        study.write(request.out)
        write_splits(folder / "splits.json", study.protocol["folds"])
        watcher.planned(planned)
        if request.fresh:
            store.clear_scratch(job["key"] for job in planned.to_do)
        failed = _execute(planned, store, request, watcher)
        board = _built(study, store, checked=planned.cached) if not planned.to_do else None
        return Result(study=study, board=board or build_and_write(study, store), failed=tuple(failed))


def _patients(cohorts: Cohorts, earlier: Study | None) -> dict[str, Any]:
    """Describe the patients of the cohorts, with a fingerprint by which a description is known to be still true."""
    described: dict[str, Any] = {}
    for role, source in zip(("cohort", "external"), cohorts.sources, strict=False):
        clinical = [[s.id, dict(s.clinical)] for s in source.cohort.subjects]
        columns = [column.model_dump(mode="json") for column in source.card.clinical]
        of = digest([columns, clinical, _sorted_outcomes(source.cohort), code_fingerprint()])
        known = earlier.patients.get(role, {}) if earlier else {}
        described[role] = known if known.get("of") == of else {**describe_patients(source), "of": of}
    return described


def _still_valid(cohorts: Cohorts, request: Request, planned: Planned, earlier: Sequence[Entry]) -> list[Entry]:
    """Return the entries that earlier runs have added to a study and this one does not touch, unless the code or the
    libraries behind them have changed since: their results would stand on one board with others of another origin.
    Imported risks are nobody's code here and stay: the same study has the same patients, outcomes and folds.
    """
    named = {e.name for e in planned.study.entries}
    others = [e for e in earlier if e.name not in named]
    imported = [e for e in others if e.imported]
    others = [e for e in others if not e.imported]
    if not others:
        return imported
    known = [registry().methods[e.name] for e in others if e.name in registry().methods]
    _ask_for_radiomics(cohorts, known)
    again = [_prepared(cohorts, source, request, write=False) for source in cohorts.sources]
    now = {e.name: e for e in _plan_of(known, again, request, planned.protocol).entries}
    kept = [e for e in others if e.name in now and (now[e.name].fits, now[e.name].predicts) == (e.fits, e.predicts)]
    for entry in others:
        if entry not in kept:
            log.warning("%s left the board: what it was made by has changed; run it again to have it back", entry.name)
    return [*kept, *imported]


def prepare_cohort(request: Request) -> PlannedCohort:
    """Prepare a request's cohort, without the external one, and return what the planner must know of it."""
    store = Store(request.out)
    with store.lock():
        cohorts, _ = _open(request)
        _prepare(cohorts, request, Silent())
        return _prepared(cohorts, cohorts.sources[0], request)


def dry_run(request: Request) -> Planned:
    """Return the plan without running or preparing anything."""
    cohorts, infos = _open(request)
    return _plan(cohorts, infos, request, Store(request.out), write=False)


def build_and_write(study: Study, store: Store) -> Board:
    """Build a study's board, tables and site from its runs, and write them into its folder."""
    from survbench.leaderboard.build import board_of
    from survbench.leaderboard.render import write_board
    from survbench.leaderboard.sample import measure
    from survbench.leaderboard.selection import selections
    from survbench.leaderboard.selection_files import write_selections
    from survbench.leaderboard.site import write_site
    from survbench.leaderboard.table_files import write_tables
    from survbench.leaderboard.tables import tables

    measured, chosen, folder = measure(study, store), selections(study, store), study.folder(store.root)
    board = board_of(study, measured)
    write_board(board, folder, chosen)
    write_tables(tables(board, study), folder / "tables")
    write_selections(chosen, folder / "selection")
    write_site(study, store, board, measured, chosen)
    write_text(folder / BUILT, _origin(study, store) + "\n")
    return board


def _built(study: Study, store: Store, *, checked: frozenset[str]) -> Board | None:
    """Return the board as it was built, if nothing that it is made of has changed since; else None. The files of runs
    that the plan has not ``checked``, those of methods that others have added, are looked at here.
    """
    from survbench.leaderboard.render import read_board

    folder = study.folder(store.root)
    if not all((folder / name).is_file() for name in ("leaderboard.html", "leaderboard.md", "site/index.html")):
        return None
    if not all(store.is_done(key) for key in study.run_keys() if key not in checked):
        return None
    try:
        known = (folder / BUILT).read_text(encoding="utf-8").strip()
        return read_board(folder / "leaderboard.json") if known == _origin(study, store) else None
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def _origin(study: Study, store: Store) -> str:
    """Hash what a board and its pages are made of: the study, its runs, and the code that draws them."""
    runs = {
        key: file_digest(path)
        for key in study.run_keys()
        for path in (store.folder(key) / "run.json", store.folder(key) / "DONE")
        if path.is_file()
    }
    return digest([json.loads(json.dumps(asdict(study))), runs, code_fingerprint()])


def _open(request: Request) -> tuple[Cohorts, Sequence[MethodInfo]]:
    """Open a request's cohorts and methods."""
    infos = registry().select(request.methods)
    names = [(request.cohort, request.data)]
    outside = request.external or default_external(request.cohort)
    if outside is not None:
        names.append((outside, request.data if outside == default_external(request.cohort) else None))
    cohorts = open_cohorts(names, profile=request.profile, skip_bad=request.skip_bad)
    cohorts.refuse_duplicates()
    _ask_for_radiomics(cohorts, infos)
    return cohorts, infos


def _ask_for_radiomics(cohorts: Cohorts, infos: Sequence[MethodInfo]) -> None:
    if any("radiomics" in i.needs_fit | i.needs_predict for i in infos):
        cohorts.ask_for_radiomics()


def _prepare(cohorts: Cohorts, request: Request, watcher: Watcher) -> None:
    """Prepare what is not in the cache.

    Raises:
        CohortError: patients that cannot be prepared, unless the request skips bad ones (they are then dropped).
    """
    for number, source in enumerate(cohorts.sources):
        made = prepare_source(
            cohorts,
            source,
            out=request.out,
            workers=request.workers,
            timeout_s=request.profile.job_timeout_s,
            watcher=watcher,
        )
        if made.problems:
            cohorts.sources[number] = without(source, made.problems, skip_bad=request.skip_bad)
        if cohorts.features is not None:
            found = summary(report(made.extractions))
            if found:
                name, chosen = source.card.name, cohorts.features.name
                log.warning("radiomics %r of %s: %s; 'bench features extract' lists them", chosen, name, found)


def _plan(
    cohorts: Cohorts, methods: Sequence[MethodInfo], request: Request, store: Store, *, write: bool = True
) -> Planned:
    planned = [_prepared(cohorts, source, request, write=write) for source in cohorts.sources]
    train = planned[0]
    if request.splits is not None:
        folds = read_splits(request.splits, train.cohort)
    else:
        folds = stratified_folds(train.cohort, request.profile.folds)
    protocol = Protocol(
        folds=folds,
        seeds=request.seeds,
        selection=request.selection,
        tuning=request.tuning,
        tau=truncation_time([train.cohort.select(fold).time for fold in folds]),
    )
    made = _plan_of(methods, planned, request, protocol)
    return Planned(
        study=_study(cohorts, planned, request.profile, protocol, made),
        plan=made,
        cached=_cached(made, store) if not request.fresh else frozenset(),
        infos={i.name: i for i in (*upstreams_of(methods).values(), *methods)},
        grid=cohorts.grid,
        protocol=protocol,
    )


def _plan_of(
    infos: Sequence[MethodInfo], planned: Sequence[PlannedCohort], request: Request, protocol: Protocol
) -> Plan:
    external = planned[1] if len(planned) > 1 else None
    return plan(
        infos, planned[0], external, protocol, request.profile, device=request.device, upstreams=upstreams_of(infos)
    )


def _cached(made: Plan, store: Store) -> frozenset[str]:
    """Return the jobs that are done; a fit whose model another job needs must have it intact."""
    done = {j["key"] for j in made.jobs if store.is_done(j["key"])}
    needed = {key for j in made.jobs if j["key"] not in done for key in required_keys(j)}
    return frozenset(done - {key for key in needed & done if not store.is_done(key, with_model=True)})


def _prepared(cohorts: Cohorts, source: SourceCohort, request: Request, *, write: bool = True) -> PlannedCohort:
    volumes = {s.id: cohorts.volume_keys(source, s) for s in source.cohort.subjects}
    features = {i: cohorts.radiomics_key(source, keys) for i, keys in volumes.items()}
    known = {i: key for i, key in features.items() if key is not None}
    rows = subject_rows(source, volumes, known | {i: row.key for i, row in table_rows(source).items()})
    prepared = write_prepared(request.out, source, rows, write=write)
    truth = source.cohort.truth
    by_id: dict[str, Mapping[str, Any]] = {
        row["id"]: {**row, "truth": None if truth is None else float(truth[n])} for n, row in enumerate(rows)
    }
    return PlannedCohort(
        name=source.card.name,
        fingerprint=prepared.fingerprint,
        rows=by_id,
        cohort=source.cohort,
        offers=offers(source),
        declared={
            "channels": list(source.cohort.channels),
            "clinical_columns": [[c.name, c.kind, list(c.levels)] for c in source.card.model_columns],
        },
        grid=cohorts.grid.shape if cohorts.grid else None,
    )


def _study(
    cohorts: Cohorts, planned: Sequence[PlannedCohort], chosen: Profile, protocol: Protocol, made: Plan
) -> Study:
    described = [_describe(s, p) for s, p in zip(cohorts.sources, planned, strict=True)]
    profile = chosen.model_dump(mode="json")
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
    # without extracted radiomics: a study is the same whichever methods were asked for first
    extracted = {"radiomics"} if cohort.features is None else set()
    return {
        "name": card.name,
        "title": card.title,
        "endpoint": card.endpoint.name,
        "patients": len(cohort),
        "events": int(cohort.event.sum()),
        "longest_months": float(cohort.time.max()),
        "left_out": list(source.left_out),
        "centres": len({s.centre for s in cohort.subjects}),
        "channels": list(cohort.channels),
        "grid": list(planned.grid) if planned.grid else None,
        "licence": card.licence,
        "citation": card.citation,
        "fingerprint": digest(
            [
                {i: {k: v for k, v in row.items() if k not in extracted} for i, row in planned.rows.items()},
                planned.declared,
                sorted(map(list, _sorted_outcomes(cohort))),
            ]
        ),
    }


def _sorted_outcomes(cohort: Any) -> list[tuple[str, float, bool]]:
    return sorted((i, float(t), bool(e)) for i, t, e in zip(cohort.ids, cohort.time, cohort.event, strict=True))


def _execute(planned: Planned, store: Store, request: Request, watcher: Watcher) -> list[Job]:
    to_do = {j["key"]: j for j in planned.to_do}
    functions: Mapping[str, Callable[..., Any]] = {"tune": run_tune, "fit": run_fit, "predict": run_predict}
    tasks = [
        Task(
            key=job["key"],
            function=functions[job["kind"]],
            arguments=(dict(job), str(request.out)),
            requires=frozenset(required_keys(job) & to_do.keys()),
            cpus=job["threads"],
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


def upstreams_of(infos: Sequence[MethodInfo]) -> dict[str, MethodInfo]:
    """Return the methods that others build on, by name."""
    return {i.upstream: registry().get(i.upstream) for i in infos if i.upstream}


def available_workers() -> int:
    """Return how many processes this machine has room for: one per core that we may use."""
    return len(os.sched_getaffinity(0))
