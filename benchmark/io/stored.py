"""JSON files of ours as they are read: whole and as they were written, or named as unreadable. Another version may have
written them: keys that it has added are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from survbench.errors import BenchError
from survbench.io.hashing import digest, regular

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
CHECKSUM = "sha256"
"""Key of the checksum in a file that holds its own."""
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What any other bytes or values than those that were written make a reader raise."""


class UnreadableError(BenchError):
    """A file of ours is damaged, or another version has written it; the message names it and says why."""


def read_stored(path: Path, parse: Callable[[dict[str, Any]], T]) -> T:
    """Return what a JSON file of ours holds.

    Args:
        path: of the file.
        parse: makes the result of the file's mapping, and may raise what it likes if the mapping does not fit.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableError: it cannot be opened, is not a mapping in JSON, or does not fit.
    """
    try:
        content = regular(path).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    return parsed(path, content, parse)


def parsed(name: Path | str, content: bytes, parse: Callable[[dict[str, Any]], T]) -> T:
    """Return what the content of a JSON file holds; ``name`` is that of the file, for the rest see
    :func:`read_stored`.

    Raises:
        UnreadableError: it is not a mapping in JSON, or does not fit.
    """
    try:
        raw = json.loads(content.decode("utf-8"))
        if not isinstance(raw, dict):
            raise TypeError(f"it holds {type(raw).__name__}, not a mapping")
        return parse(raw)
    except _DAMAGE as error:
        raise _unreadable(name, error) from error


def _unreadable(name: Path | str, error: Exception) -> UnreadableError:
    return UnreadableError(
        f"{name} cannot be read ({in_a_line(error)}): it is damaged, or another version of survbench has written it."
    )


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file together with its own checksum, which :func:`checked` compares."""
    return {**content, CHECKSUM: digest(content)}


def checked(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file without its checksum; a file of an earlier version may have none.

    Raises:
        ValueError: the content is not what was written.
    """
    content = {key: value for key, value in raw.items() if key != CHECKSUM}
    if CHECKSUM in raw and raw[CHECKSUM] != digest(content):
        raise ValueError("it was changed after it was written")
    return content


def matching(raw: Mapping[str, Any], key: str) -> Any:
    """Return the part of a file of which the file holds the checksum.

    Raises:
        ValueError: the part is not what was written.
    """
    if raw[CHECKSUM] != digest(raw[key]):
        raise ValueError("it was changed after it was written")
    return raw[key]


def known_fields(model: type[DataclassInstance], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file holds for the fields of a dataclass; keys that a later version has added are passed over, as
    :class:`survbench.io.config.Stored` does it.
    """
    names = {field.name for field in fields(model)}
    return {name: value for name, value in dict(raw).items() if name in names}


def in_a_line(error: Exception) -> str:
    """Return on one line why a file cannot be read."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
