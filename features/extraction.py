"""One patient's radiomics, and the file in which they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from survbench.io.files import finite, write_json
from survbench.io.hashing import digest
from survbench.io.layout import CACHE
from survbench.io.stored import UnreadableError, matching, read_stored

RADIOMICS = "radiomics"
"""Folder of the cache."""
WAVELET_REACH = 3
"""Voxels that coif1 looks beyond the mask (6 taps); past the border of the grid it goes on at the opposite one."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """A patient's features and what a reader must know to trust them.

    Attributes:
        values: features by name; NaN for one that does not exist.
        grey_levels: how many grey levels the mask holds in each image, by ``<channel>_<image>``.
        constant: images that have one intensity in the mask.
        margin: voxels between the mask and the border of the grid; 0 for a mask that touches it.
    """

    values: Mapping[str, float]
    grey_levels: Mapping[str, int]
    constant: tuple[str, ...]
    margin: int


def radiomics_path(out: Path, key: str) -> Path:
    """Return where the features of one patient lie."""
    return out / CACHE / RADIOMICS / key[:2] / f"{key}.json"


def write_radiomics(out: Path, key: str, extraction: Extraction) -> None:
    """Store a patient's features; a non-finite one becomes null."""
    path = radiomics_path(out, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "values": json_values(extraction.values),
        "grey_levels": dict(extraction.grey_levels),
        "constant": list(extraction.constant),
        "margin": extraction.margin,
    }
    write_json(path, {"sha256": digest(content), "content": content})


def json_values(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return features as JSON holds them: None where a value is not finite."""
    return {name: finite(v) for name, v in values.items()}


def read_radiomics(out: Path, key: str) -> Extraction | None:
    """Return a patient's features, or None where they are not stored or damaged."""
    try:
        return read_stored(radiomics_path(out, key), lambda raw: _extraction(matching(raw, "content")))
    except (FileNotFoundError, UnreadableError):
        return None


def _extraction(content: Mapping[str, Any]) -> Extraction:
    values = {name: np.nan if v is None else v for name, v in content["values"].items()}
    return Extraction(values, content["grey_levels"], tuple(content["constant"]), content["margin"])
