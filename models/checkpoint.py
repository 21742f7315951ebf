"""Checkpoints that survive a kill at any moment: written beside the old one, flushed, then renamed over it."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from pathlib import Path
from typing import Any

import torch

DIGEST_BYTES = hashlib.sha256().digest_size

log = logging.getLogger(__name__)


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them; the earlier checkpoint stays until this one is complete.

    Raises:
        OSError: the disk is full or the folder cannot be written; names the path and the bytes that were needed.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as stream:
            stream.write(hashlib.sha256(payload).digest())
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        message = f"a checkpoint of {len(payload) + DIGEST_BYTES:,} bytes cannot be written ({error.strerror})"
        raise OSError(error.errno, message, str(path)) from error
    _flush_folder(path.parent)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what was written, tensors on the CPU; None without a file or, with a warning, where it is damaged."""
    path.with_suffix(".part").unlink(missing_ok=True)
    if not path.is_file():
        return None
    content = path.read_bytes()
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        log.warning("%s does not fit its checksum; training starts again from the first step", path)
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return state


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
