"""Row 5 of the fault table: a run that is stopped says how to go on, and nothing else; nobody else says anything."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from kills import start, victims

pytestmark = pytest.mark.faults

STOPPED = "Stopped. What is done is kept; run the same command again to go on."


@pytest.mark.parametrize("moment", ["server", "job"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("stop", [os.kill, os.killpg], ids=["run", "group"])
def test_row_5_a_stop_leaves_one_line_and_no_process(tmp_path, moment, number, code, stop):
    # tests that run in the background ignore it, and so would their children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(tmp_path)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(victims(psutil.Process(process.pid), moment)):
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    stop(process.pid, number)
    _, errors = process.communicate(timeout=60)
    said = [line for line in errors.splitlines() if not line.startswith("WARNING: ")]
    assert (process.returncode, said) == (code, [STOPPED])
    _, left = psutil.wait_procs(family, timeout=10)
    assert left == []
