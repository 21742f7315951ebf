"""What a plugin sets when it is imported is put back."""

from __future__ import annotations

import locale
import logging
import os
import random
import signal
import socket
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from survbench.plan.plugin_import import contained


def settings():
    import torch

    return {
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "handlers": [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)],
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "umask": (os.umask(0o022), os.umask(0o022)),
        "locale": locale.setlocale(locale.LC_ALL),
        "time zone": time.tzname,
        "filters": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "hook": sys.excepthook,
        "recursion": sys.getrecursionlimit(),
        "sockets": socket.getdefaulttimeout(),
        "numpy": (np.geterr(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        "random": random.getstate(),
        "torch": (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        ),
        "streams": (sys.stdout, sys.stderr, os.fstat(1).st_ino, os.fstat(2).st_ino),
        "exit": os._exit,
    }


def change_everything(folder):
    import torch

    os.environ.update(TZ="Asia/Tokyo", OMP_NUM_THREADS="64")
    time.tzset()
    del os.environ["PATH"]
    os.chdir(folder)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.umask(0o777)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    warnings.simplefilter("error")
    logging.basicConfig(level=logging.DEBUG, force=True)
    logging.disable(logging.CRITICAL)
    sys.excepthook = print
    sys.setrecursionlimit(5000)
    socket.setdefaulttimeout(0.001)
    np.seterr(all="raise")
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(mode=True)


@pytest.mark.parametrize("error", [None, RuntimeError("at import")])
def test_what_a_plugin_sets_is_as_before(tmp_path, error):
    before = settings()
    with pytest.raises(RuntimeError) if error else nullcontext(), contained("odd"):
        change_everything(tmp_path)
        if error is not None:
            raise error
    after = settings()
    assert [name for name, value in before.items() if after[name] != value] == []


def test_leaving_the_process_is_an_error_like_others():
    with pytest.raises(SystemExit, match=r"it called os._exit\(3\)"), contained("odd"):
        os._exit(3)


def test_what_is_printed_goes_to_stderr_shortened(capfd):
    with contained("odd"):
        sys.stdout.write("x" * 10_000)
        os.write(1, b"written past Python")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Plugin odd printed while it was imported: ")
    assert len(err) < 700
