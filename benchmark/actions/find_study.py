"""A stored study, by its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from survbench.plan.study import Study


def find_study(out: Path, name: str | None) -> Study:
    """Return a study by name, or the latest.

    Raises:
        BenchError: there is no study yet, or it cannot be read.
        UnknownNameError: there is no study of this name.
    """
    from survbench.errors import UnknownNameError
    from survbench.plan.study import latest_study, read_study, study_folders

    if name is None:
        return latest_study(out)
    folders = {folder.name: folder for folder in study_folders(out)}
    if name not in folders:
        raise UnknownNameError("study", name, folders, see="'bench status'")
    return read_study(folders[name])  # the others may be of another version
