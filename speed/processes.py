"""Watch a command with all the processes that it starts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from timing import ENVIRONMENT

POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Watched:
    """What a command took: seconds, and the most MB.

    Attributes:
        wall: seconds until it ended.
        cpu: CPU seconds of all processes.
        parent: MB of the command's own process.
        other: MB of the largest other process.
        together: MB of all processes at once; what several share counts once (on Linux).
    """

    wall: float
    cpu: float
    parent: float
    other: float
    together: float


def watched(words: Sequence[str | Path]) -> Watched:
    """Run a command, and return what it took."""
    started = time.perf_counter()
    process = subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parent, other, together = 0, 0, 0
    cpu: dict[int, float] = {}
    while process.poll() is None:
        now = 0
        for one in family(process.pid):
            try:
                times = one.cpu_times()
                cpu[one.pid] = times.user + times.system
                memory = one.memory_full_info()
            except psutil.Error:
                continue
            now += getattr(memory, "pss", memory.rss)
            if one.pid == process.pid:
                parent = max(parent, memory.rss)
            else:
                other = max(other, memory.rss)
        together = max(together, now)
        time.sleep(POLL_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {process.returncode}")
    wall = time.perf_counter() - started
    return Watched(wall, sum(cpu.values()), parent / 2**20, other / 2**20, together / 2**20)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    try:
        own = psutil.Process(pid)
        return [own, *own.children(recursive=True)]
    except psutil.Error:
        return []
