"""Checksums of the files below a folder, and which of the files are not as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from survbench.io.hashing import file_digest


def checksums(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of files by their path below a folder, in the order of the paths."""
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in sorted(paths)}


def altered(folder: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """Yield those files that are missing or have another checksum than they had."""
    for name, checksum in files.items():
        path = folder / name
        if not path.is_file() or file_digest(path) != checksum:
            yield path
