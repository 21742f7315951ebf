"""What bounds a job's process: threads, time after its deadline, length of its log, where it writes, and its forks."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 8.0
"""Seconds after its deadline at which a job that does not watch it is killed."""
LOG_LIMIT_BYTES = 1_000_000
"""Length of the part of a log that is kept."""
LOG_MOST_BYTES = 20 * LOG_LIMIT_BYTES
"""A log that has grown longer is cut while the job goes on."""
CUT_EVERY_S = 1.0


def limit_threads(threads: int) -> None:
    """Let torch use this many threads, where it is loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def in_own_folder(scratch: Path) -> Iterator[None]:
    """Work in a fresh folder inside of ``scratch``, so that what a method writes by a relative path harms nobody."""
    before = Path.cwd()
    sys.path[:] = [str(Path(entry).absolute()) for entry in sys.path]
    with tempfile.TemporaryDirectory(dir=scratch, ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


@contextlib.contextmanager
def foreign_code() -> Iterator[None]:
    """Call a method's code. Should it fork, and the child come back from it, the child ends here: it would go on with
    the job, too, and write into the same files.
    """
    owner = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != owner:
            os._exit(0)


@contextlib.contextmanager
def logged(live: Path, kept: Path | None = None) -> Iterator[None]:
    """Send everything that this process prints to ``live``; at the end a bounded copy goes to ``kept``, if any."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with live.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    done = threading.Event()
    cutter = threading.Thread(target=_keep_short, args=(live, done), daemon=True)
    cutter.start()
    try:
        yield
    finally:
        done.set()
        cutter.join()
        for printer in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a method may have closed it
                printer.flush()
        for descriptor, target in zip(saved, (1, 2), strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)
    if kept is None:
        return
    if live.stat().st_size <= LOG_LIMIT_BYTES:
        shutil.copyfile(live, kept)
    else:
        kept.write_text(log_tail(live), encoding="utf-8")


def _keep_short(path: Path, done: threading.Event) -> None:
    """Cut a log again and again to its last part, until ``done``. What is printed meanwhile may be lost."""
    while not done.wait(CUT_EVERY_S):
        if path.stat().st_size > LOG_MOST_BYTES:
            tail = log_tail(path).encode()
            os.truncate(path, 0)  # whoever prints appends, and goes on at the new end
            with path.open("ab") as stream:
                stream.write(tail)


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
