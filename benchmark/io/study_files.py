"""Names of the files and folders of a study, which no job reads or writes."""

from __future__ import annotations

STUDIES = "studies"
"""Folder of an output folder that holds a folder for each study."""
SPLITS = "splits.json"
"""The folds, as ``--splits`` reads them."""
COHORT = "cohort.json"
"""The cohort's card, and hashes of its patients' images: what predicting a new patient needs beside the models."""
BOARD = "leaderboard"
"""Name of the board's files, without suffix."""
BOARD_CSV, BOARD_HTML, BOARD_JSON, BOARD_MD = (f"{BOARD}.{kind}" for kind in ("csv", "html", "json", "md"))
BUILT = "built.sha256"
"""Beside a board: what it was built of and the checksums of its files, so that a run that changes nothing builds
nothing, and files that were changed are seen.
"""
TABLES, SELECTION, SITE, FIGURES = "tables", "selection", "site", "figures"
"""Folders beside the board: the paper's tables, the features that methods keep, the pages, and figures for a paper."""
