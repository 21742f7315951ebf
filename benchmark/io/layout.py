"""What a job's process reads and writes in an output folder: version, states, names of files and folders. This module
is part of the key of every job, so names that jobs do not use stand in :mod:`survbench.io.study_files`.
"""

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
PROGRESS = "progress.txt"
"""How many steps a network has trained, in the scratch folder of its fit."""
RUNS, SCRATCH, COHORTS, CACHE = "runs", "scratch", "cohorts", "cache"
"""Folders of an output folder: finished jobs and unfinished ones, by key; prepared cohorts, by fingerprint; volumes,
features and facts of patients, by content.
"""


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
