"""The manifest of a cohort: size and SHA-256 of its image files at the time they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from survbench.datasets.checks.images import AlteredFile, UnlistedFile
from survbench.datasets.readers.nifti import content_digest
from survbench.findings import Finding
from survbench.io.files import write_json

MANIFEST = "manifest.json"
_MARK, _VERSION = "survbench-manifest", 1
"""The key that distinguishes this manifest from other files of that name, and the format version."""


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of a file when it was written: its size in bytes and its SHA-256."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileState:
        """Return the state of a file with these bytes."""
        return cls(len(content), hashlib.sha256(content).hexdigest())

    def difference(self, path: Path) -> str:
        """Return in words how a file differs from this state; "" if it does not."""
        size = path.stat().st_size
        if size != self.size:
            return f"{size:,} bytes, not {self.size:,}"
        return "" if content_digest(path) == self.sha256 else "same size, different content"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The states of a cohort's files, by path in its folder, with ``/``."""

    files: Mapping[str, FileState]

    def findings(self, folder: Path, relative: str, patient: str) -> Iterator[Finding]:
        """Yield what is wrong with an existing file of a patient.

        Args:
            folder: the cohort's folder.
            relative: the file's path in the folder.
            patient: the patient's id.
        """
        state = self.files.get(PurePosixPath(relative).as_posix())
        if state is None:
            yield UnlistedFile.finding(f"Files are not in {MANIFEST}.", subject=patient, detail=relative)
        elif difference := state.difference(folder / relative):
            cause = "Files are not as they were written: truncated, damaged or changed."
            yield AlteredFile.finding(cause, subject=patient, detail=f"{relative}: {difference}")


def write_manifest(cohort: Path, files: Mapping[str, FileState]) -> None:
    """Write the manifest of a cohort."""
    states = {name: {"bytes": state.size, "sha256": state.sha256} for name, state in files.items()}
    write_json(cohort / MANIFEST, {_MARK: _VERSION, "files": states})


def read_manifest(folder: Path) -> tuple[Manifest | None, list[Finding]]:
    """Return a cohort's manifest (None if it has none), and what is wrong with the manifest file itself."""
    path = folder / MANIFEST
    if not path.is_file():
        return None, []
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or _MARK not in raw:
            return None, []
        files = {str(name): FileState(int(of["bytes"]), str(of["sha256"])) for name, of in raw["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        remedy = "Restore it, or run 'bench cohort ingest' again to rewrite it."
        return None, [AlteredFile.finding(f"{MANIFEST} is damaged.", remedy=remedy)]
    return Manifest(files), []
