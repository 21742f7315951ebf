"""Files that survive a kill at any moment: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, SupportsFloat

from survbench.errors import message_of

PART = ".part"
"""Last suffix of a file that is being written; before it stands the number of the process that writes it."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAID_OF_FULL = ("No space left on device", "database or disk is full", "The disk is full")
"""What is said of a full disk, by libraries too that raise errors of their own."""


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error is that of a full disk, also where a library has put it into other words."""
    return getattr(error, "errno", None) in _FULL or tells_of_full_disk(message_of(error))


def tells_of_full_disk(message: str) -> bool:
    """Say whether the message of an error is that of a full disk."""
    return any(text in message for text in _SAID_OF_FULL)


@contextmanager
def named_if_full(folder: Path) -> Iterator[None]:
    """Have an error of a full disk name the folder that is written and the bytes that are free there.

    Raises:
        OSError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error) or getattr(error, "filename", None):
            raise
        text = f"The disk is full: {shutil.disk_usage(folder).free:,} bytes are free"
        raise OSError(errno.ENOSPC, text, str(folder)) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside the old one, flush it to the disk, and rename it over the old one.

    Raises:
        OSError: the disk is full or the folder cannot be written; names the path and the bytes that were needed.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        message = f"{len(content):,} bytes cannot be written ({error.strerror})"
        raise OSError(error.errno, message, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """Write text as :func:`write_bytes` does, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys as :func:`write_bytes` does."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return what :func:`write_json` writes."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def finite(value: SupportsFloat) -> float | None:
    """Return a number for JSON, or None for what is none there: NaN and the infinities."""
    number = float(value)
    return number if math.isfinite(number) else None


def flush(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder, before anything else is written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rounded(value: Any) -> Any:
    """Return JSON with its floats rounded to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return value


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted; none if it is not a folder. Links to folders are not followed."""
    return sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
