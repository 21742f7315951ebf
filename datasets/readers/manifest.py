"""The manifest of a cohort: size and SHA-256 of the files of its images, as they were when they were written."""

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
"""What tells our manifest from another file of that name, and the version of what it holds."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file was when it was written: its bytes, counted and hashed."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileState:
        """Return the state of a file that holds these bytes."""
        return cls(len(content), hashlib.sha256(content).hexdigest())

    def difference(self, path: Path) -> str:
        """Return how a file differs from what it was, in words; "" where it does not."""
        size = path.stat().st_size
        if size != self.size:
            return f"{size:,} bytes, not {self.size:,}"
        return "" if content_digest(path) == self.sha256 else "same size, other content"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The states of files, by path in the cohort's folder, with ``/``."""

    files: Mapping[str, FileState]

    def findings(self, folder: Path, relative: str, patient: str) -> Iterator[Finding]:
        """Yield what is wrong with a file of a patient that exists.

        Args:
            folder: of the cohort.
            relative: path of the file in it.
            patient: its id.
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
    """Return the manifest of a cohort, None where it has none, and what is wrong with the manifest itself."""
    path = folder / MANIFEST
    if not path.is_file():
        return None, []
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or _MARK not in raw:
            return None, []
        files = {str(name): FileState(int(of["bytes"]), str(of["sha256"])) for name, of in raw["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        remedy = "Restore it, or run 'bench cohort ingest' again, which writes it anew."
        return None, [AlteredFile.finding(f"{MANIFEST} is damaged.", remedy=remedy)]
    return Manifest(files), []
