"""Print the rooms of the code: modules and lines in each folder, imports between rooms, and violations of their order.

Run it where `survbench` is a folder, such as the wheel that `make types` unpacks into build/types::

    make structure
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path

import grimp

CONTRACTS = Path(__file__).parents[2] / "pyproject.toml"


def main() -> int:
    """Print the graph; return 1 if an import runs upwards or rooms import each other in a circle."""
    graph = grimp.build_graph("survbench")
    if "survbench.models" not in graph.modules:
        sys.exit("survbench is not a single folder here. Use 'make structure'.")
    modules = sorted(graph.modules)
    rooms = {name: _room(name, graph) for name in modules}
    root = Path("survbench")
    lines = {name: len(_path(root, name).read_text(encoding="utf-8").splitlines()) for name in modules}
    print(f"{'room':<36} modules  lines")
    for room in sorted(set(rooms.values())):
        members = [name for name in modules if rooms[name] == room and _path(root, name).name != "__init__.py"]
        print(f"{room:<36} {len(members):>7}  {sum(lines[name] for name in members):>5}")
    arrows: Counter[tuple[str, str]] = Counter()
    for importer in modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            # the package itself runs first, and exports names from the highest rooms
            if rooms[importer] != rooms[imported] and "survbench" not in {importer, imported}:
                arrows[rooms[importer], rooms[imported]] += 1
    print(f"\n{len(set(rooms.values()))} rooms, {len(arrows)} arrows, imports inside functions included")
    for room in sorted({a for a, _ in arrows}):
        below = [f"{b.removeprefix('survbench.')} ({n})" for (a, b), n in sorted(arrows.items()) if a == room]
        print(f"{room} -> {', '.join(below)}")
    floors = _floors()
    up = [f"{a} -> {b}" for a, b in sorted(arrows) if _runs_up(floors, a, b)]
    circle = _circle(arrows)
    print(f"\narrows that run up: {', '.join(up) or 'none'}")
    print(f"rooms in a circle: {' -> '.join(circle) or 'none'}")
    return 1 if up or circle else 0


def _room(name: str, graph: grimp.ImportGraph) -> str:
    """Return the folder of a module; a module directly in the package is a room of its own."""
    if graph.find_children(name):
        return name
    parent = name.rpartition(".")[0]
    return name if parent == "survbench" else parent


def _path(root: Path, name: str) -> Path:
    path = root.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _floors() -> dict[str, int]:
    """Return the floor of each room in the layers contract; the lowest room has the highest number."""
    contracts = tomllib.loads(CONTRACTS.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = ([room.strip() for room in layer.split("|")] for layer in layers)
    return dict(chain.from_iterable(((room, floor) for room in beside) for floor, beside in enumerate(rooms)))


def _runs_up(floors: dict[str, int], importer: str, imported: str) -> bool:
    """Return whether a room imports another that is not below it; imports within a room of the contract are allowed."""
    a, b = _contracted(importer, floors), _contracted(imported, floors)
    return a != b and floors[a] >= floors[b]


def _contracted(room: str, floors: dict[str, int]) -> str:
    """Return the room of the contract that contains a room or equals it.

    Raises:
        SystemExit: no room does; a new room needs a floor.
    """
    name = room
    while name not in floors:
        if not name:
            sys.exit(f"{room} is in no layer of the contract in pyproject.toml; add it there")
        name = name.rpartition(".")[0]
    return name


def _circle(arrows: Iterable[tuple[str, str]]) -> list[str]:
    """Return rooms that import each other in a circle; empty if there are none."""
    below: dict[str, set[str]] = {}
    for importer, imported in arrows:
        below.setdefault(importer, set()).add(imported)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


if __name__ == "__main__":
    sys.exit(main())
