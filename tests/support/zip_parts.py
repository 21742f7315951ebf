"""The files in a zip archive, such as a pack or a workbook, taken out and written again."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path


def files_of(path: Path) -> dict[str, bytes]:
    """Return the files of an archive by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, files: Mapping[str, bytes], *more: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """Write an archive with files by name, and further ones as ``(name or ZipInfo, content)``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (*files.items(), *more):
            archive.writestr(name, content)
    return path
