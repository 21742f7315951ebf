"""Errors that a user can act on: what was given, what is allowed, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


class BenchError(Exception):
    """A problem with what the user gave; its message ends in what to do. The CLI prints it and exits with 2."""


class UnknownNameError(BenchError):
    """A name that is not in a closed set, with the nearest names that are."""

    def __init__(self, kind: str, given: str, allowed: Iterable[str], *, see: str) -> None:
        names = sorted(allowed)
        near = difflib.get_close_matches(given, names, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else f" Known: {', '.join(names)}."
        super().__init__(f"Unknown {kind} {given!r}.{hint} See {see}.")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a cohort: where it is, what is wrong, and how to fix it."""

    subject: str
    """Id of the subject, or ``""`` for the cohort as a whole."""
    what: str
    remedy: str
    severity: Literal["error", "warning"] = "error"
    """An error keeps the cohort, or the subject, from being used; a warning asks for a look."""


class CohortError(BenchError):
    """A cohort with problems; all of them are listed, never only the first."""

    def __init__(self, title: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [f"  {p.subject or '(cohort)'}: {p.what} {p.remedy}".rstrip() for p in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"  ... and {len(self.problems) - 20} more; 'bench cohort check' lists all of them.")
        super().__init__("\n".join([title, *shown]))
