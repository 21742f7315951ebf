"""A content-addressed store of volumes: memory-mapped arrays with checksums.

Each volume has its own entry. Nothing in an image's entry leads to the patient, the mask or the outcome.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.io.files import write_bytes
from survbench.io.hashing import digest, file_digest
from survbench.io.layout import CACHE
from survbench.io.stored import UnreadableError, matching, read_stored
from survbench.volume import Modality, Volume

VOLUMES = "volumes"
"""Folder of the cache."""


@dataclass(frozen=True, slots=True)
class VolumeStore:
    """Volumes in a folder, by key."""

    folder: Path

    def has(self, key: str) -> bool:
        """Return whether an entry exists, complete and unchanged."""
        try:
            self._intact(key)
        except (OSError, UnreadableError):
            return False
        return True

    def put(self, key: str, voxels: NDArray[Any], *, modality: Modality, affine: NDArray[np.float64]) -> None:
        """Store a volume; the header, written last, makes the entry valid."""
        self._array(key).parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(voxels), allow_pickle=False)
        write_bytes(self._array(key), buffer.getvalue())
        content = {
            "modality": modality,
            "shape": list(voxels.shape),
            "affine": affine.tolist(),
            "array_sha256": file_digest(self._array(key)),
        }
        header = {"sha256": digest(content), "content": content}
        write_bytes(self._header(key), json.dumps(header, sort_keys=True).encode())

    def open(self, key: str) -> Volume:
        """Return a stored volume, verified against its checksums; the array is memory-mapped.

        Raises:
            OSError: the entry is missing or damaged; a damaged entry is removed so that the next run recreates it.
        """
        try:
            header = self._intact(key)
        except (FileNotFoundError, UnreadableError) as error:
            self._header(key).unlink(missing_ok=True)
            message = f"{self._array(key)} is missing or damaged; run 'bench run' again to prepare it"
            raise OSError(message) from error
        x, y, z = header["shape"]
        return Volume(
            modality=header["modality"],
            shape=(x, y, z),
            affine=np.array(header["affine"]),
            loader=partial(np.load, self._array(key), mmap_mode="r", allow_pickle=False),
            fingerprint=partial(str, key),
        )

    def _intact(self, key: str) -> dict[str, Any]:
        """Return the content of an entry's header.

        Raises:
            OSError: the entry is missing.
            UnreadableError: the entry has changed.
        """

        def content(header: Mapping[str, Any]) -> dict[str, Any]:
            said: dict[str, Any] = matching(header, "content")
            status = self._array(key).stat()
            if said["array_sha256"] != _digest_of(self._array(key), status.st_size, status.st_mtime_ns):
                raise ValueError("the array is not the one that was written")
            return said

        return read_stored(self._header(key), content)

    def _array(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def _header(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


@lru_cache(maxsize=100_000)
def _digest_of(path: Path, _size: int, _modified_ns: int) -> str:
    """Return the SHA-256 of a file; a process reads an unchanged file only once."""
    return file_digest(path)


def volume_store(out: Path) -> VolumeStore:
    """Return the store of preprocessed volumes under an output folder."""
    return VolumeStore(out / CACHE / VOLUMES)
