"""Checkpoints that survive a kill at any moment: written beside the old one, flushed, then renamed over it."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import Any

import torch
from survbench.io.files import flush, write_bytes

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
    write_bytes(path, hashlib.sha256(payload).digest() + payload)
    flush(path.parent)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what was written, tensors on the CPU; None without a file or, with a warning, where it is damaged."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        log.warning("%s does not fit its checksum; training starts from the first step", path)
        return None
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises exceptions of many kinds; what is in the file is not run
        log.warning("%s is not a checkpoint (%s); training starts from the first step", path, type(error).__name__)
        return None
    if not isinstance(state, dict):
        log.warning("%s holds no training state; training starts from the first step", path)
        return None
    return state
