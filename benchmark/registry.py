"""Finds methods by the entry point group ``survbench.methods``; ours and outside ones come by the same door."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, cast

from survbench.api import FAMILIES, MethodInfo
from survbench.errors import BenchError, UnknownNameError

GROUP = "survbench.methods"
"""An entry point of this group names a MethodInfo or an iterable of them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that could not be read, and why; it takes nothing else down."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """The methods that are installed, by name, and the plugins that are broken."""

    methods: Mapping[str, MethodInfo]
    broken: tuple[Broken, ...]

    def get(self, name: str) -> MethodInfo:
        """Return a method's declaration; an unknown name raises :class:`UnknownNameError` with suggestions."""
        if name in self.methods:
            return self.methods[name]
        for plugin in self.broken:
            if plugin.name == name:
                raise BenchError(f"Method {name!r} cannot be used: {plugin.reason}. Mend or uninstall its plugin.")
        raise UnknownNameError("method", name, self.methods, see="'bench list methods'")

    def select(self, wanted: str) -> tuple[MethodInfo, ...]:
        """Return the methods that ``all``, ``NAME,...`` or ``@FAMILY``/``@TAG`` name, in the registry's order."""
        chosen: set[str] = set()
        for part in filter(None, (p.strip() for p in wanted.split(","))):
            if part == "all":
                chosen |= set(self.methods)
            elif part.startswith("@"):
                chosen |= self._group(part[1:])
            else:
                chosen.add(self.get(part).name)
        if not chosen:
            raise BenchError(
                f"--methods {wanted!r} names no method. Give 'all', names separated by commas, or @FAMILY."
            )
        return tuple(info for name, info in self.methods.items() if name in chosen)

    def _group(self, name: str) -> set[str]:
        members = {m.name for m in self.methods.values() if name == m.family or name in m.tags}
        if not members:
            groups = {f"@{m.family}" for m in self.methods.values()} | {
                f"@{t}" for m in self.methods.values() for t in m.tags
            }
            raise UnknownNameError("group of methods", f"@{name}", groups, see="'bench list methods'")
        return members


@cache
def registry() -> Registry:
    """Read all entry points of :data:`GROUP`."""
    found: dict[str, MethodInfo] = {}
    broken: list[Broken] = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        try:
            loaded = point.load()
            infos = [loaded] if isinstance(loaded, MethodInfo) else list(cast("Iterable[MethodInfo]", loaded))
            for info in infos:
                if not isinstance(info, MethodInfo):
                    raise TypeError(f"{point.value} holds {type(info).__name__}, expected MethodInfo")
                if info.name in found:
                    raise ValueError(f"{point.value} declares {info.name!r}, which is already taken")
                found[info.name] = info
        except Exception as error:  # a plugin is foreign code: whatever it raises concerns it alone
            broken.append(Broken(point.name, f"{type(error).__name__}: {error}"))
    ordered = sorted(found.values(), key=lambda m: (FAMILIES.index(m.family), m.name))
    return Registry({m.name: m for m in ordered}, tuple(broken))


def construct(target: str, params: Mapping[str, object]) -> Any:
    """Import the class that ``"module:Class"`` names and construct it; what it offers beside ``Method`` is declared
    in its ``gives``.
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)(**params)


def settings(method: object, params: Mapping[str, object]) -> dict[str, Any]:
    """Return all that a method was constructed with: the given params, and the defaults of its constructor, and of
    those of its base classes to which that one hands on keywords. What JSON does not know is text.
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
    return {name: _plain(value) for name, value in {**found, **params}.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else str(value)
