"""Runs tasks, each in a fresh process, and reports how each one ended.

A crash, an out-of-memory kill, a hang or a changed global flag costs the task that caused it and nothing else. A task
whose process was ended from outside, or that found the disk full, is tried again after the others. What a task waits
for, what becomes of its result and how often it is tried are decided here; where its process runs is up to the place.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from survbench.io.layout import Status
from survbench.jobs.attempt import Outcome, error_of, failure
from survbench.jobs.signals import held_back
from survbench.jobs.task import Ended, Task
from survbench.runs.record import RunError

RETRIES = 3
"""So often is a task tried again whose process was ended from outside; a search gives up a trial after as many."""


class Place(Protocol):
    """Where the processes of tasks run: :class:`survbench.jobs.this_machine.ThisMachine` or
    :class:`survbench.jobs.ray_cluster.RayCluster`.
    """

    def processors(self) -> int:
        """Return how many processors there are to share out, at the moment."""
        ...

    def reserve(self, task: Task) -> bool:
        """Keep for a task what it needs besides processors; False where that is taken, so that it has to wait."""
        ...

    def start(self, task: Task) -> Outcome | None:
        """Start a task; return an outcome where it could not be started."""
        ...

    def ended(self) -> list[tuple[Task, Outcome]]:
        """Wait a moment, or until a task ends; return those that have ended."""
        ...

    def stop(self) -> None:
        """End all tasks that run."""
        ...


def execute(
    tasks: Sequence[Task],
    *,
    place: Place,
    on_start: Callable[[Task], None] = lambda _task: None,
    on_poll: Callable[[], None] = lambda: None,
    on_retry: Callable[[Task, RunError], None] = lambda _task, _error: None,
) -> Iterator[Ended]:
    """Run tasks and yield each as it ends; a task whose requirement failed ends as ``skipped``.

    Args:
        tasks: in order of preference.
        place: where their processes run.
        on_start: called when a process is started for a task.
        on_poll: called about twice a second.
        on_retry: called with what stopped a task that will be tried again.

    Raises:
        BenchError: this process is not allowed to start others.
    """
    queue = _Queue({t.key: t for t in tasks}, {t.key for t in tasks})
    try:
        while queue.waiting or queue.running:
            for task in _startable(queue, place):
                del queue.waiting[task.key]
                if task.requires & queue.failed:
                    error = error_of("UpstreamFailed", "a job that this one needs failed")
                    yield queue.ended(task, Outcome(Status.SKIPPED, error=error))
                    continue
                on_start(task)
                outcome = place.start(task)
                if outcome is None:
                    queue.running[task.key] = task
                else:
                    yield from queue.retried_or_ended(task, outcome, on_retry)
            ended = place.ended()
            on_poll()
            for task, outcome in ended:
                del queue.running[task.key]
                yield from queue.retried_or_ended(task, outcome, on_retry)
    finally:
        with held_back(signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C; ending processes takes a moment
            place.stop()


@dataclass(slots=True)
class _Queue:
    """Tasks that wait, run, have failed, and have not ended; and what stopped earlier attempts, by the task's key."""

    waiting: dict[str, Task]
    unfinished: set[str]
    running: dict[str, Task] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    earlier: dict[str, tuple[RunError, ...]] = field(default_factory=dict)

    def retried_or_ended(
        self, task: Task, outcome: Outcome, on_retry: Callable[[Task, RunError], None]
    ) -> Iterator[Ended]:
        """Put a task that may be tried again behind the others, or yield its end."""
        earlier = self.earlier.get(task.key, ())
        if (outcome.passing or task.persistent) and outcome.error is not None and len(earlier) < RETRIES:
            on_retry(task, outcome.error)
            self.earlier[task.key] = (*earlier, outcome.error)
            self.waiting[task.key] = task
            return
        if outcome.status == Status.OK and task.conclude is not None:
            try:
                outcome = Outcome(Status.OK, task.conclude(outcome.value, earlier))
            except Exception as problem:  # the task has failed; the others go on
                outcome = failure(problem)
        yield self.ended(task, outcome)

    def ended(self, task: Task, outcome: Outcome) -> Ended:
        """Note the end of a task."""
        self.unfinished.discard(task.key)
        if outcome.status != Status.OK:
            self.failed.add(task.key)
        return Ended(task, outcome.status, outcome.value, outcome.error, self.earlier.get(task.key, ()))


def _startable(queue: _Queue, place: Place) -> list[Task]:
    free = place.processors() - sum(task.cpus for task in queue.running.values())
    chosen: list[Task] = []
    for task in queue.waiting.values():
        if free <= 0:
            break
        if (task.requires | task.after) & queue.unfinished:
            continue
        if task.requires & queue.failed:
            chosen.append(task)  # to be skipped, which takes nothing
            continue
        if task.cpus > free and (queue.running or chosen):
            break  # smaller tasks behind it must not keep it waiting for ever
        if place.reserve(task):
            free -= task.cpus
            chosen.append(task)
    return chosen
