"""How much memory is free for us: of the machine, and of the control groups that this process is in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
"""The groups that this process is in, a line for each hierarchy."""


def available_memory() -> int:
    """Return the bytes of memory that may still be taken without swapping, or being killed.

    A container or a batch system often allows less than the machine has (Linux control groups, versions 1 and 2).
    """
    return min([psutil.virtual_memory().available, *_left_in_groups()])


def _left_in_groups() -> Iterator[int]:
    try:
        lines = OWN.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, most, used, cache = GROUPS, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, most, used = GROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                yield from _left(folder, most, used, cache)


def _left(group: Path, most: str, used: str, cache: str) -> Iterator[int]:
    """Yield what a group has left, where it is limited; the kernel gives files that it holds in memory up first."""
    try:
        limit, taken = (group / most).read_text(encoding="ascii").strip(), int((group / used).read_text("ascii"))
        numbers = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
    except (OSError, ValueError):  # the root has no limit, nor has a group that the container does not show
        return
    if limit != "max":
        yield max(int(limit) - taken + int(numbers.get(cache, 0)), 0)
