"""Names of the files and folders of a study, which no job reads or writes."""

from __future__ import annotations

STUDIES = "studies"
"""Folder of an output folder that holds a folder for each study."""
SPLITS = "splits.json"
"""The folds, as ``--splits`` reads them."""
BOARD = "leaderboard"
"""Name of the board's files, without suffix."""
BOARD_CSV, BOARD_HTML, BOARD_JSON, BOARD_MD = (f"{BOARD}.{kind}" for kind in ("csv", "html", "json", "md"))
TABLES, SELECTION, SITE = "tables", "selection", "site"
"""Folders beside the board: the paper's tables, the features that methods keep, and the pages."""
