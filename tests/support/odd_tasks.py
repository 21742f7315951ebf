"""Functions that end in every way a task can end."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import numpy as np
from survbench.api import DeadlineError


def double(x):
    return 2 * x


def pid():
    return os.getpid()


def held_back():
    """Return the signals that the process does not take."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, set())


def content_of(path):
    return Path(path).read_text()


def raises():
    raise RuntimeError("on purpose")


def hangs():
    time.sleep(10_000)


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


def eats_memory():
    return np.ones(2**50)


def dies_until(path, times):
    """Die so often, and note it in a file."""
    with Path(path).open("a") as stream:
        stream.write("x")
    if Path(path).stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def finds_the_disk_full_once(path):
    if not Path(path).exists():
        Path(path).touch()
        raise OSError(errno.ENOSPC, "No space left on device")
    return "done"


def raises_and_counts(path):
    with Path(path).open("a") as stream:
        stream.write("x")
    raise RuntimeError("on purpose")


def holds(megabytes):
    held = np.ones(megabytes * 125_000)
    time.sleep(4.0 if megabytes > 100 else 0.0)
    return float(held[0])


def too_late():
    raise DeadlineError("over")


def changes_environment():
    os.environ["SURVBENCH_TEST_FLAG"] = "changed"
    os.chdir("/")


def reads_environment():
    return os.environ.get("SURVBENCH_TEST_FLAG"), str(Path.cwd())


def logs_its_span(path, name):
    start = time.monotonic()
    time.sleep(0.3)
    with Path(path).open("a") as stream:
        stream.write(f"{name} {start} {time.monotonic()}\n")


def gpu_seen(seconds):
    """Return the GPU that the process was given, after a while."""
    time.sleep(seconds)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def waits_for(path, began):
    """Say by a file that it began, and wait for another file, at most a minute."""
    Path(began).touch()
    for _ in range(600):
        if Path(path).exists():
            return
        time.sleep(0.1)
    raise TimeoutError(path)


def meets(path, count):
    """Wait until so many tasks run at once, at most half a minute, and return the GPU that the process was given."""
    with Path(path).open("a") as stream:
        stream.write("x")
    deadline = time.monotonic() + 30
    while Path(path).stat().st_size < count:
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.1)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def fails_on_gpu(name, failures, awaited):
    """Raise what torch raises on a broken GPU if it is the one of that name; on another, wait until it has failed.

    Failures are counted in a file, so that no other GPU can do all the work first.
    """
    if os.environ["CUDA_VISIBLE_DEVICES"] == name:
        with Path(failures).open("a") as stream:
            stream.write("failed\n")
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
    deadline = time.monotonic() + 60
    while Path(failures).read_text().count("failed") < awaited and time.monotonic() < deadline:
        time.sleep(0.05)
    return os.environ["CUDA_VISIBLE_DEVICES"]


def breaks_its_kernel():
    raise RuntimeError("CUDA error: device-side assert triggered")
