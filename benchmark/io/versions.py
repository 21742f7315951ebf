"""Versions of what is installed, and where a result comes from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from survbench.io.config import Stored


class Provenance(Stored):
    """What a result was made with; None or "" where a file does not say it.

    Attributes:
        survbench: its version.
        commit: of a source checkout, with ``+changes`` where files differed from it; None for a wheel.
        python: its version.
        platform: operating system and processor.
        cpus: processors that could be used.
        packages: versions of the libraries that compute, by name.
    """

    survbench: str | None = None
    commit: str | None = None
    python: str = ""
    platform: str = ""
    cpus: int | None = None
    packages: Mapping[str, str | None] = {}


@cache
def installed_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
