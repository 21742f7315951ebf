"""The ``bench`` command: thin verbs over the library. Heavy modules are imported inside the verbs that need them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer
from survbench.cli import boards, cohorts, comparison, doctor, features, importing, plugins, run, show
from survbench.errors import BenchError

app = typer.Typer(
    name="bench",
    help="Compare survival models on 3-D medical images under one protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (run, show, cohorts, features, boards, comparison, importing, plugins, doctor):
    module.register(app)


def main() -> None:
    """Run the command line; errors of the user end with 2, a full disk and the like with 1, a stopped run with 130 or
    143.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # one thread a job (two jobs with one thread beat one with two), and no spinning while others compute
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["PYTHONSAFEPATH"] = "1"
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except BenchError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        sys.stderr.write(f"Error: {error.strerror or error}{where}. What is done is kept; mend it and run it again.\n")
        sys.exit(1)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(143)
