"""What the fork server shows of a process that ends by an exception."""

from __future__ import annotations

import sys
from types import TracebackType


def end_quietly() -> None:
    """From now on, say nothing of a process whose pool ended before it had started, and took its semaphores along."""
    sys.excepthook = _shown


def _shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    last = trace
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    pool_gone = last is not None and last.tb_frame.f_code.co_filename.endswith("multiprocessing/synchronize.py")
    if not (pool_gone and issubclass(kind, FileNotFoundError)):
        sys.__excepthook__(kind, error, trace)
