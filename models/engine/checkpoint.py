"""Checkpoints that survive a kill at any moment: written next to the old file, flushed, then renamed over it."""

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
    """Write tensors, numbers, strings and containers of them; the old checkpoint stays until the new one is complete.

    Raises:
        OSError: the disk is full or the folder cannot be written; the message names the path and the required bytes.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_bytes(path, hashlib.sha256(payload).digest() + payload)
    flush(path.parent)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the state in a checkpoint, with tensors on the CPU; None if there is no file or, with a warning, if
    damaged.
    """
    if not path.is_file():
        return None
    content = path.read_bytes()
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        log.warning("%s does not match its checksum; training starts from the first step", path)
        return None
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds of exceptions; nothing in the file is executed
        log.warning("%s is not a checkpoint (%s); training starts from the first step", path, type(error).__name__)
        return None
    if not isinstance(state, dict):
        log.warning("%s contains no training state; training starts from the first step", path)
        return None
    return state
