"""Texts of a pack: what a reviewer types, the versions with which it was made, and how to cite survbench."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from importlib.resources import files

from survbench.io.packs import Manifest
from survbench.io.versions import installed_version
from survbench.leaderboard.board.rows import Board
from survbench.plan.study import Study

CITATION = "CITATION.cff"
LOCK = "requirements.lock"
README = "README.md"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SEPARATORS = re.compile(r"[-_.]+")
"""What stands for one another in the name of a package (PEP 503)."""


def citation() -> str:
    """Return how to cite survbench, in the Citation File Format."""
    return files("survbench").joinpath(CITATION).read_text(encoding="utf-8")


def lock() -> str:
    """Return the installed versions of survbench and of every package that it needs, as pip reads them."""
    pinned: dict[str, str] = {}
    waiting = ["survbench"]
    while waiting:
        name = waiting.pop()
        version = installed_version(name)
        plain = _SEPARATORS.sub("-", name).lower()
        if version is None or plain in pinned:
            continue
        pinned[plain] = f"{plain}=={version}"
        waiting += _required(name)
    return (
        "\n".join(["# Versions with which this study was packed.", *(pinned[name] for name in sorted(pinned))]) + "\n"
    )


def _required(name: str) -> list[str]:
    """Return the names of the packages that a package needs, without those of its extras."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return []
    return [match[0] for line in lines if "extra ==" not in line and (match := _NAME.match(line))]


def readme(study: Study, board: Board, manifest: Manifest) -> str:
    """Return what a reviewer reads first.

    Args:
        study: as it is packed.
        board: of the study; two of its methods stand in the commands, and the best one that can predict a patient.
        manifest: of the pack.
    """
    from jinja2 import Environment, StrictUndefined

    complete = [row.method for row in board.rows if row.rank is not None]
    reference = study.protocol.reference
    others = [name for name in complete if name != reference]
    methods = [*others, *(name for name in complete if name == reference), "METHOD", "OTHER"]
    if reference in complete and others:
        methods = [others[0], reference]
    with_models = {entry.name for entry in study.entries if entry.has_models}
    predicting = next((name for name in complete if name in with_models), None)
    source = files("survbench.actions").joinpath("templates", "pack_readme.md.j2").read_text(encoding="utf-8")
    # Markdown is not HTML
    environment = Environment(autoescape=False, undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(source).render(
        study=study, manifest=manifest, methods=methods, predicting=predicting
    )
