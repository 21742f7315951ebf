"""Errors that a user can act on: what was given, what is allowed, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """A problem with what the user gave; its message ends in what to do. The CLI prints it and exits with 2."""


class UnknownNameError(BenchError):
    """A name that is not in a closed set, with the nearest names that are."""

    def __init__(self, kind: str, given: str, allowed: Iterable[str], *, see: str) -> None:
        names = sorted(allowed)
        near = difflib.get_close_matches(given, names, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else f" Known: {', '.join(names)}."
        super().__init__(f"Unknown {kind} {given!r}.{hint} See {see}.")
