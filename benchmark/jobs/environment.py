"""The environment of processes that compute."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULTS = {
    # one thread a job (two jobs with one thread beat one with two), and no spinning while others compute
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Variables that numeric libraries and MLflow read when they are loaded; the user's own values win."""
ALWAYS = {"PYTHONSAFEPATH": "1"}
"""Without it Python looks for modules in the working folder, where ``import datasets`` may find somebody else's."""


def for_computing() -> dict[str, str]:
    """Return the variables that a process should find, with the user's values where there are any."""
    return {name: os.environ.get(name, default) for name, default in DEFAULTS.items()} | ALWAYS


@contextmanager
def lent() -> Iterator[None]:
    """Set these variables for the processes that are started meanwhile; afterwards the environment is as it was."""
    before = {name: os.environ.get(name) for name in for_computing()}
    os.environ.update(for_computing())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
