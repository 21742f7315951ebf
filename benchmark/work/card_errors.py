"""Which errors point to a GPU, and not to the code that runs on it."""

from __future__ import annotations

CARD_ERRORS = ("cuda error", "cuda driver", "cudnn_status", "no cuda-capable device", "ecc error")
TASK_ERRORS = ("device-side assert", "out of memory")
"""Errors of CUDA that the code of a task causes, and another GPU would not help."""


def is_card_error(kind: str, message: str) -> bool:
    """Return whether an error points to the GPU, so that the task may end well on another one.

    >>> is_card_error("RuntimeError", "CUDA error: uncorrectable ECC error encountered")
    True
    >>> is_card_error("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB")
    False
    """
    text = f"{kind} {message}".lower()
    return any(words in text for words in CARD_ERRORS) and not any(words in text for words in TASK_ERRORS)
