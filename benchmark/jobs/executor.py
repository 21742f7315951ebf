"""Runs tasks, each in a fresh process, and reports how each one ended.

A crash, an out-of-memory kill, a hang or a changed global flag costs the task that caused it and nothing else. Fresh
processes are cheap, because they are forked from a server that has imported the heavy libraries. They never run the
script or notebook from which the run was started.
"""

from __future__ import annotations

import logging
import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.resource_tracker
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from survbench.errors import BenchError, message_of, plain_text
from survbench.io.layout import Ending, Status
from survbench.io.limits import OUT_OF_TIME
from survbench.jobs.environment import lent
from survbench.runs.record import RunError
from survbench.work.process_limits import GRACE_S

PRELOAD = ["survbench.jobs.preload"]
LONGEST_TEMPORARY_FOLDER = 75
"""Bytes: Linux allows 107 for the name of a socket, to which multiprocessing adds 32."""
POLL_S = 0.5
SILENT_EXIT = 70
"""Exit code of a process whose task calls ``os._exit(0)``."""
PIECE_TIMEOUT = "PieceTimeout"
"""Type of the error of a task that ended itself (:func:`survbench.io.limits.killed_after`)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """A call to make in a process of its own.

    Attributes:
        key: unique name; ``requires`` of others refer to it.
        function: a module-level function; it and its arguments are pickled to a process of ours, never stored.
        cpus: how many of the workers' processors it takes; one that needs more than there are runs alone.
        gpu: takes the GPU; one such task runs at a time.
        conclude: called in this process with what the function has returned, before a task that requires this one
            starts. What it returns is the value of the task, and what it raises fails the task.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    requires: frozenset[str] = frozenset()
    cpus: int = 1
    gpu: bool = False
    timeout_s: float = 3600.0
    conclude: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended; ``value`` is what it returned, ``error`` what stopped it."""

    task: Task
    status: Ending
    value: Any = None
    error: RunError | None = None


def execute(
    tasks: Sequence[Task], *, workers: int, on_start: Callable[[Task], None], on_poll: Callable[[], None]
) -> Iterator[Ended]:
    """Run tasks and yield each as it ends; a task whose requirement failed ends as ``skipped``.

    Args:
        tasks: in order of preference.
        workers: processors to share out among the processes.
        on_start: called when a task is handed to the pool.
        on_poll: called about twice a second.

    Raises:
        BenchError: this process is not allowed to start others.
    """
    from pebble import ProcessPool

    if not tasks:
        return
    context = process_context()
    waiting = {t.key: t for t in tasks}
    unfinished = set(waiting)
    failed: set[str] = set()
    running: dict[Future[Any], Task] = {}
    kills = _kernel_kills()
    pool = ProcessPool(max_workers=workers, max_tasks=1, context=context)
    try:
        while waiting or running:
            for task in _startable(waiting, unfinished, running, workers):
                del waiting[task.key]
                if task.requires & failed:
                    unfinished.discard(task.key)
                    failed.add(task.key)
                    yield Ended(
                        task, Status.SKIPPED, error=_error("UpstreamFailed", "a job that this one needs failed")
                    )
                    continue
                arguments = (os.getpid(), task.function, task.arguments)
                future: Future[Any] = pool.schedule(_call, args=arguments, timeout=task.timeout_s + GRACE_S)
                running[future] = task
                on_start(task)
            done, _ = wait(running, timeout=POLL_S, return_when=FIRST_COMPLETED)
            on_poll()
            for future in done:
                task = running.pop(future)
                ended = _ended(task, future, kernel_killed=_kernel_kills() > kills)
                kills = _kernel_kills()
                unfinished.discard(task.key)
                if ended.status != Status.OK:
                    failed.add(task.key)
                yield ended
        pool.close()  # type: ignore[no-untyped-call]
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C from the processes that are started meanwhile; what it stops is the run that owns them."""
    multiprocessing.resource_tracker.ensure_running()  # the server would start it, which lets Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def process_context(preload: Sequence[str] = ()) -> ForkServerContext:
    """Return the context whose processes are forked from the server, which runs from then on.

    Args:
        preload: modules that the server imports in place of those of jobs; it counts at the first call of this process.

    Raises:
        BenchError: this process is one that cannot start others, or the temporary folder's name is too long.
    """
    if multiprocessing.process.current_process().daemon:
        raise BenchError(
            "Jobs run in processes of their own, and a daemonic process, such as a worker of multiprocessing.Pool, "
            "cannot start any. Start the run in the main process, in a thread, or with "
            "concurrent.futures.ProcessPoolExecutor."
        )
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY_FOLDER:
        raise BenchError(
            f"The name of the temporary folder, {tempfile.gettempdir()}, is too long for the sockets of processes. Set "
            f"TMPDIR to a folder whose name has at most {LONGEST_TEMPORARY_FOLDER} bytes."
        )
    context = _Context()
    context.set_forkserver_preload([*preload] or PRELOAD)
    with lent(), _without_interrupts():  # the server keeps both for all processes that come from it
        multiprocessing.forkserver.ensure_running()
    return context


class _Process(ForkServerProcess):
    """A process that does not import the main module of the one that starts it, as all others of multiprocessing do: a
    script without ``if __name__ == "__main__"`` would start a run in the middle of a run, and nothing of ours lies in
    a main module.
    """

    _starting = threading.Lock()

    def start(self) -> None:
        """Start the process while an empty module stands where it would look for the main one."""
        with self._starting:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class _Context(ForkServerContext):
    Process = _Process


def _startable(
    waiting: dict[str, Task], unfinished: set[str], running: dict[Future[Any], Task], workers: int
) -> list[Task]:
    free = workers - sum(t.cpus for t in running.values())
    gpu_taken = any(t.gpu for t in running.values())
    chosen: list[Task] = []
    for task in waiting.values():
        if free <= 0:
            break
        if task.requires & unfinished or (task.gpu and gpu_taken):
            continue
        if task.cpus > free and (running or chosen):
            break  # smaller tasks behind it must not keep it waiting for ever
        gpu_taken |= task.gpu
        free -= task.cpus
        chosen.append(task)
    return chosen


def _ended(task: Task, future: Future[Any], *, kernel_killed: bool) -> Ended:
    from pebble import ProcessExpired

    try:
        status, value, error = future.result()
    except TimeoutError:
        return Ended(task, Status.TIMEOUT, error=_error("Timeout", f"killed after {task.timeout_s + GRACE_S:.0f} s"))
    except ProcessExpired as expired:
        if expired.exitcode == OUT_OF_TIME:
            return Ended(task, Status.TIMEOUT, error=_error(PIECE_TIMEOUT, "a part of the work took too long"))
        if expired.exitcode == -9 and kernel_killed:
            return Ended(
                task, Status.OOM, error=_error("OutOfMemory", "the kernel killed the process: memory was used up")
            )
        message = f"the process died with exit code {expired.exitcode}"
        return Ended(task, Status.FAILED, error=_error("ProcessDied", message))
    except Exception as problem:  # a result that cannot be pickled and the like: the task's fault, not the run's
        return Ended(task, Status.FAILED, error=_error(type(problem).__name__, message_of(problem)))
    return _concluded(task, value) if status == Status.OK else Ended(task, status, value, error)


def _concluded(task: Task, value: Any) -> Ended:
    if task.conclude is None:
        return Ended(task, Status.OK, value)
    try:
        return Ended(task, Status.OK, task.conclude(value))
    except Exception as problem:  # the task has failed; the others go on
        return Ended(task, *_failure(problem))


def _call(owner: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Ending, Any, RunError | None]:
    die_with(owner)
    try:
        with _no_silent_exit():
            return Status.OK, function(*arguments), None
    except BaseException as problem:  # whatever a method raises, also SystemExit, is recorded as its result
        return _failure(problem)


@contextmanager
def _no_silent_exit() -> Iterator[None]:
    """Let ``os._exit(0)`` inside end with :data:`SILENT_EXIT`: the pool waits for a process that ends with 0."""
    leave = os._exit

    def with_a_code(status: int = 0) -> NoReturn:
        leave(status or SILENT_EXIT)

    os._exit = with_a_code
    try:
        yield
    finally:
        os._exit = leave


def _failure(problem: BaseException) -> tuple[Ending, None, RunError]:
    return _classify(problem), None, _error(type(problem).__name__, message_of(problem), traceback.format_exc())


def _classify(problem: BaseException) -> Ending:
    from survbench.api import DeadlineError

    if isinstance(problem, DeadlineError):
        return Status.TIMEOUT
    text = f"{type(problem).__name__} {message_of(problem)}"
    memory = isinstance(problem, MemoryError) or "OutOfMemory" in text or "can't allocate memory" in text
    return Status.OOM if memory else Status.FAILED


def _error(kind: str, message: str, trace: str = "") -> RunError:
    return RunError(type=kind, message=message[:4000], traceback=plain_text(trace)[-20000:])


def die_with(owner: int) -> None:
    """End this process soon after the run that owns it is gone, so that a killed run leaves no writer behind."""
    import threading
    import time

    import psutil

    def watch() -> None:
        try:
            process = psutil.Process(owner)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(1.0)
        except psutil.NoSuchProcess:
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _kernel_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since boot."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
