"""Runs the processes of tasks on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from types import MappingProxyType

from survbench.io.layout import Status
from survbench.jobs.attempt import Attempt, Outcome, error_of
from survbench.jobs.families import processes
from survbench.jobs.gpus import VISIBLE, Gpus
from survbench.jobs.process import process_context
from survbench.jobs.task import Task
from survbench.work.card_errors import is_card_error
from survbench.work.process_limits import GRACE_S

POLL_S = 0.5
MEMORY_EVERY_S = 1.0
"""Seconds between two looks at the memory of tasks: each reads a line of every process of the machine."""


class ThisMachine:
    """The processors and GPUs of this machine.

    Args:
        workers: processors to share out among the processes.
        gpus: megabytes of memory by name of GPU; a task that takes one finds it in ``CUDA_VISIBLE_DEVICES``.
        remedy: what the user does to give each task more memory.
    """

    def __init__(
        self,
        workers: int,
        gpus: Mapping[str, float] = MappingProxyType({}),
        *,
        remedy: str = "Give fewer --workers",
    ) -> None:
        self._workers = workers
        self._remedy = remedy
        self._gpus = Gpus(gpus)
        self._running: dict[str, tuple[Task, Attempt]] = {}
        self._context: ForkServerContext | None = None
        self._looked = 0.0

    def processors(self) -> int:
        """Return the number of workers."""
        return self._workers

    def reserve(self, task: Task) -> bool:
        """Keep a GPU for a task that takes one. Where all have failed there is nothing to wait for."""
        return task.gpu_mb is None or self._gpus.take(task.key, task.gpu_mb) or not self._gpus.usable

    def start(self, task: Task) -> Outcome | None:
        """Start a task; return an outcome where no process could be started.

        Raises:
            BenchError: this process is not allowed to start others.
        """
        card = self._gpus.name_of(task.key)
        if task.gpu_mb is not None and card is None:
            return Outcome(Status.FAILED, error=error_of("NoGpu", "no GPU is left that has not failed"))
        self._context = self._context or process_context()
        try:
            attempt = Attempt(
                self._context,
                task.function,
                task.arguments,
                timeout_s=task.timeout_s + GRACE_S,
                most_mb=task.most_mb,
                environment={VISIBLE: card} if card is not None else {},
                remedy=self._remedy,
            )
        except (OSError, EOFError) as problem:
            self._gpus.leave(task.key, card_failed=False)
            error = error_of("ProcessNotStarted", f"no process could be started: {problem or 'its server is gone'}")
            return Outcome(Status.FAILED, error=error, passing=True)
        self._running[task.key] = task, attempt
        return None

    def ended(self) -> list[tuple[Task, Outcome]]:
        """Wait a moment, or until a process ends; stop those that take too much time or memory; return the ended."""
        attempts = [attempt for _, attempt in self._running.values()]
        if attempts:
            wait([attempt.sentinel for attempt in attempts], timeout=POLL_S)
        for attempt in attempts:
            attempt.check_time()
        self._check_memory([attempt for attempt in attempts if attempt.most_mb is not None])
        done = [task for task, attempt in self._running.values() if wait([attempt.sentinel], timeout=0)]
        return [(task, self._outcome(task)) for task in done]

    def stop(self) -> None:
        """End all processes."""
        for task, attempt in self._running.values():
            attempt.end()
            self._gpus.leave(task.key, card_failed=False)
        self._running.clear()

    def _check_memory(self, attempts: list[Attempt]) -> None:
        if not attempts or time.monotonic() - self._looked < MEMORY_EVERY_S:
            return
        self._looked = time.monotonic()
        seen = processes()
        for attempt in attempts:
            attempt.check_memory(seen)

    def _outcome(self, task: Task) -> Outcome:
        """Return how an ended task ended; what a GPU has done to it may pass on another one."""
        outcome = self._running.pop(task.key)[1].end()
        error = outcome.error
        card_failed = task.gpu_mb is not None and error is not None and is_card_error(error.type, error.message)
        self._gpus.leave(task.key, card_failed=card_failed)
        return replace(outcome, passing=True) if card_failed else outcome
