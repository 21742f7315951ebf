"""A folder that one process at a time writes into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from survbench.errors import BenchError
from survbench.io.files import write_text


def refuse_unwritable(folder: Path) -> None:
    """Raise where an output folder could not be made or written, without making it.

    Raises:
        BenchError: its name is not UTF-8, or it, or the nearest folder above it that exists, is a file or cannot be
            written.
    """
    try:
        str(folder).encode()  # pyarrow and SQLite cannot open what lies in another
    except UnicodeEncodeError as error:
        raise BenchError(f"The name {folder} is not UTF-8. Give another folder with --out.") from error
    try:
        nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise BenchError(f"{folder} cannot be made ({error.strerror}). Give another folder with --out.") from error
    if not nearest.is_dir():
        raise BenchError(f"{folder} cannot be made: {nearest} is not a folder. Give another folder with --out.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BenchError(f"{nearest} cannot be written. Give another folder with --out.")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make an output folder and hold it, so that two processes never write into it at once; a dead holder's lock is
    free.

    Raises:
        BenchError: the folder cannot be made or written, its name is not UTF-8, or another process holds it; the
            message says which.
    """
    refuse_unwritable(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = _holder(folder)
        who = holder.read_text(encoding="utf-8", errors="replace") if holder.is_file() else "unknown"
        raise BenchError(
            f"{folder} is in use by process {who}. Wait for it, stop it, or give another folder with --out."
        ) from error
    except OSError as error:
        raise BenchError(
            f"{folder} cannot be made or written ({error.strerror}). Give another folder with --out."
        ) from error
    try:
        write_text(_holder(folder), str(os.getpid()))
        yield
    finally:
        _holder(folder).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> Path:
    return folder / ".holder"
