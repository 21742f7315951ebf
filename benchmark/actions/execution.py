"""Runs the jobs of a plan, each in its own process, and completes or records them."""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name

from survbench.actions.planned import Planned
from survbench.actions.request import Request
from survbench.actions.watcher import Watcher
from survbench.api import MethodInfo
from survbench.io.layout import SCRATCH, Status
from survbench.io.memory import available_memory
from survbench.jobs.executor import execute
from survbench.jobs.find_gpus import find_gpus
from survbench.jobs.prepared_files import read_follow_up
from survbench.jobs.task import Task
from survbench.jobs.this_machine import ThisMachine
from survbench.plan.job import PlannedJob
from survbench.plan.registry import registry
from survbench.runs.completion import complete
from survbench.runs.follow_up import FollowUp
from survbench.runs.provenance import provenance
from survbench.runs.record import RunRecord
from survbench.runs.store import LOG, Store
from survbench.work.prepared import PreparedCohort
from survbench.work.process_limits import log_tail


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
    tasks = [
        Task(
            key=job.key,
            function=resolve_name(job.worker),
            arguments=(job, str(request.out), *_outcomes(job, follow_up[job.cohort])),
            conclude=partial(complete, store, job, follow_up[job.cohort]),
            requires=job.required_keys & to_do.keys(),
            cpus=job.threads,
            gpu_mb=planned.gpu_mb(job),
            timeout_s=job.timeout_s,
            most_mb=planned.most_mb(job, share * job.threads),
            modules=_modules(job, planned.infos[job.method]),
        )
        for job in to_do.values()
    ]
    gpus = find_gpus() if not cluster and any(task.gpu_mb is not None for task in tasks) else {}
    failed: list[PlannedJob] = []
    for ended in execute(
        tasks,
        place=cluster or ThisMachine(request.workers, gpus),
        on_start=lambda t: watcher.started(to_do[t.key]),
        on_poll=watcher.poll,
        on_retry=lambda t, error: watcher.retried(to_do[t.key], error),
    ):
        job = to_do[ended.task.key]
        if ended.status != Status.OK:
            failed.append(job)
            record = RunRecord(status=ended.status, error=ended.error, retried=ended.earlier, provenance=provenance())
            store.record_failure(job, record, log_tail(store.root / SCRATCH / job.key / LOG))
        watcher.ended(job, ended)
    return failed


def _modules(job: PlannedJob, info: MethodInfo) -> tuple[str, ...]:
    """Return the modules whose code decides the result of a job: of what runs, the method and its upstream network."""
    upstream = [registry().get(info.upstream).target] if info.upstream else []
    return tuple(name.partition(":")[0] for name in (job.worker, info.target, *upstream))


def _outcomes(job: PlannedJob, everybody: FollowUp) -> tuple[FollowUp, ...]:
    """Return the outcomes that a job's process is given; a job that may know none takes none."""
    return (everybody.only(job.outcomes_of),) if job.outcomes_of else ()
