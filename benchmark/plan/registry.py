"""Finds methods by the entry point group ``survbench.methods``; ours and outside ones come by the same door."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from survbench.api import FAMILIES, GROUPS, MethodInfo
from survbench.errors import BenchError, Terminated, UnknownNameError, message_of
from survbench.plan.plugin_import import contained
from survbench.space import space_to_json

GROUP = "survbench.methods"
"""An entry point of this group names a MethodInfo or an iterable of them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that could not be read, and why; it takes nothing else down."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selectable:
    """Methods that ``--methods`` takes by one word.

    Attributes:
        kind: what the word names: ``group``, ``family`` or ``tag``.
        methods: their names, in the registry's order.
    """

    kind: str
    methods: tuple[str, ...]


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
                raise BenchError(f"Method {name!r} cannot be used: {plugin.reason}. Fix or uninstall its plugin.")
        raise UnknownNameError("method", name, [*self.methods, *self.learners()], see="'bench list methods'")

    def select(self, wanted: str) -> tuple[MethodInfo, ...]:
        """Return the methods that ``all``, ``NAME,...``, ``LEARNER`` or ``@GROUP`` name, in the registry's order.

        ``all`` is every method but the pairs of a source of features and a learner that no publication reports; these
        are chosen by name alone. ``LEARNER`` takes the methods of ``all`` with that learner. ``-NAME`` and ``-@GROUP``
        take methods away from what the other parts choose, or from ``all`` where there are none.

        Raises:
            UnknownNameError: a part names neither a method nor a group.
            BenchError: no method is named, or none is left.
        """
        parts = [part for part in (p.strip() for p in wanted.split(",")) if part]
        chosen = [part for part in parts if not part.startswith("-")]
        left_out = [part[1:].strip() for part in parts if part.startswith("-")]
        if not parts:
            raise BenchError(f"--methods {wanted!r} names no method. Give 'all', names separated by commas, or @GROUP.")
        named = self._named(chosen or ["all"])
        if not named:
            raise BenchError(f"--methods {wanted!r}: no installed method is in that group. See 'bench list groups'.")
        names = named - self._named(left_out)
        if not names:
            raise BenchError(
                f"--methods {wanted!r} leaves no method: all that it chooses is left out with '-'. Leave out less."
            )
        return tuple(info for name, info in self.methods.items() if name in names)

    def _named(self, parts: Iterable[str]) -> set[str]:
        names: set[str] = set()
        learners = self.learners()
        for part in parts:
            if part == "all":
                names |= {name for name, info in self.methods.items() if info.in_all}
            elif part.startswith("@"):
                groups = self.groups()
                if part[1:] not in groups:
                    known = [f"@{name}" for name in groups]
                    raise UnknownNameError("group of methods", part, known, see="'bench list groups'")
                names |= set(groups[part[1:]].methods)
            elif part in learners:
                if not learners[part]:
                    pairs = [name for name, info in self.methods.items() if info.learner == part]
                    raise BenchError(f"No pair with the learner {part!r} is in 'all'. Name one: {', '.join(pairs)}.")
                names |= set(learners[part])
            else:
                names.add(self.get(part).name)
        return names

    def learners(self) -> dict[str, tuple[str, ...]]:
        """Return the methods of ``all`` by the name of their learner, if no method has the learner's name."""
        made: dict[str, list[str]] = {}
        for info in self.methods.values():
            if info.learner and info.learner not in self.methods:
                made.setdefault(info.learner, []).extend([info.name] if info.in_all else [])
        return {name: tuple(methods) for name, methods in made.items()}

    def groups(self) -> dict[str, Selectable]:
        """Return what ``--methods @NAME`` takes, by name: all groups, then families and tags that have a method. Only
        methods of ``all`` count.

        A name that is a group's and a family's (``marker``) means the group.
        """
        members: dict[str, dict[str, list[str]]] = {"group": {name: [] for name in GROUPS}, "family": {}, "tag": {}}
        for info in filter(lambda info: info.in_all, self.methods.values()):
            members["group"][info.group].append(info.name)
            members["family"].setdefault(info.family, []).append(info.name)
            for tag in sorted(info.tags):
                members["tag"].setdefault(tag, []).append(info.name)
        made: dict[str, Selectable] = {}
        for kind, of_kind in members.items():
            for name, methods in of_kind.items():
                made.setdefault(name, Selectable(kind, tuple(methods)))
        return made


@cache
def registry() -> Registry:
    """Read all entry points of :data:`GROUP`, the built-in ones first, so that no plugin replaces a built-in method."""
    found: dict[str, MethodInfo] = {}
    broken: list[Broken] = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: (not _is_ours(p), p.name)):
        try:
            with contextlib.nullcontext() if _is_ours(point) else contained(point.name):
                loaded = point.load()
                infos = [loaded] if isinstance(loaded, MethodInfo) else list(cast("Iterable[MethodInfo]", loaded))
            for info in infos:
                if not isinstance(info, MethodInfo):
                    raise TypeError(f"{point.value} holds {type(info).__name__}, expected MethodInfo")
                if info.name in found:
                    raise ValueError(f"{point.value} declares {info.name!r}, which is already taken")
                found[info.name] = info
        except (KeyboardInterrupt, Terminated):
            raise
        except BaseException as error:  # a plugin is foreign code: whatever it raises concerns it alone
            broken.append(Broken(point.name, f"{type(error).__name__}: {message_of(error)}"))
    ordered = sorted(found.values(), key=lambda m: (FAMILIES.index(m.family), m.name))
    return Registry({m.name: m for m in ordered}, tuple(broken))


def _is_ours(point: EntryPoint) -> bool:
    return point.value.startswith("survbench.")


def describe(info: MethodInfo) -> dict[str, Any]:
    """Return a method's declaration as JSON for ``bench list``."""
    raw = {**asdict(info), "in_all": info.in_all, "space": space_to_json(info.space)}
    for name in ("needs_fit", "needs_predict", "modalities", "gives", "tags"):
        raw[name] = sorted(raw[name])
    return raw
