"""The ``bench`` command: thin commands over the library, a module for each.

A new command is a module here with ``register(app)``, and a place in :data:`COMMANDS`. Heavy libraries are imported
inside the commands, so that ``bench --help`` answers at once.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import logging
import os
import platform
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer
from survbench.cli import cohort, compare, doctor, method, predict, renamed, run, status, study, ui
from survbench.cli import list as listing
from survbench.errors import BenchError, Terminated
from survbench.io.files import is_disk_full
from survbench.jobs import environment

log = logging.getLogger(__name__)

COMMANDS = (run, compare, predict, listing, status, ui, doctor, cohort, method, study)
"""In the order of ``bench --help``, which puts groups last."""

app = typer.Typer(
    name="bench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (*COMMANDS, renamed):
    module.register(app)


def _show_version(asked: bool) -> None:  # noqa: FBT001  # typer calls it so
    if asked:
        from importlib.metadata import version

        typer.echo(f"survbench {version('survbench')}")
        raise typer.Exit


@app.callback()
def bench(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Compare survival models on 3-D medical images under one protocol."""


def main() -> None:
    """Run the command line; errors of the user end with 2, a full disk and the like with 1, a stopped run with 130 or
    143.
    """
    try:
        _main()
    except SystemExit as ended:
        _leave_threads_of_plugins(ended.code)
        raise


def _leave_threads_of_plugins(code: object) -> None:
    """End the process, if plugins have started threads that go on: Python would wait for them for ever."""
    importing = sys.modules.get("survbench.plan.plugin_import")  # imported only where a command has read the plugins
    if importing is not None and any(thread.is_alive() for thread in importing.left_running):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def _main() -> None:
    _open_what_is_closed()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    os.environ.update(environment.for_computing())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name or a sign that a terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    system = platform.system()
    if system != "Linux":
        log.warning("survbench needs Linux to run jobs; this is %s. 'bench doctor' says what to do.", system)
    try:
        app()
    except BenchError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        remedy = "Free space on that disk" if is_disk_full(error) else "Fix this"
        sys.stderr.write(
            f"Error: {error.strerror or error}{where}. What is done is kept. {remedy}, then run the same "
            "command again.\n"
        )
        sys.exit(1)


def _open_what_is_closed() -> None:
    """Have something for standard streams that the caller has closed (``>&-``), before a file of ours gets their
    number, into which libraries would print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  # lowest free number


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(143)
