"""What a script gives: a value of a type that an argument does not take is refused by the argument's name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral
from pathlib import Path

from survbench.errors import BenchError
from survbench.io.paths import expanded

PLACE = "a name or a path"
MOST = 1000
"""The largest number of seeds and of processes; a plan of more jobs would not end."""


def text(argument: str, given: object, what: str) -> str:
    """Return a value that has to be text; ``what`` says what it stands for.

    Raises:
        BenchError: it is not; so with the functions below.
    """
    if not isinstance(given, str):
        raise _refusal(argument, given, what)
    return given


def texts(argument: str, given: object, what: str) -> list[str]:
    """Return one text, or several, as a list."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable):
        raise _refusal(argument, given, what)
    return [text(f"an entry of {argument}", each, what) for each in given]


def place(argument: str, given: object, what: str = "a path") -> str:
    """Return a value that has to be a path, or where ``what`` says so a name, as text."""
    if not isinstance(given, str | os.PathLike):
        raise _refusal(argument, given, what)
    if not str(given):
        raise BenchError(f"{argument} is an empty text; it must be {what}.")
    return str(given)


def path(argument: str, given: object) -> Path:
    """Return a value that has to be a path; ``~`` is the home folder."""
    return expanded(place(argument, given), argument)


def absolute(argument: str, given: object) -> Path:
    """Return a value that has to be a path as one that holds in every working folder, without ``..``."""
    return Path(os.path.normpath(path(argument, given).absolute()))


def count(argument: str, given: object) -> int:
    """Return a value that has to be a whole number, from 1 to :data:`MOST`."""
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise _refusal(argument, given, "a whole number")
    number = int(given)
    if not 1 <= number <= MOST:
        raise BenchError(f"{argument} is {number}; it must be at least 1 and at most {MOST:,}.")
    return number


def _refusal(argument: str, given: object, what: str) -> BenchError:
    simple = given is None or isinstance(given, bool | int | float | str)
    shown = repr(given) if simple else f"of type {type(given).__name__}"
    return BenchError(f"{argument} is {shown}; it must be {what}.")
