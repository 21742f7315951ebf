"""Archives of arrays (``.npz``), each part of which has a checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.errors import message_of
from survbench.io.hashing import regular
from survbench.io.zip_entries import DAMAGE


def read_arrays(path: Path, *names: str) -> tuple[NDArray[Any], ...]:
    """Return arrays of an archive by their names.

    Raises:
        OSError: the file is missing or damaged.
    """
    try:
        with regular(path).open("rb") as stream, np.load(stream, allow_pickle=False) as held:
            return tuple(held[name] for name in names)
    except (OSError, KeyError, *DAMAGE) as error:
        raise OSError(f"{path} is missing or damaged ({message_of(error)})") from error
