"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from survbench.errors import BenchError


def expanded(path: str | Path, argument: str = "The path") -> Path:
    """Return a path with the home folder in the place of ``~``.

    Args:
        path: as it was given.
        argument: the name under which it was given.

    Raises:
        BenchError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BenchError(
            f"{argument} is {str(path)!r}, and there is no such home folder. Write the path out."
        ) from error
