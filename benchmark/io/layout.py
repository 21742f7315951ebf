"""What an output folder holds, as far as several rooms must agree on it: version, states, names of files."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

SCHEMA = 4
"""Version of the files of runs and studies; another version is not read."""
TUNED = "tuned.json"
"""What a search tried and chose."""
SELECTED = "selected.json"
"""What a fit made of each feature and clinical column; only methods that tell it have this file."""
LEARNING = "learning.json"
"""What a fit makes of the patients that it was fitted on; only methods that declare ``selects`` have this file."""
RUNS, SCRATCH, STUDIES = "runs", "scratch", "studies"
"""Folders of an output folder: by the key of a job, by that of an unfinished one, and by the name of a study."""
BOARD = "leaderboard"
"""Name of a board's files, without suffix."""
BOARD_CSV, BOARD_HTML, BOARD_JSON, BOARD_MD = (f"{BOARD}.{kind}" for kind in ("csv", "html", "json", "md"))
SPLITS = "splits.json"
"""The folds of a study, as ``--splits`` reads them."""
PROGRESS = "progress.txt"
"""In the scratch folder of a network that trains: how many steps are done."""
TABLES, SITE = "tables", "site"
"""Folders beside a board: the paper's tables, and the pages."""


class Status(StrEnum):
    """How a job ended, or that it has not."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OOM = "oom"
    PENDING = "pending"
    RUNNING = "running"


Ending = Literal[Status.OK, Status.SKIPPED, Status.FAILED, Status.TIMEOUT, Status.OOM]
"""What is stored of a run, which has ended."""


class CurveSource(StrEnum):
    """Where the survival curves of a run are from, the worst first."""

    NONE = "none"
    CALIBRATED = "calibrated"
    PREDICTED = "predicted"


class Role(StrEnum):
    """Who was predicted: patients of the test fold, or an external cohort, which is named behind it."""

    TEST = "test"
    EXTERNAL = "external"

    def of(self, cohort: str) -> str:
        """Return the role with the cohort's name."""
        return f"{self}:{cohort}"
