"""Files that another version may have written: keys that are passed over, and why a file cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def known_fields(model: type[DataclassInstance], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file holds for the fields of a dataclass; keys that a later version has added are passed over, as
    :class:`survbench.io.config.Stored` does it.
    """
    names = {field.name for field in fields(model)}
    return {name: value for name, value in dict(raw).items() if name in names}


def in_a_line(error: Exception) -> str:
    """Return on one line why a file cannot be read."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
