"""What the fork server imports first of all: from then on it is the server that jobs need. Import it nowhere else.

It adopts orphaned descendants of jobs, so that the run finds and ends them. A stop of the whole group of processes is
the run's affair: it ends its jobs, and the server ends with it. If the run is killed, the server ends the jobs.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import warnings
from functools import partial
from types import TracebackType

from survbench.jobs.families import adopt_orphans, children_of, end_all


def _shown(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show what ended a process before it began its job, unless the run was gone before it had handed the job over."""
    if kind.__name__ not in {"EOFError", "UnpicklingError"}:
        sys.__excepthook__(kind, error, trace)


adopt_orphans()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.excepthook = _shown
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")  # an orphan that has ended
atexit.register(end_all, partial(children_of, os.getpid()))
