"""Changes the parts of a zip archive, such as a workbook, as no library that writes one would."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path


def change_parts(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write an archive again with its parts, by name, as ``change`` leaves them."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
