"""What a process that reads foreign files may take: memory, and time for each piece of work.

Both are the kernel's limits, so they also hold inside of libraries in C. They are for processes of their own: a process
that is out of time is gone.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

OUT_OF_TIME = -signal.SIGALRM
"""Exit code of a process that :func:`killed_after` has ended."""


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Let this process ask for so many more bytes than it has now; beyond that it gets a ``MemoryError``.

    The limit is on addresses (``RLIMIT_AS``), of which a process always has more than it fills. It ends with what is
    done inside, so that there is room to tell of the error.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = psutil.Process().memory_info().vms + more
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


@contextmanager
def killed_after(seconds: float) -> Iterator[None]:
    """End this process if what is done inside takes longer. Of limits inside each other the outer one is passed over
    until the inner one is done.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    before, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, before)
