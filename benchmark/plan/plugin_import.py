"""Importing a plugin, which is foreign code, in a process that goes on to do other things.

What it prints is shortened, what it sets is put back, and one that takes long is named. A plugin that crashes the
interpreter (``os.abort``, a fault in a C library) takes the process with it, but the lines at which it did are printed;
one that replaces the program (``os.execv``) takes it without a word.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import locale
import logging
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

import numpy as np
from survbench.errors import Terminated, plain_text

NAMED_AFTER_S = 5.0
"""Seconds after which a user is told which plugin is still being imported."""
SHOWN = 500
"""Bytes of what a plugin prints at import that are shown."""
left_running: list[threading.Thread] = []
"""Threads that plugins have started at import, for which Python would wait at its end."""


@contextlib.contextmanager
def contained(name: str) -> Iterator[None]:
    """Import a plugin inside. What it does to the process is undone; what it raises passes, ``os._exit`` as
    ``SystemExit``, and Ctrl-C still stops the program.

    Args:
        name: the plugin's, for the user.
    """
    owner, leave, threads = os.getpid(), os._exit, set(threading.enumerate())
    try:
        with _quiet(name), _put_back():
            os._exit = _refused
            try:
                yield
            finally:
                os._exit = leave
                if os.getpid() != owner:  # a fork of this process, which would go on with the command, too
                    leave(0)
                left_running.extend(t for t in threading.enumerate() if t not in threads and not t.daemon)
    except (KeyboardInterrupt, Terminated):
        sys.stderr.write(f"Stopped while plugin {name} was imported.\n")
        raise


def _refused(status: int = 0) -> NoReturn:
    raise SystemExit(f"it called os._exit({status})")


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Collect what is printed, by C code and children, too, and show a part of it on stderr; name who takes long."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)

    def tell() -> None:
        text = f"Plugin {name} is still being imported after {NAMED_AFTER_S:.0f} s. If it hangs, stop and uninstall it."
        os.write(saved[1], f"{text}\n".encode())

    timer = threading.Timer(NAMED_AFTER_S, tell)
    timer.daemon = True
    with tempfile.TemporaryFile() as held:
        printed = os.fdopen(os.dup(held.fileno()), "w", encoding="utf-8", errors="replace")
        for descriptor in (1, 2):
            os.dup2(held.fileno(), descriptor)
        timer.start()
        crashes_are_told = faulthandler.is_enabled()
        if not crashes_are_told:
            faulthandler.enable(saved[1])
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                yield
        finally:
            if not crashes_are_told:
                faulthandler.disable()
            timer.cancel()
            timer.join()
            for descriptor, target in zip(saved, (1, 2), strict=True):
                os.dup2(descriptor, target)
                os.close(descriptor)
            with contextlib.suppress(ValueError):  # a plugin may have closed it, or taken it apart
                printed.close()
            _show(name, held)


def _show(name: str, printed: BinaryIO) -> None:
    size = printed.seek(0, os.SEEK_END)
    printed.seek(0)
    if size:
        more = f" ... ({size:,} bytes)" if size > SHOWN else ""
        text = plain_text(printed.read(SHOWN).decode(errors="replace")).strip()
        sys.stderr.write(f"Plugin {name} printed while it was imported: {text}{more}\n")


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    """Put back what a process has only one of."""
    torch_before = sys.modules.get("torch")
    dtype = None if torch_before is None else torch_before.get_default_dtype()
    before = [(put, get()) for get, put in _SHARED]
    try:
        yield
    finally:
        for put, value in before:
            put(value)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_default_dtype(dtype or torch.float32)
            torch.set_deterministic_debug_mode("default")  # use_deterministic_algorithms takes a second to import
            torch.set_grad_enabled(True)


def _put_environment(before: dict[str, str]) -> None:
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _put_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            with contextlib.suppress(ValueError, OSError):  # outside of the main thread nobody could have changed it
                signal.signal(number, handler)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _logging() -> tuple[int, list[logging.Handler], int]:
    return logging.root.level, list(logging.root.handlers), logging.root.manager.disable


def _put_logging(before: tuple[int, list[logging.Handler], int]) -> None:
    logging.root.setLevel(before[0])
    logging.root.handlers[:] = before[1]
    logging.disable(before[2])


def _put_filters(before: list[Any]) -> None:
    if warnings.filters != before:
        warnings.resetwarnings()
        warnings.filters[:] = before  # type: ignore[index]


_SHARED: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (lambda: dict(vars(builtins)), vars(builtins).update),
    (lambda: dict(os.environ), _put_environment),
    (os.getcwd, os.chdir),
    (_umask, os.umask),
    (_handlers, _put_handlers),
    (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda mask: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
    ),
    (lambda: locale.setlocale(locale.LC_ALL), lambda name: locale.setlocale(locale.LC_ALL, name)),
    (lambda: list(warnings.filters), _put_filters),
    (_logging, _put_logging),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (socket.getdefaulttimeout, socket.setdefaulttimeout),
    (lambda: sys.excepthook, lambda hook: setattr(sys, "excepthook", hook)),
    (np.geterr, lambda state: np.seterr(**state)),
    (np.random.get_state, np.random.set_state),
    (random.getstate, random.setstate),
)
"""How to read, and how to set, what a process has only one of."""
