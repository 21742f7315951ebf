"""A call that is made in a process of its own, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from survbench.io.layout import Ending
from survbench.runs.record import RunError


@dataclass(frozen=True, slots=True)
class Task:
    """A call to make in a process of its own.

    Attributes:
        key: unique name; ``requires`` and ``after`` of others refer to it.
        function: a module-level function; it and its arguments are pickled to a process of ours, never stored.
        requires: tasks that must have ended well before it starts; it is skipped if one has failed.
        after: tasks that must have ended before it starts, however they ended.
        cpus: how many of the workers' processors it takes; one that needs more than there are runs alone.
        gpu_mb: megabytes of a GPU that it takes, infinity for a whole one; None of a task that takes none.
        most_mb: megabytes that its process and what that starts may hold, or None.
        persistent: whether it is tried again whatever ended it, not only where the cause may pass.
        modules: names of those whose code decides the result; another machine must have the same.
        conclude: called in this process with what the function has returned, and with what ended earlier attempts,
            before a task that requires this one starts. What it returns is the value of the task, and what it raises
            fails the task.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    requires: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    cpus: int = 1
    gpu_mb: float | None = None
    timeout_s: float = 3600.0
    most_mb: float | None = None
    persistent: bool = False
    modules: tuple[str, ...] = ()
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
