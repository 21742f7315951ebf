"""Processes and what they have started: who belongs to whom, what they hold in memory, and how they are all ended.

Linux tells it in ``/proc``. A job leads a session of its own and is the subreaper of its descendants, as the server is
of its jobs: whoever changes the session or is orphaned still has one of the two as a parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""From ``linux/prctl.h``: orphaned descendants get this process as their parent, and not the first one of all."""
ROUNDS = 100
"""So often processes are looked for and ended, since they may start others meanwhile; a hundredth of a second apart."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Seen:
    """A process: its parent, its session, the bytes that it holds (shared ones, too), and whether it has ended."""

    parent: int
    session: int
    held: int
    ended: bool


def processes() -> dict[int, Seen]:
    """Return all processes that we may see, by id."""
    return {int(entry.name): seen for entry in os.scandir("/proc") if entry.name.isdigit() and (seen := _seen(entry))}


def _seen(entry: os.DirEntry[str]) -> Seen | None:
    try:
        text = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has gone meanwhile
        return None
    state, parent, _, session, *rest = text.rpartition(")")[2].split()
    return Seen(int(parent), int(session), int(rest[17]) * PAGE, ended=state in {"Z", "X"})


def family(ancestor: int, seen: Mapping[int, Seen]) -> set[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid, process in seen.items():
        children.setdefault(process.parent, []).append(pid)
    found, waiting = set[int](), [ancestor]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def memory_of(ancestor: int, seen: Mapping[int, Seen], enough: int) -> int:
    """Return the bytes that a process and its descendants hold. What several share counts once if the sum is more than
    ``enough``; until then the quick answer will do, which counts it for each.
    """
    members = family(ancestor, seen) & seen.keys()
    quick = sum(seen[pid].held for pid in members)
    return quick if quick <= enough else sum(_proportional(pid) for pid in members)


def _proportional(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all(victims_among: Callable[[Mapping[int, Seen]], Iterator[int]]) -> None:
    """End processes and what they have started meanwhile, until there is none.

    Args:
        victims_among: returns the ids of the processes to end among those that run; called again in each round.
    """
    for _ in range(ROUNDS):
        seen = processes()
        victims = {pid for first in victims_among(seen) for pid in family(first, seen)} - {os.getpid()}
        running = [pid for pid in victims if pid in seen and not seen[pid].ended]
        if not running:
            return
        for pid in running:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def children_of(parent: int, seen: Mapping[int, Seen]) -> Iterator[int]:
    """Yield the children of a process."""
    return (pid for pid, process in seen.items() if process.parent == parent)
