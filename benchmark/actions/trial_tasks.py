"""The trials of a search as tasks of their own, so that those of a batch run side by side."""

from __future__ import annotations

from dataclasses import replace

from survbench.jobs.task import Task
from survbench.plan.job import TuneJob
from survbench.runs.store import Store
from survbench.work.trials import Trials
from survbench.work.tune import run_trial


def with_trials(job: TuneJob, own: Task, store: Store) -> list[Task]:
    """Return a task for each trial of a search that has not ended, and behind them the task of the search.

    The trials of a batch wait for those of the batch before, and the search for all of them, however they end: what
    they have not done, it does itself. There are none if nothing would run side by side, and none on the features of a
    network, which each process would have to make again.

    Args:
        job: the search.
        own: its task.
        store: where it is run.
    """
    if job.batch == 1 or any(split.upstream for split in job.splits):
        return [own]
    kept = Trials(store.root, job.key)
    tasks: list[Task] = []
    earlier: frozenset[str] = frozenset()
    for first in range(0, job.trials, job.batch):
        batch = [
            replace(
                own,
                key=f"{own.key}-trial-{number}",
                function=run_trial,
                arguments=(*own.arguments, number),
                conclude=None,
                persistent=True,  # until its params are given up, so that trials of later batches need not wait for it
                after=earlier,
                timeout_s=job.fit_timeout_s * len(job.splits),
            )
            for number in range(first, min(first + job.batch, job.trials))
            if kept.read(number) is None
        ]
        earlier = frozenset(task.key for task in batch) or earlier
        tasks += batch
    return [*tasks, replace(own, after=earlier)]
