"""What an entry of a zip is, and whether its name stays inside the archive."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Literal

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
"""What a damaged or encrypted zip makes zipfile raise, depending on which byte is wrong."""
EntryKind = Literal["file", "folder", "link", "other"]


def kind_of(info: zipfile.ZipInfo) -> EntryKind:
    """Return what an entry unpacks to; ``other`` is a device or the like."""
    mode = info.external_attr >> 16
    if info.is_dir() or stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_IFMT(mode) in {0, stat.S_IFREG} else "other"


def leads_outside(path: str, start: str = "") -> bool:
    """Return whether a path inside an archive leads out of it; a link's target is relative to the entry ``start``."""
    plain = path.replace("\\", "/")
    if plain.startswith("/") or plain[1:2] == ":" or "\0" in plain:
        return True
    depth = len(PurePosixPath(start).parts[:-1])
    for part in plain.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0 or (part == ".." and not start):
            return True
    return False
