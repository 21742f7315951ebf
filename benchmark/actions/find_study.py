"""A stored study, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from survbench.plan.study import Study


def find_study(out: Path, name: str | None) -> Study:
    """Return a study by name, or the latest.

    Raises:
        BenchError: there is no study yet.
        UnknownNameError: there is no study of this name.
    """
    from survbench.errors import UnknownNameError
    from survbench.plan.study import find_studies, latest_study

    if name is None:
        return latest_study(out)
    studies = {s.name: s for s in find_studies(out)}
    if name not in studies:
        raise UnknownNameError("study", name, studies, see="'bench status'")
    return studies[name]
