"""Limits of a job's process: threads, time after its deadline, length of its log."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 20.0
"""Seconds after its deadline at which a job that does not watch it is killed."""
LOG_LIMIT_BYTES = 1_000_000
"""Length of the part of a log that is kept."""


def limit_threads(threads: int) -> None:
    """Let torch use this many threads, where it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def logged(live: Path, kept: Path) -> Iterator[None]:
    """Send everything that this process prints to ``live``; at the end a bounded copy goes to ``kept``."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with live.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, target in zip(saved, (1, 2), strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)
    if live.stat().st_size <= LOG_LIMIT_BYTES:
        shutil.copyfile(live, kept)
    else:
        kept.write_text(log_tail(live), encoding="utf-8")


def log_tail(path: Path) -> str:
    """Return the last part of a log file, at most :data:`LOG_LIMIT_BYTES`, or "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LOG_LIMIT_BYTES))
        return stream.read().decode("utf-8", errors="replace")


def available_workers() -> int:
    """Return how many processes this machine has room for: one per core that we may use."""
    return len(os.sched_getaffinity(0))
