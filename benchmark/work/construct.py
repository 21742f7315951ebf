"""Makes a method of its declaration."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Mapping
from typing import Any


def construct(target: str, params: Mapping[str, object]) -> Any:
    """Import the class that ``"module:Class"`` names and construct it; what it offers beside ``Method`` is declared
    in its ``gives``.
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)(**params)


def settings(method: object, params: Mapping[str, object]) -> dict[str, Any]:
    """Return all that a fitted method was constructed with: the given params, and the defaults of its constructor, and
    of those of its base classes to which that one hands on keywords. What ``fit`` resolved (see
    :class:`survbench.api.Method`) stands in the place of what it was resolved from. What JSON does not know is text.
    """
    found: dict[str, Any] = {}
    for base in type(method).__mro__:
        if "__init__" not in vars(base):
            continue
        try:
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        except (TypeError, ValueError):  # a constructor that is not written in Python
            break
        found = {**{p.name: p.default for p in parameters if p.default is not p.empty}, **found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    resolved: Mapping[str, Any] = getattr(method, "resolved", dict)()
    return {name: _plain(value) for name, value in {**found, **params, **resolved}.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else str(value)
