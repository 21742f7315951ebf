"""Runs tasks, each in a fresh process, and reports how each one ended.

A crash, an out-of-memory kill, a hang or a changed global flag costs the task that caused it and nothing else. A task
whose process was ended from outside, or that found the disk full, is tried again after the others.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from types import MappingProxyType
from typing import Any

from survbench.io.layout import Ending, Status
from survbench.jobs.attempt import Attempt, Outcome, error_of, failure
from survbench.jobs.families import processes
from survbench.jobs.gpus import VISIBLE, Gpus, is_card_error
from survbench.jobs.process import process_context
from survbench.jobs.signals import held_back
from survbench.runs.record import RunError
from survbench.work.process_limits import GRACE_S

POLL_S = 0.5
MEMORY_EVERY_S = 1.0
"""Seconds between two looks at the memory of tasks: each reads a line of every process of the machine."""
RETRIES = 3
"""So often is a task tried again whose process was ended from outside; a search gives up a trial after as many."""


@dataclass(frozen=True, slots=True)
class Task:
    """A call to make in a process of its own.

    Attributes:
        key: unique name; ``requires`` of others refer to it.
        function: a module-level function; it and its arguments are pickled to a process of ours, never stored.
        cpus: how many of the workers' processors it takes; one that needs more than there are runs alone.
        gpu_mb: megabytes of a GPU that it takes, infinity for a whole one; None of a task that takes none.
        most_mb: megabytes that its process and what that starts may hold, or None.
        conclude: called in this process with what the function has returned, and with what ended earlier attempts,
            before a task that requires this one starts. What it returns is the value of the task, and what it raises
            fails the task.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    requires: frozenset[str] = frozenset()
    cpus: int = 1
    gpu_mb: float | None = None
    timeout_s: float = 3600.0
    most_mb: float | None = None
    conclude: Callable[[Any, tuple[RunError, ...]], Any] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended; ``value`` is what it returned, ``error`` what stopped it, ``earlier`` what stopped the attempts
    before.
    """

    task: Task
    status: Ending
    value: Any = None
    error: RunError | None = None
    earlier: tuple[RunError, ...] = ()


def execute(
    tasks: Sequence[Task],
    *,
    workers: int,
    gpus: Mapping[str, float] = MappingProxyType({}),
    on_start: Callable[[Task], None],
    on_poll: Callable[[], None],
    on_retry: Callable[[Task, RunError], None] = lambda _task, _error: None,
) -> Iterator[Ended]:
    """Run tasks and yield each as it ends; a task whose requirement failed ends as ``skipped``.

    Args:
        tasks: in order of preference.
        workers: processors to share out among the processes.
        gpus: megabytes of memory by name of GPU; a task that takes one finds it in ``CUDA_VISIBLE_DEVICES``.
        on_start: called when a process is started for a task.
        on_poll: called about twice a second.
        on_retry: called with what stopped a task that will be tried again.

    Raises:
        BenchError: this process is not allowed to start others.
    """
    if not tasks:
        return
    queue = _Queue(process_context(), {t.key: t for t in tasks}, {t.key for t in tasks}, Gpus(gpus))
    try:
        while queue.waiting or queue.running:
            for task in _startable(queue, workers):
                del queue.waiting[task.key]
                if task.requires & queue.failed:
                    error = error_of("UpstreamFailed", "a job that this one needs failed")
                    yield queue.ended(task, Outcome(Status.SKIPPED, error=error))
                    continue
                on_start(task)
                outcome = queue.start(task)
                if outcome is not None:
                    yield from queue.retried_or_ended(task, outcome, on_retry)
            queue.wait()
            on_poll()
            for task in queue.take_ended():
                yield from queue.retried_or_ended(task, queue.running.pop(task.key)[1].end(), on_retry)
    finally:
        with held_back(signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C; ending processes takes a moment
            for _, attempt in queue.running.values():
                attempt.end()


@dataclass(slots=True)
class _Queue:
    """Tasks that wait, run, have failed, and have not ended; and what stopped earlier attempts, by the task's key."""

    context: ForkServerContext
    waiting: dict[str, Task]
    unfinished: set[str]
    gpus: Gpus
    running: dict[str, tuple[Task, Attempt]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    earlier: dict[str, tuple[RunError, ...]] = field(default_factory=dict)
    looked: float = 0.0

    def start(self, task: Task) -> Outcome | None:
        """Start a task; return an outcome where no process could be started."""
        card = self.gpus.name_of(task.key)
        if task.gpu_mb is not None and card is None:
            return Outcome(Status.FAILED, error=error_of("NoGpu", "no GPU is left that has not failed"))
        try:
            attempt = Attempt(
                self.context,
                task.function,
                task.arguments,
                timeout_s=task.timeout_s + GRACE_S,
                most_mb=task.most_mb,
                environment={VISIBLE: card} if card is not None else {},
            )
        except (OSError, EOFError) as problem:
            error = error_of("ProcessNotStarted", f"no process could be started: {problem or 'its server is gone'}")
            return Outcome(Status.FAILED, error=error, passing=True)
        self.running[task.key] = task, attempt
        return None

    def wait(self) -> None:
        """Wait a moment, or until a process ends; stop those that take too much time or memory."""
        attempts = [attempt for _, attempt in self.running.values()]
        if attempts:
            wait([attempt.sentinel for attempt in attempts], timeout=POLL_S)
        for attempt in attempts:
            attempt.check_time()
        if time.monotonic() - self.looked < MEMORY_EVERY_S or all(attempt.most_mb is None for attempt in attempts):
            return
        self.looked = time.monotonic()
        seen = processes()
        for attempt in attempts:
            attempt.check_memory(seen)

    def take_ended(self) -> list[Task]:
        """Return the tasks whose processes have ended."""
        return [task for task, attempt in self.running.values() if wait([attempt.sentinel], timeout=0)]

    def retried_or_ended(
        self, task: Task, outcome: Outcome, on_retry: Callable[[Task, RunError], None]
    ) -> Iterator[Ended]:
        """Put a task that may be tried again behind the others, or yield its end."""
        earlier = self.earlier.get(task.key, ())
        error = outcome.error
        card_failed = task.gpu_mb is not None and error is not None and is_card_error(error.type, error.message)
        self.gpus.leave(task.key, card_failed=card_failed)
        if card_failed:
            outcome = replace(outcome, passing=True)
        if outcome.passing and outcome.error is not None and len(earlier) < RETRIES:
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
        self.gpus.leave(task.key, card_failed=False)
        self.unfinished.discard(task.key)
        if outcome.status != Status.OK:
            self.failed.add(task.key)
        return Ended(task, outcome.status, outcome.value, outcome.error, self.earlier.get(task.key, ()))


def _startable(queue: _Queue, workers: int) -> list[Task]:
    running = [task for task, _ in queue.running.values()]
    free = workers - sum(t.cpus for t in running)
    chosen: list[Task] = []
    for task in queue.waiting.values():
        if free <= 0:
            break
        if task.requires & queue.unfinished:
            continue
        if task.cpus > free and (running or chosen):
            break  # smaller tasks behind it must not keep it waiting for ever
        if task.gpu_mb is not None and not queue.gpus.take(task.key, task.gpu_mb) and queue.gpus.usable:
            continue
        free -= task.cpus
        chosen.append(task)
    return chosen
