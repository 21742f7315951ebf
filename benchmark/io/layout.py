"""Names of the files and folders of an output folder, and the version of what they hold."""

from __future__ import annotations

from typing import Literal

TUNED = "tuned.json"
SCHEMA = 4
SELECTED = "selected.json"
"""What a fit made of each feature and clinical column; only methods that tell it have this file."""
Status = Literal["ok", "skipped", "failed", "timeout", "oom"]
"""What is stored of a run. ``cached``, ``pending`` and ``running`` are words of the planner, never stored."""
CURVE_SOURCES = ("none", "calibrated", "predicted")
"""Where the survival curves of a run are from, the worst first."""
