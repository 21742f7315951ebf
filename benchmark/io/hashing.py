"""Content hashes: the same content gives the same key on every machine and in every order of keys."""

from __future__ import annotations

import errno
import hashlib
import json
import stat
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and without white space; NaN and unknown types are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def digest(value: Any) -> str:
    """Return the SHA-256 of ``value``'s canonical JSON, as 64 hexadecimal digits.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def regular(path: Path) -> Path:
    """Return the path of a file that has an end; a pipe or a device would be read for ever.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is a pipe, a device, a socket or a folder.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "It is not a file, but a pipe, a device or a folder", str(path))
    return path


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: see :func:`regular`.
    """
    with regular(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
