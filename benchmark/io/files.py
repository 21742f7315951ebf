"""Files that survive a kill at any moment: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside the old one, flush it to the disk, and rename it over the old one.

    Raises:
        OSError: the disk is full or the folder cannot be written; names the path and the bytes that were needed.
    """
    part = path.with_name(path.name + ".part")
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
    write_text(path, json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


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
