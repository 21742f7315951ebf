"""The study that a verb works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from survbench.study import Study

StudyName = Annotated[str | None, typer.Option("--study", help="A study under --out (default: the latest).")]


def find_study(out: Path, name: str | None) -> Study:
    """Return a study by name, or the latest.

    Raises:
        UnknownNameError: there is no such study.
    """
    from survbench.errors import UnknownNameError
    from survbench.study import find_studies, latest_study

    if name is None:
        return latest_study(out)
    studies = {s.name: s for s in find_studies(out)}
    if name not in studies:
        raise UnknownNameError("study", name, studies, see="'bench status'")
    return studies[name]


def study_line(study: Study) -> str:
    """Return which study an answer is from."""
    return f"Study {study.name} (selection {study.protocol['selection']}, tuning {study.protocol['tuning']})"
