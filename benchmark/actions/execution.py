"""Runs the jobs of a plan, each in its own process, and completes or records them."""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name

from survbench.actions.planned import Planned
from survbench.actions.request import Request
from survbench.actions.trial_tasks import with_trials
from survbench.actions.watcher import Watcher
from survbench.api import MethodInfo
from survbench.io.layout import SCRATCH, Status
from survbench.io.memory import available_memory
from survbench.jobs.executor import execute
from survbench.jobs.find_gpus import find_gpus
from survbench.jobs.prepared_files import read_follow_up
from survbench.jobs.ray_cluster import NODE_LOST
from survbench.jobs.task import Ended, Task
from survbench.jobs.this_machine import ThisMachine
from survbench.plan.job import PlannedJob, TuneJob
from survbench.plan.registry import registry
from survbench.runs.completion import complete
from survbench.runs.follow_up import FollowUp
from survbench.runs.provenance import provenance
from survbench.runs.record import RunError, RunRecord
from survbench.runs.store import LOG, Store, Unsealed
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import log_tail
from survbench.work.trials import Trials


def execute_planned(planned: Planned, store: Store, request: Request, watcher: Watcher) -> list[PlannedJob]:
    """Run the jobs of a plan that are not done, and return those that failed.

    Args:
        planned: the plan.
        store: the output folder, which is held.
        request: says how many processes and which device there are.
        watcher: is told of each job.
    """
    to_do = {job.key: job for job in planned.to_do}
    cohorts = {job.cohort for job in to_do.values()}
    follow_up = {cohort: read_follow_up(PreparedCohort(store.root, cohort)) for cohort in cohorts}
    cluster = request.cluster
    share = cluster.memory_share_mb() if cluster else available_memory() / 1e6 / request.workers
    jobs = _Jobs(watcher, store)

    def concluded(job: PlannedJob, left: Unsealed, earlier: tuple[RunError, ...]) -> RunRecord:
        return complete(store, job, follow_up[job.cohort], left, (*jobs.stopped_trials(job), *earlier))

    tasks: list[Task] = []
    for job in to_do.values():
        own = Task(
            key=job.key,
            function=resolve_name(job.worker),
            arguments=(job, str(request.out), *_outcomes(job, follow_up[job.cohort])),
            conclude=partial(concluded, job),
            requires=job.required_keys & to_do.keys(),
            cpus=job.threads,
            gpu_mb=planned.gpu_mb(job),
            timeout_s=job.timeout_s,
            most_mb=planned.most_mb(job, share * job.threads),
            modules=_modules(job, planned.infos[job.method]),
        )
        if not isinstance(job, TuneJob):
            tasks += jobs.with_tasks(job, [own])
            continue
        Trials(store.root, job.key).forgive()  # a run that was stopped or killed says nothing about the params
        tasks += jobs.with_tasks(job, with_trials(job, own, store))
    gpus = find_gpus() if not cluster and any(task.gpu_mb is not None for task in tasks) else {}
    failed: list[PlannedJob] = []
    place = cluster or ThisMachine(request.workers, gpus)
    for ended in execute(tasks, place=place, on_start=jobs.started, on_poll=watcher.poll, on_retry=jobs.tried_again):
        job = jobs.of[ended.task.key]
        if ended.task.key != job.key:
            jobs.trial_ended(ended)
            continue
        if ended.status != Status.OK:
            failed.append(job)
            retried = (*jobs.stopped_trials(job), *ended.earlier)
            record = RunRecord(status=ended.status, error=ended.error, retried=retried, provenance=provenance())
            store.record_failure(job, record, log_tail(store.root / SCRATCH / job.key / LOG))
        watcher.ended(job, ended)
    return failed


class _Jobs:
    """The jobs whose tasks run. A search has tasks for its trials beside its own, and a watcher is told of the search.

    Attributes:
        of: the job of a task, by the task's key.
    """

    def __init__(self, watcher: Watcher, store: Store) -> None:
        self.of: dict[str, PlannedJob] = {}
        self._out = store.root
        self._watcher = watcher
        self._under_way: set[str] = set()
        self._stopped: dict[str, list[RunError]] = {}

    def with_tasks(self, job: PlannedJob, tasks: list[Task]) -> list[Task]:
        """Note whose tasks these are, and return them."""
        self.of.update(dict.fromkeys((task.key for task in tasks), job))
        return tasks

    def stopped_trials(self, job: PlannedJob) -> tuple[RunError, ...]:
        """Return what stopped attempts at the trials of a job, which is nothing unless it is a search."""
        return tuple(self._stopped.get(job.key, ()))

    def started(self, task: Task) -> None:
        """Tell of a job when the first of its tasks starts."""
        job = self.of[task.key]
        if job.key not in self._under_way:
            self._under_way.add(job.key)
            self._watcher.started(job)

    def tried_again(self, task: Task, error: RunError) -> None:
        """Tell what stopped a task, or a trial, that will be tried again."""
        job = self.of[task.key]
        if error.type == NODE_LOST:
            Trials(self._out, job.key).forgive()
        if task.key != job.key:
            self._stopped.setdefault(job.key, []).append(error)
        self._under_way.discard(job.key)
        self._watcher.retried(job, error)

    def trial_ended(self, ended: Ended) -> None:
        """Tell what stopped a trial: the search does what its tasks have not done."""
        if ended.error is not None and ended.status != Status.SKIPPED:
            self.tried_again(ended.task, ended.error)


def _modules(job: PlannedJob, info: MethodInfo) -> tuple[str, ...]:
    """Return the modules whose code decides the result of a job: of what runs, the method and its upstream network."""
    upstream = [registry().get(info.upstream).target] if info.upstream else []
    return tuple(name.partition(":")[0] for name in (job.worker, info.target, *upstream))


def _outcomes(job: PlannedJob, everybody: FollowUp) -> tuple[FollowUp, ...]:
    """Return the outcomes that a job's process is given; a job that may know none takes none."""
    return (everybody.only(job.outcomes_of),) if job.outcomes_of else ()
