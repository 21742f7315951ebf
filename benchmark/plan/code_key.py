"""Which code a result depends on: what computes it, and all that this imports, hashed.

A list of such modules that is kept by hand rots; imports do not lie. What is imported for type checkers alone is not
run, and does not count; what is imported inside a function does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points, packages_distributions
from importlib.util import find_spec
from pathlib import Path

from survbench.errors import Terminated
from survbench.io.hashing import digest, file_digest
from survbench.io.versions import installed_version
from survbench.plan.plugin_import import contained

LIBRARIES = ("numpy", "scipy", "scikit-learn", "scikit-survival", "lifelines", "pycox", "torch", "torchtuples")
"""Packages whose release may change a result; another release is another key."""
OURS = "survbench"
PLUGINS = "survbench.methods"
"""The group of entry points by which methods are found."""


@cache
def code_fingerprint(*roots: str) -> str:
    """Return a hash of the source of some modules and of all that they import: changed code is a changed key without a
    version to raise.

    Of a plugin's packages the files beside the modules count, too: weights and tables that it reads.

    Args:
        roots: names of modules; see :func:`closure`.
    """
    modules = closure(*roots)
    foreign = tuple(name for name in modules if name.partition(".")[0] != OURS)
    return digest([{name: _content(name) for name in modules}, _hashed(foreign)])


@cache
def code_and_data_fingerprint(*roots: str) -> str:
    """Return a hash as :func:`code_fingerprint` does that covers the templates, style sheets and tables, too, which lie
    beside the modules.
    """
    return digest([code_fingerprint(*roots), _hashed(closure(*roots))])


@cache
def closure(*roots: str) -> tuple[str, ...]:
    """Return the modules that run when some modules do: these, all that they import of survbench or of plugins, and so
    on, and the packages that hold them, whose ``__init__`` runs first.

    Args:
        roots: names of modules.
    """
    followed = {OURS}
    for root in roots:
        if root.partition(".")[0] not in followed:
            followed |= _of_plugins(root.partition(".")[0])
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in seen and name.partition(".")[0] in followed and _spec(name) is not None:
            seen.add(name)
            waiting += [name.rpartition(".")[0], *_imports(name)]
    return tuple(sorted(seen))


def library_versions() -> dict[str, str | None]:
    """Return the versions of :data:`LIBRARIES` that are installed here, by name."""
    return {name: installed_version(name) for name in LIBRARIES}


def clear() -> None:
    """Forget what was read, for whoever changes source files and asks again."""
    for cached in (code_fingerprint, code_and_data_fingerprint, closure, _of_plugins, _content, _spec, _imports):
        cached.cache_clear()


@cache
def _of_plugins(top: str) -> frozenset[str]:
    """Return a top-level name with those that were installed with it, and those of all plugins: a method may derive
    from one of another plugin.
    """
    packages = packages_distributions()
    together = {name for name, owners in packages.items() if set(owners) & set(packages.get(top, ()))}
    plugins = {point.value.partition(":")[0].partition(".")[0] for point in entry_points(group=PLUGINS)}
    return frozenset({top, *together, *plugins})


@cache
def _content(name: str) -> str:
    """Return a hash of a module's file, compiled or not; "" of one without, such as a namespace."""
    path = _file(name)
    return "" if path is None else file_digest(path)


def _file(name: str) -> Path | None:
    spec = _spec(name)
    path = None if spec is None or spec.origin is None else Path(spec.origin)
    return path if path is not None and path.is_file() else None


@cache
def _spec(name: str) -> ModuleSpec | None:
    """Return where a module lies; None if there is no such module. Packages are imported, other modules are not."""
    parent = name.rpartition(".")[0]
    if parent and not _is_package(parent):
        return None  # a function of a module; to look for it would import the module, and torch with it
    try:
        if parent and parent.partition(".")[0] != OURS:
            with contained(parent):
                return find_spec(name)
        return find_spec(name) if name else None
    except (KeyboardInterrupt, Terminated):
        raise
    except BaseException:  # the __init__ of a plugin's package is foreign code; its method will fail by itself
        return None


def _is_package(name: str) -> bool:
    spec = _spec(name)
    return spec is not None and spec.submodule_search_locations is not None


@cache
def _imports(name: str) -> tuple[str, ...]:
    """Return what a module imports, by absolute names; of ``from package import name`` both may be modules."""
    package = name if _is_package(name) else name.rpartition(".")[0]
    found: list[str] = []
    path = _file(name)
    if path is None or path.suffix != ".py":
        return ()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # a module that cannot run imports nothing; its method will fail by itself
        return ()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            base = ".".join(filter(None, [parent if node.level else "", node.module or ""]))
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(found)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below a node but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _for_type_checkers(node.test):
            for otherwise in node.orelse:
                yield otherwise
                yield from _statements(otherwise)
        else:
            yield node
            yield from _statements(node)


def _for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _hashed(modules: tuple[str, ...]) -> dict[str, str]:
    return {name: file_digest(path) for name, path in _data(modules)}


def _data(modules: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the files that are not Python beside some modules, also in sub-folders that are not packages: the package
    with the path below it, and the path.
    """
    packages = {name.rpartition(".")[0] for name in modules if not _is_package(name)}
    # the __init__ of a plugin's package may hold the method itself
    packages |= {name for name in modules if _is_package(name) and name.partition(".")[0] != OURS}
    for package in sorted(packages - {""}):
        spec = _spec(package)
        for folder in () if spec is None else spec.submodule_search_locations or ():
            for path in _files(Path(folder)):
                yield f"{package}/{path.relative_to(folder).as_posix()}", path


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.suffix.startswith(".py"):
            yield path
        elif path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            yield from _files(path)
