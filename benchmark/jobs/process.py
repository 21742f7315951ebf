"""Makes processes, forked from a server that has imported the heavy libraries, so that a fresh one is cheap. They never
run the script or notebook from which the run was started, and end with it.
"""

from __future__ import annotations

import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.resource_tracker
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType

import psutil
from survbench.errors import BenchError
from survbench.jobs.environment import lent
from survbench.jobs.families import children_of, end_all
from survbench.jobs.signals import held_back

SERVER = "survbench.jobs.server"
PRELOAD = ["survbench.jobs.preload"]
LONGEST_TEMPORARY_FOLDER = 75
"""Bytes: Linux allows 107 for the name of a socket, to which multiprocessing adds 32."""


def process_context(preload: Sequence[str] = ()) -> ForkServerContext:
    """Return the context whose processes are forked from the server, which runs from then on.

    Args:
        preload: modules that the server imports in place of those of jobs; it counts at the first call of this process.

    Raises:
        BenchError: this process is one that cannot start others, or the temporary folder's name is too long.
    """
    if multiprocessing.process.current_process().daemon:
        raise BenchError(
            "Jobs run in processes of their own, and a daemonic process, such as a worker of multiprocessing.Pool, "
            "cannot start any. Start the run in the main process, in a thread, or with "
            "concurrent.futures.ProcessPoolExecutor."
        )
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY_FOLDER:
        raise BenchError(
            f"The name of the temporary folder, {tempfile.gettempdir()}, is too long for the sockets of processes. Set "
            f"TMPDIR to a folder whose name has at most {LONGEST_TEMPORARY_FOLDER} bytes."
        )
    context = _Context()
    context.set_forkserver_preload([SERVER, *(preload or PRELOAD)])
    _start_server()
    return context


def server_id() -> int | None:
    """Return the id of the server's process, or None before the first start."""
    found: int | None = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    return found


def die_with(owner: int) -> None:
    """End this process and its descendants soon after the run that owns it is gone, so that a killed run leaves no
    writer behind.
    """

    def watch() -> None:
        try:
            process = psutil.Process(owner)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(1.0)
        except psutil.NoSuchProcess:
            pass
        end_all(partial(children_of, os.getpid()))
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start_server() -> None:
    """Start the server unless it runs; what is set here it keeps for all processes that come from it."""
    with lent():
        multiprocessing.resource_tracker.ensure_running()  # the server would start it, which lets Ctrl-C through again
        with held_back(signal.SIGINT):  # what it stops is the run, which ends its jobs
            multiprocessing.forkserver.ensure_running()


class _Process(ForkServerProcess):
    """A process that does not import the main module of the one that starts it, as all others of multiprocessing do: a
    script without ``if __name__ == "__main__"`` would start a run in the middle of a run, and nothing of ours lies in
    a main module.
    """

    _starting = threading.Lock()

    def start(self) -> None:
        """Start the process while an empty module stands where it would look for the main one."""
        with self._starting:
            _start_server()  # the last one may have been killed
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main

    def run(self) -> None:
        """Do in the new process what it was made for. A stop ends it, though its server passes stops over; and it may
        start processes itself, such as those that load data.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.daemon = False
        super().run()


class _Context(ForkServerContext):
    Process = _Process
