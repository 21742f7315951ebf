"""Where pycox makes the folder for its own data sets, which it makes when it is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "PYCOX_DATA_DIR"


@contextmanager
def pycox_data_in(folder: Path) -> Iterator[None]:
    """Let an import of pycox make its folder in ``folder`` and not beside the installed package."""
    before = os.environ.get(NAME)
    os.environ[NAME] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[NAME]
        else:
            os.environ[NAME] = before
