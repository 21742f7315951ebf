"""One attempt at a task: its process, how that ends, and what it leaves.

The process leads a session of its own, and all that it starts ends with it. Its end is noticed whatever its exit code,
and its result does not go through a pipe, which somebody else may hold open.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from survbench.errors import message_of, plain_text
from survbench.io.layout import Ending, Status
from survbench.io.limits import OUT_OF_TIME
from survbench.jobs.families import Seen, adopt_orphans, children_of, end_all, memory_of
from survbench.jobs.process import die_with, server_id
from survbench.runs.record import RunError

PIECE_TIMEOUT = "PieceTimeout"
"""Type of the error of a task that ended itself (:func:`survbench.io.limits.killed_after`)."""
LOST = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, 255}
"""Exit codes of processes that somebody else has ended; 255 stands for one whose server is gone."""
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
KILLED_FIRST = 500
"""Added to the points by which the kernel chooses whom to kill when memory is short: a job, and not the run."""
LAST_WORD_S = 5.0
"""How long a killed process may take to be gone; one that hangs in the kernel is left behind."""
MB = 10**6

_sessions: set[int] = set()
"""Ids of the processes of tasks that this process runs, each of which leads a session."""
_changing = threading.Lock()
"""Held while a process of a task is started, and while others are ended that belong to no task."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; ``passing`` where the cause may be gone at the next one."""

    status: Ending
    value: Any = None
    error: RunError | None = None
    passing: bool = False


class Attempt:
    """A process that calls a function.

    Args:
        context: from :func:`survbench.jobs.process.process_context`.
        function: what to call, at module level.
        arguments: what to call it with.
        timeout_s: seconds until it is killed.
        most_mb: megabytes that it and what it starts may hold, or None.
        environment: variables that are set before the call.
        remedy: what gives a process more memory, for the message of one that took too much.

    Raises:
        OSError, EOFError: the server is gone; the next one may be started.
    """

    def __init__(
        self,
        context: ForkServerContext,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        timeout_s: float,
        most_mb: float | None,
        environment: Mapping[str, str],
        remedy: str,
    ) -> None:
        self.most_mb = most_mb
        self._remedy = remedy
        self.timeout_s = timeout_s
        self._box = Connection(os.memfd_create("outcome"))
        self._kernel_kills = _kernel_kills()
        self._stopped: Outcome | None = None
        with _changing:
            self.process: ForkServerProcess = context.Process(
                target=_work,
                args=(self._box, os.getpid(), environment, function, arguments),
                daemon=True,  # the end of this process ends it, wherever a Ctrl-C falls
            )
            self.process.start()
            _sessions.add(self._pid)
        self._deadline = time.monotonic() + timeout_s

    @property
    def _pid(self) -> int:
        pid = self.process.pid
        if pid is None:
            raise RuntimeError("the process was not started")
        return pid

    @property
    def sentinel(self) -> int:
        """What ``multiprocessing.connection.wait`` waits on for the end of the process."""
        return self.process.sentinel

    def check_time(self) -> None:
        """Kill the process if its time is up."""
        if time.monotonic() > self._deadline and self.process.is_alive():
            self._stop(Status.TIMEOUT, "Timeout", f"killed after {self.timeout_s:.0f} s")

    def check_memory(self, seen: Mapping[int, Seen]) -> None:
        """Kill the process if it and its descendants, among all processes, hold more memory than they may."""
        if self.most_mb is None or not self.process.is_alive():
            return
        held = memory_of(self._pid, seen, int(self.most_mb * MB)) / MB
        if held > self.most_mb:
            message = (
                f"killed: the job held {held:,.0f} MB, and {self.most_mb:,.0f} MB are its share of the memory that was "
                f"free. {self._remedy}, or let the method declare what it needs (Resources.quick_mb)"
            )
            self._stop(Status.OOM, "OutOfMemory", message)

    def _stop(self, status: Ending, kind: str, message: str) -> None:
        self._stopped = Outcome(status, error=error_of(kind, message))
        self.process.kill()

    def end(self) -> Outcome:
        """End the process, where it has not ended, and all that it has started; return how it ended."""
        if self.process.is_alive():  # it asks; the id of a process that has ended may be another's by now
            self.process.kill()
        self.process.join(LAST_WORD_S)
        code = self.process.exitcode
        with _changing:
            _sessions.discard(self._pid)
            end_all(partial(_orphans_and, self._pid, server_id()))
        try:
            os.lseek(self._box.fileno(), 0, os.SEEK_SET)
            outcome: Outcome = self._box.recv()
        except (EOFError, OSError):
            return self._stopped or self._died(code)
        finally:
            self._box.close()
        return outcome

    def _died(self, code: int | None) -> Outcome:
        if code == OUT_OF_TIME:
            return Outcome(Status.TIMEOUT, error=error_of(PIECE_TIMEOUT, "a part of the work took too long"))
        if code == -signal.SIGKILL and _kernel_kills() > self._kernel_kills:
            message = "the kernel killed the process: memory was used up"
            return Outcome(Status.OOM, error=error_of("OutOfMemory", message), passing=True)
        message = f"the process died with exit code {code}"
        return Outcome(Status.FAILED, error=error_of("ProcessDied", message), passing=code in LOST)


def _orphans_and(leader: int, server: int | None, seen: Mapping[int, Seen]) -> Iterator[int]:
    """Yield the members of an ended task's session, and what else its end has left to the server: processes that lead
    or joined another session. Other processes of the server are in its own session, or are tasks that go on.
    """
    yield from (pid for pid, process in seen.items() if process.session == leader)
    if server is not None and server in seen:
        left = (pid for pid in children_of(server, seen) if pid not in _sessions)
        yield from (pid for pid in left if seen[pid].session not in {seen[server].session, *_sessions})


def _work(
    box: Connection,
    owner: int,
    environment: Mapping[str, str],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    """Call a function in a process of its own, leave the outcome in ``box``, and end."""
    me = os.getpid()
    leave = os._exit
    _stand_apart()
    die_with(owner)
    os.environ.update(environment)
    try:
        outcome = Outcome(Status.OK, function(*arguments))
    except BaseException as problem:  # whatever a method raises, also SystemExit, is recorded as its result
        outcome = failure(problem)
    if os.getpid() == me:  # and not a fork of it that a method has let go on
        try:
            box.send(outcome)
        except Exception as problem:  # a result that cannot be pickled is the task's fault, not the run's
            box.send(failure(problem))
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    leave(0)  # threads that still run, and what else waits for the end, are not waited for


def _stand_apart() -> None:
    """Make this process the head of a family: of a session, and of the orphans in it."""
    os.setsid()
    adopt_orphans()
    alive = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    if alive is not None:
        os.close(alive)  # so that the server ends with the run, and does not wait for jobs
    os.dup2(2, 1)  # what is printed must not stand in front of the run's JSON
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(KILLED_FIRST), encoding="ascii")


def failure(problem: BaseException) -> Outcome:
    """Return the outcome that an exception stands for."""
    passing = isinstance(problem, OSError) and problem.errno in DISK_FULL
    error = error_of(type(problem).__name__, message_of(problem), traceback.format_exc())
    return Outcome(_classify(problem), error=error, passing=passing)


def _classify(problem: BaseException) -> Ending:
    from survbench.api import DeadlineError

    if isinstance(problem, DeadlineError):
        return Status.TIMEOUT
    text = f"{type(problem).__name__} {message_of(problem)}"
    memory = isinstance(problem, MemoryError) or "OutOfMemory" in text or "can't allocate memory" in text
    return Status.OOM if memory else Status.FAILED


def error_of(kind: str, message: str, trace: str = "") -> RunError:
    """Return an error as it is stored, cut to a bearable length."""
    return RunError(type=kind, message=message[:4000], traceback=plain_text(trace[-20000:]))


def _kernel_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since boot."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
