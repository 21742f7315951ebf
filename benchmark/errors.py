"""Errors that a user can act on: what was given, what is allowed, what to do next."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST = 100_000
"""Characters of a message that are looked at; some of foreign code hold whole arrays."""


class BenchError(Exception):
    """A problem with what the user gave; its message ends in what to do. The CLI prints it and exits with 2."""


class Terminated(SystemExit):  # it is no more an error than the SystemExit that it is
    """A signal that ends the program: where foreign code's ``SystemExit`` counts as its fault, this one passes."""


class UnknownNameError(BenchError):
    """A name that is not in a closed set, with the nearest names that are."""

    def __init__(self, kind: str, given: str, allowed: Iterable[str], *, see: str) -> None:
        names = sorted(allowed)
        near = difflib.get_close_matches(given, names, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else f" Known: {', '.join(names)}."
        super().__init__(f"Unknown {kind} {given!r}.{hint} See {see}.")


def message_of(error: BaseException) -> str:
    r"""Return the message of any exception, of foreign code too, as text that can be stored and shown.

    Control characters are removed, and what is not valid Unicode is escaped.

    >>> message_of(ValueError("a\x1b[31m\udc80b")), message_of(ValueError())
    ('a[31m\\udc80b', 'no message')
    """
    try:
        text = str(error)[:_LONGEST]
    except Exception:  # a __str__ of foreign code
        text = ""
    return plain_text(text).strip() or "no message"


def plain_text(text: str) -> str:
    """Return a text without control characters but line breaks and tabs, and with invalid Unicode escaped."""
    return _CONTROL.sub("", text.encode("utf-8", "backslashreplace").decode("utf-8"))
