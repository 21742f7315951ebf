"""Joining a Ray cluster, with messages that say what to do where that fails."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from survbench.errors import BenchError, message_of

_connected: list[tuple[str, str]] = []
"""The clusters of this process so far: how they were named."""


def imported() -> ModuleType:
    """Return Ray.

    Raises:
        BenchError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise BenchError(
            "--executor ray needs Ray, which is not installed. Install it with pip install 'survbench[ray]', or use "
            "--executor local."
        ) from None
    return ray


def connect(ray: ModuleType, address: str) -> None:
    """Join the cluster, unless this process belongs to it since an earlier run.

    Raises:
        BenchError: the cluster does not answer.
    """
    wanted = address, os.environ.get("RAY_ADDRESS", "")
    if _connected and _connected[-1] != wanted:
        ray.shutdown()  # it would silently go on with the cluster of the earlier run
    try:
        with _signals_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # says what the error says, which is told
            ray.init(
                address="auto" if address == "ray" else address,
                log_to_driver=False,
                logging_level="ERROR",
                ignore_reinit_error=True,
            )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ImportError) as problem:
        where, advice = f"at {address}", "Check host and port, and the port of clients, 10001 by default"
        if address == "ray":
            where, advice = "on this machine", "Start one with 'ray start --head'"
        reason = first_line(problem).rstrip(".")
        if reason.endswith(":"):  # a server for clients sends a traceback of its own
            reason = f"{reason} {message_of(problem).strip().splitlines()[-1].strip()}"
        raise BenchError(f"No Ray cluster answers {where} ({reason}). {advice}, or use --executor local.") from problem
    # lost nodes are printed in front of the run's JSON, whatever log_to_driver says; the run tells them itself
    ray._private.worker._worker_logs_enabled = False
    _connected.append(wanted)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep what this process does at a stop: Ray puts an abrupt exit in its place."""
    kept: dict[int, Any] = {}
    try:
        kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        yield
    finally:
        for number, handler in kept.items():
            try:
                signal.signal(number, handler)
            except ValueError:  # not the main thread, where Ray sets none either
                break


def first_line(problem: BaseException) -> str:
    """Return the first line of what an error says."""
    return message_of(problem).strip().splitlines()[0]
